"""What a checkpoint needs and answers with, in SI and by name.

Pure functions of what was read: the checkpoint's parts, and its contract.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from lerobot.configs import FeatureType, PolicyFeature, PreTrainedConfig
from lerobot.processor import RenameObservationsProcessorStep, TokenizerProcessorStep
from lerobot.utils.constants import ACTION

from robot_policies.interface import (
    ActionSpec,
    ArraySpec,
    CheckpointError,
    ObservationSpec,
    Statistics,
)
from robot_policies.interface.clouds import NAMES as CLOUD_NAMES
from robot_policies.interface.clouds import cloud_spec
from robot_policies.policies.actions import action_spec
from robot_policies.policies.checkpoint import Checkpoint
from robot_policies.policies.contract import Contract
from robot_policies.policies.elements import Elements
from robot_policies.policies.plan_form import plan_form


@runtime_checkable
class KnowsTasks(Protocol):
    """A configuration that lists the instructions its policy was taught."""

    tasks: list[str]


@dataclass(frozen=True, eq=False)
class Inputs:
    """What a network sees, under the names it is observed by.

    Attributes:
        features: Type and shape of each.
        observed: Names of those that the preprocessor renames, by the network's names.
    """

    features: Mapping[str, PolicyFeature]
    observed: Mapping[str, str]

    @property
    def vectors(self) -> dict[str, int]:
        """Width of each feature that is a vector."""
        shapes = {name: feature.shape for name, feature in self.features.items()}
        return {name: shape[0] for name, shape in shapes.items() if len(shape) == 1}

    @property
    def clouds(self) -> tuple[str, ...]:
        """Features that are clouds of points."""
        return tuple(
            name
            for name, feature in self.features.items()
            if feature.type is not FeatureType.VISUAL and len(feature.shape) == 2
        )


def inputs_of(checkpoint: Checkpoint) -> Inputs:
    """Return what a checkpoint's network sees."""
    observed = {
        new: old
        for step in checkpoint.preprocessor.steps
        if isinstance(step, RenameObservationsProcessorStep)
        for old, new in step.rename_map.items()
    }
    features = checkpoint.config.input_features or {}
    return Inputs({observed.get(key, key): f for key, f in features.items()}, observed)


def settings_of(config: PreTrainedConfig) -> dict[str, Any]:
    """Return a configuration as `config.json` has it."""
    return {**vars(config), "type": config.type}


def action_width(checkpoint: Checkpoint) -> int:
    """Return how many numbers an action has."""
    return (checkpoint.config.output_features or {})[ACTION].shape[0]


@dataclass(frozen=True, eq=False)
class Specs:
    """What a policy promises.

    Attributes:
        observation: Features it needs.
        action: Actions it answers with.
        statistics: Normalisation statistics per feature, `action` included, in SI.
    """

    observation: ObservationSpec
    action: ActionSpec
    statistics: Mapping[str, Statistics]


def specs_of(checkpoint: Checkpoint, contract: Contract) -> Specs:
    """Return what a checkpoint promises.

    Args:
        checkpoint: Its parts.
        contract: Names, units and time, of the same features.

    Raises:
        CheckpointError: If a feature is of a kind that nobody measures.
    """
    inputs, config = inputs_of(checkpoint), checkpoint.config
    settings = settings_of(config)
    steps = checkpoint.preprocessor.steps
    needs_task = contract.task or any(isinstance(s, TokenizerProcessorStep) for s in steps)
    known = config.tasks if needs_task and isinstance(config, KnowsTasks) else ()
    observation = ObservationSpec(
        {
            name: contract.observation[name].spec(name)
            if name in inputs.vectors
            else _array_spec(f"{checkpoint.folder}: {name}", name, feature, contract)
            for name, feature in inputs.features.items()
        },
        needs_task=needs_task,
        tasks=tuple(known),
        vocabulary=contract.vocabulary,
        max_age=contract.max_age,
        max_skew=contract.max_skew,
        steps=plan_form(settings).steps,
    )
    statistics = _in_si(checkpoint.statistics, inputs.observed, contract)
    return Specs(observation, action_spec(contract, settings), statistics)


def _array_spec(where: str, name: str, feature: PolicyFeature, contract: Contract) -> ArraySpec:
    if name in contract.frames:
        points, width = feature.shape
        if width != len(CLOUD_NAMES):
            raise CheckpointError(
                f"{where} has {width} numbers a point; only {CLOUD_NAMES} is supported"
            )
        return cloud_spec(points, contract.frames[name], name=name)
    if feature.type is not FeatureType.VISUAL:
        raise CheckpointError(f"{where} of shape {feature.shape} is not supported")
    channels, height, width = feature.shape
    if channels != 3:
        raise CheckpointError(f"{where} has {channels} channels; only RGB is supported")
    return ArraySpec(name, (height, width, channels), np.dtype(np.uint8))


def _in_si(
    statistics: Mapping[str, Statistics], observed: Mapping[str, str], contract: Contract
) -> dict[str, Statistics]:
    """Convert statistics: places s as s scale + offset, a deviation as s scale alone."""
    elements: dict[str, Elements] = {**contract.observation, ACTION: contract.action}
    converted = {}
    for key, entry in statistics.items():
        name = observed.get(key, key)
        values = dict(entry.values)
        if name in elements:
            for statistic, value in values.items():
                is_width = statistic == "std"
                scale = elements[name].scale
                values[statistic] = value * scale if is_width else elements[name].to_si(value)
        converted[name] = Statistics(entry.mode, values)
    return converted
