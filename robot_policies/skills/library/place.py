"""Where a user's skills lie, and which keys they must be signed by."""

import os
from pathlib import Path

from robot_policies.interface import ConfigError

ROOT = "ROBOT_POLICIES_SKILLS"  # environment variable
KEYS = "trusted_keys"


def default_root() -> Path:
    """Return the user's library: $ROBOT_POLICIES_SKILLS, or a folder for data of this user.

    Raises:
        ConfigError: If this user has no home.
    """
    given = os.environ.get(ROOT)
    if given:
        return Path(given).expanduser()
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    try:
        return Path(data).expanduser() / "robot_policies" / "skills"
    except RuntimeError:  # neither the environment nor the system knows a home
        raise ConfigError(f"no folder for skills: set HOME, XDG_DATA_HOME or {ROOT}") from None


def trusted_keys(root: Path) -> tuple[str, ...]:
    """Return the public keys that skills must be signed by, in hexadecimal.

    Args:
        root: Folder of a library.

    Raises:
        ConfigError: If a line is no key.
    """
    path = root / KEYS
    if not path.is_file():
        return ()
    lines = [
        line.partition("#")[0].strip() for line in path.read_text(errors="replace").splitlines()
    ]
    keys = tuple(line.lower() for line in lines if line)
    for key in keys:
        if len(key) != 64 or any(letter not in "0123456789abcdef" for letter in key):
            raise ConfigError(f"{path}: '{key}' is no Ed25519 public key (64 hex digits)")
    return keys
