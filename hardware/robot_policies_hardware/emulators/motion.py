"""How the motor of a position servo moves: with inertia and lag, no faster than it can."""

import math
from dataclasses import dataclass

STEP = 0.002  # s; longest step of the integration


@dataclass(frozen=True)
class Motion:
    """What a motor can do, in the unit of its position: ticks of an encoder, radians or metres.

    Attributes:
        fastest: Highest speed. [1/s of the unit]
        gain: Speed per distance from the goal. [1/s]
        response: Time constant with which it takes up a speed; zero without inertia. [s]
    """

    fastest: float
    gain: float
    response: float


# 45 turns a minute, the no-load speed of the STS3215 at 7.4 V (Feetech's data sheet). Gain and
# response make a critically damped approach, four times the product of both being one.
SERVO = Motion(fastest=45.0 / 60.0 * 4096.0, gain=15.0, response=1.0 / 60.0)
AT_ONCE = Motion(fastest=math.inf, gain=math.inf, response=0.0)


class Motor:
    """A motor with a gearbox that holds it where it is while it has no torque.

    Attributes:
        position: Where its shaft is.
        velocity: How fast it turns. [1/s of the unit]
    """

    def __init__(self, position: float, motion: Motion) -> None:
        """Let it stand.

        Args:
            position: Where.
            motion: How it moves.
        """
        self._motion = motion
        self.stand(position)

    def stand(self, position: float) -> None:
        """Let it stand somewhere."""
        self.position, self.velocity = float(position), 0.0

    def advance(self, seconds: float, goal: float | None) -> None:
        """Let time pass.

        With p the distance to the goal, the velocity v follows the one that is wanted:
        `response * dv/dt = clip(gain * p, -fastest, fastest) - v`.

        Args:
            seconds: How long. [s]
            goal: Where to; `None` without torque.
        """
        if math.isinf(self._motion.gain):
            self.stand(self.position if goal is None else goal)
            return
        steps = max(math.ceil(seconds / STEP), 1)
        for _ in range(steps):
            self._step(seconds / steps, goal)

    def _step(self, dt: float, goal: float | None) -> None:
        motion = self._motion
        wanted = 0.0 if goal is None else motion.gain * (goal - self.position)
        wanted = min(max(wanted, -motion.fastest), motion.fastest)
        self.velocity += (wanted - self.velocity) * -math.expm1(-dt / motion.response)
        self.position += self.velocity * dt
