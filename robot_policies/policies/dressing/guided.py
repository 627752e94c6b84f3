"""Episodes in which a learner acts and an expert says what it would have done (DAgger).

Ross et al. 2011. Whoever acts, every decision is kept with the expert's answer, what the camera
saw, and the whole scene, so that clouds of either kind can be made of it later.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from robot_policies.data.npz import read_npz
from robot_policies.interface import (
    ActionChunk,
    ConfigError,
    Finding,
    Observation,
    ObservationSpec,
    Policy,
    RobotState,
    Simulator,
    Statistics,
)
from robot_policies.interface.clouds import present
from robot_policies.interface.frames import matrix
from robot_policies.interface.observation import POINTS
from robot_policies.policies.dressing.clouds import heading_of

PULSE, PULSE_STEPS = 0.006, 8  # m per decision and decisions of a push aside
PULSE_CHANCE = 0.04  # of a push beginning at a decision

Actor = Callable[["Moment"], np.ndarray]  # a displacement, [m] and [rad]. Shape (6,)


class Expert(Policy, Protocol):
    """A policy that can be asked about any state."""

    def displacement(self, state: RobotState) -> np.ndarray:
        """Return what it does: [m], [rad]. Shape (6,)."""
        ...

    def lesson(self, state: RobotState) -> np.ndarray:
        """Return what a learner that feels no load should do: [m], [rad]. Shape (6,)."""
        ...


@dataclass(frozen=True, eq=False)
class Moment:
    """One decision.

    Attributes:
        seen: Points of arm and cloth the camera gave: x, y, z, class. Shape (n, 4). [m]
        joints: Shoulder, elbow, wrist, fingertips. Shape (4, 3). [m]
        vertices: Of the sleeve. Shape (v, 3). [m]
        gripper: Where it is. Shape (3,). [m]
        heading: Of its x axis in the plane. [rad]
        answer: What the expert teaches. Shape (6,). [m], [rad]
    """

    seen: np.ndarray
    joints: np.ndarray
    vertices: np.ndarray
    gripper: np.ndarray
    heading: float
    answer: np.ndarray


class Guided:
    """A `Policy` that keeps what happens; the learner acts, or the expert if there is none.

    Attributes:
        moments: Decisions of this episode.
    """

    name = "guided"
    statistics: Mapping[str, Statistics] = {}
    findings: tuple[Finding, ...] = ()

    def __init__(
        self,
        simulator: Simulator,
        expert: Expert,
        arm_joints: Callable[[Mapping[str, np.ndarray]], np.ndarray],
        classes: Sequence[int],
        learner: Actor | None = None,
        expert_share: float = 0.0,
    ) -> None:
        """Take who acts.

        Args:
            simulator: Where it happens.
            expert: Whose answers are kept.
            arm_joints: Tells the arm's joints from the truth.
            classes: Of the points that are kept.
            learner: Who acts; the expert if there is none.
            expert_share: Chance that the expert acts for a while all the same.
        """
        self._simulator, self._expert, self._arm_joints = simulator, expert, arm_joints
        self._learner, self._share, self._classes = learner, expert_share, list(classes)
        self.robot, self.action_spec = expert.robot, expert.action_spec
        points = simulator.spec.streams[POINTS]
        age = {POINTS: 2.0 * self.action_spec.dt}
        self.observation_spec = ObservationSpec({POINTS: points}, max_age=age, max_skew=age)
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Forget the episode and draw its pushes."""
        self._rng = np.random.default_rng([seed, 2])
        self.moments: list[Moment] = []
        self._push, self._left, self._guiding = np.zeros(3), 0, 0

    def act(self, observation: Observation) -> ActionChunk:
        """Keep the decision and answer it. Shape (1, 6)."""
        state = self._simulator.read(pictures=False)
        truth = state.truth
        cloud = present(np.asarray(observation[POINTS]))
        moment = Moment(
            seen=cloud[np.isin(cloud[:, 3], self._classes)],
            joints=self._arm_joints(truth),
            vertices=truth["cloth.sleeve"],
            gripper=truth["end_effector"][:3],
            heading=heading_of(matrix(truth["end_effector"][3:])),
            answer=self._expert.lesson(state),
        )
        self.moments.append(moment)
        row = self._disturbed(self._answer(moment, state))
        spec = self.action_spec
        return ActionChunk(observation.stamp, spec.dt, row[None], spec.array.names, spec.kind)

    def close(self) -> None:
        """Nothing is held open."""

    def _answer(self, moment: Moment, state: RobotState) -> np.ndarray:
        if self._learner is None:
            return self._expert.displacement(state)
        if self._guiding == 0 and self._rng.random() < self._share / 10.0:
            self._guiding = 10
        answer = self._learner(moment)  # asked in any case: it may remember
        if self._guiding:
            self._guiding -= 1
            return self._expert.displacement(state)
        return answer

    def _disturbed(self, row: np.ndarray) -> np.ndarray:
        """Push the expert aside now and then, so that it shows how to come back."""
        if self._learner is not None:
            return row
        if self._left == 0 and self._rng.random() < PULSE_CHANCE:
            direction = self._rng.normal(size=3)
            self._push = PULSE * direction / np.linalg.norm(direction)
            self._left = PULSE_STEPS
        if self._left:
            self._left -= 1
            row = row + np.concatenate([self._push, np.zeros(3)])
        return row


def save_moments(path: Path, moments: list[Moment], about: Mapping[str, Any]) -> None:
    """Write an episode; whatever reads the folder meanwhile sees the whole file or none."""
    columns: dict[str, Any] = {"about": np.array(json.dumps(dict(about)))}
    for entry in fields(Moment):
        if entry.name != "seen":
            values = [getattr(moment, entry.name) for moment in moments]
            columns[entry.name] = np.array(values, np.float32)
    columns["seen"] = np.concatenate([moment.seen for moment in moments]).astype(np.float32)
    columns["counts"] = np.array([len(moment.seen) for moment in moments])
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez(file, **columns)
    partial.replace(path)


def load_moments(path: Path) -> list[Moment]:
    """Read what `save_moments` wrote.

    Raises:
        ConfigError: If the file is damaged, or is something else.
    """
    names = [entry.name for entry in fields(Moment)]
    columns = read_npz(path, (*names, "counts"))
    try:
        seen = np.split(columns["seen"], np.cumsum(columns["counts"])[:-1])
        rest = [columns[name] for name in names if name != "seen"]
        return [Moment(cloud, *row) for cloud, *row in zip(seen, *rest, strict=True)]
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{path}: is no file of moments: {error}") from None


def load_outcome(folder: Path, name: str, metric: str) -> dict[int, float]:
    """Return a metric of every episode of a round, by seed.

    Args:
        folder: Of the episodes, `<round>-<seed>.npz`.
        name: Of the round.
        metric: Name of a metric of the task.

    Raises:
        ConfigError: If a file is damaged, or does not tell that metric.
    """
    found = {}
    for path in sorted(folder.glob(f"{name}-*.npz")):
        try:
            about = json.loads(str(read_npz(path, ("about",))["about"]))
            found[about["seed"]] = about["metrics"][metric]
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"{path}: does not tell '{metric}': {error}") from None
    return found
