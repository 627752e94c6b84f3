import math

import numpy as np
import pytest
from toy_robot import toy_robot

from robot_policies.interface import ConfigError, JointLimit
from robot_policies.interface.limits import (
    check_limits,
    intersect,
    limits_from_json,
    limits_to_json,
)

ROBOT = toy_robot({"shoulder": {}, "elbow": {}})  # +-1 rad


def drawn(generator):
    """Draw limits on some joints, some of them without an end."""
    limits = {}
    for joint in ("shoulder", "elbow", "wrist"):
        if generator.random() < 0.7:
            low, high, fast = generator.uniform(-2, 2), generator.uniform(-2, 2), 1.0
            if generator.random() < 0.3:
                low, fast = -math.inf, math.inf
            limits[joint] = JointLimit(low, high, fast)
    return limits


def allows(limits, joint, position, speed):
    limit = limits.get(joint, JointLimit())
    return limit.lower <= position <= limit.upper and speed <= limit.velocity


def test_an_intersection_allows_what_both_allow_and_nothing_else():
    generator = np.random.default_rng(0)
    for _ in range(300):
        first, second = drawn(generator), drawn(generator)
        both = intersect(first, second)
        assert both == {**intersect(second, first)}
        for joint in ("shoulder", "elbow", "wrist"):
            position, speed = generator.uniform(-2, 2), generator.uniform(0, 2)
            one, other = (allows(each, joint, position, speed) for each in (first, second))
            assert allows(both, joint, position, speed) == (one and other)


def test_limits_survive_json_and_what_is_infinite_is_not_in_it():
    limits = {"elbow": JointLimit(upper=0.5), "shoulder": JointLimit(-0.1, 0.1, 2.0)}
    said = limits_to_json(limits)
    assert said["elbow"] == {"upper": 0.5}
    assert limits_from_json(said, "here") == limits


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"elbow": {"uper": 1.0}}, "Did you mean 'upper'"),
        ({"elbow": {"upper": math.nan}}, "upper nan must be a number"),
        ({"elbow": {"lower": "0"}}, "lower '0' must be a number"),
        ({"elbow": {"lower": True}}, "lower True must be a number"),
        ({"elbow": {"velocity": 0.0}}, "velocity 0.0 must be > 0"),
        (["elbow"], "joints by name"),
    ],
)
def test_what_is_no_limit_is_refused(said, complaint):
    with pytest.raises(ConfigError, match=complaint):
        limits_from_json(said, "here")


@pytest.mark.parametrize(
    ("limits", "complaint"),
    [
        ({"elbwo": JointLimit()}, "Did you mean 'elbow'"),
        ({"elbow": JointLimit(0.5, 0.2)}, r"elbow in \[0.5, 0.2\] has no room"),
        ({"elbow": JointLimit(lower=1.0)}, "has no room in"),
    ],
)
def test_a_joint_needs_to_be_there_and_to_have_room(limits, complaint):
    with pytest.raises(ConfigError, match=complaint):
        check_limits(limits, ROBOT, "here")
