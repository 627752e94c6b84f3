"""Names to robots, backends and tasks.

What exists is what lies in `config/robots`, `config/backends` and `config/tasks`. The YAML of a
backend or a task names the class that implements it and the options it is made with, so adding
one takes the class and its YAML. Implementations are imported when they are used.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from inspect import signature
from typing import Any

from robot_policies.interface import ConfigError, RobotBackend, RobotSpec, ServoBackend, Task
from robot_policies.interface.errors import UnknownNameError
from robot_policies.interface.robot_table import read_robot
from robot_policies.interface.schema import build
from robot_policies.shared_files import config_names, read_config

TRUSTED = ("robot_policies.", "robot_policies_sim.", "robot_policies_hardware.")


@dataclass(frozen=True)
class Entry:
    """One YAML of `config/backends` or `config/tasks`.

    Attributes:
        implementation: `module:Class`, inside this project's packages.
        description: One line for people.
        options: Keyword arguments of the class.
        modes: Whether the robot's modes stand between gate and servo, see `control/modes.py`.
        clocks: Options that take the node's clock where time is a simulator's `/clock`; empty if
            a backend has a time of its own.
    """

    implementation: str
    description: str
    options: Mapping[str, Any] = field(default_factory=dict)
    modes: bool = False
    clocks: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Refuse code from elsewhere."""
        if not self.implementation.startswith(TRUSTED) or ":" not in self.implementation:
            raise ConfigError(f"implementation '{self.implementation}' must be module:Class")


def robots() -> list[str]:
    """Return the names of the known robots."""
    return config_names("robots")


def backends() -> list[str]:
    """Return the names of the known backends."""
    return config_names("backends")


def tasks() -> list[str]:
    """Return the names of the known tasks; `gym` stands for `gym/<EnvId>`."""
    return config_names("tasks")


def entry(kind: str, name: str) -> Entry:
    """Return the catalog entry of a backend or a task.

    Args:
        kind: `backends` or `tasks`.
        name: Its name.

    Raises:
        ConfigError: If the name is unknown or its YAML is wrong.
    """
    return build(Entry, read_config(kind, name), f"{name}.yaml")


def load_robot(name: str) -> RobotSpec:
    """Read a robot's table; that of `gymnasium/<EnvId>` is made from the environment's spaces.

    Raises:
        ConfigError: If the name is unknown or the table is wrong.
    """
    family, _, variant = name.partition("/")
    if family == "gymnasium" and variant:
        return import_module("robot_policies_sim.engines.gymnasium.robot").environment_robot(
            variant
        )
    return read_robot(read_config("robots", name), f"{name}.yaml")


def load_task(name: str) -> Task:
    """Make a task; a name such as `gym/Pendulum-v1` passes the part after `/` as `variant`.

    Raises:
        ConfigError: If the name is unknown or its options are wrong.
    """
    family, _, variant = name.partition("/")
    options = {"variant": variant} if variant else {}
    return _make(entry("tasks", family), name, name=name, **options)


def make_backend(
    name: str, robot: RobotSpec, scene: Mapping[str, Any] | None = None, **options: object
) -> RobotBackend:
    """Make a backend; nothing is opened before its `connect`.

    Args:
        name: Backend name.
        robot: The robot it drives.
        scene: The task's world, for simulators.
        **options: Override the options of `config/backends/<name>.yaml`; `modes` is its own key.

    Raises:
        ConfigError: If the name or an option is unknown, or the backend can have no modes.
    """
    made = entry("backends", name)
    modes = options.pop("modes", made.modes)
    backend = _make(made, name, options, spec=robot, scene=scene or {})
    if not modes:
        return backend
    if not isinstance(backend, ServoBackend):
        raise ConfigError(f"backend '{name}': no modes, its servo takes no gains")
    from robot_policies.control.legged import legged  # policies read robots here, without control

    return legged(backend)


def text_options(name: str) -> frozenset[str]:
    """Return the options of a backend that are texts, which a command line takes as typed.

    Raises:
        ConfigError: If there is no such backend.
    """
    parameters = signature(_implementation(entry("backends", name))).parameters.values()
    return frozenset(each.name for each in parameters if each.annotation is str)


def make_figure(robot: RobotSpec, scene: Mapping[str, Any]) -> Any:
    """Return what draws a robot in a measured pose, with an OpenGL context of its own.

    Args:
        robot: The robot.
        scene: The task's world; an empty mapping is a flat floor.
    """
    return import_module("robot_policies_sim.engines.mujoco.figure").PosedFigure(robot, scene)


def _make(
    made: Entry, name: str, overrides: Mapping[str, Any] | None = None, /, **given: object
) -> Any:
    implementation, overrides = _implementation(made), overrides or {}
    parameters = signature(implementation).parameters.values()
    if not any(one.kind is one.VAR_KEYWORD for one in parameters):
        known = {one.name for one in parameters} - given.keys()
        for unknown in overrides.keys() - known:
            raise UnknownNameError("option", unknown, known, name)
    try:
        return implementation(**given, **{**made.options, **overrides})
    except TypeError as error:
        raise ConfigError(f"{name}.yaml: {error}") from None


def _implementation(made: Entry) -> Any:
    module, _, attribute = made.implementation.partition(":")
    return getattr(import_module(module), attribute)
