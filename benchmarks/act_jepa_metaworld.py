"""Figures of ACT-JEPA on Meta-World: what its encoder knows of the future, and success.

    make bench-env
    .bench-venv/bin/python benchmarks/act_jepa_metaworld.py data  --out DIR
    .bench-venv/bin/python benchmarks/act_jepa_metaworld.py train --out DIR --seed 0
    .bench-venv/bin/python benchmarks/act_jepa_metaworld.py probe --out DIR --seed 0
    .bench-venv/bin/python benchmarks/act_jepa_metaworld.py score --out DIR --seed 0
    .bench-venv/bin/python benchmarks/act_jepa_metaworld.py report --out DIR

Four tasks, one policy for all of them. `joint` is ACT-JEPA and `act` the paper's ACT, from the
same 25 demonstrations a task and the same number of steps. `scarce` sees the same 100
trajectories, 10 of them with actions; `few` is ACT on those 10. `probe` trains on the 25
demonstrations a task and is judged on 25 others; `score` compares the arms on common episodes
that nobody trained on.
"""

import argparse
import json
import time
from collections.abc import Iterable
from pathlib import Path

import yaml

from robot_policies.data.demonstrations import Order, generate
from robot_policies.evaluation.run_suite import run_suite
from robot_policies.evaluation.statistics import compare_success, mean, rate
from robot_policies.evaluation.suite import Suite
from robot_policies.learning.elements import ACTION, CONTRACT_VERSION
from robot_policies.policies.act_jepa import train as act_jepa

NAMES = ("push-v3", "pick-place-v3", "door-open-v3", "coffee-pull-v3")
TASKS = tuple(f"metaworld/{name}" for name in NAMES)
NOISE = 0.1
SEEN, UNSEEN = 100_000, 200_000  # first seeds of demonstrations; scores use 0, 1, ...
# Folder: how many demonstrations of each task, from which seed on, one list after the other.
DATA = {"demos": [(25, SEEN)], "probe": [(25, SEEN), (25, UNSEEN)]}
LABELLED = [0, 1, 2, 25, 26, 27, 50, 51, 75, 76]
ARMS = {
    "joint": [],
    "act": ["--policy.objective=act"],
    "scarce": [f"--policy.labelled_episodes={LABELLED}"],
    "few": ["--policy.objective=act", f"--dataset.episodes={LABELLED}"],
}
PAIRS = (("joint", "act"), ("scarce", "few"))
SIZES = {
    "chunk_size": 20,
    "n_action_steps": 20,
    "dim_model": 128,
    "n_heads": 4,
    "dim_feedforward": 512,
    "predictor_dim": 64,
    "predictor_feedforward": 256,
    "n_predictor_layers": 2,
    "pretrained_backbone_weights": "null",
    "device": "cpu",
}
BATCH_SIZE = 32
CONSTANT = 1e-3  # standard deviation, in Meta-World's metres and unit quaternions


def data(arguments: argparse.Namespace) -> None:
    for folder, parts in DATA.items():
        for count, seed in parts:
            for task in TASKS:
                made = generate(
                    Order(task, "gymnasium", NOISE), arguments.out / folder, count, seed
                )
                print(json.dumps({"data": folder, "task": task, "frames": made.frames}))
        scale_constants(arguments.out / folder / "meta" / "stats.json")


def scale_constants(path: Path) -> None:
    """Keep the scale of what hardly varies: padding, and the turn of things that only slide."""
    stats = json.loads(path.read_text())
    seen = stats["observation.environment_state"]
    seen["std"] = [value if value > CONSTANT else 1.0 for value in seen["std"]]
    path.write_text(json.dumps(stats))


def train(arguments: argparse.Namespace) -> None:
    for arm in arguments.arms:
        started = time.process_time()
        last = checkpoint(arguments.out, arm, arguments.seed)
        options = [
            *(f"--policy.{name}={value}" for name, value in SIZES.items()),
            "--dataset.repo_id=local/demos",
            f"--dataset.root={arguments.out / 'demos'}",
            f"--output_dir={arguments.out / f'{arm}-{arguments.seed}'}",
            f"--seed={arguments.seed}",
            f"--steps={arguments.steps}",
            "--save_freq=250",
            f"--batch_size={BATCH_SIZE}",
            "--log_freq=100",
            *ARMS[arm],
        ]
        if last.exists():  # killed before the end
            options = ["--resume=true", f"--config_path={last / 'train_config.json'}"]
        act_jepa.main(options)
        make_runnable(last)
        seconds = round(time.process_time() - started)
        print(json.dumps({"arm": arm, "seed": arguments.seed, "cpu_seconds": seconds}))


def checkpoint(out: Path, arm: str, seed: int) -> Path:
    return out / f"{arm}-{seed}" / "checkpoints" / "last" / "pretrained_model"


def make_runnable(folder: Path) -> None:
    """Say what the elements are, and that `observation.state` is called `agent_pos` here."""
    path = folder / "policy_preprocessor.json"
    pipeline = json.loads(path.read_text())
    for step in pipeline["steps"]:
        if step["registry_name"] == "rename_observations_processor":
            step["config"] = {"rename_map": {"observation.agent_pos": "observation.state"}}
    path.write_text(json.dumps(pipeline, indent=2))
    names = json.loads((folder / "config.json").read_text())["element_names"]
    contract = {
        "version": CONTRACT_VERSION,
        "robot": "",  # the policy knows several environments, which are different robots here
        "dt": 1.0 / 80.0,
        "task": True,
        "observation": {
            "observation.agent_pos": {"names": names["observation.state"], "unit": "1"},
            "observation.environment_state": {
                "names": names["observation.environment_state"],
                "unit": "1",
            },
        },
        "action": {"kind": "joint_position", "names": names[ACTION], "unit": "rad"},
    }
    (folder / "contract.yaml").write_text(yaml.safe_dump(contract, sort_keys=False))


def probe(arguments: argparse.Namespace) -> None:
    encoders = [
        f"--encoder={arm}={checkpoint(arguments.out, arm, arguments.seed)}"
        for arm in arguments.arms
    ]
    act_jepa.main(
        [
            "--stage=probe",
            f"--dataset.root={arguments.out / 'probe'}",
            "--held_out=0.5",
            f"--seed={arguments.seed}",
            f"--steps={arguments.probe_steps}",
            f"--batch_size={arguments.probe_batch}",
            f"--json={arguments.out / f'probe-{arguments.seed}.json'}",
            *encoders,
        ]
    )


def score(arguments: argparse.Namespace) -> None:
    policies = {str(checkpoint(arguments.out, arm, arguments.seed)): arm for arm in arguments.arms}
    suite = Suite(tuple(policies), TASKS, ("gymnasium",), arguments.episodes)
    found: dict[str, dict[str, list[bool]]] = {arm: {} for arm in arguments.arms}
    for outcome in run_suite(suite).outcomes:
        if outcome.error:
            raise SystemExit(f"{outcome.job}: {outcome.error}")
        by_task = found[policies[outcome.job.policy]]
        by_task.setdefault(outcome.job.task, []).append(outcome.success)
    path = arguments.out / f"score-{arguments.seed}.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(before | found))


def report(arguments: argparse.Namespace) -> None:
    probes = [json.loads(path.read_text()) for path in sorted(arguments.out.glob("probe-*.json"))]
    for metric in ("rmse", "ate", "linear_rmse", "linear_ate"):
        for arm in probes[0]["encoders"] if probes else ():
            values = [found["encoders"][arm][metric] for found in probes]
            print(json.dumps({"probe": metric, "arm": arm, "seeds": values}))
        for one, other in PAIRS:
            with_both = [f["encoders"] for f in probes if {one, other} <= f["encoders"].keys()]
            below = [1.0 - found[one][metric] / found[other][metric] for found in with_both]
            if below:
                line = {"probe": metric, "below": f"{one} {other}", "seeds": below}
                print(json.dumps(line | mean(below).to_json()))
    scores = [json.loads(path.read_text()) for path in sorted(arguments.out.glob("score-*.json"))]
    for arm in ARMS:
        for task in (*TASKS, "all"):
            print_rate(arm, task, outcomes(scores, arm, TASKS if task == "all" else (task,)))
    for one, other in PAIRS:
        shared = [found for found in scores if {one, other} <= found.keys()]
        if shared:
            pair = compare_success(outcomes(shared, one, TASKS), outcomes(shared, other, TASKS))
            print(json.dumps({"success": f"{one} - {other}", **vars(pair)}))


def outcomes(scores: Iterable[dict], arm: str, tasks: Iterable[str]) -> list[bool]:
    """Return who succeeded, by seed of training, then task, then episode."""
    return [
        done for found in scores for task in tasks for done in found.get(arm, {}).get(task, ())
    ]


def print_rate(arm: str, task: str, done: list[bool]) -> None:
    if done:
        line = {"success": arm, "task": task, "of": len(done)}
        print(json.dumps(line | rate(sum(done), len(done)).to_json()))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    stages = {"data": data, "train": train, "probe": probe, "score": score, "report": report}
    parser.add_argument("stage", choices=stages)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=["joint", "act"])
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--probe-steps", type=int, default=250)
    parser.add_argument("--probe-batch", type=int, default=64, help="512 in the paper")
    parser.add_argument("--episodes", type=int, default=50)
    arguments = parser.parse_args()
    stages[arguments.stage](arguments)


if __name__ == "__main__":
    main()
