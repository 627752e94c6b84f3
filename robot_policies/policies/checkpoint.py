"""Reading a checkpoint in LeRobot's layout, strictly.

LeRobot loads weights with `strict=False` and lets a feature without statistics pass through
unnormalised. Both end in a robot that moves, wrongly; here both are a refusal that says what is
missing. A checkpoint is data: it runs nothing, fetches nothing, and every file of it lies in its
folder (`configuration.py`, `network.py`, `processors.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from lerobot.configs import FeatureType, NormalizationMode, PolicyFeature, PreTrainedConfig
from lerobot.policies import PreTrainedPolicy
from lerobot.processor import NormalizerProcessorStep, UnnormalizerProcessorStep
from lerobot.utils.constants import ACTION

from robot_policies.interface import CheckpointError, Statistics
from robot_policies.interface.errors import suggestion
from robot_policies.policies.adapter import check_base, merge_adapter
from robot_policies.policies.configuration import CONFIG, read_config
from robot_policies.policies.files import CheckpointFiles
from robot_policies.policies.network import WEIGHTS, read_network
from robot_policies.policies.processors import POSTPROCESSOR, PREPROCESSOR, read_processors

PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt")
NEEDED = {  # statistics each normalisation mode divides by
    "MEAN_STD": ("mean", "std"),
    "MIN_MAX": ("min", "max"),
    "QUANTILES": ("q01", "q99"),
    "QUANTILE10": ("q10", "q90"),
}


@runtime_checkable
class Normalised(Protocol):
    """A configuration of LeRobot that says how features are normalised."""

    normalization_mapping: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A checkpoint whose parts fit each other.

    Attributes:
        files: Its files.
        config: LeRobot's configuration of the policy.
        policy: The network, in evaluation mode on its device.
        preprocessor: LeRobot's pipeline in front of it.
        postprocessor: LeRobot's pipeline behind it.
        statistics: Per feature of the configuration, in the units of the training data.
    """

    files: CheckpointFiles
    config: PreTrainedConfig
    policy: PreTrainedPolicy
    preprocessor: Any
    postprocessor: Any
    statistics: Mapping[str, Statistics]

    @property
    def folder(self) -> Path:
        """Where it was read."""
        return self.files.folder


def read_checkpoint(folder: Path, device: str, base: Path | None = None) -> Checkpoint:
    """Load every part of a checkpoint, or refuse it with the reason.

    Args:
        folder: The checkpoint, or an adapter that is added to the weights of its base.
        device: Torch device.
        base: The base of an adapter.

    Raises:
        CheckpointError: If a part is missing, damaged, or does not fit the others.
    """
    check_base(folder, base)
    _check_files(folder, base or folder)
    files = CheckpointFiles(folder)
    config = read_config(files, device)
    preprocessor, postprocessor = read_processors(config, files, device)
    policy = read_network(config, CheckpointFiles(base) if base else files)
    if base:
        merge_adapter(policy, folder)
    return Checkpoint(
        files=files,
        config=config,
        policy=policy,
        preprocessor=preprocessor,
        postprocessor=postprocessor,
        statistics=_audit_statistics(config, preprocessor, postprocessor, folder),
    )


def _check_files(folder: Path, weights: Path) -> None:
    pickles = sorted(path.name for pattern in PICKLES for path in weights.glob(pattern))
    for name in (CONFIG, WEIGHTS, PREPROCESSOR, POSTPROCESSOR):
        if ((weights if name == WEIGHTS else folder) / name).is_file():
            continue
        if name == WEIGHTS and pickles:
            raise CheckpointError(
                f"{weights}: {WEIGHTS} is missing and {pickles[0]} is a pickle, which can run "
                "code when it is read; save the weights with safetensors"
            )
        if name in (PREPROCESSOR, POSTPROCESSOR):
            raise CheckpointError(
                f"{folder}: {name} is missing, so nothing says how to normalise; a checkpoint "
                "from before LeRobot 0.4 is converted by LeRobot's migration: "
                f"robot-policies migrate {folder}"
            )
        where = weights if name == WEIGHTS else folder
        raise CheckpointError(f"{where}: {name} is missing")


def _audit_statistics(
    config: PreTrainedConfig, preprocessor: Any, postprocessor: Any, folder: Path
) -> dict[str, Statistics]:
    """Return the statistics in use; refuse where LeRobot would silently pass values through.

    Raises:
        CheckpointError: Naming the feature and the statistic.
    """
    inputs, outputs = config.input_features or {}, config.output_features or {}
    statistics = {}
    for pipeline, step_class, features, name in (
        (preprocessor, NormalizerProcessorStep, inputs, PREPROCESSOR),
        (postprocessor, UnnormalizerProcessorStep, {ACTION: outputs[ACTION]}, POSTPROCESSOR),
    ):
        steps = [step for step in pipeline.steps if isinstance(step, step_class)]
        for key, feature in features.items():
            where = f"{folder / name}: {key}"
            declared = _mode(_modes(config), feature.type)
            modes = [_mode(step.norm_map, feature.type) for step in steps]
            if declared != "IDENTITY" and declared not in modes:
                raise CheckpointError(f"{where}: config.json says {declared}, no step does it")
            statistics[key] = Statistics("IDENTITY", {})
            for step, mode in zip(steps, modes, strict=True):
                chosen = step.normalize_observation_keys
                if mode != "IDENTITY" and (chosen is None or key in chosen or key == ACTION):
                    statistics[key] = _statistics(step, key, mode, _width(feature), where)
    return statistics


def _width(feature: PolicyFeature) -> int:
    return feature.shape[0 if feature.type is FeatureType.VISUAL else -1]


def _modes(config: PreTrainedConfig) -> Mapping[Any, Any]:
    """Return what a configuration says of normalisation, by type of feature."""
    return config.normalization_mapping if isinstance(config, Normalised) else {}


def _mode(norm_map: Mapping[Any, Any], kind: Any) -> str:
    return NormalizationMode(norm_map.get(kind, norm_map.get(kind.value, "IDENTITY"))).value


def _statistics(step: Any, key: str, mode: str, width: int, where: str) -> Statistics:
    stored = step.state_dict()
    if key != ACTION and key not in step.features:
        raise CheckpointError(f"{where}: the normaliser skips it.{suggestion(key, step.features)}")
    values = {}
    for name in NEEDED.get(mode, ()):
        tensor = stored.get(f"{key}.{name}")
        if tensor is None:
            raise CheckpointError(
                f"{where}: {mode} needs '{name}', and the checkpoint has none."
                f"{suggestion(f'{key}.{name}', stored)}"
            )
        values[name] = tensor.double().numpy().reshape(-1)
        if values[name].size != width:
            raise CheckpointError(f"{where}: {name} has {values[name].size} values, not {width}")
        if not np.isfinite(values[name]).all():
            raise CheckpointError(f"{where}: {name} is not finite: {values[name].tolist()}")
    if mode == "MEAN_STD" and (values["std"] < 0.0).any():
        raise CheckpointError(f"{where}: std is negative: {values['std'].tolist()}")
    return Statistics(mode, values)
