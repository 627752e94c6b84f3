"""Why a command was refused."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np


class Cause(StrEnum):
    """Why a command was refused."""

    NO_ACTION = "no_action"  # no valid action for longer than the time limit
    NOT_FINITE = "not_finite"
    NAMES = "names"  # wrong element names
    KIND = "kind"  # a kind of action that cannot be judged
    POSITION = "position"
    VELOCITY = "velocity"
    ACCELERATION = "acceleration"
    EFFORT = "effort"
    FOLLOWING_ERROR = "following_error"
    WORKSPACE = "workspace"
    STALE_ACTION = "stale_action"  # answers an observation that is too old
    STALE_STATE = "stale_state"  # the robot's measurements are missing or too old
    CLOCK = "clock"  # time went backwards, or a stamp lies in the future
    IMPLAUSIBLE = "implausible"  # a joint cannot be where it was measured just now
    STATE = "state"  # the robot's measurements are no numbers, or have been implausible for long
    TILT = "tilt"
    FAULT = "fault"  # the robot stopped itself, or asks to be stopped
    BUSY = "busy"  # it does something by itself and would not follow
    REFUSALS = "refusals"  # the policy kept asking for what is not allowed
    OPERATOR = "operator"
    FORCE = "force"  # the load on a person is too high
    PROXIMITY = "proximity"  # a step would lead too near a person
    CLOUD_STALE = "cloud_stale"  # the person was not seen for too long
    HUMAN_MOVED = "human_moved"  # the person is no longer where they were seen


@dataclass(frozen=True)
class Refusal:
    """A command that was not sent, and why.

    Attributes:
        cause: The rule that refused.
        text: One line for people.
        joint: Joint or element concerned; empty if it is no single one.
        value: What was asked for or measured, in the unit of the rule.
        limit: The bound it broke.
        margin: Distance to the bound, negative when broken; NaN where there is none.
    """

    cause: Cause
    text: str
    joint: str = ""
    value: float = np.nan
    limit: float = np.nan
    margin: float = np.nan
