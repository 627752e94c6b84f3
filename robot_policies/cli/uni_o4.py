"""`robot-policies train uni_o4 --stage ...`: walking in simulation, and from logged walks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from robot_policies.interface import ConfigError, UnknownNameError

STAGES = ("online", "offline")
FRESH, CONTINUING = 192, 32  # robots that walk side by side online
OPTIONS = {
    "--init": "Checkpoint to start from; offline needs one",
    "--data": "Recorded dataset, for offline",
    "--reward": "Of the data: walk, corrected, upstream or recorded",
    "--method": "Offline: uni_o4, bc, iql, td3_bc or bppo",
    "--hold-out": "Share of the episodes to report on instead of learning from them",
}
FLAGS = {"--any-target": "Accept logged joint targets beyond the joints' ranges"}


@dataclass(frozen=True)
class Common:
    """What both stages are told.

    Attributes:
        task: Task name.
        out: Folder of the result.
        seed: Of weights and noise.
        resume: Continue in `out`.
        threads: Torch threads.
    """

    task: str
    out: Path
    seed: int
    resume: bool
    threads: int

    def settings(self) -> dict[str, Any]:
        """Return what the training functions take by name."""
        return {"seed": self.seed, "resume": self.resume, "threads": self.threads}


def parse(arguments: list[str]) -> dict[str, Any]:
    """Read the options that only these stages know.

    Raises:
        ConfigError: On any other.
    """
    command = click.Command(
        "uni_o4",
        params=[
            *(
                click.Option([name], type=float if name == "--hold-out" else str)
                for name in OPTIONS
            ),
            *(click.Option([name], is_flag=True) for name in FLAGS),
        ],
        add_help_option=False,
    )
    try:
        return command.make_context("uni_o4", list(arguments)).params
    except click.UsageError as error:
        known = [*OPTIONS, *FLAGS]
        raise ConfigError(f"uni_o4: {error.format_message()} Its own options: {known}") from None


def train_stage(
    stage: str,
    common: Common,
    options: dict[str, Any],
    *,
    environments: int | None,
    physics_threads: int,
    minutes: float | None,
    steps: int | None,
) -> str:
    """Run a stage and return what to say of it.

    Raises:
        ConfigError: If an option is missing or wrong.
    """
    if stage == "offline":
        return _offline(common, options)
    if minutes is None and steps is None:
        raise ConfigError("say when to stop: --minutes or --steps")
    budget = {"minutes": minutes, "steps": steps}
    return _online(common, options["init"], environments, physics_threads, budget)


def _offline(common: Common, options: dict[str, Any]) -> str:
    if options["data"] is None or options["init"] is None:
        raise ConfigError("--data and --init are needed: logs, and the checkpoint to improve")
    hold_out = options["hold_out"] or 0.0
    if not 0.0 <= hold_out < 1.0:
        raise ConfigError(f"--hold-out {hold_out}: a share of the episodes, from 0 to below 1")
    from robot_policies.policies.locate import find_checkpoint
    from robot_policies.policies.uni_o4.offline.settings import METHODS, OfflineSettings
    from robot_policies.policies.uni_o4.offline.walk import offline

    method = options["method"] or "uni_o4"
    if method not in METHODS:
        raise UnknownNameError("method", method, METHODS, where="--method")
    said = offline(
        Path(options["data"]),
        find_checkpoint(options["init"]),
        common.out,
        _reward(options["reward"] or "walk", common.task),
        settings=OfflineSettings(method=method),
        hold_out=hold_out,
        limit_actions=not options["any_target"],
        **common.settings(),
    )
    lines = [str(common.out)]
    if "scores" in said:
        chosen = said["chosen"]
        before, after = said["scores_before"][chosen], said["scores"][chosen]
        lines.append(f"member {chosen}: AM-Q {before:.3f} -> {after:.3f}; no true score is known")
    lines += [f"held out: {name} {value:.4g}" for name, value in said.get("held_out", {}).items()]
    return "\n".join(lines)


def _reward(name: str, task: str) -> Any:
    from robot_policies import catalog
    from robot_policies.policies.uni_o4.data.dataset import REWARDS

    if name == "walk":
        from robot_policies_sim.worlds.go1.recorded import recorded_reward

        return recorded_reward(catalog.load_robot(catalog.load_task(task).robot))
    if name not in REWARDS:
        raise UnknownNameError("reward", name, [*REWARDS, "walk"], where="--reward")
    return REWARDS[name]


def _online(
    common: Common,
    init: str | None,
    environments: int | None,
    physics_threads: int,
    budget: dict[str, Any],
) -> str:
    from robot_policies import catalog

    known = catalog.load_task(common.task)
    robot = catalog.load_robot(known.robot)
    from robot_policies.policies.locate import find_checkpoint
    from robot_policies.policies.uni_o4.configuration_uni_o4 import UniO4Config
    from robot_policies.policies.uni_o4.offline.continuation import continue_online
    from robot_policies.policies.uni_o4.online.train import run_online

    folder = find_checkpoint(init) if init else None
    robots = environments or (CONTINUING if folder else FRESH)
    environment = known.training_environment(robots, common.seed, physics_threads)
    more = {**budget, **common.settings()}
    try:
        if folder is not None:
            return str(continue_online(environment, folder, common.out, **more))
        return str(run_online(environment, UniO4Config.for_robot(robot), common.out, **more))
    finally:
        environment.close()
