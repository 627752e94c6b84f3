"""The network of a checkpoint: drawn first without a value in it, then made.

`config.json` may ask for more layers and widths than there is memory, where the weights beside it
are small. So the network is first made on torch's device `meta`, where tensors have shapes alone,
and held against the header of the weights.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from lerobot.configs import PreTrainedConfig
from lerobot.policies import PreTrainedPolicy, get_policy_class
from torch.nn.modules.module import register_module_parameter_registration_hook

from robot_policies.interface import CheckpointError, RobotPoliciesError
from robot_policies.policies.configuration import CONFIG
from robot_policies.policies.device import is_full
from robot_policies.policies.files import CheckpointFiles, one_line
from robot_policies.policies.tokenizer import cached
from robot_policies.policies.weights import check_shapes, load_weights, read_shapes

WEIGHTS = "model.safetensors"
SPARE = 1000  # parameters that a network may make and drop, besides four times those it keeps


@runtime_checkable
class NamesLanguageModel(Protocol):
    """A configuration of LeRobot's whose network contains a language model of the hub."""

    vlm_model_name: str


def read_network(config: PreTrainedConfig, files: CheckpointFiles) -> PreTrainedPolicy:
    """Make the network and give it its weights.

    Args:
        config: Of the checkpoint; its device is where the network goes.
        files: Of the checkpoint.

    Returns:
        The network, in evaluation mode.

    Raises:
        CheckpointError: If the network cannot be made, or its weights do not fit.
    """
    path, folder = files.path(WEIGHTS), files.folder
    shapes = read_shapes(path)
    sketched = deepcopy(config)
    sketched.device = "meta"
    with torch.device("meta"), _at_most(4 * len(shapes) + SPARE, folder):
        check_shapes(_make(sketched, folder), shapes, path)
    policy = _make(config, folder)
    load_weights(policy, path)
    policy.to(config.device)
    return policy.eval()


def _make(config: PreTrainedConfig, folder: Path) -> PreTrainedPolicy:
    try:
        with _local_language_model(config):
            return get_policy_class(config.type)(config)
    except RobotPoliciesError:
        raise
    except Exception as error:  # a network raises whatever its layers do on a bad size
        if is_full(error):
            raise
        raise CheckpointError(f"{folder / CONFIG}: {config.type}: {one_line(error)}") from None


@contextmanager
def _local_language_model(config: PreTrainedConfig) -> Iterator[None]:
    """Let a network find the parts of its language model in the local cache, and nowhere else."""
    if not isinstance(config, NamesLanguageModel):
        yield
        return
    name = config.vlm_model_name
    config.vlm_model_name = str(cached(name))
    try:
        yield
    finally:
        config.vlm_model_name = name


@contextmanager
def _at_most(parameters: int, folder: Path) -> Iterator[None]:
    """Refuse a network of many more parameters than there are weights while it is made."""
    left = parameters

    def count(module: torch.nn.Module, name: str, parameter: torch.nn.Parameter) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise CheckpointError(
                f"{folder / CONFIG} asks for a network of far more layers than {WEIGHTS} holds"
            )

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()
