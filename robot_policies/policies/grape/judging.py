"""What each method minimises: log-probabilities of recorded answers, against a fixed reference.

The reference is the policy as it is when training begins; its log-probabilities are computed once.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from robot_policies.interface import ConfigError
from robot_policies.policies.grape.losses import (
    advantages,
    group_loss,
    imitation_loss,
    preference_loss,
    stage_loss,
    unpaired_loss,
)
from robot_policies.policies.grape.low_rank import turn_low_rank
from robot_policies.policies.grape.modeling_grape import GrapePolicy
from robot_policies.policies.grape.objective import Objective
from robot_policies.policies.grape.preferences import Pair, groups_of, rewards
from robot_policies.policies.grape.settings import OVER_ALL, AlignmentSettings
from robot_policies.policies.grape.trajectories import Trajectory, pad

Unit = Sequence[Trajectory]  # one that is drawn: a pair, chosen first, or a state's attempts


def score(
    policy: GrapePolicy, preprocessor: Any, trajectories: Sequence[Trajectory]
) -> tuple[Tensor, Tensor]:
    """Return the log-probability of each step, and which steps there are. (N, T) each."""
    padded = pad(trajectories)
    rows = torch.arange(len(padded.steps))
    batch = preprocessor(padded.steps.batch(rows, policy.config.camera))
    values = policy.log_likelihood(batch, padded.tokens).sum(-1)
    return padded.place(values), padded.mask


class Judge:
    """Computes the loss of some units.

    Attributes:
        units: All there are.
    """

    def __init__(
        self,
        policy: GrapePolicy,
        preprocessor: Any,
        pairs: Sequence[Pair],
        attempts: Sequence[Trajectory],
        objective: Objective,
        settings: AlignmentSettings,
    ) -> None:
        """Compute the reference's log-probabilities.

        Args:
            policy: As it is when training begins.
            preprocessor: LeRobot's pipeline in front of it.
            pairs: What is preferred to what.
            attempts: All of them, for the methods `OVER_ALL`.
            objective: Says which stage a step is in, and what an attempt is worth.
            settings: Method and numbers of the loss.
        """
        self._policy, self._preprocessor = policy, preprocessor
        self._objective, self._settings = objective, settings
        self._worth: dict[int, float] = {}
        if settings.method in OVER_ALL:
            self.units: list[Unit] = [g for g in groups_of(attempts) if len(g) > 1]
            for group in self.units:
                worth = rewards(group, objective).tolist()
                self._worth |= {id(t): value for t, value in zip(group, worth, strict=True)}
            if not self.units:
                raise ConfigError(f"method {settings.method}: no state has two attempts")
        else:
            self.units = [(pair.chosen, pair.rejected) for pair in pairs]
        with torch.no_grad():
            self._reference = {
                id(t): score(policy, preprocessor, [t])[0][0] for unit in self.units for t in unit
            }

    def __call__(self, units: Sequence[Unit]) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of some units, and what to log."""
        method = self._settings.method
        everything = [trajectory for unit in units for trajectory in unit]
        if method == "conditioned":
            return self._conditioned(everything)
        now, mask = score(self._policy, self._preprocessor, everything)
        ratio = now - self._before(everything, now)
        if method == "group":
            worth, group = self._worth_of(everything)
            return group_loss(ratio, mask, worth, group), {}
        chosen, rejected = slice(0, None, 2), slice(1, None, 2)
        moved = (ratio * mask).sum(1).detach()
        log = {
            "accuracy": float((moved[chosen] > moved[rejected]).float().mean()),
            "chosen_drift": float(moved[chosen].mean()),
            "rejected_drift": float(moved[rejected].mean()),
        }
        cloned = imitation_loss(now[chosen], mask[chosen])
        if method == "clone":
            return cloned, log
        return self._preferred(everything, ratio, mask) + self._settings.nll * cloned, log

    def _preferred(self, pairs: Sequence[Trajectory], ratio: Tensor, mask: Tensor) -> Tensor:
        """Return the preference loss of trajectories, of which every other one is chosen."""
        beta, chosen, rejected = self._settings.beta, slice(0, None, 2), slice(1, None, 2)
        match self._settings.method:
            case "stage":
                stages = torch.full(mask.shape, -1)
                for row, trajectory in enumerate(pairs):
                    stage = torch.from_numpy(self._objective.stage_of(trajectory))
                    stages[row, : len(trajectory)] = stage
                return stage_loss(
                    ratio[chosen], ratio[rejected], stages[chosen], stages[rejected], beta
                )
            case "unpaired":
                return unpaired_loss(ratio, mask, torch.arange(len(pairs)) % 2 == 0, beta)
            case method:
                window = {"tpo": None, "window": self._settings.window, "step": 1}[method]
                return preference_loss(
                    ratio[chosen], ratio[rejected], mask[chosen], mask[rejected], beta, window
                )

    def _conditioned(self, attempts: Sequence[Trajectory]) -> tuple[Tensor, dict[str, float]]:
        """Return the imitation loss of all attempts, each under its condition.

        The condition is the sign of the additions: 1 for an attempt that is worth no less than the
        mean of the others of its state, -1 for another, 0 for the policy before. What is merged
        after training is the policy under the condition 1.
        """
        above = advantages(*self._worth_of(attempts)) >= 0.0
        steps, loss = sum(map(len, attempts)), torch.zeros(())
        for condition in (True, False):
            part = [t for t, better in zip(attempts, above, strict=True) if better == condition]
            if part:
                share = sum(map(len, part)) / steps
                loss = loss + share * self._imitation(part, condition)
        return loss, {"above": float(above.float().mean())}

    def _imitation(self, attempts: Sequence[Trajectory], condition: bool) -> Tensor:
        if condition:
            return imitation_loss(*score(self._policy, self._preprocessor, attempts))
        vlm = self._policy.reader.vlm
        turn_low_rank(vlm)
        loss = imitation_loss(*score(self._policy, self._preprocessor, attempts))
        turn_low_rank(vlm)
        return loss

    def _before(self, trajectories: Sequence[Trajectory], like: Tensor) -> Tensor:
        before = torch.zeros_like(like)
        for row, trajectory in enumerate(trajectories):
            before[row, : len(trajectory)] = self._reference[id(trajectory)]
        return before

    def _worth_of(self, attempts: Sequence[Trajectory]) -> tuple[Tensor, Tensor]:
        """Return the reward of each attempt and the number of its state. (N,) each."""
        worth = torch.tensor([self._worth[id(attempt)] for attempt in attempts])
        return worth, torch.tensor([attempt.start for attempt in attempts])
