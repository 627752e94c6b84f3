"""Demonstrators of `tabletop_obstacle`: some go round the obstacle, some go straight.

What a demonstration is worth differs on purpose. A policy that imitates both kinds reaches the pad
and often touches the obstacle, and its own attempts differ enough for one to be preferred.
"""

from collections.abc import Mapping

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
from robot_policies.interface.observation import STATE, TASK
from robot_policies_sim.worlds.scripted import ScriptedExpert, measured_joints
from robot_policies_sim.worlds.tabletop.table import CUBE_HALF

DT = 0.1  # s between two actions
FASTEST = 0.022  # m per action
EASING = 0.55  # share of the remaining way per action
DETOURS, NEARER = 0.7, 0.8  # share that goes round, and of those round the nearer side
ROUND = 0.1  # m from the obstacle's axis to the way-point beside it
IN_THE_WAY = 0.085  # m; an obstacle further off the straight way is passed by
CARRY, LOW = 0.052, 0.0195  # m, heights of the tip
OVER = 0.012  # m of the pad's centre at which the cube is lowered
CLOSED, OPEN = 0.1, 0.6  # rad; closed is inside the cube, which is how the jaw presses
OPENING, OPENED = 0.36, 0.42  # rad; jaws that let go, and that have let go
BACK = 0.004  # m per action
CALM = 0.04  # m from where it goes within which the noise fades out
DOWN = 0.004  # m above where it will lie at which the cube is let go
UP = 0.015  # m per action, and down
NOISE_UP = 0.001  # m


class DetourExpert(ScriptedExpert):
    """A `Policy` of displacements with the truth of the simulator it acts in."""

    def __init__(
        self, simulator: Simulator, meanings: Mapping[str, tuple[str, str]], noise: float
    ) -> None:
        """Take joint names from the robot's table.

        Args:
            simulator: Where it acts; its truth is read, nothing is written.
            meanings: Names of cube and pad by instruction.
            noise: Standard deviation of each displacement along x and y. [m]
        """
        self._simulator, self._meanings, self._noise = simulator, meanings, noise
        robot = simulator.spec
        self.robot = robot.name
        self.observation_spec = ObservationSpec({STATE: measured_joints(robot)}, needs_task=True)
        names = (*CARTESIAN_DELTA_NAMES, robot.joint_names[-1])
        units = (*("m",) * 3, *("rad",) * 4)
        array = ArraySpec("action", (len(names),), np.dtype(np.float64), units, names)
        self.action_spec = ActionSpec(ActionKind.CARTESIAN_DELTA, array, dt=DT, horizon=1)
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Forget the episode, and decide how the next one is done."""
        self._rng = np.random.default_rng([seed, 2])
        self._round = self._rng.random() < DETOURS
        self._nearer = self._rng.random() < NEARER
        self._way: np.ndarray | None = None

    def act(self, observation: Observation) -> ActionChunk:
        """Return one displacement. Shape (1, 7). [m], [rad]."""
        self.observation_spec.validate(observation)
        state = self._simulator.read(pictures=False)
        cube, pad = self._meanings[str(observation[TASK])]
        row = self._row(state, cube, pad)
        return self.answer(observation, row)

    def _row(self, state: RobotState, cube: str, pad: str) -> np.ndarray:
        """Return the displacement of this moment. Shape (7,). [m], [rad].

        Of the way d that is left the tip goes min(FASTEST, EASING |d|) d / |d|. Its noise fades
        out over the last `CALM` metres, and heights change by at most `UP` [own].
        """
        truth = state.truth
        at, goal = truth[f"object.{cube}"][:3], truth[f"object.{pad}"][:2]
        tip, obstacle = truth["end_effector"][:3], truth["object.obstacle"][:2]
        if self._way is None:
            self._plan(at[:2], goal, obstacle)
        assert self._way is not None
        if self._round and (at[:2] - self._way) @ self._ahead > -0.02:
            self._round = False  # past it
        target = self._way if self._round else goal
        over = float(np.linalg.norm(goal - at[:2]))
        low = over < OVER or (over < 2.0 * OVER and tip[2] < CARRY - 0.012)
        jaw = state.joint_position[-1]
        if jaw > OPENING or (low and at[2] < CUBE_HALF + DOWN):
            # The jaw that does not move is drawn back from the cube while the other one opens.
            return np.array([0.0, -BACK, UP if jaw > OPENED else 0.0, *np.zeros(3), OPEN])
        step = target - at[:2]
        size = float(np.linalg.norm(step))
        step *= min(FASTEST, EASING * size) / max(size, 1e-9)
        noise = self._noise * min(1.0, size / CALM) * self._rng.standard_normal(2)
        rise = float(np.clip((LOW if low else CARRY) - tip[2], -UP, UP))
        rise += NOISE_UP * self._rng.standard_normal()
        return np.array([*(step + noise), rise, *np.zeros(3), CLOSED])

    def _plan(self, start: np.ndarray, goal: np.ndarray, obstacle: np.ndarray) -> None:
        """Choose the way-point beside the obstacle, if there is one to be passed."""
        way = goal - start
        length = float(np.linalg.norm(way))
        self._ahead = way / max(length, 1e-9)
        across = np.array([-self._ahead[1], self._ahead[0]])
        beside, along = (obstacle - start) @ across, (obstacle - start) @ self._ahead
        side = -1.0 if beside > 0.0 else 1.0
        side = side if self._nearer else -side
        self._way = obstacle + side * ROUND * across
        reachable = 0.11 < np.hypot(*self._way) < 0.31
        if not reachable:
            self._way = obstacle - side * ROUND * across
        self._round &= bool(abs(beside) < IN_THE_WAY and 0.0 < along < length)
