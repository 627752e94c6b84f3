"""Stage `online` of Uni-O4: proximal policy optimisation for some time or number of steps.

Killed at any time, `resume` continues from the last state as if nothing had happened.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from robot_policies.interface import CheckpointError, ConfigError, TrainingEnvironment
from robot_policies.learning.run_state import begin_run
from robot_policies.policies.uni_o4.configuration_uni_o4 import UniO4Config
from robot_policies.policies.uni_o4.export import export
from robot_policies.policies.uni_o4.modeling_uni_o4 import UniO4Policy
from robot_policies.policies.uni_o4.online.body import WalkBody
from robot_policies.policies.uni_o4.online.ppo import OnlineSettings, Trainer
from robot_policies.policies.uni_o4.online.state import load_state, save_state

LOG = "train.jsonl"
STATE_FILE = "training_state.safetensors"


def run_online(
    environment: TrainingEnvironment,
    config: UniO4Config,
    out: Path,
    *,
    seed: int = 0,
    minutes: float | None = None,
    steps: int | None = None,
    resume: bool = False,
    threads: int = 1,
    settings: OnlineSettings | None = None,
    init: UniO4Policy | None = None,
) -> Path:
    """Train a walking policy and write its checkpoint.

    Args:
        environment: Robots to train on.
        config: The policy, for the same robot.
        out: Folder of the checkpoint, the log and the state to resume from.
        seed: Seeds weights, noise and the environment.
        minutes: Stop after this much training time, resumed time included.
        steps: Stop after this many environment steps.
        resume: Continue from `out`.
        threads: Torch threads; physics threads are the environment's. More than the free cores
            make training slower, three times with two on two busy ones.
        settings: Numbers of PPO.
        init: Policy to start from, instead of from nothing.

    Returns:
        `out`.

    Raises:
        ConfigError: If neither `minutes` nor `steps` says when to stop.
        CheckpointError: If there is nothing to resume or it was begun otherwise, or if a run
            would be overwritten.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    policy = (init or UniO4Policy(config)).train()
    trainer = Trainer(environment, policy, WalkBody(policy), settings or OnlineSettings())
    train(
        trainer,
        out,
        seed=seed,
        minutes=minutes,
        steps=steps,
        resume=resume,
        on_save=lambda: export(policy, out),
    )
    return out


def train(
    trainer: Trainer,
    out: Path,
    *,
    seed: int,
    on_save: Callable[[], object],
    minutes: float | None = None,
    steps: int | None = None,
    resume: bool = False,
) -> None:
    """Iterate until the end; log, and keep a state to resume from.

    Args:
        trainer: As made; it is begun or resumed here.
        out: Folder of the log and of the state.
        seed: Seeds the environment.
        on_save: Called whenever the state was saved, to write a checkpoint.
        minutes: See `run_online`; likewise `steps`, `resume` and what is raised.
        steps: Idem.
        resume: Idem.
    """
    if minutes is None and steps is None:
        raise ConfigError("say when to stop: minutes or steps")
    state_file = out / STATE_FILE
    begin_run(state_file, resume)
    if resume:
        load_state(trainer, state_file)
        if trainer.progress.seed != seed:
            raise CheckpointError(f"{out} was begun with seed {trainer.progress.seed}, not {seed}")
    else:
        trainer.begin(seed)
    budget = minutes * 60.0 if minutes else np.inf
    goal = float(steps) if steps else np.inf
    saved = started = time.monotonic() - trainer.progress.seconds
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with (out / LOG).open("a", encoding="utf-8") as log, Progress(*columns) as bar:
        shown = bar.add_task("training", total=1.0)
        while trainer.progress.steps < goal and time.monotonic() - started < budget:
            record = trainer.iterate()
            now = time.monotonic()
            trainer.progress.seconds = now - started
            record["minutes"] = round(trainer.progress.seconds / 60.0, 2)
            log.write(json.dumps(record) + "\n")
            log.flush()
            share = max(trainer.progress.steps / goal, trainer.progress.seconds / budget)
            text = f"{record['steps']:,} steps, reward {record['reward']:.2f}"
            bar.update(shown, completed=min(share, 1.0), description=text)
            if now - saved > trainer.settings.save_every:
                save_state(trainer, state_file)
                on_save()
                saved = now
    save_state(trainer, state_file)
    on_save()
