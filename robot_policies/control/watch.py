"""What must stop a legged robot between two control steps.

The measurement itself, its age and the tilt are judged as the safety gate judges them; what is
added here needs the servo rate or a memory.
"""

from dataclasses import dataclass

import numpy as np

from robot_policies.control.measurement import MeasurementJudge
from robot_policies.interface import RobotSpec, RobotState


@dataclass(frozen=True)
class WatchLimits:
    """What is still allowed.

    Attributes:
        state_timeout: Oldest measurement. [s]
        effort_time: Motors may be beyond their effort for this long, as in an impact. [s]
        temperature: Hottest motor; Unitree's GO-M8010-6 cuts out at 90 by its manual. [deg C]
        overshoot: A joint measured further outside its range is not where its encoder says; the
            5 degrees of Unitree's own position protection. [rad]
        heartbeat: Longest silence of an operator who was heard once. [s]
    """

    state_timeout: float = 0.05
    effort_time: float = 0.05
    temperature: float = 80.0
    overshoot: float = 0.087
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

    def look(self, state: RobotState, now: float) -> str:
        """Return why the robot must stop, empty if it need not.

        Args:
            state: The newest measurement.
            now: Time, on the clock of its stamp. [s]
        """
        if refusal := self._measured.judge(state, now):
            return refusal.text
        heard = self._hear(now)
        reasons = (self._range(state), self._effort(state, now), self._heat(state), heard)
        return next((reason for reason in reasons if reason), "")

    def _range(self, state: RobotState) -> str:
        lower, upper, q = self._robot.lower, self._robot.upper, state.joint_position
        inside = np.minimum(q - lower, upper - q) >= -self._limits.overshoot
        if inside.all():
            return ""
        i = int(np.argmin(inside))
        name = self._robot.joint_names[i]
        return f"joint {name} measured at {q[i]:.3g}, outside [{lower[i]:.4g}, {upper[i]:.4g}]"

    def _effort(self, state: RobotState, now: float) -> str:
        if not state.joint_effort.size:
            return ""
        limit = self._robot.effort
        within = np.abs(state.joint_effort) <= limit
        self._strained = np.where(within, np.inf, np.minimum(self._strained, now))
        lasting = now - self._strained
        if (lasting < self._limits.effort_time).all():
            return ""
        i = int(np.argmax(lasting))
        name = self._robot.joint_names[i]
        return (
            f"motor {name} at {state.joint_effort[i]:.3g} N m for {1e3 * lasting[i]:.0f} ms, "
            f"limit {limit[i]:.4g}"
        )

    def _heat(self, state: RobotState) -> str:
        cool = state.joint_temperature <= self._limits.temperature
        if cool.all():
            return ""
        i = int(np.argmin(cool))
        name, degrees = self._robot.joint_names[i], state.joint_temperature[i]
        return f"motor {name} at {degrees:.0f} deg C, limit {self._limits.temperature:.0f}"

    def _hear(self, now: float) -> str:
        if self._beating:
            self._beating, self._beat = False, now
        silence = now - self._beat
        if silence <= self._limits.heartbeat:
            return ""
        return f"operator silent for {silence:.2f} s, limit {self._limits.heartbeat:g} s"
