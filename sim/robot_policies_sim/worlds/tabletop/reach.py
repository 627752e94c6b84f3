"""Closed-form inverse kinematics of the SO-101's five joints: jaws down, at a point and a turn.

The pan joint turns the arm's plane to the point; in that plane two links and the way to the point
are a triangle. Jaws point straight down where the wrist can bend that far. Where it cannot, it
bends as far as it should, forearm and hand are one crooked link, and the jaws lean outward.
Lengths and ranges are the robot table's.
"""

import numpy as np

from robot_policies.interface import ContractError, RobotSpec

ARM = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll")
GRIPPER = "gripper"
WRIST = ARM.index("wrist_flex")
SPARE = 0.1  # rad of the wrist's range kept free, for an imitator's errors


class Reach:
    """Joint positions of the arm for a pose of its tip."""

    def __init__(self, robot: RobotSpec) -> None:
        """Read lengths and ranges.

        Args:
            robot: The SO-101's table.
        """
        x, _, z = np.transpose([link.position for link in robot.links])
        at = {link.name: i for i, link in enumerate(robot.links)}
        self._shoulder = x[at["upper_arm"]], z[at["shoulder"]] + z[at["upper_arm"]]
        self._upper, self._fore = z[at["forearm"]], z[at["wrist"]]
        self._hand = z[at["hand"]] + z[at["tip"]]
        arm = [robot.joint_names.index(name) for name in ARM]
        self._lower, self._higher = robot.lower[arm], robot.upper[arm]
        self._higher[WRIST] -= SPARE
        # The crooked link: its length, and its direction from the forearm's.
        crook = self._higher[WRIST]
        along, across = self._fore + self._hand * np.cos(crook), self._hand * np.sin(crook)
        self._crooked = np.hypot(along, across)
        self._crook = np.arctan2(across, along)

    def joints(self, position: np.ndarray, roll: float) -> np.ndarray:
        """Return the joint positions that bring the tip to a point.

        Args:
            position: Of the tip, in the base frame. Shape (3,). [m]
            roll: Of the wrist. [rad]

        Returns:
            In the order of `ARM`. Shape (5,). [rad]

        Raises:
            ContractError: If the point is out of reach.
        """
        ahead = np.hypot(position[0], position[1]) - self._shoulder[0]
        above = position[2] - self._shoulder[1]
        lift, bend = _two_links(ahead, above + self._hand, self._upper, self._fore)
        wrist = np.pi - lift - bend
        if not wrist <= self._higher[WRIST]:  # also where straight down is out of reach
            lift, bend = _two_links(ahead, above, self._upper, self._crooked)
            bend, wrist = bend - self._crook, self._higher[WRIST]
        pan = np.arctan2(position[1], position[0])
        joints = np.array([pan, lift, bend - np.pi / 2.0, wrist, roll])
        if not ((self._lower <= joints) & (joints <= self._higher)).all():  # so is NaN
            raise ContractError(f"tip position {np.round(position, 3).tolist()} m: out of reach")
        return joints


def _two_links(ahead: float, above: float, first: float, second: float) -> tuple[float, float]:
    """Return the angle of the first link from upright and that between them, bent upward.

    By the law of cosines: cos(bend) = (r^2 - a^2 - b^2) / (2 a b) for links a and b and a point at
    the distance r. The first link is off the point's direction by atan2(b sin(bend), a +
    b cos(bend)); Craig, Introduction to Robotics, chapter 4.

    Args:
        ahead: Of the point, from the joint they begin with. [m]
        above: Likewise. [m]
        first: Length of the first link. [m]
        second: Length of the second link. [m]

    Returns:
        NaN if the point is too far or too near. [rad]
    """
    cosine = (ahead**2 + above**2 - first**2 - second**2) / (2.0 * first * second)
    if not -1.0 <= cosine <= 1.0:
        return np.nan, np.nan
    bend = float(np.arccos(cosine))
    inner = np.arctan2(second * np.sin(bend), first + second * cosine)
    return float(np.arctan2(ahead, above) - inner), bend
