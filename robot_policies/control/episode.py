"""One episode: the control loop of the ROS graph in one process, without ROS.

The same buffer, executor and gate as in the nodes, run in the order of design.md's data flow. On
a simulator it runs in logical time: the same seed gives the same bytes, delays included.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from robot_policies.control.chunk_executor import ChunkExecutor, rows_followed
from robot_policies.control.kinematics import CartesianResolver
from robot_policies.control.legged import LeggedRobot
from robot_policies.control.observation_buffer import ObservationBuffer
from robot_policies.control.records import EpisodeResult, Observer, StepRecord
from robot_policies.control.rules import SafetyLimits
from robot_policies.control.safety import Level, SafetyGate, Verdict
from robot_policies.control.timing import Clock, Link, LogicalClock, NetworkModel, WallClock
from robot_policies.interface import (
    Action,
    ActionChunk,
    ActionKind,
    Command,
    ConfigError,
    ExecutorMode,
    Observation,
    Policy,
    RobotBackend,
    RobotState,
    Simulator,
    StaleObservation,
    Task,
    Trial,
)
from robot_policies.interface.compatibility import check_compatible
from robot_policies.interface.errors import RecordingEnded

EARLY = 1e-9  # s; room for floating-point time
AFTERMATH = 1.0  # s; how long an episode goes on after a latched stop, for the task to judge it


def run_episode(
    backend: RobotBackend,
    policy: Policy,
    task: Task,
    *,
    seed: int,
    clock: Clock | None = None,
    initial: Mapping[str, Any] | None = None,
    network: NetworkModel | None = None,
    executor: ExecutorMode | None = None,
    replan: float | None = None,
    limits: SafetyLimits | None = None,
    observers: Sequence[Observer] = (),
) -> EpisodeResult:
    """Run one trial of a task.

    Args:
        backend: A connected backend; a simulator is reset, anything else taken as it is.
        policy: The policy; it is reset.
        task: The task.
        seed: Seeds simulator, policy and network.
        clock: `LogicalClock` for a simulator and `WallClock` for anything else by default.
        initial: Initial condition; by default the task draws it from the seed.
        network: Delay, jitter and loss between observation and answer; none by default.
        executor: How chunks are merged; by default as the policy means it.
        replan: Time between two questions to the policy [s]. By default the time the rows it
            executes last in `open_loop`, half a chunk at most in `splice`, one `dt` in `ensemble`.
        limits: Operational limits of the safety gate.
        observers: Told of every step.

    Raises:
        ContractError: If the policy does not fit the robot; nothing has moved then.
        ConfigError: If the robot waits for a person to make it stand and walk.
    """
    if isinstance(backend, LeggedRobot):
        raise ConfigError(
            f"'{backend.spec.name}' waits for a person to make it stand and walk; an episode has "
            "none: use `robot-policies launch`"
        )
    check_compatible(policy, backend.spec, backend).require()
    period = 1.0 / backend.spec.control_rate
    initial = task.initial(seed) if initial is None else initial
    if isinstance(backend, Simulator):
        backend.reset(seed, initial)
        clock = clock or LogicalClock(backend, period)
    clock = clock or WallClock(period)
    mode = executor or policy.action_spec.executor
    loop = _Loop(backend, policy, mode, limits, Link(network or NetworkModel(), seed), replan)
    trial, start, steps, reason = task.start(initial), clock.now(), 0, ""
    policy.reset(seed)
    for observer in observers:
        observer.begin(backend.spec, policy, task, initial)
    try:
        while (elapsed := clock.now() - start) < task.horizon - EARLY and not loop.over(elapsed):
            record = loop.step(trial, clock, elapsed)
            steps += 1
            for observer in observers:
                observer.step(record)
            if trial.done():
                break
            try:
                clock.tick()
            except RecordingEnded:
                loop.recording_ended = True
                break
        reason = loop.gate.latched.text if loop.gate.latched else ""
    except BaseException as error:
        reason = f"{type(error).__name__}: {error}"
        raise
    finally:
        result = EpisodeResult(
            policy.name,
            task.name,
            seed,
            initial,
            dict(trial.metrics()),
            steps,
            clock.now() - start,
            loop.ended_by(trial, reason),
            reason,
            **loop.counts(),
        )
        if reason:
            backend.stop(reason)
        for observer in observers:
            observer.end(result)
    return result


class _Loop:
    """The data flow of one control step, and what it counts."""

    def __init__(
        self,
        backend: RobotBackend,
        policy: Policy,
        mode: ExecutorMode,
        limits: SafetyLimits | None,
        link: Link,
        replan: float | None,
    ) -> None:
        robot, spec = backend.spec, policy.action_spec
        cartesian = spec.kind is ActionKind.CARTESIAN_DELTA
        self._backend, self._policy, self._link = backend, policy, link
        self._buffer = ObservationBuffer(policy.observation_spec, backend.provides)
        self._executor = ChunkExecutor(spec, mode, robot=robot)
        self._resolver = CartesianResolver(robot, spec.dt) if cartesian else None
        kind = ActionKind.JOINT_POSITION if cartesian else spec.kind
        self.gate = SafetyGate(robot, limits, kind)
        self._replan = rows_followed(spec, mode) * spec.dt if replan is None else replan
        self._asked = -np.inf
        self._command: Command | None = None
        self.recording_ended = False
        self._tripped = np.inf
        self._stale = 0
        self._refusals: Counter[str] = Counter()
        self._latencies: list[float] = []

    def step(self, trial: Trial, clock: Clock, elapsed: float) -> StepRecord:
        """Read, ask, merge, judge, write."""
        state, now, goal = self._backend.read(), clock.now(), trial.goal(elapsed)
        self._buffer.push_state(state)
        for feature, value in goal.items():
            self._buffer.push(feature, value, now)
        observation, chunk = self._ask(now)
        if chunk is not None:
            self._link.answer(chunk, clock.now())
        now = clock.now()
        for answer in self._link.arrived(now):
            self._latencies.append(now - answer.stamp)
            self._executor.add(answer, now)
        verdict = self.gate.check(self._action(state, now), state, now)
        self._command = verdict.command
        sent = self._backend.write(verdict.command)
        self._note(verdict, elapsed)
        trial.observe(state, sent)
        progress = trial.progress()
        return StepRecord(elapsed, state, observation, chunk, verdict, sent, goal, progress)

    def over(self, elapsed: float) -> bool:
        """Return whether a stop has latched, and its consequences could be seen."""
        return elapsed - self._tripped >= AFTERMATH

    def ended_by(self, trial: Trial, reason: str) -> str:
        """Return the word for the end."""
        if self.gate.latched:
            return str(self.gate.latched.cause)
        if reason:
            return "fault"
        if trial.done():
            return "success" if trial.metrics().get("success") else "failure"
        return "recording ended" if self.recording_ended else "horizon"

    def counts(self) -> dict[str, Any]:
        """Return the counting fields of the result."""
        times = np.array(self._latencies)
        quantiles = {"p50": 0.5, "p95": 0.95, "max": 1.0} if len(times) else {}
        return {
            "refusals": dict(self._refusals),
            "dropped": dict(self._executor.dropped),
            "stale": self._stale,
            "latency": {name: float(np.quantile(times, q)) for name, q in quantiles.items()},
        }

    def _ask(self, now: float) -> tuple[Observation | None, ActionChunk | None]:
        if now < self._asked + self._replan - EARLY or not self._link.ready(now):
            return None, None
        try:
            observation = self._buffer.snapshot(now)
        except StaleObservation:
            self._stale += 1
            return None, None
        if self._link.loses():
            return None, None
        self._asked = now
        return observation, self._policy.act(observation)

    def _action(self, state: RobotState, now: float) -> Action | None:
        before = self._command or Command(now, state.joint_position)
        action = self._executor.action_at(now, before)
        if action is None or self._resolver is None:
            return action
        return self._resolver.resolve(action, before.values)

    def _note(self, verdict: Verdict, elapsed: float) -> None:
        if verdict.refusal:
            self._refusals[str(verdict.refusal.cause)] += 1
        if verdict.level is Level.ESTOP:
            self._tripped = min(self._tripped, elapsed)
