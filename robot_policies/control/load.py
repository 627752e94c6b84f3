"""How hard a robot pulls or presses, felt where its gripper is carried.

The load is what remains of the measured force without the weight of what is carried there:
F = R(q) f - m g, in the base frame, with m from the robot's table. Acceleration of that mass is
part of the load; beside a person it is small.
"""

from collections import deque

import numpy as np

from robot_policies.control.refusal import Cause, Refusal
from robot_policies.interface import ConfigError, RobotSpec, RobotState
from robot_policies.interface.backend import ROUNDING
from robot_policies.interface.gravity import DOWN, GRAVITY
from robot_policies.interface.kinematics import Kinematics
from robot_policies.interface.observation import WRENCH
from robot_policies.interface.person import PersonLimits
from robot_policies.interface.robot_parts import Link


class LoadJudge:
    """Judges the load of one measurement after another.

    Attributes:
        force: That the robot feels, newest measurement, base frame. Shape (3,). [N]
    """

    def __init__(self, robot: RobotSpec, limits: PersonLimits) -> None:
        """Weigh what is carried.

        Args:
            robot: The robot.
            limits: Those beside a person.

        Raises:
            ConfigError: If the robot feels no load.
        """
        if not robot.wrench_link:
            raise ConfigError(f"'{robot.name}' beside a person: it measures no load (wrench_link)")
        self._limits, self._kinematics = limits, Kinematics(robot, robot.wrench_link)
        self._weight = carried_mass(robot, robot.wrench_link) * GRAVITY * DOWN
        self.forget()

    def forget(self) -> None:
        """Begin a new average."""
        self._recent: deque[tuple[float, float]] = deque()  # stamps and loads
        self.force, self._begun = np.zeros(3), np.inf

    @property
    def load(self) -> float:
        """Size of the force. [N]."""
        return float(np.linalg.norm(self.force))

    def judge(self, state: RobotState, now: float) -> Refusal | None:
        """Refuse a load that is too high, unknown or no number.

        Args:
            state: The measurement.
            now: Time. [s]
        """
        limits = self._limits
        if WRENCH not in state.features:
            return Refusal(Cause.STALE_STATE, "no wrench measurement, the load cannot be judged")
        stamp = state.stamps[WRENCH]
        if not now - stamp <= limits.force_time:
            text = f"wrench {1e3 * (now - stamp):.0f} ms old, limit {1e3 * limits.force_time:g} ms"
            return Refusal(Cause.STALE_STATE, text, "", now - stamp, limits.force_time)
        if not self._recent or stamp != self._recent[-1][0]:
            self._take(state, stamp)
        mean = float(np.mean([load for _, load in self._recent]))
        whole = stamp - self._begun >= limits.force_time * (1.0 - ROUNDING)
        for what, value, limit in (
            ("load", self.load, limits.peak_force),
            (f"mean load over {limits.force_time:g} s", mean, limits.force if whole else np.inf),
        ):
            if not value <= limit:
                text = f"{what} is {value:.1f} N, limit {limit:g} N"
                return Refusal(Cause.FORCE, text, "", value, limit, limit - value)
        return None

    def _take(self, state: RobotState, stamp: float) -> None:
        rotation, _ = self._kinematics.pose(state.joint_position)
        felt = rotation @ np.asarray(state.features[WRENCH][:3], np.float64)
        self.force = felt - self._weight
        self._begun = min(self._begun, stamp)
        since = stamp - self._limits.force_time * (1.0 - ROUNDING)
        while self._recent and not since < self._recent[0][0] <= stamp:
            self._recent.popleft()
        self._recent.append((stamp, self.load))


def carried_links(robot: RobotSpec, link: str) -> list[Link]:
    """Return a link and all that hang on it, parents first."""
    carried = {link}
    for entry in robot.links:  # parents first
        if entry.parent in carried:
            carried.add(entry.name)
    return [entry for entry in robot.links if entry.name in carried]


def carried_mass(robot: RobotSpec, link: str) -> float:
    """Return the mass of a link and of all that hangs on it. [kg]."""
    return sum(entry.mass for entry in carried_links(robot, link))
