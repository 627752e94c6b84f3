"""The modes of a legged robot: their gains, the ways between them, and how long they take."""

from dataclasses import dataclass
from enum import StrEnum

from robot_policies.interface import CommandMode


class LeggedMode(StrEnum):
    """What the robot is doing."""

    PASSIVE = "passive"
    STAND_UP = "stand_up"
    STAND = "stand"
    POLICY = "policy"
    LIE_DOWN = "lie_down"
    ESTOP = "estop"


GAINS = {
    LeggedMode.PASSIVE: CommandMode.DAMP,
    LeggedMode.STAND_UP: CommandMode.HOLD,
    LeggedMode.STAND: CommandMode.HOLD,
    LeggedMode.POLICY: CommandMode.POLICY,
    LeggedMode.LIE_DOWN: CommandMode.HOLD,
    LeggedMode.ESTOP: CommandMode.DAMP,
}
# What a person may ask for, and where that leads from which mode.
WAYS = {
    LeggedMode.STAND: {
        LeggedMode.PASSIVE: LeggedMode.STAND_UP,
        LeggedMode.LIE_DOWN: LeggedMode.STAND_UP,
        LeggedMode.POLICY: LeggedMode.STAND,
        LeggedMode.STAND_UP: LeggedMode.STAND_UP,
    },
    LeggedMode.POLICY: {LeggedMode.STAND: LeggedMode.POLICY},
    LeggedMode.LIE_DOWN: {
        LeggedMode.STAND: LeggedMode.LIE_DOWN,
        LeggedMode.STAND_UP: LeggedMode.LIE_DOWN,
    },
}


@dataclass(frozen=True)
class ModeTimes:
    """How long things take.

    Attributes:
        stand_up: Standing up. [s]
        lie_down: Lying down. [s]
        settle: From a walking pose to the default pose. [s]
        blend: From one mode's gains to the next one's, and from standing to a policy. [s]
        target_timeout: Older targets count as late: three control steps at 50 Hz. [s]
        late_hold: The last target is held for this much longer, then the robot stands. [s]
        reach: Largest distance of a joint from its target after standing up; a robot that got no
            nearer lies down again. [rad]
        step: A servo step that takes longer is a pause; four steps of the slowest servo. [s]
        backlog: What was measured during a pause has arrived this long after it. [s]
    """

    stand_up: float = 2.0
    lie_down: float = 2.0
    settle: float = 0.5
    blend: float = 0.3
    target_timeout: float = 0.06
    late_hold: float = 0.1
    reach: float = 0.5
    step: float = 0.02
    backlog: float = 0.02
