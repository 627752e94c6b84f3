"""From what a person holds to a velocity command: dead band, limits, and zero if nobody is there.

A joystick that is moved has precedence over commanded velocities (navigation, keyboard); both
count for a moment only, so that a broken cable or a dead planner leaves a robot that stands.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from robot_policies.interface import ContractError


@dataclass(frozen=True)
class TeleopSettings:
    """How a person steers.

    Attributes:
        fastest: Forward [m/s], left [m/s], turn [rad/s]; what the walking policy was judged at.
        dead_band: Share of a stick's way that is nothing: a released stick does not rest at 0.
        timeout: After it, what was said last no longer counts. [s]
        axes: Indices of the sticks for forward, left and turn in `sensor_msgs/Joy`, as `joy_node`
            numbers a gamepad's: left stick, and right stick sideways.
        buttons: Index of the button for each wish: B, Y, A, X and start of such a gamepad.
    """

    fastest: tuple[float, float, float] = (0.8, 0.3, 0.5)
    dead_band: float = 0.1
    timeout: float = 0.5
    axes: tuple[int, int, int] = (1, 0, 3)
    buttons: Mapping[str, int] = field(
        default_factory=lambda: {
            "estop": 1,
            "stand": 3,
            "walk": 0,
            "lie_down": 2,
            "reset_estop": 7,
        }
    )


class Teleop:
    """One person, and what commands velocities besides."""

    def __init__(self, settings: TeleopSettings | None = None) -> None:
        """Begin with nobody there.

        Args:
            settings: How a person steers.
        """
        self.settings = settings or TeleopSettings()
        self._stick, self._stick_at = np.zeros(3), -np.inf
        self._command, self._command_at = np.zeros(3), -np.inf
        self._pressed: set[str] | None = None

    def stick(self, axes: Sequence[float], buttons: Sequence[int], now: float) -> list[str]:
        """Take a joystick's message.

        Args:
            axes: Each in [-1, 1], positive forward, left.
            buttons: 1 is pressed.
            now: Time. [s]

        Returns:
            What the buttons ask for that are pressed since this message; the stop button counts
            from the first message on, the others once they were seen released.

        Raises:
            ContractError: If an axis or a button is missing, or an axis is no number.
        """
        wanted = self.settings
        if max(wanted.axes) >= len(axes) or max(wanted.buttons.values()) >= len(buttons):
            raise ContractError(
                f"joystick with {len(axes)} axes and {len(buttons)} buttons; axes {wanted.axes} "
                f"and buttons {dict(wanted.buttons)} are needed"
            )
        way = np.array([axes[i] for i in wanted.axes], float)
        if not np.isfinite(way).all():
            raise ContractError(f"joystick axes {way} are not finite")
        self._stick, self._stick_at = dead_band(way, wanted.dead_band) * wanted.fastest, now
        pressed = {wish for wish, i in wanted.buttons.items() if buttons[i]}
        before = wanted.buttons.keys() - {"estop"} if self._pressed is None else self._pressed
        self._pressed = pressed
        return sorted(pressed - before, key=list(wanted.buttons).index)

    def command(self, velocity: np.ndarray, now: float) -> None:
        """Take a commanded velocity; what is faster than a person may steer is limited to that.

        Args:
            velocity: Forward [m/s], left [m/s], turn [rad/s].
            now: Time. [s]

        Raises:
            ContractError: If it is not three numbers.
        """
        wanted = np.array(velocity, float)
        if wanted.shape != (3,) or not np.isfinite(wanted).all():
            raise ContractError(f"velocity command {velocity}, expected 3 finite numbers")
        fastest = np.array(self.settings.fastest)
        self._command, self._command_at = np.clip(wanted, -fastest, fastest), now

    def velocity(self, now: float) -> np.ndarray:
        """Return forward [m/s], left [m/s], turn [rad/s] now. Shape (3,)."""
        if self._stick.any() and self._counts(self._stick_at, now):
            return self._stick
        if self._counts(self._command_at, now):
            return self._command
        return np.zeros(3)

    def is_there(self, now: float) -> bool:
        """Return whether the person is: a joystick that was heard once must go on."""
        return self._stick_at == -np.inf or self._counts(self._stick_at, now)

    def _counts(self, said: float, now: float) -> bool:
        """Return whether what was said still counts; not if the clock was set back since."""
        return 0.0 <= now - said <= self.settings.timeout


def dead_band(way: np.ndarray, band: float) -> np.ndarray:
    """Return ways in [-1, 1] with the dead band cut out: 0 within it, then straight to 1 at 1."""
    beyond = np.clip((np.abs(way) - band) / (1.0 - band), 0.0, 1.0)
    return np.sign(way) * beyond


class Keys:
    """A keyboard as a source of velocities and wishes."""

    STEPS: Mapping[str, tuple[float, float, float]] = {
        "w": (0.1, 0.0, 0.0),
        "s": (-0.1, 0.0, 0.0),
        "a": (0.0, 0.1, 0.0),
        "d": (0.0, -0.1, 0.0),
        "q": (0.0, 0.0, 0.1),
        "e": (0.0, 0.0, -0.1),
    }
    WISHES: Mapping[str, str] = {
        "x": "estop",
        "1": "stand",
        "2": "walk",
        "0": "lie_down",
        "r": "reset_estop",
    }

    def __init__(self, fastest: Sequence[float]) -> None:
        """Stand still.

        Args:
            fastest: Forward [m/s], left [m/s], turn [rad/s].
        """
        self._fastest = np.array(fastest)
        self.velocity = np.zeros(3)

    def press(self, key: str) -> str:
        """Take a key; return the wish it stands for, empty if it steers or is none of ours."""
        if key in self.STEPS:
            velocity = self.velocity + self.STEPS[key]
            self.velocity = np.clip(velocity.round(6), -self._fastest, self._fastest)
        elif key == " " or key in self.WISHES:
            self.velocity = np.zeros(3)
        return self.WISHES.get(key, "")
