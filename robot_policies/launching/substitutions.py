"""The `$(...)` of launch files: var, env, find-pkg-share, dirname, eval, not, and, or, equals.

`eval` understands comparisons, boolean and arithmetic operators on literals, and nothing that
could run code: a launch file can be data from somebody else.
"""

import ast
import operator
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robot_policies.interface import ConfigError
from robot_policies.interface.errors import suggestion
from robot_policies.shared_files import PACKAGE, share_directory

BINARY: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
NAMES = ("var", "env", "find-pkg-share", "dirname", "eval", "not", "and", "or", "equals")


@dataclass(frozen=True)
class Context:
    """What substitutions may refer to.

    Attributes:
        variables: Arguments and `let`s.
        environment: Environment of the processes to be started.
        file: The launch file.
    """

    variables: Mapping[str, str]
    environment: Mapping[str, str]
    file: Path


def expand(text: str, context: Context, where: str) -> str:
    """Return a text with every `$(...)` replaced, the innermost first.

    Raises:
        ConfigError: On an unknown substitution, variable or package, or an unclosed bracket.
    """
    result, position = [], 0
    while (start := text.find("$(", position)) >= 0:
        end = _closing(text, start + 2, where)
        result.append(text[position:start])
        result.append(_substitute(text[start + 2 : end], context, where))
        position = end + 1
    result.append(text[position:])
    return "".join(result)


def boolean(text: str, where: str) -> bool:
    """Read `true`, `false`, `1` or `0`; a typo is never silently false.

    Raises:
        ConfigError: For anything else.
    """
    value = {"true": True, "1": True, "false": False, "0": False}.get(text.strip().lower())
    if value is None:
        raise ConfigError(f"{where}: '{text}' is neither true nor false")
    return value


def package_share(package: str, where: str) -> Path:
    """Return `share/<package>` of an installed package.

    Raises:
        ConfigError: If it is not installed.
    """
    if package == PACKAGE:
        return share_directory()
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    for prefix in filter(None, prefixes):
        if (folder := Path(prefix) / "share" / package).is_dir():
            return folder
    raise ConfigError(f"{where}: package '{package}' is in none of {prefixes}")


def _closing(text: str, position: int, where: str) -> int:
    depth = 1
    for index in range(position, len(text)):
        depth += {"(": 1, ")": -1}.get(text[index], 0)
        if depth == 0:
            return index
    raise ConfigError(f"{where}: '{text}' lacks a closing bracket")


def _substitute(content: str, context: Context, where: str) -> str:
    name, _, rest = content.partition(" ")
    rest = expand(rest, context, where).strip()
    words = rest.split()
    if name == "eval":
        return _evaluate(_unquote(rest), where)
    if name == "dirname" and not words:
        return str(context.file.parent)
    if name == "find-pkg-share" and len(words) == 1:
        return str(package_share(words[0], where))
    if name == "var" and len(words) == 1:
        return _look_up("variable", words[0], context.variables, where)
    if name == "env" and words:
        known = context.environment
        if words[0] not in known and len(words) > 1:
            return rest.partition(" ")[2]
        return _look_up("environment variable", words[0], known, where)
    if name == "equals" and len(words) == 2:
        return str(words[0] == words[1]).lower()
    if name == "not" and len(words) == 1:
        return str(not boolean(words[0], where)).lower()
    if name in ("and", "or") and words:
        combine = all if name == "and" else any
        return str(combine([boolean(word, where) for word in words])).lower()
    if name in NAMES:
        raise ConfigError(f"{where}: $({content}) has the wrong number of arguments")
    raise ConfigError(f"{where}: no substitution '{name}'.{suggestion(name, NAMES)}")


def _look_up(kind: str, name: str, known: Mapping[str, str], where: str) -> str:
    if name in known:
        return known[name]
    hint = suggestion(name, known) if kind == "variable" else ""
    raise ConfigError(f"{where}: no {kind} '{name}'.{hint}")


def _unquote(text: str) -> str:
    whole = text[:1] in ("'", '"') and text[-1:] == text[0] and text[0] not in text[1:-1]
    return text[1:-1] if len(text) > 1 and whole else text


def _evaluate(expression: str, where: str) -> str:
    try:
        value = _value(ast.parse(expression, mode="eval").body)
    except (SyntaxError, ValueError, TypeError, ArithmeticError) as error:
        raise ConfigError(f"{where}: cannot evaluate '{expression}': {error}") from None
    return str(value)


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Tuple | ast.List):
        return tuple(_value(element) for element in node.elts)
    if isinstance(node, ast.BoolOp):
        values = [_value(value) for value in node.values]
        decides = isinstance(node.op, ast.Or)  # as in Python, the value that decides it
        return next((value for value in values if bool(value) is decides), values[-1])
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return not _value(node.operand)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in BINARY:
        return BINARY[type(node.op)](_value(node.left), _value(node.right))
    if isinstance(node, ast.Compare):
        operands = [_value(operand) for operand in (node.left, *node.comparators)]
        return _compare(node.ops, operands)
    if isinstance(node, ast.Name) and node.id in ("true", "false"):
        return node.id == "true"
    raise ValueError(f"{type(node).__name__} is not allowed")


def _compare(operators: Sequence[ast.cmpop], operands: list[Any]) -> bool:
    pairs = zip(operands[:-1], operands[1:], strict=True)
    steps = zip(operators, pairs, strict=True)
    return all(BINARY[type(step)](left, right) for step, (left, right) in steps)
