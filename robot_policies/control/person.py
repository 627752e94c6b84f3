"""Beside a person: what the robot feels and sees of them at every control step, and two rules.

    force         latches: the robot lets go of what it holds, backs off and stands still
    cloud_stale   holds until the person is seen again
    human_moved   holds until the person holds still again
    proximity     a step that leads what is carried too near is refused; away it may always go
    velocity      the watched link goes no faster than beside a person

What only holds never becomes a latched stop: people move, and a camera may be covered for a while.
"""

import numpy as np

from robot_policies.control.carried_body import CarriedBody
from robot_policies.control.load import LoadJudge
from robot_policies.control.person_cloud import PersonCloud
from robot_policies.control.refusal import Cause, Refusal
from robot_policies.control.retreat import Retreat
from robot_policies.control.rules import CommandStep, Rules
from robot_policies.interface import ConfigError, RobotSpec, RobotState
from robot_policies.interface.backend import ROUNDING
from robot_policies.interface.kinematics import Kinematics
from robot_policies.interface.observation import WRENCH
from robot_policies.interface.person import PersonLimits

HOLDING = frozenset({Cause.PROXIMITY, Cause.CLOUD_STALE, Cause.HUMAN_MOVED})
STANDING = frozenset({Cause.FORCE, Cause.REFUSALS})  # stops after which the robot is not damped


class PersonJudge:
    """Judges measurements and steps of one robot.

    Attributes:
        rules: What its steps must satisfy.
    """

    def __init__(self, robot: RobotSpec, limits: PersonLimits) -> None:
        """Take the robot and its limits beside a person.

        Args:
            robot: The robot.
            limits: Those beside a person.

        Raises:
            ConfigError: If the robot cannot feel or see a person, or has no link that is watched.
        """
        if robot.cloud is None or robot.workspace is None:
            missing = "cloud" if robot.cloud is None else "workspace"
            raise ConfigError(f"'{robot.name}' beside a person: its table has no {missing}")
        self._load, self._cloud = LoadJudge(robot, limits), PersonCloud(limits)
        self._link, self._limits = robot.workspace.link, limits
        self._kinematics, self._body = Kinematics(robot, self._link), CarriedBody(robot)
        self._retreat = Retreat(limits, 1.0 / robot.control_rate)
        self.rules = Rules(place=(self._near,), way=(self._fast,))

    def judge(self, state: RobotState, now: float) -> Refusal | None:
        """Refuse to go on with a load, or with what is not known of the person.

        Args:
            state: The newest measurement.
            now: Time. [s]
        """
        return self._load.judge(state, now) or self._cloud.judge(state, now)

    def restart(self) -> None:
        """Follow a clock that jumped: what was measured before does not count."""
        self._load.forget()
        self._cloud.unseen()
        self._retreat.end()

    def begin_retreat(self, measured: np.ndarray, command: np.ndarray, stamp: float) -> np.ndarray:
        """Begin to back off from what presses, and return from where. Shape (n,).

        That is the measured pose: what the robot was on its way to pressed. But a servo that does
        not carry the arm's whole weight hangs below its command. Told to stay where it hangs, it
        would lay the arm's weight on what is below; so it is the command if that is further away.

        Args:
            measured: Joint positions. Shape (n,). [rad], [m]
            command: The command in force. Shape (n,). [rad], [m]
            stamp: Of the measurement. [s]
        """
        force = self._load.force
        self._retreat.begin(force, stamp)
        away = float((self._tip(command) - self._tip(measured)) @ force)
        return command if away > 0.0 else measured

    def retreat(self, state: RobotState, joints: np.ndarray) -> np.ndarray:
        """Return where a robot that pressed backs off to after a measurement. Shape (n,).

        Args:
            state: The measurement, already judged.
            joints: The command in force. Shape (n,). [rad], [m]
        """
        way = self._retreat.step(self._load.force, state.stamps.get(WRENCH, -np.inf))
        return self._kinematics.step(joints, np.concatenate([way, np.zeros(3)]))

    def _near(self, step: CommandStep) -> Refusal | None:
        limit = self._limits.clearance
        there = self._gap(step.target)
        if there >= limit or there >= self._gap(step.previous):
            return None
        text = f"the robot's hand would come within {1e3 * there:.0f} mm of the person"
        return Refusal(
            Cause.PROXIMITY, f"{text}, limit {1e3 * limit:g} mm", "", there, limit, there - limit
        )

    def _fast(self, step: CommandStep) -> Refusal | None:
        limit = self._limits.speed
        way = self._tip(step.target) - self._tip(step.previous)
        speed = float(np.linalg.norm(way)) / step.span
        if speed <= limit * (1.0 + ROUNDING):
            return None
        text = f"'{self._link}' would move at {speed:.3f} m/s beside a person, limit {limit:g} m/s"
        return Refusal(Cause.VELOCITY, text, "", speed, limit, limit - speed)

    def _gap(self, joints: np.ndarray) -> float:
        """Return how far the person is from what is carried, and from the watched link. [m]."""
        body = self._body.distance(self._cloud.points, joints)
        return min(body, self._cloud.distance(self._tip(joints)))

    def _tip(self, joints: np.ndarray) -> np.ndarray:
        return self._kinematics.pose(joints)[1]
