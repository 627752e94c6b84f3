"""The driver against a robot on loopback that checks every command it gets."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from conformance import check_backend

from robot_policies.catalog import load_robot, make_backend
from robot_policies.control.legged import LeggedRobot
from robot_policies.control.mode_table import LeggedMode, ModeTimes
from robot_policies.control.watch import WatchLimits
from robot_policies.interface import (
    BackendError,
    Command,
    CommandMode,
    ConfigError,
    RobotBackend,
    RobotSpec,
)
from robot_policies.interface.observation import IMU
from robot_policies_hardware.emulators.unitree import SDKS as STAND_INS
from robot_policies_hardware.emulators.unitree import EmulatedUnitree
from robot_policies_hardware.emulators.unitree_messages import GO2_COMMAND, GO2_STATE, checksum
from robot_policies_hardware.unitree_backend import UnitreeBackend
from robot_policies_hardware.unitree_sdk import SDKS

MODE, Q, DQ, TAU, KP, KD = range(6)
NO_POSITION = np.float32(2.146e9)
MODULES = [sdk.module for sdk in SDKS.values()]


@pytest.fixture
def stand_ins(monkeypatch) -> Iterator[None]:
    """Have the driver find the stand-ins of both SDKs."""
    monkeypatch.syspath_prepend(STAND_INS)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] in MODULES]:
        del sys.modules[name]


@pytest.fixture(params=["go1", "go2"])
def robot(request, stand_ins) -> Iterator[EmulatedUnitree]:
    with EmulatedUnitree(go1=request.param == "go1") as robot:
        yield robot


@pytest.fixture
def go2(stand_ins) -> Iterator[EmulatedUnitree]:
    with EmulatedUnitree() as robot:
        yield robot


def driver(robot: EmulatedUnitree, spec: RobotSpec | None = None, **options) -> RobotBackend:
    options |= robot.options
    spec = spec or load_robot("go1" if robot.go1 else "go2")
    return make_backend("unitree", spec, **options)


@pytest.fixture
def raw(robot) -> Iterator[UnitreeBackend]:
    backend = driver(robot, modes=False)
    assert isinstance(backend, UnitreeBackend)
    backend.connect()
    yield backend
    backend.close()


@pytest.fixture
def legs(go2) -> Iterator[LeggedRobot]:
    """Patient: robot and driver share a busy machine. Limits are tested in logical time."""
    servo = driver(go2, modes=False)
    assert isinstance(servo, UnitreeBackend)
    times, limits = ModeTimes(target_timeout=0.4), WatchLimits(state_timeout=0.4)
    backend = LeggedRobot(servo, times, limits)
    backend.connect()
    yield backend
    backend.close()


def until(condition: Callable[[], object], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return bool(condition())


def stand(legs: LeggedRobot) -> None:
    assert until(lambda: legs.modes.request(LeggedMode.STAND) == ""), legs.modes.reason
    assert until(lambda: legs.modes.mode is LeggedMode.STAND), legs.modes.reason


def follow(legs: LeggedRobot, seconds: float, target: np.ndarray) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        legs.write(Command(time.time(), target))
        time.sleep(0.01)


def test_the_checksum_is_unitrees():
    """Expected value computed with the shared library of unitree_sdk2_python."""
    assert checksum(bytes(range(256)) * 3) == 0x3D52FFF0
    assert (GO2_COMMAND.size, GO2_STATE.size) == (812, 1180)


def test_keeps_the_contract(robot):
    check_backend(lambda: driver(robot, modes=False))
    assert robot.refused == []


def test_joints_go_to_their_motors_by_name(robot):
    spec = load_robot("go1" if robot.go1 else "go2")
    turned = RobotSpec(**{**vars(spec), "joints": spec.joints[::-1]})
    backend = driver(robot, turned, modes=False)
    backend.connect()
    robot.q = np.arange(12) * 0.01 - 0.05
    robot.stuck = True
    targets = np.clip(turned.default + 0.01 * np.arange(12), turned.lower, turned.upper)
    wanted = dict(zip(turned.joint_names, targets, strict=True))
    assert until(lambda: np.isclose(backend.read().joint_position[-1], robot.q[0], atol=1e-6))
    backend.write(Command(time.time(), targets))
    assert until(lambda: robot.last()[0, KP] > 0.0)
    sent = robot.last()[:, Q]
    measured = backend.read().joint_position
    backend.close()
    order = ["FR", "FL", "RR", "RL"]
    names = [f"{leg}_{part}_joint" for leg in order for part in ("hip", "thigh", "calf")]
    np.testing.assert_allclose(sent, [wanted[name] for name in names], rtol=1e-6)
    expected = dict(zip(names, robot.q, strict=True))
    np.testing.assert_allclose(
        measured, [expected[name] for name in turned.joint_names], atol=1e-6
    )


def test_what_the_robot_measures_arrives_in_si_and_our_order(robot, raw):
    robot.quaternion = (0.8, 0.6, 0.0, 0.0)
    robot.temperature = np.arange(30, 42)
    assert until(lambda: raw.read().joint_temperature[11] == 41.0)
    state = raw.read()
    np.testing.assert_allclose(state.features[IMU][:4], [0.6, 0.0, 0.0, 0.8])
    np.testing.assert_allclose(state.features[IMU][7:], [0.0, 0.0, 9.81], rtol=1e-6)
    np.testing.assert_allclose(state.joint_temperature, np.arange(30, 42))
    assert abs(state.stamp - time.monotonic()) < 0.2
    assert state.fault == ""


def test_gains_and_servo_mode_are_the_tables(robot, raw):
    for mode, gains in (("policy", (20.0, 0.5)), ("hold", (60.0, 3.0))):
        raw.write(Command(time.time(), raw.spec.default, mode=CommandMode(mode)))
        assert until(lambda gains=gains: robot.last()[0, KP] == gains[0])
        np.testing.assert_allclose(robot.last()[:, KD], gains[1])
    assert (robot.last()[:, MODE] == (0x0A if robot.go1 else 0x01)).all()
    assert (robot.last()[:, [DQ, TAU]] == 0.0).all()


def test_connecting_only_damps(robot, raw):
    assert until(lambda: len(robot.received) > 10)
    for _, motors in robot.received:
        assert (motors[:, Q] == NO_POSITION).all()
        assert (motors[:, KP] == 0.0).all()
        assert (motors[:, KD] == 3.0).all()


def test_commands_come_at_the_rate_of_the_stream_whatever_the_caller_does(robot):
    """Half of it is asked for: the machine of a test is busy."""
    backend = driver(robot, modes=False, rate=200.0)
    backend.connect()
    begin = len(robot.received)
    for _ in range(5):
        backend.write(Command(time.time(), backend.spec.default))
        time.sleep(0.2)
    received = len(robot.received) - begin
    backend.close()
    assert 100 <= received <= 230
    assert robot.refused == []


def test_a_late_command_is_repeated_then_damped(robot, raw):
    raw.write(Command(time.time(), raw.spec.default))
    assert until(lambda: robot.last()[0, KP] > 0.0)
    assert until(lambda: robot.last()[0, KP] == 0.0)
    served = [t for t, motors in robot.received if motors[0, KP] > 0.0]
    assert 0.05 < served[-1] - served[0] < 0.25


def test_the_robot_stands_up_follows_and_stands_when_the_policy_is_late(go2, legs):
    robot = go2
    stand(legs)
    spec = legs.spec
    np.testing.assert_allclose(robot.q, spec.default, atol=0.02)
    assert legs.modes.request(LeggedMode.POLICY) == ""
    target = spec.default + 0.05
    follow(legs, 0.6, target)
    assert legs.modes.mode is LeggedMode.POLICY
    np.testing.assert_allclose(robot.last()[:, Q], target, rtol=1e-6)
    np.testing.assert_allclose(robot.last()[:, KP], 20.0)
    quiet = time.time()
    assert until(lambda: legs.modes.mode is LeggedMode.STAND)
    held = [m for t, m in robot.received if quiet <= t < quiet + 0.2]
    assert held
    for motors in held:
        np.testing.assert_allclose(motors[:, Q], target, rtol=1e-6)
    assert "no target" in legs.modes.reason
    assert until(lambda: np.allclose(robot.last()[:, Q], spec.default, atol=1e-6))
    assert robot.refused == []


DANGERS = {
    "silence": (lambda robot: setattr(robot, "silent", True), "joint states"),
    "heat": (lambda robot: robot.temperature.__setitem__(4, 81), "FL_thigh_joint at 81 deg C"),
    "torque": (lambda robot: robot.added_torque.__setitem__(2, -60.0), "FR_calf_joint at -"),
    "protection": (lambda robot: setattr(robot, "mode", np.full(12, 8)), "mode 0x08"),
    "tilt": (lambda robot: setattr(robot, "quaternion", (0.9, 0.436, 0.0, 0.0)), "tilted"),
    "remote": (lambda robot: setattr(robot, "remote", b"\0\0\x20\x02" + bytes(36)), "L2\\+B"),
    "select": (lambda robot: setattr(robot, "remote", b"\0\0\x08\0" + bytes(36)), "select"),
}


@pytest.mark.parametrize("danger", DANGERS)
def test_a_danger_damps_the_robot_and_says_why(go2, legs, danger):
    cause, reason = DANGERS[danger]
    assert until(lambda: legs.modes.request(LeggedMode.STAND) == "")
    assert until(lambda: go2.last()[0, KP] > 1.0)
    cause(go2)
    begin = time.time()
    assert until(lambda: legs.modes.mode is LeggedMode.ESTOP)
    assert until(lambda: go2.last()[0, KP] == 0.0)
    assert time.time() - begin < 1.0
    assert (go2.last()[:, KD] == 3.0).all()
    assert re.search(reason, legs.read().fault)


def test_stopping_in_order_is_a_state_in_which_the_operator_is_served(go2, legs):
    """Heartbeats may end; the loop goes on looking, and nothing waits."""
    stand(legs)
    legs.modes.beat()
    begin = time.monotonic()
    legs.begin_stop("the trial is over")
    assert time.monotonic() - begin < 0.05
    assert legs.stopping
    assert legs.read().busy.startswith("stand")
    assert until(lambda: not legs.stopping)
    state = legs.read()
    assert state.busy == "passive: the trial is over"
    assert state.fault == ""
    np.testing.assert_allclose(go2.q, legs.spec.lying, atol=0.05)
    assert until(lambda: go2.last()[0, KP] == 0.0)


def test_an_emergency_while_it_is_stopping_damps_with_the_next_commands(go2, legs):
    stand(legs)
    legs.begin_stop("the trial is over")
    assert until(lambda: legs.modes.mode is LeggedMode.LIE_DOWN)
    begin = time.monotonic()
    legs.stop("~/estop was called")
    assert time.monotonic() - begin < 0.05
    assert until(lambda: go2.last()[0, KP] == 0.0, 0.5)
    assert not legs.stopping
    assert legs.read().fault == "~/estop was called"


def test_other_buttons_of_the_remote_stop_nothing(robot, raw):
    robot.remote = b"\0\0\x20\x01" + bytes(36)  # L2+A
    time.sleep(0.05)
    assert raw.read().fault == ""


def test_a_dry_run_reads_and_computes_but_sends_nothing(go2):
    go2.controller = "normal"
    backend = driver(go2, dry_run=True)
    assert isinstance(backend, LeggedRobot)
    backend.connect()
    assert until(lambda: backend.modes.request(LeggedMode.STAND) == "")
    time.sleep(0.3)
    sent = backend.write(Command(time.time(), backend.spec.default, mode=CommandMode.HOLD))
    assert sent.mode is CommandMode.HOLD
    assert backend.read().busy == "stand_up"
    backend.close()
    assert go2.received == []
    assert go2.controller == "normal", "the robot's own controller was told to let go"


def test_the_robots_own_controller_lets_go_first(go2):
    go2.controller = "normal"
    backend = driver(go2, modes=False)
    backend.connect()
    assert go2.controller == ""
    backend.close()


def test_a_robot_that_stands_under_its_own_controller_is_left_alone(go2):
    go2.controller, go2.q = "normal", load_robot("go2").default.copy()
    backend = driver(go2, modes=False)
    with pytest.raises(BackendError, match="stands under its own controller 'normal'"):
        backend.connect()
    assert go2.received == []
    assert go2.controller == "normal"


def test_a_silent_robot_is_named(robot):
    robot.silent = True
    backend = driver(robot, connect_timeout=0.2)
    with pytest.raises(BackendError, match=f"no message of the {backend.spec.name} within 0.2 s"):
        backend.connect()


@pytest.mark.parametrize(("name", "module"), [("go1", "robot_interface"), ("go2", "unitree_sdk2")])
def test_a_missing_sdk_is_named_with_the_way_to_get_it(name, module):
    backend = make_backend("unitree", load_robot(name))
    with pytest.raises(BackendError, match=f"cannot import {module}.*github.com/unitreerobotics"):
        backend.connect()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("so101", {}, "no Unitree robot 'so101'"),
        ("go2", {"rate": 100.0}, "rate 100.0 Hz"),
        ("go2", {"interfaces": "eth0"}, "interfaces"),
    ],
)
def test_a_wrong_option_is_named(name, options, message):
    with pytest.raises(ConfigError, match=message):
        make_backend("unitree", load_robot(name), **options)


def test_a_broken_stream_damps_and_is_reported(go2):
    backend = driver(go2, modes=False)
    backend.connect()
    backend.write(Command(time.time(), backend.spec.default))
    assert until(lambda: go2.last()[0, KP] > 0.0)

    def breaks(*args):
        raise RuntimeError("a bug")

    backend.supervise(breaks)
    assert until(lambda: go2.last()[0, KP] == 0.0)
    with pytest.raises(BackendError, match="RuntimeError: a bug"):
        backend.read()
    backend.close()


def test_a_go1_that_was_not_read_for_long_is_read_up_to_date(stand_ins):
    with EmulatedUnitree(go1=True) as robot:
        sdk = SDKS["go1"](address="127.0.0.1", port=robot.port)
        sdk.open(time.time)
        zero = np.zeros(12)
        assert until(lambda: sdk.send(zero, zero, zero) or sdk.newest())
        time.sleep(0.4)  # 200 messages
        robot.q = robot.q + 0.1
        for _ in range(20):  # at 50 Hz, while the robot sends ten times as many
            time.sleep(0.02)
            reading = sdk.newest()
        sdk.close()
    assert reading is not None
    np.testing.assert_allclose(reading.position, robot.q, atol=1e-5)


@contextmanager
def started(script: str, robot: EmulatedUnitree, word: str) -> Iterator[subprocess.Popen]:
    """Run a driver in a process of its own, from the word it says when it is ready."""
    root = Path(__file__).resolve().parents[2]
    paths = [root, root / "sim", root / "hardware", STAND_INS]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    process = subprocess.Popen(
        [sys.executable, "-c", script, robot.options["interface"]],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        with process.stdout as said:
            assert said.readline() == f"{word}\n"
        yield process
    finally:
        process.kill()
        process.wait(10.0)


PAUSED = """
import sys, time
from robot_policies.catalog import load_robot, make_backend
from robot_policies.control.legged import LeggedRobot
from robot_policies.control.mode_table import LeggedMode, ModeTimes
from robot_policies.control.watch import WatchLimits
from robot_policies.interface import Command
servo = make_backend("unitree", load_robot("go2"), modes=False, interface=sys.argv[1])
legs = LeggedRobot(servo, ModeTimes(target_timeout=0.4), WatchLimits(state_timeout=0.4))
legs.connect()
while legs.modes.request(LeggedMode.STAND):
    time.sleep(0.01)
while legs.modes.request(LeggedMode.POLICY):
    time.sleep(0.01)
for k in range(10000):
    legs.write(Command(time.time(), legs.spec.default + 0.05))
    if k == 60:
        print("walking", flush=True)
    time.sleep(0.02)
"""


def test_after_a_pause_of_its_process_it_goes_on_from_the_measured_pose(go2):
    old = load_robot("go2").default + 0.05
    with started(PAUSED, go2, "walking") as process:
        assert until(lambda: np.allclose(go2.last()[:, Q], old, atol=1e-5))
        process.send_signal(signal.SIGSTOP)
        go2.stuck, go2.q = True, old - 0.3  # somebody moved it
        time.sleep(1.0)
        resumed = len(go2.received)
        process.send_signal(signal.SIGCONT)
        assert until(lambda: len(go2.received) > resumed + 300)
        targets = [m[:, Q] for _, m in go2.received[resumed:] if m[0, KP] > 0.0]
        moments = [t for t, m in go2.received[resumed:] if m[0, KP] > 0.0]
    kept = [np.allclose(target, old, atol=1e-5) for target in targets].index(False)
    assert moments[kept] - moments[0] < 0.3, "until something new was measured"
    np.testing.assert_allclose(targets[kept], old - 0.3, atol=1e-3)
    steps = np.abs(np.diff(targets[kept:], axis=0)).max()
    assert steps < 0.1, "blended"
    np.testing.assert_allclose(targets[-1], old, atol=1e-5)


WALKING = """
import signal, sys, time
from robot_policies.catalog import load_robot, make_backend
from robot_policies.interface import Command
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background ignore it
backend = make_backend("unitree", load_robot("go2"), modes=False, interface=sys.argv[1])
backend.connect()
try:
    print("up", flush=True)
    while True:
        backend.write(Command(time.time(), backend.spec.default))
        time.sleep(0.02)
except KeyboardInterrupt:
    pass
finally:
    backend.close()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_what_the_robot_hears_when_the_process_dies(go2, number):
    """An interrupted driver damps before it goes; a killed one can only fall silent."""
    with started(WALKING, go2, "up") as process:
        assert until(lambda: go2.received and go2.last()[0, KP] > 0.0)
        process.send_signal(number)
        process.wait(10.0)
    time.sleep(0.1)
    heard = len(go2.received)
    time.sleep(0.2)
    assert len(go2.received) == heard, "nothing more comes"
    if number is signal.SIGINT:
        assert (go2.last()[:, KP] == 0.0).all()
        assert (go2.last()[:, KD] == 3.0).all()
    else:
        np.testing.assert_allclose(go2.last()[:, KP], 20.0)
