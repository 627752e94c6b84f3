"""Every robot type of LeRobot: what runs on an emulated bus, and why the others do not run."""

import json
import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from lerobot.robots import RobotConfig
from toy_robot import toy_robot

from robot_policies.catalog import make_backend
from robot_policies.interface import Command, RobotPoliciesError
from robot_policies_hardware.emulators import arms
from robot_policies_hardware.emulators.motion import AT_ONCE
from robot_policies_hardware.emulators.serial_bus import SerialBus
from robot_policies_hardware.lerobot_config import config_class

ROOT = Path(__file__).parents[2]
STEP = 0.02  # rad; of each command
RUNS = {
    "so100_follower": [""],
    "so101_follower": [""],
    "koch_follower": [""],
    "omx_follower": [""],
    "bi_so_follower": ["left", "right"],
    "hope_jr_arm": [""],
    "hope_jr_hand": [""],
}
TICK = {"hope_jr_hand": 4.0 / 773.0}  # rad; its range is 773 of 1024 ticks, and 4 rad here
REFUSED = {
    "lekiwi": ("base", r"it moves a base \(theta.vel, x.vel, y.vel\), expected joints alone"),
    "lekiwi_client": ("base", "remote_ip"),
    "earthrover_mini_plus": ("base", r"it moves a base \(angular_velocity, linear_velocity\)"),
    "openarm_follower": ("SDK", "python-can"),
    "bi_openarm_follower": ("SDK", "python-can"),
    "rebot_b601_follower": ("SDK", "motorbridge"),
    "bi_rebot_b601_follower": ("SDK", "motorbridge"),
    "reachy2": ("SDK", "reachy2_sdk"),
    "unitree_g1": ("SDK", "unitree"),
}


def emulated(kind, folder):
    """Buses of a robot whose last user left other goals, with calibration files beside them."""
    buses = {}
    for side, motors in zip(RUNS[kind], arms.motors_of(kind), strict=True):
        calibration = arms.calibration_of(motors, None)
        bus = SerialBus(arms.servos_of(motors, calibration, AT_ONCE), baudrate=np.inf)
        for motor in motors.values():
            bus.put(motor.id, "Goal_Position", 3000)
        rows = {name: asdict(row) for name, row in calibration.items()}
        (folder / f"{'_'.join(filter(None, ('one', side)))}.json").write_text(json.dumps(rows))
        buses[side] = bus, motors
    return buses


@pytest.mark.parametrize("kind", RUNS)
def test_a_hundred_steps_on_an_emulated_bus(kind, tmp_path):
    buses = emulated(kind, tmp_path)
    names = [f"{side}_{name}" if side else name for side, (_, m) in buses.items() for name in m]
    robot = toy_robot({name: {"lower": -2.0, "upper": 2.0} for name in names})
    ports = {
        f"{side}_arm_config" if side else "": {"port": b.port} for side, (b, _) in buses.items()
    }
    options = ports.pop("", {}) | ports
    if kind == "hope_jr_hand":
        options["side"] = "right"
    backend = make_backend(
        "lerobot", robot, type=kind, id="one", calibration_dir=str(tmp_path), **options
    )
    backend.connect()
    try:
        start = backend.read().joint_position
        for bus, _ in buses.values():
            assert set(bus.torque.values()) == {1}
            assert max(bus.furthest.values()) <= 1, "the goals of the last user count no more"
        target = start.copy()
        for step in range(100):
            target = start + STEP * np.sin(0.2 * step)
            backend.write(Command(0.0, target))
        reached = backend.read().joint_position
        np.testing.assert_allclose(reached, target, atol=TICK.get(kind, 2e-3))
        most = 0.2 * STEP / arms.TICK + 2.0
        for bus, motors in buses.values():
            grip = {m.id for name, m in motors.items() if name == "gripper"}
            assert max(way for id_, way in bus.furthest.items() if id_ not in grip) <= most
    finally:
        backend.close()
        for bus, _ in buses.values():
            assert set(bus.torque.values()) == {1}, "an arm without torque falls"
            bus.close()


@pytest.mark.parametrize("kind", REFUSED)
def test_what_does_not_run_is_refused_with_the_reason(kind, tmp_path):
    robot = toy_robot({"elbow_flex": {"lower": -2.0, "upper": 2.0}})
    arm = {"port": "none"}
    more = {f"{side}_arm_config": arm for side in ("left", "right") if kind.startswith("bi_")}
    with pytest.raises(RobotPoliciesError, match=REFUSED[kind][1]):
        make_backend(
            "lerobot", robot, type=kind, id="one", calibration_dir=str(tmp_path), **more
        ).connect()


def test_no_type_is_missing_here():
    config_class("so101_follower")  # registers all
    known = set(RobotConfig.get_known_choices()) - {"fake_arm", "gated", "simulated"}
    assert known == {*RUNS, *REFUSED}


def test_the_table_of_the_docs_is_what_happens():
    text = (ROOT / "docs/hardware.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| (\w+)", text, flags=re.MULTILINE)
    shown = {kind: word for kinds, word in rows for kind in re.findall(r"`(\w+)`", kinds)}
    words = dict.fromkeys(RUNS, "runs")
    words |= {kind: {"SDK": "needs"}.get(why, "refused") for kind, (why, _) in REFUSED.items()}
    assert {kind: shown.get(kind) for kind in words} == words
