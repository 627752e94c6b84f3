"""What a joint trajectory controller does with a trajectory: refuse, follow, give up.

As ros2_controllers' JointTrajectoryController: a trajectory names known joints, its times grow,
and positions between two points are linear in time. A joint that lags by more than the path
tolerance ends it, and so does one that is not at its goal in time; the joints then stay where they
are, until the next trajectory.

Source: control.ros.org, joint_trajectory_controller, "Parameters" and "Trajectory Representation".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from robot_policies_hardware.emulators.motion import AT_ONCE, Motion, Motor


@dataclass(frozen=True)
class Tolerances:
    """What a controller puts up with; its parameters below `constraints`.

    Attributes:
        path: How far a joint may lag, `<joint>.trajectory`; 0: as far as it does. [rad], [m]
        goal: How far it may be from its goal in the end, `<joint>.goal`; 0: anywhere. [rad], [m]
        goal_time: By how much it may be late there, `goal_time`; 0: for ever. [s]
    """

    path: float = 0.0
    goal: float = 0.0
    goal_time: float = 0.0


NONE = Tolerances()  # nothing is asked of the joints


@dataclass(frozen=True)
class Way:
    """A trajectory that was accepted.

    Attributes:
        names: Its joints.
        times: From when it was accepted, the first one zero. Shape (T,). [s]
        positions: At these times. Shape (T, n). [rad], [m]
    """

    names: tuple[str, ...]
    times: np.ndarray
    positions: np.ndarray

    def at(self, time: float) -> dict[str, float]:
        """Return where each joint should be. [rad], [m]."""
        columns = self.positions.T
        return {
            name: float(np.interp(time, self.times, column))
            for name, column in zip(self.names, columns, strict=True)
        }


class JointController:
    """Joints and the controller that moves them.

    Attributes:
        rejected: Why trajectories were refused.
        aborted: Why trajectories were given up.
    """

    def __init__(
        self,
        position: Mapping[str, float],
        motion: Motion = AT_ONCE,
        tolerances: Tolerances = NONE,
    ) -> None:
        """Let the joints stand.

        Args:
            position: Where each is. [rad], [m]
            motion: How each moves, with positions in rad or m.
            tolerances: When a trajectory is given up.
        """
        self._motors = {name: Motor(where, motion) for name, where in position.items()}
        self._tolerances = tolerances
        self._way: Way | None = None
        self._elapsed = 0.0
        self.rejected: list[str] = []
        self.aborted: list[str] = []

    @property
    def position(self) -> dict[str, float]:
        """Where each joint is. [rad], [m]."""
        return {name: motor.position for name, motor in self._motors.items()}

    @property
    def velocity(self) -> dict[str, float]:
        """How fast each joint moves. [rad/s], [m/s]."""
        return {name: motor.velocity for name, motor in self._motors.items()}

    def put(self, position: Mapping[str, float]) -> None:
        """Put joints somewhere by hand; nothing is followed any more. [rad], [m]."""
        self._way = None
        for name, where in position.items():
            self._motors[name].stand(where)

    def accept(
        self, names: Sequence[str], times: Sequence[float], positions: Sequence[Sequence[float]]
    ) -> bool:
        """Follow a trajectory from now on, instead of the one before; return whether it may be.

        Args:
            names: Its joints.
            times: Time of each point, from now. Shape (T,). [s]
            positions: Of the joints at each point. Shape (T, n). [rad], [m]
        """
        if reason := self._fault(names, times, positions):
            self.rejected.append(reason)
            return False
        start = [self._motors[name].position for name in names]
        rows = np.array([start, *positions], float)
        self._way = Way(tuple(names), np.array([0.0, *times]), rows)
        self._elapsed = 0.0
        return True

    def advance(self, seconds: float) -> None:
        """Let time pass. [s]."""
        self._elapsed += seconds
        wanted = self._way.at(self._elapsed) if self._way else {}
        for name, motor in self._motors.items():
            motor.advance(seconds, wanted.get(name, motor.position))
        if reason := self._strayed(wanted):
            self.aborted.append(reason)
            self._way = None

    def _strayed(self, wanted: Mapping[str, float]) -> str:
        """Return which joint is where it should not be, and how far; empty if none is."""
        if self._way is None:
            return ""
        allowed, late = self._tolerances, self._elapsed - self._way.times[-1]
        for name, place in wanted.items():
            off = abs(place - self._motors[name].position)
            if allowed.path and late <= 0.0 and off > allowed.path:
                return f"{name} lags {off:.3f}, {allowed.path:g} are tolerated"
            if allowed.goal and late > allowed.goal_time > 0.0 and off > allowed.goal:
                return (
                    f"{name} is {off:.3f} from its goal {allowed.goal_time:g} s after its time, "
                    f"{allowed.goal:g} are tolerated"
                )
        return ""

    def _fault(
        self, names: Sequence[str], times: Sequence[float], positions: Sequence[Sequence[float]]
    ) -> str:
        if not len(names) or len(set(names)) < len(names):
            return f"joints {list(names)}"
        if unknown := [name for name in names if name not in self._motors]:
            return f"no joints {unknown}"
        if not len(times) or any(late <= early for early, late in pairwise((0.0, *times))):
            return f"times {list(times)} do not grow from 0"
        if any(len(row) != len(names) for row in positions):
            return f"a point has not {len(names)} positions"
        if not np.isfinite(np.array(positions, float)).all():
            return "a position is no number"
        return ""
