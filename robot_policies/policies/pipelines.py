"""What is known of LeRobot's processor pipelines beyond how to call them."""

from dataclasses import replace
from typing import Any

from lerobot.processor import (
    AddBatchDimensionProcessorStep,
    DeviceProcessorStep,
    NormalizerProcessorStep,
    RenameObservationsProcessorStep,
    UnnormalizerProcessorStep,
)

ELEMENTWISE = (NormalizerProcessorStep, UnnormalizerProcessorStep, AddBatchDimensionProcessorStep)


def without_idle_steps(pipeline: Any) -> Any:
    """Return a pipeline without the steps that would do nothing, 0.1 ms each on a cold core."""
    return replace(pipeline, steps=[step for step in pipeline.steps if not _is_idle(step)])


def is_linear(pipeline: Any) -> bool:
    """Return whether a pipeline does no more to a batch of vectors than scale and shift them."""
    return all(type(step) in ELEMENTWISE for step in pipeline.steps)


def _is_idle(step: Any) -> bool:
    if isinstance(step, RenameObservationsProcessorStep):
        return not step.rename_map
    if isinstance(step, DeviceProcessorStep):  # what comes is on the CPU, what goes is brought
        return step.device == "cpu" and step.float_dtype is None
    return False
