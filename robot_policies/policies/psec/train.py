"""Training what attaches to a frozen base, and the baselines it is compared with.

    train_skill      low-rank additions to every linear layer; or one full matrix each
    train_network    full fine-tuning, or the same network from scratch
    train_weights    the best fixed alpha over a library; for alpha(s) see `levels.train_router`

The base is trained by `lerobot-train --policy.type=psec`.
"""

import copy
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from robot_policies.interface import ConfigError, UnknownNameError
from robot_policies.policies.psec.demonstrations import Demonstrations
from robot_policies.policies.psec.fit import FitSettings, Report, fit
from robot_policies.policies.psec.modeling_psec import Denoiser, PsecPolicy
from robot_policies.policies.psec.networks import make_network
from robot_policies.skills.mixing.layers import Adapter, LowRank, SkillStack, linear_layers
from robot_policies.skills.mixing.mixer import SkillMixer
from robot_policies.skills.package.digest import base_hash

FORMS = ("low_rank", "full_matrix")
RANK, SCALE = 8, 16.0  # of the authors' code; theirs multiplies by 16, without dividing by r


def train_skill(
    policy: PsecPolicy,
    data: Demonstrations,
    settings: FitSettings,
    *,
    weight: Tensor | None = None,
    form: str = "low_rank",
    rank: int = RANK,
    scale: float = SCALE,
    state: Path | None = None,
    report: Report | None = None,
) -> dict[str, LowRank]:
    """Train a skill beside a policy, whose own weights are never written.

    Args:
        policy: The base.
        data: Demonstrations, normalised by the base's statistics.
        settings: Numbers of the run.
        weight: Of each step, see `sample_weights.py`. Shape (N,).
        form: `low_rank`, or `full_matrix` for the baseline W_0 + dW.
        rank: Of the additions.
        scale: Of the additions.
        state: File to go on from.
        report: Called after each step.

    Returns:
        What the skill adds to each layer.
    """
    if form not in FORMS:
        raise UnknownNameError("form", form, FORMS)
    with torch.random.fork_rng([]):
        torch.manual_seed(settings.seed)
        adapter = fresh_adapter(policy, form, rank, scale)
    with composed(policy, {"new": adapter}, dropout=True) as mixer:
        layers = [layer for _, layer in mixer.stack.items()]
        trained = [layer.up for layer in layers]
        if form == "low_rank":
            trained += [layer.down for layer in layers]
        for parameter in trained:
            parameter.requires_grad_(True)
        mixer.weigh(torch.ones(1))
        about = f"{form} {rank} {scale}"
        _fit(policy, policy.network, trained, data, settings, weight, state, report, about)
        return mixer.stack.adapter("new")


def train_network(
    policy: PsecPolicy,
    data: Demonstrations,
    settings: FitSettings,
    *,
    scratch: bool = False,
    weight: Tensor | None = None,
    state: Path | None = None,
    report: Report | None = None,
) -> PsecPolicy:
    """Return a copy of a policy with every weight trained: the two usual ways, as baselines.

    Args:
        policy: The base; it stays as it is.
        data: Demonstrations, normalised by the base's statistics.
        settings: Numbers of the run.
        scratch: Begin with random weights instead of the base's.
        weight: Of each step. Shape (N,).
        state: File to go on from.
        report: Called after each step.
    """
    made = copy.deepcopy(policy).requires_grad_(True)
    if scratch:
        with torch.random.fork_rng([]):
            torch.manual_seed(settings.seed)
            made.network = make_network(policy.config)
    made.train()
    about = "scratch" if scratch else "full fine-tuning"
    trained = list(made.network.parameters())
    _fit(made, made.network, trained, data, settings, weight, state, report, about)
    return made.eval()


def train_weights(
    policy: PsecPolicy,
    skills: Mapping[str, Adapter],
    data: Demonstrations,
    settings: FitSettings,
    *,
    weight: Tensor | None = None,
    report: Report | None = None,
) -> Tensor:
    """Return the fixed weights with the least diffusion loss. Shape (k,)."""
    weights = nn.Parameter(torch.full((len(skills),), 1.0 / max(len(skills), 1)))
    with composed(policy, skills) as mixer:

        def denoise(noisy: Tensor, observation: Tensor, step: Tensor) -> Tensor:
            mixer.weigh(weights)
            return policy.network(noisy, observation, step)

        _fit(policy, denoise, [weights], data, settings, weight, None, report, "weights")
    return weights.detach()


def fresh_adapter(policy: nn.Module, form: str, rank: int, scale: float) -> dict[str, LowRank]:
    """Return additions that add nothing yet: A as flax's lecun_normal, B = 0.

    As a full matrix, A is the identity and stays it.
    """
    adapter = {}
    for name, linear in linear_layers(policy).items():
        inputs = linear.in_features
        if form == "full_matrix":
            down = torch.eye(inputs)
            adapter[name] = LowRank(down, torch.zeros(linear.out_features, inputs), 1.0)
        else:
            down = torch.randn(rank, inputs) / math.sqrt(inputs)
            adapter[name] = LowRank(down, torch.zeros(linear.out_features, rank), scale)
    return adapter


@contextmanager
def composed(
    policy: PsecPolicy, skills: Mapping[str, Adapter], *, dropout: bool = False
) -> Iterator[SkillMixer]:
    """Put skills in a policy and freeze its weights, for as long as the block lasts."""
    frozen = {name: parameter.requires_grad for name, parameter in policy.named_parameters()}
    training = policy.training
    mixer = SkillMixer(policy)
    mixer.swap(SkillStack(policy, skills))
    policy.requires_grad_(False).train(dropout)
    try:
        yield mixer
    finally:
        mixer.clear()
        policy.train(training)
        for name, parameter in policy.named_parameters():
            parameter.requires_grad_(frozen[name])


def _fit(
    policy: PsecPolicy,
    denoise: Denoiser,
    trained: list[nn.Parameter],
    data: Demonstrations,
    settings: FitSettings,
    weight: Tensor | None,
    state: Path | None,
    report: Report | None,
    about: str,
) -> None:
    if weight is not None and weight.shape != (len(data),):
        raise ConfigError(f"{tuple(weight.shape)} weights for {len(data)} steps")

    def loss(rows: Tensor) -> Tensor:
        chosen = None if weight is None else weight[rows]
        return policy.loss(
            denoise, data.observation[rows], data.action[rows], data.valid[rows], chosen
        )

    identity = f"{about} {base_hash(policy, policy.config)} {data.digest}"
    fit(trained, loss, len(data), settings, state=state, about=identity, report=report)
