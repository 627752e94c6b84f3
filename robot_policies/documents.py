"""YAML and JSON files as data, whoever wrote them: of a bounded size, depth and number of values.

A YAML file of 400 bytes can stand for 10^9 values, and a deep one ends the reader. Such a file, a
key that stands there twice and a number that no computation can use are one line each.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass
from functools import partial
from math import isfinite
from pathlib import Path
from stat import S_ISREG
from sys import float_info
from typing import Any

import numpy as np
import yaml

from robot_policies.interface.errors import ConfigError

MAX_BYTES = 1 << 20
MAX_STATISTICS = 16 << 20  # bytes; LeRobot writes ten numbers of each element, one a line
MAX_DEPTH = 64
MAX_VALUES = 200_000  # of the whole document, each alias counted as what it stands for
PERCENT_HINT = "In YAML the unit of percent is written in quotes: '%'"
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
PYTHON = "tag:yaml.org,2002:python/"
LISTS = ("tuple", "object/apply:builtins.slice")  # of Python, read as the lists they stand for


class _DumpLoader(_Loader):
    """Reads what Python dumped as data; a tag that would run code is refused by name."""


def _refuse_code(loader: Any, suffix: str, node: yaml.Node) -> Any:
    if suffix in LISTS:
        return loader.construct_sequence(node)
    line = node.start_mark.line + 1
    raise yaml.YAMLError(f"line {line}: '!!python/{suffix}' names code; expected data alone")


_DumpLoader.add_multi_constructor(PYTHON, _refuse_code)


def read_yaml(path: Path, *, dumped: bool = False) -> dict[str, Any]:
    """Read a YAML file that must hold a mapping.

    Args:
        path: The file.
        dumped: Whether Python may have dumped it; tuples and slices in it are then lists.

    Raises:
        ConfigError: If the file cannot be read, or holds anything else.
    """
    loader = _DumpLoader if dumped else _Loader
    return _read(path, partial(parse_yaml, loader=loader), "mapping")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that must hold an object.

    Raises:
        ConfigError: If the file cannot be read, or holds anything else.
    """
    return _read(path, parse_json, "JSON object")


def read_statistics(path: Path) -> dict[str, Any]:
    """Read a JSON file of statistics, where data that are no numbers left numbers that are none.

    Raises:
        ConfigError: If the file cannot be read, or holds anything but an object.
    """
    return _read(path, partial(parse_json, measured=True), "JSON object", MAX_STATISTICS)


def parse_yaml(text: str, *, loader: Any = _Loader) -> Any:
    """Return what a YAML document says.

    Args:
        text: The document.
        loader: PyYAML's loader, one that constructs plain data alone.

    Raises:
        ValueError: If it is no YAML, too deep or too large.
    """
    loader = loader(text)
    try:
        _check_events(text)
        node = loader.get_single_node()
        data = None if node is None else loader.construct_document(_check_keys(node))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        hint = f". {PERCENT_HINT}" if mark and text[mark.index : mark.index + 1] == "%" else ""
        raise ValueError(f"{error}{hint}") from None
    finally:
        loader.dispose()
    _check_values(data)
    return data


def parse_json(text: str, *, measured: bool = False) -> Any:
    """Return what a JSON document says.

    Args:
        text: The document.
        measured: Whether it holds measurements, which may be NaN or infinite.

    Raises:
        ValueError: If it is no JSON, too deep or too large, or repeats a key.
    """
    try:
        data = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=None if measured else _refuse,
            parse_float=_finite,
        )
    except RecursionError:
        raise ValueError(f"nested deeper than {MAX_DEPTH}") from None
    _check_values(data)
    return data


def dumps(document: Any) -> str:
    """Return strict JSON: a number that is not finite becomes null."""
    return json.dumps(plain(document), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def plain(value: Any) -> Any:
    """Return a value as the types JSON knows."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(entry) for entry in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def _read(
    path: Path, parse: Callable[[str], Any], kind: str, limit: int = MAX_BYTES
) -> dict[str, Any]:
    try:
        about = path.stat()
        if not S_ISREG(about.st_mode):  # reading a pipe or a device need not end
            raise ValueError("is no regular file")
        if about.st_size > limit:
            raise ValueError(f"has {about.st_size} bytes, at most {limit} make sense")
        data = parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: expected a {kind}, got {type(data).__name__}")
    return data


def _check_events(text: str) -> None:
    """Refuse what is too deep before it is composed, which is recursive."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        _check_depth(depth)


def _check_keys(root: yaml.Node) -> yaml.Node:
    """Refuse repeated keys, of which YAML's loaders take the last."""
    nodes, seen = [root], set()
    while nodes:
        node = nodes.pop()
        if id(node) in seen or isinstance(node, yaml.ScalarNode):
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            _unique([(key.value, None) for key, _ in node.value if isinstance(key.value, str)])
            nodes.extend(value for _, value in node.value)
        else:
            nodes.extend(node.value)
    return root


def _check_values(data: Any) -> None:
    values, left = [(data, 1)], MAX_VALUES
    while values:
        value, depth = values.pop()
        left -= 1
        if left < 0:
            raise ValueError(f"holds more than {MAX_VALUES} values")
        _check_depth(depth)
        if isinstance(value, dict):
            values.extend((entry, depth + 1) for entry in value.values())
        elif isinstance(value, list):
            values.extend((entry, depth + 1) for entry in value)
        elif isinstance(value, int) and abs(value) > float_info.max:
            raise ValueError(f"a number of {value.bit_length()} bits is larger than any float")


def _check_depth(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"key '{twice}' stands there twice")
    return data


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise ValueError(f"{text} is larger than any float")
    return value
