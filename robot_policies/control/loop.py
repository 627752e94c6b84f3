"""The control loop of one robot: measure, accept, decide and write, settle.

`run_episode` drives it on a logical clock and adds delay and loss; `backend_node` drives it on the
machine's steady clock and adds transport. Neither changes what the loop decides: the same states,
chunks and times give the same commands. Time is passed in and on one clock for everything here;
what is recorded counts from the start of the trial.

    advance   a simulator runs for one control period
    measure   the newest state, with the command in force; it opens a control slot
    accept    a chunk arrives, at any time; its first action may replace the slot's command
    decide    what is due now, judged by the safety gate and written to the robot
    settle    the slot is over: the trial and the records take note of it

Stopping is a state of the loop: a legged robot lies down while its loop goes on (`begin_stop`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from robot_policies.control.cartesian import CartesianResolver
from robot_policies.control.chunk_executor import ChunkExecutor
from robot_policies.control.legged import LeggedRobot
from robot_policies.control.loop_counts import LoopCounts
from robot_policies.control.modes import ModeMachine
from robot_policies.control.records import StepRecord
from robot_policies.control.refusal import Cause, Refusal
from robot_policies.control.safety import SafetyGate
from robot_policies.control.safety_limits import SafetyLimits
from robot_policies.control.stamps import restamped, shifted
from robot_policies.control.verdict import Verdict
from robot_policies.interface import (
    Action,
    ActionChunk,
    ActionKind,
    ActionSpec,
    Command,
    ExecutorMode,
    LettingGo,
    OrderlyBackend,
    RecordedBackend,
    RobotBackend,
    RobotState,
    Simulator,
    Trial,
)
from robot_policies.interface.observation import COMMAND

LONGEST_STOP = 5.0  # s; a robot that has not come to rest by then is damped where it is


@dataclass(frozen=True, eq=False)
class Decision:
    """What was decided and sent.

    Attributes:
        verdict: The gate's.
        sent: What the backend says it sent.
        answers: Stamp of the observation whose answer this is the first command of; `None` if it
            continues an earlier plan. [s]
    """

    verdict: Verdict
    sent: Command
    answers: float | None = None


class ControlLoop:
    """One robot under the control of one policy.

    Attributes:
        backend: The robot.
        robot: Its table.
        trial: The trial under way; `None` if there is none.
        state: Newest measurement on the loop's clock; `None` before the first.
        measured_at: When it was read. [s]
        decision: Newest decision; `None` before the first.
        chunk: Newest chunk that was taken; `None` before the first.
        gate: Its safety gate.
        counts: What is counted.
        recording_ended: Whether a recording stands for the robot and has ended.
    """

    def __init__(
        self,
        backend: RobotBackend,
        action: ActionSpec,
        mode: ExecutorMode | None = None,
        limits: SafetyLimits | None = None,
    ) -> None:
        """Take a connected robot.

        Args:
            backend: The robot.
            action: The policy's actions. A chunk of any other kind, names or dt is refused.
            mode: How chunks are merged; by default as the policy means it.
            limits: Limits of the operation; by default those of the robot's class.

        Raises:
            ConfigError: If the mode cannot be used with these actions.
        """
        self.backend, self.robot, self.action = backend, backend.spec, action
        self.mode: ExecutorMode = mode or action.executor
        self.period = 1.0 / self.robot.control_rate
        self._simulator = backend if isinstance(backend, Simulator) else None
        self._limits = limits or SafetyLimits.of(self.robot)
        cartesian = action.kind is ActionKind.CARTESIAN_DELTA
        self._resolver = CartesianResolver(self.robot, action.dt) if cartesian else None
        self._kind = ActionKind.JOINT_POSITION if cartesian else action.kind
        self._executor = ChunkExecutor(action, self.mode, robot=self.robot)
        self.gate = SafetyGate(self.robot, self._limits, self._kind)
        self.begin(None, 0.0)

    def begin(self, trial: Trial | None, now: float) -> None:
        """Begin a trial; what an operator stopped stays stopped.

        Args:
            trial: The trial, its simulator reset; `None` if there is nothing to be measured.
            now: Time. [s]
        """
        latched = self.gate.latched
        self.gate = SafetyGate(self.robot, self._limits, self._kind)
        if latched and latched.cause is Cause.OPERATOR:
            self.gate.latched = latched
        self._executor.reset()
        self.trial, self.state, self.decision, self.chunk = trial, None, None, None
        self._begin = self.measured_at = now
        self._elapsed, self._answered = 0.0, -np.inf
        self._sent: Command | None = None
        self._arrived: ActionChunk | None = None
        self._goal: Mapping[str, np.ndarray | str] = {}
        self.recording_ended, self.counts = False, LoopCounts(self.period)
        self._stop_by = np.inf  # when the robot has to be at rest

    def advance(self) -> None:
        """Let a simulator run for a control period.

        Raises:
            BackendError: If the simulation diverged.
            RecordingEnded: If a recording stands for the robot and has no further step.
        """
        if self._simulator:
            self._simulator.advance(self.period)

    def measure(self, now: float, pictures: bool = True) -> RobotState:
        """Read the robot.

        Args:
            now: Time. [s]
            pictures: Whether the streams of its cameras are wanted.

        Raises:
            BackendError: If the robot cannot be read.
        """
        # Where a person is has to be known at the control rate, whether the policy looks or not.
        state = self.backend.read(pictures or self._limits.person is not None)
        if self._simulator:
            # A simulator counts from its reset; a moment of it is stamped when it is computed.
            self._elapsed = state.stamp
            state = shifted(state, now - state.stamp)
        else:
            if now < self.measured_at:
                self._follow(now - self.measured_at)
            self._elapsed = now - self._begin
        self.state, self.measured_at = self._with_command(state), now
        self._before = self._sent.values if self._sent else self.state.joint_position
        self._goal = self.trial.goal(self._elapsed) if self.trial else {}
        self.counts.measured(now)
        return self.state

    def _follow(self, shift: float) -> None:
        """Follow a clock that was set back: the trial goes on from where it was. [s]."""
        self._begin, self._stop_by = self._begin + shift, self._stop_by + shift
        self._answered = -np.inf

    @property
    def decided(self) -> bool:
        """Whether the task has decided the trial; what a recorded robot did decides nothing."""
        recorded = isinstance(self.backend, RecordedBackend)
        return self.trial is not None and not recorded and self.trial.done()

    @property
    def goal(self) -> Mapping[str, np.ndarray | str]:
        """The trial's goal streams at the newest measurement; empty without a trial."""
        return self._goal

    @property
    def elapsed(self) -> float:
        """Time since the start at the newest measurement. [s]."""
        return self._elapsed

    def accept(self, chunk: ActionChunk, now: float) -> Decision | None:
        """Take a chunk and act on it at once; `None` if the robot has not been measured yet.

        Raises:
            ContractError: If it is not as the action spec says; it is not used.
        """
        self.take(chunk, now)
        return self.decide(now) if self.state else None

    def take(self, chunk: ActionChunk, now: float) -> None:
        """Take a chunk for the next decision.

        Raises:
            ContractError: If it is not as the action spec says; it is not used.
        """
        self._executor.add(chunk, now)
        self.chunk = self._arrived = chunk

    def decide(self, now: float) -> Decision:
        """Judge what is due now, and send what may be sent."""
        assert self.state is not None
        action = self._due(now)
        verdict = self.gate.check(action, self.state, now)
        if self.latched and self.latched.cause is Cause.FORCE:
            self._let_go()
        answers = None
        if action and verdict.refusal is None and action.stamp > self._answered:
            answers = self._answered = action.stamp
        # A servo stamps what it applies with a clock of its own.
        self._sent = replace(self.backend.write(verdict.command), stamp=now)
        self.decision = Decision(verdict, self._sent, answers)
        return self.decision

    def _let_go(self) -> None:
        """Let go of what is held, if the robot can: what pulls on a person is gone then."""
        if isinstance(self.backend, LettingGo):
            self.backend.let_go()

    def handed_over(self, decision: Decision, now: float) -> None:
        """Note when a command had been sent, for the latency from capture to command."""
        if decision.answers is not None:
            self.counts.answered(now - decision.answers)

    def settle(self) -> StepRecord | None:
        """Let the trial take note of the control slot that ends now; return its record."""
        if self.state is None or self.decision is None:
            return None
        verdict = self.decision.verdict
        self.counts.settled(verdict)
        by = self._elapsed - self.measured_at  # to time since the start
        state, sent = shifted(self.state, by), restamped(self.decision.sent, by)
        verdict = replace(verdict, command=restamped(verdict.command, by))
        if self.trial and self._stop_by == np.inf:
            self.trial.observe(state, sent)
        progress = self.trial.progress() if self.trial else 0.0
        chunk, self._arrived = self._arrived, None
        return StepRecord(self._elapsed, state, None, chunk, verdict, sent, self._goal, progress)

    def begin_stop(self, reason: str, now: float) -> None:
        """Begin to bring the robot to rest, where it does so by itself; the trial is over."""
        self._stop_by = now + LONGEST_STOP
        self._executor.reset()
        if isinstance(self.backend, OrderlyBackend):
            self.backend.begin_stop(reason)

    def stopping(self, now: float) -> bool:
        """Return whether the robot is still on its way to rest."""
        robot = self.backend
        return isinstance(robot, OrderlyBackend) and robot.stopping and now < self._stop_by

    @property
    def modes(self) -> ModeMachine | None:
        """The robot's modes; `None` if it only follows commands."""
        return self.backend.modes if isinstance(self.backend, LeggedRobot) else None

    @property
    def latched(self) -> Refusal | None:
        """Why the robot is stopped until `release`; `None` if it is not."""
        return self.gate.latched

    @property
    def dropped(self) -> dict[str, int]:
        """Return the chunks that were not used, by reason."""
        return dict(self.counts.refused + self._executor.dropped)

    def _due(self, now: float) -> Action | None:
        assert self.state is not None
        action = self._executor.action_at(now, self._sent or Command(now, self._before))
        if action is None or self._resolver is None:
            return action
        # From the command before the slot, whatever replaced what within it.
        return self._resolver.resolve(action, self._before)

    def _with_command(self, state: RobotState) -> RobotState:
        """Add the joint targets in force now; before the first, those of the pose found.

        They do not age: a target stays in force however long nothing else is sent.
        """
        if self._kind is not ActionKind.JOINT_POSITION or COMMAND in state.features:
            return state
        sent = self._sent or Command(state.stamp, state.joint_position)
        values = np.asarray(sent.values, np.float32)
        return replace(
            state,
            features={**state.features, COMMAND: values},
            stamps={**state.stamps, COMMAND: state.stamp},
        )
