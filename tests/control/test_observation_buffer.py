from dataclasses import replace

import numpy as np
import pytest
from toy_robot import toy_robot

from robot_policies.control.observation_buffer import ObservationBuffer
from robot_policies.interface import (
    ArraySpec,
    ContractError,
    ObservationSpec,
    RobotState,
    StaleObservation,
)
from robot_policies.interface.errors import ImplausibleState
from robot_policies.interface.observation import (
    EFFORT,
    GOAL_STREAMS,
    STATE,
    TASK,
    VELOCITY_COMMAND,
)

CAMERA = "observation.images.wrist"
ROBOT = toy_robot(
    {"shoulder": {}, "elbow": {}},
    cameras={"wrist": {"width": 4, "height": 3, "focal_length": 4.0, "link": "elbow_link"}},
)
PROVIDES = ROBOT.streams
IMAGE = np.zeros((3, 4, 3), np.uint8)


def wanted(*names, unit="rad"):
    return ArraySpec(STATE, (len(names),), unit=unit, names=names)


def buffer(features=None, needs_task=False, provides=PROVIDES, **limits):
    features = {STATE: wanted("elbow.pos", "shoulder.pos")} if features is None else features
    return ObservationBuffer(ObservationSpec(features, needs_task, **limits), provides)


def state(stamp=0.0, position=(0.1, 0.2), velocity=(0.3, 0.4)):
    images = {CAMERA: IMAGE}
    return RobotState(
        stamp,
        np.array(position),
        np.array(velocity),
        features=images,
        stamps=dict.fromkeys(images, stamp),
    )


def test_elements_are_picked_by_name_in_the_policys_order():
    made = buffer({STATE: wanted("elbow.pos", "shoulder.pos")})
    made.push_state(state())
    np.testing.assert_allclose(made.snapshot(0.0)[STATE], [0.2, 0.1])


def test_measured_efforts_are_a_stream():
    needed = ArraySpec(EFFORT, (1,), unit="N m", names=("elbow.effort",))
    made = buffer({EFFORT: needed}, provides={**PROVIDES, EFFORT: ROBOT.effort_stream})
    made.push_state(state())
    with pytest.raises(StaleObservation, match="no effort yet"):
        made.snapshot(0.0)
    made.push_state(replace(state(0.1), joint_effort=np.array([5.0, -6.0])))
    np.testing.assert_allclose(made.snapshot(0.1)[EFFORT], [-6.0])


def test_a_message_with_names_is_permuted():
    made = buffer({STATE: wanted("shoulder.pos")})
    names = ("elbow.vel", "elbow.pos", "shoulder.vel", "shoulder.pos")
    made.push(STATE, np.array([4.0, 3.0, 2.0, 1.0]), 0.0, names)
    np.testing.assert_allclose(made.snapshot(0.0)[STATE], [1.0])


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (("elbow.vel", "elbow.pos", "shoulder.vel"), r"missing \['shoulder.pos'\]"),
        (
            ("elbow.vel", "elbow.pos", "shoulder.vel", "shoulder.pos", "hand.pos"),
            r"unexpected \['hand.pos'\]",
        ),
        (("elbow.vel", "elbow.vel", "shoulder.vel", "shoulder.pos"), r"missing \['elbow.pos'\]"),
    ],
)
def test_a_message_with_other_joints_is_refused(names, complaint):
    with pytest.raises(ContractError, match=complaint):
        buffer().push(STATE, np.zeros(len(names)), 0.0, names)


def test_what_the_robot_does_not_give_is_refused_at_once():
    with pytest.raises(ContractError, match=r"no element 'elbov.pos'.*'elbow.pos'"):
        buffer({STATE: wanted("elbov.pos")})
    name = "observation.images.wirst"
    with pytest.raises(ContractError, match=f"{name}.*Did you mean"):
        buffer({name: ArraySpec(name, (3, 4, 3), np.dtype(np.uint8))})


def test_another_unit_is_refused_at_once():
    with pytest.raises(ContractError, match=r"elbow.pos.*needs deg, the robot gives rad"):
        buffer({STATE: wanted("elbow.pos", unit="deg")})


def test_an_image_of_another_size_is_refused():
    with pytest.raises(ContractError, match=r"needs shape \(6, 8, 3\), the robot gives \(3, 4, 3"):
        buffer({CAMERA: ArraySpec(CAMERA, (6, 8, 3), np.dtype(np.uint8))})
    made = buffer({CAMERA: PROVIDES[CAMERA]})
    with pytest.raises(ContractError, match=r"shape \(6, 8, 3\), expected \(3, 4, 3\)"):
        made.push(CAMERA, np.zeros((6, 8, 3), np.uint8), 0.0)


def test_a_nan_is_refused_and_the_stream_goes_on_ageing():
    made = buffer()
    made.push_state(state(0.0))
    with pytest.raises(ContractError, match=r"elbow.pos\] = nan"):
        made.push_state(state(0.2, position=(0.0, np.nan)))
    with pytest.raises(StaleObservation, match="joint states 200 ms old, limit 150 ms"):
        made.snapshot(0.2)


def test_a_missing_stream_is_never_filled_in():
    made = buffer({STATE: wanted("elbow.pos"), CAMERA: PROVIDES[CAMERA]})
    made.push(STATE, np.zeros(4), 0.0)
    with pytest.raises(StaleObservation, match="no wrist camera yet"):
        made.snapshot(0.0)


def test_each_stream_has_its_own_age_limit():
    features = {STATE: wanted("elbow.pos"), CAMERA: PROVIDES[CAMERA]}
    made = buffer(features, max_age={CAMERA: 0.3}, max_skew={CAMERA: 1.0})
    made.push_state(state(0.0))
    made.push(STATE, np.zeros(4), 0.29)
    made.snapshot(0.3)
    with pytest.raises(StaleObservation, match="wrist camera 312 ms old, limit 300 ms"):
        made.snapshot(0.312)


def test_streams_must_be_in_step():
    features = {STATE: wanted("elbow.pos"), CAMERA: PROVIDES[CAMERA]}
    made = buffer(features)
    made.push_state(state(0.0))
    made.push(STATE, np.zeros(4), 0.12)
    with pytest.raises(StaleObservation, match="wrist camera 120 ms behind .* limit 100 ms"):
        made.snapshot(0.12)


def test_a_slow_sensor_may_lie_as_far_behind_as_the_policy_says():
    features = {STATE: wanted("elbow.pos"), CAMERA: PROVIDES[CAMERA]}
    made = buffer(features, max_age={CAMERA: 0.3}, max_skew={CAMERA: 0.2})
    made.push_state(state(0.0))
    made.push(STATE, np.zeros(4), 0.19)
    made.snapshot(0.19)
    made.push(STATE, np.zeros(4), 0.22)
    with pytest.raises(StaleObservation, match="wrist camera 220 ms behind .* limit 200 ms"):
        made.snapshot(0.22)
    with pytest.raises(StaleObservation, match="wrist camera 320 ms old, limit 300 ms"):
        made.snapshot(0.32)


def test_a_stamp_that_jumps_back_is_refused_until_the_next_sample():
    made = buffer()
    made.push_state(state(12.0))
    made.push_state(state(3.0))
    with pytest.raises(StaleObservation, match=r"jumped back from 12.000 s to 3.000 s"):
        made.snapshot(3.0)
    made.push_state(state(3.02))
    assert made.snapshot(3.02).stamp == 3.02


def test_a_clock_that_jumps_back_is_refused():
    made = buffer()
    made.push_state(state(12.0))
    with pytest.raises(StaleObservation, match=r"stamped 12.000 s, but it is 3.000 s"):
        made.snapshot(3.0)


GOAL = {
    STATE: wanted("elbow.pos"),
    VELOCITY_COMMAND: ArraySpec(VELOCITY_COMMAND, (1,), unit=("rad/s",), names=("angular.z",)),
}


def test_an_instruction_stays_in_force_and_a_velocity_must_be_repeated():
    made = buffer(GOAL, needs_task=True)
    made.push(TASK, "walk", 0.0)
    made.push(VELOCITY_COMMAND, np.array([0.5, 0.0, 0.2]), 59.5)
    made.push(STATE, np.zeros(4), 60.0)
    seen = made.snapshot(60.0)
    np.testing.assert_allclose(seen[VELOCITY_COMMAND], [0.2])
    assert (seen[TASK], seen.stamp) == ("walk", 60.0)
    np.testing.assert_array_equal(made.snapshot(60.01)[VELOCITY_COMMAND], [0.0])
    made.push(VELOCITY_COMMAND, np.array([0.5, 0.0, 0.2]), 60.02)
    np.testing.assert_allclose(made.snapshot(60.02)[VELOCITY_COMMAND], [0.2])


def test_a_goal_ages_if_it_is_told_to():
    made = buffer(GOAL, max_age={VELOCITY_COMMAND: 0.5})
    made.push(VELOCITY_COMMAND, np.zeros(3), 0.0)
    made.push(STATE, np.zeros(4), 0.6)
    with pytest.raises(StaleObservation, match="velocity command 600 ms old, limit 500 ms"):
        made.snapshot(0.6)


def test_a_goal_does_not_move_the_moment_of_the_observation():
    made = buffer(GOAL)
    made.push(STATE, np.zeros(4), 1.0)
    made.push(VELOCITY_COMMAND, np.zeros(3), 1.01)
    assert made.snapshot(1.02).stamp == 1.0


@pytest.mark.parametrize("by", ["task", "policy"])
def test_a_goal_out_of_range_is_refused_and_the_one_in_force_stays(by):
    full = replace(GOAL_STREAMS[VELOCITY_COMMAND], lower=[-0.4, -0.3, -0.8], upper=[1, 0.3, 0.8])
    narrow = replace(GOAL[VELOCITY_COMMAND], lower=[-0.8], upper=[0.8])
    provides = {**PROVIDES, VELOCITY_COMMAND: full} if by == "task" else PROVIDES
    needed = {**GOAL, VELOCITY_COMMAND: narrow} if by == "policy" else GOAL
    made = buffer(needed, provides=provides)
    made.push(VELOCITY_COMMAND, np.array([0.5, 0.3, 0.8], np.float32), 0.0)
    message = r"\[angular.z\] = 0.9 rad/s is above 0.8, range \[-0.8, 0.8\]"
    with pytest.raises(ContractError, match=message):
        made.push(VELOCITY_COMMAND, np.array([0.5, 0.0, 0.9], np.float32), 0.1)
    made.push(STATE, np.zeros(4), 0.2)
    np.testing.assert_allclose(made.snapshot(0.2)[VELOCITY_COMMAND], [0.8])


def test_a_goal_of_somebody_whose_clock_is_behind_costs_no_observation():
    made = buffer(GOAL)
    made.push(STATE, np.zeros(4), 1.0)
    made.push(VELOCITY_COMMAND, np.array([0.0, 0.0, 0.1]), 1.0)
    made.push(VELOCITY_COMMAND, np.array([0.0, 0.0, 0.2]), 0.9)
    np.testing.assert_allclose(made.snapshot(1.0)[VELOCITY_COMMAND], [0.2])


def test_an_instruction_that_was_not_taught_leaves_the_one_in_force():
    spec = ObservationSpec({STATE: wanted("elbow.pos")}, needs_task=True, vocabulary=("wave",))
    made = ObservationBuffer(spec, PROVIDES)
    made.push(TASK, "wave", 0.0)
    with pytest.raises(ContractError, match="no word 'nod'"):
        made.push(TASK, "nod", 0.0)
    made.push(STATE, np.zeros(4), 0.0)
    assert made.snapshot(0.0)[TASK] == "wave"


def doubting():
    needed = {STATE: wanted("elbow.pos", "shoulder.pos")}
    return ObservationBuffer(ObservationSpec(needed), PROVIDES, robot=ROBOT)


def test_joints_that_cannot_be_there_are_refused_and_counted():
    made = doubting()
    made.push_state(state(0.0, (0.8, 0.1)))
    with pytest.raises(ImplausibleState, match="joint shoulder measured at 0, 20 ms after 0.8"):
        made.push_state(state(0.02, (0.0, 0.1)))
    np.testing.assert_allclose(made.snapshot(0.02)[STATE], [0.1, 0.8])
    made.push_state(state(0.04, (0.82, 0.1)))
    np.testing.assert_allclose(made.snapshot(0.04)[STATE], [0.1, 0.82])
    assert made.implausible == 1


def test_two_sources_in_turns_never_win_the_policy():
    made = doubting()
    for k in range(0, 100, 2):
        made.push_state(state(0.01 * k, (0.8, 0.1)))
        with pytest.raises(ImplausibleState):
            made.push_state(state(0.01 * k + 0.01, (0.0, 0.0)))
    assert made.implausible == 50


def test_a_jump_that_stays_costs_as_long_as_a_sample_may_be_old():
    made = doubting()
    made.push_state(state(0.0, (0.8, 0.1)))
    for k in range(1, 16):  # 150 ms
        with pytest.raises(ImplausibleState):
            made.push_state(state(0.01 * k, (0.0, 0.0)))
    made.push_state(state(0.16, (0.0, 0.0)))
    np.testing.assert_allclose(made.snapshot(0.16)[STATE], [0.0, 0.0])


def test_a_clock_set_back_hides_no_jump():
    made = doubting()
    made.push_state(state(1.0, (0.8, 0.1)))
    made.push_state(state(0.5, (0.8, 0.1)))
    with pytest.raises(ImplausibleState, match="20 ms after"):
        made.push_state(state(0.52, (0.0, 0.1)))


def test_an_instruction_must_be_words():
    with pytest.raises(ContractError, match="expected an instruction"):
        buffer(needs_task=True).push(TASK, "", 0.0)


@pytest.mark.parametrize("limit", ["max_age", "max_skew"])
def test_a_time_limit_for_a_stream_nobody_needs_is_a_typo(limit):
    with pytest.raises(ContractError, match=f"{limit}: no feature 'observation.stat'"):
        buffer(**{limit: {"observation.stat": 1.0}})


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf, "long", True])
def test_a_time_limit_is_a_time(value):
    with pytest.raises(ContractError, match="must be a number of seconds > 0"):
        buffer(max_age={STATE: value})


def test_streams_the_policy_does_not_need_are_ignored():
    made = buffer()
    made.push("observation.anything", np.array([np.nan]), 0.0)
    made.push_state(state())
    assert set(made.snapshot(0.0)) == {STATE}
