"""Over DDS to a fake controller whose joints come in another order and in two messages."""

import os
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from conformance import check_backend
from fake_controller import FakeController
from sensor_msgs.msg import JointState
from toy_robot import toy_robot

from robot_policies.interface import BackendError, Command, CommandMode, ConfigError
from robot_policies_hardware.ros2_control_backend import Ros2ControlBackend

JOINTS = ("shoulder", "elbow", "wrist")
# rclpy's message generator imports a module that Python 3.12 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")
ROBOT = toy_robot({name: {} for name in JOINTS})


@pytest.fixture(autouse=True)
def _own_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    monkeypatch.setenv("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))


@pytest.fixture
def controller() -> Iterator[FakeController]:
    controller = FakeController(JOINTS)
    yield controller
    controller.close()


@pytest.fixture
def make() -> Iterator[Callable[..., Ros2ControlBackend]]:
    made = []

    def make(robot=ROBOT, **options) -> Ros2ControlBackend:
        # A loaded test machine may keep the fake controller's thread waiting.
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
    assert abs(state.stamps["observation.images.front"] - time.time()) < 1.0


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
    controller.position = {"shoulder": 0.1, "elbow": 0.2, "wrist": 0.3}
    backend = make()
    backend.connect()
    assert until(lambda: np.allclose(backend.read().joint_position, [0.1, 0.2, 0.3]))
    np.testing.assert_array_equal(backend.read().joint_velocity, 0.5)
    assert backend.read().joint_effort.size == 0
    assert abs(backend.read().stamp - time.time()) < 1.0

    sent = backend.write(command(-0.1, -0.2, 1.0))
    np.testing.assert_allclose(sent.values, [-0.1, -0.2, 1.0])
    assert until(lambda: bool(controller.commands))
    assert controller.position == pytest.approx({"shoulder": -0.1, "elbow": -0.2, "wrist": 1.0})


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
    controller.position["elbow"] = 0.9
    assert until(lambda: backend.read().joint_velocity[1] > 1.0)
    assert until(lambda: backend.read().joint_velocity[1] == 0.0)


def test_a_reader_slower_than_the_driver_misses_no_broadcaster(controller, make):
    backend = make()
    backend.connect()
    for _ in range(20):
        time.sleep(0.04)  # four messages of each of the two broadcasters
        backend.read()
    stamps = [backend._measured[name].stamp for name in JOINTS]
    assert max(stamps) - min(stamps) < 0.3


def test_stopping_and_damping_hold_the_measured_position(controller, make):
    backend = make()
    backend.connect()
    backend.stop("test")
    backend.write(command(0.7, 0.7, 0.7, mode=CommandMode.DAMP))
    assert until(lambda: len(controller.commands) == 2)
    for trajectory in controller.commands:
        np.testing.assert_allclose(trajectory.points[0].positions, 0.1)


@pytest.mark.usefixtures("controller")
def test_an_echo_of_our_own_publishing_changes_nothing(make):
    backend = make()
    backend.connect()
    state = backend.read()
    echo = JointState(name=JOINTS, position=[9.0] * 3)
    echo.header.stamp = Time(sec=int(state.stamp), nanosec=int(state.stamp % 1.0 * 1e9))
    backend._on_states(echo)
    np.testing.assert_array_equal(backend.read().joint_position, 0.1)


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
    deaf = FakeController(JOINTS, listens=False)
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
        ({"position": dict.fromkeys(JOINTS, np.nan)}, "has position nan"),
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
