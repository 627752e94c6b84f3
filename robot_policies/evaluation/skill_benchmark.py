"""What skills cost: a control step with some of them, and a change of them in a running node.

The networks have random weights: what a step costs does not depend on them.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from lerobot.configs.types import FeatureType, PolicyFeature

from robot_policies import catalog
from robot_policies.interface import BackendError
from robot_policies.policies.psec.configuration_psec import PsecConfig
from robot_policies.policies.psec.modeling_psec import PsecPolicy
from robot_policies.policies.psec.processor_psec import make_psec_pre_post_processors
from robot_policies.skills.mixing.layers import Adapter, LowRank, SkillStack, linear_layers
from robot_policies.skills.mixing.mixer import SkillMixer
from robot_policies.skills.mixing.skill_router import SkillRouter
from robot_policies.skills.package.base import SkillBase, read_base
from robot_policies.skills.package.skill import pack

STATE, ACTION = "observation.state", "action"
OBSERVED, ACTED = 17, 6  # numbers, with which the paper's network has 1.64 M parameters
COUNTS = (0, 1, 4, 8)
TARGETS = {"mlp": 1.5, "ln_resnet": 4.0}  # ms with 8 skills
RANK = 8
BURST = 5  # steps of one candidate in a row, as a control loop takes them: caches warm
ROBOT, RATE = "so101", 50.0  # Hz
HOT_LOAD = 150.0  # ms

Row = dict[str, Any]


def control_steps(repeats: int, tick: Callable[[], None]) -> list[Row]:
    """Measure router and sampling of one action, T = 5, on one thread; candidates interleaved.

    Args:
        repeats: Bursts of each candidate.
        tick: Called after each round of bursts.
    """
    torch.set_num_threads(1)
    candidates = {
        (network, count): _control_step(network, count) for network in TARGETS for count in COUNTS
    }
    spent: dict[tuple[str, int], list[tuple[float, float]]] = {key: [] for key in candidates}
    for step in candidates.values():
        step()
    for _ in range(repeats):
        for key, step in candidates.items():
            for _ in range(BURST):
                thread, wall = time.thread_time(), time.perf_counter()
                step()
                spent[key].append((time.thread_time() - thread, time.perf_counter() - wall))
        tick()
    rows = []
    for (network, count), pairs in spent.items():
        target = TARGETS[network] if count == max(COUNTS) else None
        of_thread, of_wall = (1e3 * np.array(times) for times in zip(*pairs, strict=True))
        what = f"control step of {network}"
        rows.append(_row(f"{what}, thread", count, "ms", of_thread.tolist(), target))
        rows.append(_row(f"{what}, wall", count, "ms", of_wall.tolist(), target))
    return rows


def live_changes(domain: int) -> list[Row]:
    """Measure changes of skills in the launched graph: the paper's network at 50 Hz.

    Args:
        domain: ROS domain.

    Raises:
        BackendError: If the graph does not act, or refuses a skill.
    """
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain)}
    environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base = _write_base(folder / "base")
        skills = [str(_write_skill(folder, base, i)) for i in range(max(COUNTS))]
        names = {"policy": folder / "base", "robot": ROBOT, "backend": "loopback", "task": "none"}
        names["rate"] = f"{RATE:g}"
        command = [sys.executable, "-P", "-m", "robot_policies.launching", "policy.launch.xml"]
        command += [f"{key}:={value}" for key, value in names.items()]
        graph = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            found = _probe(skills, environment)
        finally:
            graph.send_signal(signal.SIGINT)
            graph.communicate(timeout=30.0)
    answered = [1e3 * value for value in found["answered"]]
    acting = [1e3 * value for value in found["acting"]]
    return [
        _row("hot load, until the node answers", len(skills), "ms", answered),
        _row("hot load, until the skill acts", len(skills), "ms", acting, HOT_LOAD),
        _row("change of weights, from the answer", len(skills), "steps", found["weights"], 1.0),
        _row("missed around a change", len(skills), "steps", found["missed"], 0.0),
        _row("missed undisturbed", len(skills), "steps", found["missed_undisturbed"]),
    ]


def _row(
    what: str, skills: int, unit: str, values: Sequence[float], target: float | None = None
) -> Row:
    return {
        "what": what,
        "skills": skills,
        "unit": unit,
        "min": round(min(values), 3),
        "median": round(median(values), 3),
        "max": round(max(values), 3),
        "sum": sum(values) if unit == "steps" else None,
        "count": len(values),
        "target": target,
    }


def _probe(skills: Sequence[str], environment: dict[str, str]) -> dict[str, list[float]]:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "robot_policies.nodes.skill_probe", f"{RATE:g}", *skills],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300.0,
        check=False,
    )
    if done.returncode:
        raise BackendError(f"skills could not be changed: {' '.join(done.stderr.split())[-300:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _control_step(network: str, count: int) -> Callable[[], None]:
    """Return one control step as a function."""
    policy = _make_policy(network=network)
    mixer = SkillMixer(policy)
    mixer.swap(SkillStack(policy, {f"skill_{i}": _adapter(policy, i) for i in range(count)}))
    router = SkillRouter({STATE: OBSERVED}, count).start_at([0.5] * count) if count else None
    batch = {STATE: torch.randn(1, OBSERVED)}

    def step() -> None:
        with torch.inference_mode():
            if router is not None:
                mixer.weigh(router.read(batch)[0])
            policy.predict_action_chunk(batch)

    return step


def _make_policy(**settings: Any) -> PsecPolicy:
    torch.manual_seed(0)
    observed = settings.pop("observed", OBSERVED)
    config = PsecConfig(
        device="cpu",
        input_features={STATE: PolicyFeature(FeatureType.STATE, (observed,))},
        output_features={ACTION: PolicyFeature(FeatureType.ACTION, (ACTED,))},
        **settings,
    )
    return PsecPolicy(config).eval()


def _adapter(policy: PsecPolicy, seed: int) -> Adapter:
    """Return for each layer A from N(0, 1/in), which keeps an input's size, and a small B."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: LowRank(
            torch.randn(RANK, linear.in_features, generator=generator) / linear.in_features**0.5,
            0.01 * torch.randn(linear.out_features, RANK, generator=generator),
            1.0,
        )
        for name, linear in linear_layers(policy).items()
    }


def _write_base(folder: Path) -> SkillBase:
    """Write a checkpoint of the paper's size that hardly moves the robot."""
    robot = catalog.load_robot(ROBOT)
    joints, width = list(robot.joint_names), len(robot.joints)
    policy = _make_policy(
        observed=width,
        robot=ROBOT,
        dt=1.0 / RATE,
        element_names={STATE: [f"{joint}.pos" for joint in joints], ACTION: joints},
        element_units={STATE: ["rad"] * width, ACTION: ["rad"] * width},
    )
    policy.save_pretrained(folder)
    middle = torch.tensor(robot.default, dtype=torch.float32)
    statistics = {
        STATE: {"mean": middle, "std": torch.ones(width)},
        ACTION: {"min": middle - 1e-3, "max": middle + 1e-3},
    }
    for pipeline in make_psec_pre_post_processors(policy.config, statistics):
        pipeline.save_pretrained(folder)
    return read_base(folder, "benchmark")


def _write_skill(folder: Path, base: SkillBase, number: int) -> Path:
    name = f"skill_{number}"
    made = _adapter(_make_policy(observed=ACTED), number)
    return pack(folder / name, base, name, "1.0.0", adapter=made).folder
