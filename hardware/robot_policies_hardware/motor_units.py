"""From what LeRobot counts a robot's motors in to joints in SI, by name, and back."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from lerobot.motors.motors_bus import MotorNormMode

from robot_policies.interface import RobotSpec
from robot_policies.interface.schema import check_keys
from robot_policies.interface.units import CalibratedJoint
from robot_policies_hardware.lerobot_config import unit_of, unit_scale


class MotorUnits:
    """Two numbers of each joint: scale and offset.

    Attributes:
        motors: LeRobot's name of each joint, in the table's order.
    """

    def __init__(
        self,
        spec: RobotSpec,
        modes: Mapping[str, MotorNormMode],
        units: Mapping[str, str] | None = None,
        motors: Mapping[str, str] | None = None,
        zeros: Mapping[str, float] | None = None,
        signs: Mapping[str, float] | None = None,
        calibration: Mapping[str, CalibratedJoint] | None = None,
    ) -> None:
        """Take what is known of each joint.

        Args:
            spec: The robot's table.
            modes: What LeRobot's driver counts a motor in, by the motor's name.
            units: LeRobot's unit of a joint, if the driver does not say.
            motors: LeRobot's name of a joint, if it is another.
            zeros: Position in the robot's table where LeRobot's is 0. [rad], [m]
            signs: -1 for a joint that LeRobot counts the other way round.
            calibration: Calibrated joints by the motor's name, where the driver counts in
                -100..100.

        Raises:
            ConfigError: If a joint or a unit is unknown, or the driver counts otherwise.
        """
        options = {"units": units, "motors": motors, "zeros": zeros, "signs": signs}
        for name, option in options.items():
            check_keys(option or {}, spec.joint_names, f"lerobot.yaml: {name}")
        self.motors = tuple((motors or {}).get(name, name) for name in spec.joint_names)
        scales = []
        for joint, motor in zip(spec.joints, self.motors, strict=True):
            unit = unit_of(joint.name, (units or {}).get(joint.name), modes.get(motor))
            scales.append(unit_scale(joint, unit, (calibration or {}).get(motor)))
        sign = np.array([(signs or {}).get(name, 1.0) for name in spec.joint_names])
        zero = np.array([(zeros or {}).get(name, 0.0) for name in spec.joint_names])
        self._scale = sign * np.array([scale for scale, _ in scales])
        self._offset = zero + np.array([offset for _, offset in scales])

    def positions(self, values: Mapping[str, Any]) -> np.ndarray:
        """Return motors' positions v in SI: scale v + offset. Shape (n,). [rad], [m]."""
        return self._scale * [float(values[f"{m}.pos"]) for m in self.motors] + self._offset

    def velocities(self, values: Mapping[str, Any]) -> np.ndarray | None:
        """Return motors' speeds in SI, shape (n,), [rad/s], [m/s]; `None` if one is missing."""
        if not all(f"{motor}.vel" in values for motor in self.motors):
            return None
        return self._scale * [float(values[f"{motor}.vel"]) for motor in self.motors]

    def action(self, positions: np.ndarray) -> dict[str, float]:
        """Return LeRobot's action for joint positions: (position - offset) / scale.

        Args:
            positions: Shape (n,). [rad], [m]
        """
        targets = (positions - self._offset) / self._scale
        return {f"{m}.pos": float(v) for m, v in zip(self.motors, targets, strict=True)}
