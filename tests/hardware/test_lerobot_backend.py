"""LeRobot's degrees and percent become SI once, by name; nothing is ever asked or guessed."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conformance import check_backend
from fake_arm import FakeArm, fake
from lerobot.motors import MotorCalibration
from serial_arm import six_servos
from toy_robot import toy_robot

from robot_policies.catalog import load_robot, make_backend
from robot_policies.interface import (
    BackendError,
    Command,
    CommandMode,
    ConfigError,
    RobotBackend,
)
from robot_policies_hardware.emulators.serial_bus import SerialBus
from robot_policies_hardware.lerobot_backend import LerobotBackend
from robot_policies_hardware.pictures import PictureSize, shrink

DEGREE = math.pi / 180.0


def command(*values: float, **more) -> Command:
    return Command(1.0, np.array(values), **more)


def test_keeps_the_contract(tmp_path):
    check_backend(lambda: fake(tmp_path), wait=lambda seconds: None)


def test_reads_degrees_and_percent_as_radians_by_name(tmp_path):
    backend = fake(tmp_path)
    assert isinstance(backend, RobotBackend)
    backend.connect()
    np.testing.assert_allclose(
        backend.read().joint_position, [-20 * DEGREE, 10 * DEGREE, -0.2 + 0.4 * 2.0]
    )


def test_writes_radians_as_degrees_and_percent_and_reports_what_was_sent(tmp_path):
    backend = fake(tmp_path)
    backend.connect()
    sent = backend.write(command(0.5, -0.5, 1.8))
    arm = backend._robot
    assert isinstance(arm, FakeArm)
    assert arm.sent[-1] == pytest.approx(
        {"shoulder.pos": 0.5 / DEGREE, "elbow.pos": -0.5 / DEGREE, "gripper.pos": 45.0}
    )
    np.testing.assert_allclose(sent.values, [0.5, -0.5, -0.2 + 0.45 * 2.0])


def test_signs_zeros_and_other_motor_names(tmp_path):
    backend = fake(
        tmp_path,
        motors={"shoulder": "elbow", "elbow": "shoulder"},
        signs={"shoulder": -1},
        zeros={"shoulder": 0.1},
    )
    backend.connect()
    np.testing.assert_allclose(
        backend.read().joint_position[:2], [0.1 - 10 * DEGREE, -20 * DEGREE]
    )
    assert backend.write(command(-0.3, 0.2, 0.0)).values[:2] == pytest.approx([-0.3, 0.2])


def test_velocity_is_the_slope_of_the_positions(tmp_path):
    now = [10.0]
    backend = fake(tmp_path, clock=lambda: now[0])
    backend.connect()
    np.testing.assert_array_equal(backend.read().joint_velocity, 0.0)
    backend._robot.present["elbow.pos"] += 1.0
    now[0] += 0.02
    np.testing.assert_allclose(backend.read().joint_velocity, [0.0, 50 * DEGREE, 0.0])


def test_connecting_and_stopping_command_the_measured_position(tmp_path):
    backend = fake(tmp_path)
    backend.connect()
    arm = backend._robot
    assert arm.sent == [pytest.approx(arm.present)]
    arm.present["elbow.pos"] = 12.0
    backend.stop("test")
    assert arm.sent[-1]["elbow.pos"] == pytest.approx(12.0)
    backend.write(command(0.0, 0.0, 0.0, mode=CommandMode.DAMP))
    assert arm.sent[-1]["elbow.pos"] == pytest.approx(12.0)


def test_camera_streams_have_their_own_size_and_stamp(tmp_path, monkeypatch):
    monkeypatch.setattr("time.perf_counter", lambda: 5.0)
    camera = {"type": "opencv", "index_or_path": 0, "width": 10, "height": 8, "fps": 30}
    backend = fake(tmp_path, cameras={"front": SimpleNamespace(**camera, get=camera.get)})
    stream = "observation.images.front"
    assert backend.provides[stream].shape == (8, 10, 3)
    backend._clock = lambda: 100.0
    backend.connect()
    backend._robot.cameras["front"].latest_timestamp = 4.9
    state = backend.read()
    backend.provides[stream].validate(state.features[stream])
    assert state.stamps[stream] == pytest.approx(99.9)


CAMERA = {"type": "opencv", "index_or_path": 0, "width": 640, "height": 480, "fps": 30}


def arm_with_camera(**options) -> LerobotBackend:
    return LerobotBackend(
        load_robot("so101"), id="one", port="none", cameras={"top": CAMERA}, **options
    )


def test_a_camera_gives_its_own_size_or_its_middle_shrunk():
    stream = "observation.images.top"
    assert arm_with_camera().provides[stream].shape == (480, 640, 3)
    shrunk = arm_with_camera(pictures={"top": {"width": 96, "height": 96}})
    assert shrunk.provides[stream].shape == (96, 96, 3)
    picture = np.zeros((480, 640, 3), np.uint8)
    picture[:, 80:560] = 100  # what is left of the width
    picture[:5, 80:85] = 200  # one of the pixels to come
    small = shrink(picture, PictureSize(96, 96))
    assert small.shape == (96, 96, 3)
    assert small[0, 0, 0] == 200
    assert set(small.reshape(-1, 3)[1:].ravel()) == {100}


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        ({"top": {"width": 640, "height": 481}}, r"pictures\.top: 640x481 is larger .* 640x480"),
        ({"tpo": {"width": 96, "height": 96}}, "'tpo'.*'top'"),
        ({"top": {"width": 96}}, "pictures.top.*height"),
        ({"top": {"width": 96, "height": 0}}, "height = 0 is no number of pixels"),
    ],
)
def test_pictures_that_a_camera_cannot_give_are_refused(pictures, message):
    with pytest.raises(ConfigError, match=message):
        arm_with_camera(pictures=pictures)


@pytest.mark.parametrize(
    "wrong",
    [
        command(np.nan, 0.0, 0.0),
        command(3.0, 0.0, 0.0),
        command(0.0),
        command(0.0, 0.0, 0.0, kind="base_velocity"),
    ],
)
def test_refuses_what_no_motor_should_receive(tmp_path, wrong):
    backend = fake(tmp_path)
    backend.connect()
    before = len(backend._robot.sent)
    with pytest.raises(BackendError, match="lerobot"):
        backend.write(wrong)
    assert len(backend._robot.sent) == before


def test_stopping_holds_a_joint_outside_its_range_and_no_measurement_that_cannot_be_true(tmp_path):
    now = [100.0]
    backend = fake(tmp_path, clock=lambda: now[0])
    backend.connect()
    arm = backend._robot
    assert isinstance(arm, FakeArm)
    now[0] += 1.0
    arm.present["elbow.pos"] = -60.0  # its range ends at -57.3 degrees, and gave way
    backend.stop("test")
    assert arm.sent[-1]["elbow.pos"] == pytest.approx(-60.0)
    held = len(arm.sent)
    for wrong in (0.0, 300.0):  # degrees; zeros, and a turn
        arm.present["elbow.pos"] = wrong
        now[0] += 0.02
        sent = backend.write(command(0.0, 0.0, 0.0, mode=CommandMode.DAMP))
        assert sent.values[1] == pytest.approx(-60.0 * DEGREE)
    assert len(arm.sent) == held, "the servos keep their goals"


def test_missing_calibration_file_is_named_before_anything_is_opened(tmp_path):
    with pytest.raises(BackendError, match=r"calibration file .*two\.json is missing.*--robot.id"):
        fake(tmp_path, id="two", calibrated=False).connect()


def test_calibration_of_another_arm_is_refused(tmp_path):
    backend = fake(tmp_path, id="foreign")
    with pytest.raises(BackendError, match=r"is not that of .*foreign\.json"):
        backend.connect()
    with pytest.raises(BackendError, match="read before connect"):
        backend.read()


def test_device_errors_are_one_line_and_stopping_never_raises(tmp_path):
    backend = fake(tmp_path)
    backend.stop("not connected")
    backend.connect()
    backend._robot.broken = True
    with pytest.raises(BackendError, match="lerobot fake_arm: read: no answer from the bus"):
        backend.read()
    backend.stop("broken")
    backend.close()
    backend.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"type": "fake_arn"}, "no robot type 'fake_arn'. Did you mean 'fake_arm'"),
        ({"prot": "x"}, "unknown key 'prot'. Did you mean 'port'"),
        ({"units": {"elbow": "degrees"}}, "units.elbow: no unit 'degrees'. Did you mean 'deg'"),
        ({"units": {"elbw": "deg"}}, "unknown key 'elbw'. Did you mean 'elbow'"),
        ({"signs": {"wrist": -1}}, "unknown key 'wrist'"),
        (
            {"type": "so101_follower", "port": "x", "use_degrees": False, "calibration_dir": "no"},
            "no/None.json is missing: m100 and p100 are shares of one arm's range",
        ),
    ],
)
def test_wrong_option_is_named(options, message):
    with pytest.raises(ConfigError) as caught:
        LerobotBackend(toy_robot({"elbow": {}}), **{"type": "fake_arm", **options})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("joints", "message"),
    [
        (("shoulder", "elbow", "griper"), "no motor 'griper'. Did you mean 'gripper'"),
        (("shoulder", "elbow"), "motor 'gripper' is no joint of toy"),
    ],
)
def test_joints_and_motors_must_be_the_same(tmp_path, joints, message):
    backend = LerobotBackend(
        toy_robot({name: {} for name in joints}), type="fake_arm", calibration_dir=str(tmp_path)
    )
    with pytest.raises(BackendError) as caught:
        backend.connect()
    assert message in str(caught.value)


SO101 = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")
TICK = 2.0 * math.pi / 4095.0  # rad


@pytest.fixture
def bus() -> Iterator[SerialBus]:
    bus = six_servos()
    yield bus
    bus.close()


def calibrate(bus: SerialBus, file: Path, offset: int = 0) -> None:
    """Write a file; the servos are calibrated as it says, but for `offset`."""
    calibration = {}
    for id_, name in enumerate(SO101, start=1):
        found = MotorCalibration(
            id=id_, drive_mode=0, homing_offset=10 * id_, range_min=1000, range_max=3000
        )
        calibration[name] = vars(found)
        bus.put(id_, "Homing_Offset", found.homing_offset + offset)
        bus.put(id_, "Min_Position_Limit", found.range_min)
        bus.put(id_, "Max_Position_Limit", found.range_max)
    file.write_text(json.dumps(calibration))


def so101(bus: SerialBus, folder: Path, offset: int = 0, **options) -> LerobotBackend:
    """The shipped configuration."""
    calibrate(bus, folder / "test.json", offset)
    backend = make_backend(
        "lerobot",
        load_robot("so101"),
        port=bus.port,
        id="test",
        calibration_dir=str(folder),
        **options,
    )
    assert isinstance(backend, LerobotBackend)
    return backend


def test_so101_keeps_the_contract(bus, tmp_path):
    check_backend(lambda: so101(bus, tmp_path), wait=lambda seconds: None)


def test_lerobots_own_so101_driver_over_a_serial_port(bus, tmp_path):
    backend = so101(bus, tmp_path)
    bus.put(2, "Present_Position", 2100)  # shoulder_lift, 100 ticks above the middle of its range
    bus.put(2, "Goal_Position", 2900)  # left by the last user
    backend.connect()
    assert set(bus.torque.values()) == {1}
    assert bus.get(2, "Present_Position") == pytest.approx(2100, abs=1)
    assert bus.furthest[2] <= 1, "connecting must not move the robot"

    state = backend.read()
    joints = dict(zip(backend.spec.joint_names, state.joint_position, strict=True))
    assert joints["shoulder_lift"] == pytest.approx(100 * TICK, abs=TICK)
    assert joints["elbow_flex"] == pytest.approx(48 * TICK, abs=TICK)
    gripper = backend.spec.joints[-1]
    opening = gripper.upper - gripper.lower
    assert joints["gripper"] == pytest.approx(gripper.lower + opening * 1048 / 2000, abs=2e-3)

    target = np.array([0.1, -0.2, 0.3, -0.4, 0.5, gripper.lower + 0.5 * opening])
    sent = backend.write(Command(0.0, target))
    np.testing.assert_allclose(sent.values, target)
    np.testing.assert_allclose(backend.read().joint_position, target, atol=2e-3)
    assert bus.get(1, "Goal_Position") == pytest.approx(2000 + 0.1 / TICK, abs=1)  # shoulder_pan
    assert bus.get(6, "Goal_Position") == pytest.approx(1000 + 2000 * 0.5, abs=1)  # gripper

    backend.stop("test")
    np.testing.assert_allclose(backend.read().joint_position, target, atol=4e-3)
    backend.close()
    assert set(bus.torque.values()) == {1}, "an arm without torque falls"


def two_arms(folder: Path, **arms) -> LerobotBackend:
    names = [f"{side}_{name}" for side in ("left", "right") for name in SO101]
    spec = toy_robot({name: {"lower": -3.0, "upper": 3.0} for name in names})
    grippers = {"left_gripper": "%", "right_gripper": "%"}
    options = {"type": "bi_so_follower", "id": "two", "calibration_dir": str(folder)}
    return LerobotBackend(spec, units=grippers, **options, **arms)


def test_two_arms_are_calibrated_each_by_its_file_and_keep_their_place(bus, tmp_path):
    buses = {"left": bus, "right": six_servos()}
    for side, arm in buses.items():
        calibrate(arm, tmp_path / f"two_{side}.json")
        arm.put(2, "Goal_Position", 2900)  # left by the last user
    ports = {
        f"{side}_arm_config": {
            "port": arm.port,
            "use_degrees": True,
            "disable_torque_on_disconnect": False,
        }
        for side, arm in buses.items()
    }
    backend = two_arms(tmp_path, **ports)
    (tmp_path / "two_right.json").rename(tmp_path / "away.json")
    with pytest.raises(BackendError, match=r"calibration file .*two_right\.json is missing"):
        backend.connect()
    (tmp_path / "away.json").rename(tmp_path / "two_right.json")
    backend.connect()
    for arm in buses.values():
        assert set(arm.torque.values()) == {1}
        assert max(arm.furthest.values()) <= 1
    backend.read()  # the goals that nobody confirms have arrived
    buses["right"].servos[2].held = 3040
    backend.stop("test")
    assert list(buses["right"].torque.values())[:3] == [1, 0, 1]
    assert set(bus.torque.values()) == {1}
    backend.close()
    buses["right"].close()


@pytest.mark.parametrize("drive_mode", [0, 1])
def test_ranges_are_the_same_angles_as_degrees(bus, tmp_path, drive_mode):
    """LeRobot turns a motor's shares of a range by its drive mode, and its degrees never."""
    calibrate(bus, tmp_path / "one.json")
    rows = json.loads((tmp_path / "one.json").read_text())
    rows["elbow_flex"]["drive_mode"] = drive_mode
    (tmp_path / "one.json").write_text(json.dumps(rows))
    bus.put(2, "Present_Position", 2100)
    bus.put(3, "Present_Position", 1800)
    seen, sent = {}, {}
    for degrees in (True, False):
        backend = make_backend(
            "lerobot",
            load_robot("so101"),
            port=bus.port,
            id="one",
            calibration_dir=str(tmp_path),
            use_degrees=degrees,
        )
        backend.connect()
        seen[degrees] = backend.read().joint_position
        backend.write(Command(0.0, seen[degrees] + 0.05))
        backend.read()
        sent[degrees] = [bus.get(id_, "Goal_Position") for id_ in range(1, 6)]
        backend.write(Command(0.0, seen[degrees]))
        backend.close()
    np.testing.assert_allclose(seen[False], seen[True], atol=2.0 * TICK)
    np.testing.assert_allclose(sent[False], sent[True], atol=3.0)


def test_the_calibration_of_another_arm_is_refused_before_the_port_is_opened(tmp_path):
    sides = ("left", "right")
    ports = {f"{side}_arm_config": {"port": "x", "use_degrees": False} for side in sides}
    row = {"id": 1, "drive_mode": 0, "homing_offset": 0, "range_min": 0, "range_max": 4000}
    for side in sides:
        (tmp_path / f"two_{side}.json").write_text(json.dumps(dict.fromkeys(SO101, row)))
    two_arms(tmp_path, **ports)
    for wrong, message in (
        ({**row, "range_max": 9000}, "a sts3215 has 4096 steps. Is it the calibration of another"),
        (None, "two_right.json: no motor 'wrist_roll'"),
    ):
        rows = {**dict.fromkeys(SO101, row), "wrist_roll": wrong}
        if wrong is None:
            del rows["wrist_roll"]
        (tmp_path / "two_right.json").write_text(json.dumps(rows))
        with pytest.raises(ConfigError, match=message):
            two_arms(tmp_path, **ports)


def test_a_servo_beyond_its_limits_is_not_switched_on(bus, tmp_path):
    backend = so101(bus, tmp_path)
    bus.put(2, "Present_Position", 3300)  # shoulder_lift; its range ends at 3000
    with pytest.raises(
        BackendError, match=r"'shoulder_lift' is 15% of its calibrated range beyond"
    ):
        backend.connect()
    assert set(bus.torque.values()) == {0}
    assert bus.get(2, "Present_Position") == 3300


def test_a_servo_that_is_pushed_beyond_its_limits_loses_its_torque(bus, tmp_path):
    now = [100.0]
    backend = so101(bus, tmp_path, clock=lambda: now[0])
    bus.put(2, "Present_Position", 2900)
    backend.connect()
    now[0] += 1.0
    backend.read()  # the goals that nobody confirms have arrived
    bus.servos[2].held = 3040  # 3.5 degrees, in the range of the robot's table
    before = dict(bus.furthest)
    backend.stop("test")
    assert bus.get(2, "Present_Position") == 3040, "it must not jump to its limit"
    assert list(bus.torque.values()) == [1, 0, 1, 1, 1, 1]
    now[0] += 1.0
    backend.read()
    bus.servos[2].held = None
    bus.put(2, "Present_Position", 2990)
    assert bus.furthest == before
    backend.write(Command(0.0, backend.read().joint_position))
    assert set(bus.torque.values()) == {1}
    assert bus.get(2, "Present_Position") == pytest.approx(2990, abs=1)


def test_so101_with_another_calibration_in_its_servos_is_refused(bus, tmp_path):
    backend = so101(bus, tmp_path, offset=5)
    with pytest.raises(BackendError, match=r"is not that of .*test\.json\. Run lerobot-calibrate"):
        backend.connect()


def test_so101_with_a_servo_missing_is_refused(bus, tmp_path):
    backend = so101(bus, tmp_path)
    del bus.servos[3]
    with pytest.raises(BackendError, match=r"connect: .*Missing motor IDs: - 3"):
        backend.connect()


def test_unplugged_so101_is_an_error_and_stops_without_one(bus, tmp_path):
    backend = so101(bus, tmp_path)
    backend.connect()
    bus.servos.clear()
    with pytest.raises(BackendError, match="read: .*There is no status packet"):
        backend.read()
    backend.stop("unplugged")
