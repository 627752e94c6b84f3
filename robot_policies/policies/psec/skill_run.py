"""From a data set to a packaged skill."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from robot_policies.interface import ConfigError, JointLimits
from robot_policies.policies.checkpoint import read_checkpoint
from robot_policies.policies.psec.criteria import CriticSettings
from robot_policies.policies.psec.critics import train_critic
from robot_policies.policies.psec.demonstrations import Demonstrations, read_demonstrations
from robot_policies.policies.psec.fit import FitSettings, Report
from robot_policies.policies.psec.levels import train_router
from robot_policies.policies.psec.modeling_psec import PsecPolicy
from robot_policies.policies.psec.sample_weights import router_weights, sample_weights
from robot_policies.policies.psec.train import RANK, SCALE, composed, train_skill
from robot_policies.skills.mixing.skill_router import SkillRouter
from robot_policies.skills.package.base import SkillBase, describe_base
from robot_policies.skills.package.card import Training, check_name
from robot_policies.skills.package.skill import Skill, check_limits_fit, pack

STATE, CRITIC_STATE = "training_state.safetensors", "critic_state.safetensors"
PROBES = 2048  # samples that a loss is measured on
SETTLE = FitSettings(steps=300, lr=2e-2)  # until the constant weights of a router are found
CRITIC = FitSettings(steps=3000, lr=1e-3)  # of what judges the steps of a router
WITHIN = 0.99  # share of the training states that lie within `state_distance`


@dataclass(frozen=True, eq=False)
class PsecBase:
    """A base policy, loaded and described.

    Attributes:
        policy: The network.
        preprocessor: LeRobot's pipeline in front of it.
        base: What a skill must fit.
    """

    policy: PsecPolicy
    preprocessor: object
    base: SkillBase


def load_base(folder: Path, name: str = "") -> PsecBase:
    """Load the base of a skill.

    Raises:
        ConfigError: If it is another kind of policy.
    """
    checkpoint = read_checkpoint(folder, "cpu")
    if not isinstance(checkpoint.policy, PsecPolicy):
        raise ConfigError(
            f"{name or folder} is a policy of type '{checkpoint.config.type}'; this trains skills "
            "of psec. For others, train an adapter with lerobot-train --peft and pack that"
        )
    base = describe_base(checkpoint, name)
    return PsecBase(checkpoint.policy, checkpoint.preprocessor, base)


def run_skill(
    loaded: PsecBase,
    data_root: Path,
    out: Path,
    name: str,
    version: str,
    *,
    objective: str = "imitation",
    settings: FitSettings | None = None,
    critics: FitSettings | None = None,
    rank: int = RANK,
    scale: float = SCALE,
    description: str = "",
    limits: JointLimits | None = None,
    resume: bool = False,
    report: Report | None = None,
) -> Skill:
    """Train a skill and pack it.

    Args:
        loaded: The base.
        data_root: A LeRobot data set.
        out: Folder of the skill; beside it, while training, the state to go on from.
        name: Of the skill.
        version: Three numbers.
        objective: `imitation`, `reward` or `safety`.
        settings: Of the training.
        critics: Of that of the critics.
        rank: Of the additions.
        scale: Of the additions.
        description: One sentence.
        limits: What the robot is held to while the skill has a weight.
        resume: Go on with a run that was stopped.
        report: Called after each step of the skill's training.

    Raises:
        ConfigError: If there is such a folder already, or a state that is not to be resumed.
    """
    check_name(name, version)
    work = out.with_name(f"{out.name}.training")
    if out.exists():
        raise ConfigError(f"{out} is there already; choose another folder, or remove it")
    if work.exists() and not resume:
        raise ConfigError(f"{work} holds a run that was stopped: --resume, or remove it")
    check_limits_fit(limits or {}, loaded.base, name)
    settings = settings or FitSettings()
    data = read_demonstrations(data_root, loaded.policy, loaded.preprocessor)
    weight = sample_weights(data, objective, critics or settings, state=work / CRITIC_STATE)
    adapter = train_skill(
        loaded.policy,
        data,
        settings,
        weight=weight,
        rank=rank,
        scale=scale,
        state=work / STATE,
        report=report,
    )
    with composed(loaded.policy, {name: adapter}) as mixer:
        before = measure(loaded.policy, data, weight)
        mixer.weigh(torch.ones(1))
        after = measure(loaded.policy, data, weight)
    packed = pack(
        work / "skill",
        loaded.base,
        name,
        version,
        adapter=adapter,
        description=description,
        training=describe_training(data, objective, settings.steps),
        metrics={"training_loss": after, "training_loss_of_base": before},
        limits=limits,
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    packed.folder.rename(out)
    work.rmdir()
    return Skill(packed.card, packed.adapter, out)


def run_router(
    loaded: PsecBase,
    skills: list[Skill],
    data_root: Path,
    settings: FitSettings,
    *,
    costs_root: Path | None = None,
    pull: float = 0.0,
    report: Report | None = None,
) -> SkillRouter:
    """Train a router over skills; it begins at the constant weights of least loss.

    Args:
        loaded: The base.
        skills: What it weighs.
        data_root: Demonstrations of the task that trained none of the skills.
        settings: Of the training.
        costs_root: What others did, with costs: the steps of the task where they would do harm
            count most. Without it, all count alike.
        pull: Weight of the squared distance to the constant weights.
        report: Called after each step.

    Raises:
        ConfigError: If one of the skills was trained on the very same data.
    """
    data = read_demonstrations(data_root, loaded.policy, loaded.preprocessor)
    for skill in skills:
        if skill.card.training.data == data.digest:
            raise ConfigError(
                f"{data_root}: skill '{skill.card.name}' was trained on these steps, and the "
                "router would lean on it alone; give other episodes"
            )
    adapters = {skill.card.name: skill.adapter for skill in skills}
    weight = None
    if costs_root is not None:
        others = read_demonstrations(costs_root, loaded.policy, loaded.preprocessor)
        numbers, fitting = CriticSettings(), replace(CRITIC, seed=settings.seed)
        weight = router_weights(train_critic(others, "safety", fitting, numbers), data, numbers)
    return train_router(
        loaded.policy,
        adapters,
        data,
        settings,
        weight=weight,
        settle=replace(SETTLE, batch=settings.batch, seed=settings.seed),
        pull=pull,
        report=report,
    )


@torch.no_grad()
def measure(policy: PsecPolicy, data: Demonstrations, weight: Tensor | None = None) -> float:
    """Return the diffusion loss, on the same samples and noise at every call."""
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        rows = torch.randint(len(data), (PROBES,))
        chosen = None if weight is None else weight[rows]
        loss = policy.loss(
            policy.network, data.observation[rows], data.action[rows], data.valid[rows], chosen
        )
    return float(loss)


def describe_training(data: Demonstrations, objective: str, steps: int) -> Training:
    """Return what a card says of the training: above all, which states it saw."""
    mean = data.observation.mean(0)
    std = data.observation.std(0, correction=0).clamp_min(1e-3)
    distance = ((data.observation - mean) / std).square().mean(1).sqrt()
    return Training(
        objective=objective,
        data=data.digest,
        episodes=data.episodes,
        steps=steps,
        state_mean=mean.tolist(),
        state_std=std.tolist(),
        state_distance=float(distance.quantile(WITHIN)),
    )
