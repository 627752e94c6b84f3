"""LeRobot's own processors with the fixed scales of the configuration."""

from typing import Any

import torch
from lerobot.processor import (
    PolicyAction,
    PolicyProcessorPipeline,
    make_default_pre_post_processors,
)
from torch import Tensor

from robot_policies.interface.observation import COMMAND, IMU, STATE, VELOCITY_COMMAND
from robot_policies.policies.uni_o4.configuration_uni_o4 import ACTION, UniO4Config


def make_uni_o4_pre_post_processors(
    config: UniO4Config,
    dataset_stats: dict[str, dict[str, Tensor]] | None = None,
) -> tuple[
    PolicyProcessorPipeline[dict[str, Any], dict[str, Any]],
    PolicyProcessorPipeline[PolicyAction, PolicyAction],
]:
    """Make the pipelines from SI features to normalised ones and from actions to joint targets.

    Args:
        config: The policy's numbers.
        dataset_stats: Not used, whatever a data set says: the scales belong to the policy (see
            `UniO4Config`), and a checkpoint trained in simulation must read a robot's logs alike.

    Returns:
        Preprocessor and postprocessor.
    """
    return make_default_pre_post_processors(
        config, statistics(config), normalizer_device=config.device
    )


def statistics(config: UniO4Config) -> dict[str, dict[str, Tensor]]:
    """Return mean and standard deviation per feature; every width as in `config`."""
    joints = len(config.joint_names)
    default = torch.tensor(config.default_position)
    rest = torch.zeros(joints)
    return {
        STATE: {
            "mean": torch.cat([default, rest]),
            "std": torch.cat([rest + 1.0, rest + config.velocity_scale]),
        },
        IMU: {
            "mean": torch.zeros(10),
            "std": torch.tensor([1.0] * 4 + [config.turn_scale] * 3 + [1.0] * 3),
        },
        VELOCITY_COMMAND: {"mean": torch.zeros(3), "std": torch.tensor(config.command_scale)},
        **dict.fromkeys((COMMAND, ACTION), {"mean": default, "std": rest + config.action_scale}),
    }
