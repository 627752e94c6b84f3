"""The safety gate: the only way from a policy's action to an actuator's command.

    pass      a valid action, or the last one while it is not yet `command_timeout` old
    approach  after anything but `pass`, an action that is allowed but too far from the command in
              force: the robot moves towards it, within every rule, for `approach_time` at most
    hold      at the holding gains an arm stays at its last safe command and a legged robot goes to
              its default pose; before any action, the pose found
    damp      no stiffness; after `hold_time` of holding. A valid action ends it
    estop     as damp, but latched until `reset`, which is refused while its cause lasts

Beside a person a damped arm would sink onto them. It holds however long it waits, and stands still
where it is stopped, unless an operator asks for more or nobody knows where it is. From what it
pressed on it backs off first.

A robot that is busy by itself, such as standing up, is asked to hold and nothing is judged.
A refused action changes nothing: the last safe command stays, and its age goes on counting. The
first action, and the first one after damping, is compared with the measured pose. Nothing is ever
clipped joint by joint: an approach goes along the straight line to the action.

Steps are judged between control slots (`control/command_history.py`). Where answers stayed away
and the last command had to serve longer, the next one may be as much further on, for
`command_timeout` at most: a policy that moves within the limits is not stopped for what its
network lost. Over more than one step speed is judged in true time (`control/speed_envelope.py`).
"""

from dataclasses import replace

import numpy as np

from robot_policies.control.action_judge import ActionJudge
from robot_policies.control.approach import Approach
from robot_policies.control.command_history import CommandHistory
from robot_policies.control.measurement import MeasurementJudge, rest_pose
from robot_policies.control.person import HOLDING, STANDING, PersonJudge
from robot_policies.control.refusal import Cause, Refusal
from robot_policies.control.resting import Resting
from robot_policies.control.restriction import NO_RULES
from robot_policies.control.rules_in_force import RulesInForce
from robot_policies.control.safety_limits import SafetyLimits
from robot_policies.control.streak import Streak
from robot_policies.control.verdict import Level, Verdict
from robot_policies.control.waiting import Waiting
from robot_policies.interface import (
    Action,
    ActionKind,
    Command,
    CommandMode,
    ConfigError,
    RobotSpec,
    RobotState,
)
from robot_policies.interface.observation import VELOCITY_COMMAND_NAMES

PAUSED = Refusal(Cause.OPERATOR, "released, holding until `robot-policies go`")


class SafetyGate:
    """Judges every action; one per robot, checked at every control step."""

    def __init__(
        self,
        robot: RobotSpec,
        limits: SafetyLimits | None = None,
        kind: ActionKind = ActionKind.JOINT_POSITION,
    ) -> None:
        """Prepare the rules.

        Args:
            robot: The robot, with its limits.
            limits: Those of the operation.
            kind: Kind of command the robot is driven with; any other is refused.

        Raises:
            ConfigError: If there are no rules for the kind, or none beside a person.
        """
        limits, kind = limits or SafetyLimits(), ActionKind(kind)
        if limits.person and kind is not ActionKind.JOINT_POSITION:
            raise ConfigError(
                f"'{robot.name}' beside a person is commanded joint_position, not '{kind}': where "
                "a velocity leads is not judged"
            )
        self._robot, self._limits, self._kind = robot, limits, kind
        self._holds_a_pose = kind is ActionKind.JOINT_POSITION
        base = kind is ActionKind.BASE_VELOCITY
        names = VELOCITY_COMMAND_NAMES if base else robot.joint_names
        self._still, period = np.zeros(len(names)), 1.0 / robot.control_rate
        fastest = robot.velocity if self._holds_a_pose else np.full(len(names), np.inf)
        velocity = limits.velocity_margin * fastest
        self._actions = ActionJudge(kind, names, period, limits.plan_age)
        self._waiting = Waiting(limits, period)
        self._commands = CommandHistory(len(names), period, limits.command_timeout)
        self._approach = Approach(velocity, limits.approach_time)
        self._resting = Resting(robot, limits)
        self._refusing = Streak(limits.command_timeout)
        self._measured = MeasurementJudge(robot, limits.state_timeout)
        self._person = PersonJudge(robot, limits.person) if limits.person else None
        beside = self._person.rules if self._person else NO_RULES
        self._rules = RulesInForce(robot, limits, kind, beside)
        self._now = -np.inf
        self.latched: Refusal | None = None
        self.paused: Refusal | None = None  # why it holds, though nothing is wrong
        self._state: RobotState | None = None  # the newest measurement, which opened the slot
        self._forget()

    def check(self, action: Action | None, state: RobotState, now: float) -> Verdict:
        """Judge an action and say what to send.

        Args:
            action: What the policy wants now; `None` if it has nothing to say.
            state: The newest measurement.
            now: Time, on the same clock as the stamps. [s]
        """
        refusal = self._judge_clock(now) or self._judge_state(state, now)
        if state is not self._state:
            self._state = state
            self._commands.open_slot()
            self._level_before = self._level
        verdict = self._decide(action, state, now, refusal)
        self._waiting.asked(now, verdict.command.mode is CommandMode.HOLD)
        self._level = verdict.level
        return verdict

    @property
    def skipped(self) -> int:
        """Measurements that were left aside because they cannot be true."""
        return self._measured.skipped

    def trip(self, reason: str, now: float, cause: Cause = Cause.OPERATOR) -> None:
        """Stop the robot until `reset`.

        Args:
            reason: One line for people.
            now: Time. [s]
            cause: Who or what stopped it.
        """
        if self.latched is None or self.latched.cause in STANDING:
            self.latched = Refusal(cause, f"stopped at {now:.3f} s: {reason}")

    def reset(self, state: RobotState, now: float) -> Refusal | None:
        """Release the latched stop, unless its cause lasts; the robot then holds until `go`.

        A robot that is not stopped goes on as it is: its command must not jump to where it is.

        Returns:
            Why it stays latched; `None` once it is released.
        """
        if self.latched is None:
            return None
        refusal = self._judge_clock(now) or self._judge_state(state, now)
        if refusal is None:
            self.latched, self.paused = None, PAUSED
            self._forget()
        return refusal

    def go(self) -> None:
        """Follow the policy again after `reset`."""
        self.paused = None

    def _judge_state(self, state: RobotState, now: float) -> Refusal | None:
        refusal = self._measured.judge(state, now)
        if refusal is None and self._person:
            return self._person.judge(state, now)
        return refusal

    def _judge_clock(self, now: float) -> Refusal | None:
        before, self._now = self._now, now
        if now >= before:
            return None
        # Every age stays what it was, so that a jump neither grants nor takes time.
        shift = now - before if np.isfinite(before) else 0.0
        counting = (self._approach, self._resting, self._refusing, self._rules)
        for keeper in (self._waiting, self._commands, *counting):
            keeper.shift(shift)
        self._measured.forget()
        if self._person:
            self._person.restart()
        text = f"clock jumped back from {before:.3f} s to {now:.3f} s"
        return Refusal(Cause.CLOCK, text, "", now, before, now - before)

    def _decide(
        self, action: Action | None, state: RobotState, now: float, refusal: Refusal | None
    ) -> Verdict:
        if state.busy and not self.latched:
            return self._stand_by(state, now)
        if refusal and refusal.cause in (Cause.STATE, Cause.TILT, Cause.FAULT):
            self.latched = self.latched or refusal
        pressed = self.latched is None or self.latched.cause is Cause.REFUSALS
        if refusal and refusal.cause is Cause.FORCE and pressed:
            self.latched = refusal
            self._press(state, now)
        if self.latched:
            return self._stop(state, now, self.latched, refusal)
        if not self._commands.anchored and (refusal is None or refusal.cause in HOLDING):
            self._anchor(state, now)
        if self.paused:
            return self._without_action(state, now, refusal or self.paused)
        if action is None:
            return self._without_action(state, now, refusal)
        refusal = refusal or self._actions.judge(action, now)
        if refusal is None:
            step = self._commands.step_to(self._actions.target(action), now, state)
            rules = self._rules.with_limits(action.limits, self._commands.current, now)
            refusal = rules.judge(step)
            if refusal is None:
                return self._follow(step.target, now)
            under_way = self._level_before is Level.PASS
            if nearer := self._approach.step(step, rules, under_way):
                return self._follow(nearer.target, now, refusal)
        if self._keeps_refusing(refusal, now) and self.latched:
            return self._stop(state, now, self.latched, refusal)
        return self._without_action(state, now, refusal)

    def _follow(self, target: np.ndarray, now: float, far: Refusal | None = None) -> Verdict:
        """Send an action, or a step towards one that is too far."""
        self._waiting.over(now)
        self._refusing.end()
        self._resting.end()
        self._note(target, now)
        if far is None:
            self._approach.end()
        sent = self._send(target, now, CommandMode.POLICY)
        return replace(sent, refusal=far, level=Level.APPROACH) if far else sent

    def _note(self, target: np.ndarray, now: float) -> None:
        """Remember a new command, so that the next ones are compared with it."""
        self._commands.follow(target, now)
        self._rules.sent(target, now)

    def _without_action(self, state: RobotState, now: float, refusal: Refusal | None) -> Verdict:
        if not self._commands.anchored:
            return self._damp(state, now, refusal, Level.DAMP)
        level = self._waiting.level(now)
        if level is Level.PASS:
            return self._send(self._commands.current, now, CommandMode.POLICY, refusal)
        if refusal is None:
            self._approach.end()  # a silent policy may be approached anew
        refusal = refusal or self._waiting.refusal(now)
        if level is Level.DAMP and self._person is None:
            return self._damp(state, now, refusal, Level.DAMP)
        return self._hold(now, refusal)

    def _hold(self, now: float, refusal: Refusal) -> Verdict:
        rest = current = self._commands.current
        if not self._holds_a_pose:
            rest = self._still
        elif self._waiting.begun:
            rest = self._resting.target(current, now)
        if not np.array_equal(rest, current):
            self._note(rest, now)
        return self._send(rest, now, CommandMode.HOLD, refusal)

    def _stand_by(self, state: RobotState, now: float) -> Verdict:
        self._forget()  # the first action afterwards is compared with the measured pose
        command = Command(now, self._rest(state), self._kind, CommandMode.HOLD)
        refusal = Refusal(Cause.BUSY, f"the robot is busy: {state.busy}")
        return Verdict(command, refusal, Level.HOLD)

    def _keeps_refusing(self, refusal: Refusal, now: float) -> bool:
        if refusal.cause in HOLDING:
            return False
        lasting = self._refusing.add(now)
        if lasting >= self._limits.refusal_time:
            text = f"actions refused for {lasting:.2f} s: {refusal.text}"
            self.trip(text, now, Cause.REFUSALS)
        return self.latched is not None

    def _send(
        self, values: np.ndarray, now: float, mode: CommandMode, refusal: Refusal | None = None
    ) -> Verdict:
        self._commands.current = values
        command = Command(now, values, self._kind, mode)
        return Verdict(command, refusal, Level.HOLD if refusal else Level.PASS)

    def _stop(
        self, state: RobotState, now: float, why: Refusal, refusal: Refusal | None
    ) -> Verdict:
        """Damp the robot, or let it stand, for why it is latched and what is refused now."""
        person = self._person
        if person is None or why.cause not in STANDING or not self._commands.anchored:
            return self._damp(state, now, why, Level.ESTOP)
        known = refusal is None or refusal.cause in (Cause.FORCE, *HOLDING)
        if why.cause is Cause.FORCE and known:
            target = person.retreat(state, self._commands.current)
            step = self._commands.step_to(target, now, state)
            if self._rules.own.judge(step) is None:
                self._note(target, now)
        command = Command(now, self._commands.current, self._kind, CommandMode.HOLD)
        return Verdict(command, why, Level.ESTOP)

    def _damp(
        self, state: RobotState, now: float, refusal: Refusal | None, level: Level
    ) -> Verdict:
        self._commands.anchored = False
        self._approach.end()
        self._resting.end()
        command = Command(now, self._rest(state), self._kind, CommandMode.DAMP)
        return Verdict(command, refusal, level)

    def _press(self, state: RobotState, now: float) -> None:
        """Begin at rest where what presses can be backed off from."""
        measured = self._rest(state)
        command = self._commands.current if self._commands.anchored else measured
        assert self._person
        self._anchor_at(self._person.begin_retreat(measured, command, state.stamp), now)

    def _anchor(self, state: RobotState, now: float) -> None:
        self._anchor_at(self._rest(state), now)

    def _anchor_at(self, pose: np.ndarray, now: float) -> None:
        self._commands.anchor(pose)
        self._rules.start(pose, now)

    def _rest(self, state: RobotState) -> np.ndarray:
        return rest_pose(self._robot, state) if self._holds_a_pose else self._still

    def _forget(self) -> None:
        self._waiting.forget()
        self._commands.forget()
        self._approach.end()
        self._resting.end()
        self._refusing.end()
        self._level = self._level_before = Level.HOLD  # now, and at the end of the slot before
