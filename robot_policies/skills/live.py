"""Skills of a policy that acts: checked beside it, put in place between two control steps.

    prepare (any thread)  ->  put (any thread)  ->  step (before each answer, the policy's thread)

Weights move by at most `SLEW` a second. A skill that is taken away first fades to weight 0, and
one that comes begins there, so that no change is a jump of the arm.

Letters: `k` skills.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from robot_policies.interface import ConfigError
from robot_policies.policies.checkpoint import Checkpoint
from robot_policies.skills.base import SkillBase
from robot_policies.skills.composition import reference
from robot_policies.skills.gate import Gate
from robot_policies.skills.library import SkillLibrary
from robot_policies.skills.mixer import Router, SkillMixer
from robot_policies.skills.mixing import SkillStack
from robot_policies.skills.package import Skill, read_skill
from robot_policies.skills.routing import ArrowRouter

SLEW = 5.0  # 1/s; a skill is there in 0.2 s [own]
LIMIT = 4.0  # largest weight, either way; a gate's are cut to it, fixed ones refused [own]


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Skills, checked and stacked, with their weighting.

    Attributes:
        names: Of the skills.
        digests: Of their cards: a skill is the same only if this is.
        stack: Their mixing layers.
        weights: Fixed weights, or how much of what `router` says. Shape (k,).
        gate: Reads the weights from the observation instead.
        router: Chooses weights layer by layer.
    """

    names: tuple[str, ...]
    digests: tuple[str, ...]
    stack: SkillStack
    weights: Tensor
    gate: Gate | None = None
    router: Router | None = None

    def kept_in(self, other: "Ensemble") -> Tensor:
        """Return which skills go on acting in another ensemble. Shape (k,)."""
        same = (self.router is None) == (other.router is None)
        kept = [same and digest in other.digests for digest in self.digests]
        return torch.tensor(kept, dtype=torch.bool)


class LiveSkills:
    """The skills of one policy.

    Attributes:
        weights: How much of each skill acts now, by name.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        describe: Callable[[], SkillBase],
        dt: float,
        library: SkillLibrary | None = None,
    ) -> None:
        """Begin without a skill.

        Args:
            checkpoint: The policy.
            describe: Describes it; called when a skill is first asked for, for it takes a while.
            dt: Time between two answers. [s]
            library: Where skills are found by name.
        """
        self._checkpoint, self._describe = checkpoint, describe
        self._library = library or SkillLibrary()
        self._mixer = SkillMixer(checkpoint.policy)
        self._largest_change = SLEW * dt
        self._acting = self._wanted = Ensemble((), (), self._mixer.stack, torch.zeros(0))
        self._now = torch.zeros(0)
        self._begins = True
        self.weights: Mapping[str, float] = {}

    @cached_property
    def base(self) -> SkillBase:
        """What a skill must fit."""
        return self._describe()

    def prepare(self, skills: Sequence[str], weights: Sequence[float]) -> Ensemble:
        """Read, check and stack skills; what acts is not touched.

        Args:
            skills: Absolute folders, or names in the library, as `name` or `name@version`.
            weights: One for each; with none, a gate of the library for just these skills, in
                this order, or else Arrow.

        Raises:
            RobotPoliciesError: In one line: which skill or weight, and why it is refused.
        """
        if weights and len(weights) != len(skills):
            raise ConfigError(
                f"{len(weights)} skill_weights for {len(skills)} skills {list(skills)}: one each, "
                "or none to weigh by context"
            )
        for weight in weights:
            if not (math.isfinite(weight) and abs(weight) <= LIMIT):
                raise ConfigError(f"skill_weights: {weight} is outside [-{LIMIT:g}, {LIMIT:g}]")
        loaded = [self._load(name) for name in skills]
        names = tuple(skill.card.name for skill in loaded)
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"skills: '{name}' is in it twice")
        stack = SkillStack(self._checkpoint.policy, {s.card.name: s.adapter for s in loaded})
        digests = tuple(skill.card.digest for skill in loaded)
        if weights or not loaded:
            return Ensemble(names, digests, stack, torch.tensor(list(weights)))
        ones, gate = torch.ones(len(loaded)), self._find_gate(loaded)
        router = ArrowRouter(stack) if gate is None else None
        return Ensemble(names, digests, stack, ones, gate, router)

    def put(self, ensemble: Ensemble) -> None:
        """Let other skills act from the next answer on; those that leave fade first."""
        self._wanted = ensemble

    def restart(self) -> None:
        """Begin an episode: what is wanted acts at once."""
        self._begins = True
        if self._wanted is not self._acting:
            self._swap(self._wanted)

    @torch.no_grad()
    def step(self, batch: Mapping[str, Any]) -> None:
        """Bring the weights up to date before an answer.

        Args:
            batch: The normalised observation, of one moment.
        """
        acting, wanted = self._acting, self._wanted
        begins, self._begins = self._begins, False
        if wanted is not acting and not self._now[~acting.kept_in(wanted)].any():
            self._swap(wanted)
            acting = wanted
        if not acting.names:
            return
        target = acting.weights if acting.gate is None else acting.gate.read(batch)[0].cpu()
        target = target.clamp(-LIMIT, LIMIT)  # NaN stays, and `weigh` refuses it
        if wanted is not acting:
            target = target * acting.kept_in(wanted)
        if not begins:
            change = (target - self._now).clamp(-self._largest_change, self._largest_change)
            # What is closer than one change is reached to the bit.
            near = (target - self._now).abs() <= self._largest_change
            target = torch.where(near, target, self._now + change)
        if not torch.equal(target, self._now):
            self._weigh(target)

    def _swap(self, ensemble: Ensemble) -> None:
        """Put an ensemble in place; skills that stay keep the weights they have."""
        kept = self._acting.kept_in(ensemble).tolist()
        before = {
            digest: weight
            for digest, weight, stays in zip(
                self._acting.digests, self._now.tolist(), kept, strict=True
            )
            if stays
        }
        share = None if ensemble.router is None else SharedRouter(ensemble.router)
        self._mixer.swap(ensemble.stack, router=share)
        self._acting = ensemble
        self._weigh(torch.tensor([before.get(digest, 0.0) for digest in ensemble.digests]))

    def _weigh(self, weights: Tensor) -> None:
        router = self._mixer.router
        if isinstance(router, SharedRouter):
            router.share = weights
        else:
            self._mixer.weigh(weights)
        self._now = weights
        self.weights = dict(zip(self._acting.names, weights.tolist(), strict=True))

    def _load(self, name: str) -> Skill:
        folder = Path(name).expanduser()
        if folder.is_absolute():
            return read_skill(folder, self.base, self._library.trusted_keys())
        if "/" in name:
            raise ConfigError(f"skills: '{name}' is neither an absolute folder nor a name")
        return self._library.load(name, self.base)

    def _find_gate(self, skills: Sequence[Skill]) -> Gate | None:
        """Return the gate of the newest composition of exactly these skills, if there is one."""
        wanted, found = tuple(map(reference, skills)), None
        for made in self._library.compositions():
            if made.skills == wanted and made.base == self.base.hash and made.gate is not None:
                found = made.gate
        if found is not None:
            inputs = self._checkpoint.config.input_features or {}
            for feature, width in found.features.items():
                if feature not in inputs or tuple(inputs[feature].shape) != (width,):
                    raise ConfigError(
                        f"the gate reads {width} numbers of '{feature}', {self.base.name} does not"
                    )
        return found


class SharedRouter:
    """A router of which only a share of each skill acts, while skills come and go.

    Attributes:
        share: Shape (k,).
    """

    def __init__(self, router: Router) -> None:
        """Begin with nothing."""
        self._router = router
        self.share = torch.zeros(0)

    def weights(self, layer: str, inputs: Tensor) -> Tensor:
        """Return the weights of every skill. (..., in) -> (..., k)."""
        weights = self._router.weights(layer, inputs)
        return weights * self.share.to(weights)
