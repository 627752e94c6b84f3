"""The safety gate: the only way from a policy's action to an actuator's command.

    pass      a valid action, or the last one while it is not yet `command_timeout` old
    approach  after anything but `pass`, an action that is allowed but too far from the command in
              force: the robot moves towards it, within every rule, for `approach_time` at most
    hold      the last safe command at the holding gains; before any action, the pose found
    damp      no stiffness; after `hold_time` of holding. A valid action ends it
    estop     as damp, but latched until `reset`, which is refused while its cause lasts

A robot that is busy by itself, such as standing up, is asked to hold and nothing is judged.
A refused action changes nothing: the last safe command stays, and its age goes on counting. The
first action, and the first one after damping, is compared with the measured pose. Nothing is ever
clipped joint by joint: an approach goes along the straight line to the action.

Steps are judged between control slots. Every measurement opens one, and a command that is given
in the same slot as another replaces it. Where answers stayed away and the last command had to
serve longer, the next one may be as much further on, for `command_timeout` at most: a policy that
moves within the limits is not stopped for what its network lost. Over more than one step speed is
judged in true time, see `control/speed_envelope.py`.

Holding counts as long as this object was asked: what a machine slept through was not held.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from robot_policies.control import rules
from robot_policies.control.measurement import MeasurementJudge, rest_pose
from robot_policies.control.restriction import Restriction
from robot_policies.control.rules import (
    Cause,
    Motion,
    Refusal,
    Rules,
    SafetyLimits,
)
from robot_policies.control.speed_envelope import SpeedEnvelope
from robot_policies.interface import (
    Action,
    ActionKind,
    Command,
    CommandMode,
    ConfigError,
    RobotSpec,
    RobotState,
)
from robot_policies.interface.backend import ROUNDING
from robot_policies.interface.observation import VELOCITY_COMMAND_NAMES

RULES = {
    ActionKind.JOINT_POSITION: rules.position_rules,
    ActionKind.JOINT_VELOCITY: rules.velocity_rules,
    ActionKind.BASE_VELOCITY: rules.base_rules,
}
PAUSED = Refusal(Cause.OPERATOR, "released, holding until `robot-policies go`")
SHARES = (1.0, 0.75, 0.5, 0.25, 0.1, 0.05)  # of the longest step an approach tries, in turn


class Level(StrEnum):
    """How far the gate had to go."""

    PASS = "pass"
    APPROACH = "approach"
    HOLD = "hold"
    DAMP = "damp"
    ESTOP = "estop"


@dataclass(frozen=True, eq=False)
class Verdict:
    """What to send, and why it is not what was asked for.

    Attributes:
        command: To be written to the robot.
        refusal: Why the action, or its absence, was not accepted; `None` if it was.
        level: How far the gate had to go.
    """

    command: Command
    refusal: Refusal | None
    level: Level


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
            ConfigError: If there are no rules for the kind.
        """
        self._robot, self._limits, self._kind = robot, limits or SafetyLimits(), ActionKind(kind)
        if self._kind not in RULES:
            raise ConfigError(f"no safety rules for '{kind}'; it is resolved to joints before")
        self._period = 1.0 / robot.control_rate
        self._velocity = robot.velocity if self._kind is ActionKind.JOINT_POSITION else np.inf
        self._rules = RULES[self._kind](robot, self._limits)
        self._restriction = Restriction(robot, self._kind)
        base = self._kind is ActionKind.BASE_VELOCITY
        self._names = VELOCITY_COMMAND_NAMES if base else robot.joint_names
        self._measured = MeasurementJudge(robot, self._limits.state_timeout)
        self._now = -np.inf
        self.latched: Refusal | None = None
        self.paused: Refusal | None = None  # why it holds, though nothing is wrong
        self._state: RobotState | None = None  # the newest measurement, which opened the slot
        self._extra = Rules()  # those that came with the newest action
        self._forget()

    def check(self, action: Action | None, state: RobotState, now: float) -> Verdict:
        """Judge an action and say what to send.

        Args:
            action: What the policy wants now; `None` if it has nothing to say.
            state: The newest measurement.
            now: Time, on the same clock as the stamps. [s]
        """
        refusal = self._judge_clock(now) or self._measured.judge(state, now)
        if state is not self._state:
            self._state = state
            self._earlier, self._previous = self._previous, self._current
            self._level_before = self._level
        verdict = self._decide(action, state, now, refusal)
        asked = min(now - self._checked, 2.0 * self._period)
        self._held += asked if verdict.command.mode is CommandMode.HOLD else 0.0
        self._level, self._checked = verdict.level, now
        return verdict

    def trip(self, reason: str, now: float, cause: Cause = Cause.OPERATOR) -> None:
        """Stop the robot until `reset`.

        Args:
            reason: One line for people.
            now: Time. [s]
            cause: Who or what stopped it.
        """
        self.latched = self.latched or Refusal(cause, f"stopped at {now:.3f} s: {reason}")

    def reset(self, state: RobotState, now: float) -> Refusal | None:
        """Release the latched stop, unless its cause lasts; the robot then holds until `go`.

        Returns:
            Why it stays latched; `None` once it is released.
        """
        refusal = self._judge_clock(now) or self._measured.judge(state, now)
        if refusal is None:
            self.latched, self.paused = None, PAUSED
            self._forget()
        return refusal

    def go(self) -> None:
        """Follow the policy again after `reset`."""
        self.paused = None

    def _judge_clock(self, now: float) -> Refusal | None:
        before, self._now = self._now, now
        if now >= before:
            return None
        # Every age stays what it was, so that a jump neither grants nor takes time.
        shift = now - before if np.isfinite(before) else 0.0
        self._valid += shift
        self._moved += shift
        self._checked += shift
        self._approach += shift
        for envelope in self._envelopes():
            envelope.shift(shift)
        self._refused = tuple(moment + shift for moment in self._refused)
        self._measured.forget()
        text = f"clock jumped back from {before:.3f} s to {now:.3f} s"
        return Refusal(Cause.CLOCK, text, "", now, before, now - before)

    def _decide(
        self, action: Action | None, state: RobotState, now: float, refusal: Refusal | None
    ) -> Verdict:
        if state.busy and not self.latched:
            return self._stand_by(state, now)
        if refusal and refusal.cause in (Cause.STATE, Cause.TILT, Cause.FAULT):
            self.latched = self.latched or refusal
        if self.latched:
            return self._damp(state, now, self.latched, Level.ESTOP)
        if not self._anchored and refusal is None:
            self._anchor(state, now)
        if self.paused:
            return self._without_action(state, now, refusal or self.paused)
        if action is None:
            return self._without_action(state, now, refusal)
        refusal = refusal or self._judge_itself(action, now)
        if refusal is None:
            motion = self._motion(action, state, now)
            extra = self._extra = self._restriction.rules(action.limits, self._current, now)
            rules = Rules((*self._rules.place, *extra.place), (*self._rules.way, *extra.way))
            refusal = rules.judge(motion)
            if refusal is None:
                return self._follow(motion.target, now)
            if nearer := self._approached(motion, rules):
                return self._follow(nearer.target, now, refusal)
        if self._keeps_refusing(refusal, now):
            return self._damp(state, now, self.latched, Level.ESTOP)
        return self._without_action(state, now, refusal)

    def _judge_itself(self, action: Action, now: float) -> Refusal | None:
        """Judge what needs no other command to be compared with."""
        if action.kind is not self._kind:
            return Refusal(Cause.KIND, f"action is {action.kind}, expected {self._kind}")
        if sorted(action.names) != sorted(self._names) or len(action.values) != len(self._names):
            return Refusal(Cause.NAMES, f"action names {action.names}, expected {self._names}")
        finite = np.isfinite(action.values)
        if not finite.all():
            i = int(np.argmin(finite))
            text = f"action {action.names[i]} = {action.values[i]} is not finite"
            return Refusal(Cause.NOT_FINITE, text, action.names[i], float(action.values[i]))
        age, limit = now - action.stamp, self._limits.plan_age
        if not -self._period <= age <= limit:
            cause = Cause.STALE_ACTION if age > limit else Cause.CLOCK
            text = f"action answers an observation {age:.3f} s old, allowed 0 to {limit:.3f} s"
            return Refusal(cause, text, "", age, limit, limit - age)
        return None

    def _motion(self, action: Action, state: RobotState, now: float) -> Motion:
        target = np.array([action.values[action.names.index(name)] for name in self._names])
        return Motion(target, self._previous, self._earlier, self._span(now), now, state)

    def _approached(self, motion: Motion, rules: Rules) -> Motion | None:
        """Return the longest step towards an action that is only too far away.

        Steps lie on the straight line from the command before, so that all joints are scaled
        alike; the longest that is tried is as long as the speed limits allow.

        Returns:
            A motion that every rule allows; `None` if none is found, or nothing is approached now.
        """
        begins = self._approach == np.inf
        if begins and self._level_before is Level.PASS:
            return None  # the first refusal of a robot under way is no way back from anything
        since = 0.0 if begins else motion.now - self._approach
        if since >= self._limits.approach_time:
            return None
        if rules.judge_place(motion):
            return None
        way = motion.target - motion.previous
        longest = self._limits.velocity_margin * self._velocity * motion.span
        with np.errstate(divide="ignore", invalid="ignore"):
            whole = float(np.nanmin(np.where(way == 0.0, np.inf, longest / np.abs(way))))
        for share in SHARES:
            step = replace(motion, target=motion.previous + min(whole, 1.0) * share * way)
            if rules.judge(step) is None:
                self._approach = motion.now if begins else self._approach
                return step
        return None

    def _follow(self, target: np.ndarray, now: float, far: Refusal | None = None) -> Verdict:
        """Send an action, or a step towards one that is too far."""
        self._valid = self._moved = now
        self._held, self._refused = 0.0, ()
        for envelope in self._envelopes():
            envelope.sent(target, now)
        if far is None:
            self._approach = np.inf
        sent = self._send(target, now, CommandMode.POLICY)
        return replace(sent, refusal=far, level=Level.APPROACH) if far else sent

    def _without_action(self, state: RobotState, now: float, refusal: Refusal | None) -> Verdict:
        limits, idle = self._limits, now - self._valid
        if not self._anchored:
            return self._damp(state, now, refusal, Level.DAMP)
        # Until the last step at which holding can begin and still be in time.
        if idle + self._period <= limits.command_timeout * (1.0 + ROUNDING):
            return self._send(self._current, now, CommandMode.POLICY, refusal)
        if refusal is None:
            self._approach = np.inf  # a silent policy may be approached anew
        refusal = refusal or self._silence(idle)
        if self._held >= limits.hold_time * (1.0 - ROUNDING) and idle < np.inf:
            return self._damp(state, now, refusal, Level.DAMP)
        holds_a_pose = self._kind is ActionKind.JOINT_POSITION
        rest = self._current if holds_a_pose else np.zeros(len(self._names))
        return self._send(rest, now, CommandMode.HOLD, refusal)

    def _stand_by(self, state: RobotState, now: float) -> Verdict:
        self._forget()  # the first action afterwards is compared with the measured pose
        command = Command(now, self._rest(state), self._kind, CommandMode.HOLD)
        refusal = Refusal(Cause.BUSY, f"the robot is busy: {state.busy}")
        return Verdict(command, refusal, Level.HOLD)

    def _keeps_refusing(self, refusal: Refusal, now: float) -> bool:
        first, last = self._refused or (now, now)
        if now - last > self._limits.command_timeout:
            first = now  # the policy was silent in between
        self._refused = (first, now)
        if now - first >= self._limits.refusal_time:
            text = f"actions refused for {now - first:.2f} s: {refusal.text}"
            self.trip(text, now, Cause.REFUSALS)
        return self.latched is not None

    def _silence(self, idle: float) -> Refusal:
        if idle == np.inf:
            return Refusal(Cause.NO_ACTION, "no action yet, holding the pose found")
        limit = self._limits.command_timeout
        text = f"waiting for the policy, {idle:.2f} s without a valid action, limit {limit:.2f} s"
        return Refusal(Cause.NO_ACTION, text, "", idle, limit, limit - idle)

    def _send(
        self, values: np.ndarray, now: float, mode: CommandMode, refusal: Refusal | None = None
    ) -> Verdict:
        self._current = values
        command = Command(now, values, self._kind, mode)
        return Verdict(command, refusal, Level.HOLD if refusal else Level.PASS)

    def _damp(
        self, state: RobotState, now: float, refusal: Refusal | None, level: Level
    ) -> Verdict:
        self._anchored, self._approach = False, np.inf
        command = Command(now, self._rest(state), self._kind, CommandMode.DAMP)
        return Verdict(command, refusal, level)

    def _span(self, now: float) -> float:
        """Return how long the step asked for now has, in seconds."""
        served = now - self._moved if np.isfinite(self._moved) else 0.0
        return min(max(served, self._period), max(self._limits.command_timeout, self._period))

    def _anchor(self, state: RobotState, now: float) -> None:
        self._current = self._previous = self._earlier = self._rest(state)
        self._moved = -np.inf
        for envelope in self._envelopes():
            envelope.start(self._current, now)
        self._anchored = True

    def _envelopes(self) -> list[SpeedEnvelope]:
        return [e for e in (self._rules.envelope, self._extra.envelope) if e is not None]

    def _rest(self, state: RobotState) -> np.ndarray:
        if self._kind is not ActionKind.JOINT_POSITION:
            return np.zeros(len(self._names))
        return rest_pose(self._robot, state)

    def _forget(self) -> None:
        self._current = self._previous = self._earlier = np.zeros(len(self._names))
        self._valid = self._moved = self._checked = -np.inf
        self._refused: tuple[float, ...] = ()  # first and last moment of a run of refusals
        self._approach = np.inf  # since when an action is approached
        self._held = 0.0  # s of holding
        self._level = self._level_before = Level.HOLD  # now, and at the end of the slot before
        self._anchored = False
