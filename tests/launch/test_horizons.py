"""Horizons of LeRobot's policies, and displacements, through the launch file."""

import json
from itertools import pairwise

import numpy as np
import pytest
from lerobot_checkpoints import TINY, write_act, write_displacement
from ros_graph import Graph, mode_of
from sensor_msgs.msg import JointState

from robot_policies.catalog import load_robot
from robot_policies.data.ros_messages import to_seconds
from robot_policies.interface.kinematics import Kinematics

ROBOT = load_robot("so101")
ARM = ("robot:=so101", "backend:=loopback", "task:=none")
# Rows of a plan, rows followed, control periods per row.
HORIZONS = {"act": (100, 100, 1), "smolvla": (50, 50, 1), "diffusion": (16, 8, 3)}


@pytest.mark.parametrize(
    "horizon", ["act", pytest.param("smolvla", marks=pytest.mark.slow), "diffusion"]
)
def test_a_plan_is_followed_to_its_end_and_replaced_by_the_next(horizon, tmp_path):
    rows, followed, periods = HORIZONS[horizon]
    policy = write_act(tmp_path / "act", "so101", rows, followed, periods, **TINY)
    summary = tmp_path / "summary.json"
    plan = followed * periods / ROBOT.control_rate
    names = (f"policy:={policy}", f"seconds:={plan + 3.0:g}", f"summary:={summary}")
    status, errors = Graph(*ARM, *names).end(None)
    assert status == 0, errors
    result = json.loads(summary.read_text())
    assert "stale_action" not in result["refusals"]
    assert result["levels"]["pass"] > 0.8 * result["steps"]
    assert result["latency"], "no second plan was asked for"


@pytest.mark.parametrize("periods", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_a_displacement_is_integrated_once_per_control_slot(periods, tmp_path):
    velocity = np.array([0.0, 0.0, 0.02])
    policy = write_displacement(tmp_path / "act", velocity, periods)
    kinematics = Kinematics(ROBOT, ROBOT.workspace.link)
    with Graph(*ARM, f"policy:={policy}", "seconds:=8") as graph:
        heard = graph.listen(JointState, "command_sent")
        followed = lambda: [m for _, m in heard if mode_of(m) == "policy"]  # noqa: E731
        assert graph.wait(lambda: len(followed()) > 90, 60.0)
    times = np.array([to_seconds(message.header.stamp) for message in followed()])
    where = np.array([kinematics.pose(np.array(m.position[:-1]))[1] for m in followed()])
    speeds = [
        (after - before) / (end - begin)
        for (begin, before), (end, after) in pairwise(zip(times[::15], where[::15], strict=True))
    ]
    # A pause of the machine slows one of these half seconds, not most of them.
    np.testing.assert_allclose(np.median(speeds, axis=0), velocity, atol=0.002)
