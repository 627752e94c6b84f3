import numpy as np
import pytest
from toy_robot import toy_robot

from robot_policies.catalog import load_robot
from robot_policies.control.cartesian import CartesianResolver
from robot_policies.interface import Action, ActionKind, ContractError
from robot_policies.interface.action import CARTESIAN_DELTA_NAMES
from robot_policies.interface.frames import matrix, quaternion
from robot_policies.interface.kinematics import Kinematics

LINKS = {
    "base": {"mass": 1.0},
    "turret": {"parent": "base", "joint": "yaw", "mass": 1.0, "position": [0.0, 0.0, 0.1]},
    "upper": {"parent": "turret", "joint": "lift", "mass": 1.0, "axis": [0, 1, 0]},
    "bracket": {
        "parent": "upper",
        "mass": 1.0,
        "position": [0.3, 0.0, 0.0],
        "rotation": [0.2, -0.3, 0.4],
    },
    "fore": {"parent": "bracket", "joint": "bend", "mass": 1.0, "axis": [0, 1, 0]},
    "slide": {
        "parent": "fore",
        "joint": "reach",
        "mass": 1.0,
        "position": [0.2, 0, 0],
        "axis": [1, 0, 0],
    },
    "wrist": {"parent": "slide", "joint": "twist", "mass": 1.0, "axis": [1, 0, 0]},
    "hand": {
        "parent": "wrist",
        "joint": "nod",
        "mass": 1.0,
        "position": [0.05, 0, 0],
        "axis": [0, 2, 0],
    },
    "finger": {"parent": "hand", "joint": "grip", "mass": 1.0},
}
JOINTS = {
    "yaw": {},
    "lift": {},
    "bend": {},
    "reach": {"sliding": True},
    "twist": {},
    "nod": {},
    "grip": {},
}
BOX = {"link": "hand", "lower": [-2, -2, -2], "upper": [2, 2, 2]}
ROBOT = toy_robot(JOINTS, links=LINKS, workspace=BOX)
POSES = np.random.default_rng(0).uniform(-0.8, 0.8, (8, len(JOINTS)))


def rotation_vector(rotation):
    """Small angles only."""
    skew = (rotation - rotation.T) / 2.0
    return np.array([skew[2, 1], skew[0, 2], skew[1, 0]])


def test_pose_of_a_chain_by_hand():
    joints = np.zeros(len(JOINTS))
    joints[:2] = np.pi / 2, np.pi / 2  # yaw left, then lift about the turned y axis: nose down
    rotation, position = Kinematics(ROBOT, "bracket").pose(joints)
    np.testing.assert_allclose(position, [0.0, 0.0, 0.1 - 0.3], atol=1e-12)
    turns = ([0, 0, np.pi / 2], [0, np.pi / 2, 0], [0.2, -0.3, 0.4])
    expected = np.linalg.multi_dot([matrix(quaternion(turn)) for turn in turns])
    np.testing.assert_allclose(rotation, expected, atol=1e-12)


@pytest.mark.parametrize("joints", POSES)
def test_jacobian_agrees_with_finite_differences(joints):
    kinematics, step = Kinematics(ROBOT, "hand"), 1e-6
    for j, column in enumerate(kinematics.jacobian(joints).T):
        moved = step * np.eye(len(joints))[j]
        ahead, behind = kinematics.pose(joints + moved), kinematics.pose(joints - moved)
        linear = (ahead[1] - behind[1]) / (2 * step)
        angular = rotation_vector(ahead[0] @ behind[0].T) / (2 * step)
        np.testing.assert_allclose(column, [*linear, *angular], atol=1e-8)


@pytest.mark.parametrize("joints", POSES)
def test_a_small_step_displaces_the_hand_as_told(joints):
    kinematics = Kinematics(ROBOT, "hand")
    delta = np.array([1e-3, -2e-3, 1e-3, 0.0, 0.0, 0.0])
    _, before = kinematics.pose(joints)
    _, after = kinematics.pose(kinematics.step(joints, delta))
    np.testing.assert_allclose(after - before, delta[:3], atol=1e-4)


def test_a_joint_at_its_limit_stays_and_the_others_go_on():
    kinematics = Kinematics(ROBOT, "hand")
    joints = np.array([0.2, -0.7, 0.9, ROBOT.upper[3], 0.2, 0.2, 0.2])
    target = kinematics.step(joints, np.array([5e-3, 0.0, 0.0, 0.0, 0.0, 0.0]))
    assert target[3] <= ROBOT.upper[3]
    moved = kinematics.pose(target)[1] - kinematics.pose(joints)[1]
    np.testing.assert_allclose(moved, [5e-3, 0.0, 0.0], atol=1e-3)


def test_agrees_with_mujoco():
    mujoco = pytest.importorskip("mujoco")
    from robot_policies_sim.engines.mujoco.model import mjcf

    robot = load_robot("go1")
    model = mujoco.MjModel.from_xml_string(mjcf(robot, {}))
    data = mujoco.MjData(model)
    rng = np.random.default_rng(1)
    for _ in range(4):
        joints = rng.uniform(robot.lower, robot.upper)
        for name, value in zip(robot.joint_names, joints, strict=True):
            data.joint(name).qpos[0] = value
        mujoco.mj_forward(model, data)
        base = data.body(robot.links[0].name)
        for link in robot.links:
            rotation, position = Kinematics(robot, link.name).pose(joints)
            body, frame = data.body(link.name), base.xmat.reshape(3, 3)
            np.testing.assert_allclose(frame.T @ (body.xpos - base.xpos), position, atol=1e-9)
            np.testing.assert_allclose(frame.T @ body.xmat.reshape(3, 3), rotation, atol=1e-9)


def delta(values, names=(*CARTESIAN_DELTA_NAMES, "grip")):
    return Action(np.array(values, float), names, ActionKind.CARTESIAN_DELTA, 0.0)


def test_a_cartesian_action_is_spread_over_its_control_steps():
    resolver, joints = CartesianResolver(ROBOT, dt=0.1), POSES[0]
    kinematics = Kinematics(ROBOT, "hand")
    action = delta([0.01, 0.0, 0.0, 0.0, 0.0, 0.0, 0.3])
    for _ in range(5):  # 0.1 s at 50 Hz
        resolved = resolver.resolve(action, joints)
        joints = resolved.values
    moved = kinematics.pose(joints)[1] - kinematics.pose(POSES[0])[1]
    np.testing.assert_allclose(moved, [0.01, 0.0, 0.0], atol=1e-3)
    assert (resolved.kind, resolved.names) == (ActionKind.JOINT_POSITION, ROBOT.joint_names)
    assert joints[-1] == 0.3


def test_what_is_too_fast_for_a_joint_is_followed_more_slowly_along_the_same_line():
    resolver = CartesianResolver(ROBOT, dt=1.0 / ROBOT.control_rate)
    kinematics, joints = Kinematics(ROBOT, "hand"), POSES[0]
    far = np.array([0.05, 0.3, -0.1, 0.0, 0.0, 0.0])
    resolved = resolver.resolve(delta([*far, joints[-1]]), joints).values
    share = np.abs(resolved - joints) * ROBOT.control_rate / ROBOT.velocity
    assert share.max() == pytest.approx(1.0)
    asked, change = kinematics.step(joints, far) - joints, resolved - joints
    slower = np.linalg.norm(change) / np.linalg.norm(asked)
    assert slower < 1.0
    np.testing.assert_allclose(change, slower * asked, atol=1e-12)


@pytest.mark.parametrize("way", [np.nan, np.inf, 1e308, -1e20])
def test_what_is_no_displacement_is_the_gates_to_refuse(way):
    resolved = CartesianResolver(ROBOT, dt=0.1).resolve(delta([way, *[0.0] * 6]), POSES[0])
    assert np.isnan(resolved.values[:-1]).all()


def test_a_gripper_is_closed_no_faster_than_it_may_move():
    so101 = load_robot("so101")
    names = (*CARTESIAN_DELTA_NAMES, "gripper")
    most = so101.velocity[-1] / so101.control_rate
    start = so101.default
    for wanted, expected in ((start[-1] + 0.6, start[-1] + most), (start[-1] - 0.01,) * 2):
        values = np.array([*np.zeros(6), wanted])
        action = Action(values, names, ActionKind.CARTESIAN_DELTA, 0.0)
        target = CartesianResolver(so101, 0.1).resolve(action, start)
        assert target.values[-1] == pytest.approx(expected)


def test_a_cartesian_action_with_other_elements_is_refused():
    wrong = delta([0.0] * 7, (*CARTESIAN_DELTA_NAMES, "gripper"))
    with pytest.raises(ContractError, match="and then joints of"):
        CartesianResolver(ROBOT, dt=0.1).resolve(wrong, POSES[0])


def test_an_unknown_link_is_refused():
    with pytest.raises(ContractError, match="toy: no link 'hnad'. Did you mean 'hand'"):
        Kinematics(ROBOT, "hnad")


@pytest.mark.parametrize("periods", [1, 3])
@pytest.mark.parametrize("way", np.vstack([np.eye(3), -np.eye(3)]), ids=str)
def test_a_displacement_is_followed_exactly_away_from_singularities(way, periods):
    robot = load_robot("so101")
    resolver = CartesianResolver(robot, periods / robot.control_rate)
    kinematics, joints = Kinematics(robot, robot.workspace.link), robot.default
    action = delta([*(0.06 * periods / robot.control_rate * way), 0, 0, 0], CARTESIAN_DELTA_NAMES)
    for _ in range(round(robot.control_rate)):
        joints = resolver.resolve(action, joints).values
    moved = kinematics.pose(joints)[1] - kinematics.pose(robot.default)[1]
    np.testing.assert_allclose(moved, 0.06 * way, atol=1e-4)


def test_only_what_a_joint_is_too_slow_for_is_lost_near_a_singularity():
    """Going back, the wrist is soon at its end, and the other two stretch out."""
    robot = load_robot("so101")
    resolver = CartesianResolver(robot, 1.0 / robot.control_rate)
    kinematics, joints = Kinematics(robot, robot.workspace.link), robot.default
    step = np.array([-0.1 / robot.control_rate, 0.0, 0.0])
    lost = []
    for _ in range(30):
        target = resolver.resolve(delta([*step, 0, 0, 0], CARTESIAN_DELTA_NAMES), joints).values
        moved = kinematics.pose(target)[1] - kinematics.pose(joints)[1]
        speed = np.abs(target - joints).max() * robot.control_rate
        if speed < 3.0:
            lost.append(1.0 - moved[0] / step[0])
        joints = target
    assert speed == pytest.approx(4.7)
    assert len(lost) >= 27
    assert max(lost) < 0.005
