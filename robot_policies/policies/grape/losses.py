"""Losses over trajectories: preferences, and what they are compared with.

All take log-probabilities per step, the sum over the tokens of an action: (N, T), with a mask that
says which steps there are. `ratio` is log pi - log pi_ref of a step. Letters: `P` pairs, `N`
trajectories, `T` steps.

References: GRAPE 2411.19309, eq. 6 (`preference_loss`) and its released trainer (`window`);
STARE-VLA 2512.05107 (`stage_loss`); KTO 2402.01306 as in 2506.07127 (`unpaired_loss`);
RIPT-VLA 2505.17016 (`group_loss`). RECAP (2511.14759) is `imitation_loss` under the sign of
`advantages`.
"""

import torch
from torch import Tensor
from torch.nn import functional

from robot_policies.interface import ConfigError


def preference_loss(
    chosen: Tensor,
    rejected: Tensor,
    chosen_mask: Tensor,
    rejected_mask: Tensor,
    beta: float = 0.1,
    window: int | None = None,
) -> Tensor:
    """Return the trajectory-wise preference loss, a mean over pairs.

    Without a window, - log sigmoid(beta (sum_t ratio_w - sum_t ratio_l)): one sigmoid per pair.
    With one, both trajectories are cut into all windows of so many steps, window i of one is held
    against window i of the other as far as both reach, and their losses are added: 8 is the
    released trainer's, 1 is step-wise DPO.

    Args:
        chosen: Log-ratios of the preferred trajectories. (P, T)
        rejected: Log-ratios of the others. (P, T')
        chosen_mask: (P, T)
        rejected_mask: (P, T')
        beta: How far the policy may leave its reference.
        window: Steps; `None` is the whole trajectory.

    Raises:
        ConfigError: If a log-ratio is not finite, or the window cannot be.
    """
    _require_finite(chosen, chosen_mask)
    _require_finite(rejected, rejected_mask)
    if window is None:
        gap = _total(chosen, chosen_mask) - _total(rejected, rejected_mask)
        return -functional.logsigmoid(beta * gap).mean()
    if window < 1:
        raise ConfigError(f"window must be >= 1, got {window}")
    losses = []
    for pair in range(len(chosen)):
        good, bad = chosen[pair][chosen_mask[pair]], rejected[pair][rejected_mask[pair]]
        steps = min(len(good), len(bad))
        size = min(window, steps)
        gap = _windows(good[:steps], size) - _windows(bad[:steps], size)
        losses.append(-functional.logsigmoid(beta * gap).sum())
    return torch.stack(losses).mean()


def stage_loss(
    chosen: Tensor,
    rejected: Tensor,
    chosen_stage: Tensor,
    rejected_stage: Tensor,
    beta: float = 0.1,
) -> Tensor:
    """Return a preference loss with one sigmoid per stage that both trajectories have reached.

    Args:
        chosen: Log-ratios. (P, T)
        rejected: Log-ratios. (P, T')
        chosen_stage: Stage of each step, -1 where there is none. (P, T)
        rejected_stage: (P, T')
        beta: As in `preference_loss`.
    """
    losses = []
    last = int(torch.maximum(chosen_stage.max(), rejected_stage.max()))
    for stage in range(last + 1):
        w_in, l_in = chosen_stage == stage, rejected_stage == stage
        both = w_in.any(1) & l_in.any(1)
        gap = (_total(chosen, w_in) - _total(rejected, l_in))[both]
        losses.append(-functional.logsigmoid(beta * gap))
    return torch.cat(losses).sum() / len(chosen)


def imitation_loss(log_probability: Tensor, mask: Tensor) -> Tensor:
    """Return the negative log-likelihood of a step, a mean over all steps. Filtered cloning."""
    _require_finite(log_probability, mask)
    return -log_probability[mask].mean()


def unpaired_loss(ratio: Tensor, mask: Tensor, good: Tensor, beta: float = 0.1) -> Tensor:
    """Return the loss of trajectories that are good or bad each for itself.

    1 - sigmoid(beta (r - z)) of the good, 1 - sigmoid(beta (z - r)) of the bad, r the log-ratio of
    the trajectory and z >= 0 its mean, without gradient. Good and bad count alike together.

    Args:
        ratio: Log-ratios. (N, T)
        mask: (N, T)
        good: Which trajectories are good. (N,)
        beta: As in `preference_loss`.
    """
    _require_finite(ratio, mask)
    total = _total(ratio, mask)
    reference = total.detach().mean().clamp_min(0.0)
    toward = torch.where(good, total - reference, reference - total)
    lost = 1.0 - torch.sigmoid(beta * toward)
    parts = [lost[kind].mean() for kind in (good, ~good) if kind.any()]
    return torch.stack(parts).mean()


def group_loss(
    ratio: Tensor, mask: Tensor, reward: Tensor, group: Tensor, clip: float = 0.2
) -> Tensor:
    """Return the clipped policy gradient with leave-one-out advantages.

    The advantage of a trajectory is its reward less the mean of the others of its group; each step
    has the probability ratio to the policy that sampled it, clipped as in PPO.

    Args:
        ratio: Log-ratios to the sampling policy. (N, T)
        mask: (N, T)
        reward: Shape (N,).
        group: Number of the initial state. (N,)
        clip: Largest change of a probability ratio that is rewarded.

    Raises:
        ConfigError: If a group has a single trajectory.
    """
    _require_finite(ratio, mask)
    advantage = advantages(reward, group)
    change = ratio.exp()
    gain = torch.minimum(
        change * advantage[:, None], change.clamp(1.0 - clip, 1.0 + clip) * advantage[:, None]
    )
    return -gain[mask].mean()


def advantages(reward: Tensor, group: Tensor) -> Tensor:
    """Return each reward less the mean of the others of its group. (N,).

    Args:
        reward: Shape (N,).
        group: Number of the initial state. (N,)

    Raises:
        ConfigError: If a group has a single trajectory.
    """
    same = (group[:, None] == group[None, :]).to(reward.dtype)
    others = same.sum(1) - 1.0
    if (others < 1.0).any():
        raise ConfigError("leave-one-out needs two trajectories of each initial state")
    return reward - (same @ reward - reward) / others


def _total(values: Tensor, mask: Tensor) -> Tensor:
    return values.masked_fill(~mask, 0.0).sum(1)


def _windows(values: Tensor, size: int) -> Tensor:
    """Return the sums over all windows of a size. (T,) -> (T - size + 1,)."""
    return values.unfold(0, size, 1).sum(1)


def _require_finite(values: Tensor, mask: Tensor) -> None:
    wrong = ~torch.isfinite(values) & mask
    if wrong.any():
        row, step = wrong.nonzero()[0].tolist()
        raise ConfigError(
            f"trajectory {row}, step {step}: log-probability {float(values[row, step])}; "
            "the policy cannot have acted like this"
        )
