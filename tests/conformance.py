"""What every backend, task and policy must keep, as tests that each implementation runs.

    def test_keeps_the_contract():
        check_backend(lambda: MyBackend(spec))

A rule is a function whose name says it; a broken rule fails under that name.
"""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from robot_policies.interface import (
    ActionKind,
    BackendError,
    Command,
    CommandMode,
    ConfigError,
    ContractError,
    Observation,
    Policy,
    RobotBackend,
    RobotState,
    Simulator,
    Task,
    Trial,
)
from robot_policies.interface.observation import IMU, STATE, VELOCITY_COMMAND, is_picture
from robot_policies.interface.observation import TASK as INSTRUCTION

REFUSED = (BackendError, ContractError)
Wait = Callable[[float], None]


def check_backend(
    make_backend: Callable[[], RobotBackend],
    *,
    wait: Wait = time.sleep,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Hold a backend to the contract.

    Args:
        make_backend: Makes a new one, not connected. It is made once per rule.
        wait: Lets time pass for a backend that is no simulator. [s]
        options: Initial condition for a simulator's `reset`.
    """
    simulated = isinstance(make_backend(), Simulator)
    for rule in BACKEND_RULES + (SIMULATOR_RULES if simulated else ()):
        backend = make_backend()
        try:
            rule(_Handle(backend, wait, options or {}))
        except Exception as error:
            name = rule.__name__.replace("_", " ")
            raise AssertionError(f"{type(backend).__name__}: {name}: {error!r}") from error
        finally:
            backend.close()


def check_task(task: Task, make_backend: Callable[[], RobotBackend] | None = None) -> None:
    """Hold a task to the contract.

    Args:
        task: The task.
        make_backend: Makes a simulator of the task's robot in the task's scene; if given, a trial
            is run for half a second with the robot holding still.
    """
    rules: list[Callable[[], None]] = [
        lambda: the_task_says_what_it_is(task),
        lambda: initial_conditions_are_plain_data_of_the_seed(task),
        lambda: a_trial_starts_undecided_with_its_goals(task),
    ]
    if make_backend is not None:
        rules.append(lambda: a_trial_measures_what_happens(task, make_backend))
    for rule in rules:
        try:
            rule()
        except Exception as error:
            names = rule.__code__.co_names
            raise AssertionError(f"task '{task.name}': {names[0]}: {error!r}") from error


def check_policy(policy: Policy) -> None:
    """Hold a policy to the contract; it is closed afterwards."""
    for rule in POLICY_RULES:
        try:
            rule(policy)
        except Exception as error:
            name = rule.__name__.replace("_", " ")
            raise AssertionError(f"policy '{policy.name}': {name}: {error!r}") from error


class _Handle:
    """A backend and the ways to start it and to let time pass, simulated or not."""

    def __init__(self, backend: RobotBackend, wait: Wait, options: Mapping[str, Any]) -> None:
        self.backend, self.options, self._wait = backend, options, wait
        self.period = 1.0 / backend.spec.control_rate

    def start(self) -> RobotState:
        self.backend.connect()
        if isinstance(self.backend, Simulator):
            return self.backend.reset(0, self.options)
        return self.backend.read()

    def step(self) -> RobotState:
        if isinstance(self.backend, Simulator):
            self.backend.advance(self.period)
        else:
            self._wait(self.period)
        return self.backend.read()

    def hold(self, **change: Any) -> Command:
        """Return a command every robot can follow: stay inside the limits where you are."""
        spec, state = self.backend.spec, self.backend.read()
        values = np.clip(state.joint_position, spec.lower, spec.upper)
        if ActionKind.JOINT_POSITION not in self.backend.accepts:
            change = {"kind": min(self.backend.accepts)} | change
            width = 3 if change["kind"] is ActionKind.BASE_VELOCITY else len(spec.joints)
            values = np.zeros(width)
        return Command(**{"stamp": state.stamp, "values": values} | change)


def it_says_what_it_is_before_it_is_connected(handle: _Handle) -> None:
    backend = handle.backend
    assert isinstance(backend, RobotBackend)
    assert backend.accepts
    assert all(isinstance(kind, ActionKind) for kind in backend.accepts)
    assert STATE in backend.provides, f"provides {sorted(backend.provides)} but no {STATE}"
    assert backend.provides[STATE].names == backend.spec.streams[STATE].names
    for feature, spec in backend.provides.items():
        assert spec.name == feature


def reading_and_writing_need_a_connection(handle: _Handle) -> None:
    _refuses(handle.backend.read)
    _refuses(lambda: handle.backend.write(Command(0.0, handle.backend.spec.default)))


def every_promised_stream_arrives_and_keeps_its_spec(handle: _Handle) -> None:
    handle.start()
    state = handle.step()
    n = len(handle.backend.spec.joints)
    assert state.joint_position.shape == state.joint_velocity.shape == (n,)
    assert state.joint_effort.shape in ((n,), (0,))
    joints = np.concatenate([state.joint_position, state.joint_velocity, state.joint_effort])
    assert np.isfinite(joints).all()
    assert {STATE, *state.features} == set(handle.backend.provides)
    assert state.features.keys() == state.stamps.keys()
    for feature, value in state.features.items():
        handle.backend.provides[feature].validate(value)
    if IMU in state.features:
        norm = np.linalg.norm(state.features[IMU][:4])
        assert abs(norm - 1.0) < 1e-3, f"orientation of norm {norm}"


def pictures_are_left_out_where_nobody_wants_them(handle: _Handle) -> None:
    handle.start()
    handle.step()
    backend = handle.backend
    without = backend.read(pictures=False)
    provided = {STATE, *backend.provides}
    assert {STATE, *without.features} == {name for name in provided if not is_picture(name)}
    assert without.stamps.keys() == without.features.keys()
    assert {STATE, *backend.read().features} == provided


def stamps_never_go_back(handle: _Handle) -> None:
    states = [handle.start(), *(handle.step() for _ in range(3))]
    for before, after in zip(states, states[1:], strict=False):
        assert after.stamp >= before.stamp
        for feature, stamp in after.stamps.items():
            assert np.isfinite(stamp)
            assert stamp >= before.stamps[feature]


def a_reader_cannot_move_the_robot(handle: _Handle) -> None:
    state = handle.start()
    before = state.joint_position.copy()
    with suppress(ValueError):  # read-only arrays are one way to keep this rule
        state.joint_position[:] += 1.0
    assert np.abs(handle.backend.read().joint_position - before).max() < 0.5


def write_returns_what_was_really_sent(handle: _Handle) -> None:
    handle.start()
    for mode in CommandMode:
        command = handle.hold(mode=mode)
        sent = handle.backend.write(command)
        assert (sent.kind, sent.mode) == (command.kind, command.mode)
        np.testing.assert_allclose(sent.values, command.values, atol=1e-3)
        handle.step()


def what_no_motor_should_get_is_refused(handle: _Handle) -> None:
    handle.start()
    good = handle.hold()
    foreign = set(ActionKind) - handle.backend.accepts
    for value in (np.nan, np.inf):
        bad = good.values.copy()
        bad[-1] = value
        _refuses(lambda bad=bad: handle.backend.write(handle.hold(values=bad)))
    _refuses(lambda: handle.backend.write(handle.hold(values=good.values[:-1])))
    for kind in foreign:
        _refuses(lambda kind=kind: handle.backend.write(handle.hold(kind=kind)))


def nothing_outside_the_limits_is_sent(handle: _Handle) -> None:
    handle.start()
    spec = handle.backend.spec
    if ActionKind.JOINT_POSITION not in handle.backend.accepts:
        return
    for outside in (spec.upper + 1.0, spec.lower - 1.0):
        try:
            sent = handle.backend.write(handle.hold(values=outside))
        except REFUSED:
            continue
        assert (spec.lower <= sent.values).all()
        assert (sent.values <= spec.upper).all()


def stopping_and_closing_always_work(handle: _Handle) -> None:
    backend = handle.backend
    backend.stop("before connect")
    handle.start()
    backend.write(handle.hold())
    backend.stop("test")
    backend.stop("again")
    handle.step()
    backend.write(handle.hold())  # the latch is the safety gate's, not the backend's
    backend.close()
    backend.close()
    backend.stop("after close")
    _refuses(backend.read)


def it_can_be_connected_again(handle: _Handle) -> None:
    handle.start()
    handle.backend.close()
    handle.start()
    handle.step()


def a_simulator_must_be_reset_first(handle: _Handle) -> None:
    simulator = _simulator(handle)
    simulator.connect()
    _refuses(simulator.read)
    _refuses(lambda: simulator.advance(handle.period))


def time_passes_only_by_advance(handle: _Handle) -> None:
    simulator = _simulator(handle)
    assert handle.start().stamp == 0.0
    assert simulator.read().stamp == 0.0
    simulator.advance(handle.period)
    simulator.advance(2 * handle.period)
    assert abs(simulator.read().stamp - 3 * handle.period) < 1e-9


def impossible_durations_are_refused(handle: _Handle) -> None:
    simulator = _simulator(handle)
    handle.start()
    for dt in (0.0, -handle.period, np.nan, np.inf, 0.37 / simulator.spec.servo_rate):
        _refuses(lambda dt=dt: simulator.advance(dt))


def impossible_initial_conditions_are_refused(handle: _Handle) -> None:
    simulator = _simulator(handle)
    simulator.connect()
    for options in ({"no_such_option": 1.0}, {"joint_position": {"no_such_joint": 0.0}}):
        try:
            simulator.reset(0, options)
        except (ConfigError, *REFUSED):
            continue
        raise AssertionError(f"reset accepted {options}")


def the_same_seed_gives_the_same_bytes(handle: _Handle) -> None:
    runs = []
    for _ in range(2):
        states = [handle.start()]
        for i in range(5):
            target = handle.hold()
            share = 0.02 * np.sin(i + np.arange(len(target.values)))
            spec = handle.backend.spec
            values = target.values + share
            if target.kind is ActionKind.JOINT_POSITION:
                values = np.clip(values, spec.lower, spec.upper)
            handle.backend.write(Command(target.stamp, values, target.kind))
            states.append(handle.step())
        runs.append(b"".join(_bytes(state) for state in states))
    assert runs[0] == runs[1]


def it_holds_still_when_told_to(handle: _Handle) -> None:
    start = handle.start()
    command = handle.hold(mode=CommandMode.HOLD)
    if command.kind is not ActionKind.JOINT_POSITION:
        return
    for _ in range(round(1.0 / handle.period)):
        handle.backend.write(command)
        state = handle.step()
    assert np.abs(state.joint_position - start.joint_position).max() < 0.2


def people_can_look_at_it(handle: _Handle) -> None:
    simulator = _simulator(handle)
    handle.start()
    picture = simulator.render(80, 60)
    assert picture.shape == (60, 80, 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 1.0, "the picture shows nothing"


BACKEND_RULES: tuple[Callable[[_Handle], None], ...] = (
    it_says_what_it_is_before_it_is_connected,
    reading_and_writing_need_a_connection,
    every_promised_stream_arrives_and_keeps_its_spec,
    pictures_are_left_out_where_nobody_wants_them,
    stamps_never_go_back,
    a_reader_cannot_move_the_robot,
    write_returns_what_was_really_sent,
    what_no_motor_should_get_is_refused,
    nothing_outside_the_limits_is_sent,
    stopping_and_closing_always_work,
    it_can_be_connected_again,
)
SIMULATOR_RULES: tuple[Callable[[_Handle], None], ...] = (
    a_simulator_must_be_reset_first,
    time_passes_only_by_advance,
    impossible_durations_are_refused,
    impossible_initial_conditions_are_refused,
    the_same_seed_gives_the_same_bytes,
    it_holds_still_when_told_to,
    people_can_look_at_it,
)


def the_task_says_what_it_is(task: Task) -> None:
    assert isinstance(task, Task)
    assert task.name
    assert task.robot
    assert np.isfinite(task.horizon)
    assert task.horizon > 0.0
    assert set(task.goals) <= {VELOCITY_COMMAND, INSTRUCTION}
    json.dumps(task.scene, allow_nan=False)


def initial_conditions_are_plain_data_of_the_seed(task: Task) -> None:
    drawn = [json.dumps(task.initial(seed), allow_nan=False) for seed in range(8)]
    assert drawn == [json.dumps(task.initial(seed), allow_nan=False) for seed in range(8)]
    assert len(set(drawn)) > 1, "every seed draws the same"


def a_trial_starts_undecided_with_its_goals(task: Task) -> None:
    trial = task.start(json.loads(json.dumps(task.initial(0))))
    _check_goals(task, trial, 0.0)
    assert not trial.done()
    assert trial.progress() == 0.0


def a_trial_measures_what_happens(task: Task, make_backend: Callable[[], RobotBackend]) -> None:
    backend, initial = make_backend(), task.initial(0)
    assert isinstance(backend, Simulator)
    assert backend.spec.name == task.robot
    period = 1.0 / backend.spec.control_rate
    backend.connect()
    try:
        state, trial = backend.reset(0, initial), task.start(initial)
        for i in range(round(0.5 / period)):
            _check_goals(task, trial, i * period)
            sent = backend.write(Command(state.stamp, backend.spec.default, mode=CommandMode.HOLD))
            trial.observe(state, sent)
            backend.advance(period)
            state = backend.read()
            assert 0.0 <= trial.progress() <= 1.0
    finally:
        backend.close()
    metrics = trial.metrics()
    assert metrics["success"] in (0, 1)
    assert all(isinstance(value, float | int) for value in metrics.values())
    assert np.isfinite(list(metrics.values())).all()


def its_specs_name_every_element(policy: Policy) -> None:
    assert isinstance(policy, Policy)
    assert policy.action_spec.array.names
    for feature, spec in policy.observation_spec.items():
        assert spec.name == feature
        if feature in (STATE, IMU, VELOCITY_COMMAND):
            assert spec.names, f"{feature} names no elements"


def it_answers_with_the_action_it_promised(policy: Policy) -> None:
    policy.reset(0)
    observation = policy.observation_spec.example(np.random.default_rng(0), stamp=3.25)
    chunk = policy.act(observation)
    assert chunk.stamp == 3.25
    policy.action_spec.validate(chunk)


def the_same_seed_gives_the_same_actions(policy: Policy) -> None:
    answers = []
    for _ in range(2):
        policy.reset(7)
        rng = np.random.default_rng(1)
        chunks = [policy.act(policy.observation_spec.example(rng, 0.1 * i)) for i in range(3)]
        answers.append(b"".join(chunk.values.tobytes() for chunk in chunks))
    assert answers[0] == answers[1]


def it_refuses_an_observation_that_breaks_its_spec(policy: Policy) -> None:
    policy.reset(0)
    example = policy.observation_spec.example(np.random.default_rng(0))
    for name in policy.observation_spec:
        without = {key: value for key, value in example.items() if key != name}
        if without:
            _refuses(lambda w=without: policy.act(Observation(w, dict.fromkeys(w, 0.0))))
        value = np.array(example[name])
        if value.dtype.kind == "f":
            value.flat[0] = np.nan
            broken = {**example, name: value}
            _refuses(lambda b=broken: policy.act(Observation(b, dict.fromkeys(b, 0.0))))


def it_can_be_closed_twice(policy: Policy) -> None:
    policy.close()
    policy.close()


POLICY_RULES: tuple[Callable[[Policy], None], ...] = (
    its_specs_name_every_element,
    it_answers_with_the_action_it_promised,
    the_same_seed_gives_the_same_actions,
    it_refuses_an_observation_that_breaks_its_spec,
    it_can_be_closed_twice,
)


def _check_goals(task: Task, trial: Trial, now: float) -> None:
    goal = trial.goal(now)
    assert set(goal) == set(task.goals)
    for value in goal.values():
        assert isinstance(value, str) or np.isfinite(value).all()


def _simulator(handle: _Handle) -> Simulator:
    assert isinstance(handle.backend, Simulator)
    return handle.backend


def _bytes(state: RobotState) -> bytes:
    arrays = [state.joint_position, state.joint_velocity, state.joint_effort]
    arrays += [state.features[name] for name in sorted(state.features)]
    arrays += [state.truth[name] for name in sorted(state.truth)]
    return b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)


def _refuses(call: Callable[[], object]) -> None:
    try:
        call()
    except REFUSED as error:
        reason = str(error)
    else:
        raise AssertionError("accepted what must be refused")
    assert len(reason.splitlines()) == 1, f"the reason is not one line: {reason!r}"
