"""Where the files of a model lie: beside the robot's file, in ROS packages, in Menagerie."""

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from robot_policies.interface.errors import ConfigError, suggestion
from robot_policies.interface.schema import check_keys

FORMATS = ("mjcf", "urdf", "menagerie")
MENAGERIE = "MENAGERIE_ROOT"
SCHEME = "package://"


def model_file(model: Any, folder: Path, where: str) -> tuple[str, Path]:
    """Return the format and the path of a robot's model file.

    Args:
        model: `{mjcf: FILE}`, `{urdf: FILE}` or `{menagerie: NAME}`; a relative file lies beside
            the robot's.
        folder: Of the robot's file.
        where: Its name, for messages.

    Raises:
        ConfigError: If there is no such file.
    """
    check_keys(model, FORMATS, where)
    if len(model) != 1:
        raise ConfigError(f"{where}: expected one of {', '.join(FORMATS)}, got {dict(model)!r}")
    (kind, name), *_ = model.items()
    if not isinstance(name, str) or not name:
        raise ConfigError(f"{where}.{kind}: expected a name, got {name!r}")
    if kind == "menagerie":
        return "mjcf", menagerie_file(name, f"{where}.{kind}")
    path = folder / Path(name).expanduser()
    if name.startswith(SCHEME):
        path = package_file(name, folder, f"{where}.{kind}")
    if not path.is_file():
        raise ConfigError(f"{where}.{kind}: no file {path}")
    return kind, path.resolve()


def package_file(name: str, beside: Path, where: str) -> Path:
    """Return the path of `package://PACKAGE/FILE`.

    The package is looked for in the ament index, then as a folder of that name beside the file
    that names it or above, as public model collections have it.

    Args:
        name: The name.
        beside: Folder of the file that names it.
        where: For messages.

    Raises:
        ConfigError: If there is no such package.
    """
    package, _, rest = name.removeprefix(SCHEME).partition("/")
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    shares = [Path(prefix) / "share" / package for prefix in prefixes if prefix]
    found = [*shares, *(above / package for above in (beside, *beside.resolve().parents))]
    for share in found:
        if share.is_dir():
            return share / rest
    raise ConfigError(
        f"{where}: no package '{package}' in AMENT_PREFIX_PATH, beside {beside} or above"
    )


def menagerie_file(name: str, where: str) -> Path:
    """Return a model of MuJoCo Menagerie: `FOLDER` or `FOLDER/FILE.xml`.

    The collection is the local copy at `MENAGERIE_ROOT`, or else what the package
    `mujoco-menagerie` keeps; that one downloads a model when it is first used.

    Raises:
        ConfigError: If there is no copy, or no such model in it.
    """
    folder, _, file = name.partition("/")
    root = os.environ.get(MENAGERIE)
    if root:
        return _of_copy(Path(root).expanduser(), folder, file, where)
    if not find_spec("mujoco_menagerie"):
        raise ConfigError(
            f"{where}: set {MENAGERIE} to a copy of github.com/google-deepmind/mujoco_menagerie, "
            "or `pip install mujoco-menagerie`"
        )
    return _of_package(folder, file, where)


def _of_copy(root: Path, folder: str, file: str, where: str) -> Path:
    if not root.is_dir():
        raise ConfigError(f"{where}: {MENAGERIE} is {root}, where no folder is")
    there = sorted(path.name for path in root.iterdir() if path.is_dir())
    if folder not in there:
        raise ConfigError(f"{where}: no '{folder}' in {root}.{suggestion(folder, there)}")
    models = sorted(
        path.name for path in (root / folder).glob("*.xml") if not path.stem.startswith("scene")
    )
    if not file:  # unitree_go1 has go1.xml
        alike = [name for name in models if folder.endswith(Path(name).stem)]
        file = alike[0] if alike else models[0] if len(models) == 1 else ""
    if file not in models:
        raise ConfigError(f"{where}: say '{folder}/FILE' with one of {', '.join(models)}")
    return (root / folder / file).resolve()


def _of_package(folder: str, file: str, where: str) -> Path:
    import mujoco_menagerie  # pyright: ignore[reportMissingImports]

    try:
        robot = mujoco_menagerie.get(folder)
        entry = Path(file).stem if file else robot.default_model
        return Path(robot.xml(entry))
    except mujoco_menagerie.MenagerieError as error:
        raise ConfigError(f"{where}: {' '.join(str(error).split())}") from None


def mesh_finder(path: Path) -> Callable[[str], Path]:
    """Return what finds the meshes of a URDF file.

    Args:
        path: The file.
    """

    def find(name: str) -> Path:
        where = str(path)
        if name.startswith(SCHEME):
            found = package_file(name, path.parent, where)
        else:
            found = path.parent / name.removeprefix("file://")
        if not found.is_file():
            raise ConfigError(f"no mesh {found}, which '{name}' is")
        return found.resolve()

    return find
