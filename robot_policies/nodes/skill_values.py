"""The parameters `skills`, `skill_weights` and `skill_fallback`: their types, checked."""

from collections.abc import Sequence
from typing import Any

from rclpy.parameter import Parameter

from robot_policies.documents import parse_yaml
from robot_policies.interface import ConfigError

SKILLS, WEIGHTS, FALLBACK = "skills", "skill_weights", "skill_fallback"

SETTINGS = {
    SKILLS: "skills of the policy: absolute folders, or names in the library",
    WEIGHTS: "weight of each skill; empty: by context",
    FALLBACK: "skill that acts far from all training states; empty: the base alone",
}

Wanted = tuple[list[str], list[float], str]  # in the order of SETTINGS


def skill_parameters(
    names: Sequence[str], weights: Sequence[float], fallback: str = ""
) -> list[Parameter]:
    """Return the parameters, for `set_parameters_atomically`."""
    return [typed(SKILLS, names), typed(WEIGHTS, weights), typed(FALLBACK, fallback)]


def given(value: Any) -> Any:
    """Return what a launch file says; there, a list may be a text, and nothing is `none`."""
    if value is None or (isinstance(value, str) and value in ("", "none")):
        return []
    if isinstance(value, str):
        try:
            value = parse_yaml(value)
        except ValueError as error:
            raise ConfigError(f"'{value[:80]}': {error}") from None
    return value if isinstance(value, list | tuple) or hasattr(value, "tolist") else [value]


def _text(value: Any) -> Any:
    return "" if value in (None, "none") else value


def typed(name: str, values: Any) -> Parameter:
    """Return a parameter whose type does not depend on whether it is empty."""
    if name == FALLBACK:
        return Parameter(name, Parameter.Type.STRING, str(_text(values)))
    if name == SKILLS:
        return Parameter(name, Parameter.Type.STRING_ARRAY, [str(value) for value in values])
    return Parameter(name, Parameter.Type.DOUBLE_ARRAY, [float(value) for value in values])


def checked(skills: Any, skill_weights: Any, skill_fallback: Any) -> Wanted:
    """Return what is wanted, each of its type.

    Raises:
        ConfigError: If they are not.
    """
    names, weights = (list(given(value)) for value in (skills, skill_weights))
    if not all(isinstance(name, str) for name in names):
        raise ConfigError(f"{SKILLS} must be a list of texts, got {skills!r}")
    if not all(type(weight) in (int, float) for weight in weights):
        raise ConfigError(f"{WEIGHTS} must be a list of numbers, got {skill_weights!r}")
    fallback = _text(skill_fallback)
    if not isinstance(fallback, str):
        raise ConfigError(f"{FALLBACK} must be a text, got {skill_fallback!r}")
    return names, [float(weight) for weight in weights], fallback
