"""Training of GRAPE's policies: imitation, then alignment in many ways from the same attempts."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from grape_demonstrations import TASK_NAME, TOP, load_demonstrations
from lerobot.configs import FeatureType, PolicyFeature

from robot_policies.catalog import load_robot
from robot_policies.evaluation.attempts import attempt_all
from robot_policies.interface.action import CARTESIAN_DELTA_NAMES
from robot_policies.interface.observation import STATE
from robot_policies.learning.elements import ACTION
from robot_policies.policies.grape.configuration_grape import GrapeConfig
from robot_policies.policies.grape.iterations import Pairing, iterate
from robot_policies.policies.grape.modeling_grape import GrapePolicy
from robot_policies.policies.grape.objective import read_objective
from robot_policies.policies.grape.preferences import make_pairs, random_pairs
from robot_policies.policies.grape.processor_grape import make_grape_pre_post_processors
from robot_policies.policies.grape.settings import AlignmentSettings
from robot_policies.policies.grape.trajectories import Trajectory
from robot_policies.policies.grape.words import known_words

SFT, DT = "sft", 0.1
BATCH, WARM_UP, LEAST = 32, 50, 0.01
FIRST_STATE = 1_000_000  # of the attempts; evaluation begins at 0
STATES, REPEATS = 48, 6  # of the attempts of an iteration
POINTS = frozenset({"tip", "cube", "pad", "obstacle"})


@dataclass(frozen=True)
class Run:
    """One way to align.

    Attributes:
        objective: What is preferred.
        method: The loss.
        nll: Weight of imitating the chosen trajectories.
        iterations: How often.
        states: Initial states of an iteration.
        terms: Weights of the reward that differ from the objective's.
        random: Whether a success is paired with a failure drawn at random.
    """

    objective: str = "safety"
    method: str = "tpo"
    nll: float = 1.0
    iterations: int = 1
    states: int = STATES
    terms: Mapping[str, float] = field(default_factory=dict)
    random: bool = False


OBJECTIVES = {
    "safety": Run("safety", iterations=2),
    "efficiency": Run("efficiency", iterations=2),
    "success": Run("success", method="stage", states=128),
}
# One iteration each; the first iteration of `safety` is what they are compared with.
RIVALS = {
    "paper_loss": Run(nll=0.0),
    "step": Run(method="step"),
    "window": Run(method="window"),
    "stage": Run(method="stage"),
    "clone": Run(method="clone"),
    "unpaired": Run(method="unpaired"),
    "group": Run(method="group"),
    "conditioned": Run(method="conditioned"),
    "without_external": Run(terms={"external": 0.0}),
    "without_self": Run(terms={"self": 0.0}),
    "random_pairs": Run(random=True),
}


def imitate(demonstrations: Path, folder: Path, steps: int, seed: int) -> None:
    """Train a policy on the demonstrations: constant rate, the last fifth a cosine.

    Args:
        demonstrations: Folder of the demonstrations.
        folder: The checkpoint; nothing is done where it is there.
        steps: Updates.
        seed: Of the network and of the order of the steps.
    """
    if folder.exists():
        return
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    data = load_demonstrations(demonstrations)
    quantiles = {
        n: torch.quantile(data.action, q, dim=0) for n, q in (("q01", 0.01), ("q99", 0.99))
    }
    joints = list(load_robot("so101").joint_names)
    config = GrapeConfig(
        device="cpu",
        words=known_words(data.task),
        varied=torch.nonzero(quantiles["q99"] > quantiles["q01"]).flatten().tolist(),
        keypoints=[f"{t}.{axis}" for t in ("blue_pad", "pink_pad", "obstacle") for axis in "xy"],
        robot="so101",
        dt=DT,
        element_names={
            STATE: [f"{joint}.pos" for joint in joints],
            ACTION: [*CARTESIAN_DELTA_NAMES, "gripper"],
        },
        element_units={STATE: ["rad"] * 6, ACTION: ["m"] * 3 + ["rad"] * 4},
        input_features={
            STATE: PolicyFeature(FeatureType.STATE, (6,)),
            TOP: PolicyFeature(FeatureType.VISUAL, (3, 96, 96)),
        },
        output_features={ACTION: PolicyFeature(FeatureType.ACTION, (7,))},
    )
    state = {"mean": data.state.mean(0), "std": data.state.std(0)}
    policy = GrapePolicy(config)
    before, after = make_grape_pre_post_processors(config, {STATE: state, ACTION: quantiles})
    group = policy.get_optim_params()
    optimizer = config.get_optimizer_preset().build(group)
    begun = time.process_time()
    for step in range(steps):
        cooling = max(0.0, step / steps - 0.8) / 0.2
        share = 0.5 * (1.0 + math.cos(math.pi * cooling)) + LEAST
        share *= min(1.0, (step + 1) / WARM_UP)
        optimizer.param_groups[0]["lr"] = share * config.optimizer_lr
        rows = torch.randint(len(data), (BATCH,))
        loss, log = policy(before(data.batch(rows, TOP)))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), config.optimizer_grad_clip_norm)
        optimizer.step()
        if step % 100 == 0:
            print(step, f"{time.process_time() - begun:.0f} s", log, flush=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = folder.with_name(f"{folder.name}.unfinished")
    for part in (policy, before, after):
        part.save_pretrained(work)
    work.rename(folder)


def align(folder: Path, runs: Mapping[str, Run], seed: int, most: int) -> None:
    """Align the imitator in a folder in every way that is not there yet.

    The attempts of an iteration are made once for all that go on from the same checkpoint.

    Args:
        folder: Of one training seed.
        runs: Name to way.
        seed: Of the attempts and of the optimisation.
        most: Initial states of an iteration at most.
    """

    @cache
    def collect(checkpoint: Path, number: int, states: int) -> Sequence[Trajectory]:
        first = FIRST_STATE * (1 + seed) + states * number
        starts = range(first, first + states)
        return attempt_all(checkpoint, TASK_NAME, "mujoco", starts, REPEATS, seed=seed)

    for name, run in runs.items():
        begun = time.process_time()
        objective = read_objective(run.objective, POINTS)
        objective = replace(objective, terms=replace(objective.terms, **run.terms))
        settings = AlignmentSettings(method=run.method, nll=run.nll, seed=seed)
        made = iterate(
            folder / SFT,
            folder / name,
            objective,
            partial(collect, states=min(run.states, most)),
            settings,
            run.iterations,
            pair=_pairing(run, seed),
        )
        print(name, f"{time.process_time() - begun:.0f} s", *made, sep="\n  ", flush=True)


def _pairing(run: Run, seed: int) -> Pairing:
    if not run.random:
        return make_pairs
    rng = np.random.default_rng(seed)
    return lambda attempts, objective: random_pairs(attempts, rng)
