"""Which episodes an evaluation runs: policies, tasks, backends and conditions, paired by seed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from robot_policies import catalog
from robot_policies.evaluation.condition import Condition
from robot_policies.evaluation.episode import Job
from robot_policies.interface import ConfigError, RobotPoliciesError
from robot_policies.interface.errors import suggestion
from robot_policies.policies.locate import BUILT_IN, find_checkpoint
from robot_policies_sim.scene.conditions import EpisodeConditions

States = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Suite:
    """What to evaluate.

    Episode i of every cell has seed `seed + i` and starts from the task's initial condition of
    that seed, so that cells of one task are paired, and a run of more episodes repeats a shorter.

    Attributes:
        policies: Policy names.
        tasks: Task names.
        backends: Backend names.
        episodes: Episodes per cell.
        seed: Seed of the first episode.
        conditions: What is different from the plain episode, once each.
        skip_incompatible: Whether a cell that cannot run is a row that says why; else it is an
            error.
        recipes: Policies that one training recipe gave, each with a seed of its own, by name.
        initial_states: By task and by seed as text, instead of what the task draws.
    """

    policies: tuple[str, ...]
    tasks: tuple[str, ...]
    backends: tuple[str, ...]
    episodes: int
    seed: int = 0
    conditions: tuple[Condition, ...] = (Condition(),)
    skip_incompatible: bool = False
    recipes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    initial_states: Mapping[str, States] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what cannot be run, before anything is loaded.

        Raises:
            ConfigError: With everything that is wrong.
        """
        if problems := list(self._problems()):
            raise ConfigError("; ".join(problems))

    def _problems(self) -> Iterator[str]:
        for kind, names in (
            ("policy", self.policies),
            ("task", self.tasks),
            ("backend", self.backends),
            ("condition", tuple(condition.name for condition in self.conditions)),
        ):
            if not names:
                yield f"no {kind} is named"
            if len(set(names)) != len(names):
                yield f"a {kind} is named twice: {list(names)}"
        for number, least, what in ((self.episodes, 1, "episodes"), (self.seed, 0, "as seed")):
            if not isinstance(number, int) or number < least:
                yield f"{number} {what}: a whole number of at least {least} is needed"
        yield from filter(None, map(_unknown_policy, self.policies))
        for kind, names in (("tasks", self.tasks), ("backends", self.backends)):
            yield from filter(None, (_unknown_entry(kind, name) for name in names))
        known = {field.name for field in fields(EpisodeConditions)}
        for condition in self.conditions:
            for key in condition.initial.keys() - known:
                yield f"condition '{condition.name}': unknown key '{key}'.{suggestion(key, known)}"
        for name, policies in self.recipes.items():
            for policy in set(policies) - set(self.policies):
                yield f"recipe '{name}': policy '{policy}' is not of this suite"
        for task in set(self.initial_states) - set(self.tasks):
            yield f"initial states of task '{task}', which is not of this suite"

    @property
    def seeds(self) -> range:
        """Seeds of the episodes."""
        return range(self.seed, self.seed + self.episodes)

    def jobs(self) -> list[Job]:
        """Return all episodes, those of a cell together.

        Raises:
            ConfigError: If initial states are given for a task, and one of a seed is missing.
        """
        starts = {name: self._starts(name) for name in self.tasks}
        return [
            Job(policy, task, backend, seed, {**start, **condition.initial}, condition)
            for task in self.tasks
            for backend in self.backends
            for policy in self.policies
            for condition in self.conditions
            for seed, start in zip(self.seeds, starts[task], strict=True)
        ]

    def _starts(self, name: str) -> list[Mapping[str, Any]]:
        if name not in self.initial_states:
            task = catalog.load_task(name)
            return [task.initial(seed) for seed in self.seeds]
        stored = self.initial_states[name]
        missing = [seed for seed in self.seeds if str(seed) not in stored]
        if missing:
            raise ConfigError(f"no initial state of task '{name}' for the seeds {missing}")
        return [stored[str(seed)] for seed in self.seeds]


def _unknown_policy(name: str) -> str:
    try:
        if name not in BUILT_IN:
            find_checkpoint(name)
    except RobotPoliciesError as error:
        return str(error)
    return ""


def _unknown_entry(kind: str, name: str) -> str:
    try:
        catalog.entry(kind, name.partition("/")[0])
    except ConfigError as error:
        return str(error)
    return ""
