"""Formulas that others write, evaluated without running them as Python.

A cost may come from a language model. Here it is data: it is parsed, every node of it has to be of
a kind listed below, and it is computed by walking the tree. There are no imports, attributes,
loops, strings or names but those that are given.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from robot_policies.interface import ConfigError
from robot_policies.interface.errors import suggestion

LONGEST = 2000  # characters
DEEPEST = 40  # nested nodes
BINARY: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
UNARY: Mapping[type, Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.Not: np.logical_not,
}
COMPARE: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
LOGIC: Mapping[type, Callable[[Any, Any], Any]] = {ast.And: np.logical_and, ast.Or: np.logical_or}
FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": np.abs,
    "min": np.minimum,
    "max": np.maximum,
    "exp": np.exp,
    "sqrt": np.sqrt,
    "floor": np.floor,
    "norm": lambda vector: np.linalg.norm(vector, axis=-1),
    "flat": lambda vector: vector[..., :2],  # x and y of a point
    "x": lambda vector: vector[..., 0],
    "y": lambda vector: vector[..., 1],
    "z": lambda vector: vector[..., 2],
}


@dataclass(frozen=True)
class Formula:
    """A checked expression.

    Attributes:
        text: As it was written.
        tree: Its root.
    """

    text: str
    tree: ast.expr

    def __call__(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Compute it for all steps at once.

        Args:
            values: By name: numbers, shape (T,), and points, shape (T, 3).

        Returns:
            Shape (T,).

        Raises:
            ConfigError: If the result is not one finite number for each step.
        """
        steps = len(next(iter(values.values())))
        try:
            with np.errstate(all="ignore"):  # what is not finite is refused below
                result = np.asarray(_compute(self.tree, values), float)
            result = np.broadcast_to(result, (steps,))
        except (ValueError, IndexError, TypeError) as error:
            raise ConfigError(f"formula '{self.text}': {error}") from None
        if not np.isfinite(result).all():
            raise ConfigError(f"formula '{self.text}' is not finite")
        return result


def read_formula(text: Any, names: frozenset[str], where: str) -> Formula:
    """Check an expression.

    Args:
        text: What was written; a number is one too.
        names: Names it may use.
        where: File and key, for messages.

    Raises:
        ConfigError: Naming the first thing that is not allowed.
    """
    written = str(text)
    if len(written) > LONGEST:
        raise ConfigError(f"{where}: {len(written)} characters, at most {LONGEST}")
    try:
        tree = ast.parse(written.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        kind = written.split()[0] if written.split() else ""
        raise ConfigError(f"{where}: '{kind} ...' is no expression") from None
    _check(tree, names, where, DEEPEST)
    return Formula(written, tree)


def _check(node: ast.expr, names: frozenset[str], where: str, depth: int) -> None:
    if depth == 0:
        raise ConfigError(f"{where}: nested more than {DEEPEST} times")
    match node:
        case ast.Constant(value=bool() | int() | float()):
            inner = []
        case ast.Name(id=name):
            if name not in names:
                raise ConfigError(f"{where}: no name '{name}'.{suggestion(name, names)}")
            inner = []
        case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
            inner = [left, right]
        case ast.UnaryOp(op=op, operand=operand) if type(op) in UNARY:
            inner = [operand]
        case ast.BoolOp(op=op, values=values) if type(op) in LOGIC:
            inner = values
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in COMPARE:
            inner = [left, right]
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            if name not in FUNCTIONS:
                raise ConfigError(f"{where}: no function '{name}'.{suggestion(name, FUNCTIONS)}")
            inner = arguments
        case _:
            raise ConfigError(f"{where}: {type(node).__name__} is not allowed in a formula")
    for part in inner:
        _check(part, names, where, depth - 1)


def _compute(node: ast.expr, values: Mapping[str, np.ndarray]) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return values[name]
        case ast.BinOp(left=left, op=op, right=right):
            return BINARY[type(op)](_compute(left, values), _compute(right, values))
        case ast.UnaryOp(op=op, operand=operand):
            return UNARY[type(op)](_compute(operand, values))
        case ast.BoolOp(op=op, values=parts):
            results = [_compute(part, values) for part in parts]
            total = results[0]
            for result in results[1:]:
                total = LOGIC[type(op)](total, result)
            return total
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return COMPARE[type(op)](_compute(left, values), _compute(right, values))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return FUNCTIONS[name](*(_compute(argument, values) for argument in arguments))
    raise AssertionError(f"unchecked {type(node).__name__}")
