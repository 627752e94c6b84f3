"""Skills of a policy that acts: checked beside it, put in place between two control steps.

    prepare (any thread)  ->  put (any thread)  ->  step (before each answer, the policy's thread)

Weights move by at most `SLEW` a second. A skill that is taken away first fades to weight 0, and
one that comes begins there, so that no change is a jump of the arm. In a state far from all that
the skills were trained in, they fade to the fallback, or without one to the base.

Letters: `k` skills.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from robot_policies.catalog import load_robot
from robot_policies.interface import ConfigError, JointLimits, UnknownNameError
from robot_policies.interface.limits import check_limits
from robot_policies.policies.checkpoint import Checkpoint
from robot_policies.skills.library.composition import NO_FALLBACK, Composition, reference
from robot_policies.skills.library.library import SkillLibrary
from robot_policies.skills.live.familiarity import Familiarity
from robot_policies.skills.live.mixture import LIMIT, SharedRouter, SkillMixture
from robot_policies.skills.mixing.arrow import ArrowRouter
from robot_policies.skills.mixing.layers import SkillStack
from robot_policies.skills.mixing.mixer import SkillMixer
from robot_policies.skills.package.base import SkillBase
from robot_policies.skills.package.reader import SkillReader
from robot_policies.skills.package.skill import Skill

SLEW = 5.0  # 1/s; a skill is there in 0.2 s [own]


class LiveSkills:
    """The skills of one policy.

    Attributes:
        weights: How much of each skill acts now, by name.
        limits: What those that act hold the robot to.
        refused: Why none can act; empty where they can.
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
        self._reader = SkillReader()
        self._mixer = SkillMixer(checkpoint.policy)
        self._largest_change = SLEW * dt
        self._features = {
            name: feature.shape[0]
            for name, feature in (checkpoint.config.input_features or {}).items()
            if len(feature.shape) == 1
        }
        self._acting = self._wanted = self._alone()
        self._now = torch.zeros(0)
        self._begins = True
        self.weights: Mapping[str, float] = {}
        self.limits: JointLimits = {}
        self.refused = ""

    @cached_property
    def base(self) -> SkillBase:
        """What a skill must fit."""
        return self._describe()

    def prepare(
        self, skills: Sequence[str], weights: Sequence[float], fallback: str = ""
    ) -> SkillMixture:
        """Read, check and stack skills; what acts is not touched.

        Args:
            skills: Absolute folders, or names in the library, as `name` or `name@version`.
            weights: One for each; with none, a router of the library for just these skills, in
                this order, or else Arrow.
            fallback: Name of the skill to fade to; empty: that of the router's composition, or
                else the base.

        Raises:
            RobotPoliciesError: In one line: which skill or weight, and why it is refused.
        """
        if skills and self.refused:
            raise ConfigError(self.refused)
        if weights and len(weights) != len(skills):
            raise ConfigError(
                f"{len(weights)} skill_weights for {len(skills)} skills {list(skills)}: one each, "
                "or none to weigh by context"
            )
        for weight in weights:
            if not (math.isfinite(weight) and abs(weight) <= LIMIT):
                raise ConfigError(f"skill_weights: {weight} is outside [-{LIMIT:g}, {LIMIT:g}]")
        loaded = self._read(skills) if skills else []
        names = tuple(skill.card.name for skill in loaded)
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"skills: '{name}' is in it twice")
        if fallback and fallback not in names:
            raise UnknownNameError("skill", fallback, names, "skill_fallback")
        if not loaded:
            return self._alone()
        digests = tuple(skill.card.digest for skill in loaded)
        if digests == self._wanted.digests:  # only weights change
            stack = self._wanted.stack
        else:
            parts = {skill.card.name: skill.adapter for skill in loaded}
            stack = SkillStack(self._checkpoint.policy, parts)
        made = None if weights else self._find_composition(loaded)
        router = made.router if made else None
        fallback = fallback or (made.fallback if made else "")
        if fallback and not weights and not router:
            raise ConfigError(f"skill_fallback '{fallback}': {NO_FALLBACK}")
        mixture = SkillMixture(
            names,
            digests,
            stack,
            torch.tensor(list(weights)) if weights else torch.ones(len(loaded)),
            Familiarity([skill.card for skill in loaded], self._features),
            router,
            None if weights or router else ArrowRouter(stack),
            fallback,
            tuple(skill.card.limits for skill in loaded),
        )
        self._check(mixture)
        return mixture

    def _alone(self) -> SkillMixture:
        """Return no skills."""
        stack = SkillStack(self._checkpoint.policy, {})
        return SkillMixture((), (), stack, torch.zeros(0), Familiarity((), self._features))

    def _check(self, mixture: SkillMixture) -> None:
        """Refuse skills that cannot act together, or not with this fallback."""
        limits = mixture.limit(torch.ones(len(mixture.names)))
        if limits:
            check_limits(limits, load_robot(self.base.robot), f"skills {list(mixture.names)}")
        if mixture.fallback:
            for name, known in zip(mixture.names, mixture.familiarity.known, strict=True):
                if not known:
                    raise ConfigError(
                        f"skill '{name}' says nothing of the states it was trained in, so nobody "
                        f"knows where to fade to '{mixture.fallback}'"
                    )

    def put(self, mixture: SkillMixture) -> None:
        """Let other skills act from the next answer on; those that leave fade first."""
        self._wanted = mixture

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
        target = acting.weigh(batch)
        if wanted is not acting:
            target = target * acting.kept_in(wanted)
        if not begins:
            change = (target - self._now).clamp(-self._largest_change, self._largest_change)
            # What is closer than one change is reached to the bit.
            near = (target - self._now).abs() <= self._largest_change
            target = torch.where(near, target, self._now + change)
        if not torch.equal(target, self._now):
            self._weigh(target)

    def _swap(self, mixture: SkillMixture) -> None:
        """Put a mixture in place; skills that stay keep the weights they have."""
        kept = self._acting.kept_in(mixture).tolist()
        before = {
            digest: weight
            for digest, weight, stays in zip(
                self._acting.digests, self._now.tolist(), kept, strict=True
            )
            if stays
        }
        share = None if mixture.layer_router is None else SharedRouter(mixture.layer_router)
        self._mixer.swap(mixture.stack, layer_router=share)
        self._acting = mixture
        self._weigh(torch.tensor([before.get(digest, 0.0) for digest in mixture.digests]))

    def _weigh(self, weights: Tensor) -> None:
        router = self._mixer.layer_router
        if isinstance(router, SharedRouter):
            router.share = weights
        else:
            self._mixer.weigh(weights)
        self._now = weights
        self.weights = dict(zip(self._acting.names, weights.tolist(), strict=True))
        self.limits = self._acting.limit(weights)

    def _read(self, skills: Sequence[str]) -> list[Skill]:
        folders = [self._find(name) for name in skills]
        return self._reader.read(folders, self.base, self._library.trusted_keys())

    def _find(self, name: str) -> Path:
        folder = Path(name).expanduser()
        if folder.is_absolute():
            return folder
        if "/" in name:
            raise ConfigError(f"skills: '{name}' is neither an absolute folder nor a name")
        return self._library.find(name).folder

    def _find_composition(self, skills: Sequence[Skill]) -> Composition | None:
        """Return the newest composition of exactly these skills that has a router, if any."""
        wanted, found = tuple(map(reference, skills)), None
        for made in self._library.compositions():
            if made.skills == wanted and made.base == self.base.hash and made.router is not None:
                found = made
        for feature, width in (found.router.features if found and found.router else {}).items():
            if self._features.get(feature) != width:
                raise ConfigError(
                    f"the router reads {width} numbers of '{feature}', {self.base.name} does not"
                )
        return found
