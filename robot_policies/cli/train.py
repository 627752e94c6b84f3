"""`robot-policies train`: the training of each policy, or `lerobot-train` with ours registered."""

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from robot_policies.policies.lerobot_training import (
    Out,
    Resume,
    Seed,
    Steps,
    lerobot_arguments,
    train_by_lerobot,
)

# Policies with a command of their own, and the module whose `train` it is. The one of dressing has
# episodes made in a simulator, and may therefore not lie among the policies.
OWN = {
    "act_jepa": "robot_policies.policies.act_jepa.command",
    "dressing": "robot_policies.cli.train_dressing",
    "uni_o4": "robot_policies.policies.uni_o4.command",
}
ANY = "TYPE"
FORWARDING = {"allow_extra_args": True, "ignore_unknown_options": True}


class PolicyTypes(TyperGroup):
    """Commands by type of policy; a module is imported when its command is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names that the help shows."""
        return [*OWN, ANY]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the training of a type of policy."""
        if cmd_name not in OWN:
            return super().get_command(ctx, ANY)
        module = import_module(OWN[cmd_name])
        own = typer.Typer(add_completion=False)
        own.command(cmd_name, context_settings=FORWARDING)(module.train)
        return typer.main.get_command(own)


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        cls=PolicyTypes,
        help="Train a policy, named by its type.",
        no_args_is_help=True,
        subcommand_metavar="TYPE [ARGS]...",
    )
    group.command(ANY, context_settings=FORWARDING)(train)
    app.add_typer(group, name="train")


def train(
    context: typer.Context,
    steps: Steps = None,
    seed: Seed = None,
    out: Out = None,
    resume: Resume = False,
) -> None:
    """Any other type that LeRobot knows, by lerobot-train; its options are taken, too.

    For example --dataset.repo_id=..., --batch_size=...
    """
    policy = str(context.info_name)
    arguments = lerobot_arguments(
        policy, context.args, steps=steps, seed=seed, out=out, resume=resume
    )
    train_by_lerobot(policy, arguments)
