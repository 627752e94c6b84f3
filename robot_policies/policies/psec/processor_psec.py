"""LeRobot's own processors: observations to mean 0, actions to [-1, 1] and back."""

from typing import Any

from lerobot.processor import (
    PolicyAction,
    PolicyProcessorPipeline,
    make_default_pre_post_processors,
)
from torch import Tensor

from robot_policies.policies.psec.configuration_psec import PsecConfig


def make_psec_pre_post_processors(
    config: PsecConfig,
    dataset_stats: dict[str, dict[str, Tensor]] | None = None,
) -> tuple[
    PolicyProcessorPipeline[dict[str, Any], dict[str, Any]],
    PolicyProcessorPipeline[PolicyAction, PolicyAction],
]:
    """Make the pipelines from recorded units to normalised ones and back.

    Args:
        config: The policy's numbers.
        dataset_stats: Mean, standard deviation, minimum and maximum of each feature.

    Returns:
        Preprocessor and postprocessor.
    """
    return make_default_pre_post_processors(config, dataset_stats, normalizer_device=config.device)
