"""A composition: which skills, exactly, and how they are weighed. An artefact with a version.

Skills added to a composition get weight 0 until somebody changes it: what it does stays the same.
`composition_file.py` has it on disk. torch is imported where one is put in place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from robot_policies.interface import CheckpointError, ConfigError, UnknownNameError
from robot_policies.skills.package.card import check_name
from robot_policies.skills.package.skill import Skill

if TYPE_CHECKING:
    from robot_policies.skills.mixing.mixer import SkillMixer
    from robot_policies.skills.mixing.skill_router import SkillRouter
    from robot_policies.skills.package.base import SkillBase

KINDS = ("fixed", "gate", "arrow")  # format 1 calls a skill router a gate
NO_FALLBACK = "arrow knows no weights to fade to; a fallback needs fixed weights or a router"


@dataclass(frozen=True)
class SkillReference:
    """One skill of a composition, by the digest of its card."""

    name: str
    version: str
    digest: str


@dataclass(frozen=True)
class Weighting:
    """How the skills are weighed.

    Attributes:
        kind: `fixed`, `gate` (a skill router) or `arrow`.
        weights: Of each skill, where fixed.
        features: What the router reads, and how wide each is.
        hidden: Width of the router's layers.
        digest: Of the router's file.
        top: Skills that share the weight, of arrow.
        temperature: Of arrow's softmax.
    """

    kind: str
    weights: tuple[float, ...] = ()
    features: Mapping[str, int] | None = None
    hidden: int = 0
    digest: str = ""
    top: int = 3
    temperature: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what is no weighting."""
        object.__setattr__(self, "weights", tuple(self.weights))
        if self.kind not in KINDS:
            raise UnknownNameError("weighting", self.kind, KINDS)


@dataclass(frozen=True, eq=False)
class Composition:
    """Skills and their weighting, for one base.

    Attributes:
        name: Lower-case letters, digits, `_` and `-`.
        version: Three numbers.
        base: Digest of the base.
        skills: In the order of the weights.
        weighting: How they are weighed.
        router: The router, if there is one.
        fallback: Skill to fade to where no skill was trained; empty is the base alone.
    """

    name: str
    version: str
    base: str
    skills: tuple[SkillReference, ...]
    weighting: Weighting
    router: "SkillRouter | None" = None
    fallback: str = ""

    def __post_init__(self) -> None:
        """Refuse a composition whose parts do not fit each other."""
        check_name(self.name, self.version)
        names = [skill.name for skill in self.skills]
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"{self.name}: skill '{name}' is in it twice")
        if self.fallback and self.fallback not in names:
            raise UnknownNameError("skill", self.fallback, names, f"{self.name}: fallback")
        if self.fallback and self.weighting.kind == "arrow":
            raise ConfigError(f"{self.name}: {NO_FALLBACK}")
        weighting, count = self.weighting, len(names)
        if weighting.kind == "fixed" and len(weighting.weights) != count:
            raise ConfigError(f"{self.name}: {len(weighting.weights)} weights, {count} skills")
        if not all(abs(weight) < float("inf") for weight in weighting.weights):
            raise ConfigError(f"{self.name}: weights {weighting.weights} must be finite")
        if weighting.kind == "gate" and (
            self.router is None or self.router.output.out_features != count
        ):
            raise ConfigError(f"{self.name}: needs a router of {count} weights")

    def with_skill(self, skill: Skill, version: str) -> "Composition":
        """Return a composition with one skill more, which does what this one does.

        Raises:
            ConfigError: If the weighting cannot leave a skill out.
        """
        if self.weighting.kind == "arrow":
            raise ConfigError(
                f"{self.name}: arrow weighs every skill, so adding one changes what it does; "
                "make a new composition"
            )
        return self._with(
            (*self.skills, reference(skill)),
            version,
            (*self.weighting.weights, 0.0),
            None if self.router is None else self.router.with_skill(),
        )

    def without_skill(self, name: str, version: str) -> "Composition":
        """Return a composition with one skill less; the weights of the others stay.

        Raises:
            UnknownNameError: If it is not in it.
        """
        names = [skill.name for skill in self.skills]
        if name not in names:
            raise UnknownNameError("skill", name, names, self.name)
        index = names.index(name)
        return self._with(
            self.skills[:index] + self.skills[index + 1 :],
            version,
            self.weighting.weights[:index] + self.weighting.weights[index + 1 :],
            None if self.router is None else self.router.without_skill(index),
        )

    def _with(
        self,
        skills: tuple[SkillReference, ...],
        version: str,
        weights: tuple[float, ...],
        router: "SkillRouter | None",
    ) -> "Composition":
        weights = weights if self.weighting.kind == "fixed" else ()
        kept = self.fallback if self.fallback in [skill.name for skill in skills] else ""
        return replace(
            self,
            version=version,
            skills=skills,
            weighting=replace(self.weighting, weights=weights, digest=""),
            router=router,
            fallback=kept,
        )


def reference(skill: Skill) -> SkillReference:
    """Return what names a skill exactly."""
    return SkillReference(skill.card.name, skill.card.version, skill.card.digest)


def compose(
    name: str,
    version: str,
    base: "SkillBase",
    skills: Sequence[Skill],
    *,
    weights: Sequence[float] | None = None,
    router: "SkillRouter | None" = None,
    fallback: str = "",
    top: int = 3,
    temperature: float = 1.0,
) -> Composition:
    """Put skills together: by fixed weights, by a router, or by Arrow where neither is given.

    Raises:
        ConfigError: If weights or router do not fit the skills.
    """
    if weights is not None and router is not None:
        raise ConfigError(f"{name}: fixed weights or a router, not both")
    if weights is not None:
        weighting = Weighting("fixed", tuple(float(weight) for weight in weights))
    elif router is not None:
        weighting = Weighting("gate", features=router.features, hidden=router.output.in_features)
    else:
        weighting = Weighting("arrow", top=top, temperature=temperature)
    return Composition(
        name, version, base.hash, tuple(map(reference, skills)), weighting, router, fallback
    )


def apply(composition: Composition, skills: Sequence[Skill], mixer: "SkillMixer") -> None:
    """Put a composition in place of what a policy has; on any error, that stays.

    Args:
        composition: What to apply.
        skills: Its skills, in its order.
        mixer: The policy. With a router, its weights are set for every observation by the caller:
            `mixer.weigh(composition.router.read(batch))`; until then the base acts alone.

    Raises:
        CheckpointError: If a skill is not the one that is named.
    """
    import torch

    from robot_policies.skills.mixing.arrow import ArrowRouter
    from robot_policies.skills.mixing.layers import SkillStack

    for skill, named in zip(skills, composition.skills, strict=True):
        if reference(skill) != named:
            raise CheckpointError(
                f"{composition.name}: made with {named.name} {named.version} "
                f"({named.digest[:15]}...), got {skill.card.version} ({skill.card.digest[:15]}...)"
            )
    stack = SkillStack(mixer.policy, {skill.card.name: skill.adapter for skill in skills})
    weighting, weights, router = composition.weighting, None, None
    if weighting.kind == "fixed":
        weights = torch.tensor(weighting.weights)
    elif weighting.kind == "arrow" and skills:
        router = ArrowRouter(stack, weighting.top, weighting.temperature)
    mixer.swap(stack, weights, router)
