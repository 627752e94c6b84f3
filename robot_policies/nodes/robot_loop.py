"""The control loop of a robot without its transport: measure, judge, write, keep the books.

`backend_node` gives it time and chunks and publishes what it says; the same objects stand between
policy and robot in `control/episode.py`.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from robot_policies.control.chunk_executor import ChunkExecutor
from robot_policies.control.episode import StepRecord
from robot_policies.control.kinematics import CartesianResolver
from robot_policies.control.legged import LeggedRobot
from robot_policies.control.modes import LeggedMode, ModeMachine
from robot_policies.control.rules import Cause, Refusal, SafetyLimits
from robot_policies.control.safety import SafetyGate, Verdict
from robot_policies.interface import (
    ActionChunk,
    ActionKind,
    ActionSpec,
    ArraySpec,
    Command,
    ExecutorMode,
    RobotBackend,
    RobotState,
    Simulator,
    Task,
    Trial,
)

HOLDS_WITHIN = 0.1  # s; after the last answer of a policy that fell silent or died
LONGEST_CHUNK = 1000  # rows; a first chunk says its names, kind and dt, but not its horizon
REMEMBERED = 10_000  # control steps and latencies the figures are about


@dataclass(frozen=True, eq=False)
class Decision:
    """What one control step came to.

    Attributes:
        verdict: The gate's.
        sent: What the backend says it sent.
    """

    verdict: Verdict
    sent: Command


class RobotLoop:
    """One robot under control.

    Attributes:
        state: Newest measurement, stamped with the node clock; `None` before the first.
        decision: Newest decision; `None` before the first.
        chunk: Newest chunk that was taken; `None` before the first.
    """

    def __init__(
        self,
        backend: RobotBackend,
        task: Task | None,
        clock: Callable[[], float],
        mode: ExecutorMode = "open_loop",
    ) -> None:
        """Take a connected robot.

        Args:
            backend: The robot.
            task: Goals and measure; `None` if there are none.
            clock: Node clock. [s]
            mode: How chunks are merged.
        """
        self.backend, self.robot, self.task = backend, backend.spec, task
        self.period = 1.0 / self.robot.control_rate
        self._simulator = backend if isinstance(backend, Simulator) else None
        self._clock = clock
        self._mode: ExecutorMode = mode
        position, accepts = ActionKind.JOINT_POSITION, backend.accepts
        self._first_kind = position if position in accepts else min(accepts)
        # An answer stays in force for a control step, so silence is noticed one step earlier.
        timeout = max(HOLDS_WITHIN - self.period, 2.0 * self.period)
        self._limits = SafetyLimits(command_timeout=timeout)
        self._gate = SafetyGate(self.robot, self._limits, self._first_kind)
        self._forget()

    def start(self, seed: int) -> Mapping[str, Any]:
        """Begin a trial, a simulator at the task's initial state; return that state."""
        initial = self.task.initial(seed) if self.task else {}
        if self._simulator:
            self._simulator.reset(seed, initial)
        self._forget()
        self.trial = self.task.start(initial) if self.task else None
        return initial

    def _forget(self) -> None:
        """Be as before the first measurement; what an operator stopped stays stopped."""
        latched, self._kind = self._gate.latched, self._first_kind
        self._gate = SafetyGate(self.robot, self._limits, self._kind)
        if latched and latched.cause is Cause.OPERATOR:
            self._gate.latched = latched
        self._executor: ChunkExecutor | None = None
        self._resolver: CartesianResolver | None = None
        self.trial: Trial | None = None
        self.state: RobotState | None = None
        self.decision: Decision | None = None
        self.chunk: ActionChunk | None = None
        self._raw: RobotState | None = None
        self._arrived: ActionChunk | None = None
        self._goal: Mapping[str, np.ndarray | str] = {}
        self._begin, self._answered = self._clock(), -np.inf
        self._ticks: deque[float] = deque(maxlen=REMEMBERED)
        self._latencies: deque[float] = deque(maxlen=REMEMBERED)
        self.levels: Counter[str] = Counter()
        self.causes: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    def measure(self) -> RobotState:
        """Let a simulator run for a period, and read the robot.

        Raises:
            BackendError: If the robot cannot be read, or the simulation diverged.
        """
        if self._simulator and self._raw:
            self._simulator.advance(self.period)
        now = self._clock()
        raw = self.backend.read()
        if self._simulator:
            # A simulator counts from its reset; a moment of it is stamped when it is computed.
            state = _shifted(raw, now - raw.stamp)
        else:
            raw, state = _shifted(raw, -self._begin), raw
        self._raw, self.state = raw, state
        self._ticks.append(now)
        return state

    def goal(self) -> Mapping[str, np.ndarray | str]:
        """Return the trial's goal streams now; empty without a task."""
        self._goal = self.trial.goal(self.elapsed) if self.trial else {}
        return self._goal

    @property
    def elapsed(self) -> float:
        """Time since the start: simulated time, or the node clock's. [s]."""
        return self._raw.stamp if self._raw else 0.0

    def command(self) -> Decision:
        """Decide this control step and send it."""
        decision = self._decide()
        self.levels[decision.verdict.level] += 1
        if decision.verdict.refusal:
            self.causes[decision.verdict.refusal.cause] += 1
        return decision

    def settle(self) -> StepRecord | None:
        """Let the trial take note of the control step that ends now; return its record."""
        if self._raw is None or self.decision is None:
            return None
        verdict, sent = self.decision.verdict, self.decision.sent
        if self.trial:
            self.trial.observe(self._raw, sent)
        progress = self.trial.progress() if self.trial else 0.0
        chunk, self._arrived = self._arrived, None
        return StepRecord(
            self.elapsed, self._raw, None, chunk, verdict, sent, self._goal, progress
        )

    def accept(self, chunk: ActionChunk) -> Decision | None:
        """Take a chunk and act on it at once; `None` if the robot has not been measured yet.

        Raises:
            ContractError: If it is not like the chunks before; it is not used.
        """
        if self._executor is None:
            self._executor = self._prepare(chunk)
        self._executor.add(chunk, self._clock())
        self.chunk = self._arrived = chunk
        if self.state is None:
            return None
        decision = self._decide()
        if decision.verdict.refusal is None and chunk.stamp > self._answered:
            self._answered = chunk.stamp
            self._latencies.append(self._clock() - chunk.stamp)
        return decision

    def emergency_stop(self, reason: str) -> Decision | None:
        """Damp the robot now and until `release`."""
        self._gate.trip(reason, self._clock())
        return self._decide() if self.state else None

    def release(self) -> Refusal | None:
        """End an emergency stop; return why not, if its cause lasts."""
        if self.state is None:
            return None
        if self.modes:
            if reason := self.modes.release():
                return Refusal(Cause.FAULT, reason)
            # The robot no longer reports the stop that has just ended.
            self.state = replace(self.state, fault="", busy=str(self.modes.mode))
        return self._gate.reset(self.state, self._clock())

    def request(self, mode: LeggedMode) -> str:
        """Ask a robot with modes for one; return why not, empty if it is done."""
        if self.modes is None:
            return f"'{self.robot.name}' has no modes here"
        return self.modes.request(mode)

    @property
    def modes(self) -> ModeMachine | None:
        """The robot's modes; `None` if it only follows commands."""
        return self.backend.modes if isinstance(self.backend, LeggedRobot) else None

    @property
    def latched(self) -> Refusal | None:
        """Why the robot is stopped until `release`; `None` if it is not."""
        return self._gate.latched

    @property
    def latency(self) -> dict[str, float]:
        """Return `p50`, `p99`, `max` from capture to the command that answers it. [s]."""
        if not self._latencies:
            return {}
        values = np.percentile(self._latencies, (50, 99, 100)).tolist()
        return dict(zip(("p50", "p99", "max"), values, strict=True))

    @property
    def dropped(self) -> dict[str, int]:
        """Return the chunks that were not used, by reason."""
        return dict(self.refused + (self._executor.dropped if self._executor else Counter()))

    def report(self) -> dict[str, float]:
        """Return the figures of the loop, for diagnostics and the summary."""
        figures: dict[str, float] = {"steps": float(len(self._ticks))}
        if len(self._ticks) > 2:
            periods = np.diff(self._ticks)
            figures["loop_rate_mean_hz"] = float(1.0 / np.mean(periods))
            figures["loop_rate_std_hz"] = float(np.std(1.0 / np.maximum(periods, 1e-6)))
            figures["loop_period_max_ms"] = 1e3 * float(np.max(periods))
        figures |= {f"latency_{name}_ms": 1e3 * value for name, value in self.latency.items()}
        if self.chunk:
            figures["inference_age_ms"] = 1e3 * (self._clock() - self.chunk.stamp)
        if self.state and self.state.joint_temperature.size:
            figures["hottest_motor_deg_c"] = float(self.state.joint_temperature.max())
        figures |= {f"chunks_{reason}": float(n) for reason, n in self.dropped.items()}
        return {key: round(value, 3) for key, value in figures.items()}

    def _prepare(self, chunk: ActionChunk) -> ChunkExecutor:
        array = ArraySpec("action", (len(chunk.names),), names=chunk.names)
        spec = ActionSpec(chunk.kind, array, chunk.dt, LONGEST_CHUNK)
        kind = chunk.kind
        if kind is ActionKind.CARTESIAN_DELTA:
            self._resolver = CartesianResolver(self.robot, chunk.dt)
            kind = ActionKind.JOINT_POSITION
        if kind is not self._kind:
            latched, self._kind = self._gate.latched, kind
            self._gate = SafetyGate(self.robot, self._limits, kind)
            self._gate.latched = latched
        return ChunkExecutor(spec, self._mode, robot=self.robot)

    def _decide(self) -> Decision:
        assert self.state is not None
        now, last = self._clock(), self.decision.verdict.command if self.decision else None
        action = self._executor.action_at(now, last) if self._executor else None
        if action and self._resolver:
            joints = last.values if last else self.state.joint_position
            action = self._resolver.resolve(action, joints)
        verdict = self._gate.check(action, self.state, now)
        self.decision = Decision(verdict, self.backend.write(verdict.command))
        return self.decision


def _shifted(state: RobotState, by: float) -> RobotState:
    stamps = {name: stamp + by for name, stamp in state.stamps.items()}
    return replace(state, stamp=state.stamp + by, stamps=stamps)
