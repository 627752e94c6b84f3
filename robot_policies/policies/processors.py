"""`policy_preprocessor.json` and `policy_postprocessor.json`: pipelines of known steps."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from lerobot.configs import PreTrainedConfig
from lerobot.processor import (
    AbsoluteActionsProcessorStep,
    PolicyProcessorPipeline,
    ProcessorStep,
    RelativeActionsProcessorStep,
    make_policy_processor_pipelines,
)

from robot_policies.interface import CheckpointError
from robot_policies.interface.errors import suggestion
from robot_policies.policies.files import CheckpointFiles, one_line
from robot_policies.policies.step_settings import Normaliser, Settings
from robot_policies.policies.steps import AFTER, BEFORE, check_order, check_step
from robot_policies.policies.tokenizer import read_tokenizer
from robot_policies.policies.weights import read_tensors

PREPROCESSOR, POSTPROCESSOR = "policy_preprocessor.json", "policy_postprocessor.json"
COMMON = "lerobot.processor"  # steps of every type of policy
MAX_STATISTICS = 16 << 20  # bytes


def read_processors(
    config: PreTrainedConfig, files: CheckpointFiles, device: str
) -> tuple[PolicyProcessorPipeline, PolicyProcessorPipeline]:
    """Make the pipelines of a checkpoint.

    Args:
        config: Its configuration, whose features they may name.
        files: Of the checkpoint.
        device: Torch device that the network runs on.

    Returns:
        Preprocessor and postprocessor.

    Raises:
        CheckpointError: Naming the file, the step and what is wrong with it.
    """
    before = _read_steps(config, files, PREPROCESSOR, BEFORE, device)
    after = _read_steps(config, files, POSTPROCESSOR, AFTER, device)
    relative = [step for step in before if isinstance(step, RelativeActionsProcessorStep)]
    for step in after:
        if isinstance(step, AbsoluteActionsProcessorStep):
            if step.enabled and not (relative and relative[0].enabled):
                raise CheckpointError(
                    f"{files.folder / POSTPROCESSOR}: actions are displacements, and no step of "
                    f"{PREPROCESSOR} remembers the state they start from"
                )
            step.relative_step = relative[0] if relative else None
    return make_policy_processor_pipelines(before, after)


def _read_steps(
    config: PreTrainedConfig,
    files: CheckpointFiles,
    name: str,
    known: Mapping[str, type[Settings]],
    device: str,
) -> list[Any]:
    where = str(files.folder / name)
    entries = files.json(name).get("steps")
    if not isinstance(entries, list):
        raise CheckpointError(f"{where}: expected a list of 'steps'")
    settings = [check_step(entry, known, where) for entry in entries]
    check_order([entry["registry_name"] for entry in entries], where)
    return [
        _make(config, files, entry, chosen, device, where)
        for entry, chosen in zip(entries, settings, strict=True)
    ]


def _make(
    config: PreTrainedConfig,
    files: CheckpointFiles,
    entry: Mapping[str, Any],
    settings: Settings,
    device: str,
    where: str,
) -> ProcessorStep:
    name = entry["registry_name"]
    if isinstance(settings, Normaliser):
        _check_features(config, settings, f"{where}: {name}")
    try:
        step = settings.make(name, device, partial(read_tokenizer, files))
    except (ValueError, TypeError, ImportError) as error:
        raise CheckpointError(f"{where}: {name}: {one_line(error)}") from None
    home = _package(step)
    if home not in (COMMON, _package(config)):
        raise CheckpointError(f"{where}: step '{name}' is of another type of policy, in {home}")
    if "state_file" in entry:
        if not isinstance(settings, Normaliser):
            raise CheckpointError(f"{where}: step '{name}' has no statistics to read")
        step.load_state_dict(_read_statistics(files, entry["state_file"], where))
    return step


def _package(part: Any) -> str:
    return type(part).__module__.rpartition(".")[0]


def _check_features(config: PreTrainedConfig, settings: Normaliser, where: str) -> None:
    known = {**(config.input_features or {}), **(config.output_features or {})}
    for name, feature in settings.features.items():
        if name not in known:
            raise CheckpointError(
                f"{where}: config.json has no feature '{name}'.{suggestion(name, known)}"
            )
        if known[name].type.value != feature["type"]:
            raise CheckpointError(
                f"{where}: feature '{name}' is of type {feature['type']}, config.json says "
                f"{known[name].type.value}"
            )


def _read_statistics(files: CheckpointFiles, name: Any, where: str) -> dict[str, Any]:
    if isinstance(name, str) and Path(name).name == name and name not in files:
        raise CheckpointError(f"{where}: its statistics {name} are missing")
    stored = read_tensors(files.path(name), MAX_STATISTICS)
    for key in stored:
        if "." not in key:
            raise CheckpointError(f"{files.folder / name}: '{key}' is no statistic of a feature")
    return stored
