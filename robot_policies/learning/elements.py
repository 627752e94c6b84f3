"""Names and units of vector elements, from a data set and a robot's table.

LeRobot's configurations have widths, no names; a checkpoint of this package says what its
elements are in `contract.yaml`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from robot_policies.interface import ActionKind, ExecutorMode, RobotSpec

ACTION = "action"
CONTRACT_VERSION = 2
SUFFIXES = (".pos", ".vel")


def flat_names(feature: Mapping[str, Any]) -> list[str]:
    """Return the element names of a feature; data sets hold them as a list or one level down."""
    names = feature.get("names")
    if isinstance(names, Mapping):
        names = [name for group in names.values() for name in group]
    return list(names or ())


def joint_of(name: str) -> str:
    """Return the joint that an element is about: `elbow.vel` is about `elbow`."""
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    return name


def units_of(robot: RobotSpec, names: list[str], *, velocity: bool = False) -> list[str]:
    """Return the SI unit of each element; `1` for one that is about no joint.

    Args:
        robot: Its table says which joints slide.
        names: Elements.
        velocity: Whether an element without `.vel` is a velocity too.
    """
    sliding = {joint.name for joint in robot.joints if joint.sliding}
    units = []
    for name in names:
        if joint_of(name) not in robot.joint_names:
            units.append("1")
            continue
        unit = "m" if joint_of(name) in sliding else "rad"
        units.append(f"{unit}/s" if velocity or name.endswith(".vel") else unit)
    return units


def write_contract(
    folder: Path,
    robot: str,
    dt: float,
    names: Mapping[str, list[str]],
    units: Mapping[str, list[str]],
    kind: ActionKind,
    *,
    task: bool = False,
    vocabulary: Sequence[str] = (),
    executor: ExecutorMode = "open_loop",
    frames: Mapping[str, str] | None = None,
    max_age: Mapping[str, float] | None = None,
    max_skew: Mapping[str, float] | None = None,
) -> None:
    """Write `contract.yaml` (see `policies/contract.py`).

    Args:
        folder: The checkpoint.
        robot: Robot it was trained for.
        dt: Time between two actions. [s]
        names: Elements of each vector, `action` among them.
        units: Unit of each element.
        kind: What the elements of an action are.
        task: Whether the policy reads an instruction.
        vocabulary: Words of its instructions; any if empty.
        executor: How its chunks are merged.
        frames: Link whose frame each cloud is in.
        max_age: How old a sample may be, by feature. [s]
        max_skew: How far a sensor may lie behind the newest one, by feature. [s]
    """
    entries = {key: {"names": names[key], "unit": units[key]} for key in names}
    entries[ACTION]["names"] = [joint_of(name) for name in names[ACTION]]
    contract = {
        "version": CONTRACT_VERSION,
        "robot": robot,
        "dt": dt,
        "task": task,
        **({"vocabulary": list(vocabulary)} if vocabulary else {}),
        "executor": executor,
        "observation": {
            **{key: entry for key, entry in entries.items() if key != ACTION},
            **{key: {"frame": frame} for key, frame in (frames or {}).items()},
        },
        **({"max_age": dict(max_age)} if max_age else {}),
        **({"max_skew": dict(max_skew)} if max_skew else {}),
        "action": {"kind": str(kind), **entries[ACTION]},
    }
    text = yaml.safe_dump(contract, sort_keys=False)
    (folder / "contract.yaml").write_text(text, encoding="utf-8")
