"""What the tasks' metrics are measured in, and in which direction they get better."""

from collections.abc import Iterable, Mapping
from typing import Literal

Better = Literal["higher", "lower", ""]  # empty where neither is better
ARROWS = {"higher": " ↑", "lower": " ↓", "": ""}
MEANINGS: dict[str, tuple[str, Better]] = {
    "success": ("1", "higher"),
    "progress": ("1", "higher"),
    "time": ("s", "lower"),
    "fall": ("1", "lower"),
    "collision": ("1", "lower"),
    "speed_error": ("m/s", "lower"),
    "yaw_rate_error": ("rad/s", "lower"),
    "reward_per_step": ("1", "higher"),
    "power": ("W", "lower"),
    "clearance": ("m", "higher"),
    "steps": ("1", "lower"),
    "return": ("1", "higher"),
    "length": ("1", ""),
    "whole_arm_ratio": ("1", "higher"),
    "upper_arm_ratio": ("1", "higher"),
    "peak_force": ("N", "lower"),
    "stops": ("1", "lower"),
    "distance": ("m", ""),
    "mean_force": ("N", "lower"),
    "stretch": ("1", "lower"),
    "self_intersections": ("1", "lower"),
    "wrong_pad": ("1", "lower"),
}


def describe(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return unit and better direction of metrics; a task's own that is not listed is left out."""
    return {
        name: dict(zip(("unit", "better"), MEANINGS[name], strict=True))
        for name in names
        if name in MEANINGS
    }


def titled(name: str, meanings: Mapping[str, Mapping[str, str]]) -> str:
    """Return a metric's name for people, with its unit and an arrow towards the better.

    Args:
        name: The metric.
        meanings: As of `describe`.
    """
    known = meanings.get(name, {"unit": "1", "better": ""})
    unit = "" if known["unit"] == "1" else f" [{known['unit']}]"
    return name + unit + ARROWS[known["better"]]
