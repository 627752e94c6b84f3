"""How an attempt at dressing is judged: by its end, and by the load on the arm throughout.

A simulation that breaks (an edge stretched beyond belief, an arm through the cloth, numbers that
are none) ends the attempt as a failure of that cause, wherever the sleeve is by then.
"""

from collections.abc import Mapping

import numpy as np

from robot_policies.interface import Command, CommandMode, RobotState
from robot_policies_sim.scene.cloth import Cloth
from robot_policies_sim.worlds.dressing.person import LENGTHS, arm_joints
from robot_policies_sim.worlds.dressing.progress import (
    Dressed,
    broken,
    dressed,
    self_intersections,
)

SUCCESS = 0.7  # upper-arm ratio; that of the follow-up, arXiv 2509.12741
ENOUGH, REST = 0.9, 3  # upper-arm ratio, looks in a row: nothing is left to do
LOOK = 5  # control steps; the cloth is looked at ten times a second
FAULTS = ("not_finite", "stretch", "penetration")


class DressingTrial:
    """One attempt. Without truth, on a real arm, only the stops are counted."""

    def __init__(self, cloth: Cloth, horizon: float) -> None:
        """Start with nothing seen.

        Args:
            cloth: The sleeve of this attempt.
            horizon: Longest duration. [s]
        """
        self._cloth, self._horizon = cloth, horizon
        self._start: float | None = None
        self._elapsed = 0.0
        self._dressed: Dressed | None = None
        self._vertices: np.ndarray | None = None
        self._joints = np.zeros((4, 3))
        self._loads: list[float] = []
        self._resting = self._stops = 0
        self._held, self._strain, self._fault = False, 1.0, ""

    def goal(self, now: float) -> Mapping[str, np.ndarray | str]:
        """Return nothing: a policy of this task can do nothing else."""
        return {}

    def observe(self, state: RobotState, command: Command | None) -> None:
        """Take note of one control step."""
        self._start = state.stamp if self._start is None else self._start
        self._elapsed = state.stamp - self._start
        held = command is not None and command.mode is not CommandMode.POLICY
        self._stops += held and not self._held and bool(self._loads)
        self._held = held
        vertices = state.truth.get(f"cloth.{self._cloth.name}")
        if vertices is None or self._fault:
            return
        self._loads.append(arm_load(state.truth, self._cloth.name))
        self._vertices, self._joints = vertices, arm_joints(state.truth)
        if len(self._loads) % LOOK == 1:
            self._look()
            now = self._dressed
            enough = now is not None and now.upper_ratio >= ENOUGH
            self._resting = self._resting + 1 if enough else 0

    def _look(self) -> None:
        """Judge the cloth as it is now."""
        assert self._vertices is not None
        self._fault = broken(self._cloth, self._vertices, self._joints)
        if not self._fault:
            self._strain = max(self._strain, self._cloth.strain(self._vertices))
            self._dressed = dressed(self._vertices[: self._cloth.around], self._joints)

    def done(self) -> bool:
        """Return whether the arm is dressed, the simulation broke, or the time is over."""
        over = self._elapsed >= self._horizon - 1e-9
        return bool(self._fault) or self._resting >= REST or over

    def progress(self) -> float:
        """Return the share of the arm that is dressed now."""
        return self._dressed.whole_ratio if self._dressed else 0.0

    def metrics(self) -> Mapping[str, float]:
        """Return ratios of the last moment, loads [N], stops, and what became of the cloth."""
        measured = {"stops": float(self._stops), "time": self._elapsed}
        if self._vertices is None:
            return measured | {"success": 0.0}
        self._look()
        fault, loads = bool(self._fault), np.array(self._loads)
        now = self._dressed or Dressed(0.0, 0.0, 0.0, 0.0)
        return measured | {
            "success": float(not fault and now.upper_ratio >= SUCCESS),
            "whole_arm_ratio": 0.0 if fault else now.whole_ratio,
            "upper_arm_ratio": 0.0 if fault else now.upper_ratio,
            "peak_force": float(loads.max()),
            "mean_force": float(loads.mean()),
            "stretch": self._strain,
            "self_intersections": float(self_intersections(self._cloth, self._vertices)),
            **{f"broken_{cause}": float(self._fault == cause) for cause in FAULTS},
        }


def arm_load(truth: Mapping[str, np.ndarray], cloth: str) -> float:
    """Return the sum of the normal forces of sleeve and robot on the arm. [N]."""
    return sum(
        float(truth[f"contact.{thing}.{part}"][0])
        for thing in (cloth, "robot")
        for part in LENGTHS
    )
