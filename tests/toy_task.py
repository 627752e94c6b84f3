"""A point that is to be held at the origin, and logs of somebody who does it badly.

s' = 0.9 s + 0.3 a + noise, reward 1 - s^2 - 0.1 a^2, so the best linear gain is known; beyond
|s| > 2 the episode has failed.
"""

import numpy as np
import torch

from robot_policies.learning.networks import mlp
from robot_policies.policies.uni_o4.data.transitions import Transitions
from robot_policies.policies.uni_o4.offline.settings import OfflineSettings
from robot_policies.policies.uni_o4.spaces import BoxSpace

SMALL = OfflineSettings(
    batch=128,
    gamma=0.9,
    reward_scale=1.0,
    behavior_steps=150,
    behavior_rate=3e-3,
    critic_steps=500,
    critic_rate=3e-3,
    critic_hidden=(32, 32),
    target_rate=0.05,
    model_members=3,
    model_elites=2,
    model_hidden=(16,),
    model_epochs=4,
    expansion=0,
    improvement_steps=60,
    improvement_rate=0.02,
    baseline_rate=0.02,
    acceptance_every=20,
    horizon=5,
    start_states=128,
)


def failed(observation):
    return observation[:, 0].abs() > 2.0


SPACE = BoxSpace(1, 1, failed)


class Linear(torch.nn.Module):
    """The policy a = -gain s, clipped, with fixed noise."""

    def __init__(self, gain, std=0.3):
        super().__init__()
        self.gain = torch.nn.Parameter(torch.tensor(float(gain)))
        self.log_std = torch.nn.Parameter(torch.tensor([float(np.log(std))]))

    def forward(self, observation):
        return -self.gain * observation, self.log_std


def act(policy, state):
    with torch.no_grad():
        mean, _ = policy(torch.tensor(state, dtype=torch.float32).reshape(-1, 1))
    return mean.numpy()[:, 0]


def step(state, action, rng):
    reward = 1.0 - state**2 - 0.1 * action**2
    following = 0.9 * state + 0.3 * action + 0.1 * rng.standard_normal(len(state))
    return following, reward


def logs(gain=0.3, std=0.4, episodes=60, length=30, seed=0):
    """Log a noisy policy; every episode is cut off by its length or fails."""
    rng, parts = np.random.default_rng(seed), []
    for number in range(episodes):
        state, rows = rng.uniform(-1.5, 1.5, 1), []
        for _ in range(length):
            action = np.clip(-gain * state + std * rng.standard_normal(1), -1.0, 1.0)
            following, reward = step(state, action, rng)
            end = abs(following[0]) > 2.0
            rows.append((state, action, reward[0], following, end))
            state = following
            if end:
                break
        columns = [np.array(column) for column in zip(*rows, strict=True)]
        last = np.arange(len(rows)) == len(rows) - 1
        parts.append([*columns, last, np.full(len(rows), number)])
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
    kinds = [np.float32] * 4 + [bool, bool, np.int64]
    return Transitions("toy", *(a.astype(kind) for a, kind in zip(joined, kinds, strict=True)))


def true_return(policy, seed=1, count=400, length=40, gamma=0.9):
    """Return the mean discounted return of the policy's mean action."""
    rng = np.random.default_rng(seed)
    state, alive, total = rng.uniform(-1.5, 1.5, count), np.ones(count), 0.0
    for t in range(length):
        action = np.clip(act(policy, state), -1.0, 1.0)
        following, reward = step(state, action, rng)
        total = total + gamma**t * alive * reward
        alive = alive * (np.abs(following) <= 2.0)
        state = following
    return float(np.mean(total))


def value():
    return mlp(1, (32, 32), 1)
