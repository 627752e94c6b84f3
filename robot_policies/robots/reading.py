"""The model that a robot's file names, read once."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from robot_policies.interface.errors import ConfigError
from robot_policies.interface.robot_model import RobotModel
from robot_policies.robots.files import mesh_finder, model_file
from robot_policies.robots.urdf import read_urdf

XACRO = ".xacro"


def read_model(model: Mapping[str, Any], folder: Path, where: str) -> RobotModel:
    """Read what the key `model` of a robot's file names.

    Args:
        model: `{mjcf: FILE}`, `{urdf: FILE}` or `{menagerie: NAME}`.
        folder: Of the robot's file.
        where: Its name, for messages.

    Raises:
        ConfigError: If there is no such model, or it cannot be a robot.
    """
    kind, path = model_file(model, folder, where)
    try:
        return _read(kind, path, path.stat().st_mtime_ns)
    except ConfigError as error:
        text = str(error)
        raise ConfigError(text if text.startswith(str(path)) else f"{path}: {text}") from None


@lru_cache(maxsize=16)
def _read(kind: str, path: Path, changed: int) -> RobotModel:
    """Read a file; a command reads a robot many times, and a model with meshes takes a second."""
    if kind == "mjcf":
        from robot_policies.robots.mjcf import read_mjcf  # MuJoCo is not needed for a URDF

        return read_mjcf(path)
    return read_urdf(_expanded(path), mesh_finder(path))


def _expanded(path: Path) -> str:
    """Return the URDF of a file, which xacro expands if it says so by its ending.

    Xacro evaluates expressions that the file holds; it is for files that one trusts as code.
    """
    if path.suffix != XACRO:
        return path.read_text(encoding="utf-8")
    try:
        import xacro  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise ConfigError("a xacro file needs `pip install 'robot_policies[xacro]'`") from None
    try:
        document: Any = xacro.process_file(str(path))
        return document.toxml()
    except Exception as error:  # of many kinds, also those of what the file evaluates
        raise ConfigError(f"xacro: {' '.join(str(error).split())}") from None
