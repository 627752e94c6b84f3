"""Attributes of a URDF's elements, refused with their place where they are wrong."""

from xml.etree import ElementTree as ET

import numpy as np

from robot_policies.interface.errors import ConfigError


def origin(element: ET.Element, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Return `origin` of an element: position, and roll, pitch, yaw. Shapes (3,). [m], [rad]."""
    origin = element.find("origin")
    if origin is None:
        return np.zeros(3), np.zeros(3)
    place = numbers(origin.get("xyz", "0 0 0"), 3, f"{where}: origin")
    return place, numbers(origin.get("rpy", "0 0 0"), 3, f"{where}: origin")


def end(joint: ET.Element, tag: str, name: str) -> str:
    """Return the link at an end of a joint, `parent` or `child`."""
    element = joint.find(tag)
    if element is None:
        raise ConfigError(f"joint '{name}': <{tag}> is missing")
    return attribute(element, "link", f"joint '{name}': {tag}")


def attribute(element: ET.Element, key: str, where: str) -> str:
    """Return an attribute that has to be there."""
    value = element.get(key)
    if not value:
        raise ConfigError(f"{where}: '{key}' is missing")
    return value


def number(
    element: ET.Element | None, key: str, where: str, otherwise: float | None = None
) -> float:
    """Return a number, or what is meant where it is missing; `None` refuses that."""
    text = None if element is None else element.get(key)
    if text is None:
        if otherwise is None:
            raise ConfigError(f"{where}: '{key}' is missing")
        return otherwise
    return float(numbers(text, 1, f"{where}: {key}")[0])


def numbers(text: str, width: int, where: str) -> np.ndarray:
    """Return finite numbers. Shape (width,)."""
    try:
        values = np.array([float(word) for word in text.split()])
    except ValueError:
        values = np.zeros(0)
    if values.shape != (width,) or not np.isfinite(values).all():
        raise ConfigError(f"{where}: expected {width} finite numbers, got '{text}'")
    return values
