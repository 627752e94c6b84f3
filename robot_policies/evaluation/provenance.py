"""What a result depends on: versions, source state, checkpoint digests, command, machine."""

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "robot_policies",
    "numpy",
    "scipy",
    "torch",
    "lerobot",
    "transformers",
    "mujoco",
    "pybullet",
    "gymnasium",
    "rclpy",
)


def provenance(policies: Sequence[str] = (), **settings: Any) -> dict[str, Any]:
    """Describe this run.

    Args:
        policies: Names of the policies; those with a checkpoint get its digest.
        **settings: What the run was asked to do, seeds included.
    """
    return {
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "settings": settings,
        "checkpoints": {name: checkpoint_digest(name) for name in policies},
        "git": git_state(),
        "python": platform.python_version(),
        "versions": {name: installed(name) for name in PACKAGES},
        "machine": {
            "system": platform.platform(),
            "processor": platform.machine(),
            "cores": len(os.sched_getaffinity(0)),
        },
    }


def installed(package: str) -> str | None:
    """Return the version of an installed package, `None` if it is not; imports nothing."""
    for name in (package, f"ros-{package}"):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return None


def git_state() -> dict[str, Any] | None:
    """Return the commit the package runs from, `None` outside a clone."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit, "changed": bool(changed)}


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments],
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
    )
    return done.stdout.strip()


def folder_digest(folder: Path) -> str:
    """Return the SHA-256 of a folder's file names and contents, its README apart."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "README.md":
            name = path.relative_to(folder).as_posix().encode()
            digest.update(len(name).to_bytes(8, "big") + name)
            digest.update(path.stat().st_size.to_bytes(8, "big") + path.read_bytes())
    return f"sha256:{digest.hexdigest()}"


def checkpoint_digest(policy: str) -> str | None:
    """Return the digest of a policy's checkpoint, `None` of a built-in policy."""
    from robot_policies.policies.locate import BUILT_IN, find_checkpoint

    return None if policy in BUILT_IN else folder_digest(find_checkpoint(policy))
