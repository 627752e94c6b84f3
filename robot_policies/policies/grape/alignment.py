"""Preference optimisation of low-rank additions to a policy's weights.

The reference is the policy as it is when training begins; its log-probabilities are computed once.
Nothing is random here but the order of the pairs, and nothing is dropped out, so that additions of
zero are the reference exactly.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

from robot_policies.interface import ConfigError, UnknownNameError
from robot_policies.policies.grape.losses import (
    group_loss,
    imitation_loss,
    preference_loss,
    stage_loss,
    unpaired_loss,
)
from robot_policies.policies.grape.modeling_grape import GrapePolicy
from robot_policies.policies.grape.objective import Objective
from robot_policies.policies.grape.preferences import Pair, rewards
from robot_policies.policies.grape.trajectories import Trajectory, pad

METHODS = {
    "tpo": "one sigmoid for each pair of trajectories: GRAPE",
    "window": "one for each pair of windows of steps: GRAPE's released trainer",
    "step": "one for each pair of steps: DPO",
    "stage": "one for each stage both have reached: STARE-VLA",
    "clone": "no preference, the chosen trajectories are imitated",
    "unpaired": "chosen and rejected each for itself: KTO",
    "group": "leave-one-out policy gradient over all attempts: RIPT-VLA",
}
TARGETS = r".*(q_proj|k_proj|v_proj|o_proj|out_proj|gate_proj|up_proj|down_proj|fc1|fc2|lm_head)"

Report = Callable[[Mapping[str, float]], None]


@dataclass(frozen=True)
class AlignmentSettings:
    """Numbers of one iteration.

    Attributes:
        method: One of `METHODS`.
        beta: How far the policy may leave its reference; 0.1 in the released code.
        window: Steps of a window, of method `window`; 8 in the released code.
        nll: Weight of imitating the chosen trajectories beside a preference; 0 in the paper.
            Without it both likelihoods fall, and with them success.
        rank: Of the additions; 32 in the released code for 7 B parameters.
        scale: Of the additions.
        lr: Of AdamW.
        epochs: Times every pair is used; 1 in the paper.
        batch: Pairs per step.
        seed: Of the order of the pairs and the additions' first values.
    """

    method: str = "tpo"
    beta: float = 0.1
    window: int = 8
    nll: float = 1.0
    rank: int = 16
    scale: float = 2.0
    lr: float = 5e-4
    epochs: int = 4
    batch: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be."""
        if self.method not in METHODS:
            raise UnknownNameError("method", self.method, METHODS)
        for name, value in asdict(self).items():
            least = 0 if name in ("nll", "seed") else 1e-12
            if name != "method" and not least <= value < float("inf"):
                raise ConfigError(f"{name} must be a number >= {least:g}, got {value}")


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
        attempts: All of them, for method `group`.
        report: Told of every step: loss, how often the chosen one has gained more, and how far the
            log-probabilities of both have moved.
    """
    torch.manual_seed(settings.seed)
    policy.eval()  # nothing is dropped out, and the first step is the reference
    taught = [t for pair in pairs for t in (pair.chosen, pair.rejected)]
    taught = list(attempts) if settings.method == "group" else taught
    with torch.no_grad():
        reference = {id(t): score(policy, preprocessor, [t])[0] for t in taught}
    worth = _worth(attempts, objective) if settings.method == "group" else {}
    trained = add_low_rank(policy.reader.vlm, settings.rank, settings.scale)
    optimizer = torch.optim.AdamW(trained, lr=settings.lr, weight_decay=0.0)
    units = _groups(attempts) if settings.method == "group" else list(pairs)
    try:
        for _ in range(settings.epochs):
            for rows in torch.randperm(len(units)).split(settings.batch):
                chosen = [units[row] for row in rows.tolist()]
                loss, log = _loss(
                    policy, preprocessor, chosen, reference, worth, objective, settings
                )
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(trained, 1.0)
                optimizer.step()
                if report is not None:
                    report({"loss": loss.item(), **log})
    finally:
        merge_low_rank(policy.reader.vlm)


def score(
    policy: GrapePolicy, preprocessor: Any, trajectories: Sequence[Trajectory]
) -> tuple[Tensor, Tensor]:
    """Return the log-probability of each step, and which steps there are. (N, T) each."""
    padded = pad(trajectories)
    rows = torch.arange(len(padded.steps))
    batch = preprocessor(padded.steps.batch(rows, policy.config.camera))
    values = policy.log_likelihood(batch, padded.tokens).sum(-1)
    return padded.place(values), padded.mask


def add_low_rank(model: nn.Module, rank: int, scale: float) -> list[nn.Parameter]:
    """Add low-rank parts to the linear layers and return their parameters; the rest is frozen."""
    model.requires_grad_(False)
    lora = LoraConfig(
        r=rank,
        lora_alpha=round(scale * rank),
        lora_dropout=0.0,
        init_lora_weights="gaussian",
        target_modules=TARGETS,
    )
    inject_adapter_in_model(lora, model)
    return [weight for name, weight in model.named_parameters() if "lora_" in name]


def merge_low_rank(model: nn.Module) -> None:
    """Add the low-rank parts to the weights, and take them away."""
    for name, module in list(model.named_modules()):
        if isinstance(module, LoraLayer):
            module.merge()
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, module.get_base_layer())
    model.requires_grad_(True)


def _loss(
    policy: GrapePolicy,
    preprocessor: Any,
    units: Sequence[Any],
    reference: Mapping[int, Tensor],
    worth: Mapping[int, float],
    objective: Objective,
    settings: AlignmentSettings,
) -> tuple[Tensor, dict[str, float]]:
    """Return preference loss + nll * imitation loss of what was chosen, and what to log.

    The preference is judged by ratios log pi(a|s) - log pi_ref(a|s), as in the method's loss in
    `losses.py`; a method without one imitates alone.
    """
    if settings.method == "group":
        return _group(policy, preprocessor, units, reference, worth)
    everything = [t for pair in units for t in (pair.chosen, pair.rejected)]
    now, mask = score(policy, preprocessor, everything)
    before = torch.zeros_like(now)
    for row, trajectory in enumerate(everything):
        before[row, : len(trajectory)] = reference[id(trajectory)]
    ratio = now - before
    chosen, rejected = slice(0, None, 2), slice(1, None, 2)
    pair_of = ratio[chosen], ratio[rejected], mask[chosen], mask[rejected]
    cloned = imitation_loss(now[chosen], mask[chosen])
    moved = (ratio * mask).sum(1).detach()
    log = {
        "accuracy": float((moved[chosen] > moved[rejected]).float().mean()),
        "chosen_drift": float(moved[chosen].mean()),
        "rejected_drift": float(moved[rejected].mean()),
    }
    match settings.method:
        case "tpo":
            loss = preference_loss(*pair_of, settings.beta)
        case "window":
            loss = preference_loss(*pair_of, settings.beta, settings.window)
        case "step":
            loss = preference_loss(*pair_of, settings.beta, 1)
        case "stage":
            stages = torch.full(mask.shape, -1)
            for row, trajectory in enumerate(everything):
                stages[row, : len(trajectory)] = torch.from_numpy(objective.stage_of(trajectory))
            loss = stage_loss(
                ratio[chosen], ratio[rejected], stages[chosen], stages[rejected], settings.beta
            )
        case "unpaired":
            good = torch.arange(len(everything)) % 2 == 0
            loss = unpaired_loss(ratio, mask, good, settings.beta)
        case _:
            return cloned, log
    return loss + settings.nll * cloned, log


def _group(
    policy: GrapePolicy,
    preprocessor: Any,
    groups: Sequence[Sequence[Trajectory]],
    reference: Mapping[int, Tensor],
    worth: Mapping[int, float],
) -> tuple[Tensor, dict[str, float]]:
    everything = [attempt for group in groups for attempt in group]
    now, mask = score(policy, preprocessor, everything)
    before = torch.zeros_like(now)
    for row, attempt in enumerate(everything):
        before[row, : len(attempt)] = reference[id(attempt)]
    reward = torch.tensor([worth[id(attempt)] for attempt in everything], dtype=now.dtype)
    group = torch.tensor([attempt.start for attempt in everything])
    return group_loss(now - before, mask, reward, group), {}


def _groups(attempts: Sequence[Trajectory]) -> list[list[Trajectory]]:
    groups: dict[int, list[Trajectory]] = {}
    for attempt in attempts:
        groups.setdefault(attempt.start, []).append(attempt)
    return [group for group in groups.values() if len(group) > 1]


def _worth(attempts: Sequence[Trajectory], objective: Objective) -> dict[int, float]:
    return {
        id(attempt): float(value)
        for group in _groups(attempts)
        for attempt, value in zip(group, rewards(group, objective), strict=True)
    }
