"""Figures of Uni-O4 on Gymnasium's MuJoCo tasks, on data made here by this project's own PPO.

    python benchmarks/uni_o4_gymnasium.py run   --out DIR --seed 0 [--tasks Hopper-v5 ...]
    python benchmarks/uni_o4_gymnasium.py table --out DIR

One `run` trains an expert, writes the data sets `medium` and `medium_replay` as D4RL-style HDF5,
improves on them offline with every method and goes on online with Uni-O4's policy. Whatever is
finished is skipped and whatever was killed is resumed, so the same command with more seeds, tasks
or methods continues; with other numbers (`--size`) it begins anew in another DIR. A seed is that
of every weight, start state and noise.

Returns are normalised: 0 is the policy before its training, 100 the best of the expert's
snapshots. `medium` is logged by the first snapshot that reached a third of that, `medium_replay`
by all up to it; PPO learns from nothing older than its last rollout, so this is its replay.
"""

import argparse
import json
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from robot_policies.evaluation.statistics import mean
from robot_policies.learning.networks import mlp
from robot_policies.policies.uni_o4.data.hdf5 import read_hdf5
from robot_policies.policies.uni_o4.data.transitions import Transitions
from robot_policies.policies.uni_o4.offline.behavior import GaussianActor
from robot_policies.policies.uni_o4.offline.run import prepare
from robot_policies.policies.uni_o4.offline.settings import METHODS, Method, OfflineSettings
from robot_policies.policies.uni_o4.offline.train import STATE_FILE, run_offline
from robot_policies.policies.uni_o4.online.box import BoxBody, BoxPolicy, load_box, save_box
from robot_policies.policies.uni_o4.online.ppo import OnlineSettings, Trainer
from robot_policies.policies.uni_o4.online.rollouts import collect, score
from robot_policies.policies.uni_o4.online.train import STATE_FILE as ONLINE_STATE
from robot_policies.policies.uni_o4.online.train import train
from robot_policies.policies.uni_o4.spaces import TERMINATION, BoxSpace
from robot_policies_sim.engines.gymnasium.vector_env import GymnasiumVectorEnv

TASKS = ("Hopper-v5", "Walker2d-v5", "HalfCheetah-v5")
KINDS = ("medium", "medium_replay")
COPIES, EPISODES = 16, 10  # environments trained in; episodes scored
SNAPSHOTS = 20  # of the expert's training, the untrained policy not counted
MEDIUM = 1.0 / 3.0  # of the way from the untrained policy to the expert
SCORE_SEED = 5_000  # of the start states of scores
HIDDEN, NOISE = (64, 64), 0.6
GAMMA, REWARD_SCALE = 0.99, 0.05
# Usual numbers of PPO on these tasks (Huang et al. 2022), batches larger for two cores' sake.
EXPERT = OnlineSettings(
    rollout=128,
    epochs=10,
    minibatches=16,
    gamma=GAMMA,
    reward_scale=REWARD_SCALE,
    entropy_weight=0.0,
    gradient_norm=0.5,
    lr=3e-4,
    lr_range=(1e-4, 1e-3),
    kl_range=(0.005, 0.02),
    noise_ceiling=(1.0, 1.0),
)
CONTINUED = replace(EXPERT, lr=1e-4, lr_range=(3e-5, 3e-4), value_iterations=2)


@dataclass(frozen=True)
class Size:
    """How much is done; the paper's numbers are 50 to 400 times larger."""

    expert: int = 1_000_000  # steps
    rows: int = 50_000  # of each data set; 100,000 without any end, as HalfCheetah's, are refused
    behavior: int = 3_000  # steps from nothing
    critics: int = 5_000
    improvement: int = 400
    online: int = 100_000  # steps
    online_scores: int = 5


def settings(method: Method, size: Size) -> OfflineSettings:
    return OfflineSettings(
        method=method,
        gamma=GAMMA,
        reward_scale=REWARD_SCALE,
        behavior_steps=size.behavior,
        behavior_rate=1e-3,
        critic_steps=size.critics,
        # An expectile V grows by a step of reward at a time: a few thousand are far too few.
        value_target="monte_carlo",
        # The paper's min Q - V; Q from the model, as the quadruped needs it, made Hopper fall.
        expansion=0,
        improvement_rate=5e-4,
        baseline_rate=5e-4,
        model_rate=1e-3,
        improvement_steps=size.improvement,
        acceptance_every=size.improvement // 10,
        baseline_steps=size.critics,
        # 3 where the best return is scaled to 1000 (Kostrikov et al. 2021); here it is about 165.
        iql_temperature=18.0,
    )


@dataclass(frozen=True)
class Case:
    """One task and seed, and the folder of all that is made of it."""

    task: str
    seed: int
    size: Size
    folder: Path

    def environment(self, copies: int) -> GymnasiumVectorEnv:
        """Make copies of the task."""
        return GymnasiumVectorEnv(self.task, copies, seed=self.seed)

    def policy(self) -> BoxPolicy:
        """Make a policy that has learned nothing."""
        with closing(self.environment(1)) as one:
            return BoxPolicy(one.observation_width, one.action_width, HIDDEN, NOISE)

    def known(self) -> dict[str, float]:
        """Return what is scored already."""
        path = self.folder / "scores.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return {line["policy"]: line["return"] for line in map(json.loads, lines)}

    def record(self, name: str, policy: BoxPolicy) -> float:
        """Append the mean return of a policy's mean action."""
        with closing(self.environment(EPISODES)) as robots:
            body = BoxBody(policy, follow=False)
            total = score(robots, policy, body, robots.limit, SCORE_SEED).total
        line = {"policy": name, "return": float(total.mean()), "deviation": float(total.std())}
        with (self.folder / "scores.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps({"task": self.task, "seed": self.seed, **line}), flush=True)
        return line["return"]


def practise(
    case: Case, name: str, policy: BoxPolicy, ppo: OnlineSettings, steps: int, scores: int
) -> None:
    """Train online in equal parts, score and keep the policy after each."""
    known, folder = case.known(), case.folder / name
    body = BoxBody(policy, follow=name == "expert")
    if f"{name} 0" not in known:
        save_box(policy, folder.with_name(f"{name}-00.safetensors"))
        case.record(f"{name} 0", policy)
    for part in range(1, scores + 1):
        label = f"{name} {steps * part // scores}"
        if label in known:
            continue
        torch.manual_seed(case.seed)
        path = folder.with_name(f"{name}-{part:02d}.safetensors")
        with closing(case.environment(COPIES)) as robots:
            train(
                Trainer(robots, policy, body, ppo),
                folder,
                seed=case.seed,
                steps=steps * part // scores,
                resume=(folder / ONLINE_STATE).exists(),
                on_save=lambda path=path: save_box(policy, path),
            )
        case.record(label, load_box(case.policy(), path))


def generate(case: Case, kind: str) -> Path:
    """Write a data set and return its file."""
    path = case.folder / f"{kind}.hdf5"
    if path.exists():
        return path
    curve = expert_curve(case)
    wanted = curve[0] + MEDIUM * (max(curve) - curve[0])
    medium = next(i for i, value in enumerate(curve) if value >= wanted)
    loggers = [medium] if kind == "medium" else list(range(medium + 1))
    parts = []
    for number in loggers:
        policy = load_box(case.policy(), case.folder / f"expert-{number:02d}.safetensors")
        body, rows = BoxBody(policy, follow=False), case.size.rows // len(loggers)
        seed = 1_000 * case.seed + number
        with closing(case.environment(COPIES)) as robots:
            data = collect(robots, policy, body, rows, noise=None, seed=seed, steps=robots.limit)
        parts.append((data, policy.scale))
    write_d4rl(path, parts, {"task": case.task, "seed": case.seed, "snapshots": loggers})
    return path


def expert_curve(case: Case) -> list[float]:
    known, steps = case.known(), case.size.expert
    return [known[f"expert {steps * part // SNAPSHOTS}"] for part in range(SNAPSHOTS + 1)]


def write_d4rl(path: Path, parts: list[tuple[Transitions, Any]], metadata: dict[str, Any]) -> None:
    """Write rows in the task's own units."""

    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(data, name) for data, _ in parts])

    def raw(name: str) -> np.ndarray:
        mine = [
            getattr(data, name) * scale.std.numpy() + scale.mean.numpy() for data, scale in parts
        ]
        return np.concatenate(mine).astype(np.float32)

    partial = path.with_suffix(".partial")
    with h5py.File(partial, "w") as file:
        file["observations"] = raw("observation")
        file["next_observations"] = raw("next_observation")
        file["actions"], file["rewards"] = joined("action"), joined("reward")
        file["terminals"] = joined("terminal")
        file["timeouts"] = joined("last") & ~joined("terminal")
        file.attrs.update(metadata)
    partial.replace(path)


def improve(case: Case, kind: str, method: Method) -> BoxPolicy:
    """Learn a policy from a data set, and return it with the scale of the data."""
    folder = case.folder / f"{kind}-{method}"
    data, result = read_hdf5(generate(case, kind)), case.policy()
    result.scale.fit(torch.from_numpy(data.observation))
    center, spread = result.scale.mean, result.scale.std
    scaled = replace(
        data,
        observation=(data.observation - center.numpy()) / spread.numpy(),
        next_observation=(data.next_observation - center.numpy()) / spread.numpy(),
    )
    width, action_width = data.observation.shape[1], data.action.shape[1]
    ends = TERMINATION[case.task.partition("-")[0]]
    space = BoxSpace(width, action_width, ends, center, spread)

    def value() -> torch.nn.Module:
        net = mlp(width, HIDDEN, 1)
        torch.nn.init.zeros_(net[-1].weight)  # pyright: ignore
        return net

    run = prepare(
        scaled,
        space,
        lambda: GaussianActor(BoxPolicy(width, action_width, HIDDEN, NOISE)),
        value,
        settings(method, case.size),
        case.seed,
    )
    run_offline(run, folder, resume=(folder / STATE_FILE).exists())
    actor = run.policy
    assert isinstance(actor, GaussianActor)
    result.actor.load_state_dict(actor.mean.state_dict())
    result.log_std.data.copy_(actor.log_std.detach())
    result.value.load_state_dict(run.networks.critics.value.state_dict())
    return result


def run(arguments: argparse.Namespace) -> None:
    size = Size(**json.loads(arguments.size))
    for task in arguments.tasks:
        case = Case(task, arguments.seed, size, arguments.out / f"{task}-{arguments.seed}")
        case.folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(case.seed)
        practise(case, "expert", case.policy(), EXPERT, size.expert, SNAPSHOTS)
        for kind in KINDS:
            for method in arguments.methods:
                if f"{kind} {method}" not in case.known():
                    case.record(f"{kind} {method}", improve(case, kind, method))
            if "uni_o4" in arguments.methods:
                start = improve(case, kind, "uni_o4")
                practise(case, f"{kind}-online", start, CONTINUED, size.online, size.online_scores)


def table(arguments: argparse.Namespace) -> None:
    """Print normalised returns, and how far Uni-O4 is above the others on the same data."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for path in sorted(arguments.out.glob("*/scores.jsonl")):
        task, _, seed = path.parent.name.rpartition("-")
        scores = Case(task, int(seed), Size(), path.parent).known()
        low = scores["expert 0"]
        high = max(value for name, value in scores.items() if name.startswith("expert"))
        for name, value in scores.items():
            found[task, name].append(100.0 * (value - low) / (high - low))
    for (task, name), values in found.items():
        line = {"task": task, "policy": name, "each": np.round(values, 1).tolist()}
        print(json.dumps({**line, **mean(values).to_json()}))
    for method in METHODS[1:]:
        pairs = [
            (found[task, f"{kind} uni_o4"], found[task, f"{kind} {method}"])
            for task in TASKS
            for kind in KINDS
        ]
        above = [ours - theirs for both in pairs for ours, theirs in zip(*both, strict=True)]
        print(json.dumps({"uni_o4_above": method, "pairs": len(above), **mean(above).to_json()}))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stage", choices=("run", "table"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--size", default="{}", help="numbers of `Size` as JSON")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    {"run": run, "table": table}[arguments.stage](arguments)


if __name__ == "__main__":
    main()
