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


def config_names(kind: str) -> list[str]:
    """Return the names of the YAML files in `config/<kind>`."""
    return sorted(path.stem for path in (share_directory() / "config" / kind).glob("*.yaml"))


def read_config(kind: str, name: str) -> dict[str, Any]:
    """Read `config/<kind>/<name>.yaml`.

    Args:
        kind: Folder, such as `robots`.
        name: File name without its ending.

    Raises:
        UnknownNameError: If there is no such file; lists those there are.
        ConfigError: If the file is no YAML mapping.
    """
    if name not in config_names(kind):
        raise UnknownNameError(kind.removesuffix("s"), name, config_names(kind))
    return read_yaml(share_directory() / "config" / kind / f"{name}.yaml")
