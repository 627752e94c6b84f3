"""A foreign walking policy as a checkpoint: `config.json`, `contract.yaml` and the network."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import yaml

from robot_policies.catalog import load_robot
from robot_policies.documents import dumps
from robot_policies.interface import CheckpointError, ConfigError, RobotSpec
from robot_policies.interface.errors import suggestion
from robot_policies.interface.observation import VELOCITY_COMMAND
from robot_policies.learning.elements import ACTION, CONTRACT_VERSION
from robot_policies.policies.contract import FILE
from robot_policies.policies.locate import CONFIG
from robot_policies.policies.onnx_locomotion import isaac_lab, rl_sar
from robot_policies.policies.onnx_locomotion.foreign import Foreign, short
from robot_policies.policies.onnx_locomotion.runtime_onnx_locomotion import NETWORK, OnnxLocomotion
from robot_policies.policies.onnx_locomotion.terms import elements, needed

KIND = "onnx_locomotion"
SPEED_SHARE = 0.9  # of the limits; the rest is for control periods that come late


def import_policy(
    folder: Path,
    robot: str,
    out: Path,
    lower: Sequence[float] | None = None,
    upper: Sequence[float] | None = None,
) -> Foreign:
    """Write a checkpoint, and load it once.

    Args:
        folder: As another project published it.
        robot: Name of the robot it walks on.
        out: The checkpoint; must not exist.
        lower: Least command, instead of what the files say. Shape (3,). [m/s, m/s, rad/s]
        upper: Greatest command, likewise.

    Returns:
        What the files say.

    Raises:
        ConfigError: If a file says what cannot be, naming file and key.
        CheckpointError: If a file is missing, the network does not fit, or `out` is there.
    """
    if out.exists():
        raise CheckpointError(f"{out} is there already; remove it to write it anew")
    spec = load_robot(robot)
    if not spec.imu_link:
        raise ConfigError(f"robot '{robot}' has no inertial unit, which a walking policy needs")
    said = _read(folder, spec)
    given = {"lower": lower, "upper": upper}
    said = replace(said, **{key: value for key, value in given.items() if value is not None})
    _require_joints(said, spec, folder)
    said = _held(said, spec)
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent) as place:
        made = Path(place) / out.name
        made.mkdir()
        _write(said, spec, made)
        for licence in sorted(folder.glob("LICENSE*")):
            shutil.copyfile(licence, made / licence.name)
        OnnxLocomotion(made)
        made.rename(out)
    return said


def _read(folder: Path, robot: RobotSpec) -> Foreign:
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: no such folder")
    if (folder / rl_sar.CONFIG).is_file():
        return rl_sar.read_rl_sar(folder, robot)
    for path in (folder / isaac_lab.DEPLOY, folder / "params" / isaac_lab.DEPLOY):
        if path.is_file():
            return isaac_lab.read_isaac_lab(path, robot)
    raise CheckpointError(
        f"{folder} has neither {rl_sar.CONFIG} with {rl_sar.BASE} (rl_sar) nor {isaac_lab.DEPLOY} "
        f"(Isaac Lab); it has {sorted(path.name for path in folder.iterdir())[:10]}"
    )


def _require_joints(said: Foreign, robot: RobotSpec, folder: Path) -> None:
    """Refuse a policy of other joints than the robot's.

    Raises:
        ConfigError: Naming the first one.
    """
    for name in said.joints:
        if name not in robot.joint_names:
            raise ConfigError(
                f"{folder}: robot '{robot.name}' has no joint '{name}'."
                f"{suggestion(name, robot.joint_names)}"
            )
    for name in robot.joint_names:
        if name not in said.joints:
            raise ConfigError(f"{folder}: the policy does not move joint '{name}'")


def _held(said: Foreign, robot: RobotSpec) -> Foreign:
    """Return a policy whose targets are held to what the safety gate lets through.

    Other projects let a target leave the joint's range, where the joint stops at its end.
    """
    order = [robot.joint_names.index(name) for name in said.joints]
    action = dict(said.network["action"])
    given = action.get("limits") or (-np.inf, np.inf)
    lower = np.maximum(robot.lower[order], given[0])
    upper = np.minimum(robot.upper[order], given[1])
    action["limits"] = [lower.tolist(), upper.tolist()]
    # Two opposite steps differ by twice the step, so half of a dt^2 keeps the acceleration.
    speed = np.minimum(robot.velocity, 0.5 * robot.acceleration * said.dt)
    action["speed"] = np.round(SPEED_SHARE * speed[order], 3).tolist()
    line = f"targets are held to {robot.name}'s ranges and {SPEED_SHARE:g} of speed, acceleration"
    network = {**said.network, "action": action}
    return replace(said, network=network, assumed=(*said.assumed, line))


def _write(said: Foreign, robot: RobotSpec, folder: Path) -> None:
    names = features(said)
    shapes = {name: {"type": "STATE", "shape": [len(entry)]} for name, (entry, _) in names.items()}
    action = {ACTION: {"type": "ACTION", "shape": [len(said.joints)]}}
    config = {"type": KIND, "input_features": shapes, "output_features": action}
    (folder / CONFIG).write_text(dumps(config), encoding="utf-8")
    observation: dict[str, dict[str, Any]] = {
        name: {"names": n, "unit": u} for name, (n, u) in names.items()
    }
    for key in ("lower", "upper"):
        bound = getattr(said, key)
        if bound is not None and VELOCITY_COMMAND in observation:
            observation[VELOCITY_COMMAND][key] = [float(value) for value in bound]
    contract = {
        "version": CONTRACT_VERSION,
        "robot": robot.name,
        "dt": said.dt,
        "observation": observation,
        "action": {"kind": "joint_position", "names": [*said.joints], "unit": "rad"},
        "gains": {"stiffness": short(said.stiffness), "damping": short(said.damping)},
        "network": said.network,
    }
    text = yaml.safe_dump(contract, sort_keys=False, default_flow_style=None, width=99)
    (folder / FILE).write_text(text, encoding="utf-8")
    shutil.copyfile(said.network_file, folder / NETWORK)


def features(said: Foreign) -> dict[str, tuple[list[str], list[str]]]:
    """Return names and SI units of the elements of each feature that the terms are made of."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    fields = [*needed(term["term"] for term in said.network["observation"]), "target"]
    for field in fields:
        feature, names, units = elements(field, said.joints)
        known, written = found.setdefault(feature, ([], []))
        known.extend(names)
        written.extend(units)
    return found
