"""LeRobot's own training, `lerobot-train`, with the policies of this package registered.

A policy that LeRobot can train needs nothing here. One that trains otherwise, or needs more, has a
`command.py` in its folder, whose `train` is the command line of its training.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from robot_policies.interface import UnknownNameError

Steps = Annotated[int | None, typer.Option("--steps", min=1, help="Stop after these.")]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="Seed of weights and noise.")]
Out = Annotated[Path | None, typer.Option("--out", help="Folder of the checkpoint and the log.")]
Resume = Annotated[bool, typer.Option("--resume", help="Continue in --out.")]


def lerobot_arguments(
    policy: str,
    more: Sequence[str],
    *,
    steps: int | None = None,
    out: Path | None = None,
    resume: bool = False,
    seed: int | None = None,
) -> list[str]:
    """Return the arguments of `lerobot-train`.

    Args:
        policy: Type of policy.
        more: Arguments that are LeRobot's already.
        steps: As of this package's command line, like the following.
        out: Idem.
        resume: Idem.
        seed: Idem.
    """
    arguments = [f"--policy.type={policy}"]
    if steps is not None:
        arguments.append(f"--steps={steps}")
    if out is not None:
        arguments.append(f"--output_dir={out}")
    if resume:
        arguments.append("--resume=true")
    if seed is not None:
        arguments.append(f"--seed={seed}")
    return [*arguments, *more]


def train_by_lerobot(policy: str, arguments: Sequence[str]) -> None:
    """Run `lerobot-train`.

    Args:
        policy: Type of policy.
        arguments: As of `lerobot_arguments`.

    Raises:
        UnknownNameError: If neither LeRobot nor this package has such a type.
        ConfigError: If the data set is not whole.
    """
    from lerobot.configs import parser
    from lerobot.configs.policies import PreTrainedConfig
    from lerobot.scripts.lerobot_train import main

    from robot_policies.data.reading import open_dataset
    from robot_policies.policies.configuration import OWN

    for kind in OWN:
        import_module(f"robot_policies.policies.{kind}.configuration_{kind}")
    known = list(PreTrainedConfig.get_known_choices())
    if policy not in known:
        raise UnknownNameError("policy type", policy, known)
    if (root := parser.parse_arg("dataset.root", arguments)) is not None:
        open_dataset(Path(root))  # LeRobot asks a hub for what is missing
    given = sys.argv
    sys.argv = ["lerobot-train", *arguments]
    try:
        main()
    finally:
        sys.argv = given
