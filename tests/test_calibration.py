"""LeRobot's -100..100 and 0..100 in radians, held against LeRobot's own normalisation."""

import json

import numpy as np
import pytest
import yaml
from lerobot.motors import Motor, MotorCalibration, MotorNormMode
from lerobot.motors.dynamixel import DynamixelMotorsBus, tables
from lerobot.motors.feetech import FeetechMotorsBus
from lerobot.motors.feetech import tables as feetech_tables

from robot_policies.calibration import DYNAMIXEL, FEETECH, FILE, read_calibration
from robot_policies.interface import ConfigError, Statistics
from robot_policies.interface.units import to_si
from robot_policies.policies.audit import audit_units
from robot_policies.policies.contract_file import read_contract

STATE = "observation.state"
ENTRY = {"id": 1, "drive_mode": 0, "homing_offset": -12, "range_min": 300, "range_max": 900}
MODES = {"m100": MotorNormMode.RANGE_M100_100, "p100": MotorNormMode.RANGE_0_100}
CONTRACT = {
    "version": 2,
    "robot": "so101",
    "dt": 1 / 30,
    "observation": {STATE: {"names": ["elbow_flex.pos", "gripper.pos"], "unit": ["m100", "%"]}},
    "action": {"names": ["elbow_flex"], "unit": ["m100"]},
}


@pytest.fixture
def write(tmp_path):
    def write(**entries):
        path = tmp_path / FILE
        path.write_text(json.dumps(entries))
        return path

    return write


def test_the_models_are_those_of_lerobot():
    assert feetech_tables.MODEL_RESOLUTION == FEETECH
    assert tables.MODEL_RESOLUTION == DYNAMIXEL


@pytest.mark.parametrize("unit", MODES)
@pytest.mark.parametrize("drive_mode", [0, 1])
@pytest.mark.parametrize("model", [*FEETECH, *DYNAMIXEL])
def test_a_share_of_the_range_is_the_angle_lerobot_measures(write, model, drive_mode, unit):
    entry = {**ENTRY, "drive_mode": drive_mode}
    bus_class = FeetechMotorsBus if model in FEETECH else DynamixelMotorsBus
    protocol = {"protocol_version": 1} if model.startswith("scs") else {}
    calibration = {"elbow": MotorCalibration(**entry)}

    def lerobot(raw, mode):
        bus = bus_class("", {"elbow": Motor(1, model, mode)}, calibration, **protocol)
        return bus._normalize({1: raw})[1]

    joints = read_calibration(write(elbow={**entry, "model": model}))
    scale, offset, si = to_si("elbow.pos", unit, None, "here", joints)
    assert si == "rad"
    for raw in (300, 301, 512, 900):
        angle = np.radians(lerobot(raw, MotorNormMode.DEGREES))
        np.testing.assert_allclose(scale * lerobot(raw, MODES[unit]) + offset, angle, atol=1e-12)


def test_a_contract_in_lerobots_shares_is_converted_by_the_file_beside_it(write, tmp_path):
    path = tmp_path / "contract.yaml"
    path.write_text(yaml.safe_dump(CONTRACT))
    with pytest.raises(ConfigError, match=r"calibration\.json is missing: .* shares of one arm's"):
        read_contract(path, {STATE: 2}, 1)
    write(elbow_flex={**ENTRY, "range_min": 1000, "range_max": 3000})
    contract = read_contract(path, {STATE: 2}, 1)
    half = 1000 * 2 * np.pi / 4095
    np.testing.assert_allclose(
        contract.action.to_si(np.array([[-100.0], [50.0]])).T, [[-half, half / 2]]
    )
    np.testing.assert_allclose(contract.action.from_si(np.array([half])), [100.0])
    # What no share can be is found before anything moves.
    numbers = Statistics("MIN_MAX", {"min": np.array([-150.0]), "max": np.array([90.0])})
    found = [finding.message for finding in audit_units(contract, {"action": numbers}, {})]
    assert found == [
        "action[elbow_flex]: contract.yaml says m100, but the numbers reach from -150 to 90"
    ]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"elbow": ENTRY}, "'elbow_flex' is in m100, but no such joint is calibrated. Did you"),
        ({"elbow_flex": {"id": 1}}, "elbow_flex: 'drive_mode' is missing"),
        ({"elbow_flex": {**ENTRY, "range_max": 300}}, "range_min 300 must be below 300"),
        ({"elbow_flex": {**ENTRY, "range_max": 2.5}}, "range_max 2.5 must be a whole number"),
        ({"elbow_flex": {**ENTRY, "drive_mode": 2}}, "drive_mode 2 must be 0 or 1"),
        ({"elbow_flex": {**ENTRY, "model": "sts32155"}}, "Did you mean 'sts3215'"),
        (
            {"elbow_flex": {**ENTRY, "range_max": 3000, "model": "scs0009"}},
            "a scs0009 has 1024 steps. Is it the calibration of another motor",
        ),
    ],
)
def test_a_calibration_of_something_else_is_one_line(write, tmp_path, entries, message):
    write(**entries)
    path = tmp_path / "contract.yaml"
    path.write_text(yaml.safe_dump(CONTRACT))
    with pytest.raises(ConfigError) as caught:
        read_contract(path, {STATE: 2}, 1)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
