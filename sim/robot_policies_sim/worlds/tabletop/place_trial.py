"""How an attempt to place a cube is judged: touched, lifted, over its pad, at rest on it."""

from collections.abc import Mapping

import numpy as np

from robot_policies.interface import Command, RobotState
from robot_policies.interface.frames import matrix
from robot_policies.interface.observation import TASK
from robot_policies_sim.worlds.tabletop.table import CUBE_HALF, LYING, PAD_HALF, TOUCH

LIFTED = 0.02  # m above where it lay
STILL = 0.001  # m per control step
REST = 8  # control steps in a row


class TabletopTrial:
    """One attempt. Without truth, on a real table, only the time is measured."""

    def __init__(
        self, instruction: str, cube: str, pad: str, horizon: float, period: float
    ) -> None:
        """Start with nothing seen.

        Args:
            instruction: What is asked for.
            cube: Name of the cube.
            pad: Name of its pad.
            horizon: Longest duration. [s]
            period: Between control steps. [s]
        """
        self._instruction, self._horizon, self._period = instruction, horizon, period
        self._cube, self._pad = cube, pad
        self._start: float | None = None
        self._elapsed = self._progress = 0.0
        self._before: np.ndarray | None = None
        self._resting = 0

    def goal(self, now: float) -> Mapping[str, np.ndarray | str]:
        """Return the instruction."""
        return {TASK: self._instruction}

    def observe(self, state: RobotState, command: Command | None) -> None:
        """Take note of one control step."""
        self._start = state.stamp if self._start is None else self._start
        self._elapsed = state.stamp - self._start
        truth = state.truth
        if f"object.{self._cube}" not in truth:
            return
        cube, pad = truth[f"object.{self._cube}"], truth[f"object.{self._pad}"]
        touched = float(truth[f"robot_contact.{self._cube}"][0]) > TOUCH
        offset = matrix(pad[3:]).T @ (cube[:3] - pad[:3])
        over = bool((np.abs(offset[:2]) <= PAD_HALF).all())
        lifted = cube[2] >= CUBE_HALF + LIFTED
        still = self._before is not None and np.linalg.norm(cube[:3] - self._before) <= STILL
        lying = cube[2] <= CUBE_HALF + LYING
        self._resting = self._resting + 1 if over and lying and still and not touched else 0
        self._before = cube[:3].copy()
        for share, reached in (
            (0.25, touched),
            (0.5, lifted),
            (0.75, over and lifted),
            (1.0, self._resting >= REST),
        ):
            if reached:
                self._progress = max(self._progress, share)

    def done(self) -> bool:
        """Return whether the cube is where it should be."""
        return self._progress == 1.0

    def progress(self) -> float:
        """Return the best so far: touched 0.25, lifted 0.5, held over the pad 0.75, placed 1."""
        return self._progress

    def metrics(self) -> Mapping[str, float]:
        """Return `success`, `progress` and `time` [s], until success or the end."""
        return {
            "success": float(self.done()),
            "progress": self._progress,
            "time": self._elapsed
            if self.done()
            else min(self._elapsed + self._period, self._horizon),
        }
