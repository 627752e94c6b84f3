"""The reference that an expert's arm follows: where its tip is meant to be, and how it gets there.

It moves smoothly and within the limits of the joints, whatever the goal, so that the safety gate
refuses nothing of it.
"""

import numpy as np

from robot_policies.interface import RobotSpec, RobotState
from robot_policies_sim.worlds.tabletop.reach import ARM, GRIPPER, Reach

EASING = 0.25  # share of the remaining way per control step, up to the speed
SPEED_CHANGE = 0.005  # m per control step, change of the reference's step
ROLL_STEP = 0.09  # rad per control step
JAW_STEP = 0.08  # rad per control step; an imitator a step late still passes the gate
# Share of the table's speed and acceleration limits that is used; the gate allows all of them.
SHARE = 0.6
ARRIVED, FOLLOWED = 0.004, 0.009  # m, of the reference and of the tip

NOISE_LOW, NOISE_FULL = 0.022, 0.052  # m, heights between which pushes fade in
NOISE_FLOOR = 0.05  # m; pushes push no lower, so that nothing is knocked over


class TipReference:
    """Position of the tip, roll of the wrist and opening of the jaws, as meant.

    Attributes:
        position: Of the tip. Shape (3,). [m]
        roll: Of the wrist. [rad]
        jaw: Of the gripper's joint. [rad]
    """

    def __init__(self, robot: RobotSpec, state: RobotState) -> None:
        """Begin where the arm is.

        Args:
            robot: The SO-101's table.
            state: The first one.
        """
        self._robot, self._reach, self._rate = robot, Reach(robot), robot.control_rate
        self._arm = [robot.joint_names.index(name) for name in ARM]
        self._gripper = robot.joint_names.index(GRIPPER)
        self._fastest = SHARE * robot.velocity / self._rate  # per control step
        self._steepest = SHARE * robot.acceleration / self._rate**2
        self.position = state.truth["end_effector"][:3].copy()
        self.roll = state.joint_position[robot.joint_names.index("wrist_roll")]
        self.jaw = state.joint_position[self._gripper]
        self._velocity = np.zeros(3)  # per control step
        self._joints, self._moved = state.joint_position.copy(), np.zeros(len(robot.joints))

    def move_jaw(self, goal: float) -> None:
        """Open or close the jaws by a step towards a position [rad]."""
        self.jaw = min(max(goal, self.jaw - JAW_STEP), self.jaw + JAW_STEP)

    def go(self, goal: np.ndarray, roll: float, speed: float) -> None:
        """Move on by one control step.

        The step is a share of the way that is left, no longer than the speed allows, no more
        different from the one before than `SPEED_CHANGE`, and scaled down until no joint is asked
        for more than its limit.

        Args:
            goal: Where the tip is to come. Shape (3,). [m]
            roll: What the wrist is to be turned to. [rad]
            speed: Of the tip, at most. [m/s]
        """
        step = EASING * (goal - self.position)
        step *= min(1.0, speed / self._rate / max(np.linalg.norm(step), 1e-9))
        change = step - self._velocity
        change *= min(1.0, SPEED_CHANGE / max(np.linalg.norm(change), 1e-9))
        self._velocity = self._velocity + change
        here = self._reach.joints(self.position, self.roll)
        there = self._reach.joints(self.position + self._velocity, self.roll)
        slower = _within(there - here, self._fastest[self._arm])
        self._velocity *= np.linalg.norm(slower) / max(np.linalg.norm(there - here), 1e-9)
        self.position = self.position + self._velocity
        self.roll += np.clip(EASING * (roll - self.roll), -ROLL_STEP, ROLL_STEP)

    def has_come(self, state: RobotState, goal: np.ndarray) -> bool:
        """Return whether reference and tip are at a goal."""
        far = np.linalg.norm(state.truth["end_effector"][:3] - goal)
        return bool(np.linalg.norm(goal - self.position) < ARRIVED and far < FOLLOWED)

    def joints(self, push: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what is meant, and what is done instead under a push, no faster than joints may.

        Args:
            push: Displacement of the tip x, y, z [m] and of the roll [rad]. Shape (4,).

        Returns:
            Joint targets, in the order of the table. Shape (6,) each. [rad]
        """
        meant = self._ordered(self._reach.joints(self.position, self.roll), self.jaw)
        share = (self.position[2] - NOISE_LOW) / (NOISE_FULL - NOISE_LOW)
        push = np.clip(share, 0.0, 1.0) * push
        tip = self.position + push[:3]
        tip[2] = max(tip[2], min(self.position[2], NOISE_FLOOR))
        pushed = self._reach.joints(tip, self.roll + push[3])
        aside = self._ordered(pushed - meant[self._arm], 0.0)
        step = meant + aside - self._joints
        step = self._moved + _within(step - self._moved, self._steepest)
        self._moved = _within(step, self._fastest)
        self._joints = np.clip(self._joints + self._moved, self._robot.lower, self._robot.upper)
        return meant, self._joints

    def _ordered(self, arm: np.ndarray, gripper: float) -> np.ndarray:
        joints = np.empty(len(self._robot.joints))
        joints[self._arm], joints[self._gripper] = arm, gripper
        return joints


def _within(values: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Return values scaled down together until each is within its limit.

    The factor is min(1, 1 / max |value / limit|), so that the direction stays.
    """
    return values * min(1.0, 1.0 / max((np.abs(values) / limits).max(), 1e-9))
