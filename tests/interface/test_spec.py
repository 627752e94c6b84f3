import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_policies.interface import (
    ActionChunk,
    ActionSpec,
    ArraySpec,
    ConfigError,
    ContractError,
    Observation,
    ObservationSpec,
)
from robot_policies.interface.observation import TASK

ARM = ArraySpec(
    "action",
    (2,),
    unit="rad",
    names=("shoulder", "elbow"),
    lower=np.array([-1.0, -2.0]),
    upper=np.array([1.0, 2.0]),
)


@pytest.mark.parametrize("value", [np.nan, np.inf, 2.5])
def test_rejects_a_value_no_motor_should_receive(value):
    with pytest.raises(ContractError, match=r"action\[elbow\]"):
        ARM.validate(np.array([0.0, value]))


def test_says_the_value_the_unit_and_the_bound():
    with pytest.raises(ContractError, match=r"action\[elbow\] = 2.5 rad is above 2"):
        ARM.validate(np.array([0.0, 2.5]))


@pytest.mark.parametrize(
    ("array", "complaint"),
    [
        (np.zeros(3), r"shape \(3,\), expected \(2,\)"),
        (np.zeros((1, 2)), r"shape \(1, 2\), expected \(2,\)"),
        (np.zeros(2, int), "dtype int64, expected float32"),
        (np.array([True, False]), "dtype bool, expected float32"),
        (np.array(["a", "b"]), "dtype <U1, expected float32"),
    ],
)
def test_refuses_another_shape_or_type(array, complaint):
    with pytest.raises(ContractError, match=complaint):
        ARM.validate(array)


def test_converts_between_floating_types_only():
    assert ARM.validate(np.zeros(2, np.float64)).dtype == np.float32


def test_an_open_axis_takes_any_length_but_none():
    points = ArraySpec("observation.points", (None, 3), unit="m")
    assert points.validate(np.zeros((7, 3))).shape == (7, 3)
    with pytest.raises(ContractError, match=r"shape \(0, 3\)"):
        points.validate(np.zeros((0, 3)))


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"lower": np.ones(2), "upper": -np.ones(2)}, "limits reversed"),
        ({"names": ("a",)}, "1 names for a last axis of 2"),
        ({"unit": ("rad",)}, "1 units for a last axis of 2"),
        ({"names": ("a", "a")}, "element names repeat"),
    ],
)
def test_a_spec_that_contradicts_itself_is_refused(wrong, complaint):
    with pytest.raises(ContractError, match=complaint):
        ArraySpec("state", (2,), **wrong)


@given(st.integers(0, 2**32 - 1))
def test_examples_are_valid(seed):
    rng = np.random.default_rng(seed)
    image = ArraySpec("observation.images.wrist", (3, 4, 3), np.dtype(np.uint8))
    for spec in (ARM, image, ArraySpec("observation.points", (None, 3), unit="m")):
        spec.validate(spec.example(rng))


def test_bounds_cannot_be_changed_afterwards():
    with pytest.raises(ValueError, match="read-only"):
        ARM.lower[0] = -9.0


def spec(**changes):
    return ActionSpec(
        **{"kind": "joint_position", "array": ARM, "dt": 0.02, "horizon": 2, **changes}
    )


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"dt": 0.0}, ContractError),
        ({"dt": np.nan}, ContractError),
        ({"horizon": 0}, ContractError),
        ({"executed": 3}, ContractError),
        ({"executor": "splce"}, ConfigError),
        ({"array": ArraySpec("action", (2,))}, ContractError),
        ({"kind": "joint_torque"}, ValueError),
    ],
)
def test_an_action_spec_without_names_time_or_kind_is_refused(wrong, error):
    with pytest.raises(error):
        spec(**wrong)


def chunk(**changes):
    valid = {"stamp": 0.0, "dt": 0.02, "values": np.zeros((2, 2)), "names": ARM.names}
    return ActionChunk(**{**valid, **changes})


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"names": ("elbow", "shoulder")}, "names"),
        ({"kind": "joint_velocity"}, "kind joint_velocity"),
        ({"dt": 0.05}, "dt 0.05 s, expected 0.02 s"),
        ({"values": np.zeros((3, 2))}, "3 rows, expected 1 to 2"),
        ({"values": np.full((1, 2), np.nan)}, "not finite"),
        ({"values": np.full((1, 2), 3.0)}, "is above"),
    ],
)
def test_a_chunk_that_breaks_its_spec_is_refused(wrong, complaint):
    with pytest.raises(ContractError, match=complaint):
        spec().validate(chunk(**wrong))


@pytest.mark.parametrize(
    "wrong",
    [
        {"values": np.zeros((0, 2))},
        {"values": np.zeros((1, 3))},
        {"values": np.zeros(2)},
        {"stamp": np.nan},
        {"dt": -0.02},
    ],
)
def test_a_malformed_chunk_cannot_be_made(wrong):
    with pytest.raises(ContractError, match="chunk"):
        chunk(**wrong)


def test_an_observation_lists_what_it_lacks():
    needs = ObservationSpec({"observation.state": ARM}, needs_task=True)
    with pytest.raises(ContractError, match="no feature 'observation.state'. Did you mean"):
        needs.validate(Observation({"observation.stat": np.zeros(2)}, {"observation.stat": 0.0}))
    state = {"observation.state": np.zeros(2, np.float32)}
    with pytest.raises(ContractError, match="needs an instruction"):
        needs.validate(Observation(state, {"observation.state": 0.0}))
    needs.validate(needs.example(np.random.default_rng(0)))
    assert needs.example(np.random.default_rng(0))[TASK]


def test_an_instruction_the_policy_never_learned_is_refused_with_the_nearest():
    needs = ObservationSpec({}, needs_task=True, tasks=("push the cube", "pull the cube"))
    needs.validate(needs.example(np.random.default_rng(0)))
    with pytest.raises(ContractError, match="Did you mean 'push the cube'"):
        needs.validate(Observation({TASK: "pushh the cube"}, {TASK: 0.0}))


def test_an_observation_is_immutable_and_stamped():
    seen = Observation({"a": np.zeros(2), "b": np.zeros(2)}, {"a": 1.0, "b": 2.0})
    assert seen.stamp == 2.0
    with pytest.raises(ValueError, match="read-only"):
        seen["a"][0] = 1.0
    with pytest.raises(ContractError, match=r"features \['a'\] but stamps for \['b'\]"):
        Observation({"a": np.zeros(2)}, {"b": 0.0})
