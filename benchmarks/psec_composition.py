"""Composition of skills on the planar arm: at every level, fixed, searched, on shifted arms."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product

import numpy as np
import torch
from psec_lab import (
    CRITICS,
    FEW,
    HELD_OUT,
    TASK,
    Lab,
    acting,
    crowd_critic,
    learn,
    tail,
    weighted,
)
from torch import Tensor

from robot_policies.policies.psec.fit import FitSettings
from robot_policies.policies.psec.levels import LevelMixture, train_router
from robot_policies.policies.psec.sample_weights import router_weights
from robot_policies.policies.psec.train import composed, train_weights
from robot_policies.skills.mixing.arrow import ArrowRouter
from robot_policies.skills.mixing.skill_router import SkillRouter

SHIFTS = ("mass", "damping", "gain")
LEVELS = {"parameter": "PSEC", "noise": "noise level", "action": "action level"}
ROUTER = FitSettings(steps=400, batch=128, lr=1e-3)
FIXED = FitSettings(steps=300, batch=128, lr=2e-2)
PULL = 0.05  # of a router towards the weights it begins at
SEARCHED = tuple(product((0.0, 0.25, 0.5), repeat=3))[1:]  # fixed weights to try
SEARCH = range(3_000_000, 3_000_100)  # seeds of the trials they are tried in


class Mixtures:
    """A library of `fast`, `careful` and a new skill, and who may weigh them for the detour.

    Attributes:
        skills: The library.
        near: How much each held-out step counts for a router: most near the obstacle.
    """

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.skills = {
            "fast": lab.skill("fast", partial(weighted, lab, "reward"), shared=True),
            "careful": lab.skill("careful", partial(weighted, lab, "safety"), shared=True),
            "new": lab.skill("new", partial(learn, lab, "detour", FEW)),
        }
        held_out = tail(lab.data("detour"), HELD_OUT)
        self.near = router_weights(crowd_critic(lab, "safety"), held_out, CRITICS)
        self._train = (lab.policy, self.skills, held_out)

    def alone(self) -> None:
        """Score the base and each skill."""
        if self.lab.lacks("detour base"):
            self.lab.score("detour base", TASK)
        for i, name in enumerate(self.skills):
            self.fixed(f"detour {name}", lambda i=i: torch.eye(len(self.skills))[i])

    def routed(
        self, cell: str, level: str, router: Callable[[], SkillRouter], shifts: Sequence[str] = ()
    ) -> None:
        """Score a router on the task, or on shifted arms."""
        tasks = {f"{cell}, {name}": f"arm_shifted/{name}" for name in shifts} or {cell: TASK}
        if not any(map(self.lab.lacks, tasks)):
            return
        made = router()
        with composed(self.lab.policy, self.skills) as mixer:
            mixture = LevelMixture(self.lab.policy, mixer, made, level)
            for each in filter(self.lab.lacks, tasks):
                self.lab.score(each, tasks[each], mixture.sample)

    def fixed(self, cell: str, weights: Callable[[], Tensor]) -> None:
        """Score the same weights everywhere."""
        if self.lab.lacks(cell):
            chosen = weights()
            print(cell, [round(weight, 2) for weight in chosen.tolist()])
            with acting(self.lab.policy, self.skills, chosen):
                self.lab.score(cell, TASK)

    def arrow(self) -> None:
        """Score the routing that needs no training."""
        if self.lab.lacks("Arrow"):
            with composed(self.lab.policy, self.skills) as mixer:
                mixer.swap(mixer.stack, layer_router=ArrowRouter(mixer.stack))
                self.lab.score("Arrow", TASK)

    def router(self, level: str, *, published: bool = False) -> SkillRouter:
        """Train a router: with the loss of every step alike, or near the obstacle above all."""
        objective = "action" if level == "action" else "diffusion"
        settle = self.lab.settings(FIXED)
        ours = {} if published else {"weight": self.near, "settle": settle, "pull": PULL}
        return train_router(*self._train, self.lab.settings(ROUTER), level, objective, **ours)

    def least_loss(self, weight: Tensor | None = None) -> Tensor:
        """Return the fixed weights with the least loss."""
        return train_weights(*self._train, self.lab.settings(FIXED), weight=weight)

    def search(self) -> Tensor:
        """Return the fixed weights that succeed most often in trials of their own."""
        rates = []
        for weights in SEARCHED:
            with acting(self.lab.policy, self.skills, torch.tensor(weights)):
                rates.append(self.lab.run(TASK, SEARCH)["success"].mean())
        return torch.tensor(SEARCHED[int(np.argmax(rates))])


def composition(lab: Lab) -> None:
    """Compose skills for the detour, at every level."""
    mixtures = Mixtures(lab)
    mixtures.alone()
    mixtures.routed("PSEC", "parameter", partial(mixtures.router, "parameter"))
    mixtures.fixed("fixed, even", lambda: torch.ones(3) / 3)
    mixtures.fixed("fixed, least loss", mixtures.least_loss)
    mixtures.fixed("fixed, least weighted loss", partial(mixtures.least_loss, mixtures.near))
    mixtures.fixed("fixed, searched", mixtures.search)
    mixtures.arrow()
    for level in ("noise", "action"):
        mixtures.routed(LEVELS[level], level, partial(mixtures.router, level))


def ablation(lab: Lab) -> None:
    """Train routers with the published loss alone, and try PSEC on shifted arms."""
    mixtures = Mixtures(lab)
    for level, name in LEVELS.items():
        published = partial(mixtures.router, level, published=True)
        mixtures.routed(f"{name}, published loss", level, published)
    for shift in SHIFTS:
        if lab.lacks(f"detour base, {shift}"):
            lab.score(f"detour base, {shift}", f"arm_shifted/{shift}")
    mixtures.routed("PSEC", "parameter", partial(mixtures.router, "parameter"), SHIFTS)
