"""`robot-policies train`: our own training stages, or lerobot-train with our policies known."""

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

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
        str | None, typer.Option("--stage", help="uni_o4: online. act_jepa: probe.")
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
        int, typer.Option("--environments", min=1, help="Robots simulated side by side.")
    ] = 192,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Physics threads.")] = 2,
    torch_threads: Annotated[
        int, typer.Option("--torch-threads", min=1, help="More than the free cores is slower.")
    ] = 1,
) -> None:
    """Train a policy.

    uni_o4 trains in stages of its own. Every other policy is trained by lerobot-train with our
    policies registered, and takes its options too: --dataset.repo_id=..., --batch_size=...
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
    if context.args:
        raise ConfigError(f"unknown option '{context.args[0]}' of a stage of our own")
    if stage != "online":
        raise UnknownNameError("stage", stage, ["online"], where="uni_o4")
    if out is None:
        raise ConfigError("--out is missing: say where the checkpoint goes")
    if minutes is None and steps is None:
        raise ConfigError("say when to stop: --minutes or --steps")
    budget = {"minutes": minutes, "steps": steps, "seed": seed or 0, "resume": resume}
    print(_uni_o4_online(task, out, environments, threads, threads=torch_threads, **budget))


def _uni_o4_online(
    task: str, out: Path, environments: int, physics_threads: int, **settings: Any
) -> Path:
    from robot_policies import catalog

    known = catalog.load_task(task)
    robot = catalog.load_robot(known.robot)
    from robot_policies_sim.go1_vector_env import Go1VectorEnv

    from robot_policies.policies.uni_o4.configuration_uni_o4 import UniO4Config
    from robot_policies.policies.uni_o4.train import run_online

    config = UniO4Config.for_robot(robot)
    environment = Go1VectorEnv(
        robot, environments, seed=settings["seed"], scene=known.scene, threads=physics_threads
    )
    try:
        return run_online(environment, config, out, **settings)
    finally:
        environment.close()


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
    from lerobot.scripts.lerobot_train import main

    given = sys.argv
    sys.argv = ["lerobot-train", *arguments]
    try:
        main()
    finally:
        sys.argv = given
