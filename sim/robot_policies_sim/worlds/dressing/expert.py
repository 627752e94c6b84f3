"""A scripted expert that dresses an arm, looking at the simulator's truth.

It leads the cuff along a path above the arm: over the hand, out past the elbow in a wide turn and
a little higher there, and down the upper arm to the shoulder. It goes slower the harder the sleeve
presses, and back along its path when it presses too hard. What it asks for depends on the present
alone, so that it can be asked about states that another policy has come to.
"""

from dataclasses import dataclass

import numpy as np

from robot_policies.interface import (
    ActionChunk,
    ActionKind,
    ActionSpec,
    ArraySpec,
    Observation,
    ObservationSpec,
    RobotState,
    Simulator,
)
from robot_policies.interface.action import CARTESIAN_DELTA_NAMES
from robot_policies.interface.frames import matrix
from robot_policies.interface.observation import STATE
from robot_policies_sim.worlds.dressing.person import arm_joints
from robot_policies_sim.worlds.dressing.trial import arm_load
from robot_policies_sim.worlds.scripted import ScriptedExpert, measured_joints

PERIOD = 0.1  # s
# m; the path begins before the fingertips and ends beyond the shoulder: the opening lags behind
BEFORE, AFTER, SPACING = 0.05, 0.05, 0.005
UNITS = ("m",) * 3 + ("rad",) * 3


@dataclass(frozen=True)
class Manner:
    """How it dresses; found by trying on the training poses.

    Attributes:
        speed: Along the path. [m/s]
        turn: Largest change of heading. [rad/s]
        ahead: How far ahead on the path it aims. [m]
        above: Of the tip over the arm's axis. [m]
        outside: How far the turn goes past the elbow, out of the bend. [m]
        lift: How much higher it is there. [m]
        width: Of the turn along the path, to each side. [m]
        calm: Load up to which it goes at full speed. [N]
        firm: Load at which it stands still; beyond, it goes back. [N]
    """

    speed: float = 0.08
    turn: float = 0.8
    ahead: float = 0.03
    above: float = 0.095
    outside: float = 0.03
    lift: float = 0.02
    width: float = 0.1
    calm: float = 4.0
    firm: float = 12.0


class DressingExpert(ScriptedExpert):
    """A `Policy` that knows where the arm is and how hard the sleeve presses."""

    robot = "xarm7"

    def __init__(self, simulator: Simulator, manner: Manner | None = None) -> None:
        """Take joint names from the robot's table.

        Args:
            simulator: Where it acts; its truth is read, nothing is written.
            manner: How it dresses.
        """
        self._simulator, self._manner = simulator, manner or Manner()
        self.observation_spec = ObservationSpec({STATE: measured_joints(simulator.spec)})
        array = ArraySpec("action", (6,), np.dtype(np.float64), UNITS, CARTESIAN_DELTA_NAMES)
        self.action_spec = ActionSpec(ActionKind.CARTESIAN_DELTA, array, dt=PERIOD, horizon=1)

    def reset(self, seed: int) -> None:
        """Do nothing: it remembers nothing."""

    def act(self, observation: Observation) -> ActionChunk:
        """Return one row. Shape (1, 6). [m], [rad]."""
        self.observation_spec.validate(observation)
        row = self.displacement(self._simulator.read(pictures=False))
        return self.answer(observation, row)

    def displacement(self, state: RobotState) -> np.ndarray:
        """Return what it does now: x, y, z [m] and rotation vector [rad]. Shape (6,)."""
        manner, load = self._manner, arm_load(state.truth, "sleeve")
        pace = float(np.clip((manner.firm - load) / (manner.firm - manner.calm), -0.5, 1.0))
        return self._towards(state, pace)

    def lesson(self, state: RobotState) -> np.ndarray:
        """Return what it would do if it felt no load, for learners that feel none. Shape (6,).

        One who imitates answers to a load that is not seen learns to stand still at the elbow.
        """
        return self._towards(state, 1.0)

    def _towards(self, state: RobotState, pace: float) -> np.ndarray:
        """Return a step along the path, at a share of the full speed; backwards below 0."""
        manner = self._manner
        path = self.path(arm_joints(state.truth))
        pose = state.truth["end_effector"]
        here = path.nearest(pose[:3])
        if pace < 0.0:
            goal, heading = path.at(here - manner.ahead)
        else:
            goal, heading = path.at(here + manner.ahead)
        way = goal - pose[:3]
        longest = abs(pace) * manner.speed * PERIOD
        way *= min(1.0, longest / max(float(np.linalg.norm(way)), 1e-9))
        forward = matrix(pose[3:])[:, 0]
        off = heading - np.arctan2(forward[1], forward[0])
        off = (off + np.pi) % (2.0 * np.pi) - np.pi
        yaw = float(np.clip(off, -manner.turn * PERIOD, manner.turn * PERIOD))
        return np.array([*way, 0.0, 0.0, yaw])

    def path(self, joints: np.ndarray) -> "Path":
        """Return the way of the tip along an arm.

        Args:
            joints: Shoulder, elbow, wrist and fingertips. Shape (4, 3). [m]
        """
        manner, (shoulder, elbow, _, tips) = self._manner, joints
        lower, upper = elbow - tips, shoulder - elbow
        length = float(np.linalg.norm(lower))
        whole = length + float(np.linalg.norm(upper))
        s = np.arange(-BEFORE, whole + AFTER, SPACING)[:, None]
        on = np.where(
            s < length,
            tips + lower * s / length,
            elbow + upper * (s - length) / (whole - length),
        )
        headings = np.unwrap([np.arctan2(lower[1], lower[0]), np.arctan2(upper[1], upper[0])])
        out = lower / length - upper / (whole - length)
        out /= max(float(np.linalg.norm(out)), 1e-9)
        near = np.exp(-(((s - length) / manner.width) ** 2))  # 1 at the elbow
        points = on + near * manner.outside * out
        points[:, 2:] += manner.above + near * manner.lift
        turned = np.clip((s[:, 0] - length) / (2.0 * manner.width) + 0.5, 0.0, 1.0)
        turned = turned * turned * (3.0 - 2.0 * turned)
        return Path(points, headings[0] + turned * (headings[1] - headings[0]))


@dataclass(frozen=True, eq=False)
class Path:
    """A way in space, sampled evenly along the arm.

    Attributes:
        points: Shape (n, 3). [m]
        headings: Of the gripper's x axis in the plane. Shape (n,). [rad]
    """

    points: np.ndarray
    headings: np.ndarray

    def nearest(self, point: np.ndarray) -> float:
        """Return how far along the path it comes closest. [m]."""
        return SPACING * int(np.argmin(np.linalg.norm(self.points - point, axis=1)))

    def at(self, length: float) -> tuple[np.ndarray, float]:
        """Return point [m] and heading [rad] so far along the path [m], or at its end."""
        i = int(np.clip(round(length / SPACING), 0, len(self.points) - 1))
        return self.points[i], float(self.headings[i])
