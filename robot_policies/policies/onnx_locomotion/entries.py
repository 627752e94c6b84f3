"""The entries of `network` in a walking policy's contract, each checked by itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from robot_policies.interface import ConfigError
from robot_policies.interface.errors import suggestion
from robot_policies.policies.onnx_locomotion.terms import KINDS

STACKED = ("term", "time")
MOST_STEPS = 1000  # that a policy looks back


@dataclass(frozen=True)
class Term:
    """One entry of `observation`; the attributes are its keys.

    Attributes:
        term: Its kind, of `KINDS`.
        unit: Of the kind, for people.
        frame: Link whose frame a vector is in; empty for what is in none.
        scale: What is given to the network of one unit.
        clip: Least and greatest scaled value.
        history: Control steps ago, 0 the newest, in the order of the input.
    """

    term: str
    unit: str | list[str] = ""
    frame: str = ""
    scale: Any = 1.0
    clip: Any = None
    history: Any = (0,)

    def __post_init__(self) -> None:
        """Refuse a term that nobody knows, or in another unit."""
        if self.term not in KINDS:
            raise ConfigError(f"no term '{self.term}'.{suggestion(str(self.term), KINDS)}")
        unit = KINDS[self.term].unit
        known = unit if isinstance(unit, str) else [*unit]
        if self.unit != known:
            raise ConfigError(f"'{self.term}' is in {known}, not in {self.unit!r}")
        ages = self.history
        if not isinstance(ages, list | tuple) or not ages:
            raise ConfigError(f"'{self.term}': history {ages!r} must list control steps ago")
        for age in ages:
            if type(age) is not int or not 0 <= age < MOST_STEPS:
                raise ConfigError(
                    f"'{self.term}': history {age!r} must be a whole number of control steps, "
                    f"0 to {MOST_STEPS - 1}"
                )


@dataclass(frozen=True)
class Network:
    """All of it; the attributes are the keys, as the file has them."""

    default_position: Any
    observation: Any
    action: Mapping[str, Any]
    stacked_by: str = "term"

    def __post_init__(self) -> None:
        if self.stacked_by not in STACKED:
            raise ConfigError(
                f"no stacked_by '{self.stacked_by}'.{suggestion(str(self.stacked_by), STACKED)}"
            )
        if not isinstance(self.observation, list) or not self.observation:
            raise ConfigError(f"observation must be a list of terms, got {self.observation!r}")


@dataclass(frozen=True)
class Answer:
    """The entry `action`, likewise."""

    scale: Any
    offset: Any
    clip: Any = None
    limits: Any = None
    speed: Any = None
