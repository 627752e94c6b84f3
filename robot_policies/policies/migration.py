"""A checkpoint from before LeRobot 0.4, with its statistics in the network, as LeRobot has it now.

LeRobot's own migration converts it. Its last step asks the hub whether the model card is valid;
that question is left out, so that a local folder needs no network.
"""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

from huggingface_hub import RepoCard

from robot_policies.interface import CheckpointError
from robot_policies.policies.contract import FILE
from robot_policies.policies.files import one_line


def migrate(folder: Path) -> Path:
    """Write the migrated checkpoint beside the old one, with its contract if it has one.

    Args:
        folder: The old checkpoint.

    Returns:
        The new folder, `<folder>_migrated`.

    Raises:
        CheckpointError: If the new folder exists, or LeRobot cannot convert the old one.
    """
    from lerobot.processor import migrate_policy_normalization as script

    if not folder.is_dir():
        raise CheckpointError(f"{folder}: no such folder")
    made = folder.resolve().with_name(f"{folder.resolve().name}_migrated")
    if made.exists():
        raise CheckpointError(f"{made} exists; move it away first")
    with _asked(script.__name__, "--pretrained-path", str(folder.resolve())):
        try:
            script.main()
        except Exception as error:  # whatever its layers and files raise
            shutil.rmtree(made, ignore_errors=True)
            raise CheckpointError(f"{folder} cannot be migrated: {one_line(error)}") from None
    if (folder / FILE).is_file():
        shutil.copy(folder / FILE, made / FILE)
    return made


@contextmanager
def _asked(*words: str) -> Iterator[None]:
    """Let a script of LeRobot's read these words, talk to stderr, and not ask the hub."""
    before, check = sys.argv, RepoCard.validate
    sys.argv, RepoCard.validate = [*words], lambda *_, **__: None
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        sys.argv, RepoCard.validate = before, check
