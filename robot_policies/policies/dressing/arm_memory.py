"""The arm as it was before the sleeve hid it.

The paper keeps the arm of the first picture, because the person holds still (arXiv 2306.12372,
Sec. IV-B). Here it is moved along when what is still seen of it lies elsewhere.
"""

import numpy as np

from robot_policies.interface.clouds import alignment

SHIFT = 0.01  # m; less may be what the sleeve hides and shows
ENOUGH = 30  # points that say where the arm is now


class ArmMemory:
    """The arm of one episode.

    Attributes:
        points: Where it is, as far as is known. Shape (m, 3). [m]
    """

    def __init__(self) -> None:
        """Know nothing."""
        self.forget()

    def forget(self) -> None:
        """Take the next arm that is seen."""
        self.points = np.empty((0, 3))

    def see(self, arm: np.ndarray) -> np.ndarray:
        """Return the whole arm where it is now. Shape (m, 3). [m].

        Args:
            arm: What is seen of it. Shape (n, 3). [m]
        """
        if not len(self.points):
            self.points = arm
        elif len(arm) >= ENOUGH:
            shift = alignment(arm, self.points)
            if np.linalg.norm(shift) > SHIFT:
                self.points = self.points + shift
        return self.points
