"""GRAPE on `tabletop_obstacle`: demonstrations, imitation, alignment, rivals, and their figures.

    python benchmarks/grape.py demos --out DIR --episodes 400      # each of two kinds of start
    python benchmarks/grape.py sft   --out DIR --steps 2800        # one core, 8 minutes
    python benchmarks/grape.py align --out DIR --objective safety --method tpo --iterations 2
    python benchmarks/grape.py score --out DIR --episodes 200      # whatever there is, once
    python benchmarks/grape.py table --out DIR

Every stage is skipped where its files are there already, so a run that was stopped goes on.
Episodes run many at a time with one model call per step (`evaluation/together.py`), safety gate
included.
"""

import argparse
import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from lerobot.configs import FeatureType, PolicyFeature

from robot_policies.catalog import load_robot, load_task, make_backend
from robot_policies.control.episode import run_episode
from robot_policies.evaluation.attempts import attempt_all, simulators
from robot_policies.evaluation.statistics import rate
from robot_policies.evaluation.together import run_together
from robot_policies.interface import ArraySpec, Observation, ObservationSpec, Simulator
from robot_policies.interface.action import CARTESIAN_DELTA_NAMES
from robot_policies.interface.observation import ENVIRONMENT_STATE, STATE, TASK
from robot_policies.learning.elements import ACTION
from robot_policies.policies.grape.alignment import METHODS, AlignmentSettings
from robot_policies.policies.grape.configuration_grape import GrapeConfig
from robot_policies.policies.grape.crowd import GrapeCrowd
from robot_policies.policies.grape.iterations import iterate
from robot_policies.policies.grape.modeling_grape import GrapePolicy
from robot_policies.policies.grape.objective import read_objective
from robot_policies.policies.grape.processor_grape import make_grape_pre_post_processors
from robot_policies.policies.grape.steps import Steps
from robot_policies.policies.grape.words import known_words

TASK_NAME, TOP, NOISE, DT = "tabletop_obstacle", "observation.images.top", 0.004, 0.1
KINDS = {"normal": ("", 100_000), "anywhere": ("/anywhere", 200_000)}
BATCH, WARM_UP, LEAST = 32, 50, 0.01
FIRST_STATE = 1_000_000  # of the attempts; evaluation begins at 0
POINTS = frozenset({"tip", "cube", "pad", "obstacle"})
SWAP = {"blue": "pink", "pink": "blue"}
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "sampled": {"temperature": 1.0},
    "greedy": {"temperature": 0.0},
    "swapped": {"temperature": 1.0, "swap": SWAP},
    "blind": {"temperature": 1.0, "blind": True},
}
AXES = ("/subject", "/physical", "/semantic", "/visual")


class Watched:
    """The expert, shown what an imitator will be shown, and its rows."""

    def __init__(self, expert: Any, backend: Simulator) -> None:
        """Keep nothing yet."""
        self._expert = expert
        picture = ArraySpec(TOP, (96, 96, 3), np.dtype(np.uint8))
        told = {TOP: picture, ENVIRONMENT_STATE: backend.provides[ENVIRONMENT_STATE]}
        seen = {**dict(expert.observation_spec), **told}
        self.observation_spec = ObservationSpec(seen, needs_task=True)

    def __getattr__(self, name: str) -> Any:
        """Be the expert otherwise."""
        return getattr(self._expert, name)

    def reset(self, seed: int) -> None:
        """Forget the episode."""
        self._expert.reset(seed)
        self.rows: list[tuple[Any, ...]] = []

    def act(self, observation: Observation) -> Any:
        """Answer as the expert does, and keep the row."""
        chunk = self._expert.act(observation)
        seen = [observation[name] for name in (TOP, STATE, ENVIRONMENT_STATE, TASK)]
        self.rows.append((*seen, chunk.values[0]))
        return chunk


def demonstrate(out: Path, kind: str, episodes: int) -> None:
    """Write successful demonstrations of one kind of start."""
    path = out / f"demos_{kind}.npz"
    if path.exists():
        return
    variant, seed = KINDS[kind]
    task, robot = load_task(TASK_NAME + variant), load_robot("so101")
    robot = replace(robot, cameras=tuple(c for c in robot.cameras if TOP.endswith(c.name)))
    backend = make_backend("mujoco", robot, task.scene)
    assert isinstance(backend, Simulator)
    backend.connect()
    expert: Any = Watched(task.expert(backend, NOISE), backend)
    kept: list[tuple[Any, ...]] = []
    while episodes:
        result = run_episode(backend, expert, task, seed=seed)
        if result.metrics["success"] and not result.refusals:
            kept += [(*row, seed) for row in expert.rows]
            episodes -= 1
        seed += 1
    backend.close()
    names = ("picture", "state", "places", "task", "action", "episode")
    columns = dict(zip(names, map(np.array, zip(*kept, strict=True)), strict=True))
    np.savez(path, **columns)


def load_demonstrations(out: Path) -> Steps:
    """Return the steps of all demonstrations."""
    parts = [np.load(out / f"demos_{kind}.npz") for kind in KINDS]

    def column(name: str) -> np.ndarray:
        return np.concatenate([part[name] for part in parts])

    pictures = torch.from_numpy(column("picture")).permute(0, 3, 1, 2).contiguous()
    numbers = {n: torch.from_numpy(column(n)).float() for n in ("state", "action", "places")}
    return Steps(pictures, **numbers, task=[str(task) for task in column("task")])


def imitate(out: Path, steps: int, seed: int) -> None:
    """Train a policy on the demonstrations: constant rate, the last fifth a cosine."""
    folder = out / "sft"
    if folder.exists():
        return
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    data = load_demonstrations(out)
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
    work = out / "sft.unfinished"
    for part in (policy, before, after):
        part.save_pretrained(work)
    work.rename(folder)


def align(out: Path, options: argparse.Namespace) -> None:
    """Align the imitator in every iteration that is not there yet."""
    objective = read_objective(options.objective, POINTS)
    settings = AlignmentSettings(method=options.method, nll=options.nll, seed=options.seed)

    def collect(folder: Path, number: int) -> Any:
        first = FIRST_STATE * (1 + options.seed) + options.states * number
        states = range(first, first + options.states)
        return attempt_all(folder, TASK_NAME, "mujoco", states, options.repeats)

    name = f"{options.objective}_{options.method}_nll{options.nll:g}_seed{options.seed}"
    made = iterate(out / "sft", out / name, objective, collect, settings, options.iterations)
    print(*made, sep="\n")


def score(out: Path, episodes: int) -> None:
    """Run every checkpoint in every setting that has no figures yet."""
    for folder in checkpoints(out):
        for setting in SETTINGS if folder.name == "sft" else ("sampled", "greedy"):
            measure(out, folder, TASK_NAME, "mujoco", setting, episodes)
    for axis in AXES:
        measure(out, out / "sft", TASK_NAME + axis, "mujoco", "sampled", episodes)
    measure(out, out / "sft", TASK_NAME, "pybullet", "sampled", episodes)


def measure(
    out: Path, folder: Path, task_name: str, backend: str, setting: str, episodes: int
) -> None:
    """Run the first states of a task, and keep each episode's metrics."""
    where = folder.relative_to(out).as_posix().replace("/", ".")
    cell = "-".join([where, task_name.replace("/", "."), backend, setting])
    path = out / "scores" / f"{cell}.json"
    if path.exists():
        return
    task, crowd = load_task(task_name), GrapeCrowd(folder, **SETTINGS[setting])
    results = run_together(crowd, task, simulators(task, backend, crowd), range(episodes))
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps([dict(result.metrics) for result in results]))
    print(cell, describe(path), flush=True)


def checkpoints(out: Path) -> Iterator[Path]:
    """Yield the folders of all checkpoints."""
    yield from sorted(path.parent for path in out.rglob("model.safetensors"))


def describe(path: Path) -> str:
    """Return the figures of a cell in words."""
    rows = json.loads(path.read_text())
    parts = []
    for name in ("success", "collision", "wrong_pad"):
        hits = round(sum(row.get(name, 0.0) for row in rows))
        found = rate(hits, len(rows))
        parts.append(f"{name} {found.mean:.1%} [{found.low:.0%}, {found.high:.0%}]")
    done = [row["steps"] for row in rows if row["success"]]
    parts.append(f"steps of successes {np.mean(done):.1f}" if done else "no success")
    parts.append(f"clearance {100 * np.mean([row['clearance'] for row in rows]):.1f} cm")
    return ", ".join(parts)


def main() -> None:
    """Do one stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=("demos", "sft", "align", "score", "table"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--episodes", type=int, default=200)
    parser.add_argument("--steps", type=int, default=2800)
    parser.add_argument("--objective", default="safety")
    parser.add_argument("--method", choices=METHODS, default="tpo")
    parser.add_argument("--nll", type=float, default=1.0)
    parser.add_argument("--iterations", type=int, default=1)
    parser.add_argument("--states", type=int, default=48)
    parser.add_argument("--repeats", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    if options.stage == "demos":
        for kind in KINDS:
            demonstrate(out, kind, options.episodes)
    elif options.stage == "sft":
        imitate(out, options.steps, options.seed)
    elif options.stage == "align":
        align(out, options)
    elif options.stage == "score":
        score(out, options.episodes)
    else:
        for path in sorted((out / "scores").glob("*.json")):
            print(path.stem, describe(path))


if __name__ == "__main__":
    main()
