"""Isaac Lab's `deploy.yaml`, as unitree_rl_lab writes and reads it.

A term is clipped, then scaled, or with `scale_first` the other way round. A history is stacked
oldest first, by term, or with `use_gym_history` by time. Joint i of the policy is motor
`joint_ids_map[i]`; `stiffness` and `damping` are in the order of the motors, the rest in that of
the policy. `clip` of the action is of the targets.

Reference: unitreerobotics/unitree_rl_lab, `utils/export_deploy_cfg.py`, `deploy/include/isaaclab`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from robot_policies.documents import read_yaml
from robot_policies.interface import ConfigError, RobotSpec
from robot_policies.interface.errors import suggestion
from robot_policies.interface.schema import vector
from robot_policies.policies.onnx_locomotion.foreign import (
    Foreign,
    entry,
    need,
    network_file,
    permutation,
    positive,
    short,
)
from robot_policies.policies.onnx_locomotion.terms import KINDS

DEPLOY = "deploy.yaml"
ACTION = "JointPositionAction"
FLAGS = ("use_gym_history", "scale_first")
RANGES = ("lin_vel_x", "lin_vel_y", "ang_vel_z")


def read_isaac_lab(path: Path, robot: RobotSpec) -> Foreign:
    """Read a policy.

    Args:
        path: `deploy.yaml`; the ONNX file lies beside it, or in `exported/` beside its folder.
        robot: Its motors are numbered in the order of its table, as Unitree's SDK does.

    Raises:
        ConfigError: Naming the key, and the nearest valid name.
        CheckpointError: If there is no ONNX file.
    """
    where, said = str(path), read_yaml(path, dumped=True)
    count = len(robot.joint_names)
    order = permutation(need(said, "joint_ids_map", where), count, f"{where}: joint_ids_map")

    def numbers(value: Any, key: str) -> np.ndarray:
        return vector(value, count, f"{where}: {key}")

    actions = _mapping(need(said, "actions", where), f"{where}: actions")
    for name in actions:
        if name != ACTION:
            raise ConfigError(f"{where}: actions: no '{name}'.{suggestion(str(name), [ACTION])}")
    action = _mapping(need(actions, ACTION, f"{where}: actions"), f"{where}: {ACTION}")
    ids = action.get("joint_ids")
    if isinstance(ids, list) and ids not in ([*range(count)], [None] * 3):
        raise ConfigError(f"{where}: {ACTION}.joint_ids {ids}: not all joints, in their order")
    limits = action.get("clip")
    if limits is not None:
        limits = _limits(limits, count, f"{where}: {ACTION}.clip")
    terms, stacked, width = _terms(said, count, robot, where)
    lower, upper = _commands(said, where)
    folders = [path.parent, path.parent / "exported", path.resolve().parents[1] / "exported"]
    return Foreign(
        joints=tuple(robot.joint_names[i] for i in order),
        dt=positive(need(said, "step_dt", where), f"{where}: step_dt"),
        stiffness=numbers(need(said, "stiffness", where), "stiffness")[order],
        damping=numbers(need(said, "damping", where), "damping")[order],
        network={
            "default_position": short(
                numbers(need(said, "default_joint_pos", where), "default_joint_pos")
            ),
            "stacked_by": stacked,
            "observation": terms,
            "action": {
                "scale": short(numbers(need(action, "scale", where), f"{ACTION}.scale")),
                "offset": short(numbers(need(action, "offset", where), f"{ACTION}.offset")),
                **({} if limits is None else {"limits": [short(bound) for bound in limits]}),
            },
        },
        network_file=network_file(folders, "policy", width),
        lower=lower,
        upper=upper,
        assumed=(
            f"joint_ids_map numbers the motors as {robot.name}'s table orders its joints: "
            f"{', '.join(robot.joint_names)}",
        ),
    )


def _terms(
    said: Mapping[str, Any], count: int, robot: RobotSpec, where: str
) -> tuple[list[dict[str, Any]], str, int]:
    """Return the terms, how their histories are stacked, and the width of the network's input."""
    group = _mapping(need(said, "observations", where), f"{where}: observations")
    listed = {name: value for name, value in group.items() if name not in FLAGS}
    if len(listed) == 1 and not {*listed} & {*KINDS}:  # terms of one input under its name
        group = _mapping(next(iter(listed.values())), f"{where}: observations")
        listed = {name: value for name, value in group.items() if name not in FLAGS}
    terms, width = [], 0
    for name, value in listed.items():
        place = f"{where}: observations.{name}"
        if name not in KINDS:
            raise ConfigError(f"{where}: no term '{name}'.{suggestion(str(name), KINDS)}")
        term, wide = _mapping(value, place), KINDS[name].width(count)
        scale = vector(_or(term.get("scale"), 1.0), wide, f"{place}: scale")
        clip = term.get("clip")
        if clip is not None:
            clip = _limits(clip, wide, f"{place}: clip")
            if not group.get("scale_first", False):
                clip = np.sort(clip * scale, axis=0)
        past = _or(term.get("history_length"), 1) or 1
        if type(past) is not int or past < 1:
            raise ConfigError(f"{place}: history_length {past!r} must be a whole number >= 0")
        terms.append(entry(name, robot, scale, clip, [*range(past - 1, -1, -1)]))
        width += past * wide
    if not terms:
        raise ConfigError(f"{where}: observations: no term.{suggestion('', KINDS)}")
    return terms, "time" if group.get("use_gym_history", False) else "term", width


def _commands(said: Mapping[str, Any], where: str) -> tuple[list[float] | None, ...]:
    """Return least and greatest command, where the file says them. [m/s, m/s, rad/s]"""  # noqa: D415
    commands = said.get("commands") or {}
    ranges = (commands.get("base_velocity") or {}).get("ranges") if commands else None
    if not ranges:
        return None, None
    bounds = [
        vector(need(ranges, name, f"{where}: ranges"), 2, f"{where}: ranges.{name}")
        for name in RANGES
    ]
    return [float(low) for low, _ in bounds], [float(high) for _, high in bounds]


def _limits(value: Any, width: int, where: str) -> np.ndarray:
    """Return bounds, given as one pair or a pair for each element. Shape (2, width)."""
    if isinstance(value, list) and len(value) == 2 and not isinstance(value[0], list):
        value = [value] * width
    if not isinstance(value, list) or len(value) != width:
        raise ConfigError(f"{where}: expected least and greatest value, got {value!r}")
    return np.array([vector(pair, 2, where) for pair in value]).T


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where}: expected a mapping, got {value!r}")
    return value


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value
