"""Where a person is, from clouds of points; whether that is known, and still true.

The first cloud says where the person is. Later ones show less of them, as a sleeve covers the arm,
but what they show has to lie where it lay. After a shift the robot waits until the person holds
still again; what is known is then moved by it, and what is seen is added.

Whether the person holds still is judged between clouds that follow each other, which show the same
part of the arm. Against the first cloud the shift of a covered arm that rests varies by 1 cm.
"""

import numpy as np

from robot_policies.control.refusal import Cause, Refusal
from robot_policies.interface import RobotState
from robot_policies.interface.clouds import alignment, present
from robot_policies.interface.observation import POINTS
from robot_policies.interface.person import PersonLimits

STILL = 0.25  # share of the allowed shift by which a person may sway who holds still
STILL_TIME = 0.3  # s; after this long the person holds still


class PersonCloud:
    """What is known of where a person is.

    Attributes:
        points: Base frame, as far as is known. Shape (n, 3). [m]
    """

    def __init__(self, limits: PersonLimits) -> None:
        """Know nothing yet.

        Args:
            limits: Those beside a person.
        """
        self._limits = limits
        self.points = np.empty((0, 3))
        self._shift, self._moving = np.zeros(3), False
        self._resting = self.points  # a cloud, and since when the person is where it says [s]
        self.unseen()

    def unseen(self) -> None:
        """Wait for the next cloud, on whatever clock it is stamped."""
        self._stamp, self._since = -np.inf, np.inf

    def judge(self, state: RobotState, now: float) -> Refusal | None:
        """Refuse to move by a cloud that is old, or beside a person who moved.

        Args:
            state: A measurement, with a cloud or without.
            now: Time. [s]
        """
        stamp = state.stamps.get(POINTS, -np.inf)
        if stamp > self._stamp:
            self._take(np.asarray(state.features[POINTS]), stamp)
        age, limits = now - self._stamp, self._limits
        if not age <= limits.cloud_age:
            text = f"the person was last seen {age:.2f} s ago, limit {limits.cloud_age:g} s"
            return Refusal(
                Cause.CLOUD_STALE, text, "", age, limits.cloud_age, limits.cloud_age - age
            )
        if self._moving:
            moved = float(np.linalg.norm(self._shift))
            text = f"the person moved by {1e3 * moved:.0f} mm, limit {1e3 * limits.shift:g} mm"
            return Refusal(Cause.HUMAN_MOVED, text, "", moved, limits.shift, limits.shift - moved)
        return None

    def distance(self, point: np.ndarray) -> float:
        """Return how far the person is from a point (3,); infinite if nobody was seen. [m]."""
        return float(np.linalg.norm(self.points - point, axis=1).min(initial=np.inf))

    def _take(self, cloud: np.ndarray, stamp: float) -> None:
        cloud = present(cloud)
        seen = cloud[cloud[:, 3] == self._limits.person_class, :3].astype(np.float64)
        if not len(seen):
            return  # and the last one becomes stale
        self._stamp, self._since = stamp, min(self._since, stamp)
        if not len(self.points):
            self.points, self._resting = seen, seen
            return
        shift = self._shift = alignment(seen, self.points)
        if np.linalg.norm(alignment(seen, self._resting)) > STILL * self._limits.shift:
            self._resting, self._since = seen, stamp
        if self._moving and stamp - self._since >= STILL_TIME:
            # What is seen now is there, and what is hidden has probably moved alike.
            self.points = np.concatenate([seen, self.points + shift])
            self._shift, self._moving = np.zeros(3), False
        elif np.linalg.norm(shift) > self._limits.shift:
            self._moving = True
