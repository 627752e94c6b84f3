"""What `contract.yaml` may say, and what a file of an older version means."""

import numpy as np
import pytest
import yaml

from robot_policies.interface import CheckpointError, ConfigError, ContractError, ObservationSpec
from robot_policies.learning.elements import write_contract
from robot_policies.policies.contract_file import read_contract
from robot_policies.policies.locate import checkpoints, find_checkpoint

STATE, POINTS = "observation.state", "observation.points"
VELOCITY = "observation.velocity_command"
OLD = {
    "robot": "so101",
    "dt": 0.1,
    "observation": {STATE: {"names": ["elbow_flex.pos", "gripper.pos"], "unit": ["deg", "%"]}},
    "action": {"names": ["elbow_flex", "gripper"], "unit": ["deg", "%"]},
}
NEW = {"version": 2, **OLD, "observation": {**OLD["observation"], POINTS: {"frame": "base"}}}


@pytest.fixture
def read(tmp_path):
    def read(data, clouds=()):
        path = tmp_path / "policy" / "contract.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(data))
        return read_contract(path, {STATE: 2}, 2, clouds)

    return read


def test_a_file_without_a_version_means_what_it_always_meant(read):
    contract = read(OLD)
    assert contract.version == 1
    assert contract.executor is None
    assert (contract.vocabulary, contract.max_age, contract.max_skew) == ((), {}, {})
    np.testing.assert_allclose(contract.action.to_si(np.array([90.0, 0.0]))[0], np.pi / 2)


def test_an_old_file_says_how_to_bring_it_up_to_date(read):
    (found,) = read(OLD).findings
    assert (found.level, found.code) == ("info", "contract_version")
    assert "is of version 1: add 'version: 2'" in found.message
    (found,) = read(OLD, (POINTS,)).findings
    assert "'frame: LINK' to observation.points" in found.message
    assert read({"version": 2, **OLD}).findings == ()


def test_version_2_carries_words_times_and_frames(read):
    more = {
        "vocabulary": ["Put", "the", "cube"],
        "max_age": {POINTS: 0.3},
        "max_skew": {POINTS: 1},
    }
    contract = read({**NEW, "task": True, **more}, (POINTS,))
    assert contract.vocabulary == ("Put", "the", "cube")
    assert contract.max_age == {POINTS: 0.3}
    assert contract.max_skew == {POINTS: 1}
    assert contract.frames == {POINTS: "base"}
    assert contract.observation.keys() == {STATE}


def steered(version=2, **bounds):
    names = ["linear.x", "linear.y", "angular.z"]
    goal = {"names": names, "unit": ["m/s", "m/s", "deg/s"], **bounds}
    observation = {**OLD["observation"], VELOCITY: goal}
    return {**OLD, "version": version, "observation": observation}


def test_a_velocity_command_has_the_range_it_was_trained_with(tmp_path):
    path = tmp_path / "contract.yaml"
    path.write_text(yaml.safe_dump(steered(lower=[-0.4, -0.3, -90], upper=[1.0, 0.3, 90])))
    spec = read_contract(path, {STATE: 2, VELOCITY: 3}, 2).observation[VELOCITY].spec(VELOCITY)
    np.testing.assert_allclose(spec.lower, [-0.4, -0.3, -np.pi / 2])
    spec.validate(np.array([1.0, -0.3, 1.5], np.float32))
    message = r"\[linear.x\] = 1.1 m/s is above 1, range \[-0.4, 1\]"
    with pytest.raises(ContractError, match=message):
        spec.validate(np.array([1.1, 0.0, 0.0], np.float32))
    path.write_text(yaml.safe_dump(steered(upper=1.0)))
    spec = read_contract(path, {STATE: 2, VELOCITY: 3}, 2).observation[VELOCITY].spec(VELOCITY)
    assert spec.lower is None
    np.testing.assert_allclose(spec.upper, [1.0, 1.0, np.pi / 180])


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (steered(lower=[0, 0]), f"{VELOCITY}: lower: "),
        (steered(upper=["fast", 0, 0]), f"{VELOCITY}: upper: expected numbers"),
        (steered(lower=[0, 0, 1], upper=[1, 1, 0]), r"lower \[0, 0, 1\] exceeds upper"),
        (steered(1, lower=[0, 0, 0]), "'lower' needs 'version: 2'"),
        ({**OLD, "observation": {STATE: {**OLD["observation"][STATE], "lower": 0}}}, "'lower'"),
    ],
    ids=["too few", "no number", "reversed", "old", "of the joints"],
)
def test_a_range_that_cannot_be_is_one_line_with_its_place(tmp_path, data, complaint):
    path = tmp_path / "contract.yaml"
    path.write_text(yaml.safe_dump(data))
    widths = dict.fromkeys(data["observation"], 2) | {VELOCITY: 3}
    widths = {name: widths[name] for name in data["observation"]}
    with pytest.raises(ConfigError, match=complaint):
        read_contract(path, widths, 2)


@pytest.mark.parametrize("dt", [0.0333, 0.033333, 1.0 / 30.0, 0.0336])
def test_a_rounded_time_step_is_the_robots_own(read, dt):
    contract = read({**NEW, "dt": dt}, (POINTS,))
    assert contract.dt == 1.0 / 30.0
    named = [found for found in contract.findings if found.code == "rate"]
    assert len(named) == (dt != 1.0 / 30.0)
    assert all(f"dt {dt:g} s is taken as 0.0333333 s of so101" in f.message for f in named)


@pytest.mark.parametrize(("dt", "robot"), [(0.034, "so101"), (0.0333, "somebody_elses")])
def test_another_time_step_stays_as_it_is(read, dt, robot):
    units = {"names": ["elbow_flex.pos", "gripper.pos"], "unit": "rad"}
    data = {**NEW, "dt": dt, "robot": robot, "action": units, "observation": {STATE: units}}
    assert read(data).dt == dt


BAD = {
    "a newer version": ({**NEW, "version": 3}, "version 3 is not known, only 1 to 2"),
    "a version of words": ({**NEW, "version": "2"}, "version '2' is not known"),
    "words in version 1": ({**OLD, "vocabulary": ["put"]}, "'vocabulary' needs 'version: 2'"),
    "an age in version 1": ({**OLD, "max_age": {STATE: 1.0}}, "'max_age' needs 'version: 2'"),
    "words that are a text": ({**NEW, "vocabulary": "put"}, "vocabulary must be a list of words"),
    "words without instruction": ({**NEW, "vocabulary": ["put"]}, "'task: true'"),
    "an age that is a number": ({**NEW, "max_age": 0.3}, "max_age: expected a mapping"),
    "a cloud in no frame": (
        {**NEW, "observation": {**OLD["observation"], POINTS: {}}},
        "observation.points: frame '' must name the link",
    ),
    "a cloud with names": (
        {**NEW, "observation": {**OLD["observation"], POINTS: {"names": ["x"]}}},
        "observation.points: unknown key 'names'",
    ),
    "an executor there is not": ({**OLD, "executor": "splise"}, "Did you mean 'splice'"),
}


@pytest.mark.parametrize(("data", "complaint"), BAD.values(), ids=BAD)
def test_what_cannot_be_is_one_line_with_its_place(read, data, complaint):
    with pytest.raises((ConfigError, CheckpointError)) as caught:
        read(data, (POINTS,))
    assert complaint in str(caught.value)
    assert str(caught.value).startswith("policy/contract.yaml: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", checkpoints())
def test_shipped_checkpoints_are_up_to_date(name):
    assert yaml.safe_load((find_checkpoint(name) / "contract.yaml").read_text())["version"] == 2


def test_what_training_writes_is_up_to_date(tmp_path):
    names = {STATE: ["elbow_flex.pos"], "action": ["elbow_flex.pos"]}
    units = dict.fromkeys(names, ["rad"])
    write_contract(tmp_path, "so101", 0.1, names, units, kind="joint_position")
    assert read_contract(tmp_path / "contract.yaml", {STATE: 1}, 1).findings == ()


SPEC = ObservationSpec({}, needs_task=True, vocabulary=("put", "the", "Red", "cube"))


def test_an_instruction_of_known_words_is_followed():
    SPEC.check_instruction("Put the red cube, the cube.")


def test_a_word_that_was_not_taught_is_named():
    with pytest.raises(ContractError, match="no word 'cubes'. Did you mean 'cube'"):
        SPEC.check_instruction("put the red cubes")
    assert ObservationSpec({}, needs_task=True).vocabulary == ()


def test_an_example_is_of_known_words():
    SPEC.check_instruction(SPEC.example(np.random.default_rng(0))["task"])
