"""Reading a checkpoint in LeRobot's layout, strictly.

LeRobot loads weights with `strict=False` and lets a feature without statistics pass through
unnormalised. Both end in a robot that moves, wrongly; here both are a refusal that says what is
missing. Nothing is unpickled, and a processor may only name classes of LeRobot or this package.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from lerobot.configs import FeatureType, PolicyFeature, PreTrainedConfig
from lerobot.policies import PreTrainedPolicy, get_policy_class, make_pre_post_processors
from lerobot.processor import NormalizerProcessorStep, UnnormalizerProcessorStep
from lerobot.utils.constants import ACTION
from lerobot.utils.import_utils import register_third_party_plugins

from robot_policies.interface import CheckpointError, RobotPoliciesError, Statistics
from robot_policies.interface.errors import suggestion
from robot_policies.policies.weights import load_weights

CONFIG, WEIGHTS = "config.json", "model.safetensors"
PREPROCESSOR, POSTPROCESSOR = "policy_preprocessor.json", "policy_postprocessor.json"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt")
TRUSTED = ("lerobot.", "robot_policies.")
NEEDED = {  # statistics each normalisation mode divides by
    "MEAN_STD": ("mean", "std"),
    "MIN_MAX": ("min", "max"),
    "QUANTILES": ("q01", "q99"),
    "QUANTILE10": ("q10", "q90"),
}


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A checkpoint whose parts fit each other.

    Attributes:
        config: LeRobot's configuration of the policy.
        policy: The network, in evaluation mode on its device.
        preprocessor: LeRobot's pipeline in front of it.
        postprocessor: LeRobot's pipeline behind it.
        statistics: Per feature of the configuration, in the units of the training data.
    """

    config: PreTrainedConfig
    policy: PreTrainedPolicy
    preprocessor: Any
    postprocessor: Any
    statistics: Mapping[str, Statistics]


def read_checkpoint(folder: Path, device: str) -> Checkpoint:
    """Load every part of a checkpoint, or refuse it with the reason.

    Raises:
        CheckpointError: If a part is missing, damaged, or does not fit the others.
    """
    _check_files(folder)
    config = _read_config(folder, device)
    try:
        policy = get_policy_class(config.type)(config)
    except RobotPoliciesError:
        raise
    except Exception as error:  # a network raises whatever its layers do on a bad size
        raise CheckpointError(f"{folder}: {config.type}: {_one_line(error)}") from None
    load_weights(policy, folder / WEIGHTS)
    policy.to(device)
    policy.eval()
    preprocessor, postprocessor = _read_processors(config, folder, device)
    return Checkpoint(
        config=config,
        policy=policy,
        preprocessor=preprocessor,
        postprocessor=postprocessor,
        statistics=_audit_statistics(config, preprocessor, postprocessor, folder),
    )


def _check_files(folder: Path) -> None:
    if (folder / "adapter_config.json").is_file() and not (folder / WEIGHTS).is_file():
        raise CheckpointError(f"{folder} is an adapter, not a policy: load its base policy")
    pickles = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
    for name in (CONFIG, WEIGHTS, PREPROCESSOR, POSTPROCESSOR):
        if (folder / name).is_file():
            continue
        if name == WEIGHTS and pickles:
            raise CheckpointError(
                f"{folder}: {WEIGHTS} is missing and {pickles[0]} is a pickle, which can run "
                "code when it is read; save the weights with safetensors"
            )
        if name in (PREPROCESSOR, POSTPROCESSOR):
            raise CheckpointError(
                f"{folder}: {name} is missing, so nothing says how to normalise; a checkpoint "
                "from before LeRobot 0.4 is converted by "
                "`python -m lerobot.processor.migrate_policy_normalization --pretrained-path ...`"
            )
        raise CheckpointError(f"{folder}: {name} is missing")


def _read_config(folder: Path, device: str) -> PreTrainedConfig:
    data = _read_json(folder / CONFIG)
    kind = data.get("type")
    if not isinstance(kind, str) or not kind.isidentifier():
        raise CheckpointError(f"{folder / CONFIG}: 'type' must name a policy, got {kind!r}")
    _register(kind)
    known = PreTrainedConfig.get_known_choices()
    if kind not in known:
        raise CheckpointError(
            f"{folder / CONFIG}: no policy type '{kind}'.{suggestion(kind, known)}"
        )
    if data.get("use_peft"):
        raise CheckpointError(f"{folder} is an adapter, not a policy: load its base policy")
    try:
        config = PreTrainedConfig.from_pretrained(folder)
    except Exception as error:  # draccus raises a different class for each kind of mistake
        raise CheckpointError(f"{folder / CONFIG}: {_one_line(error)}") from None
    if not config.input_features or config.action_feature is None:
        raise CheckpointError(f"{folder / CONFIG}: needs input_features and an 'action' to answer")
    config.device = device
    if hasattr(config, "pretrained_backbone_weights"):
        # The checkpoint holds the backbone; this would download another one to overwrite.
        config.pretrained_backbone_weights = None  # pyright: ignore[reportAttributeAccessIssue]
    return config


def _register(kind: str) -> None:
    """Import the modules in which a policy type and its processor steps register themselves."""
    package = f"robot_policies.policies.{kind}"
    if find_spec(package) is not None:
        import_module(f"{package}.configuration_{kind}")
    elif kind not in PreTrainedConfig.get_known_choices():
        register_third_party_plugins()
    if kind in PreTrainedConfig.get_known_choices():
        module = PreTrainedConfig.get_choice_class(kind).__module__
        processor = module.replace("configuration_", "processor_")
        if processor != module and find_spec(processor) is not None:
            import_module(processor)


def _read_processors(config: PreTrainedConfig, folder: Path, device: str) -> tuple[Any, Any]:
    steps = _read_json(folder / PREPROCESSOR).get("steps", ())
    for name in (PREPROCESSOR, POSTPROCESSOR):
        _check_steps(folder / name)
    moved = any(step.get("registry_name") == "device_processor" for step in steps)
    overrides = {"device_processor": {"device": device}} if moved else {}
    try:
        return make_pre_post_processors(
            config, pretrained_path=str(folder), preprocessor_overrides=overrides
        )
    except Exception as error:  # steps raise whatever their constructors do
        raise CheckpointError(f"{folder}: processors: {_one_line(error)}") from None


def _check_steps(path: Path) -> None:
    steps = _read_json(path).get("steps")
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise CheckpointError(f"{path}: expected a list of 'steps'")
    for step in steps:
        if "registry_name" not in step and not str(step.get("class")).startswith(TRUSTED):
            raise CheckpointError(f"{path}: step class {step.get('class')!r} is not LeRobot's")
        state = step.get("state_file")
        if state is not None and Path(state).name != state:
            raise CheckpointError(f"{path}: state file '{state}' lies outside the checkpoint")
        if state is not None and not (path.parent / state).is_file():
            raise CheckpointError(f"{path}: its statistics {state} are missing")


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
            declared = _mode(getattr(config, "normalization_mapping", {}), feature.type)
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


def _mode(norm_map: Mapping[Any, Any], kind: Any) -> str:
    mode = norm_map.get(kind, norm_map.get(kind.value, "IDENTITY"))
    return getattr(mode, "value", mode)


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
            raise CheckpointError(f"{where}: {name} is not finite: {values[name]}")
    if mode == "MEAN_STD" and (values["std"] < 0.0).any():
        raise CheckpointError(f"{where}: std is negative: {values['std']}")
    return Statistics(mode, values)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: {_one_line(error)}") from None
    if not isinstance(data, dict):
        raise CheckpointError(f"{path}: expected a JSON object, got {type(data).__name__}")
    return data


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:300]}..."
