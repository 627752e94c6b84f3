"""What is preferred: stages of a task and what each of them costs, from a YAML file.

    R_ext = prod over stages of exp(- sum_j weight_j max(0, C_j - threshold_j))      in (0, 1]

`C_j` is a formula added over the answers of the stage (`formulas.py`). A trajectory is in a stage
from the first answer, after that stage's predecessor began, at which `enters` is true.

References: GRAPE 2411.19309, eq. 8 and Algorithm 1; the thresholded form is the released code's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from robot_policies.documents import read_yaml
from robot_policies.interface import ConfigError
from robot_policies.interface.schema import build, check_keys
from robot_policies.policies.grape.formulas import Formula, read_formula
from robot_policies.policies.grape.trajectories import Trajectory
from robot_policies.shared_files import read_config

KINDS = ("path", "collision", "grasp")
TOUCH = "touch"
MARGIN = 0.5  # of rewards by rank, whose terms are 0 to their weight
NORMALISATIONS = {
    "rank": "each term by its rank among the attempts from one initial state, 0 to 1",
    "none": "as it is; the paper's own weights are 0.01, 0.01 and 2 of these",
}


@dataclass(frozen=True)
class Terms:
    """How much each term counts.

    Attributes:
        self: Of the log-probability that the policy gave its own attempt.
        external: Of the stages' costs.
        success: Of having succeeded.
    """

    self: float = 0.1
    external: float = 1.0
    success: float = 2.0

    def __post_init__(self) -> None:
        """Refuse a weight that turns a preference round."""
        for name in ("self", "external", "success"):
            weight = getattr(self, name)
            if not (isinstance(weight, int | float) and 0.0 <= weight < np.inf):
                raise ValueError(f"{name} {weight!r} must be a number >= 0")


@dataclass(frozen=True)
class Cost:
    """One cost of a stage.

    Attributes:
        formula: Per answer.
        threshold: What it may add up to for nothing.
        weight: Of what is beyond.
    """

    formula: Formula
    threshold: float
    weight: float


@dataclass(frozen=True)
class Stage:
    """A part of a task.

    Attributes:
        name: For people.
        enters: When it begins; `None` of the first.
        costs: By kind.
    """

    name: str
    enters: Formula | None
    costs: Mapping[str, Cost]


@dataclass(frozen=True)
class Objective:
    """What is preferred.

    Attributes:
        description: One line for people.
        terms: Weights.
        normalise: One of `NORMALISATIONS`.
        margin: Least difference of the reward between the attempts of a pair.
        pairs: How many an initial state gives at most.
        stages: In order.
    """

    description: str
    terms: Terms
    normalise: str
    margin: float
    pairs: int
    stages: tuple[Stage, ...]

    def stage_of(self, trajectory: Trajectory) -> np.ndarray:
        """Return the number of the stage at each answer. Shape (T,)."""
        values, steps = _values(trajectory), len(trajectory)
        stage, begin = np.zeros(steps, int), 0
        for number, entry in enumerate(self.stages[1:], 1):
            assert entry.enters is not None  # read_objective has seen to it
            entered = np.flatnonzero(entry.enters(values)[begin:] > 0.0)
            if not len(entered):
                break
            begin += int(entered[0])
            stage[begin:] = number
        return stage

    def costs(self, trajectory: Trajectory) -> dict[str, float]:
        """Return what each stage cost, by `stage.kind`, before thresholds."""
        values, stage = _values(trajectory), self.stage_of(trajectory)
        return {
            f"{entry.name}.{kind}": float(cost.formula(values)[stage == number].sum())
            for number, entry in enumerate(self.stages)
            for kind, cost in entry.costs.items()
        }

    def external(self, trajectory: Trajectory) -> float:
        """Return R_ext, in (0, 1]."""
        found, total = self.costs(trajectory), 0.0
        for entry in self.stages:
            for kind, cost in entry.costs.items():
                beyond = max(0.0, found[f"{entry.name}.{kind}"] - cost.threshold)
                total += cost.weight * beyond
        return float(np.exp(-min(total, 700.0)))  # not 0, however much it cost


def read_objective(name: str, points: frozenset[str]) -> Objective:
    """Read an objective.

    Args:
        name: Of a file in `config/objectives`, or the path of a YAML file.
        points: Names of the points that formulas may use.

    Raises:
        ConfigError: Naming the key and what it may be.
    """
    path = Path(name)
    data = read_yaml(path) if path.suffix == ".yaml" else read_config("objectives", name)
    where = path.name if path.suffix == ".yaml" else f"{name}.yaml"
    check_keys(data, ("description", "terms", "normalise", "margin", "pairs", "stages"), where)
    normalise = data.get("normalise", "rank")
    if normalise not in NORMALISATIONS:
        raise ConfigError(f"{where}: normalise {normalise!r} must be one of {[*NORMALISATIONS]}")
    margin, pairs = data.get("margin", MARGIN), data.get("pairs", 1)
    if not (isinstance(margin, int | float) and 0.0 < margin < np.inf):
        raise ConfigError(f"{where}: margin {margin!r} must be a number > 0")
    if type(pairs) is not int or pairs < 1:
        raise ConfigError(f"{where}: pairs {pairs!r} must be a whole number >= 1")
    stages = data.get("stages")
    if not isinstance(stages, Mapping) or not stages:
        raise ConfigError(f"{where}: stages must be a mapping of at least one stage")
    names = points | {TOUCH}
    return Objective(
        description=str(data.get("description", "")),
        terms=build(Terms, data.get("terms", {}), f"{where}: terms"),
        normalise=normalise,
        margin=margin,
        pairs=pairs,
        stages=tuple(
            _stage(str(title), entry, names, number, f"{where}: stages.{title}")
            for number, (title, entry) in enumerate(stages.items())
        ),
    )


def _stage(title: str, entry: Any, names: frozenset[str], number: int, where: str) -> Stage:
    check_keys(entry, ("enters", *KINDS), where)
    if ("enters" in entry) != (number > 0):
        raise ConfigError(f"{where}: every stage but the first says when it 'enters'")
    enters = read_formula(entry["enters"], names, f"{where}.enters") if number else None
    costs = {}
    for kind in KINDS:
        if kind not in entry:
            continue
        here = f"{where}.{kind}"
        check_keys(entry[kind], ("cost", "threshold", "weight"), here)
        numbers = {key: entry[kind].get(key, default) for key, default in DEFAULTS.items()}
        for key, value in numbers.items():
            if not (isinstance(value, int | float) and 0.0 <= value < np.inf):
                raise ConfigError(f"{here}: {key} {value!r} must be a number >= 0")
        costs[kind] = Cost(read_formula(entry[kind].get("cost"), names, here), **numbers)
    return Stage(title, enters, costs)


DEFAULTS = {"threshold": 0.0, "weight": 1.0}


def _values(trajectory: Trajectory) -> dict[str, np.ndarray]:
    return {**trajectory.points, TOUCH: trajectory.touch.astype(float)}
