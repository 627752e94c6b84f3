"""Where the shipped files lie, and how they are found: a wrong name is refused.

A bare clone and an editable install read them beside the package; a plain pip install or colcon
build reads `share/robot_policies` under the installation prefix.
"""

import os
from functools import cache
from pathlib import Path
from typing import Any

from robot_policies.documents import read_yaml
from robot_policies.interface.errors import ConfigError, UnknownNameError
from robot_policies.places import CODE_OF_OURS, Place, places

PACKAGE = "robot_policies"


@cache
def share_directory() -> Path:
    """Return the folder that holds `config/`, `launch/` and `checkpoints/`.

    Raises:
        ConfigError: If the package was installed without its shared files.
    """
    beside, *above = Path(__file__).resolve().parents[1:]
    ament = [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    candidates = [beside, *(prefix / "share" / PACKAGE for prefix in (*ament, *above))]
    for folder in candidates:
        if (folder / "config" / "robots").is_dir():
            return folder
    raise ConfigError(f"no config/robots in any of {[str(c) for c in candidates]}; reinstall")


def found_files(kind: str) -> dict[str, list[tuple[Place, Path]]]:
    """Return what has each name of a kind: where it is found, and its file.

    Args:
        kind: Folder, such as `robots`.
    """
    shipped = Place("shipped", share_directory() / "config", CODE_OF_OURS)
    found: dict[str, list[tuple[Place, Path]]] = {}
    for place in (shipped, *places()):
        for name, path in place.files(kind).items():
            known = found.setdefault(name, [])
            if all(path.resolve() != other.resolve() for _, other in known):
                known.append((place, path))  # one installed twice over is one
    return found


def config_names(kind: str) -> list[str]:
    """Return the names of the YAML files of a kind, wherever they are found."""
    return sorted(found_files(kind))


def find_config(kind: str, name: str) -> tuple[Place, Path]:
    """Return where `<kind>/<name>.yaml` is found, and the file.

    Args:
        kind: Folder, such as `robots`.
        name: File name without its ending.

    Raises:
        UnknownNameError: If there is no such file; lists those there are.
        ConfigError: If there are two.
    """
    files = found_files(kind)
    if name not in files:
        raise UnknownNameError(kind.removesuffix("s"), name, sorted(files))
    first, *others = files[name]
    if others:
        both = " and ".join(f"{path} ({place.origin})" for place, path in files[name])
        raise ConfigError(f"{kind.removesuffix('s')} '{name}' is there twice: {both}; rename one")
    return first


def read_config(kind: str, name: str) -> dict[str, Any]:
    """Read `<kind>/<name>.yaml`.

    Args:
        kind: Folder, such as `robots`.
        name: File name without its ending.

    Raises:
        UnknownNameError: If there is no such file; lists those there are.
        ConfigError: If there are two, or the file is no YAML mapping.
    """
    return read_yaml(find_config(kind, name)[1])
