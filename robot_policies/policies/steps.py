"""The processor steps that a checkpoint may name, and their order.

LeRobot makes a step of any class that a file names, with any settings. A checkpoint is data: here
it chooses from a closed list, its settings have types (`step_settings.py`), and an order in which
a step would pass values by is refused.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from robot_policies.interface import CheckpointError, ConfigError
from robot_policies.interface.errors import suggestion
from robot_policies.interface.schema import build, check_keys
from robot_policies.policies.step_settings import (
    AbsoluteActions,
    Back,
    Device,
    DressingCloud,
    Normaliser,
    RelativeActions,
    Rename,
    Settings,
    Tasks,
    Tokenizer,
)

BEFORE: Mapping[str, type[Settings]] = {
    "rename_observations_processor": Rename,
    "to_batch_processor": Settings,
    "act_jepa_task_index": Tasks,
    "dressing_cloud": DressingCloud,
    "relative_actions_processor": RelativeActions,
    "smolvla_new_line_processor": Settings,
    "pi0_new_line_processor": Settings,
    "pi05_prepare_state_tokenizer_processor_step": Settings,
    "tokenizer_processor": Tokenizer,
    "device_processor": Device,
    "normalizer_processor": Normaliser,
}
AFTER: Mapping[str, type[Settings]] = {
    "unnormalizer_processor": Normaliser,
    "absolute_actions_processor": AbsoluteActions,
    "device_processor": Back,
}
# The first of each pair works on what the second has not yet changed.
ORDER = (
    ("rename_observations_processor", "normalizer_processor"),
    ("to_batch_processor", "normalizer_processor"),
    ("to_batch_processor", "dressing_cloud"),
    ("relative_actions_processor", "normalizer_processor"),
    ("normalizer_processor", "pi05_prepare_state_tokenizer_processor_step"),
    ("pi05_prepare_state_tokenizer_processor_step", "tokenizer_processor"),
    ("smolvla_new_line_processor", "tokenizer_processor"),
    ("pi0_new_line_processor", "tokenizer_processor"),
    ("unnormalizer_processor", "absolute_actions_processor"),
)
NEVER = {"action_tokenizer_processor": "runs Python code that comes with its tokenizer"}


def check_step(entry: Any, known: Mapping[str, type[Settings]], where: str) -> Settings:
    """Return the settings of a step that a file names.

    Args:
        entry: What the file says: `registry_name`, `config`, and perhaps `state_file`.
        known: The steps there may be.
        where: File, for messages.

    Raises:
        CheckpointError: Naming the step and what it may not say.
    """
    if not isinstance(entry, dict):
        raise CheckpointError(f"{where}: a step is a JSON object, got {entry!r}")
    name = str(entry.get("registry_name"))
    if "class" in entry:
        raise CheckpointError(
            f"{where}: a step of class {entry['class']!r}; a checkpoint names registered steps "
            f"alone: {sorted(known)}"
        )
    if name in NEVER:
        raise CheckpointError(f"{where}: step '{name}' {NEVER[name]}; it is not read")
    if name not in known:
        raise CheckpointError(f"{where}: no step '{name}' here.{suggestion(name, known)}")
    try:
        check_keys(entry, ("registry_name", "config", "state_file"), f"{where}: {name}")
        return build(known[name], entry.get("config", {}), f"{where}: {name}")
    except ConfigError as error:
        raise CheckpointError(str(error)) from None


def check_order(names: Sequence[str], where: str) -> None:
    """Refuse a step that stands there twice, or where it changes nothing.

    Raises:
        CheckpointError: Naming the step.
    """
    for name in names:
        if names.count(name) > 1:
            raise CheckpointError(f"{where}: step '{name}' stands there twice")
    for first, second in ORDER:
        if first in names and second in names and names.index(first) > names.index(second):
            raise CheckpointError(f"{where}: step '{second}' stands before '{first}'")
