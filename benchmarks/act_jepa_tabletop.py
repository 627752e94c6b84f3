"""Figures of ACT-JEPA on `tabletop_place`: cameras and an instruction to joint targets.

    python benchmarks/act_jepa_tabletop.py data  --out DIR
    python benchmarks/act_jepa_tabletop.py train --out DIR --seed 0 [--arms full few_joint ...]
    python benchmarks/act_jepa_tabletop.py score --out DIR [--arms ...] [--backends mujoco pybullet]
    python benchmarks/act_jepa_tabletop.py ship  --out DIR --seed 0 --to checkpoints/act_jepa/tabletop_place
    python benchmarks/act_jepa_tabletop.py speed

`full` is the shipped policy: 200 demonstrations, hindsight; `act` the paper's ACT likewise,
`plain` ACT-JEPA without hindsight.
`few_joint` and `few_act` are ACT-JEPA and the paper's ACT on the first 25 demonstrations. Scores
are on scenes nobody trained on, common to all arms.
"""  # noqa: E501

import argparse
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from statistics import median

import numpy as np
import torch
from lerobot.configs.types import FeatureType, PolicyFeature
from lerobot.policies.act.configuration_act import ACTConfig
from lerobot.policies.act.modeling_act import ACTPolicy

from robot_policies.data.demonstrations import Order, generate
from robot_policies.evaluation.run_suite import run_suite
from robot_policies.evaluation.statistics import compare_success, mean, rate
from robot_policies.evaluation.suite import Suite
from robot_policies.policies.act_jepa import ActJepaConfig
from robot_policies.policies.act_jepa import train as act_jepa
from robot_policies.policies.act_jepa.modeling_act_jepa import ActJepaPolicy

TASK = "tabletop_place"
NOISE = 0.02  # m
SEEN = 1_000_000  # seed of the first demonstration; scores use 0, 1, ...
DATA = {"demos": 200, "few": 25}
HINDSIGHT = "--policy.hindsight_weight=1.0"
ARMS: dict[str, tuple[str, int, list[str]]] = {  # data, steps, options
    "full": ("demos", 6000, [HINDSIGHT]),
    "act": ("demos", 6000, [HINDSIGHT, "--policy.objective=act"]),
    "plain": ("demos", 6000, []),
    "few_joint": ("few", 2400, [HINDSIGHT]),
    "few_act": ("few", 2400, [HINDSIGHT, "--policy.objective=act"]),
}
PAIRS = (("full", "act"), ("full", "plain"), ("few_joint", "few_act"))


def data(arguments: argparse.Namespace) -> None:
    for folder, count in DATA.items():
        order = Order(TASK, "mujoco", NOISE)
        made = generate(order, arguments.out / folder, count, SEEN, arguments.workers)
        print(json.dumps({"data": folder, "frames": made.frames, "failed": len(made.failed)}))


def train(arguments: argparse.Namespace) -> None:
    for arm in arguments.arms:
        folder, steps, options = ARMS[arm]
        steps = arguments.steps or steps
        last, started = checkpoint(arguments.out, arm, arguments.seed), time.process_time()
        options = [
            "--preset=small",
            f"--dataset.repo_id=local/{folder}",
            f"--dataset.root={arguments.out / folder}",
            f"--output_dir={arguments.out / f'{arm}-{arguments.seed}'}",
            f"--seed={arguments.seed}",
            f"--steps={steps}",
            "--policy.device=cpu",
            "--save_freq=250",
            "--log_freq=100",
            *options,
        ]
        if last.exists():  # killed before the end, or done
            options = ["--resume=true", f"--config_path={last / 'train_config.json'}"]
            state = json.loads((last.parent / "training_state" / "training_step.json").read_text())
            if state["step"] == steps:
                continue
        act_jepa.main(options)
        seconds = round(time.process_time() - started)
        print(json.dumps({"arm": arm, "seed": arguments.seed, "cpu_seconds": seconds}))


def checkpoint(out: Path, arm: str, seed: int) -> Path:
    return out / f"{arm}-{seed}" / "checkpoints" / "last" / "pretrained_model"


def score(arguments: argparse.Namespace) -> None:
    """Print one line per arm, engine and seed, and the paired difference of the arms' pools."""
    pools: dict[tuple[str, str], list[bool]] = {}
    for arm in arguments.arms:
        for seed in arguments.seeds:
            suite = Suite(
                (str(checkpoint(arguments.out, arm, seed)),),
                (TASK,),
                tuple(arguments.backends),
                arguments.episodes,
                arguments.first,
            )
            outcomes = run_suite(suite, workers=arguments.workers).outcomes
            for backend in arguments.backends:
                found = [outcome for outcome in outcomes if outcome.job.backend == backend]
                success = [outcome.success for outcome in found]
                progress = [outcome.metrics.get("progress", 0.0) for outcome in found]
                times = [outcome.metrics["time"] for outcome in found if outcome.success]
                pools.setdefault((arm, backend), []).extend(success)
                line = {
                    "arm": arm,
                    "backend": backend,
                    "seed": seed,
                    "success": rate(sum(success), len(success)).to_json(),
                    "lifted": rate(sum(p >= 0.5 for p in progress), len(progress)).to_json(),
                    "time": mean(times).to_json() if times else None,
                    "errors": sum(bool(outcome.error) for outcome in found),
                }
                print(json.dumps(line), flush=True)
    for (arm, backend), success in pools.items():
        for a, b in PAIRS:
            if arm == a and (b, backend) in pools:
                difference = compare_success(success, pools[b, backend])
                print(json.dumps({"a": a, "b": b, "backend": backend, **asdict(difference)}))


def ship(arguments: argparse.Namespace) -> None:
    """Copy what acts; the parts that only training needs stay."""
    source = checkpoint(arguments.out, "full", arguments.seed)
    arguments.to.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        if path.name not in ("training_parts.safetensors", "train_config.json"):
            shutil.copyfile(path, arguments.to / path.name)


def speed(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    print(json.dumps({"chunk_ms": "small", **chunk_time(ActJepaConfig.small, 2)}), flush=True)
    print(json.dumps({"chunk_ms": "paper", **chunk_time(ActJepaConfig.paper, 1)}), flush=True)
    for cameras in (0, 1):
        print(json.dumps({"cameras": cameras, **training_step(cameras)}), flush=True)


def features(cameras: int) -> dict[str, dict[str, PolicyFeature]]:
    """Return those of the SO-101."""
    images = {
        f"observation.images.{i}": PolicyFeature(FeatureType.VISUAL, (3, 96, 96))
        for i in range(cameras)
    }
    state = {"observation.state": PolicyFeature(FeatureType.STATE, (6,))}
    if not cameras:  # LeRobot's ACT wants more than the state
        state["observation.environment_state"] = PolicyFeature(FeatureType.ENV, (6,))
    action = {"action": PolicyFeature(FeatureType.ACTION, (6,))}
    return {"input_features": {**state, **images}, "output_features": action}


def batch_of(size: int, chunk: int, cameras: int) -> dict[str, torch.Tensor]:
    pad = torch.zeros(size, chunk, dtype=torch.bool)
    images = {f"observation.images.{i}": torch.rand(size, 3, 96, 96) for i in range(cameras)}
    return {
        "observation.state": torch.randn(size, chunk, 6),
        "observation.state_is_pad": pad,
        "observation.environment_state": torch.randn(size, 6),
        "action": torch.randn(size, chunk, 6),
        "action_is_pad": pad,
        "task_index": torch.zeros(size, dtype=torch.int64),
        **images,
    }


def chunk_time(make: Callable[..., ActJepaConfig], cameras: int) -> dict[str, float]:
    weights = {"pretrained_backbone_weights": None}
    config = make(**features(cameras), **weights, device="cpu", tasks=["a", "b", "c", "d"])
    policy, batch = ActJepaPolicy(config), batch_of(1, config.chunk_size, cameras)
    times = []
    for _ in range(320):
        started = time.thread_time()
        policy.predict_action_chunk(batch)
        times.append(1e3 * (time.thread_time() - started))
    parameters = sum(parameter.numel() for parameter in policy.parameters())
    p50, p99 = np.percentile(times[20:], (50, 99))
    return {"p50": round(p50, 2), "p99": round(p99, 2), "parameters": parameters}


def training_step(cameras: int) -> dict[str, float]:
    """Time the three arms in turns: width 128 on states, or paper size with ResNet-18."""
    batch_size, chunk = (8, 30) if cameras else (64, 30)
    sizes = {"chunk_size": chunk, "n_action_steps": chunk, "pretrained_backbone_weights": None}
    narrow = {"dim_model": 128, "n_heads": 4, "dim_feedforward": 512}
    narrower = {"predictor_dim": 64, "predictor_feedforward": 256, "n_predictor_layers": 2}
    common = {**features(cameras), **sizes, **({} if cameras else narrow), "device": "cpu"}
    ours = {**common, **({} if cameras else narrower)}
    arms = {
        "act_jepa": ActJepaPolicy(ActJepaConfig(**ours), for_training=True),
        "act": ActJepaPolicy(ActJepaConfig(**ours, objective="act"), for_training=True),
        "lerobot_act": ACTPolicy(ACTConfig(**common, use_vae=False, push_to_hub=False)),
    }
    optimizers = {k: torch.optim.AdamW(p.get_optim_params(), lr=1e-4) for k, p in arms.items()}
    taken: dict[str, list[float]] = {name: [] for name in arms}
    for turn in range(4):
        for name, policy in arms.items():
            policy.train()
            batch = batch_of(batch_size, chunk, cameras)
            if name == "lerobot_act":
                batch["observation.state"] = batch["observation.state"][:, 0]
            started = time.thread_time()
            loss, _ = policy.forward(batch)
            optimizers[name].zero_grad()
            loss.backward()
            optimizers[name].step()
            if isinstance(policy, ActJepaPolicy):
                policy.update()
            if turn:  # the first warms up
                taken[name].append(1e3 * (time.thread_time() - started))
    found = {name: round(median(times), 1) for name, times in taken.items()}
    ratios = {f"{n}_ratio": round(found[n] / found["lerobot_act"], 2) for n in ("act_jepa", "act")}
    return {**found, **ratios}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["data", "train", "score", "ship", "speed"])
    parser.add_argument("--out", type=Path, default=Path("outputs/act_jepa_tabletop"))
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=["full"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--episodes", type=int, default=200)
    parser.add_argument("--backends", nargs="+", default=["mujoco"])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--steps", type=int, help="instead of the arm's own")
    parser.add_argument("--to", type=Path)
    arguments = parser.parse_args()
    globals()[arguments.part](arguments)


if __name__ == "__main__":
    main()
