"""What fits a dataset that exists: told before an episode as far as it is known, and after it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from robot_policies.data.dataset import AUTOMATIC, read_info
from robot_policies.data.episodes import Features
from robot_policies.interface import ConfigError, RobotSpec
from robot_policies.interface.errors import suggestion
from robot_policies.interface.observation import IMAGES, STATE


def check_appendable(root: Path, robot: RobotSpec, columns: Sequence[str]) -> None:
    """Refuse a folder that an episode cannot be appended to, as far as that is known before it.

    Args:
        root: Dataset folder; it need not exist.
        robot: Who is recorded, at its control rate.
        columns: Features that the episode will have.

    Raises:
        ConfigError: Naming what differs.
    """
    rate = robot.control_rate
    require_whole(root, rate)
    if not root.exists() or not any(root.iterdir()):
        return
    info = read_info(root)
    _check_origin(root, info, round(rate), robot.name)
    cameras = [name for name in robot.streams if name.startswith(f"{IMAGES}.")]
    for name in (*columns, *cameras):
        _check_known(root, name, info["features"])
    described: dict[str, dict[str, Any]] = {
        name: {"shape": list(robot.streams[name].shape)} for name in cameras
    }
    described[STATE] = {"names": list(robot.streams[STATE].names)}
    for name, feature in described.items():
        _check_feature(root, name, feature, info["features"][name])


def require_whole(root: Path, fps: float) -> None:
    """Refuse a rate that LeRobot cannot store."""
    if fps != round(fps):
        raise ConfigError(f"{root}: {fps:g} frames/s, but LeRobot stores whole numbers only")


def check_same(
    root: Path, info: Mapping[str, Any], fps: int, robot: str, features: Features
) -> None:
    """Refuse an episode whose rate, robot or columns differ from the dataset's.

    Raises:
        ConfigError: Naming what differs.
    """
    _check_origin(root, info, fps, robot)
    known = {k: v for k, v in info["features"].items() if k not in AUTOMATIC}
    for name in (*features, *(name for name in known if name not in features)):
        _check_known(root, name, known)
        if name not in features:
            raise ConfigError(f"{root}: the new episode lacks the dataset's '{name}'")
        aspects = {key: features[name].get(key) for key in ("dtype", "shape", "names")}
        _check_feature(root, name, aspects, known[name])


def _check_origin(root: Path, info: Mapping[str, Any], fps: int, robot: str) -> None:
    for what, mine, theirs in (
        ("frames/s", fps, info["fps"]),
        ("robot", robot, info.get("robot_type")),
    ):
        if mine != theirs:
            raise ConfigError(f"{root}: {what} {theirs}, the new episode has {mine}")


def _check_known(root: Path, name: str, known: Features) -> None:
    if name not in known:
        raise ConfigError(
            f"{root}: the new episode's '{name}' is not in this dataset.{suggestion(name, known)}"
        )


def _check_feature(
    root: Path, name: str, aspects: Mapping[str, Any], known: Mapping[str, Any]
) -> None:
    for key, value in aspects.items():
        new, old = json.loads(json.dumps(value)), known.get(key)
        if new != old:
            raise ConfigError(f"{root}: '{name}' has {key} {old}, in the new episode {new}")
