"""LeRobot's default processors, with the tokenizer between."""

from typing import Any

import torch
from lerobot.processor import (
    PolicyAction,
    PolicyProcessorPipeline,
    TokenizerProcessorStep,
    make_default_pre_post_processors,
)

from robot_policies.policies.grape.configuration_grape import GrapeConfig
from robot_policies.policies.grape.words import FOLDER, tokenizer_of


def make_grape_pre_post_processors(
    config: GrapeConfig,
    dataset_stats: dict[str, dict[str, torch.Tensor]] | None = None,
) -> tuple[
    PolicyProcessorPipeline[dict[str, Any], dict[str, Any]],
    PolicyProcessorPipeline[PolicyAction, PolicyAction],
]:
    """Make the pipelines from recorded units to normalised ones and back.

    Args:
        config: The policy's numbers, with its words filled in.
        dataset_stats: Statistics of each feature.

    Returns:
        Preprocessor and postprocessor.
    """
    preprocessor, postprocessor = make_default_pre_post_processors(
        config, dataset_stats, normalizer_device=config.device
    )
    step = TokenizerProcessorStep(
        tokenizer=tokenizer_of(config),
        tokenizer_name=FOLDER,
        max_length=config.max_words,
        truncation=False,
    )
    step.tokenizer = None  # else LeRobot does not write the name, under which the words are saved
    # After the batch axis is there, before the tensors move to their device.
    preprocessor.steps = [*preprocessor.steps[:2], step, *preprocessor.steps[2:]]  # pyright: ignore[reportAttributeAccessIssue]
    return preprocessor, postprocessor
