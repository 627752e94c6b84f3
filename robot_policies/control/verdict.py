"""What the safety gate decided."""

from dataclasses import dataclass
from enum import StrEnum

from robot_policies.control.refusal import Refusal
from robot_policies.interface import Command


class Level(StrEnum):
    """How far the gate had to go."""

    PASS = "pass"
    APPROACH = "approach"
    HOLD = "hold"
    DAMP = "damp"
    ESTOP = "estop"


@dataclass(frozen=True, eq=False)
class Verdict:
    """What to send, and why it is not what was asked for.

    Attributes:
        command: To be written to the robot.
        refusal: Why the action, or its absence, was not accepted; `None` if it was.
        level: How far the gate had to go.
    """

    command: Command
    refusal: Refusal | None
    level: Level
