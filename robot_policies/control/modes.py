"""What a legged robot does by itself, before a policy has it and when a policy loses it.

    passive   damped; where it begins, and where lying down ends
    stand_up  from the measured pose to the default pose, holding gains
    stand     the default pose, holding gains
    policy    the commands the safety gate let through, the policy's gains
    lie_down  to the lying pose, holding gains; then passive
    estop     damped and latched until `release`, which is refused while its cause lasts

The safety gate judges commands at the control rate; this decides modes and gains at the servo
rate, and stops for what must not wait for the next control step. Targets and gains never jump
except into damping. It reads no clock: it runs the same in front of a simulator and of a robot.

Stopping in order leads from every mode to passive: it stands, lies down and is damped, whether
the operator is still heard or not. What stops a robot otherwise stops it then too.

Its own lateness is nobody's fault. Where its thread was not scheduled, it first waits for a new
measurement, and what lasted then counts only for the time it looked. After a pause in which a
target would have grown too old, it goes on from the measured pose.
"""

from threading import RLock

import numpy as np

from robot_policies.control.mode_motion import ModeMotion
from robot_policies.control.mode_table import GAINS, WAYS, LeggedMode, ModeTimes
from robot_policies.control.pause import Pauses
from robot_policies.control.refusal import Cause, Refusal
from robot_policies.control.watch import Watch, WatchLimits
from robot_policies.interface import (
    Command,
    CommandMode,
    ConfigError,
    RobotSpec,
    RobotState,
)


class ModeMachine:
    """The modes of one robot; `step` may run in another thread than the rest.

    Attributes:
        mode: What the robot does.
        reason: Why, if nobody asked for it.
    """

    def __init__(
        self, robot: RobotSpec, times: ModeTimes | None = None, limits: WatchLimits | None = None
    ) -> None:
        """Begin passive.

        Args:
            robot: The robot.
            times: How long things take.
            limits: What stops it.

        Raises:
            ConfigError: If the robot has no lying pose.
        """
        known = np.isfinite(robot.lying)
        if not known.all():
            name = robot.joint_names[int(np.argmin(known))]
            raise ConfigError(f"robot '{robot.name}': joint '{name}' has no 'lying' position")
        self._robot, self._times = robot, times or ModeTimes()
        self._limits, self._lock = limits or WatchLimits(), RLock()
        self.restart()

    def restart(self) -> None:
        """Be passive and know nothing of what was; time may begin anew."""
        with self._lock:
            self._watch = Watch(self._robot, self._limits)
            self._now = self._fresh = -np.inf
            self._danger, self._stopping = "nothing has been measured yet", ""
            self._pauses = Pauses(self._times.step)
            self._asked: Command | None = None
            self._motion = ModeMotion(self._robot, self._times)
            self._pose = self._robot.lying
            self._sent = self._damped(0.0)
            self._enter(LeggedMode.PASSIVE)

    def request(self, mode: LeggedMode) -> str:
        """Ask for `STAND`, `POLICY` or `LIE_DOWN`; return why not, empty if it is done."""
        with self._lock:
            if mode not in WAYS:
                return f"nobody can ask for '{mode}', only for {[str(way) for way in WAYS]}"
            if self._stopping:
                return f"the robot is being stopped: {self._stopping}"
            if mode is self.mode:
                return ""
            if self.mode not in WAYS[mode]:
                why = f" ({self.reason})" if self.reason else ""
                return f"no '{mode}' from '{self.mode}'{why}, only from {[*map(str, WAYS[mode])]}"
            if reason := self._danger or self._damping():
                return reason
            if WAYS[mode][self.mode] is not self.mode:
                self._enter(WAYS[mode][self.mode])
            return ""

    @property
    def stopping(self) -> bool:
        """Whether it is stopping in order and not yet at rest."""
        return bool(self._stopping)

    def begin_stop(self, reason: str) -> None:
        """Stand, lie down and be passive, from now on and whatever is asked for."""
        with self._lock:
            if self.mode in (LeggedMode.PASSIVE, LeggedMode.ESTOP) or self._stopping:
                return
            self._stopping = reason
            if self.mode is LeggedMode.POLICY:
                self._enter(LeggedMode.STAND, reason)
            elif self.mode is LeggedMode.STAND_UP:
                self._enter(LeggedMode.LIE_DOWN, reason)

    def trip(self, reason: str) -> None:
        """Damp the robot from the next step on, until `release`."""
        with self._lock:
            if self.mode is not LeggedMode.ESTOP:
                self._enter(LeggedMode.ESTOP, reason)

    def release(self) -> str:
        """End a stop; return why not, empty if the robot is passive now."""
        with self._lock:
            if self.mode is LeggedMode.ESTOP and not self._danger:
                self._enter(LeggedMode.PASSIVE)
            return self._danger

    def beat(self) -> None:
        """Note that the operator is there; from the first time on, silence stops the robot."""
        self._watch.beat()

    def sent_for(self, command: Command) -> Command:
        """Return what is sent on a command that was given just now."""
        with self._lock:
            settled = self._now - self._motion.since >= self._times.blend
            followed = self.mode is LeggedMode.POLICY and command.mode is CommandMode.POLICY
            return command if followed and settled else self._sent

    def step(self, asked: Command | None, state: RobotState, now: float) -> Command:
        """Return what the servo tracks now.

        Args:
            asked: The command in force, judged by the safety gate.
            state: The newest measurement.
            now: Time, on the clock of its stamp. [s]
        """
        with self._lock:
            self._now = now
            if lost := self._pauses.step(now):
                self._watch.excuse(lost)
                self._motion.since += lost
                self._fresh += lost
            refusal = self._look(state, now)
            self._danger = refusal.text if refusal else ""
            new, self._asked = asked is not self._asked, asked
            if not refusal:
                self._pose = state.joint_position
            if self._wakes(state, refusal):
                return self._sent
            if new:
                self._take(asked)
            if self.mode is not LeggedMode.PASSIVE and (reason := self._stops(refusal)):
                self.trip(reason)
            self._proceed()
            self._sent = self._command()
            return self._sent

    def _look(self, state: RobotState, now: float) -> Refusal | None:
        refusal = self._watch.look(state, now)
        silent = refusal is not None and refusal.cause is Cause.OPERATOR
        return None if silent and self._stopping else refusal

    def _wakes(self, state: RobotState, refusal: Refusal | None) -> bool:
        """Return whether what was sent before a pause stays, until something new is measured."""
        times, pause = self._times, self._pauses
        if not pause.length or GAINS[self.mode] is CommandMode.DAMP or self._damping():
            return False
        patient = pause.looked < self._limits.state_timeout
        if refusal:
            return patient and refusal.cause in (Cause.STALE_STATE, Cause.IMPLAUSIBLE)
        if pause.length > times.target_timeout + times.late_hold:
            if patient and state.stamp < pause.end + times.backlog:
                self._watch.forget()  # of what had queued, some may be missing
                return True
            self._enter(self.mode, self.reason, self._pose)
        pause.over()
        return False

    def _stops(self, refusal: Refusal | None) -> str:
        """Return what must not go on, empty if nothing is known to be wrong."""
        if refusal and refusal.cause is not Cause.IMPLAUSIBLE:
            return refusal.text
        return self._damping()

    def _take(self, asked: Command | None) -> None:
        if asked is None or (self.mode, asked.mode) != (LeggedMode.POLICY, CommandMode.POLICY):
            return
        if not np.isfinite(asked.values).all():
            self.trip(f"target {asked.values} is not finite")
            return
        self._motion.aim(asked.values, self._now)
        self._fresh = self._now

    def _proceed(self) -> None:
        """Leave a mode whose time is over."""
        times, elapsed = self._times, self._now - self._motion.since
        if self.mode is LeggedMode.STAND_UP and elapsed >= times.stand_up:
            off = np.abs(self._pose - self._robot.default)
            i = int(np.argmax(off))
            if off[i] <= times.reach:
                self._enter(LeggedMode.STAND)
            else:
                name = self._robot.joint_names[i]
                text = f"could not stand up: {name} is {off[i]:.2f} rad from its target"
                self._enter(LeggedMode.LIE_DOWN, text)
        elif self.mode is LeggedMode.STAND and self._stopping and elapsed >= times.settle:
            self._enter(LeggedMode.LIE_DOWN, self._stopping)
        elif self.mode is LeggedMode.LIE_DOWN and elapsed >= times.lie_down:
            self._enter(LeggedMode.PASSIVE, self.reason)
        elif self.mode is LeggedMode.POLICY:
            late = self._now - max(self._fresh, self._motion.since)
            if late > times.target_timeout + times.late_hold:
                self._enter(LeggedMode.STAND, f"no target for {late:.2f} s")

    def _command(self) -> Command:
        if GAINS[self.mode] is CommandMode.DAMP:
            return self._damped(self._now)
        return self._motion.command(self.mode, self._now)

    def _damped(self, now: float) -> Command:
        gains = self._robot.gains[CommandMode.DAMP]
        return Command(now, self._pose, mode=CommandMode.DAMP, gains=gains)

    def _damping(self) -> str:
        damped = self._asked is not None and self._asked.mode is CommandMode.DAMP
        return "the safety gate damps the robot" if damped else ""

    def _enter(self, mode: LeggedMode, reason: str = "", pose: np.ndarray | None = None) -> None:
        """Begin a mode at a pose, by default at the last target, or where a damped robot is."""
        if pose is None:
            pose = self._pose if self._sent.mode is CommandMode.DAMP else self._sent.values
        gains = self._sent.gains or self._robot.gains[self._sent.mode]
        self._motion.begin(pose, gains, self._now)
        self.mode, self.reason = mode, reason
        if mode in (LeggedMode.PASSIVE, LeggedMode.ESTOP):
            self._stopping = ""
