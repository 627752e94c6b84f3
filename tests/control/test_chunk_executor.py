from dataclasses import replace

import numpy as np
import pytest
from toy_robot import toy_robot

from robot_policies.control.chunk_executor import ChunkExecutor, ensemble
from robot_policies.interface import (
    ActionChunk,
    ActionSpec,
    ArraySpec,
    ConfigError,
    ContractError,
)

ROBOT = toy_robot({"shoulder": {}, "elbow": {}})
DT = 0.1


def spec(horizon=3, kind="joint_position"):
    names = ROBOT.joint_names
    return ActionSpec(kind, ArraySpec("action", (2,), unit="rad", names=names), DT, horizon)


def chunk(stamp, *rows, names=ROBOT.joint_names, **changes):
    values = np.array([[row, -row] if np.isscalar(row) else row for row in rows])
    return ActionChunk(**{"stamp": stamp, "dt": DT, "values": values, "names": names, **changes})


def shoulder(executor, now):
    action = executor.action_at(now)
    return None if action is None else action.values[0]


def moving(executor, until=0.1):
    """Let it follow a plan that is older than those of the test."""
    executor.add(chunk(-0.1, 0, 0, 0), -0.1)
    assert shoulder(executor, until) == 0
    return executor


def test_a_plan_for_a_robot_at_rest_begins_when_it_arrives():
    executor = ChunkExecutor(replace(spec(horizon=5), executed=2))
    executor.add(chunk(0.0, 1, 2, 3, 4, 5), 3.0)
    assert [shoulder(executor, t) for t in (3.0, 3.1, 3.2)] == [1, 2, None]
    executor.add(chunk(3.15, 6, 7, 8, 9, 10), 3.4)  # it moved when this was seen
    assert shoulder(executor, 3.4) == 8


def test_each_row_is_in_force_for_its_own_time():
    executor = ChunkExecutor(spec())
    executor.add(chunk(0.0, 1, 2, 3), 0.0)
    times = (0.0, 0.09, 0.1, 0.15, 0.2, 0.29, 0.3, 1.0)
    assert [shoulder(executor, t) for t in times] == [1, 1, 2, 2, 3, 3, None, None]


def test_a_late_chunk_starts_at_the_row_of_now_and_not_at_its_first():
    executor = moving(ChunkExecutor(spec()))
    executor.add(chunk(0.0, 1, 2, 3), 0.2)
    assert shoulder(executor, 0.2) == 3


def test_the_newest_answer_rules_however_they_arrive():
    executor = moving(ChunkExecutor(spec()))
    executor.add(chunk(0.1, 10, 20, 30), 0.15)
    executor.add(chunk(0.0, 1, 2, 3), 0.16)
    assert shoulder(executor, 0.2) == 20
    assert executor.dropped == {"superseded": 1}


def test_an_overtaken_chunk_stays_out_after_the_newer_one_has_ended():
    executor = ChunkExecutor(spec())
    executor.add(chunk(0.1, 10), 0.1)
    assert shoulder(executor, 0.25) is None
    executor.add(chunk(0.0, 1, 2, 3), 0.26)
    assert shoulder(executor, 0.26) is None


def test_a_duplicate_is_dropped_and_counted():
    executor = ChunkExecutor(spec())
    executor.add(chunk(0.0, 1), 0.0)
    executor.add(chunk(0.0, 2), 0.0)
    assert shoulder(executor, 0.0) == 1
    assert executor.dropped == {"duplicate": 1}


def test_a_chunk_entirely_in_the_past_is_dropped_and_counted():
    executor = moving(ChunkExecutor(spec()))
    executor.add(chunk(0.0, 1, 2), 0.31)
    assert shoulder(executor, 0.31) is None
    assert executor.dropped == {"late": 1}


def test_a_slightly_late_chunk_still_moves_the_robot_for_one_row():
    executor = ChunkExecutor(spec(horizon=1), lateness=0.1)
    executor.add(chunk(0.0, 1), 0.12)
    assert shoulder(executor, 0.12) == 1
    assert shoulder(executor, 0.21) == 1
    assert shoulder(executor, 0.22) is None


def test_a_chunk_from_the_future_is_dropped_and_counted():
    executor = ChunkExecutor(spec())
    executor.add(chunk(5.0, 1), 0.0)
    assert executor.dropped == {"future": 1}


def test_a_clock_that_jumps_back_makes_no_old_chunk_due_again():
    executor = ChunkExecutor(spec())
    executor.add(chunk(10.0, 1, 2, 3), 10.0)
    assert shoulder(executor, 10.0) == 1
    assert shoulder(executor, 5.0) is None
    assert shoulder(executor, 10.1) is None
    executor.add(chunk(5.0, 4), 5.0)
    assert shoulder(executor, 5.0) == 4


def test_columns_are_matched_by_name():
    executor = ChunkExecutor(spec())
    executor.add(chunk(0.0, (7.0, 8.0), names=("elbow", "shoulder")), 0.0)
    np.testing.assert_array_equal(executor.action_at(0.0).values, [8.0, 7.0])


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"names": ("shoulder", "elbov")}, r"missing \['elbow'\], unexpected \['elbov'\]"),
        ({"dt": 0.05}, "dt 0.05 s, expected 0.1 s"),
        ({"kind": "joint_velocity"}, "kind joint_velocity, expected joint_position"),
        ({"values": np.zeros((4, 2))}, "4 rows, limit 3"),
    ],
)
def test_a_chunk_that_breaks_the_contract_is_refused(wrong, complaint):
    with pytest.raises(ContractError, match=complaint):
        ChunkExecutor(spec()).add(chunk(0.0, 1, **wrong), 0.0)


@pytest.mark.parametrize("mode", ["open_loop", "ensemble", "splice"])
def test_a_nan_reaches_the_gate(mode):
    executor = ChunkExecutor(spec(), mode, robot=ROBOT)
    executor.add(chunk(0.0, 0.1, 0.1, 0.1), 0.0)
    executor.add(chunk(0.1, (np.nan, 0.1), 0.1), 0.1)
    assert np.isnan(executor.action_at(0.1).values[0])
    if mode == "open_loop":
        assert executor.action_at(0.2).values[0] == 0.1


def test_ensembling_weighs_the_oldest_most():
    executor = ChunkExecutor(replace(spec(), decay=np.log(2)), "ensemble")
    for stamp, rows in ((0.0, (0, 0, 1)), (0.1, (0, 2)), (0.2, (4,))):
        executor.add(chunk(stamp, *rows), stamp)
    assert shoulder(executor, 0.2) == pytest.approx((1 * 1 + 2 / 2 + 4 / 4) / 1.75)


def test_ensembling_with_itself_changes_nothing():
    rows = np.array([[1.0, 2.0], [1.0, 2.0]])
    np.testing.assert_allclose(ensemble(rows, 0.01), [1.0, 2.0])


def test_ensembling_does_not_average_infinities_away():
    assert np.isnan(ensemble(np.array([[np.inf], [-np.inf], [1.0]]), 0.1)).all()


def test_bad_modes_are_refused():
    with pytest.raises(ConfigError, match="no executor mode 'spline'. Did you mean 'splice'"):
        ChunkExecutor(spec(), "spline")
    with pytest.raises(ConfigError, match="splice needs a robot and joint_position"):
        ChunkExecutor(spec(), "splice")
    with pytest.raises(ConfigError, match="not joint_velocity"):
        ChunkExecutor(spec(kind="joint_velocity"), "splice", robot=ROBOT)


def test_reset_forgets_chunks_and_counts():
    executor = ChunkExecutor(spec())
    executor.add(chunk(0.0, 1), 0.0)
    executor.add(chunk(0.0, 1), 0.0)
    executor.reset()
    assert executor.action_at(0.0) is None
    assert not executor.dropped
