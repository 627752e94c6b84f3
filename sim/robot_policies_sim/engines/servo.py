"""What the joint servo of a simulated robot tracks: a position, or one that moves."""

from collections.abc import Callable

import numpy as np

from robot_policies.interface import ActionKind, Command, RobotSpec
from robot_policies.interface.robot_parts import Gains


class ServoTarget:
    """The target in force, and how stiffly it is held.

    Attributes:
        position: Shape (n,). [rad], [m]
        gains: Of the servo.
    """

    def __init__(self, robot: RobotSpec, strength: float, position: np.ndarray) -> None:
        """Hold a position.

        Args:
            robot: The robot as it is in this episode.
            strength: Of its motors, a factor on gains that a command brings along. [1]
            position: Where the joints are. Shape (n,). [rad], [m]
        """
        self._robot, self._strength = robot, strength
        self.position, self.gains = position, robot.gains["hold"]
        self._speed = np.zeros(len(position))

    @property
    def moves(self) -> bool:
        """Whether the target moves by itself."""
        return bool(self._speed.any())

    def take(self, command: Command, joints: Callable[[], np.ndarray]) -> None:
        """Take up a command.

        Args:
            command: Joint positions, or joint velocities with which the target moves from now on.
            joints: Measures the joint positions. Shape (n,). [rad], [m]
        """
        self.gains, given = self._robot.gains[command.mode], command.gains
        if given is not None:  # weak motors give less than they are asked for
            strength = self._strength
            self.gains = Gains(given.stiffness * strength, given.damping * strength)
        values = np.asarray(command.values, float)
        if command.kind is ActionKind.JOINT_VELOCITY:
            self._speed = values
            self._hold(within_reach(self._robot, self.gains, joints(), self.position))
        else:
            self._speed = np.zeros(len(values))
            self._hold(values)

    def move(self) -> None:
        """Move on by one servo step."""
        self._hold(self.position + self._speed / self._robot.servo_rate)

    def _hold(self, position: np.ndarray) -> None:
        if self.moves:
            position = np.clip(position, self._robot.lower, self._robot.upper)
        self.position = position


def within_reach(
    robot: RobotSpec, gains: Gains, position: np.ndarray, target: np.ndarray
) -> np.ndarray:
    """Return a target that a moving joint may go on from.

    The target of a joint that is held up runs ahead of it. It goes no further than where the servo
    gives all it can, effort / stiffness from the joint, or the joint would leap once it is free.

    Args:
        robot: The robot.
        gains: Of the servo.
        position: Of the joints. Shape (..., n). [rad], [m]
        target: Of the servo. Shape (..., n). [rad], [m]
    """
    stiff = gains.stiffness > 0.0
    ahead = np.where(stiff, robot.effort / np.where(stiff, gains.stiffness, 1.0), 0.0)
    return np.clip(target, position - ahead, position + ahead)
