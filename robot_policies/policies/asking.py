"""How a network of LeRobot's is asked for its whole plan.

LeRobot's `select_action` counts calls: it keeps the last observations, plans when its queue of
actions is empty, and gives one action a call. Here a plan is asked for with the observations it
is to look at, and no call is counted. Answers are those of `select_action`, in the same order of
random numbers.

References: `lerobot/policies/{diffusion,vqbet,tdmpc}/modeling_*.py` of LeRobot 0.6.1.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from functools import partial
from typing import Any

import torch
from lerobot.policies import PreTrainedPolicy
from lerobot.policies.utils import populate_queues
from lerobot.utils.constants import ACTION, OBS_IMAGE, OBS_IMAGES
from torch import Tensor

from robot_policies.policies.plan_form import QUEUED, PlanForm

Ask = Callable[[Sequence[Mapping[str, Any]]], Tensor]


def asking(network: PreTrainedPolicy, form: PlanForm) -> Ask:
    """Return how a network is asked.

    Args:
        network: The network.
        form: Of its answers.

    Returns:
        A function of batches of one observation each, oldest first, that returns the plan from
        the newest one on. Shape (1, form.rows, width).
    """
    kind = network.config.type
    if kind not in QUEUED:
        return partial(_chunk if form.rows > 1 else _action, network)
    if kind == "diffusion":  # it would cut its plan where LeRobot asks again
        sampler: Any = network.diffusion
        sampler.config = copy(sampler.config)
        sampler.config.n_action_steps = form.rows
    return partial(_plan, network, form.rows)


def _chunk(network: PreTrainedPolicy, batches: Sequence[Mapping[str, Any]]) -> Tensor:
    return network.predict_action_chunk(dict(batches[-1]))


def _action(network: PreTrainedPolicy, batches: Sequence[Mapping[str, Any]]) -> Tensor:
    return network.select_action(dict(batches[-1])).unsqueeze(1)


def _plan(network: Any, rows: int, batches: Sequence[Mapping[str, Any]]) -> Tensor:
    """Plan after filling the network's queues; of too few batches it repeats the first."""
    for queue in network._queues.values():
        queue.clear()
    batch: dict[str, Any] = {}
    for each in batches:
        batch = dict(each) | _pictures(network, each)
        batch.pop(ACTION, None)  # LeRobot's pipelines add one, empty
        populate_queues(network._queues, batch)
    plan = network.predict_action_chunk(batch)
    if network.config.type != "tdmpc":
        return plan
    plan = plan.transpose(0, 1)  # (T, 1, A)
    return plan[:, :1].expand(-1, rows, -1) if network.config.n_action_repeats > 1 else plan


def _pictures(network: Any, batch: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the pictures under the name of the network's queue."""
    names = list(network.config.image_features)
    if not names:
        return {}
    if network.config.type == "tdmpc":
        return {OBS_IMAGE: batch[names[0]]}
    return {OBS_IMAGES: torch.stack([batch[name] for name in names], dim=-4)}
