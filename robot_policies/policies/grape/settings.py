"""Numbers of an alignment, and the methods there are."""

from dataclasses import asdict, dataclass

from robot_policies.interface import ConfigError, UnknownNameError

METHODS = {
    "tpo": "one sigmoid for each pair of trajectories: GRAPE",
    "window": "one for each pair of windows of steps: GRAPE's released trainer",
    "step": "one for each pair of steps: DPO",
    "stage": "one for each stage both have reached: STARE-VLA",
    "clone": "no preference, the chosen trajectories are imitated",
    "unpaired": "chosen and rejected each for itself: KTO",
    "group": "leave-one-out policy gradient over all attempts: RIPT-VLA",
    "conditioned": "all attempts are imitated, told whether they are above average: RECAP",
}
OVER_ALL = ("group", "conditioned")  # of all attempts, without pairs


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
