"""Where robots, backends, tasks and checkpoints are found: shipped, installed, and a user's own.

A place is a folder with `robots`, `backends`, `tasks` and `checkpoints` in it. Places are

- what this package ships;
- Python packages that name an entry point of a group `robot_policies.<kind>`;
- ROS packages, as `share/<package>/robot_policies` under `AMENT_PREFIX_PATH`;
- folders of `ROBOT_POLICIES_PATH`, or else `robot_policies` in the user's configuration folder.

Only the YAML of an installed package names a class, and one of its own package.
"""

import os
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

GROUP = "robot_policies"
OWN_FOLDERS = "ROBOT_POLICIES_PATH"
CODE_OF_OURS = ("robot_policies", "robot_policies_sim", "robot_policies_hardware")


@dataclass(frozen=True)
class Place:
    """A folder of named things.

    Attributes:
        origin: Who put them there, for people.
        folder: The folder.
        code: Top-level packages whose classes its files may name; empty for a user's folder.
        kind: The only kind that is looked for in it; empty for all.
        name: The only name that is looked for in it; empty for all.
    """

    origin: str
    folder: Path
    code: tuple[str, ...] = ()
    kind: str = ""
    name: str = ""

    def files(self, kind: str) -> dict[str, Path]:
        """Return the YAML files of a kind by name; an entry point's one need not be there."""
        if self.kind and self.kind != kind:
            return {}
        folder = self.folder / kind
        if self.name:
            return {self.name: folder / f"{self.name}.yaml"}
        return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def places() -> tuple[Place, ...]:
    """Return the places beside what is shipped, first the installed ones."""
    ament, own = os.environ.get("AMENT_PREFIX_PATH", ""), os.environ.get(OWN_FOLDERS)
    return (*_packages(), *_ros_packages(ament), *_own(own))


def own_folder() -> Path:
    """Return the folder that a user's new files go to."""
    return _own(os.environ.get(OWN_FOLDERS))[0].folder


def entries_of(kind: str) -> dict[str, EntryPoint]:
    """Return the entry points of a group `robot_policies.<kind>` by name."""
    return {entry.name: entry for entry in entry_points(group=f"{GROUP}.{kind}")}


@lru_cache(maxsize=1)
def _packages() -> tuple[Place, ...]:
    """Return the folders of Python packages with entry points; nothing of them is imported.

    `my_arm = my_package` in group `robot_policies.robots` is `robots/my_arm.yaml` in the folder
    of `my_package`.
    """
    found = []
    for kind in ("robots", "backends", "tasks"):
        for entry in entry_points(group=f"{GROUP}.{kind}"):
            top, *below = entry.value.split(".")
            spec = find_spec(top)
            roots = list(spec.submodule_search_locations or ()) if spec else []
            folder = Path(roots[0] if roots else top, *below)
            origin = entry.dist.name if entry.dist else top
            found.append(Place(f"package {origin}", folder, (top,), kind, entry.name))
    return tuple(found)


@lru_cache(maxsize=4)
def _ros_packages(prefixes: str) -> tuple[Place, ...]:
    shares = [Path(prefix) / "share" for prefix in prefixes.split(os.pathsep) if prefix]
    folders = [folder for share in shares for folder in sorted(share.glob(f"*/{GROUP}"))]
    return tuple(
        Place(f"ROS package {folder.parent.name}", folder, (folder.parent.name,))
        for folder in folders
    )


@lru_cache(maxsize=4)
def _own(folders: str | None) -> tuple[Place, ...]:
    if not folders:
        base = os.environ.get("XDG_CONFIG_HOME") or os.path.join(
            os.path.expanduser("~"), ".config"
        )
        return (Place("yours", Path(base) / GROUP),)
    named = [Path(folder).expanduser() for folder in folders.split(os.pathsep) if folder]
    return tuple(Place(f"yours, {folder}", folder) for folder in named)
