"""How a node is started: its program, its namespace, and parameter values as ROS parses them."""

import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from robot_policies.documents import parse_yaml
from robot_policies.interface import ConfigError
from robot_policies.interface.errors import suggestion
from robot_policies.shared_files import PACKAGE


def join(outer: str, inner: str) -> str:
    """Return an absolute namespace; an absolute inner one starts anew, "" changes nothing."""
    namespace = inner if inner.startswith("/") else f"{outer}/{inner}"
    return namespace.rstrip("/")


def parameter(text: str) -> str:
    """Return a parameter value as ROS parses it: by YAML's rules, and text stays text."""
    try:
        value = parse_yaml(text)
    except ValueError:
        value = text
    plain = isinstance(value, bool | int | float | list) and text.strip()
    return text if plain else quoted(text)


def quoted(text: str) -> str:
    """Return a parameter value that ROS parses as this text."""
    return "'" + text.replace("'", "''") + "'"


def executable(
    package: str, program: str, environment: Mapping[str, str], where: str
) -> tuple[str, ...]:
    """Return what runs a program of a package.

    Args:
        package: Its name; this package's nodes are started as modules, installed or not.
        program: Name of a program of it.
        environment: Its `AMENT_PREFIX_PATH` says where other packages lie.
        where: Place in the launch file, for messages.

    Raises:
        ConfigError: If there is no such program.
    """
    if package == PACKAGE:
        nodes = f"{PACKAGE}.nodes"
        if program.isidentifier() and find_spec(f"{nodes}.{program}"):
            return (sys.executable, "-P", "-m", nodes, program)
        there = [path.stem for path in (Path(__file__).parents[1] / "nodes").glob("*_node.py")]
        hint = suggestion(program, there)
        raise ConfigError(f"{where}: package '{package}' has no program '{program}'.{hint}")
    prefixes = environment.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    for prefix in filter(None, prefixes):
        if (path := Path(prefix) / "lib" / package / program).is_file():
            return (str(path),)
    raise ConfigError(f"{where}: no lib/{package}/{program} in any of {prefixes}")
