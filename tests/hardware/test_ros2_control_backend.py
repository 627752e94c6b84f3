"""Over DDS to an emulated controller whose joints come in another order and in two messages."""

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pytest
from conformance import check_backend
from toy_robot import toy_robot
from trajectory_msgs.msg import JointTrajectory

from robot_policies.interface import (
    BackendError,
    Command,
    CommandMode,
    ConfigError,
    PublishedBackend,
)
from robot_policies_hardware.emulators.motion import Motion
from robot_policies_hardware.emulators.ros2_control import EmulatedRos2Control
from robot_policies_hardware.emulators.trajectory import JointController, Tolerances
from robot_policies_hardware.ros2_control_backend import Ros2ControlBackend
from robot_policies_hardware.ros2_states import publisher_names

JOINTS = ("shoulder", "elbow", "wrist")
# rclpy's message generator imports a module that Python 3.12 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")
ROBOT = toy_robot({name: {} for name in JOINTS})
# It takes 1.5 s for 0.6 rad, even pushed: a test machine that pauses makes no jump believable.
SLOW = toy_robot({name: {"velocity": 0.2} for name in JOINTS})


def at(position: float, joints: Iterable[str] = JOINTS) -> dict[str, float]:
    return dict.fromkeys(joints, position)


@pytest.fixture(autouse=True)
def _own_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    monkeypatch.setenv("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))


@pytest.fixture
def controller() -> Iterator[EmulatedRos2Control]:
    controller = EmulatedRos2Control(at(0.1))
    yield controller
    controller.close()


@pytest.fixture
def make() -> Iterator[Callable[..., Ros2ControlBackend]]:
    made = []

    def make(robot=ROBOT, **options) -> Ros2ControlBackend:
        # A loaded test machine may keep the controller's thread waiting.
        made.append(Ros2ControlBackend(robot, **{"timeout": 1.0, **options}))
        return made[-1]

    yield make
    for backend in made:
        backend.close()


def until(true: Callable[[], bool], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def command(*values: float, **more) -> Command:
    return Command(0.0, np.array(values), **more)


FRONT = {"front": {"topic": "/front/image_raw", "width": 4, "height": 2}}


@pytest.mark.usefixtures("controller")
def test_keeps_the_contract(make):
    check_backend(lambda: make(cameras=FRONT))


@pytest.mark.usefixtures("controller")
def test_pictures_are_rgb_with_their_own_stamp(make):
    backend = make(cameras=FRONT)
    backend.connect()
    state = backend.read()
    pixels = state.features["observation.images.front"]
    assert pixels.shape == (2, 4, 3)
    assert pixels[0, 0].tolist() == [0, 0, 255]
    assert not pixels[0, 1:].any()
    assert abs(state.stamps["observation.images.front"] - time.monotonic()) < 1.0


@pytest.mark.usefixtures("controller")
@pytest.mark.parametrize(
    ("camera", "message"),
    [
        ({"topic": "/front/image_raw", "width": 5, "height": 2}, r"shape \(2, 4, 3\), expected"),
        ({"topic": "/nowhere", "width": 4, "height": 2}, "/nowhere: no picture"),
    ],
)
def test_camera_of_another_size_or_name_is_refused(make, camera, message):
    backend = make(cameras={"front": camera}, connect_timeout=2.0)
    with pytest.raises(BackendError, match=message):
        backend.connect()


def test_camera_without_a_size_is_a_mistake(make):
    with pytest.raises(ConfigError, match=r"cameras.front: 'height' is missing"):
        make(cameras={"front": {"topic": "/front/image_raw", "width": 4}})


def test_joints_are_read_and_written_by_name(controller, make):
    controller.joints.put({"shoulder": 0.1, "elbow": 0.2, "wrist": 0.3})
    backend = make()
    backend.connect()
    assert until(lambda: np.allclose(backend.read().joint_position, [0.1, 0.2, 0.3]))
    np.testing.assert_array_equal(backend.read().joint_velocity, 0.0)
    assert backend.read().joint_effort.size == 0
    assert abs(backend.read().stamp - time.monotonic()) < 1.0

    sent = backend.write(command(-0.1, -0.2, 1.0))
    np.testing.assert_allclose(sent.values, [-0.1, -0.2, 1.0])
    there = pytest.approx({"shoulder": -0.1, "elbow": -0.2, "wrist": 1.0})
    assert until(lambda: controller.joints.position == there)


def test_a_joint_that_moves_says_how_fast(make):
    motion = Motion(fastest=0.5, gain=20.0, response=0.02)
    controller = EmulatedRos2Control(at(0.0), motion=motion)
    try:
        backend = make()
        backend.connect()
        backend.write(command(0.0, 1.0, 0.0))
        assert until(lambda: backend.read().joint_velocity[1] == pytest.approx(0.5, rel=0.05))
        assert until(lambda: backend.read().joint_position[1] > 0.98)
        assert until(lambda: backend.read().joint_velocity[1] == pytest.approx(0.0, abs=0.02))
    finally:
        controller.close()


def test_a_target_is_due_one_control_period_later(controller, make):
    backend = make()
    backend.connect()
    backend.write(command(0.0, 0.0, 0.0))
    assert until(lambda: bool(controller.commands))
    (point,) = controller.commands[0].points
    assert (point.time_from_start.sec, point.time_from_start.nanosec) == (0, 20_000_000)


def test_velocity_is_the_slope_where_the_driver_measures_none(controller, make):
    controller.measures_velocity = False
    backend = make()
    backend.connect()
    backend.read()
    controller.joints.put({"elbow": 0.12})
    assert until(lambda: backend.read().joint_velocity[1] > 0.1)
    assert until(lambda: backend.read().joint_velocity[1] == 0.0)


def test_a_reader_slower_than_the_driver_misses_no_broadcaster(controller, make):
    backend = make()
    backend.connect()
    for _ in range(20):
        time.sleep(0.04)  # four messages of each of the two broadcasters
        backend.read()
    stamps = [backend._driver.measured[name].stamp for name in JOINTS]
    assert max(stamps) - min(stamps) < 0.3


def test_stopping_and_damping_hold_the_measured_position(controller, make):
    backend = make()
    backend.connect()
    backend.stop("test")
    backend.write(command(0.7, 0.7, 0.7, mode=CommandMode.DAMP))
    assert until(lambda: len(controller.commands) == 2)
    for trajectory in controller.commands:
        np.testing.assert_allclose(trajectory.points[0].positions, 0.1)


@pytest.mark.parametrize(
    "glitch",
    [dict.fromkeys(JOINTS, 0.0), {"wrist": 0.6 + 2.0 * np.pi}, {"elbow": np.nan}],
    ids=["zeros", "turn", "nan"],
)
def test_a_wrong_message_among_right_ones_is_left_aside(controller, make, glitch):
    controller.joints.put(dict.fromkeys(JOINTS, 0.6))
    backend = make(SLOW)
    backend.connect()
    controller.glitch = glitch
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        np.testing.assert_array_equal(backend.read().joint_position, 0.6)
        backend.write(command(0.0, 0.0, 0.0, mode=CommandMode.DAMP))
    assert backend._driver.refused > 5
    backend.stop("test")
    assert until(lambda: len(controller.commands) > 10)
    for trajectory in controller.commands:
        np.testing.assert_array_equal(trajectory.points[0].positions, 0.6)


@pytest.mark.parametrize("wrong", [0.6 + 2.0 * np.pi, 0.0])
def test_a_wrong_position_that_lasts_ends_it_and_is_never_a_target(controller, make, wrong):
    controller.joints.put(dict.fromkeys(JOINTS, 0.6))
    backend = make(SLOW, timeout=0.3)
    backend.connect()
    backend.write(command(0.6, 0.6, 0.6))
    assert until(lambda: bool(controller.commands))
    controller.joints.put({"elbow": wrong})
    with pytest.raises(BackendError, match=r"ms old, limit 300 ms; joint elbow measured"):
        until(lambda: backend.read() is None)
    sent = backend.write(command(0.0, 0.0, 0.0, mode=CommandMode.DAMP))
    np.testing.assert_array_equal(sent.values, 0.6)
    backend.stop("test")
    time.sleep(0.2)
    assert len(controller.commands) == 1, "the controller holds its last target"


def test_a_joint_outside_its_range_is_held_where_it_is(controller, make):
    controller.joints.put({"elbow": 1.05})
    backend = make()
    backend.connect()
    backend.stop("test")
    assert until(lambda: bool(controller.commands))
    np.testing.assert_array_equal(controller.commands[0].points[0].positions, [0.1, 1.05, 0.1])


def test_a_second_publisher_is_refused_by_name(controller, make):
    second = EmulatedRos2Control(at(0.1, JOINTS[:1]), listens=False, name="joint_state_publisher")
    try:
        assert until(lambda: len(publisher_names(second.node, "/joint_states")) == 2)
        with pytest.raises(BackendError, match="'shoulder' is published by .* end one") as caught:
            make().connect()
    finally:
        second.close()
    assert {"/emulated_ros2_control", "/joint_state_publisher"} < set(
        re.split("[ ;]", str(caught.value))
    )


def test_a_second_publisher_that_comes_later_is_not_listened_to(controller, make, capfd):
    controller.joints.put(dict.fromkeys(JOINTS, 0.11))
    backend = make()
    backend.connect()
    second = EmulatedRos2Control(at(0.1), listens=False, name="joint_state_publisher")
    try:
        assert until(lambda: backend.read() and backend._driver.contested)
        np.testing.assert_array_equal(backend.read().joint_position, 0.11)
    finally:
        second.close()
    assert (
        "left aside: 'wrist' is published by /emulated_ros2_control and by"
        in capfd.readouterr().err
    )


def test_a_driver_that_was_started_anew_is_listened_to(controller, make):
    backend = make(timeout=10.0)  # a busy machine starts it slowly
    backend.connect()
    backend.read()
    controller.close()
    again = EmulatedRos2Control(at(0.12))
    try:
        assert until(lambda: np.allclose(backend.read().joint_position, 0.12))
    finally:
        again.close()


def test_the_time_in_which_nobody_reads_does_not_make_a_measurement_old(controller, make):
    now = [0.0]
    backend = make(timeout=0.2, clock=lambda: time.time() + now[0])
    backend.connect()
    backend.read()
    now[0] = 1.0  # as after a pause of the process: what came last is 1 s old
    assert backend.read().stamp < time.time() + 0.5
    with pytest.raises(BackendError, match="ms old, limit 200 ms; stamped 1.0. s away"):
        until(lambda: backend.read() is None)


def test_it_says_where_the_driver_publishes(make):
    backend = make(states="joint_states", cameras=FRONT)
    assert isinstance(backend, PublishedBackend)
    assert backend.published == {
        "observation.state": "/joint_states",
        "observation.images.front": "/front/image_raw",
    }


@pytest.mark.usefixtures("controller")
def test_other_joint_names(make):
    robot = toy_robot({"joint_1": {}, "joint_2": {}, "wrist": {}})
    backend = make(robot, joints={"joint_1": "elbow", "joint_2": "shoulder"})
    backend.connect()
    assert backend.read().joint_position.shape == (3,)
    with pytest.raises(ConfigError, match="no joint 'joint_3'. Did you mean 'joint_"):
        make(robot, joints={"joint_3": "elbow"})


def test_nobody_there_is_named(make):
    backend = make(connect_timeout=0.2)
    with pytest.raises(BackendError, match="/joint_states: no message; is the joint state broad"):
        backend.connect()
    with pytest.raises(BackendError, match="read before connect"):
        backend.read()


def test_missing_joint_gets_the_nearest(controller, make):
    backend = make(toy_robot({"shoulder": {}, "elbw": {}}), connect_timeout=1.0)
    with pytest.raises(
        BackendError, match="no joint 'elbw'. Did you mean 'elbow'|no joint 'elbw'"
    ):
        backend.connect()
    assert not controller.commands


def test_inactive_controller_is_named(make):
    deaf = EmulatedRos2Control(at(0.1), listens=False)
    try:
        with pytest.raises(BackendError, match="joint_trajectory: no controller listens"):
            make(connect_timeout=1.0).connect()
    finally:
        deaf.close()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"late": 3.0}, r"is \d+ ms old, limit 1000 ms"),
        ({"stamped": False}, "carry no stamp"),
        ({"joints": JointController(dict.fromkeys(JOINTS, np.nan))}, "has position nan"),
    ],
)
def test_unusable_measurement_is_refused(controller, make, fault, message):
    backend = make()
    backend.connect()
    backend.read()
    for name, value in fault.items():
        setattr(controller, name, value)
    with pytest.raises(BackendError, match=message):
        until(lambda: backend.read() is None)
    backend.stop("fault")


def test_refuses_what_no_motor_should_receive(controller, make):
    backend = make()
    backend.connect()
    for wrong in (np.nan, 3.0):
        with pytest.raises(BackendError, match=r"ros2_control: command\[shoulder\] = .* outside"):
            backend.write(command(wrong, 0.0, 0.0))
    assert not controller.commands


def test_a_clock_that_is_set_back_costs_no_measurement(controller, make):
    ahead = 60.0
    controller.clock = lambda: time.time() + ahead
    backend = make(clock=controller.clock, steady=controller.clock, timeout=0.5)
    backend.connect()
    assert backend.read().stamp == pytest.approx(controller.clock(), abs=0.5)
    ahead = 0.0
    for _ in range(30):
        state = backend.read()
        assert state.stamp == pytest.approx(controller.clock(), abs=0.5)
        time.sleep(0.02)
    assert state.stamp == pytest.approx(controller.clock(), abs=0.2)


GRIP = {"command": "/gripper_controller/joint_trajectory", "open": {"jaw": 0.8}}


def test_after_a_trajectory_was_given_up_the_next_command_moves_the_arm_from_where_it_is(make):
    slow, allowed = Motion(0.5, 20.0, 0.02), Tolerances(path=0.05)
    controller = EmulatedRos2Control(at(0.1), motion=slow, tolerances=allowed)
    joints = controller.joints
    try:
        backend = make()
        backend.connect()
        backend.write(command(0.9, 0.1, 0.1))  # within a control period, which nobody can
        assert until(lambda: joints.aborted)
        assert until(lambda: abs(joints.velocity["shoulder"]) < 1e-3)
        here = joints.position["shoulder"]
        assert here < 0.3, "it stays where it gave up"
        assert until(lambda: backend.read().joint_position[0] == pytest.approx(here))
        backend.write(command(here + 0.02, 0.1, 0.1))
        assert until(lambda: joints.position["shoulder"] == pytest.approx(here + 0.02, abs=1e-3))
        assert len(joints.aborted) == 1
    finally:
        controller.close()


def test_letting_go_opens_the_grip(controller, make):
    opened = []
    controller.node.create_subscription(JointTrajectory, GRIP["command"], opened.append, 1)
    backend = make(grip=GRIP)
    backend.connect()
    assert not opened
    backend.let_go()
    assert until(lambda: len(opened) == 1)
    assert opened[0].joint_names == ["jaw"]
    assert opened[0].points[0].positions.tolist() == [0.8]
    assert not controller.commands


@pytest.mark.usefixtures("controller")
def test_a_grip_that_nobody_would_open_is_refused(make):
    with pytest.raises(ConfigError, match="grip: open names no joint"):
        make(grip={**GRIP, "open": {}})
    with pytest.raises(ConfigError, match="open: jaw is nan, expected a number"):
        make(grip={**GRIP, "open": {"jaw": float("nan")}})
    with pytest.raises(BackendError, match="no controller listens, the grip could not be opened"):
        make(grip=GRIP, connect_timeout=1.5).connect()
