"""What the figures of PSEC are made with: data, the base, skills, many trials at once."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.datasets.dataset_metadata import LeRobotDatasetMetadata
from safetensors.torch import load_file, save_file
from torch import Tensor

from robot_policies.catalog import load_robot, load_task
from robot_policies.data.demonstrations import Order, generate
from robot_policies.interface.observation import ENVIRONMENT_STATE, STATE
from robot_policies.learning.elements import ACTION
from robot_policies.policies.checkpoint import read_checkpoint
from robot_policies.policies.psec import PsecConfig
from robot_policies.policies.psec.criteria import CriticSettings
from robot_policies.policies.psec.critics import Critic, train_critic
from robot_policies.policies.psec.demonstrations import Demonstrations, read_demonstrations
from robot_policies.policies.psec.fit import FitSettings
from robot_policies.policies.psec.modeling_psec import PsecPolicy
from robot_policies.policies.psec.processor_psec import make_psec_pre_post_processors
from robot_policies.policies.psec.sample_weights import skill_weights
from robot_policies.policies.psec.skill_run import CRITIC
from robot_policies.policies.psec.train import composed, train_network, train_skill
from robot_policies.skills.mixing.layers import Adapter, linear_layers
from robot_policies.skills.package.adapter import read_adapter, write_adapter
from robot_policies_sim.worlds.planar_arm.batch import run_trials
from robot_policies_sim.worlds.planar_arm.reach_avoid import ArmReachAvoid

TASK = "arm_reach_avoid"
NETWORK: dict[str, Any] = {"hidden": 128, "n_blocks": 2, "time_dim": 64, "n_frequencies": 16}
EPISODES, FIRST = 300, 1_000_000  # trials, and the seed of the first
SEEDS = range(3)
# Episodes and first seed by data set; those of a new task are recorded anew for each seed.
MIXED = {"mixed": (1500, 0)}
DEMONSTRATED = {"detour": (130, 10_000), "orbit": (100, 20_000), "push": (30, 30_000)}
FEW, HELD_OUT = 10, 30  # demonstrations of a library's newest skill, and of the routers
WANDER = 0.05  # m/s, of who demonstrates a new task

# Chosen with other demonstrations and other trials than those that are reported.
BASE = FitSettings(steps=24_000, lr=1e-3, average_rate=2e-3)
SHARED, SHARED_SCALE = FitSettings(steps=2500, lr=2e-3), 8.0  # much data
SKILL, SCALE = FitSettings(steps=600, batch=128, lr=1e-3), 2.0  # few demonstrations: near the base
FAR, FAR_SCALE = FitSettings(steps=2000, batch=128, lr=2e-3), 8.0  # what the base never saw
CRITICS = CriticSettings()

Sampler = Callable[[Tensor], Tensor]


class Lab:
    """One seed of demonstrations and training, and its scores so far, a file for each cell.

    The base, and what is learned from the same recording, is shared by all seeds.

    Attributes:
        policy: The base; frozen.
    """

    def __init__(self, out: Path, seed: int) -> None:
        self.out, self.seed, self.folder = out, seed, out / f"seed{seed}"
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (out / "base" / "policy_postprocessor.json").is_file():
            make_base(out / "data" / "mixed", out / "base")
        checkpoint = read_checkpoint(out / "base", "cpu")
        assert isinstance(checkpoint.policy, PsecPolicy)
        self.policy = checkpoint.policy
        self._before, self._after = checkpoint.preprocessor, checkpoint.postprocessor
        self._scores = self.folder / "scores"
        self._scores.mkdir(exist_ok=True)
        self.robot = load_robot("planar_arm")

    def data(self, name: str) -> Demonstrations:
        """Return a data set: the mixed one, or this seed's demonstrations of a task."""
        folder = name if name in MIXED else f"{name}{self.seed}"
        return read_demonstrations(self.out / "data" / folder, self.policy, self._before)

    def skill(self, name: str, train: Callable[[], Adapter], *, shared: bool = False) -> Adapter:
        """Return a skill, trained once."""
        folder = (self.out if shared else self.folder) / "skills" / name
        if not folder.is_dir():
            write_adapter(train(), folder, "")
        layers = linear_layers(self.policy)
        return read_adapter(
            folder, {key: (m.out_features, m.in_features) for key, m in layers.items()}
        )

    def lacks(self, cell: str) -> bool:
        """Return whether a cell is still to be scored."""
        return not self._file(cell).is_file()

    def success(self, cell: str) -> float:
        """Return the share of the trials of a cell that succeeded."""
        return float(np.mean(json.loads(self._file(cell).read_text())["success"]))

    def _file(self, cell: str) -> Path:
        return self._scores / f"{cell}.json"

    def score(self, cell: str, task: str, sample: Sampler | None = None) -> None:
        """Run the trials of a cell, with the policy as it is now or another sampler."""
        measured = self.run(task, range(FIRST, FIRST + EPISODES), sample)
        kept = {key: values for key, values in measured.items() if key in ("success", "collision")}
        trials = {name: values.astype(int).tolist() for name, values in kept.items()}
        self._file(cell).write_text(json.dumps(trials))
        print(cell, {name: round(float(values.mean()), 3) for name, values in kept.items()})

    def run(self, task: str, seeds: range, sample: Sampler | None = None) -> dict[str, np.ndarray]:
        """Return the metrics of trials, with the policy as it is now or another sampler."""
        known, draw = load_task(task), sample or self.policy.sample
        assert isinstance(known, ArmReachAvoid)

        def act(seen: Mapping[str, np.ndarray]) -> np.ndarray:
            told = {STATE: seen[STATE][:, :4], ENVIRONMENT_STATE: seen[ENVIRONMENT_STATE]}
            batch = self._before({name: torch.tensor(value) for name, value in told.items()})
            speed = self._after(draw(self.policy.observe(batch))[:, 0]).numpy()
            return np.clip(speed, -self.robot.velocity, self.robot.velocity)

        with torch.random.fork_rng([]), torch.no_grad():
            torch.manual_seed(self.seed)
            return run_trials(known, self.robot, act, seeds)

    def settings(self, settings: FitSettings) -> FitSettings:
        """Return the settings with this seed."""
        return FitSettings(**{**vars(settings), "seed": self.seed})


def make_base(root: Path, folder: Path) -> None:
    """Train the base on everything the crowd did, and write it as a checkpoint."""
    meta = LeRobotDatasetMetadata(root.name, root=root)
    shape = {name: tuple(meta.features[name]["shape"]) for name in (STATE, ENVIRONMENT_STATE)}
    config = PsecConfig(
        **NETWORK,
        device="cpu",
        robot="planar_arm",
        action_kind="joint_velocity",
        input_features={
            STATE: PolicyFeature(FeatureType.STATE, shape[STATE]),
            ENVIRONMENT_STATE: PolicyFeature(FeatureType.ENV, shape[ENVIRONMENT_STATE]),
        },
        output_features={ACTION: PolicyFeature(FeatureType.ACTION, (4,))},
    )
    policy = PsecPolicy(config, dataset_meta=meta)
    policy.training_parts = None
    statistics = {
        name: {key: torch.as_tensor(value) for key, value in entry.items()}
        for name, entry in (meta.stats or {}).items()
        if name in (*shape, ACTION)
    }
    before, after = make_psec_pre_post_processors(config, statistics)
    data = read_demonstrations(root, policy, before)
    trained = train_network(policy, data, BASE, scratch=True, state=folder / "state")
    for part in (trained, before, after):
        part.save_pretrained(folder)


def learn(
    lab: Lab, name: str, episodes: int, settings: FitSettings = SKILL, scale: float = SCALE
) -> Adapter:
    """Train a skill by imitation."""
    few = head(lab.data(name), episodes)
    return train_skill(lab.policy, few, lab.settings(settings), scale=scale)


def weighted(lab: Lab, objective: str) -> Adapter:
    """Train a skill on what the crowd did, weighted by its labels."""
    data = lab.data("mixed")
    weight = skill_weights(crowd_critic(lab, objective), data, objective, CRITICS)
    state = lab.out / f"{objective}.state"
    return train_skill(lab.policy, data, SHARED, weight=weight, scale=SHARED_SCALE, state=state)


def crowd_critic(lab: Lab, objective: str) -> Critic:
    """Return what judges steps by what the crowd did, trained once."""
    path, config = lab.out / f"{objective}_critic.safetensors", lab.policy.config
    if not path.is_file():
        state = path.with_suffix(".state")
        made = train_critic(lab.data("mixed"), objective, CRITIC, CRITICS, state=state)
        save_file(made.state_dict(), path)
    critic = Critic(config.observation_width, config.action_width, CRITICS.hidden)
    critic.load_state_dict(load_file(path))
    return critic


@contextmanager
def acting(policy: PsecPolicy, skills: Mapping[str, Adapter], weights: Tensor) -> Iterator[None]:
    """Let skills act with fixed weights."""
    with composed(policy, skills) as mixer:
        mixer.weigh(weights)
        yield


def head(data: Demonstrations, episodes: int) -> Demonstrations:
    """Return the first episodes."""
    return data if episodes >= data.episodes else data.split(episodes / data.episodes)[0]


def tail(data: Demonstrations, episodes: int) -> Demonstrations:
    """Return the last episodes."""
    return data.split(1.0 - episodes / data.episodes)[1]


def record(out: Path, workers: int) -> None:
    """Let the demonstrators record what is not there yet."""
    wanted = {"mixed": (f"{TASK}/mixed", *MIXED["mixed"], 0.0)}
    for name, (episodes, first) in DEMONSTRATED.items():
        task = TASK if name == "detour" else f"{TASK}/{name}"
        for seed in SEEDS:
            wanted[f"{name}{seed}"] = (task, episodes, first + 1000 * seed, WANDER)
    for name, (task, episodes, first, noise) in wanted.items():
        folder = out / "data" / name
        if not folder.is_dir():
            order, mixed = Order(task, "mujoco", noise), name in MIXED
            made = generate(order, folder, episodes, first, workers, failures=mixed)
            print(name, made.episodes, "episodes,", made.frames, "frames")
