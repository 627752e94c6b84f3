"""LeRobot's teleoperator `keys`: a keyboard moves one joint after the other, degree by degree.

Keys come through LeRobot's own listener. `n`, `r` and `q` are `lerobot-record`'s and stay free.
"""

from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from lerobot.motors.motors_bus import MotorNormMode
from lerobot.teleoperators import Teleoperator, TeleoperatorConfig
from lerobot.utils.keyboard_input import create_key_listener

from robot_policies.catalog import load_robot
from robot_policies.interface import BackendError, ConfigError
from robot_policies.lerobot_plugin.simulated import PERCENT
from robot_policies_hardware.motor_units import MotorUnits

UP, DOWN = "wetyuiop", "sdfghjkl"  # of the first joint, the second, ...


@TeleoperatorConfig.register_subclass("keys")
@dataclass(kw_only=True)
class KeysConfig(TeleoperatorConfig):
    """What is steered.

    Attributes:
        table: The robot's table.
        step: How far one press moves a joint. [rad], [m]
    """

    table: str = "so101"
    step: float = 0.03


class Keys(Teleoperator):
    """A keyboard; the first target is the default pose of the robot's table."""

    config_class = KeysConfig
    name = "keys"

    def __init__(self, config: KeysConfig) -> None:
        """Take the joints.

        Args:
            config: What is steered.

        Raises:
            ConfigError: If there is no such robot, or it has more joints than there are keys.
        """
        super().__init__(config)
        self._robot, self._step = load_robot(config.table), config.step
        names = self._robot.joint_names
        if len(names) > len(UP):
            raise ConfigError(f"keys: {config.table} has {len(names)} joints, expected {len(UP)}")
        if not config.step > 0.0:
            raise ConfigError(f"keys: step = {config.step:g} rad, expected more than 0")
        modes = dict.fromkeys(names, MotorNormMode.DEGREES)
        modes |= {name: MotorNormMode.RANGE_0_100 for name in PERCENT if name in names}
        self._units = MotorUnits(self._robot, modes)
        self._lock, self._target = Lock(), self._robot.default.copy()
        self._listener: Any = None

    @property
    def action_features(self) -> dict[str, Any]:
        """A position of each motor."""
        return {f"{motor}.pos": float for motor in self._units.motors}

    @property
    def feedback_features(self) -> dict[str, Any]:
        """It feels nothing."""
        return {}

    @property
    def is_connected(self) -> bool:
        """Whether keys are heard."""
        return self._listener is not None

    def connect(self, calibrate: bool = True) -> None:
        """Listen.

        Args:
            calibrate: Unused.

        Raises:
            BackendError: If there is neither a terminal nor a display whose keys can be read.
        """
        joints = zip(UP, DOWN, self._robot.joint_names, strict=False)
        said = ", ".join(f"{up}/{down} {name}" for up, down, name in joints)
        self._listener = create_key_listener(self.press, controls_help=said)
        if self._listener is None:
            raise BackendError("keys: no keyboard; start it in a terminal")

    @property
    def is_calibrated(self) -> bool:
        """There is nothing to calibrate."""
        return True

    def calibrate(self) -> None:
        """Nothing to do."""

    def configure(self) -> None:
        """Nothing to do."""

    def press(self, key: str) -> None:
        """Move a joint by a step, as far as its range goes.

        Args:
            key: A key; one that means nothing is left alone.
        """
        for keys, way in ((UP, self._step), (DOWN, -self._step)):
            i = keys.find(key)
            if len(key) == 1 and 0 <= i < len(self._target):
                with self._lock:
                    moved = self._target[i] + way
                    self._target[i] = np.clip(moved, self._robot.lower[i], self._robot.upper[i])

    def get_action(self) -> dict[str, Any]:
        """Return the target of each motor, in LeRobot's units."""
        with self._lock:
            return dict(self._units.action(self._target))

    def send_feedback(self, feedback: dict[str, Any]) -> None:
        """Nothing to feel.

        Args:
            feedback: Unused.
        """

    def disconnect(self) -> None:
        """Stop listening."""
        listener, self._listener = self._listener, None
        if listener:
            listener.stop()
