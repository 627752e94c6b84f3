"""The layout of a row is MuJoCo's own."""

import mujoco
import numpy as np

from robot_policies.catalog import load_robot
from robot_policies_sim.engines.mujoco.model import mjcf
from robot_policies_sim.worlds.go1.state import PHYSICS, StateLayout

GO1 = load_robot("go1")


def test_slices_hold_what_they_are_called():
    model = mujoco.MjModel.from_xml_string(mjcf(GO1, {}, imu=False))
    data, at = mujoco.MjData(model), StateLayout.of(len(GO1.joints))
    data.joint("base").qpos[:] = [1.0, 2.0, 3.0, 0.5, 0.1, 0.7, 0.5]
    data.joint("base").qvel[:] = [4.0, 5.0, 6.0, 7.0, 8.0, 9.0]
    for i, name in enumerate(GO1.joint_names):
        data.joint(name).qpos, data.joint(name).qvel = 10.0 + i, 30.0 + i
    row = np.zeros(at.width)
    mujoco.mj_getState(model, data, row, PHYSICS)
    assert row[at.position].tolist() == [1.0, 2.0, 3.0]
    assert at.orientation(row[None])[0].tolist() == [0.1, 0.7, 0.5, 0.5]
    assert row[at.linear].tolist() == [4.0, 5.0, 6.0]
    assert row[at.turn].tolist() == [7.0, 8.0, 9.0]
    np.testing.assert_array_equal(row[at.joint_position], 10.0 + np.arange(12))
    np.testing.assert_array_equal(row[at.joint_velocity], 30.0 + np.arange(12))
    assert row[at.base_velocity].tolist() == [4.0, 5.0, 6.0, 7.0, 8.0, 9.0]
    np.testing.assert_array_equal(
        row[at.velocity], [*row[at.linear], *row[at.turn], *row[at.joint_velocity]]
    )
