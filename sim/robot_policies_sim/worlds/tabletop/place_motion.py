"""How a cube is fetched and put on a pad: a table of phases, and what goes through them.

The reference never waits: a demonstration in which the arm stands still before the jaws have
closed teaches an imitator to stand still for ever.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from robot_policies.interface import RobotSpec, RobotState
from robot_policies.interface.frames import matrix
from robot_policies_sim.worlds.tabletop.reach import GRIPPER
from robot_policies_sim.worlds.tabletop.table import TOUCH
from robot_policies_sim.worlds.tabletop.tip import TipReference

HOVER = 0.065  # m, height of the tip on the way; a carried cube clears a lying one by 17 mm
GRASP = 0.018  # m, height of the tip to grasp: jaws 10 mm above the table
DROP = 0.003  # m higher to let go
OPEN, CLOSED = 0.7, 0.1  # rad; closed is inside the cube, which is how the jaw presses
STALLED = 0.4  # rad/s, jaws that have met the cube
CLOSING, OPENING = 5, 3  # control steps after which the jaws are looked at
PATIENCE = 60  # control steps a phase lasts at most
LOST = 0.02  # m the cube may be off the grasp before it is fetched again


class PlaceMotion:
    """Fetches one cube and puts it on one pad.

    Attributes:
        phase: Its name in `PHASES`.
    """

    def __init__(self, robot: RobotSpec, state: RobotState, cube: str, pad: str) -> None:
        """Begin where the arm is.

        Args:
            robot: The SO-101's table.
            state: The first one.
            cube: Name of the cube.
            pad: Name of the pad.
        """
        self._tip = TipReference(robot, state)
        self._pan, self._roll = (
            robot.joint_names.index(j) for j in ("shoulder_pan", "wrist_roll")
        )
        self._gripper = robot.joint_names.index(GRIPPER)
        self._cube, self._pad = f"object.{cube}", f"object.{pad}"
        self._contact = f"robot_contact.{cube}"
        self._carry = np.zeros(2)  # m, from cube to tip in the hand's frame, while it is carried
        self.phase, self._clock = "above", 0

    def step(self, state: RobotState, push: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Move the reference on by one control step.

        Args:
            state: What there is now.
            push: Displacement x, y, z [m] and roll [rad] of what is done against what is meant.

        Returns:
            Joint targets as meant and with the push. Shape (6,) each. [rad]
        """
        self._clock += 1
        following = self._go_on(PHASES[self.phase], state)
        if following is None and self._clock > PATIENCE:
            following = "above"
        if following is not None:
            self.phase, self._clock = following, 0
        return self._tip.joints(push)

    def _go_on(self, phase: "Phase", state: RobotState) -> str | None:
        """Do a phase's part of one step; return which phase follows, if it is over."""
        if phase.jaw is not None:
            self._tip.move_jaw(phase.jaw)
        if phase.carries and self._is_dropped(state):
            return "above"
        if phase.goal is not None:
            goal = np.append(phase.goal(self, state), phase.height)
            roll = self._square_with_cube(state) if phase.squares else self._tip.roll
            self._tip.go(goal, roll, phase.speed)
            is_over = self._tip.has_come(state, goal)
        else:
            is_over = phase.ends(self, state)
        if not is_over:
            return None
        return "above" if phase.grasps and not self._take(state) else phase.then

    def over_cube(self, state: RobotState) -> np.ndarray:
        """Return where the cube is in the plane. Shape (2,). [m]."""
        return state.truth[self._cube][:2]

    def over_pad(self, state: RobotState) -> np.ndarray:
        """Return where the tip has to be for the cube to be over the pad's centre.

        The hand's heading is the pan angle of that point minus the roll; the cube's offset in the
        hand turns with it. Shape (2,). [m].
        """
        pad = state.truth[self._pad][:2]
        heading = np.arctan2(pad[1], pad[0]) - self._tip.roll
        return pad + _rotation(heading) @ self._carry

    def straight(self, state: RobotState) -> np.ndarray:
        """Return where the reference is in the plane. Shape (2,). [m]."""
        return self._tip.position[:2]

    def has_closed(self, state: RobotState) -> bool:
        """Return whether the jaws have met something."""
        return self._clock > CLOSING and abs(state.joint_velocity[self._gripper]) < STALLED

    def has_let_go(self, state: RobotState) -> bool:
        """Return whether the jaws touch the cube no longer, or can open no further."""
        released = state.truth[self._contact][0] < TOUCH or self._tip.jaw == OPEN
        return self._clock > OPENING and released

    def _is_dropped(self, state: RobotState) -> bool:
        return state.truth[self._cube][2] < HOVER / 2.0

    def _take(self, state: RobotState) -> bool:
        """Note how the cube lies in the hand; return whether it does."""
        # The closing jaw has pushed the cube across to the other one.
        offset = state.truth["end_effector"][:2] - state.truth[self._cube][:2]
        heading = state.joint_position[self._pan] - state.joint_position[self._roll]
        self._carry = _rotation(-heading) @ offset
        return not (np.linalg.norm(offset) > LOST or self._is_dropped(state))

    def _square_with_cube(self, state: RobotState) -> float:
        """Return the wrist's roll that squares the jaws with the cube, a quarter turn or less.

        A cube looks alike after a quarter turn: the angle between its x axis and the direction it
        lies in is folded into [-45, 45) degrees. [rad].
        """
        pose = state.truth[self._cube]
        ahead = matrix(pose[3:])[:, 0]
        turn = np.arctan2(ahead[1], ahead[0]) - np.arctan2(pose[1], pose[0])
        return -((turn + np.pi / 4.0) % (np.pi / 2.0) - np.pi / 4.0)


@dataclass(frozen=True)
class Phase:
    """One part of the way: where the tip goes, what the jaws do, and what comes then.

    Attributes:
        then: The next phase.
        goal: Where the tip goes in the plane; `None` leaves it where it is. [m]
        height: Where it goes above the table. [m]
        speed: Of the tip. [m/s]
        squares: Whether the wrist turns to square the jaws with the cube.
        jaw: Where the jaws go; `None` leaves them where they are. [rad]
        ends: When a phase without a goal is over; with one, it is over when the tip has come.
        grasps: Whether the cube has to be in the hand at its end, or else everything begins anew.
        carries: Likewise all the time.
    """

    then: str
    goal: Callable[[PlaceMotion, RobotState], np.ndarray] | None = None
    height: float = HOVER
    speed: float = 0.0
    squares: bool = False
    jaw: float | None = None
    ends: Callable[[PlaceMotion, RobotState], bool] = lambda motion, state: False
    grasps: bool = False
    carries: bool = False


CUBE, PAD, STRAIGHT = PlaceMotion.over_cube, PlaceMotion.over_pad, PlaceMotion.straight
PHASES: Mapping[str, Phase] = {
    "above": Phase("down", CUBE, speed=0.3, squares=True, jaw=OPEN),
    "down": Phase("close", CUBE, GRASP, speed=0.22, squares=True),
    "close": Phase("lift", jaw=CLOSED, ends=PlaceMotion.has_closed),
    "lift": Phase("over", STRAIGHT, speed=0.26, grasps=True),
    "over": Phase("lower", PAD, speed=0.3, carries=True),
    "lower": Phase("open", PAD, GRASP + DROP, speed=0.22),
    "open": Phase("retreat", jaw=OPEN, ends=PlaceMotion.has_let_go),
    # Nothing is left to do then; the task decides whether it is done.
    "retreat": Phase("retreat", STRAIGHT, speed=0.3, jaw=OPEN),
}


def _rotation(angle: float) -> np.ndarray:
    """Return the matrix that turns vectors in the plane counter-clockwise. Shape (2, 2)."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, -sine], [sine, cosine]])
