"""Where a policy lies: shipped ids, folders and hub repositories, by name.

Nothing is loaded here; `policies/catalog.py` makes a policy of what is found.
"""

import re
from pathlib import Path

from robot_policies.documents import read_json
from robot_policies.interface import CheckpointError, ConfigError, UnknownNameError
from robot_policies.places import places
from robot_policies.shared_files import share_directory

BUILT_IN = ("hold",)
CONFIG, WEIGHTS = "config.json", "model.safetensors"  # in LeRobot's layout
NO_NAME = "none"  # what launch files say for an empty argument
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")  # owner/name, or owner/name@revision
# Never *.bin, *.pt or *.pkl: no pickle.
HUB_FILES = ("*.json", "*.safetensors", "*.onnx", "*.yaml")
# Types of policies that run without LeRobot.
ALONE = tuple(
    sorted(
        path.stem.removeprefix("runtime_") for path in Path(__file__).parent.glob("*/runtime_*.py")
    )
)


def checkpoints() -> list[str]:
    """Return the ids of the checkpoints in all places, as `family/name`."""
    return sorted(_found())


def origin(name: str) -> str:
    """Return who put the checkpoint of an id there, for people."""
    return _found()[name][0][0]


def _found() -> dict[str, list[tuple[str, Path]]]:
    """Return who put what has each id there, and its folder."""
    roots = [
        ("shipped", share_directory()),
        *((p.origin, p.folder) for p in places() if not p.kind),
    ]
    found: dict[str, list[tuple[str, Path]]] = {}
    for who, above in roots:
        root = above / "checkpoints"
        for folder in root.glob("*/*/"):
            if (folder / CONFIG).is_file():
                known = found.setdefault(folder.relative_to(root).as_posix(), [])
                if all(folder.resolve() != other.resolve() for _, other in known):
                    known.append((who, folder))
    return found


def policies() -> list[str]:
    """Return every name that `load_policy` knows without looking elsewhere."""
    return [*BUILT_IN, *checkpoints()]


def find_checkpoint(name: str) -> Path:
    """Return the folder of an id, a path or a hub repository.

    Raises:
        ConfigError: If it is none of them, is called `none`, is an id that two checkpoints have,
            or the hub does not give it.
        CheckpointError: If a path is no folder.
    """
    known = _found()
    if name == NO_NAME:
        raise ConfigError(
            f"policy '{name}' stands for no policy in a launch file; call it ./{name}"
        )
    if name in known:
        first, *others = known[name]
        if others:
            both = " and ".join(f"{folder} ({who})" for who, folder in known[name])
            raise ConfigError(f"policy '{name}' is there twice: {both}; rename one")
        return first[1]
    folder = Path(name).expanduser()
    if name and folder.is_dir():
        return folder
    if name.startswith(("/", "./", "../", "~")):
        raise CheckpointError(f"{name}: no such folder")
    families = {each.split("/")[0] for each in known}
    if not HUB_ID.fullmatch(name) or name.split("/")[0] in families:
        raise UnknownNameError("policy", name, policies())
    return _download(name)


def own_runtime(folder: Path) -> str:
    """Return the type of a checkpoint that runs without LeRobot; empty for any other.

    One with LeRobot's weights is read by nobody else: what its `config.json` is, its reader says.
    """
    if (folder / WEIGHTS).exists():
        return ""
    try:
        kind = read_json(folder / CONFIG).get("type")
    except ConfigError:  # the reader of LeRobot's checkpoints says what is wrong with it
        return ""
    return kind if kind in ALONE else ""


def has_network_of_lerobot(name: str) -> bool:
    """Return whether LeRobot itself can answer in place of a policy."""
    return name not in BUILT_IN and not own_runtime(find_checkpoint(name))


def _download(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    repository, _, revision = name.partition("@")
    options = {"revision": revision or None, "allow_patterns": [*HUB_FILES]}
    try:
        try:
            return Path(snapshot_download(repository, **options))
        except HfHubHTTPError:
            raise  # the hub has answered: no such repository or revision, or not for this user
        except OSError:  # offline or unreachable: what was fetched before still serves
            return Path(snapshot_download(repository, **options, local_files_only=True))
    except (HfHubHTTPError, HFValidationError) as error:
        reason = f"is refused by the hub: {' '.join(str(error).split())}"
    except OSError:
        reason = "is not in the local hub cache, and the hub cannot be reached"
    known = UnknownNameError("policy", name, policies())
    raise ConfigError(f"{known} As a hub repository it {reason}")
