"""Skill routers over a library that mixes in parameters, or to compare in noise or in actions.

    parameter  eps = eps_{W_0 + sum_i alpha_i(s) dW_i}        PSEC; the default
    noise      eps = sum_i w_i(s) eps_i, base included        NSEC
    action     a   = sum_i w_i(s) a_i, base included          ASEC

The authors train noise and action level over two skills without the base, by the error of the
action alone; here every level has the same library and, but for actions, which have no noise to
predict, the choice of the same two objectives.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from robot_policies.interface import ConfigError, UnknownNameError
from robot_policies.policies.psec.demonstrations import Demonstrations
from robot_policies.policies.psec.fit import FitSettings, Report, fit
from robot_policies.policies.psec.losses import diffusion_loss
from robot_policies.policies.psec.modeling_psec import PsecPolicy
from robot_policies.policies.psec.train import composed
from robot_policies.skills.mixing.layers import Adapter
from robot_policies.skills.mixing.mixer import SkillMixer
from robot_policies.skills.mixing.skill_router import SkillRouter
from robot_policies.skills.package.digest import base_hash

LEVELS = ("parameter", "noise", "action")
OBJECTIVES = ("diffusion", "action")


class LevelMixture:
    """A library and a router, mixed at one level.

    Attributes:
        router: Weights of the skills; of the base first, at the levels of noise and action.
    """

    def __init__(
        self, policy: PsecPolicy, mixer: SkillMixer, router: SkillRouter, level: str
    ) -> None:
        """Mix the skills that are in place.

        Args:
            policy: The base.
            mixer: Its skills.
            router: Chooses the weights.
            level: One of `LEVELS`.
        """
        if level not in LEVELS:
            raise UnknownNameError("level", level, LEVELS)
        self.policy, self.mixer, self.router, self.level = policy, mixer, router, level

    def denoise(self, noisy: Tensor, observation: Tensor, step: Tensor) -> Tensor:
        """Return the predicted noise. (B, N), (B, O), (B,) -> (B, N)."""
        weights = self.router(observation)
        if self.level == "parameter":
            self.mixer.weigh(weights)
            return self.policy.network(noisy, observation, step)
        parts = []
        for member in self._members():
            self.mixer.weigh(member)
            parts.append(self.policy.network(noisy, observation, step))
        return (weights.unsqueeze(1) * torch.stack(parts, dim=-1)).sum(-1)

    def sample(self, observation: Tensor) -> Tensor:
        """Draw actions. (B, O) -> (B, T, A)."""
        if self.level != "action":
            return self.policy.sample(observation, self.denoise)
        return self.blend(observation, self.candidates(observation)).clamp(-1.0, 1.0)

    @torch.no_grad()
    def candidates(self, observation: Tensor) -> Tensor:
        """Draw an action of the base and of every skill. Shape (B, T, A, k + 1)."""
        drawn = []
        for member in self._members():
            self.mixer.weigh(member)
            drawn.append(self.policy.sample(observation))
        return torch.stack(drawn, dim=-1)

    def blend(self, observation: Tensor, candidates: Tensor) -> Tensor:
        """Return the weighted sum. Shape (B, T, A)."""
        return (self.router(observation)[:, None, None] * candidates).sum(-1)

    def _members(self) -> list[Tensor | None]:
        return [None, *torch.eye(len(self.mixer.names))]


def train_router(
    policy: PsecPolicy,
    skills: Mapping[str, Adapter],
    data: Demonstrations,
    settings: FitSettings,
    level: str = "parameter",
    objective: str = "diffusion",
    *,
    weight: Tensor | None = None,
    settle: FitSettings | None = None,
    pull: float = 0.0,
    hidden: int = 256,
    state: Path | None = None,
    report: Report | None = None,
) -> SkillRouter:
    """Train alpha(s) over a library at one level; base and skills are frozen.

    Args:
        policy: The base.
        skills: The library.
        data: Demonstrations of the task, none of which trained the newest skill: on those, that
            skill is the best answer to everything, and the router would learn nothing else.
        settings: Numbers of the run; 1,001 steps in the authors' code.
        level: One of `LEVELS`.
        objective: `diffusion`, or `action`: the squared error of the action, through the sampler.
        weight: Of each step. Shape (N,).
        settle: Numbers of a run before, that finds the constant weights the router begins at; by
            default these are even.
        pull: Weight of the squared distance to where the router begins. The authors pull the means
            of alpha to constants of their two skills instead.
        hidden: Width of the router.
        state: File to go on from.
        report: Called after each step.

    Raises:
        ConfigError: If there is nothing to weigh, or the level has no such objective.
    """
    if objective not in OBJECTIVES:
        raise UnknownNameError("objective", objective, OBJECTIVES)
    if (level, objective) == ("action", "diffusion"):
        raise ConfigError("the action level predicts no noise; its objective is 'action'")
    if not skills:
        raise ConfigError("a router needs skills to weigh")
    members = len(skills) + (level != "parameter")
    features = {name: f.shape[0] for name, f in (policy.config.input_features or {}).items()}
    with torch.random.fork_rng([]):
        torch.manual_seed(settings.seed)
        router = SkillRouter(features, members, hidden).start_at([1.0 / members] * members)
    with composed(policy, skills) as mixer:
        mixture = LevelMixture(policy, mixer, router, level)

        def error(rows: Tensor) -> Tensor:
            observation, action = data.observation[rows], data.action[rows]
            valid, chosen = data.valid[rows], None if weight is None else weight[rows]
            if objective == "diffusion":
                return policy.loss(mixture.denoise, observation, action, valid, chosen)
            if level == "action":
                drawn = mixture.blend(observation, mixture.candidates(observation))
            else:
                drawn = policy.sample(observation, mixture.denoise)
            return diffusion_loss(drawn, action, valid, chosen)  # the same error, of actions

        if settle is not None:
            fit([router.output.bias], error, len(data), settle)
            router.zero_grad()
        start = router.output.bias.detach().clone()

        def loss(rows: Tensor) -> Tensor:
            value = error(rows)
            if pull:
                away = router(data.observation[rows]) - start
                value = value + pull * away.square().sum(-1).mean()
            return value

        about = f"{level} {objective} {list(skills)} {pull} {start.tolist()}"
        fit(
            list(router.parameters()),
            loss,
            len(data),
            settings,
            state=state,
            about=f"{about} {base_hash(policy, policy.config)} {data.digest}",
            report=report,
        )
    return router.eval().requires_grad_(False)
