"""Names to policies: built-in ones, shipped checkpoints, folders and hub repositories.

Importing this module is cheap; torch and LeRobot are imported when a checkpoint is loaded.
"""

import re
import sys
from pathlib import Path

from robot_policies.interface import (
    ActionSpec,
    CheckpointError,
    ConfigError,
    Policy,
    RobotSpec,
    UnknownNameError,
)
from robot_policies.share import share_directory

BUILT_IN = ("hold",)
CONFIG = "config.json"
NO_NAME = "none"  # what launch files say for an empty argument
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")  # owner/name, or owner/name@revision
HUB_FILES = ("*.json", "*.safetensors", "*.yaml")  # never *.bin, *.pt or *.pkl: no pickle


def checkpoints() -> list[str]:
    """Return the ids of the shipped checkpoints, as `family/name`."""
    root = share_directory() / "checkpoints"
    return sorted(
        folder.relative_to(root).as_posix()
        for folder in root.glob("*/*/")
        if (folder / CONFIG).is_file()
    )


def policies() -> list[str]:
    """Return every name that `load_policy` knows without looking elsewhere."""
    return [*BUILT_IN, *checkpoints()]


def load_policy(
    name: str,
    *,
    robot: RobotSpec | None = None,
    device: str = "cpu",
    threads: int = 1,
    contract: Path | None = None,
) -> Policy:
    """Make a policy ready to act.

    Args:
        name: A built-in policy, a shipped id such as `uni_o4/go1_walk`, a folder in LeRobot's
            layout, or a hub repository as `owner/name` or `owner/name@revision`.
        robot: The robot; built-in policies take their joints from it.
        device: Torch device of a checkpoint.
        threads: Torch threads of the process; more than the free cores make it slower.
        contract: File that says which joints and units a checkpoint speaks of, if its folder
            has no `contract.yaml`.

    Raises:
        UnknownNameError: If nothing has that name; lists the nearest and all known ones.
        CheckpointError: If the checkpoint is missing, damaged or contradicts its contract.
        ConfigError: If the policy needs a robot and none is given.
    """
    if name in BUILT_IN:
        return _built_in(name, robot)
    folder = find_checkpoint(name)
    from robot_policies.policies.runtime import LerobotRuntime

    return LerobotRuntime(folder, name=name, device=device, threads=threads, contract=contract)


def set_threads(number: int) -> None:
    """Set torch's threads in this process, where torch is loaded."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(number)


def action_spec_of(name: str, robot: RobotSpec) -> ActionSpec:
    """Return the actions of a policy, without loading it.

    Args:
        name: As `load_policy` takes it.
        robot: The robot; built-in policies take their joints from it.

    Raises:
        ConfigError: If there is no such policy.
        CheckpointError: If its texts are missing or contradict each other.
    """
    if name in BUILT_IN:
        return _built_in(name, robot).action_spec
    from robot_policies.policies.contract import read_action_spec

    return read_action_spec(find_checkpoint(name))


def find_checkpoint(name: str) -> Path:
    """Return the folder of a shipped id, a path or a hub repository.

    Raises:
        ConfigError: If it is none of them, is called `none`, or the hub does not give it.
        CheckpointError: If a path is no folder.
    """
    shipped = checkpoints()
    if name == NO_NAME:
        raise ConfigError(
            f"policy '{name}' stands for no policy in a launch file; call it ./{name}"
        )
    if name in shipped:
        return share_directory() / "checkpoints" / name
    folder = Path(name).expanduser()
    if name and folder.is_dir():
        return folder
    if name.startswith(("/", "./", "../", "~")):
        raise CheckpointError(f"{name}: no such folder")
    families = {known.split("/")[0] for known in shipped}
    if not HUB_ID.fullmatch(name) or name.split("/")[0] in families:
        raise UnknownNameError("policy", name, policies())
    return _download(name)


def _built_in(name: str, robot: RobotSpec | None) -> Policy:
    if robot is None:
        raise ConfigError(f"policy '{name}' has no checkpoint to name its joints: give a robot")
    from robot_policies.policies.hold import HoldPolicy

    return HoldPolicy(robot)


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
