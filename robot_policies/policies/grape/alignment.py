"""Preference optimisation of low-rank additions to a policy's weights.

Nothing is random here but the order of the pairs and the additions' first values. Nothing is
dropped out, so that additions of zero are the reference exactly.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from robot_policies.policies.grape.judging import Judge
from robot_policies.policies.grape.low_rank import add_low_rank, merge_low_rank
from robot_policies.policies.grape.modeling_grape import GrapePolicy
from robot_policies.policies.grape.objective import Objective
from robot_policies.policies.grape.preferences import Pair
from robot_policies.policies.grape.settings import AlignmentSettings
from robot_policies.policies.grape.trajectories import Trajectory

Report = Callable[[Mapping[str, float]], None]


def align(
    policy: GrapePolicy,
    preprocessor: Any,
    pairs: Sequence[Pair],
    objective: Objective,
    settings: AlignmentSettings,
    attempts: Sequence[Trajectory] = (),
    report: Report | None = None,
) -> None:
    """Move a policy towards what is preferred; its weights are changed in place.

    Args:
        policy: The policy that made the attempts.
        preprocessor: LeRobot's pipeline in front of it.
        pairs: What is preferred to what.
        objective: Says which stage a step is in, and what an attempt is worth.
        settings: Numbers.
        attempts: All of them, for a method that makes no pairs.
        report: Told of every step: loss, how often the chosen one has gained more, and how far the
            log-probabilities of both have moved.
    """
    torch.manual_seed(settings.seed)
    policy.eval()  # nothing is dropped out, and the first step is the reference
    judge = Judge(policy, preprocessor, pairs, attempts, objective, settings)
    trained = add_low_rank(policy.reader.vlm, settings.rank, settings.scale)
    optimizer = torch.optim.AdamW(trained, lr=settings.lr, weight_decay=0.0)
    try:
        for _ in range(settings.epochs):
            for rows in torch.randperm(len(judge.units)).split(settings.batch):
                loss, log = judge([judge.units[row] for row in rows.tolist()])
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(trained, 1.0)
                optimizer.step()
                if report is not None:
                    report({"loss": loss.item(), **log})
    finally:
        merge_low_rank(policy.reader.vlm)
