"""How much each demonstrated step counts in training a skill, or a router of skills.

A skill is trained on all steps alike (`imitation`), or most on those that a critic judges better,
or safer, than usual: PSEC's two skill objectives.
"""

from pathlib import Path

import torch
from torch import Tensor

from robot_policies.interface import ConfigError, UnknownNameError
from robot_policies.policies.psec.criteria import CRITERIA, CriticSettings
from robot_policies.policies.psec.critics import Critic, train_critic
from robot_policies.policies.psec.demonstrations import Demonstrations
from robot_policies.policies.psec.fit import FitSettings, Report
from robot_policies.policies.psec.losses import reward_weight, safety_weight

OBJECTIVES = ("imitation", *CRITERIA)


def sample_weights(
    data: Demonstrations,
    objective: str,
    settings: FitSettings,
    numbers: CriticSettings | None = None,
    *,
    state: Path | None = None,
    report: Report | None = None,
) -> Tensor | None:
    """Return how much each step counts in training a skill; `None` where all count alike.

    Args:
        data: The demonstrations.
        objective: `imitation`, `reward` or `safety`.
        settings: Of the training of the critics.
        numbers: Of the critics.
        state: File to go on from.
        report: Called after each step.

    Returns:
        Shape (N,).

    Raises:
        ConfigError: If the data lack the labels, or these say nothing.
    """
    if objective not in OBJECTIVES:
        raise UnknownNameError("objective", objective, OBJECTIVES)
    if objective == "imitation":
        return None
    numbers = numbers or CriticSettings()
    critic = train_critic(data, objective, settings, numbers, state=state, report=report)
    return skill_weights(critic, data, objective, numbers)


def skill_weights(
    critic: Critic, data: Demonstrations, objective: str, numbers: CriticSettings
) -> Tensor:
    """Return how much each step counts in training a skill, judged by a critic. Shape (N,).

    Raises:
        ConfigError: If no step is safer than usual.
    """
    q, v = judge(critic, data, objective)
    if objective == "reward":
        return reward_weight(q, v, numbers.sharpness, numbers.ceiling)
    weight = safety_weight(q, v, numbers.sharpness, numbers.ceiling)
    if not weight.any():
        raise ConfigError("safety: no step is safer than usual; there is nothing to learn from")
    return weight


def router_weights(critic: Critic, data: Demonstrations, numbers: CriticSettings) -> Tensor:
    """Return how much each step of a task's demonstrations counts for a skill router.

    min(exp(V - Q), ceiling) of costs: where usual behaviour would do harm and the demonstrator
    does none, there it matters which skill acts. No step is dropped, as all are of the task [own].

    Args:
        critic: Of costs, trained on what others did.
        data: Demonstrations of the task.
        numbers: Of the critic.

    Returns:
        Shape (N,).
    """
    q, v = judge(critic, data, "safety")
    return reward_weight(-q, -v, numbers.sharpness, numbers.ceiling)


@torch.no_grad()
def judge(critic: Critic, data: Demonstrations, objective: str) -> tuple[Tensor, Tensor]:
    """Return Q of each step, the more pessimistic of two, and V. Shape (N,) each."""
    values = critic.action_values(data.observation, data.action[:, 0])
    return CRITERIA[objective].pessimistic(values), critic.value(data.observation)
