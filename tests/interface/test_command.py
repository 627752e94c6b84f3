import numpy as np
import pytest
from toy_robot import toy_robot

from robot_policies.interface import (
    ActionKind,
    BackendError,
    Command,
    CommandMode,
    check_command,
)

ROBOT = toy_robot({"shoulder": {}, "elbow": {"upper": 0.5}})  # +-1 rad, 2 rad/s
ANY = frozenset(ActionKind)
POSITION, VELOCITY, BASE = (
    ActionKind.JOINT_POSITION,
    ActionKind.JOINT_VELOCITY,
    ActionKind.BASE_VELOCITY,
)
DAMP = CommandMode.DAMP


def checked(values, kind=POSITION, mode=CommandMode.POLICY, accepts=ANY):
    check_command(Command(0.0, np.array(values), kind, mode), ROBOT, accepts, "engine")


@pytest.mark.parametrize(
    ("values", "kind", "mode"),
    [
        ([-1.0, 0.5], POSITION, CommandMode.POLICY),
        ([-1.0 - 1e-12, 0.5 + 1e-12], POSITION, CommandMode.POLICY),  # summed up to it
        ([2.0, -2.0], VELOCITY, CommandMode.POLICY),
        ([9.0, 9.0, 9.0], BASE, CommandMode.POLICY),
        ([9.0, 9.0], POSITION, DAMP),  # a joint that gives way has no target
    ],
)
def test_a_command_on_the_limits_passes(values, kind, mode):
    checked(values, kind, mode)


@pytest.mark.parametrize(
    ("values", "kind", "mode", "complaint"),
    [
        ([0.0, 0.6], POSITION, CommandMode.HOLD, r"command\[elbow\] = 0.6 is outside \[-1, 0.5\]"),
        ([0.0, 2.1], VELOCITY, CommandMode.POLICY, r"\[elbow\] = 2.1 is outside \[-2, 2\]"),
        ([np.nan, 0.0], POSITION, DAMP, r"command\[shoulder\] = nan"),
        ([0.0, np.inf, 0.0], BASE, CommandMode.POLICY, r"command\[linear.y\] = inf"),
        ([0.0], POSITION, CommandMode.POLICY, r"of shape \(1,\), expected \(2,\)"),
        ([0.0, 0.0], BASE, CommandMode.POLICY, r"of shape \(2,\), expected \(3,\)"),
    ],
)
def test_a_command_no_motor_should_get_is_refused_by_name(values, kind, mode, complaint):
    with pytest.raises(BackendError, match=complaint):
        checked(values, kind, mode)


def test_a_kind_the_backend_cannot_track_is_refused():
    with pytest.raises(BackendError, match=r"engine: cannot track joint_velocity, only \["):
        checked([0.0, 0.0], VELOCITY, accepts=frozenset({POSITION}))
