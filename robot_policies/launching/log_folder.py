"""Where ROS writes its logs on a machine whose user has no home, or none that can be written."""

import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import gettempdir

VARIABLE = "ROS_LOG_DIR"


def log_folder(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variable that names a folder for logs; none where ROS finds one itself."""
    if environment.get(VARIABLE) or environment.get("ROS_HOME"):
        return {}
    home = environment.get("HOME", "")
    folder = Path(home) / ".ros" / "log"
    exists = next(path for path in (folder, *folder.parents) if path.exists())
    if home and exists.is_dir() and os.access(exists, os.W_OK):
        return {}
    return {VARIABLE: str(Path(gettempdir()) / f"ros_log_{os.getuid()}")}
