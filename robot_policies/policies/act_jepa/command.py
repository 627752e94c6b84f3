"""`robot-policies train act_jepa`: `lerobot-train` with what ACT-JEPA needs besides."""

from typing import Annotated

import typer

from robot_policies.policies.lerobot_training import Out, Resume, Seed, Steps, lerobot_arguments

POLICY = "act_jepa"


def train(
    context: typer.Context,
    stage: Annotated[
        str | None, typer.Option("--stage", help="train, or probe: what the encoder knows.")
    ] = None,
    steps: Steps = None,
    seed: Seed = None,
    out: Out = None,
    resume: Resume = False,
) -> None:
    """Train ACT-JEPA by lerobot-train, whose options are taken, too.

    For example --dataset.repo_id=..., --preset=small.
    """
    from robot_policies.policies.act_jepa.train import main

    more = [*([f"--stage={stage}"] if stage else []), *context.args]
    main(lerobot_arguments(POLICY, more, steps=steps, seed=seed, out=out, resume=resume))
