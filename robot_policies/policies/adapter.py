"""A LoRA adapter that `lerobot-train --peft...` wrote, added to the weights of its base.

The adapter's folder has the configuration and the statistics it was trained with; the weights are
the base's, which is named by who loads it. The path that peft stored is shown and never followed:
it is of another machine, or somebody else's choice.
"""

from pathlib import Path

import torch
from torch import nn

from robot_policies.interface import CheckpointError
from robot_policies.policies.configuration import CONFIG
from robot_policies.policies.files import CheckpointFiles
from robot_policies.skills.mixing.layers import linear_layers
from robot_policies.skills.package.adapter import read_adapter
from robot_policies.skills.package.card import FILES

ADAPTER = FILES[0]


def is_adapter(folder: Path) -> bool:
    """Return whether a folder holds an adapter."""
    return (folder / ADAPTER).is_file()


def check_base(folder: Path, base: Path | None) -> None:
    """Refuse an adapter without a base, a base without an adapter, and one of another type.

    Args:
        folder: What is loaded.
        base: What was named as its base.

    Raises:
        CheckpointError: Saying what to write.
    """
    if not is_adapter(folder):
        if base:
            raise CheckpointError(f"{folder} is a policy by itself: leave out the base {base}")
        files = CheckpointFiles(folder)
        if CONFIG in files and files.json(CONFIG).get("use_peft"):
            raise CheckpointError(f"{folder} is an adapter by its {CONFIG}: {ADAPTER} is missing")
        return
    trained = CheckpointFiles(folder).json(ADAPTER).get("base_model_name_or_path")
    said = f"; it was trained on '{trained}'" if trained else ""
    if base is None:
        raise CheckpointError(
            f"{folder} is an adapter, not a policy: name its base with --base or base:={said}"
        )
    if is_adapter(base):
        raise CheckpointError(f"{base} is an adapter, expected the policy it was trained on{said}")
    kinds = [CheckpointFiles(place).json(CONFIG).get("type") for place in (folder, base)]
    if kinds[0] != kinds[1]:
        raise CheckpointError(
            f"{folder} is an adapter for {kinds[0]}, the base {base} is {kinds[1]}{said}"
        )


@torch.no_grad()
def merge_adapter(network: nn.Module, folder: Path) -> None:
    """Add an adapter to the weights it was trained beside: W + scale B A.

    Args:
        network: With the weights of the base.
        folder: The adapter.

    Raises:
        CheckpointError: If it is not for this network, or offers more than plain LoRA.
    """
    layers = linear_layers(network)
    sizes = {name: (layer.out_features, layer.in_features) for name, layer in layers.items()}
    for name, part in read_adapter(folder, sizes).items():
        weight = layers[name].weight
        weight += (part.scale * part.up.float() @ part.down.float()).to(weight)
