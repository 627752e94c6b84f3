"""`config.json` of a checkpoint: a network of a known type, of a size that can be.

LeRobot's configurations name weights, backbones and language models that their networks fetch, and
widths of any size. A checkpoint is data: it names what LeRobot's own code names, or nothing.
"""

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any

import draccus
from lerobot.configs import PreTrainedConfig
from lerobot.policies import get_policy_class  # noqa: F401 (registers LeRobot's configurations)
from lerobot.utils.constants import OBS_IMAGE

from robot_policies.interface import CheckpointError
from robot_policies.interface.errors import suggestion
from robot_policies.policies.files import CheckpointFiles, one_line
from robot_policies.policies.locate import ALONE
from robot_policies.policies.tokenizer import LANGUAGE_MODELS

CONFIG = "config.json"
OWN = tuple(
    sorted(
        path.stem.removeprefix("configuration_")
        for path in Path(__file__).parent.glob("*/configuration_*.py")
    )
)
# Of LeRobot's policies, those whose networks run nothing but LeRobot's code.
KINDS = (*OWN, "act", "diffusion", "vqbet", "tdmpc", "smolvla", "pi0", "pi05")
# Settings of LeRobot's that name what a network is made from, and what they may say.
NAMES = {
    "vision_backbone": ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    "vlm_model_name": LANGUAGE_MODELS,
}
# Settings that fetch first weights, or start a compiler; the checkpoint holds all weights.
REPLACED = {
    "pretrained_path": None,
    "pretrained_revision": None,
    "pretrained_backbone_weights": None,
    "vlm_source": "",
    "load_vlm_weights": False,
    "compile_model": False,
    "use_peft": False,  # the adapter is added to the weights that are read
}
STEPS = ("n_obs_steps", "chunk_size", "n_action_steps", "horizon", "history")
MAX_STEPS, MAX_SIZE, MAX_ELEMENTS = 10_000, 1_000_000, 1 << 26
TRAINING = ("optimizer_", "scheduler_", "total_steps", "n_vqvae_training_steps")  # count updates


def read_config(files: CheckpointFiles, device: str) -> PreTrainedConfig:
    """Read `config.json`.

    Args:
        files: Of the checkpoint.
        device: Torch device, in place of the one it was trained on.

    Raises:
        CheckpointError: Naming the setting and what it may be.
    """
    data, where = files.json(CONFIG), files.folder / CONFIG
    kind = data.pop("type", None)
    if kind in ALONE:
        raise CheckpointError(f"{where}: a policy of type '{kind}' has no network of LeRobot's")
    if kind not in KINDS:
        raise CheckpointError(f"{where}: no policy type {kind!r}.{suggestion(str(kind), KINDS)}")
    if kind not in OWN:
        _check_names(data, where)
    _check_sizes(data, where)
    _register(kind)
    known = PreTrainedConfig.get_choice_class(kind)
    data |= {key: value for key, value in REPLACED.items() if key in data}
    try:
        config = draccus.decode(known, {**data, "device": device.partition(":")[0]})
    except Exception as error:  # draccus raises a different class for each kind of mistake
        raise CheckpointError(f"{where}: {one_line(error)}") from None
    if not config.input_features or config.action_feature is None:
        raise CheckpointError(f"{where}: needs input_features and an 'action' to answer")
    _check_picture(config, where)
    config.device = device  # LeRobot takes another one where it finds none
    return config


def _check_names(data: dict[str, Any], where: Path) -> None:
    for key, known in NAMES.items():
        if key in data and data[key] not in known:
            raise CheckpointError(
                f"{where}: {key} {data[key]!r} is none that LeRobot's code names."
                f"{suggestion(str(data[key]), known)}"
            )


def _check_picture(config: PreTrainedConfig, where: Path) -> None:
    """Refuse pictures that LeRobot's TDMPC learns from and does not find when it is asked."""
    if config.type == "tdmpc" and (wrong := sorted({*config.image_features} - {OBS_IMAGE})):
        raise CheckpointError(
            f"{where}: picture '{wrong[0]}': LeRobot's TDMPC answers to one picture alone, called "
            f"'{OBS_IMAGE}'. Rename it in the data set and train again"
        )


def _check_sizes(data: dict[str, Any], where: Path) -> None:
    """Refuse numbers of steps, widths and layers that no robot's network has."""
    for key, value in data.items():
        limit = MAX_STEPS if key in STEPS else MAX_SIZE
        largest = max(_integers(value), default=0)
        if largest > limit and not key.startswith(TRAINING):
            raise CheckpointError(f"{where}: {key} = {largest}, at most {limit} makes sense")
    for key in ("input_features", "output_features"):
        features = data.get(key)
        for name, feature in features.items() if isinstance(features, dict) else ():
            shape = list(_integers(feature))
            if prod(shape) > MAX_ELEMENTS or min(shape, default=0) < 1:
                raise CheckpointError(f"{where}: {key}: '{name}' has shape {shape}")


def _integers(value: Any) -> Iterator[int]:
    """Yield the integers that a value holds, at any depth."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for entry in value:
            yield from _integers(entry)
    elif isinstance(value, int):
        yield value


def _register(kind: str) -> None:
    """Import the modules in which a policy type and its processor steps register themselves."""
    if kind in OWN:
        import_module(f"robot_policies.policies.{kind}.configuration_{kind}")
    module = PreTrainedConfig.get_choice_class(kind).__module__
    processor = module.replace("configuration_", "processor_")
    if find_spec(processor) is not None:
        import_module(processor)
