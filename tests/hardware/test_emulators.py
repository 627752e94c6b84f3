"""LeRobot's own drivers on the emulated buses, and what a servo does there."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from lerobot.motors.dynamixel import DynamixelMotorsBus
from lerobot.motors.feetech import FeetechMotorsBus
from lerobot.motors.motors_bus import Motor, MotorNormMode

from robot_policies.catalog import load_robot
from robot_policies.interface import ConfigError
from robot_policies_hardware.emulators import arms, dynamixel, feetech
from robot_policies_hardware.emulators.motion import AT_ONCE, SERVO
from robot_policies_hardware.emulators.motion import Motor as Shaft
from robot_policies_hardware.emulators.serial_bus import SerialBus
from robot_policies_hardware.emulators.servo import Servo

DRIVERS = {"sts3215": FeetechMotorsBus, "xl430-w250": DynamixelMotorsBus}
PRESENT = {"sts3215": (56, 2), "xl430-w250": (132, 4)}


@pytest.fixture(params=DRIVERS)
def driven(request):
    """A bus of three servos, and LeRobot's driver connected to it."""
    servos = {id_: Servo(request.param, AT_ONCE) for id_ in (1, 2, 3)}
    bus = SerialBus(servos)
    motors = {f"m{id_}": Motor(id_, request.param, MotorNormMode.DEGREES) for id_ in servos}
    driver = DRIVERS[request.param](bus.port, motors)
    driver.connect()
    yield bus, driver
    driver.disconnect(disable_torque=False)
    bus.close()


def test_numbers_arrive_as_they_were_written_negative_ones_too(driven):
    bus, driver = driven
    for value in (-1234, 0, 1234):
        driver.write("Homing_Offset", "m2", value)
        assert driver.read("Homing_Offset", "m2", normalize=False) == value
        assert bus.get(2, "Homing_Offset") == value
    goals = {"m1": 100, "m2": 2000, "m3": 4000}
    driver.sync_write("Goal_Position", goals, normalize=False)
    assert driver.sync_read("Goal_Position", normalize=False) == goals


def test_the_offset_counts_as_the_makers_count_it(driven):
    bus, driver = driven
    before = driver.read("Present_Position", "m1", normalize=False)
    driver.write("Homing_Offset", "m1", 100)
    after = driver.read("Present_Position", "m1", normalize=False)
    assert after - before == (100 if isinstance(driver, DynamixelMotorsBus) else -100)
    middle = driver.set_half_turn_homings(["m1"])
    assert driver.read("Present_Position", "m1", normalize=False) == 2047, middle


def test_a_servo_moves_with_torque_only_and_stays_within_its_limits(driven):
    bus, driver = driven
    driver.write("Max_Position_Limit", "m1", 3000)
    driver.write("Goal_Position", "m1", 4000, normalize=False)
    assert driver.read("Present_Position", "m1", normalize=False) == 2048
    driver.enable_torque("m1")
    assert driver.read("Present_Position", "m1", normalize=False) == 3000
    assert bus.furthest == {1: 952, 2: 0, 3: 0}


def test_a_servo_that_is_not_there_is_silent(driven):
    bus, driver = driven
    del bus.servos[2]
    assert driver.ping("m2") is None
    with pytest.raises(ConnectionError):
        driver.sync_read("Present_Position", normalize=False)
    assert set(driver.broadcast_ping()) == {1, 3}


def test_what_outlives_the_power_is_not_changed_under_torque():
    servo = Servo("xl430-w250")
    servo.put("Torque_Enable", 1)
    order = dynamixel.encode(1, bytes([dynamixel.WRITE]) + (11).to_bytes(2, "little") + b"\x04")
    (packet,) = dynamixel.packets(bytearray(order))
    answer = dynamixel.answer(packet, {1: servo}, 0.0)
    assert answer == dynamixel.status(1, error=dynamixel.ACCESS_ERROR)
    assert servo.get("Operating_Mode") == 3


def test_the_sum_of_the_manuals_example_is_right():
    # https://emanual.robotis.com/docs/en/dxl/protocol2/#ping-0x01
    assert dynamixel.encode(1, b"\x01") == bytes.fromhex("FF FF FD 00 01 03 00 01 19 4E")


def test_a_header_within_a_packet_is_stuffed_and_comes_back():
    body = bytes([dynamixel.WRITE, 0, 0, 0xFF, 0xFF, 0xFD, 0x00])
    (packet,) = dynamixel.packets(bytearray(dynamixel.encode(7, body)))
    assert packet == bytes([7]) + body


@pytest.mark.parametrize(
    ("protocol", "good"),
    [
        (dynamixel, dynamixel.encode(1, b"\x01")),
        (feetech, bytes.fromhex("FF FF 01 02 01 FB")),
    ],
)
def test_damaged_packets_and_noise_are_passed_over(protocol, good):
    damaged = good[:-1] + bytes([good[-1] ^ 1])
    heard, found = bytearray(), []
    for byte in b"\x00\xff" + damaged + b"\x17" + good + good:  # as it comes, byte by byte
        heard.append(byte)
        found += protocol.packets(heard)
    assert len(found) == 2
    assert found[0] == found[1]


def test_a_shaft_lags_does_not_overshoot_and_is_no_faster_than_it_can_be():
    shaft, seen = Shaft(0.0, SERVO), []
    for _ in range(200):
        shaft.advance(0.01, 2000.0)
        seen.append((shaft.position, shaft.velocity))
    positions, speeds = zip(*seen, strict=True)
    assert positions[0] < 0.02 * 2000.0
    assert max(speeds) <= SERVO.fastest
    assert max(speeds) == pytest.approx(SERVO.fastest, rel=0.01)
    assert max(positions) <= 2000.0 + 1.0
    assert positions[-1] == pytest.approx(2000.0, abs=1.0)


def test_a_shaft_is_where_it_is_however_often_it_is_looked_at():
    often, seldom = Shaft(0.0, SERVO), Shaft(0.0, SERVO)
    for _ in range(50):
        often.advance(0.002, 500.0)
    seldom.advance(0.1, 500.0)
    assert often.position == pytest.approx(seldom.position, abs=0.1)


def test_a_hand_holds_a_shaft():
    servo = Servo("sts3215", AT_ONCE)
    servo.put("Goal_Position", 2500)
    servo.put("Torque_Enable", 1)
    servo.held = 2100
    servo.advance(1.0)
    assert servo.get("Present_Position") == 2100
    servo.held = None
    servo.advance(2.0)
    assert servo.get("Present_Position") == 2500


@pytest.mark.parametrize("model", DRIVERS)
def test_bytes_take_their_time_on_the_line(model):
    waits = []
    bus = SerialBus({1: Servo(model)}, baudrate=1_000_000)
    bus._closing.wait, wait = waits.append, bus._closing.wait
    try:
        driver = DRIVERS[model](bus.port, {"m1": Motor(1, model, MotorNormMode.DEGREES)})
        driver.connect()
        waits.clear()
        driver.read("Present_Position", "m1", normalize=False)
        driver.disconnect(disable_torque=False)
    finally:
        bus._closing.wait = wait
        bus.close()
    length = PRESENT[model][1]
    request, answer = (8, 6 + length) if model == "sts3215" else (14, 11 + length)
    assert sum(waits) == pytest.approx((request + answer) * 10 / 1e6)


ROBOTS = {
    "so101_follower": [["sts3215"] * 6],
    "so100_follower": [["sts3215"] * 6],
    "koch_follower": [["xl430-w250"] * 2 + ["xl330-m288"] * 4],
    "omx_follower": [["xl430-w250"] * 3 + ["xl330-m288"] * 3],
    "bi_so_follower": [["sts3215"] * 6] * 2,
    "hope_jr_arm": [["sm8512bl"] + ["sts3250"] * 6],
}


@pytest.mark.parametrize("kind", ROBOTS)
def test_the_motors_of_a_robot_are_those_of_lerobots_class(kind):
    found = arms.motors_of(kind)
    assert [[motor.model for motor in arm.values()] for arm in found] == ROBOTS[kind]
    for motors in found:
        calibration = arms.calibration_of(motors, None)
        servos = arms.servos_of(motors, calibration)
        assert {id_: servo.model for id_, servo in servos.items()} == {
            motor.id: motor.model for motor in motors.values()
        }


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        ("koch_folower", "no robot type 'koch_folower'. Did you mean 'koch_follower'"),
        ("unitree_g1", "unitree_g1"),
    ],
)
def test_what_cannot_be_emulated_is_refused_in_one_line(kind, complaint):
    with pytest.raises(ConfigError, match=complaint):
        arms.motors_of(kind)


def test_the_scs_series_has_the_high_byte_first_and_answers_alone():
    servo = Servo("scs0009", AT_ONCE)
    assert servo.get("Max_Position_Limit") == 1023
    servo.put("Present_Position", 258)
    assert servo.read(56, 2, 0.0) == b"\x01\x02"
    both = {1: servo, 2: Servo("sts3215", AT_ONCE)}
    asked = bytes([feetech.BROADCAST, 6, feetech.SYNC_READ, 56, 2, 1, 2])
    assert feetech.answer(asked, both, 0.0) == feetech.status(2, b"\x00\x08")
    assert feetech.answer(bytes([1, 4, feetech.READ, 56, 2]), both, 0.0) == feetech.status(
        1, b"\x01\x02"
    )


def test_the_ranges_of_a_table_become_those_of_the_servos():
    (motors,) = arms.motors_of("so101_follower")
    robot = load_robot("so101")
    found = arms.calibration_of(motors, robot)
    for joint in robot.joints:
        row = found[joint.name]
        ticks = (joint.upper - joint.lower) / arms.TICK
        assert row.range_max - row.range_min == pytest.approx(ticks, abs=1.0)
        assert 0 <= row.range_min < row.range_max <= 4095


def test_a_calibration_is_written_once_and_read_the_next_time(tmp_path):
    (motors,) = arms.motors_of("so101_follower")
    file = tmp_path / "arm.json"
    made = arms.read_calibration(file, motors, None)
    rows = json.loads(file.read_text())
    rows["gripper"]["range_max"] = 2222
    file.write_text(json.dumps(rows))
    again = arms.read_calibration(file, motors, None)
    assert again == {**made, "gripper": replace(made["gripper"], range_max=2222)}
    del rows["gripper"]
    file.write_text(json.dumps(rows))
    with pytest.raises(ConfigError, match=r"arm\.json has motors .*expected .*'gripper'"):
        arms.read_calibration(file, motors, None)
    file.write_text("[1]")
    with pytest.raises(ConfigError, match=r"arm\.json is no calibration"):
        arms.read_calibration(file, motors, None)


def test_what_stands_at_the_links_place_is_left_alone_but_a_dead_link(tmp_path):
    taken, dead = tmp_path / "taken", tmp_path / "dead"
    taken.write_text("mine")
    dead.symlink_to(tmp_path / "gone")
    servos = {1: Servo("sts3215")}
    with pytest.raises(ConfigError, match="taken is there already"):
        SerialBus(servos, link=taken)
    assert taken.read_text() == "mine"
    bus = SerialBus(servos, link=dead)
    assert str(dead.readlink()) == bus.port
    bus.close()
    assert not dead.is_symlink()


def test_the_command_gives_an_arm_to_this_packages_driver(tmp_path):
    port, file = tmp_path / "arm", tmp_path / "follower.json"
    command = [sys.executable, "-m", "robot_policies.cli.app", "emulate", "so101", "--json", "-"]
    command += ["--port-link", str(port), "--calibration", str(file)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        end = time.monotonic() + 60.0
        while not (port.exists() or process.poll() is not None) and time.monotonic() < end:
            time.sleep(0.05)
        options = {"port": str(port), "calibration_dir": str(tmp_path), "id": "follower"}
        words = [f"{key}={value}" for key, value in options.items()]
        run = [sys.executable, "-m", "robot_policies.cli.app", "run", "--policy", "hold"]
        run += ["--robot", "so101", "--backend", "lerobot", "--seconds", "1", "--json", "-"]
        for word in words:
            run += ["--option", word]
        done = subprocess.run(run, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["steps"] >= 10
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    (arm,) = json.loads(said)["arms"]
    assert {motor["torque"] for motor in arm["motors"].values()} == {1}
    assert max(motor["longest_step"] for motor in arm["motors"].values()) <= 2
    assert not port.is_symlink()
