"""Seeded mismatches: each is one mistake people make, and each must be found before motion."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from toy_robot import toy_robot

from robot_policies.interface import (
    ActionKind,
    ActionSpec,
    ArraySpec,
    ContractError,
    ObservationSpec,
    Statistics,
)
from robot_policies.interface.action import CARTESIAN_DELTA_NAMES
from robot_policies.interface.compatibility import check_compatible
from robot_policies.interface.normalization_audit import audit_statistics
from robot_policies.interface.observation import (
    EFFORT,
    STATE,
    TASK,
    VELOCITY_COMMAND,
    VELOCITY_COMMAND_NAMES,
    VELOCITY_COMMAND_UNITS,
)

WRIST = "observation.images.wrist"
ROBOT = toy_robot(
    {"shoulder": {}, "elbow": {"lower": -2.0, "upper": 0.5}},
    cameras={"wrist": {"width": 4, "height": 3, "focal_length": 4.0, "link": "elbow_link"}},
    workspace={"link": "elbow_link", "lower": [-1.0, -1.0, 0.0], "upper": [1.0, 1.0, 1.0]},
)
JOINTS = ROBOT.joint_names


def array(name, names, unit, **bounds):
    return ArraySpec(name, (len(names),), unit=unit, names=tuple(names), **bounds)


def state(*names, unit="rad"):
    return array(STATE, names or [f"{joint}.pos" for joint in JOINTS], unit)


def image(height=3, width=4, dtype=np.uint8):
    return ArraySpec(WRIST, (height, width, 3), np.dtype(dtype))


def action(names=JOINTS, unit="rad", kind="joint_position", dt=0.02, **bounds):
    return ActionSpec(kind, array("action", names, unit, **bounds), dt, horizon=8)


def hand(*joints, names=CARTESIAN_DELTA_NAMES, unit="rad", where=("m",) * 3, **bounds):
    units = (*where, *("rad",) * 3, *(unit for _ in joints))
    return action([*names, *joints], unit=units, kind="cartesian_delta", **bounds)


def mean_std(mean=(0.0, -0.5), std=(0.3, 0.4), **more):
    values = {"mean": np.array(mean), "std": np.array(std), **more}
    return Statistics("MEAN_STD", values)


MODES = {"MIN_MAX": ("min", "max"), "QUANTILES": ("q01", "q99"), "QUANTILE10": ("q10", "q90")}


def ends(mode, lower, upper):
    low, high = MODES[mode]
    return Statistics(mode, {low: np.array(lower), high: np.array(upper)})


def statistics(**changes):
    names = {"state": STATE, "action": "action"}
    return {
        **{name: changes.get(key, mean_std()) for key, name in names.items()},
        WRIST: Statistics("IDENTITY", {}),
    }


def policy(features=None, act=None, stats=None, robot="toy"):
    features = {STATE: state(), WRIST: image()} if features is None else features
    return SimpleNamespace(
        name="candidate",
        robot=robot,
        observation_spec=ObservationSpec(features),
        action_spec=act or action(),
        statistics=statistics() if stats is None else stats,
        findings=(),
    )


def backend(robot=ROBOT, accepts=(ActionKind.JOINT_POSITION,), provides=None):
    provides = robot.streams if provides is None else provides
    return SimpleNamespace(spec=robot, provides=provides, accepts=frozenset(accepts))


def check(candidate, on=None):
    return check_compatible(candidate, ROBOT, on or backend())


def with_state(spec):
    return policy({STATE: spec, WRIST: image()})


OTHER = toy_robot({"shoulder": {}}, name="other")
MISMATCHES = {
    "an observed joint the robot lacks": (with_state(state("wrist.pos", "elbow.pos")), "names"),
    "a misspelt joint": (with_state(state("shoulder.pos", "elbov.pos")), "names"),
    "an observed joint in degrees": (with_state(state(unit="deg")), "unit"),
    "a speed where an angle is meant": (with_state(state("elbow.vel", unit="rad")), "unit"),
    "a state without names and of another width": (with_state(ArraySpec(STATE, (7,))), "shape"),
    "a camera the robot lacks": (policy({"observation.images.top": image()}), "feature"),
    "an image of another size": (policy({WRIST: image(6, 8)}), "image_size"),
    "an image turned by a quarter": (policy({WRIST: image(4, 3)}), "image_size"),
    "an image of floats": (policy({WRIST: image(dtype=np.float32)}), "dtype"),
    "a sensor the robot lacks": (
        policy({"observation.points": ArraySpec("observation.points", (None, 3))}),
        "feature",
    ),
    "a goal in another unit": (
        policy({VELOCITY_COMMAND: array(VELOCITY_COMMAND, ["angular.z"], "deg/s")}),
        "unit",
    ),
    "a joint that is not commanded": (policy(act=action(["shoulder"])), "action_names"),
    "a joint that is not there": (policy(act=action([*JOINTS, "hand"])), "action_names"),
    "actions in degrees": (policy(act=action(unit="deg")), "action_unit"),
    "actions of a kind nobody tracks": (
        policy(act=action(kind="joint_velocity", unit="rad/s")),
        "action_kind",
    ),
    "rows faster than the robot": (policy(act=action(dt=0.005)), "rate"),
    "an action range beside the robot's": (
        policy(act=action(lower=np.full(2, 10.0), upper=np.full(2, 90.0))),
        "action_range",
    ),
    "a hand's step with other names": (
        policy(act=hand(names=("x", "y", "z", *CARTESIAN_DELTA_NAMES[3:]))),
        "action_names",
    ),
    "a hand's step in millimetres": (policy(act=hand(where=("mm",) * 3)), "action_unit"),
    "a hand's step and no such joint": (policy(act=hand("elbov")), "action_names"),
    "a hand's step and a joint in degrees": (policy(act=hand("elbow", unit="deg")), "action_unit"),
    "a hand's step out of the workspace": (
        policy(act=hand(lower=np.full(6, 40.0), upper=np.full(6, 50.0))),
        "action_range",
    ),
    "a hand's step of metres that were millimetres": (
        policy(act=hand(), stats=statistics(action=mean_std(np.zeros(6), np.full(6, 10.0)))),
        "statistics_range",
    ),
    "no statistics of the state": (
        policy(stats={"action": mean_std(), "observation.stat": mean_std()}),
        "statistics_missing",
    ),
    "no standard deviation": (
        policy(stats=statistics(state=Statistics("MEAN_STD", {"mean": np.zeros(2)}))),
        "statistics_missing",
    ),
    "statistics of another width": (
        policy(stats=statistics(state=mean_std(np.zeros(3), np.ones(3)))),
        "statistics_shape",
    ),
    "a mean of infinity": (
        policy(stats=statistics(state=mean_std(mean=(0.0, np.inf)))),
        "statistics_finite",
    ),
    "a deviation that is not a number": (
        policy(stats=statistics(action=mean_std(std=(np.nan, 1.0)))),
        "statistics_finite",
    ),
    "an input that never varied": (
        policy(stats=statistics(state=mean_std(std=(0.3, 1e-9)))),
        "statistics_constant",
    ),
    "a range of zero width": (
        policy(
            stats=statistics(state=Statistics("MIN_MAX", {"min": np.zeros(2), "max": np.zeros(2)}))
        ),
        "statistics_constant",
    ),
    "degrees fed as radians": (
        policy(stats=statistics(state=mean_std(mean=(20.0, -45.0), std=(15.0, 20.0)))),
        "statistics_range",
    ),
    "degrees about zero": (
        policy(stats=statistics(action=mean_std(mean=(0.0, 0.0), std=(20.0, 30.0)))),
        "statistics_range",
    ),
    "degrees from end to end": (
        policy(
            stats=statistics(
                action=Statistics(
                    "MIN_MAX", {"min": np.array([-57.0, -110.0]), "max": np.array([57.0, 28.0])}
                )
            )
        ),
        "statistics_range",
    ),
    "quantiles upside down": (
        policy(stats=statistics(action=ends("QUANTILES", (0.5, -0.5), (-0.5, 0.5)))),
        "statistics_reversed",
    ),
    "quantiles without an end": (
        policy(stats=statistics(action=Statistics("QUANTILE10", {"q10": np.zeros(2)}))),
        "statistics_missing",
    ),
    "two joints swapped": (
        policy(stats=statistics(state=mean_std(mean=(-1.6, 0.0)))),
        "statistics_range",
    ),
    "a policy for another robot": (policy(robot="other"), "robot"),
}


@pytest.mark.parametrize("mistake", MISMATCHES)
def test_every_seeded_mismatch_is_an_error(mistake):
    candidate, code = MISMATCHES[mistake]
    report = check(candidate)
    assert code in [finding.code for finding in report.errors]
    with pytest.raises(ContractError, match=rf"\[{code}\]"):
        report.require()


def test_all_are_caught():
    caught = [mistake for mistake, (candidate, _) in MISMATCHES.items() if check(candidate).errors]
    assert (len(caught), len(MISMATCHES)) == (37, 37)


def test_a_backend_for_another_robot_is_an_error():
    assert "robot" in [finding.code for finding in check(policy(), backend(OTHER)).errors]


GOAL = array(VELOCITY_COMMAND, VELOCITY_COMMAND_NAMES, VELOCITY_COMMAND_UNITS)
CLEAN = {
    "the robot's own": policy(),
    "a subset in another order": with_state(state("elbow.pos", "shoulder.pos")),
    "without statistics": policy(stats={}),
    "without a robot's name": policy(robot=""),
    "statistics that only scale": policy(
        stats=statistics(state=mean_std(ROBOT.default, (1.0, 1.0)))
    ),
    "an action that never varied": policy(stats=statistics(action=mean_std(std=(0.3, 0.0)))),
    "the full range": policy(
        stats=statistics(action=Statistics("MIN_MAX", {"min": ROBOT.lower, "max": ROBOT.upper}))
    ),
    "bounds as the robot's": policy(act=action(lower=ROBOT.lower, upper=ROBOT.upper)),
    "reversed columns": policy(act=action(JOINTS[::-1])),
    "a slower policy": policy(act=action(dt=0.1)),
    "a goal": policy({STATE: state(), VELOCITY_COMMAND: GOAL}, stats={}),
    "cartesian actions": policy(act=hand(), stats={}),
    "cartesian actions and a joint": policy(act=hand("elbow", unit="rad"), stats={}),
}


@pytest.mark.parametrize("kind", CLEAN)
def test_nothing_clean_is_refused(kind):
    report = check(CLEAN[kind])
    assert report.errors == ()
    report.require()


@pytest.mark.parametrize(
    ("candidate", "code"),
    [
        (policy(act=action(dt=0.033)), "rate"),
        (policy(act=action(lower=np.full(2, -3.0), upper=np.full(2, 3.0))), "action_range"),
        (policy(stats=statistics(action=mean_std(std=(0.3, 0.0)))), "statistics_constant"),
        (
            policy(stats=statistics(state=mean_std(min=np.array([-1.3, -2.0]), max=ROBOT.upper))),
            "statistics_range",
        ),
    ],
)
def test_what_is_odd_but_safe_is_a_warning(candidate, code):
    report = check(candidate)
    assert {(f.level, f.code) for f in report.findings} == {("warning", code)}


@pytest.mark.parametrize(
    ("rate", "max_age", "told"),
    [
        (10.0, {}, []),
        (5.0, {}, ["0.15"]),
        (5.0, {WRIST: 0.2}, []),
        (20.0, {WRIST: 0.04}, ["0.04"]),
    ],
)
def test_a_camera_that_is_slower_than_the_policy_waits_is_a_warning(rate, max_age, told):
    camera = replace(ROBOT.cameras[0], rate=rate)
    robot, candidate = replace(ROBOT, cameras=(camera,)), policy()
    candidate.observation_spec = ObservationSpec({STATE: state(), WRIST: image()}, max_age=max_age)
    found = check_compatible(candidate, robot, backend(robot)).findings
    assert [(f.level, f.code) for f in found] == [("warning", "picture_rate")] * len(told)
    assert all(
        f"{WRIST}: one every" in f.message and age in f.message
        for f, age in zip(found, told, strict=True)
    )


@pytest.mark.parametrize("mode", ["MEAN_STD", *MODES])
@pytest.mark.parametrize(
    ("feature", "lower", "upper", "verdict"),
    [
        ("state", (-0.5, -1.5), (0.5, 0.0), None),
        ("state", (0.2, -1.5), (0.2, 0.0), ("error", "statistics_constant")),
        ("state", (0.2, -1.5), (0.2001, 0.0), ("error", "statistics_constant")),
        ("action", (0.2, -1.5), (0.2, 0.0), ("warning", "statistics_constant")),
        ("state", (-57.0, -110.0), (57.0, 28.0), ("error", "statistics_range")),
        ("action", (-57.0, -110.0), (57.0, 28.0), ("error", "statistics_range")),
        ("action", (-0.5, -1.5), (100.0, 0.0), ("error", "statistics_range")),
        ("state", (np.nan, -1.5), (0.5, 0.0), ("error", "statistics_finite")),
    ],
)
def test_the_same_numbers_have_the_same_verdict_in_every_mode(
    mode, feature, lower, upper, verdict
):
    low, high = np.array(lower), np.array(upper)
    stats = (
        ends(mode, low, high) if mode in MODES else mean_std((low + high) / 2, (high - low) / 4)
    )
    found = {
        (f.level, f.code) for f in check(policy(stats=statistics(**{feature: stats}))).findings
    }
    assert found == ({verdict} if verdict else set())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("feature", ["state", "action"])
def test_ends_upside_down_are_an_error_in_every_mode(mode, feature):
    stats = ends(mode, (0.5, 0.0), (-0.5, -1.5))
    codes = [f.code for f in check(policy(stats=statistics(**{feature: stats}))).errors]
    assert codes == ["statistics_reversed"]


@pytest.mark.parametrize("dt", [0.02, 0.0201, 0.0199, 0.03999, 0.1])
def test_rates_within_one_percent_are_the_same(dt):
    assert check(policy(act=action(dt=dt))).findings == ()


def test_another_order_is_worth_a_line_and_no_more():
    levels = {finding.level for finding in check(CLEAN["reversed columns"]).findings}
    assert levels == {"info"}


def test_errors_come_first_and_say_what_to_do():
    candidate = policy({STATE: state("elbov.pos", "shoulder.pos")}, act=action(dt=0.033))
    findings = check(candidate).findings
    assert findings[0].level == "error"
    assert "Did you mean 'elbow.pos'" in findings[0].message
    assert all("\n" not in finding.message for finding in findings)


def told(*instructions, goals=(TASK,)):
    """A task that says one instruction after the other."""
    return SimpleNamespace(
        name="chores",
        goals=goals,
        initial=lambda seed: seed,
        start=lambda seed: SimpleNamespace(
            goal=lambda now: {TASK: instructions[seed % len(instructions)]}
        ),
    )


def listening(**taught):
    candidate = policy()
    candidate.observation_spec = ObservationSpec({STATE: state()}, needs_task=True, **taught)
    return candidate


def heard(candidate, task):
    errors = check_compatible(candidate, ROBOT, backend(), task).errors
    return [(finding.code, finding.message) for finding in errors]


@pytest.mark.parametrize(
    "taught", [{}, {"tasks": ("wave", "nod")}, {"vocabulary": ("Wave", "nod", "twice")}]
)
def test_instructions_the_policy_was_taught_are_fine(taught):
    assert heard(listening(**taught), told("wave", "nod")) == []


@pytest.mark.parametrize(
    ("taught", "said"),
    [
        ({"tasks": ("wave",)}, "no instruction 'nod'"),
        ({"vocabulary": ("wave", "not")}, "no word 'nod'. Did you mean 'not'"),
    ],
)
def test_an_instruction_that_was_not_taught_is_an_error(taught, said):
    ((code, message),) = heard(listening(**taught), told("wave", "nod"))
    assert code == "instruction"
    assert said in message


@pytest.mark.parametrize(("forward", "fits"), [(0.8, True), (1.2, False)])
def test_a_task_that_commands_what_was_not_trained_is_refused(forward, fits):
    names, units = ("angular.z", "linear.x"), ("rad/s", "m/s")
    goal = ArraySpec(
        VELOCITY_COMMAND, (2,), unit=units, names=names, lower=[-0.8, -0.4], upper=[0.8, 0.8]
    )
    walker = policy({STATE: state(), VELOCITY_COMMAND: goal}, stats={})
    task = told("", goals=(VELOCITY_COMMAND,))
    command = np.array([forward, 9.0, 0.1], np.float32)  # what lies in between is not read
    task.start = lambda seed: SimpleNamespace(goal=lambda now: {VELOCITY_COMMAND: command})
    found = heard(walker, task)
    assert [code for code, _ in found] == ([] if fits else ["goal"])
    if not fits:
        assert "[linear.x] = 1.2 m/s is above 0.8, range [-0.4, 0.8]" in found[0][1]


def test_a_task_that_says_nothing_cannot_be_followed():
    ((code, message),) = heard(listening(), told("", goals=(VELOCITY_COMMAND,)))
    assert code == "goal"
    assert "needs 'task', task 'chores' gives" in message
    walker = policy({STATE: state(), VELOCITY_COMMAND: GOAL}, stats={})
    assert [code for code, _ in heard(walker, told("walk"))] == ["goal"]


def test_efforts_are_held_against_the_limits_of_effort():
    names = [f"{joint}.effort" for joint in JOINTS]
    limit = float(ROBOT.effort[0])
    spec = array(EFFORT, names, "N m")

    def found(least, most):
        seen = statistics()
        seen[EFFORT] = ends("MIN_MAX", [least, least], [most, most])
        made = policy({STATE: state(), WRIST: image(), EFFORT: spec}, stats=seen)
        return [f.message for f in audit_statistics(made, ROBOT) if EFFORT in f.message]

    assert found(-limit, limit) == []
    assert "-30 to 30 in training" in found(-30.0 * limit, 30.0 * limit)[0].replace(
        f"{30 * limit:.4g}", "30"
    )


def test_cameras_that_are_exchanged_are_named():
    top = "observation.images.top"
    sizes = {WRIST: image(3, 4), top: image(6, 8)}
    robot = SimpleNamespace(spec=ROBOT, accepts=backend().accepts, provides={STATE: state()})
    robot.provides |= {WRIST: sizes[top], top: sizes[WRIST]}
    found = check_compatible(policy({STATE: state(), **sizes}), ROBOT, robot).errors
    for finding, other in zip(found, (top, WRIST), strict=True):
        assert finding.code == "image_size"
        assert finding.message.endswith(f"as '{other}' should: are these two cameras exchanged?")
