"""What must stop a legged robot between two control steps.

The measurement itself, its age and the tilt are judged as the safety gate judges them; what is
added here needs the servo rate or a memory.
"""

from dataclasses import dataclass

import numpy as np

from robot_policies.control.measurement import MeasurementJudge
from robot_policies.control.refusal import Cause, Refusal
from robot_policies.interface import RobotSpec, RobotState


@dataclass(frozen=True)
class WatchLimits:
    """What is still allowed.

    Attributes:
        state_timeout: Oldest measurement. [s]
        effort_time: Motors may be beyond their effort for this long, as in an impact. [s]
        temperature: Hottest motor; Unitree's GO-M8010-6 cuts out at 90 by its manual. [deg C]
        heartbeat: Longest silence of an operator who was heard once. [s]
    """

    state_timeout: float = 0.05
    effort_time: float = 0.05
    temperature: float = 80.0
    heartbeat: float = 0.5


class Watch:
    """Watches one robot, measurement by measurement."""

    def __init__(self, robot: RobotSpec, limits: WatchLimits) -> None:
        """Begin with nothing seen.

        Args:
            robot: The robot.
            limits: What is allowed.
        """
        self._robot, self._limits = robot, limits
        self._measured = MeasurementJudge(robot, limits.state_timeout)
        self._strained = np.full(len(robot.joints), np.inf)  # since when each motor is
        self._beating, self._beat = False, np.inf

    def beat(self) -> None:
        """Note that the operator is there; from the first time on, silence is a danger."""
        self._beating = True

    def excuse(self, lost: float) -> None:
        """Do not count time in which nobody looked: neither silence nor strain lasted. [s]."""
        self._strained, self._beat = self._strained + lost, self._beat + lost

    def forget(self) -> None:
        """Compare the next measurement with none before it."""
        self._measured.forget()

    def look(self, state: RobotState, now: float) -> Refusal | None:
        """Return why the robot must stop, `None` if it need not.

        A joint that cannot be where it was measured is `IMPLAUSIBLE`: the measurement must not be
        used, but does not stop the robot yet. Of several reasons the operator's silence is last.

        Args:
            state: The newest measurement.
            now: Time, on the clock of its stamp. [s]
        """
        silence = self._hear(now)
        if refusal := self._measured.judge(state, now):
            return refusal
        return self._effort(state, now) or self._heat(state) or silence

    def _effort(self, state: RobotState, now: float) -> Refusal | None:
        if not state.joint_effort.size:
            return None
        limit = self._robot.effort
        within = np.abs(state.joint_effort) <= limit
        self._strained = np.where(within, np.inf, np.minimum(self._strained, now))
        lasting = now - self._strained
        if (lasting < self._limits.effort_time).all():
            return None
        i = int(np.argmax(lasting))
        name, effort = self._robot.joint_names[i], float(state.joint_effort[i])
        text = (
            f"motor {name} at {effort:.3g} N m for {1e3 * lasting[i]:.0f} ms, limit {limit[i]:.4g}"
        )
        return Refusal(Cause.FAULT, text, name, effort, float(limit[i]))

    def _heat(self, state: RobotState) -> Refusal | None:
        limit = self._limits.temperature
        cool = state.joint_temperature <= limit
        if cool.all():
            return None
        i = int(np.argmin(cool))
        name, degrees = self._robot.joint_names[i], float(state.joint_temperature[i])
        text = f"motor {name} at {degrees:.0f} deg C, limit {limit:.0f}"
        return Refusal(Cause.FAULT, text, name, degrees, limit)

    def _hear(self, now: float) -> Refusal | None:
        if self._beating:
            self._beating, self._beat = False, now
        silence, limit = now - self._beat, self._limits.heartbeat
        if silence <= limit:
            return None
        text = f"operator silent for {silence:.2f} s, limit {limit:g} s"
        return Refusal(Cause.OPERATOR, text, "", silence, limit)
