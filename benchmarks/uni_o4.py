"""Figures of Uni-O4 on `go1_shifted`: logged walking, offline methods, online continuation.

    python benchmarks/uni_o4.py log     --out DIR --minutes 10 --seed 0
    python benchmarks/uni_o4.py offline --out DIR --seed 0 [--methods uni_o4 bc iql td3_bc bppo]
    python benchmarks/uni_o4.py online  --out DIR --seed 0 --steps 100000 [--scratch]
    python benchmarks/uni_o4.py score   --out DIR --episodes 48 [--backend pybullet]

`log` walks the shipped policy with exploration noise through the same episode loop that drives a
robot, under all shifts, in MuJoCo. `score` evaluates every policy found in DIR, and the shipped
one, on common episodes; nothing was chosen by these scores.
"""

import argparse
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from robot_policies.catalog import load_robot, load_task, make_backend
from robot_policies.control.episode import run_episode
from robot_policies.control.records import EpisodeResult, Observer
from robot_policies.data.recorder import Recorder
from robot_policies.evaluation.statistics import mean
from robot_policies.policies.catalog import find_checkpoint, load_policy
from robot_policies.policies.uni_o4.configuration_uni_o4 import UniO4Config
from robot_policies.policies.uni_o4.continuation import continue_online
from robot_policies.policies.uni_o4.export import export
from robot_policies.policies.uni_o4.offline_settings import METHODS, OfflineSettings
from robot_policies.policies.uni_o4.offline_walk import load, offline
from robot_policies.policies.uni_o4.train import OnlineSettings, run_online
from robot_policies_sim.go1_shifted_env import make_environment
from robot_policies_sim.tasks.go1_recorded import recorded_reward

SHIPPED = "uni_o4/go1_walk"
TASK, UNSHIFTED = "go1_shifted", "go1_walk"
LOG_SEED = 100_000  # of the first logged episode; scores use 0, 1, ...
NOISE = 0.3  # of the logged actions, in units of 0.25 rad
METRICS = ("reward_per_step", "fall", "speed_error", "yaw_rate_error")
# From scratch there is no time to learn to walk before the final reward.
SCRATCH = replace(OnlineSettings(), difficulty_steps=(10**9, 10**9 + 1))


def episodes(
    policy: Path, task: str, backend: str, seeds: Iterable[int], observers: Sequence[Observer] = ()
) -> Iterator[EpisodeResult]:
    """Yield the result of each seed."""
    robot, known = load_robot("go1"), load_task(task)
    runtime = load_policy(str(policy), robot=robot)
    options = {"cameras": False} if backend == "mujoco" else {}
    simulator = make_backend(backend, robot, known.scene, **options)
    simulator.connect()
    try:
        for seed in seeds:
            yield run_episode(simulator, runtime, known, seed=seed, observers=observers)
    finally:
        simulator.close()


def log(arguments: argparse.Namespace) -> None:
    folder = arguments.out / f"log{arguments.seed}"
    policy = load(find_checkpoint(SHIPPED))
    policy.config.exploration = arguments.noise
    exploring = arguments.out / "exploring"
    export(policy, exploring)
    wanted, steps, falls, count = arguments.minutes * 60 * 50, 0, 0, 0
    first = LOG_SEED * (1 + arguments.seed)
    recorder = Recorder(folder)
    for result in episodes(exploring, TASK, "mujoco", range(first, first + 1000), [recorder]):
        steps, falls, count = steps + result.steps, falls + result.metrics["fall"], count + 1
        if steps >= wanted:
            break
    print(json.dumps({"episodes": count, "steps": steps, "falls": falls}))


def run_offline_methods(arguments: argparse.Namespace) -> None:
    reward = recorded_reward(load_robot("go1"))
    for method in arguments.methods:
        started = time.monotonic()
        said = offline(
            arguments.out / f"log{arguments.seed}",
            find_checkpoint(SHIPPED),
            arguments.out / f"{method}-{arguments.seed}",
            reward,
            settings=OfflineSettings(method=method, **json.loads(arguments.settings)),
            seed=arguments.seed,
        )
        kept = {name: said.get(name) for name in ("chosen", "scores_before", "scores", "seconds")}
        accepted = [check["accepted"] for check in said.get("checks", [])]
        print(
            json.dumps(
                {
                    "method": method,
                    "total_seconds": round(time.monotonic() - started, 1),
                    "accepted": [sum(check) for check in accepted],
                    **kept,
                }
            ),
            flush=True,
        )


def online(arguments: argparse.Namespace) -> None:
    robot, task = load_robot("go1"), load_task(TASK)
    environment = make_environment(task, robot, 64, seed=arguments.seed, threads=2)
    budget = {"seed": arguments.seed, "steps": arguments.steps}
    try:
        if arguments.scratch:
            out = arguments.out / f"scratch-{arguments.seed}"
            run_online(environment, UniO4Config.for_robot(robot), out, settings=SCRATCH, **budget)
        else:
            out = arguments.out / f"online-{arguments.seed}"
            continue_online(environment, arguments.out / f"uni_o4-{arguments.seed}", out, **budget)
    finally:
        environment.close()


def score(arguments: argparse.Namespace) -> None:
    policies = {SHIPPED: find_checkpoint(SHIPPED)}
    for path in sorted(arguments.out.glob("*-*/config.json")):
        policies[path.parent.name] = path.parent
    cells = [(SHIPPED, policies[SHIPPED], UNSHIFTED)]
    cells += [(name, folder, TASK) for name, folder in policies.items()]
    for name, folder, task in cells:
        if arguments.only and name not in arguments.only:
            continue
        results = list(episodes(folder, task, arguments.backend, range(arguments.episodes)))
        line = {"policy": name, "task": task, "episodes": len(results)}
        for metric in METRICS:
            values = [result.metrics[metric] for result in results if metric in result.metrics]
            line[metric] = mean(values).to_json()
        print(json.dumps(line), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stage", choices=("log", "offline", "online", "score"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--noise", type=float, default=NOISE)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--settings", default="{}", help="OfflineSettings as JSON")
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--scratch", action="store_true")
    parser.add_argument("--episodes", type=int, default=48)
    parser.add_argument("--backend", default="mujoco")
    parser.add_argument("--only", nargs="*", default=[])
    arguments = parser.parse_args()
    stages = {"log": log, "offline": run_offline_methods, "online": online, "score": score}
    stages[arguments.stage](arguments)


if __name__ == "__main__":
    main()
