"""What one frame of the quadruped holds and where: nothing else knows its order.

    turn 3 | gravity 3 | command 3 | joint positions J, velocities J | target J | clock 2

All in normalised units. `turn` is the trunk's turning rate and `gravity` the direction down, both
in the body frame; `command` asks for a speed forward, to the left, and a turning rate; `target`
is the joint targets in force; `clock` is sine and cosine of the gait, 0 while standing.

Letters: `J` joints, `F` frame width.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

# What a mirror M = diag(1, -1, 1), the robot's x-z plane, makes of a vector v (M v), of a turning
# rate w (-M w), of a command (forward, left, turning), and of a trot's clock: the diagonal pairs
# swap, which is half a period, and sin(x + pi) = -sin(x), cos(x + pi) = -cos(x).
VECTOR, TURN, COMMAND, CLOCK = (1.0, -1.0, 1.0), (-1.0, 1.0, -1.0), (1.0, -1.0, -1.0), (-1.0, -1.0)


class FrameLayout:
    """The blocks of a frame.

    Attributes:
        turn: Place of the trunk's turning rate.
        gravity: Place of the direction down.
        command: Place of what is asked for.
        state: Place of joint positions and velocities.
        target: Place of the joint targets in force.
        clock: Place of the gait's sine and cosine.
        down: Number of the downward part of gravity, -1 where the robot stands upright.
        measured: Places of what a step changes and nobody chooses: turn, gravity, state.
        width: Numbers in a frame, F.
    """

    def __init__(self, joints: int) -> None:
        """Lay out a frame of a robot with so many joints."""
        self.joints = joints
        widths = {
            "turn": 3,
            "gravity": 3,
            "command": 3,
            "state": 2 * joints,
            "target": joints,
            "clock": 2,
        }
        *starts, self.width = accumulate(widths.values(), initial=0)
        self._blocks = {
            name: slice(start, start + width)
            for start, (name, width) in zip(starts, widths.items(), strict=True)
        }
        self.turn, self.gravity, self.command, *rest = self._blocks.values()
        self.state, self.target, self.clock = rest
        self.measured = (self.turn, self.gravity, self.state)
        self.down = self.gravity.start + 2

    def in_order(self, **blocks: Any) -> list[Any]:
        """Return blocks, each (..., its width), as they stand in a frame."""
        return [blocks[name] for name in self._blocks]

    def mirror(self, index: Sequence[int], sign: Sequence[float]) -> tuple[list[int], list[float]]:
        """Return which number of a frame stands where in the frame of the mirrored robot.

        Args:
            index: Joint that takes each joint's place. Shape (J,).
            sign: What its value is multiplied by then. Shape (J,).

        Returns:
            Number of the frame and sign, for each place. Shape (F,) each.
        """
        order, signs = list(range(self.width)), [1.0] * self.width
        signs[self.turn], signs[self.gravity], signs[self.command] = TURN, VECTOR, COMMAND
        signs[self.clock] = CLOCK
        for start in (self.state.start, self.state.start + self.joints, self.target.start):
            joints = slice(start, start + self.joints)
            order[joints], signs[joints] = (start + i for i in index), sign
        return order, signs
