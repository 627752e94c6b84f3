"""LeRobot's default processors, with one step more: the instruction becomes its index."""

from dataclasses import dataclass, field
from typing import Any

import torch
from lerobot.processor import (
    ComplementaryDataProcessorStep,
    PolicyAction,
    PolicyProcessorPipeline,
    ProcessorStepRegistry,
    make_default_pre_post_processors,
)

from robot_policies.interface import ContractError
from robot_policies.interface.errors import suggestion
from robot_policies.interface.observation import TASK
from robot_policies.policies.act_jepa.configuration_act_jepa import ActJepaConfig

TASK_INDEX = "task_index"


def make_act_jepa_pre_post_processors(
    config: ActJepaConfig,
    dataset_stats: dict[str, dict[str, torch.Tensor]] | None = None,
) -> tuple[
    PolicyProcessorPipeline[dict[str, Any], dict[str, Any]],
    PolicyProcessorPipeline[PolicyAction, PolicyAction],
]:
    """Make the pipelines from recorded units to normalised ones and back.

    Args:
        config: The policy's numbers, with its tasks filled in.
        dataset_stats: Mean and standard deviation of each feature.

    Returns:
        Preprocessor and postprocessor.
    """
    preprocessor, postprocessor = make_default_pre_post_processors(
        config, dataset_stats, normalizer_device=config.device
    )
    # After the batch axis is there, before the tensors move to their device.
    preprocessor.steps = [  # pyright: ignore[reportAttributeAccessIssue]
        *preprocessor.steps[:2],
        TaskIndexProcessorStep(list(config.tasks)),
        *preprocessor.steps[2:],
    ]
    return preprocessor, postprocessor


@ProcessorStepRegistry.register("act_jepa_task_index")
@dataclass
class TaskIndexProcessorStep(ComplementaryDataProcessorStep):
    """Writes `task_index` from the instruction, by the tasks of the checkpoint.

    The index a data set counts with is overwritten: another data set counts differently.

    Attributes:
        tasks: Instructions by index. With a single one there is nothing to choose, and the
            instruction is not read.
    """

    tasks: list[str] = field(default_factory=list)

    def complementary_data(self, complementary_data: dict[str, Any]) -> dict[str, Any]:
        """Return the data with `task_index`. Shape (B,).

        Raises:
            ContractError: If there is no instruction, or an unknown one.
        """
        if len(self.tasks) < 2:
            complementary_data.pop(TASK_INDEX, None)
            return complementary_data
        given = complementary_data.get(TASK)
        if given is None:
            raise ContractError(f"no instruction 'task'; the policy knows {self.tasks}")
        instructions = [given] if isinstance(given, str) else list(given)
        for instruction in instructions:
            if instruction not in self.tasks:
                raise ContractError(
                    f"no instruction '{instruction}'.{suggestion(instruction, self.tasks)}"
                )
        index = [self.tasks.index(instruction) for instruction in instructions]
        complementary_data[TASK_INDEX] = torch.tensor(index)
        return complementary_data

    def get_config(self) -> dict[str, Any]:
        """Return what is saved in the checkpoint."""
        return {"tasks": self.tasks}

    def transform_features(self, features: Any) -> Any:
        """Return the features as they are."""
        return features
