"""Names to robots, backends and tasks.

What exists is what lies in `config/robots`, `config/backends` and `config/tasks`, and in the
places of `places.py`. The YAML of a backend or a task names the class that implements it and the
options it is made with, so adding one takes the class and its YAML. A user's YAML, which is no
installed code, names another entry instead. Implementations are imported when they are used.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from inspect import signature
from typing import Any

from robot_policies.documents import read_yaml
from robot_policies.interface import (
    ConfigError,
    RobotBackend,
    RobotPoliciesError,
    RobotSpec,
    ServoBackend,
    Task,
)
from robot_policies.interface.errors import UnknownNameError
from robot_policies.interface.robot_table import read_robot
from robot_policies.interface.schema import build
from robot_policies.shared_files import config_names, find_config


@dataclass(frozen=True)
class Entry:
    """One YAML of `config/backends` or `config/tasks`.

    Attributes:
        implementation: `module:Class`, inside the package that ships the file.
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


@dataclass(frozen=True)
class Variant:
    """One YAML of a user: a known backend or task with other options.

    Attributes:
        of: Name of the known one.
        description: One line for people.
        options: Keyword arguments of the class that differ.
    """

    of: str
    description: str
    options: Mapping[str, Any] = field(default_factory=dict)


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

    A file in a folder of a user says `of: NAME` in place of `implementation`, and its options
    come before those of the entry of that name.

    Args:
        kind: `backends` or `tasks`.
        name: Its name.

    Raises:
        ConfigError: If the name is unknown, its YAML is wrong, or it names code of others.
    """
    place, path = find_config(kind, name)
    data = read_yaml(path)
    if place.code:
        made = build(Entry, data, path.name)
        module, colon, _ = made.implementation.partition(":")
        if not colon or module.partition(".")[0] not in place.code:
            raise ConfigError(
                f"{path}: implementation '{made.implementation}' must be module:Class inside "
                f"{' or '.join(place.code)}"
            )
        return made
    if "of" not in data or "implementation" in data:
        raise ConfigError(f"{path}: expected 'of: NAME'; only an installed package names a class")
    changed = build(Variant, data, path.name)
    if changed.of == name:
        raise ConfigError(f"{path}: is of itself")
    below = entry(kind, changed.of)
    options = {**below.options, **changed.options}
    return replace(below, description=changed.description, options=options)


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
    _, path = find_config("robots", name)
    table, where = read_yaml(path), path.name
    if "model" not in table:
        return read_robot(table, where)
    from robot_policies.robots.reading import read_model  # SciPy is not needed for a table alone

    return read_robot(table, where, read_model(table["model"], path.parent, f"{where}: model"))


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
    try:
        return getattr(import_module(module), attribute)
    except RobotPoliciesError:
        raise
    except Exception as error:  # code of others fails in its own ways
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ConfigError(f"'{made.implementation}' cannot be imported: {reason}") from error
