"""Numbers of the offline phase.

Sources: [paper] Uni-O4 (Lei et al. 2024, arXiv 2311.03351); [code] its public code, `main.py`;
[MOPO] Yu et al. 2020 (arXiv 2005.13239); [own] chosen here, for a robot's few minutes of data and
two processor cores.
"""

from dataclasses import dataclass
from typing import Literal

from robot_policies.interface import ConfigError

Diversity = Literal["kl", "upstream", "none"]
Method = Literal["uni_o4", "bc", "iql", "td3_bc", "bppo"]
METHODS: tuple[Method, ...] = ("uni_o4", "bc", "iql", "td3_bc", "bppo")


@dataclass(frozen=True)
class OfflineSettings:
    """Numbers of the phases; `gamma` and `reward_scale` are those of the online phase.

    Attributes:
        method: `uni_o4`, or what it is compared with: `bc`, `iql` (advantage-weighted policy),
            `td3_bc`, `bppo` (one member, no acceptance test).
        diversity: `kl` sampled divergence from the other members; `upstream` the term of the
            public code, whose gradient knows no other member; `none`.
        value_target: `expectile` (IQL) or `monte_carlo` returns.
        acceptance: `paired` scores on common start states and noise; `off` replaces the
            behaviour copy at every check.
    """

    method: Method = "uni_o4"
    members: int = 4  # [paper] Fig. 6c: 8 are no better, 1 is worse
    batch: int = 256  # [code] 512
    gradient_norm: float = 0.5  # [code]
    gamma: float = 0.98  # as the online phase, so that V carries over; [code] 0.99
    reward_scale: float = 0.1  # idem

    behavior_steps: int = 300  # from a policy that walks; [code] 4e5 from nothing
    behavior_rate: float = 1e-4  # [code]
    diversity: Diversity = "kl"
    diversity_weight: float = 0.1  # [paper] Fig. 6b
    diversity_cap: float = 5.0  # nats; a divergence has no upper bound [own]

    critic_steps: int = 1000  # [code] 2e6
    critic_rate: float = 3e-4  # [code] 1e-4
    critic_hidden: tuple[int, ...] = (256, 256)  # [code] 1024, 1024
    target_rate: float = 0.005  # [code]
    target_every: int = 2  # [code]
    expectile: float = 0.7  # [paper]
    value_target: Literal["expectile", "monte_carlo"] = "expectile"

    model_members: int = 5  # [code] 7
    model_elites: int = 3  # [code] 5
    model_hidden: tuple[int, ...] = (200, 200)  # [code] 4 x 200
    model_rate: float = 3e-3  # [code] 1e-3, with which 30 epochs are far too few
    model_decay: float = 5e-5  # [code] 2.5e-5 to 1e-4 by layer
    model_holdout: int = 1000  # rows, at most a fifth of the data [code]
    model_patience: int = 5  # epochs without gain [code]
    model_gain: float = 0.01  # share by which the hold-out error must fall to count [code]
    model_epochs: int = 30  # at most [own]

    expansion: int = 20  # model steps in Q; 0 is the paper's min Q(s, a), see `Expansion` [own]
    caution: float = 3.0  # deviations of the elites' rewards taken off; [MOPO] 0.5 to 5
    improvement_steps: int = 240  # [code] 1e4
    improvement_rate: float = 3e-4  # falls linearly to 0; [code] 1e-4
    clip: float = 0.25  # falls linearly to 0, as said; [code] stops falling after 200 steps
    acceptance: Literal["paired", "off"] = "paired"
    acceptance_every: int = 40  # steps between two checks; [code] 100
    acceptance_margin: float = 1.0  # standard errors a member must be better by [own; code: none]
    horizon: int = 20  # steps of a rollout [code, real Go1]
    start_states: int = 512  # [code]
    support: float = (
        2.0  # times the usual disagreement of the model, at which a rollout ends [own]
    )

    iql_temperature: float = 3.0  # Kostrikov et al. 2021, locomotion
    iql_cap: float = 100.0  # idem
    td3_weight: float = 2.5  # Fujimoto & Gu 2021
    td3_noise: float = 0.2  # idem
    td3_noise_clip: float = 0.5  # idem
    baseline_steps: int = 1000  # of iql and td3_bc [own]
    baseline_rate: float = 1e-4  # of their policies [own]

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be."""
        for name in (
            "members",
            "batch",
            "horizon",
            "start_states",
            "acceptance_every",
            "model_epochs",
        ):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be >= 1, got {getattr(self, name)}")
        for name in ("gamma", "expectile"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise ConfigError(f"{name} must be in (0, 1), got {getattr(self, name)}")
        if not 1 <= self.model_elites <= self.model_members:
            raise ConfigError(f"model_elites {self.model_elites} of {self.model_members} members")
        if self.method not in METHODS:
            raise ConfigError(f"method '{self.method}': expected one of {list(METHODS)}")

    @property
    def count(self) -> int:
        """Policies trained: an ensemble for Uni-O4 alone."""
        return self.members if self.method == "uni_o4" else 1
