from dataclasses import dataclass

import numpy as np
import pytest
from toy_robot import toy_robot

from robot_policies.catalog import load_robot, robots
from robot_policies.interface import ConfigError
from robot_policies.interface.robot_table import read_robot
from robot_policies.interface.schema import build, check_keys, vector
from robot_policies.shared_files import read_config

TWO = {"shoulder": {}, "elbow": {}}
LINK = {"mass": 1.0}
TREE = {
    "base": LINK,
    "upper": {**LINK, "parent": "base", "joint": "shoulder"},
    "fore": {**LINK, "parent": "upper", "joint": "elbow"},
}
GAINS = {"stiffness": 1.0, "damping": 0.1}
UNITS = {"length": "m", "angle": "rad", "mass": "kg", "time": "s", "force": "N"}


def without(mapping, key):
    return {name: value for name, value in mapping.items() if name != key}


def links(**changes):
    return {"links": {name: {**entry, **changes.get(name, {})} for name, entry in TREE.items()}}


BAD = [
    # joints, other keys, complaint
    ({"elbow": {"lower": 1.0, "upper": -1.0}}, {}, "limits reversed: lower 1.0, upper -1"),
    ({"elbow": {"default": 5.0}}, {}, r"default 5.0 is outside \[-1.0, 1.0\]"),
    ({"elbow": {"lower": np.nan}}, {}, "limits reversed"),
    ({"elbow": {"velocity": 0.0}}, {}, "velocity limit 0.0 must be > 0"),
    ({"elbow": {"effort": np.inf}}, {}, "effort limit inf must be > 0"),
    ({"elbow": {"jerk": -1.0}}, {}, "jerk limit -1.0 must be > 0"),
    ({"elbow": {"veloctiy": 2.0}}, {}, "unknown key 'veloctiy'. Did you mean 'velocity'"),
    ({}, {"contol_rate": 50.0}, "unknown key 'contol_rate'. Did you mean 'control_rate'"),
    ({}, {"units": without(UNITS, "angle")}, "units.angle is missing; write 'angle: rad'"),
    ({}, {"units": {**UNITS, "angle": "deg"}}, "units.angle is 'deg', only 'rad' is read"),
    ({}, {"gains": {"policy": GAINS, "hold": GAINS}}, "damp"),
    ({}, {"gains": {m: {**GAINS, "stiffness": [1, 2, 3]} for m in ("policy", "hold", "damp")}},
     "expected 2 finite numbers"),
    ({}, {"gains": {m: {**GAINS, "damping": -1} for m in ("policy", "hold", "damp")}}, ">= 0"),
    ({}, links(fore={"parent": "uper"}), "no link 'uper'. Did you mean 'upper'"),
    ({}, links(fore={"joint": "elbov"}), "no joint 'elbov'. Did you mean 'elbow'"),
    ({}, links(fore={"joint": "shoulder"}), "joint 'shoulder' moves two links"),
    ({}, links(fore={"joint": ""}), "joint 'elbow' moves no link"),
    ({}, links(fore={"mass": 0.0}), "must be > 0"),
    ({}, links(fore={"shapes": [{"kind": "bxo", "size": [1, 1, 1]}]}), "no shape 'bxo'"),
    ({}, links(base={"parent": "fore"}), "is the base: no parent"),
    ({}, {"imu_link": "trunk"}, "no link 'trunk'"),
    ({}, {"wrench_link": "hand"}, "wrench_link: no link 'hand'"),
    ({}, {"wrench_link": "base"}, "wrench_link 'base' is the base: nothing carries it"),
    ({}, {"cameras": {"wrist": {"width": 4, "height": 3, "focal_length": 4.0, "link": "hand"}}},
     "no link 'hand'"),
    ({}, {"workspace": {"link": "base", "lower": [1, 1, 1], "upper": [0, 2, 2]}}, "reversed"),
]  # fmt: skip


@pytest.mark.parametrize(("joints", "more", "complaint"), BAD)
def test_a_table_that_cannot_be_is_refused_with_its_place(joints, more, complaint):
    with pytest.raises(ConfigError, match=complaint) as refusal:
        toy_robot({**TWO, **joints}, **more)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("key", ["joints", "links", "gains", "units", "control_rate", "name"])
def test_a_missing_part_is_named(key):
    table = without(read_config("robots", "go1"), key)
    with pytest.raises(ConfigError, match=key):
        read_robot(table, "go1.yaml")


@pytest.mark.parametrize("name", robots())
def test_the_shipped_tables_are_consistent(name):
    robot = load_robot(name)
    assert robot.name == name
    assert ((robot.lower <= robot.default) & (robot.default <= robot.upper)).all()
    assert (robot.servo_rate / robot.control_rate) % 1.0 == 0.0
    assert not robot.gains["damp"].stiffness.any()


def test_streams_name_every_element_with_its_unit():
    state = toy_robot({"lift": {"sliding": True}, "turn": {}}).streams["observation.state"]
    assert state.names == ("lift.pos", "turn.pos", "lift.vel", "turn.vel")
    assert state.units == ("m", "rad", "m/s", "rad/s")


@dataclass(frozen=True)
class Lamp:
    watts: float
    colour: str = "white"

    def __post_init__(self):
        if self.watts < 0.0:
            raise ValueError("watts must be >= 0")


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ({"wats": 3.0}, "lamp.yaml: unknown key 'wats'. Did you mean 'watts'"),
        ({}, "lamp.yaml: 'watts' is missing"),
        ({"watts": -1.0}, "lamp.yaml: watts must be >= 0"),
        ({"watts": "much"}, "lamp.yaml: "),
        ([1.0], "lamp.yaml: expected a mapping"),
        (None, "lamp.yaml: expected a mapping"),
    ],
)
def test_build_refuses_what_a_typo_would_hide(data, complaint):
    with pytest.raises(ConfigError, match=complaint):
        build(Lamp, data, "lamp.yaml")


def test_build_fills_in_defaults_and_what_is_given():
    assert build(Lamp, {"colour": "red"}, "lamp.yaml", watts=2.0) == Lamp(2.0, "red")


def test_a_given_field_must_not_be_repeated():
    with pytest.raises(ConfigError, match="unknown key 'watts'"):
        build(Lamp, {"watts": 1.0}, "lamp.yaml", watts=2.0)


@pytest.mark.parametrize("value", [[1.0], [1, 2, np.nan], "abc", None, [[1, 2, 3]], {}])
def test_a_vector_is_finite_numbers_of_its_width(value):
    with pytest.raises(ConfigError, match="here: expected"):
        vector(value, 3, "here")


def test_a_scalar_is_repeated():
    np.testing.assert_array_equal(vector(2, 3, "here"), [2.0, 2.0, 2.0])


def test_keys_that_are_no_words_are_refused():
    with pytest.raises(ConfigError, match="unknown key '7'"):
        check_keys({7: 1}, ("seven",), "here")
