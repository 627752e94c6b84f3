"""How a trial of `tabletop_obstacle` is judged: where the cube ends, and what was touched.

A trial ends when the cube lies and is let go, wherever that is. It has collided once the robot or
the carried cube has touched the obstacle. Clearance is the least distance in the plane between the
obstacle's surface and the axes of tip and carried cube.
"""

from collections.abc import Mapping

import numpy as np

from robot_policies.interface import Command, RobotState
from robot_policies.interface.observation import TASK
from robot_policies_sim.worlds.tabletop.table import CUBE_HALF, LYING, TOUCH

NEAR = 0.03  # m between the centres of a placed cube and its pad
REST = 4  # control steps in a row without a touch


class ObstacleTrial:
    """One attempt. Without truth, on a real table, only the time is measured."""

    def __init__(
        self, instruction: str, cube: str, pad: str, horizon: float, period: float, radius: float
    ) -> None:
        """Start with nothing seen.

        Args:
            instruction: What is asked for.
            cube: Name of the carried cube.
            pad: Name of its pad.
            horizon: Longest duration. [s]
            period: Between control steps. [s]
            radius: Of the obstacle. [m]
        """
        self._instruction, self._cube, self._pad = instruction, f"object.{cube}", f"object.{pad}"
        self._touches = f"robot_contact.{cube}"
        self._pairs = {"robot_contact.obstacle", *_either(cube, "obstacle")}
        self._horizon, self._period, self._radius = horizon, period, radius
        self._start: float | None = None
        self._elapsed, self._steps, self._resting = 0.0, 0, 0
        self._first = self._progress = 0.0
        self._clearance = np.inf
        self._collided = self._success = self._other = False

    def goal(self, now: float) -> Mapping[str, np.ndarray | str]:
        """Return the instruction."""
        return {TASK: self._instruction}

    def observe(self, state: RobotState, command: Command | None) -> None:
        """Take note of one control step."""
        self._start = state.stamp if self._start is None else self._start
        self._elapsed = state.stamp - self._start
        self._steps += 1
        truth = state.truth
        if self._cube not in truth or self.done():
            return
        cube, pad = truth[self._cube][:3], truth[self._pad][:2]
        obstacle, tip = truth["object.obstacle"][:2], truth["end_effector"][:2]
        self._collided |= any(truth[p][0] > TOUCH for p in self._pairs if p in truth)
        gap = min(np.linalg.norm(point - obstacle) for point in (tip, cube[:2]))
        self._clearance = min(self._clearance, float(gap) - self._radius)
        away = float(np.linalg.norm(cube[:2] - pad))
        self._first = self._first or max(away, NEAR)
        self._progress = max(self._progress, 0.9 * min(1.0, max(0.0, 1.0 - away / self._first)))
        held = truth[self._touches][0] > TOUCH
        lying = cube[2] <= CUBE_HALF + LYING
        self._resting = self._resting + 1 if lying and not held else 0
        if self._resting >= REST:
            self._success = away < NEAR
            self._other = not self._success and any(
                np.linalg.norm(cube[:2] - pose[:2]) < NEAR
                for name, pose in truth.items()
                if name.startswith("object.") and name.endswith("_pad")
            )
            self._progress = 1.0 if self._success else self._progress

    def done(self) -> bool:
        """Return whether the cube lies somewhere, let go."""
        return self._resting >= REST

    def progress(self) -> float:
        """Return the largest share of the way that was behind the cube; 1 once it is placed."""
        return self._progress

    def metrics(self) -> Mapping[str, float]:
        """Return what was measured.

        `success`, `progress`, `time` [s], `steps` of control; with truth also `collision`,
        `wrong_pad` (0 or 1) and `clearance` [m].
        """
        measured = {
            "success": float(self._success),
            "progress": self._progress,
            "time": min(self._elapsed + self._period, self._horizon),
            "steps": float(self._steps),
        }
        if np.isinf(self._clearance):
            return measured
        return measured | {
            "collision": float(self._collided),
            "wrong_pad": float(self._other),
            "clearance": self._clearance,
        }


def _either(one: str, other: str) -> tuple[str, str]:
    return f"contact.{one}.{other}", f"contact.{other}.{one}"
