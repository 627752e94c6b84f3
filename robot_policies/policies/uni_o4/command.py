"""`robot-policies train uni_o4 --stage ...`: walking in simulation, and from logged walks.

Without a stage it is behaviour cloning by `lerobot-train`, as any other policy's training.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from robot_policies.catalog import load_robot, load_task
from robot_policies.documents import read_yaml
from robot_policies.interface import ConfigError, UnknownNameError
from robot_policies.policies.lerobot_training import (
    Out,
    Resume,
    Seed,
    Steps,
    lerobot_arguments,
    train_by_lerobot,
)
from robot_policies.policies.locate import find_checkpoint

POLICY = "uni_o4"
STAGES = ("online", "offline")
FRESH, CONTINUING = 192, 32  # robots that walk side by side online
RANGES = "randomization"
WALK = "walk"  # the reward of the task itself


def train(
    context: typer.Context,
    stage: Annotated[
        str | None, typer.Option("--stage", help="online or offline; none: lerobot-train.")
    ] = None,
    task: Annotated[str, typer.Option("--task", help="Where it walks, or walked.")] = "go1_walk",
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=0.0, help="Online: stop after this training.")
    ] = None,
    steps: Steps = None,
    seed: Seed = None,
    out: Out = None,
    resume: Resume = False,
    environments: Annotated[
        int | None,
        typer.Option(
            "--environments",
            min=1,
            help="Online: robots side by side; by default 192, or 32 that go on from --init.",
        ),
    ] = None,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Physics threads.")] = 2,
    torch_threads: Annotated[
        int, typer.Option("--torch-threads", min=1, help="More than the free cores is slower.")
    ] = 1,
    init: Annotated[
        str | None, typer.Option("--init", help="Checkpoint to start from; offline needs one.")
    ] = None,
    ranges: Annotated[
        Path | None, typer.Option("--ranges", help="Online: what robots differ in, of `sysid`.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Offline: folder of recorded walks.")
    ] = None,
    reward: Annotated[
        str, typer.Option("--reward", help="Of the data: walk, corrected, upstream or recorded.")
    ] = WALK,
    method: Annotated[
        str, typer.Option("--method", help="Offline: uni_o4, bc, iql, td3_bc or bppo.")
    ] = POLICY,
    hold_out: Annotated[
        float,
        typer.Option("--hold-out", help="Offline: share of the episodes to report on instead."),
    ] = 0.0,
    any_target: Annotated[
        bool, typer.Option("--any-target", help="Accept logged targets beyond joints' ranges.")
    ] = False,
) -> None:
    """Train Uni-O4: by walking (online), or from logged walks (offline)."""
    if stage is None:
        arguments = lerobot_arguments(
            POLICY, context.args, steps=steps, seed=seed, out=out, resume=resume
        )
        train_by_lerobot(POLICY, arguments)
        return
    if stage not in STAGES:
        raise UnknownNameError("stage", stage, STAGES, where=POLICY)
    if context.args:
        raise ConfigError(f"uni_o4: no option {context.args[0]}; see train uni_o4 --help")
    if out is None:
        raise ConfigError("--out is missing: say where the checkpoint goes")
    common = {"seed": seed or 0, "resume": resume, "threads": torch_threads}
    if stage == "online":
        if minutes is None and steps is None:
            raise ConfigError("say when to stop: --minutes or --steps")
        common |= {"minutes": minutes, "steps": steps}
        print(_online(task, init, out, environments, threads, _ranges(ranges), common))
    else:
        if data is None or init is None:
            raise ConfigError("--data and --init are needed: logs, and the checkpoint to improve")
        if not 0.0 <= hold_out < 1.0:
            raise ConfigError(f"--hold-out {hold_out}: a share of the episodes, 0 to below 1")
        common |= {"hold_out": hold_out, "limit_actions": not any_target}
        print(_offline(data, find_checkpoint(init), out, _reward(reward, task), method, common))


def _online(
    task: str,
    init: str | None,
    out: Path,
    environments: int | None,
    physics_threads: int,
    ranges: Mapping[str, Any] | None,
    common: Mapping[str, Any],
) -> str:
    known = load_task(task)
    robot = load_robot(known.robot)
    from robot_policies.policies.uni_o4.configuration_uni_o4 import UniO4Config
    from robot_policies.policies.uni_o4.offline.continuation import continue_online
    from robot_policies.policies.uni_o4.online.train import run_online

    folder = find_checkpoint(init) if init else None
    robots = environments or (CONTINUING if folder else FRESH)
    environment = known.training_environment(robots, common["seed"], physics_threads, ranges)
    try:
        if folder is not None:
            return str(continue_online(environment, folder, out, **common))
        return str(run_online(environment, UniO4Config.for_robot(robot), out, **common))
    finally:
        environment.close()


def _ranges(file: Path | None) -> Mapping[str, Any] | None:
    """Return the ranges of a file that `sysid` wrote."""
    if file is None:
        return None
    said = read_yaml(file)
    if not isinstance(said.get(RANGES), dict):
        raise ConfigError(f"{file}: '{RANGES}' is missing, as `robot-policies sysid` writes it")
    return said[RANGES]


def _offline(
    data: Path, init: Path, out: Path, reward: Any, method: Any, common: Mapping[str, Any]
) -> str:
    from robot_policies.policies.uni_o4.offline.settings import METHODS, OfflineSettings
    from robot_policies.policies.uni_o4.offline.walk import offline

    if method not in METHODS:
        raise UnknownNameError("method", method, METHODS, where="--method")
    found = offline(data, init, out, reward, settings=OfflineSettings(method=method), **common)
    lines = [str(out)]
    if "scores" in found:
        chosen = found["chosen"]
        before, after = found["scores_before"][chosen], found["scores"][chosen]
        lines.append(f"member {chosen}: AM-Q {before:.3f} -> {after:.3f}; no true score is known")
    held = found.get("held_out", {})
    return "\n".join([*lines, *(f"held out: {name} {value:.4g}" for name, value in held.items())])


def _reward(name: str, task: str) -> Any:
    """Return a function from an episode's columns and the time between rows to its rewards."""
    from robot_policies.policies.uni_o4.data.dataset import REWARDS

    if name == WALK:
        return load_task(task).recorded_reward
    if name not in REWARDS:
        raise UnknownNameError("reward", name, [*REWARDS, WALK], where="--reward")
    return REWARDS[name]
