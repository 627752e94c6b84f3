"""Walk a policy in a vectorised environment: to log what it did, or to know how good it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from robot_policies.interface import TrainingEnvironment
from robot_policies.policies.uni_o4.data.transitions import Transitions
from robot_policies.policies.uni_o4.online.body import Body
from robot_policies.policies.uni_o4.online.ppo import Learner

DIFFICULTY = 1.0  # the final reward is what counts


@dataclass(frozen=True, eq=False)
class Score:
    """The first episode of each environment.

    Attributes:
        total: Sum of rewards. Shape (N,).
        steps: How long it lasted. Shape (N,).
        fell: Whether it ended before its time. Shape (N,).
    """

    total: np.ndarray
    steps: np.ndarray
    fell: np.ndarray

    @property
    def per_step(self) -> np.ndarray:
        """Mean reward of a step. Shape (N,)."""
        return self.total / self.steps


@torch.no_grad()
def score(
    environment: TrainingEnvironment, policy: Learner, body: Body, steps: int, seed: int
) -> Score:
    """Follow the mean action for one episode in every environment.

    Args:
        environment: Where.
        policy: Who.
        body: Its body.
        steps: Longest episode.
        seed: Of the start states.
    """
    environment.set_difficulty(DIFFICULTY)
    features, _ = environment.reset(seed=seed, options={"steps": steps})
    body.forget()
    count = environment.num_envs
    going, fell = np.ones(count, dtype=bool), np.zeros(count, dtype=bool)
    total, lasted = np.zeros(count), np.zeros(count)
    for _ in range(steps):
        action = body.execute(policy.actor(body.observe(features)))
        features, reward, fallen, timeout, _ = environment.step(body.command(action))
        total += going * reward
        lasted += going
        fell |= going & fallen
        going &= ~(fallen | timeout)
        body.forget(torch.from_numpy(fallen | timeout))
        if not going.any():
            break
    body.forget()
    return Score(total, lasted, fell)


@torch.no_grad()
def collect(
    environment: TrainingEnvironment,
    policy: Learner,
    body: Body,
    count: int,
    *,
    noise: float | None,
    seed: int,
    steps: int,
    privileged: Callable[[Mapping[str, Any]], np.ndarray] | None = None,
    source: str = "simulation",
) -> Transitions:
    """Log a noisy policy.

    Args:
        environment: Where.
        policy: Who.
        body: Its body.
        count: Rows, rounded up to whole steps of all environments.
        noise: Deviation of the action; the policy's own if not given.
        seed: Of start states and noise.
        steps: Longest episode.
        privileged: Returns from a step's `info` what the log knows after it and the policy does
            not see, normalised, (N, P). An episode's first step is left out then, since nothing
            was known before it.
        source: Named in messages about the data.

    Returns:
        Rows in the order of time, one environment after the other; actions as executed.
    """
    torch.manual_seed(seed)
    environment.set_difficulty(DIFFICULTY)
    features, _ = environment.reset(seed=seed, options={"steps": steps})
    body.forget()
    rows: dict[str, list[np.ndarray]] = {}
    observation = body.observe(features)
    known = None
    for _ in range(-(-count // environment.num_envs)):
        mean = policy.actor(observation)
        spread = policy.log_std.exp() if noise is None else noise
        action = body.execute(mean + spread * torch.randn_like(mean))
        features, reward, fallen, timeout, info = environment.step(body.command(action))
        done = torch.from_numpy(fallen | timeout)
        final = body.peek(info["final_obs"]) if done.any() else None
        body.forget(done)
        following = body.observe(features)
        after = following if final is None else torch.where(done[:, None], final, following)
        unseen = None if privileged is None else privileged(info)
        step: Mapping[str, np.ndarray] = {
            "observation": _joined(unseen if known is None else known, observation),
            "action": action.numpy(),
            "reward": reward.astype(np.float32),
            "next_observation": _joined(unseen, after),
            "terminal": fallen,
            "last": fallen | timeout,
        }
        for name, values in step.items():
            rows.setdefault(name, []).append(values.copy())
        observation, known = following, unseen
    body.forget()
    stacked = {name: np.stack(values, 1) for name, values in rows.items()}  # (N, T, ...)
    stacked["last"][:, -1] = True
    flat = {name: array.reshape(-1, *array.shape[2:]) for name, array in stacked.items()}
    first = np.append(True, flat["last"][:-1])
    episode = np.cumsum(first) - 1
    width = 0 if known is None else known.shape[1]
    data = Transitions(source, episode=episode, privileged=width, **flat)
    return data if privileged is None else data.take(~first)


def _joined(unseen: np.ndarray | None, seen: torch.Tensor) -> np.ndarray:
    return seen.numpy() if unseen is None else np.concatenate([unseen, seen.numpy()], 1)
