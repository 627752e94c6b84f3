"""Figures of Uni-O4 on `go1_shifted`: logs, offline methods, online continuation, acceptance test.

    python benchmarks/uni_o4.py run        --out DIR --seed 4   # everything of one seed; resumable
    python benchmarks/uni_o4.py acceptance --out DIR --seed 4   # AM-Q against the true score
    python benchmarks/uni_o4.py ceiling    --out DIR --steps 1000000
    python benchmarks/uni_o4.py table      --out DIR            # over all seeds found in DIR

A seed is that of the logs, of every weight and of all noise. The shipped policy walks under all
shifts with noise, `ROWS` steps; each method learns from these rows; PPO continues from what
Uni-O4 made of them. Scores are of the mean action from start states common to all policies; no
policy is chosen by them. Settings were tried out on logs 0 and 7 and on online seeds 1 to 3: a
table to be believed has other seeds, such as 4, 5 and 6.
"""

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from robot_policies.catalog import load_robot, load_task
from robot_policies.evaluation.statistics import mean
from robot_policies.policies.locate import find_checkpoint
from robot_policies.policies.uni_o4.configuration_uni_o4 import UniO4Config
from robot_policies.policies.uni_o4.data.transitions import Transitions
from robot_policies.policies.uni_o4.modeling_uni_o4 import UniO4Policy
from robot_policies.policies.uni_o4.offline.behavior import GaussianActor
from robot_policies.policies.uni_o4.offline.continuation import continue_online
from robot_policies.policies.uni_o4.offline.evaluation import ModelRollouts
from robot_policies.policies.uni_o4.offline.run import OfflineRun
from robot_policies.policies.uni_o4.offline.settings import METHODS, Method, OfflineSettings
from robot_policies.policies.uni_o4.offline.stages import Improvement
from robot_policies.policies.uni_o4.offline.state import load_offline_state
from robot_policies.policies.uni_o4.offline.train import STATE_FILE
from robot_policies.policies.uni_o4.offline.walk import load, offline_on, prepare_walk
from robot_policies.policies.uni_o4.online.body import WalkBody
from robot_policies.policies.uni_o4.online.ppo import OnlineSettings
from robot_policies.policies.uni_o4.online.rollouts import Score, collect, score
from robot_policies.policies.uni_o4.online.train import STATE_FILE as ONLINE_STATE
from robot_policies.policies.uni_o4.online.train import run_online
from robot_policies.policies.uni_o4.spaces import scaled_velocity
from robot_policies_sim.worlds.go1.walk import Go1Walk

SHIPPED = "uni_o4/go1_walk"
TASK, UNSHIFTED = "go1_shifted", "go1_walk"
ROWS = 30_000  # 10 minutes at 50 Hz
NOISE = 0.3  # of the logged actions, in units of 0.25 rad
ROBOTS, STEPS = 48, 500  # scored at once, for 10 s
SCORE_SEED = 5_000  # of the start states of scores
MILESTONES = (5_120, 10_240, 50_000, 100_000)  # steps online
EARLY = 10_240  # the last of the first 10 k
TRAINED = 32  # robots that train online
# From scratch there is no time to learn to walk before the final reward.
SCRATCH = replace(OnlineSettings(), difficulty_steps=(10**9, 10**9 + 1))
# As the walk itself was trained, from the walk on; the noise is as wide as while it was learned,
# since a narrow one keeps it where it is, and is taken away at the end.
CEILING = replace(
    OnlineSettings(),
    difficulty_steps=(-1, 0),
    lr=3e-4,
    lr_range=(1e-5, 1.5e-3),
    value_iterations=3,
    noise_steps=(600_000, 1_200_000),
    noise_ceiling=(0.5, 0.15),
)
PERTURBED = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3)  # of each weight, in deviations of its layer


def environment(task: str = TASK, robots: int = ROBOTS, seed: int = 0):
    known = load_task(task)
    assert isinstance(known, Go1Walk)
    return known.trial_environment(robots, seed, threads=1)


def true_score(policy: UniO4Policy, task: str = TASK) -> Score:
    robots = environment(task)
    try:
        return score(robots, policy, WalkBody(policy), STEPS, SCORE_SEED)
    finally:
        robots.close()


def record(out: Path, name: str, policy: UniO4Policy, task: str = TASK, **more: Any) -> None:
    """Append a policy's score to the file of its seed."""
    result = true_score(policy, task)
    line = {
        "policy": name,
        "reward": float(result.per_step.mean()),
        "falls": int(result.fell.sum()),
    }
    with (out / "scores.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({**line, "robots": ROBOTS, **more}) + "\n")
    print(json.dumps({**line, **more}), flush=True)


def recorded(out: Path) -> dict[str, dict[str, Any]]:
    path = out / "scores.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {line["policy"]: line for line in map(json.loads, lines)}


def logged(seed: int) -> Transitions:
    """Return what the shipped policy did under the shifts; the same rows for the same seed."""
    policy, robots = load(find_checkpoint(SHIPPED)), environment(robots=40, seed=seed)
    try:
        return collect(
            *(robots, policy, WalkBody(policy), ROWS),
            noise=NOISE,
            seed=seed,
            steps=STEPS,
            privileged=lambda info: scaled_velocity(info["walk_step"].velocity, policy.config),
        )
    finally:
        robots.close()


def run(arguments: argparse.Namespace) -> None:
    out = arguments.out / str(arguments.seed)
    out.mkdir(parents=True, exist_ok=True)
    done = recorded(out)
    for name, task in (("unshifted", UNSHIFTED), ("zero-shot", TASK)):
        if name not in done:
            record(out, name, load(find_checkpoint(SHIPPED)), task)
    data = logged(arguments.seed)
    for method in arguments.methods:
        if method not in done:
            improve(out, method, data, arguments.seed)
    for name in ("online", "scratch"):
        go_on(out, name, arguments.seed, set(done))


def improve(out: Path, method: Method, data: Transitions, seed: int) -> None:
    folder, began = out / method, time.process_time()
    found = offline_on(
        load(find_checkpoint(SHIPPED)),
        data,
        folder,
        settings=OfflineSettings(method=method),
        seed=seed,
        resume=(folder / STATE_FILE).exists(),
    )
    accepted = sum(sum(check["accepted"]) for check in found.get("checks", []))
    record(
        out,
        method,
        load(folder),
        cpu_seconds=round(time.process_time() - began),
        accepted=accepted,
        rows=len(data),
        logged_falls=int(data.terminal.sum()),
    )


def go_on(out: Path, name: str, seed: int, done: set[str]) -> None:
    """Train online to each milestone in turn, and score there."""
    folder = out / name
    for steps in MILESTONES:
        label = f"{name} {steps}"
        if label in done or (name == "scratch" and steps < MILESTONES[-1]):
            continue
        robots = environment(robots=TRAINED, seed=seed)
        common: dict[str, Any] = {"seed": seed, "steps": steps}
        common["resume"] = (folder / ONLINE_STATE).exists()
        try:
            if name == "online":
                continue_online(robots, out / "uni_o4", folder, **common)
            else:
                config = UniO4Config.for_robot(load_robot("go1"))
                run_online(robots, config, folder, settings=SCRATCH, **common)
        finally:
            robots.close()
        record(out, label, load(folder))


def ceiling(arguments: argparse.Namespace) -> None:
    """Train under the shifts for much longer than a robot could."""
    folder = arguments.out / "ceiling"
    policy, robots = load(find_checkpoint(SHIPPED)), environment(robots=128, seed=arguments.seed)
    policy.log_std.data.fill_(float(np.log(CEILING.noise_ceiling[0])))
    try:
        run_online(
            robots,
            policy.config,
            folder,
            seed=arguments.seed,
            steps=arguments.steps,
            settings=CEILING,
            init=policy,
            resume=(folder / ONLINE_STATE).exists(),
        )
    finally:
        robots.close()
    record(folder, f"ceiling {arguments.steps}", load(folder))


def acceptance(arguments: argparse.Namespace) -> None:
    """Rank policies by AM-Q and by the true score."""
    out = arguments.out / str(arguments.seed)
    shipped = load(find_checkpoint(SHIPPED))
    finished = prepare_walk(shipped, logged(arguments.seed), OfflineSettings(), arguments.seed)
    load_offline_state(finished, out / "uni_o4" / STATE_FILE)
    networks = finished.networks
    judge = ModelRollouts(networks.model, networks.critics, dict(networks.data), finished.settings)
    torch.manual_seed(arguments.seed)
    chance = judge.draw(finished.settings.start_states)
    estimated, true = [], []
    for name, actor in candidates(out, finished).items():
        estimated.append(float(judge.score(actor, chance).mean()))
        true.append(float(true_score(with_actor(shipped, actor)).per_step.mean()))
        print(json.dumps({"policy": name, "am_q": estimated[-1], "reward": true[-1]}), flush=True)
    result = {"policies": len(true), "spearman": float(spearmanr(estimated, true).statistic)}
    result |= agreement(np.array(estimated), np.array(true))
    (out / "acceptance.json").write_text(json.dumps(result) + "\n", encoding="utf-8")
    print(json.dumps(result))


def candidates(out: Path, finished: OfflineRun) -> dict[str, GaussianActor]:
    """Return policies of different worth: of all methods, of all members, and made worse."""
    stage, privileged = finished.stage, finished.networks.critics.privileged
    assert isinstance(stage, Improvement)
    found = {"zero-shot": GaussianActor(load(find_checkpoint(SHIPPED)), privileged)}
    found |= {
        name: GaussianActor(load(out / name), privileged)
        for name in (*METHODS[1:], "online", "scratch")  # Uni-O4's is one of the members
        if (out / name / "config.json").exists()
    }
    for i, (before, after) in enumerate(
        zip(stage.extra["start"].children(), stage.policies, strict=True)
    ):
        found |= {f"member {i} imitated": before, f"member {i} improved": after}  # pyright: ignore
    torch.manual_seed(0)
    for share in PERTURBED:
        actor = GaussianActor(load(find_checkpoint(SHIPPED)), privileged)
        with torch.no_grad():
            for weights in actor.mean.parameters():
                weights.add_(share * weights.std() * torch.randn_like(weights))
        found[f"perturbed {share}"] = actor
    return found


def with_actor(policy: UniO4Policy, actor: GaussianActor) -> UniO4Policy:
    policy.actor.load_state_dict(actor.mean.state_dict())
    return policy


def agreement(estimated: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """Return the share of pairs in the right order: of all, and but for near ties.

    A pair nearer than a fifth of the interquartile range of true scores counts as right then.
    """
    i, j = np.triu_indices(len(true), 1)
    right = (estimated[i] - estimated[j]) * (true[i] - true[j]) > 0
    near = np.abs(true[i] - true[j]) < 0.2 * np.subtract(*np.percentile(true, [75, 25]))
    return {"pairs_right": float(right.mean()), "right_or_near": float((right | near).mean())}


def table(arguments: argparse.Namespace) -> None:
    """Print the mean over seeds and its interval."""
    seeds = [recorded(path.parent) for path in sorted(arguments.out.glob("[0-9]*/scores.jsonl"))]
    for name in dict.fromkeys(name for scores in seeds for name in scores):
        have = [scores for scores in seeds if {name, "zero-shot", "unshifted"} <= scores.keys()]
        rewards = [scores[name]["reward"] for scores in have]
        falls = [scores[name]["falls"] for scores in have]
        line = {"policy": name, "seeds": len(have), "reward": mean(rewards).to_json()}
        if name not in ("zero-shot", "unshifted"):  # which are its ends
            gaps = [share_of_gap(scores, name) for scores in have]
            line["gap_closed"] = mean(gaps).to_json()
        print(json.dumps({**line, "falls": falls}))
    for scores in seeds:
        if "uni_o4" in scores:
            early = [scores.get(f"online {steps}") for steps in MILESTONES if steps <= EARLY]
            lowest = min((line["reward"] for line in early if line), default=float("nan"))
            print(json.dumps({"lowest_in_10k_minus_offline": lowest - scores["uni_o4"]["reward"]}))


def share_of_gap(scores: Mapping[str, Mapping[str, float]], name: str) -> float:
    low, high = scores["zero-shot"]["reward"], scores["unshifted"]["reward"]
    return (scores[name]["reward"] - low) / (high - low)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    stages = {"run": run, "acceptance": acceptance, "ceiling": ceiling, "table": table}
    parser.add_argument("stage", choices=stages)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--steps", type=int, default=1_000_000, help="of the ceiling")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    stages[arguments.stage](arguments)


if __name__ == "__main__":
    main()
