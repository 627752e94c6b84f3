"""The data set that a checkpoint says it learned from, where it lies on this machine.

`lerobot-train` leaves its settings beside a checkpoint. What the data set says of names and units
is no guess, so it stands for what a contract leaves out.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from robot_policies.data.dataset import INFO
from robot_policies.data.reading import describe_dataset
from robot_policies.documents import read_json
from robot_policies.interface import ConfigError
from robot_policies.policies.files import CheckpointFiles

TRAINING = "train_config.json"


def dataset_of(files: CheckpointFiles) -> Path | None:
    """Return the data set that a checkpoint says it learned from; `None` if it is elsewhere."""
    if TRAINING not in files:
        return None
    named = read_json(files.path(TRAINING)).get("dataset")
    if not isinstance(named, dict):
        return None
    from lerobot.utils.constants import HF_LEROBOT_HOME

    root, repository = named.get("root"), named.get("repo_id")
    for place in (root, repository and HF_LEROBOT_HOME / str(repository)):
        if place and (Path(place) / INFO).is_file():
            return Path(place)
    return None


def described(files: CheckpointFiles, features: Iterable[str]) -> Mapping[str, dict[str, Any]]:
    """Return names and units of those features of which the data set says both.

    Args:
        files: Of the checkpoint.
        features: What is wanted.
    """
    root, found = dataset_of(files), {}
    if root is None:
        return found
    try:
        recorded = describe_dataset(root)
        for name in recorded.features.keys() & set(features):
            if units := recorded.units(name):
                found[name] = {"names": recorded.elements(name), "unit": units}
    except ConfigError:
        return {}  # the audit of the contract says why it cannot be read
    return found
