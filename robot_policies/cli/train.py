"""`robot-policies train`: our own training stages, or lerobot-train with our policies known."""

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from robot_policies.interface import ConfigError, UnknownNameError

EXTRA_ARGUMENTS = {"allow_extra_args": True, "ignore_unknown_options": True}
OURS = "robot_policies.policies"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("train", context_settings=EXTRA_ARGUMENTS)(train)


def train(
    context: typer.Context,
    policy: Annotated[str, typer.Argument(help="Policy type, such as uni_o4 or act.")],
    stage: Annotated[
        str | None, typer.Option("--stage", help="uni_o4: online, offline. act_jepa: probe.")
    ] = None,
    task: Annotated[str, typer.Option("--task", help="Task of an own stage.")] = "go1_walk",
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=0.0, help="Stop after this much training.")
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Stop after these.")] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Seed of weights and noise.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of the checkpoint and the log.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue in --out.")] = False,
    environments: Annotated[
        int | None,
        typer.Option(
            "--environments",
            min=1,
            help="Robots simulated side by side; by default 192, or 32 that go on from --init.",
        ),
    ] = None,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Physics threads.")] = 2,
    torch_threads: Annotated[
        int, typer.Option("--torch-threads", min=1, help="More than the free cores is slower.")
    ] = 1,
) -> None:
    """Train a policy.

    uni_o4 trains in stages of its own, which also take --init CHECKPOINT; offline takes --data
    FOLDER, --reward, --method, --hold-out SHARE and --any-target. Every other policy is trained
    by lerobot-train with our policies registered, and takes its options too:
    --dataset.repo_id=..., --batch_size=...
    """
    if policy != "uni_o4" or stage is None:
        forwarded = [
            *([f"--stage={stage}"] if stage else []),
            *([f"--steps={steps}"] if steps else []),
            *([f"--output_dir={out}"] if out else []),
            *(["--resume=true"] if resume else []),
            *([f"--seed={seed}"] if seed is not None else []),
        ]
        _lerobot_train(policy, [*forwarded, *context.args])
        return
    from robot_policies.cli.uni_o4 import STAGES, Common, parse, train_stage

    options = parse(context.args)
    if stage not in STAGES:
        raise UnknownNameError("stage", stage, STAGES, where="uni_o4")
    if out is None:
        raise ConfigError("--out is missing: say where the checkpoint goes")
    print(
        train_stage(
            stage,
            Common(task, out, seed or 0, resume, torch_threads),
            options,
            environments=environments,
            physics_threads=threads,
            minutes=minutes,
            steps=steps,
        )
    )


def _lerobot_train(policy: str, arguments: list[str]) -> None:
    from lerobot.configs.policies import PreTrainedConfig

    for path in sorted((Path(__file__).parents[1] / "policies").glob("*/configuration_*.py")):
        import_module(f"{OURS}.{path.parent.name}.{path.stem}")
    import lerobot.policies  # noqa: F401 registers LeRobot's own

    known = list(PreTrainedConfig.get_known_choices())
    if policy not in known:
        raise UnknownNameError("policy type", policy, known)
    arguments = [f"--policy.type={policy}", *arguments]
    if find_spec(f"{OURS}.{policy}") and find_spec(f"{OURS}.{policy}.train"):
        module = import_module(f"{OURS}.{policy}.train")
        if hasattr(module, "main"):  # lerobot-train, and what it cannot do for this policy
            module.main(arguments)
            return
    from lerobot.configs import parser
    from lerobot.scripts.lerobot_train import main

    from robot_policies.data.reading import open_dataset

    if (root := parser.parse_arg("dataset.root", arguments)) is not None:
        open_dataset(Path(root))  # LeRobot asks a hub for what is missing
    given = sys.argv
    sys.argv = ["lerobot-train", *arguments]
    try:
        main()
    finally:
        sys.argv = given
