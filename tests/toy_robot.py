"""A table of a robot small enough to write expectations by hand."""

from collections.abc import Mapping
from typing import Any

from robot_policies.interface import RobotSpec
from robot_policies.interface.robot_table import read_robot

JOINT = {
    "lower": -1.0,
    "upper": 1.0,
    "velocity": 2.0,
    "acceleration": 50.0,
    "jerk": 1e4,
    "effort": 5.0,
    "default": 0.1,
}


def toy_robot(joints: Mapping[str, Mapping[str, Any]], **more: Any) -> RobotSpec:
    """Return a chain of links, one joint each.

    Args:
        joints: What each joint has different from `JOINT`.
        **more: Other keys of the table; they replace its own.
    """
    links: dict[str, Any] = {"base": {"mass": 1.0}}
    for name in joints:
        links[f"{name}_link"] = {"parent": list(links)[-1], "joint": name, "mass": 1.0}
    table = {
        "name": "toy",
        "units": {"length": "m", "angle": "rad", "mass": "kg", "time": "s", "force": "N"},
        "joints": {name: {**JOINT, **own} for name, own in joints.items()},
        "links": links,
        "gains": {m: {"stiffness": 1.0, "damping": 0.1} for m in ("policy", "hold", "damp")},
        "control_rate": 50.0,
        "servo_rate": 200.0,
        "floating_base": False,
        **more,
    }
    return read_robot(table, "toy.yaml")
