"""How an attempt with the planar arm is judged: by where peg, goal and obstacle are.

    reach, detour   the peg comes to the goal
    avoid           the peg gets away from the obstacle
    orbit           the peg goes round the obstacle once, counter-clockwise and near it
    push            the obstacle, a puck here, comes to the goal

Except for the puck, whatever comes closer to the obstacle than `TOUCH` has collided, and what it
reaches afterwards is no success.
"""

from collections.abc import Mapping

import numpy as np

from robot_policies.interface import Command, RobotState

PEG, POST = 0.015, 0.06  # m, radii
TOUCH = 0.08  # m between the axes of peg and post: 5 mm of air
REACHED = 0.05  # m
CLEAR = 0.28  # m
RING = 0.26  # m; a circle further out is none round this obstacle
TURN = 2.0 * np.pi  # rad


class ArmTrial:
    """One attempt. Without truth, on a real arm, only the time is measured."""

    def __init__(self, aim: str, horizon: float, period: float) -> None:
        """Start with nothing seen.

        Args:
            aim: One of those above.
            horizon: Longest duration. [s]
            period: Between control steps. [s]
        """
        self._aim, self._horizon, self._period = aim, horizon, period
        self._start: float | None = None
        self._elapsed = self._progress = self._swept = 0.0
        self._first = np.nan  # distance to go at the start
        self._collided = False
        self._angle: float | None = None

    def goal(self, now: float) -> Mapping[str, np.ndarray | str]:
        """Return nothing: goal and obstacle are what the robot is told of its environment."""
        return {}

    def observe(self, state: RobotState, command: Command | None) -> None:
        """Take note of one control step."""
        self._start = state.stamp if self._start is None else self._start
        self._elapsed = state.stamp - self._start
        if "object.obstacle" not in state.truth or self.done():
            return
        peg, goal, obstacle = places(state)
        gap = float(np.linalg.norm(peg - obstacle))
        self._collided |= self._aim != "push" and gap < TOUCH
        if self._aim == "orbit":
            share = self._sweep(peg - obstacle, gap)
        else:
            left = self._left(peg, goal, obstacle)
            self._first = left if np.isnan(self._first) else self._first
            share = 1.0 - left / max(self._first, 1e-9)
        self._progress = max(self._progress, min(share, 1.0))

    def done(self) -> bool:
        """Return whether the aim is reached or the time is over."""
        return self._progress >= 1.0 or self._elapsed >= self._horizon - 1e-9

    def progress(self) -> float:
        """Return the largest share of the way that was ever behind it, 0 to 1."""
        return self._progress

    def metrics(self) -> Mapping[str, float]:
        """Return success, progress, time [s] and, where it must not be touched, collision."""
        success = self._progress >= 1.0 and not self._collided
        measured = {
            "success": float(success),
            "progress": self._progress,
            "time": self._elapsed + self._period,
        }
        return measured if self._aim == "push" else measured | {"collision": float(self._collided)}

    def _left(self, peg: np.ndarray, goal: np.ndarray, obstacle: np.ndarray) -> float:
        """Return how far it is from reaching its aim. [m]."""
        if self._aim == "avoid":
            return max(CLEAR - float(np.linalg.norm(peg - obstacle)), 0.0)
        moved = obstacle if self._aim == "push" else peg
        return max(float(np.linalg.norm(moved - goal)) - REACHED, 0.0)

    def _sweep(self, offset: np.ndarray, gap: float) -> float:
        """Return the share of a turn that is done; it begins anew whenever the peg strays.

        The angles between two steps, folded into [-pi, pi), add up.

        Args:
            offset: Of the peg from the obstacle. Shape (2,). [m]
            gap: Its length. [m]
        """
        angle = float(np.arctan2(offset[1], offset[0]))
        if gap > RING:
            self._swept, self._angle = 0.0, None
        elif self._angle is None:
            self._angle = angle
        else:
            self._swept += (angle - self._angle + np.pi) % TURN - np.pi
            self._angle = angle
        return self._swept / TURN


def places(state: RobotState) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return where peg, goal and obstacle are in the plane. Shape (2,) each. [m]."""
    names = ("end_effector", "object.goal", "object.obstacle")
    peg, goal, obstacle = (state.truth[name][:2] for name in names)
    return peg, goal, obstacle
