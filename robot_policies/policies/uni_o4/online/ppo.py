"""Proximal policy optimisation in a vectorised environment (Schulman et al. 2017).

One iteration: collect `rollout` steps from every environment, compute advantages, take a few
epochs of clipped policy steps whose learning rate follows the measured KL divergence.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from robot_policies.interface import TrainingEnvironment
from robot_policies.policies.uni_o4.losses import (
    clipped_surrogate,
    gaussian_kl,
    gaussian_log_prob,
    generalized_advantage,
    value_loss,
)
from robot_policies.policies.uni_o4.online.body import Body


class Learner(Protocol):
    """What is trained: a Gaussian policy and its value, all of one module."""

    @property
    def actor(self) -> nn.Module:
        """Observation to mean action. (B, W) -> (B, J)."""
        ...

    @property
    def value(self) -> nn.Module:
        """Observation to value. (B, W) -> (B, 1)."""
        ...

    @property
    def log_std(self) -> nn.Parameter:
        """Of the action. Shape (J,)."""
        ...

    def parameters(self) -> Any:
        """Return all weights."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return all weights and buffers by name."""
        ...

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any:
        """Take weights and buffers."""
        ...


@dataclass(frozen=True)
class OnlineSettings:
    """Numbers of PPO; tuned here unless a source is named."""

    rollout: int = 32  # steps per environment and iteration; rsl_rl 24
    epochs: int = 5  # rsl_rl
    minibatches: int = 4  # rsl_rl
    gamma: float = 0.98  # 1 s ahead; rsl_rl's 0.99 learned slower
    lam: float = 0.95  # rsl_rl
    clip: float = 0.2  # Schulman et al. 2017
    value_weight: float = 1.0  # rsl_rl
    entropy_weight: float = 0.001  # rsl_rl 0.01 keeps the noise too high for a precise walk
    gradient_norm: float = 1.0  # rsl_rl
    reward_scale: float = 0.1  # keeps values near 1
    lr: float = 1e-3  # rsl_rl
    lr_range: tuple[float, float] = (1e-4, 1.5e-3)
    kl_range: tuple[float, float] = (0.01, 0.03)  # outside, the rate changes by a half
    difficulty_steps: tuple[int, int] = (1_000_000, 2_500_000)  # from early to final reward
    # The mean action alone walks faster than the noisy one it was rewarded for, so the noise is
    # taken away before the end; by itself it settles at 0.35, and the robot 0.08 m/s too fast.
    noise_steps: tuple[int, int] = (2_500_000, 5_000_000)
    noise_ceiling: tuple[float, float] = (1.35, 0.2)  # largest standard deviation, early and late
    noise_floor: float = 0.08
    value_iterations: int = 0  # first ones, that teach the value net alone
    save_every: float = 120.0  # s between two states on disk


@dataclass
class Progressed:
    """How far training is, what `resume` restores beside tensors."""

    steps: int = 0
    iterations: int = 0
    seconds: float = 0.0
    lr: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what no run can have come to."""
        for name, value in vars(self).items():
            kinds = (int,) if name in ("steps", "iterations", "seed") else (int, float)
            if type(value) not in kinds or not 0 <= value < math.inf:
                raise ValueError(f"{name} = {value!r:.100} cannot be")


class Trainer:
    """One PPO run: the policy, its optimiser and where it is in the environment."""

    def __init__(
        self,
        environment: TrainingEnvironment,
        policy: Learner,
        body: Body,
        settings: OnlineSettings,
    ) -> None:
        """Keep what is trained where; call `begin` or `load_state` next."""
        self.environment, self.policy, self.settings = environment, policy, settings
        self.body = body
        self.optimizer = torch.optim.Adam(policy.parameters(), lr=settings.lr)
        self.progress = Progressed(lr=settings.lr)
        self.observation = torch.empty(0)  # (N, width), what the next action answers

    def begin(self, seed: int) -> None:
        """Start at the beginning of an episode."""
        self.progress.seed = seed
        self.body.forget()
        features, _ = self.environment.reset(seed=seed)
        self.observation = self.body.observe(features)

    def iterate(self) -> dict[str, Any]:
        """Collect, learn, and return what happened, for the log."""
        difficulty = self._share(self.settings.difficulty_steps)
        self.environment.set_difficulty(difficulty)
        start = time.monotonic()
        rollout, record = self.collect()
        collected = time.monotonic()
        record |= self.learn(rollout)
        learned = time.monotonic()
        count = rollout["reward"].numel()
        self.progress.steps += count
        self.progress.iterations += 1
        record |= {
            "steps": self.progress.steps,
            "lr": self.progress.lr,
            "std": float(self.policy.log_std.detach().exp().mean()),
            "difficulty": difficulty,
            "steps_per_s": round(count / (learned - start)),
            "simulation_share": round((collected - start) / (learned - start), 2),
        }
        return record

    @torch.no_grad()
    def collect(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Walk `rollout` steps (`T`) in every environment (`N`).

        Returns:
            Tensors (T, N, ...) and the advantage, and what to log.
        """
        settings, policy = self.settings, self.policy
        names = ("observation", "action", "mean", "log_prob", "value", "reward", "done")
        steps: dict[str, list[Tensor]] = {name: [] for name in names}
        falls, sums, errors = 0, {}, 0.0
        for _ in range(settings.rollout):
            mean = policy.actor(self.observation)
            action = mean + policy.log_std.exp() * torch.randn_like(mean)
            value = policy.value(self.observation).squeeze(-1)
            command = self.body.command(self.body.execute(action))
            features, reward, fallen, timeout, info = self.environment.step(command)
            reward = torch.from_numpy(reward).float() * settings.reward_scale
            if timeout.any():  # the episode would have gone on: count what was still to come
                final = self.body.peek(info["final_obs"])
                following = policy.value(final).squeeze(-1)
                reward += settings.gamma * following * torch.from_numpy(timeout)
            done = torch.from_numpy(fallen | timeout)
            log_prob = gaussian_log_prob(mean, policy.log_std, action)
            step = (self.observation, action, mean, log_prob, value, reward, done.float())
            for name, tensor in zip(names, step, strict=True):
                steps[name].append(tensor)
            self.body.forget(done)
            self.observation = self.body.observe(features)
            falls += int(fallen.sum())
            errors += info.get("speed_error", 0.0) / settings.rollout
            for name, part in info.get("terms", {}).items():
                sums[name] = sums.get(name, 0.0) + part / settings.rollout
        rollout = {name: torch.stack(tensors) for name, tensors in steps.items()}
        rollout["advantage"] = generalized_advantage(
            rollout["reward"],
            rollout["value"],
            policy.value(self.observation).squeeze(-1),
            rollout["done"],
            settings.gamma,
            settings.lam,
        )
        count = rollout["reward"].numel()
        record = {
            "reward": float(rollout["reward"].mean()) / settings.reward_scale,
            "speed_error": errors,
            "falls_per_1000": 1000.0 * falls / count,
            "terms": {name: round(part, 4) for name, part in sums.items()},
        }
        return rollout, record

    def learn(self, rollout: Mapping[str, Tensor]) -> dict[str, float]:
        """Take the clipped policy steps and the value steps; return the mean losses."""
        settings, policy = self.settings, self.policy
        batch = {name: tensor.flatten(0, 1) for name, tensor in rollout.items()}
        advantage = batch["advantage"]
        returns = advantage + batch["value"]
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        old_log_std = policy.log_std.detach().clone()
        warming = self.progress.iterations < settings.value_iterations
        losses = []
        for _ in range(settings.epochs):
            for rows in torch.randperm(len(advantage)).chunk(settings.minibatches):
                observation = batch["observation"][rows]
                mean = policy.actor(observation)
                log_prob = gaussian_log_prob(mean, policy.log_std, batch["action"][rows])
                surrogate = clipped_surrogate(
                    log_prob, batch["log_prob"][rows], advantage[rows], settings.clip
                )
                value = value_loss(policy.value(observation).squeeze(-1), returns[rows])
                loss = settings.value_weight * value
                if not warming:
                    loss = loss + surrogate - settings.entropy_weight * policy.log_std.sum()
                self.optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(policy.parameters(), settings.gradient_norm)
                self.optimizer.step()
                with torch.no_grad():
                    kl = gaussian_kl(batch["mean"][rows], old_log_std, mean, policy.log_std).mean()
                if not warming:
                    self._adapt(float(kl))
                losses.append((float(surrogate.detach()), float(value.detach()), float(kl)))
        with torch.no_grad():
            early, late = np.log(settings.noise_ceiling)
            ceiling = early + (late - early) * self._share(settings.noise_steps)
            policy.log_std.clamp_(float(np.log(settings.noise_floor)), float(ceiling))
        means = np.mean(losses, axis=0)
        return dict(zip(("policy_loss", "value_loss", "kl"), means.tolist(), strict=True))

    def _share(self, interval: tuple[int, int]) -> float:
        """Return how far training is between two step counts, 0 to 1."""
        first, last = interval
        return float(np.clip((self.progress.steps - first) / max(last - first, 1), 0.0, 1.0))

    def _adapt(self, kl: float) -> None:
        """Divide the learning rate by 1.5 above the range of the divergence, multiply it below.

        As the adaptive schedule of rsl_rl's PPO.
        """
        low, high = self.settings.kl_range
        slowest, fastest = self.settings.lr_range
        if kl > high:
            self.set_rate(max(self.progress.lr / 1.5, slowest))
        elif kl < low:
            self.set_rate(min(self.progress.lr * 1.5, fastest))

    def set_rate(self, lr: float) -> None:
        """Take another learning rate."""
        self.progress.lr = lr
        for group in self.optimizer.param_groups:
            group["lr"] = lr
