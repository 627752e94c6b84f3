"""One loop of LeRobot's and one of ours on the same observations, in which no answer is late."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lerobot.policies import get_policy_class, make_pre_post_processors
from lerobot.policies.utils import prepare_observation_for_inference
from lerobot_checkpoints import FPS

from robot_policies.control.chunk_executor import ChunkExecutor
from robot_policies.control.history import History
from robot_policies.control.pacing import Pacing
from robot_policies.interface import Observation, ObservationSpec, Policy, RobotSpec
from robot_policies.interface.observation import STATE, TASK

SEED, DT = 7, 1.0 / FPS
INSTRUCTION = "put the cube on the pad"
Values = Mapping[str, Any]


def seen(spec: ObservationSpec, rng: np.random.Generator) -> dict[str, Any]:
    """Return an observation of noise near 0, and an instruction where one is read."""
    told = {TASK: INSTRUCTION} if spec.needs_task else {}
    return told | {
        name: rng.integers(0, 256, one.shape, dtype=np.uint8)
        if one.dtype == np.uint8
        else rng.normal(0.0, 0.1, one.shape).astype(np.float32)
        for name, one in spec.items()
    }


def lerobot_loop(folder: Path, kind: str, sequence: Sequence[Values]) -> np.ndarray:
    """Return the actions of LeRobot's own loop. Shape (steps, n). [deg].

    Args:
        folder: The checkpoint.
        kind: LeRobot's type of policy.
        sequence: Observations, positions in radians.
    """
    policy = get_policy_class(kind).from_pretrained(folder)
    policy.eval()
    before, after = make_pre_post_processors(policy.config, pretrained_path=str(folder))
    torch.manual_seed(SEED)
    policy.reset()
    actions = []
    for values in sequence:
        observed = {
            name: np.rad2deg(value).astype(np.float32) if name == STATE else value.copy()
            for name, value in values.items()
            if name != TASK
        }
        told = values.get(TASK)
        batch = prepare_observation_for_inference(observed, torch.device("cpu"), told)
        with torch.inference_mode():
            actions.append(after(policy.select_action(before(batch)))[0].numpy())
    return np.array(actions)


def our_loop(
    policy: Policy, robot: RobotSpec, sequence: Sequence[Values], start: float = 100.0
) -> np.ndarray:
    """Return the actions of the loop here. Shape (steps, n). [deg].

    Args:
        policy: The policy.
        robot: The robot.
        sequence: Observations, positions in radians.
        start: When it begins. [s]

    Raises:
        RuntimeError: If the policy was asked more or less often than its plans last.
    """
    needs, action = policy.observation_spec, policy.action_spec
    executor = ChunkExecutor(action, action.executor, robot=robot)
    pacing = Pacing(action, action.executor, FPS, needs.steps)
    history, actions, asked = History(needs, action, FPS), [], 0
    policy.reset(SEED)
    for step, values in enumerate(sequence):
        now = start + step * DT
        if history.due(now) or pacing.due(now):
            observation = history.extend(Observation(values, dict.fromkeys(values, now)))
            if pacing.due(now):
                pacing.asked(now)
                executor.add(policy.act(observation), now)
                asked += 1
        due = executor.action_at(now)
        if due is None:
            raise RuntimeError(f"no action is due at step {step}")
        actions.append(np.rad2deg(due.values))
    expected = -(-len(sequence) // action.executed)
    if asked != expected:
        raise RuntimeError(f"asked {asked} times in {len(sequence)} steps, expected {expected}")
    return np.array(actions)
