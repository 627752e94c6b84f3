"""What is to be tried on a robot, written down before the first trial."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from robot_policies import catalog
from robot_policies.documents import read_yaml
from robot_policies.interface import ConfigError
from robot_policies.interface.errors import suggestion
from robot_policies.interface.schema import build
from robot_policies.launching.description import declared
from robot_policies.launching.supervisor import find_launch_file
from robot_policies.launching.trial import FILE
from robot_policies.policies.locate import BUILT_IN, find_checkpoint

OURS = ("policy", "task", "backend", "seed", "summary")  # launch arguments that the plan decides


@dataclass(frozen=True)
class Plan:
    """Policies that are held against each other on one task.

    Attributes:
        policies: Their names, at least one.
        task: Task name.
        backend: Backend name: the robot, or a simulator to rehearse.
        trials: Of each policy; each begins from the initial state of a seed of its own.
        seed: Of the first initial state.
        alpha: Chance of a false finding that is accepted.
        stops: Whether trials end early: as soon as a test that may be looked at after every pair
            is sure which of two policies succeeds more often.
        launch: Further arguments of the launch file, such as `options`.
        description: For people.
    """

    policies: tuple[str, ...]
    task: str
    backend: str
    trials: int
    seed: int = 0
    alpha: float = 0.05
    stops: bool = False
    launch: Mapping[str, str] = field(default_factory=dict)
    description: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be tried.

        Raises:
            ConfigError: Naming it.
        """
        if not self.policies or len(set(self.policies)) != len(self.policies):
            raise ConfigError(f"policies {list(self.policies)}: expected different names")
        for number, least, what in ((self.trials, 1, "trials"), (self.seed, 0, "seed")):
            if not isinstance(number, int) or number < least:
                raise ConfigError(f"{what} {number}: a whole number of at least {least} is needed")
        if not 0.0 < self.alpha < 1.0:
            raise ConfigError(f"alpha {self.alpha}: expected a chance between 0 and 1")
        if self.stops and len(self.policies) != 2:
            raise ConfigError(
                f"stops: two policies are held against each other, not {self.policies}"
            )
        for policy in self.policies:
            if policy not in BUILT_IN:
                find_checkpoint(policy)
        catalog.entry("tasks", self.task.partition("/")[0])
        catalog.entry("backends", self.backend)
        known = set(declared(find_launch_file(FILE))) - set(OURS)
        for name in self.launch:
            if name not in known:
                raise ConfigError(f"launch: no argument '{name}'.{suggestion(name, known)}")


def read_plan(path: Path) -> Plan:
    """Read a plan.

    Raises:
        ConfigError: Naming the file and what is wrong in it.
    """
    data: dict[str, Any] = read_yaml(path)
    named, launch = data.pop("policies", ()), data.pop("launch", None) or {}
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise ConfigError(f"{path}: policies: expected a list of names, got {named!r}")
    if not isinstance(launch, Mapping):
        raise ConfigError(f"{path}: launch: expected a mapping of arguments, got {launch!r}")
    words = {str(name): str(value) for name, value in launch.items()}
    return build(Plan, data, str(path), policies=tuple(named), launch=words)
