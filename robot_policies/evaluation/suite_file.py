"""Suites as YAML files: those of `config/evaluations`, and anybody's own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robot_policies.documents import read_json, read_yaml
from robot_policies.evaluation.condition import Condition
from robot_policies.evaluation.suite import Suite
from robot_policies.interface import ConfigError
from robot_policies.interface.schema import build, check_keys
from robot_policies.shared_files import read_config

LISTS = ("policies", "tasks", "backends")
OTHERS = ("episodes", "seed", "conditions", "skip_incompatible", "recipes", "initial_states")
DESCRIPTION = "description"


def read_suite(name: str) -> Suite:
    """Read a suite.

    The file's keys are the fields of `Suite`, and `description`. `conditions` maps names to the
    other fields of `Condition`. `initial_states` names a JSON file beside it, as an evaluation
    writes it.

    Args:
        name: Path of a YAML file, or the name of one in `config/evaluations`.

    Raises:
        ConfigError: Naming the file and everything that is wrong in it.
    """
    is_path = name.endswith((".yaml", ".yml"))
    data = read_yaml(Path(name)) if is_path else read_config("evaluations", name)
    where = name if is_path else f"{name}.yaml"
    check_keys(data, (*LISTS, *OTHERS, DESCRIPTION), where)
    lists = {key: _names(data.pop(key, ()), f"{where}: {key}") for key in LISTS}
    conditions = data.pop("conditions", None) or {"": {}}
    data.pop(DESCRIPTION, None)
    recipes = {
        name: _names(policies, f"{where}: recipes.{name}")
        for name, policies in _mapping(data.pop("recipes", {}), f"{where}: recipes").items()
    }
    if states := data.pop("initial_states", {}):
        states = read_json(Path(name).parent / str(states))
    return build(
        Suite,
        data,
        where,
        **lists,
        conditions=_conditions(conditions, where),
        recipes=recipes,
        initial_states=states,
    )


def _names(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise ConfigError(f"{where}: expected a list of names, got {value!r}")
    return tuple(value)


def _conditions(data: Any, where: str) -> tuple[Condition, ...]:
    return tuple(
        build(Condition, fields or {}, f"{where}: conditions.{name}", name=str(name))
        for name, fields in _mapping(data, f"{where}: conditions").items()
    )


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where}: expected a mapping of names, got {value!r}")
    return value
