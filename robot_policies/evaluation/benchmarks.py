"""Throughput of physics and of training, measured side by side in interleaved blocks.

A block of one candidate is followed by a block of the next, several times over, so that a change
of the machine's load falls on all of them alike; the median over the blocks is reported.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

from robot_policies import catalog
from robot_policies.interface import Command, Simulator
from robot_policies.stage import open_stage

ENGINES = ("mujoco", "pybullet")
SETTLE_STEPS = 25  # control steps before the clock starts: contacts made, caches warm

Tick = Callable[[], None]


def physics(
    task_name: str, seconds: float, blocks: int, tick: Tick, engines: Sequence[str] = ENGINES
) -> list[dict[str, Any]]:
    """Measure simulated control steps per second of the physics engines, the servo included.

    Args:
        task_name: Task whose robot and world are simulated, holding the default pose.
        seconds: Length of a block. [s]
        blocks: Blocks per engine.
        tick: Called after each block.
        engines: Simulator backends.
    """
    task = catalog.load_task(task_name)
    robot = catalog.load_robot(task.robot)
    simulators: dict[str, Simulator] = {}
    for name in engines:
        simulators[name] = open_stage(name, task_name).simulator
        simulators[name].connect()
        simulators[name].reset(0, task.initial(0))
    dt = 1.0 / robot.control_rate
    try:
        for simulator in simulators.values():
            _simulate(simulator, dt, lambda count, _: count >= SETTLE_STEPS)
        rates: dict[str, list[float]] = {name: [] for name in simulators}
        for _ in range(blocks):
            for name, simulator in simulators.items():
                rates[name].append(_simulate(simulator, dt, lambda _, spent: spent >= seconds))
                tick()
    finally:
        for simulator in simulators.values():
            simulator.close()
    servo_steps = robot.servo_rate / robot.control_rate
    return [
        {
            "engine": name,
            "robot": robot.name,
            **spread("control_steps_per_s", rate),
            "servo_steps_per_s": median(rate) * servo_steps,
            "real_time_factor": median(rate) * dt,
        }
        for name, rate in rates.items()
    ]


def _simulate(simulator: Simulator, dt: float, finished: Callable[[int, float], bool]) -> float:
    """Hold the default pose until finished; return control steps per second."""
    pose = simulator.spec.default
    count, start = 0, time.perf_counter()
    while not finished(count, time.perf_counter() - start):
        simulator.write(Command(count * dt, pose))
        simulator.advance(dt)
        simulator.read()
        count += 1
    return count / (time.perf_counter() - start)


def throughput(
    task_name: str,
    environments: int,
    threads: int,
    torch_threads: int,
    blocks: int,
    tick: Tick,
) -> list[dict[str, Any]]:
    """Measure steps per second of the training environment alone, and of training as a whole.

    Args:
        task_name: Task trained for.
        environments: Robots simulated side by side.
        threads: Physics threads.
        torch_threads: Torch threads of the training.
        blocks: Training iterations that count, each with a block of bare environment steps.
        tick: Called after each block.
    """
    import numpy as np
    import torch

    from robot_policies.policies.uni_o4.configuration_uni_o4 import UniO4Config
    from robot_policies.policies.uni_o4.modeling_uni_o4 import UniO4Policy
    from robot_policies.policies.uni_o4.online.body import WalkBody
    from robot_policies.policies.uni_o4.online.ppo import OnlineSettings, Trainer

    task = catalog.load_task(task_name)
    robot = catalog.load_robot(task.robot)
    torch.set_num_threads(torch_threads)
    settings = OnlineSettings()
    bare = task.training_environment(environments, 0, threads)
    trained = task.training_environment(environments, 0, threads)
    try:
        bare.reset(seed=0)
        rng = np.random.default_rng(0)
        policy = UniO4Policy(UniO4Config.for_robot(robot)).train()
        trainer = Trainer(trained, policy, WalkBody(policy), settings)
        trainer.begin(0)
        rates: dict[str, list[float]] = {"environment": [], "training": []}
        for block in range(blocks + 1):
            noise = rng.normal(0.0, 0.1, (environments, len(robot.joints)))
            start = time.perf_counter()
            for _ in range(settings.rollout):
                bare.step(robot.default + noise)
            middle = time.perf_counter()
            trainer.iterate()
            end = time.perf_counter()
            tick()
            if block > 0:  # the first is warm-up
                steps = environments * settings.rollout
                rates["environment"].append(steps / (middle - start))
                rates["training"].append(steps / (end - middle))
    finally:
        bare.close()
        trained.close()
    return [
        {
            "what": what,
            "environments": environments,
            "threads": threads,
            **spread("steps_per_s", r),
        }
        for what, r in rates.items()
    ]


def spread(name: str, values: Sequence[float]) -> Mapping[str, float]:
    """Return median, least and greatest of the blocks."""
    return {name: median(values), f"{name}_min": min(values), f"{name}_max": max(values)}
