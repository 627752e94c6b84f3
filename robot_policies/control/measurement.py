"""Whether a measurement is good enough to judge a command by, and the robot still stands."""

import math

import numpy as np

from robot_policies.control.rules import Cause, Refusal
from robot_policies.interface import RobotSpec, RobotState
from robot_policies.interface.observation import IMU

UNIT = 0.1  # by how much the norm of a measured quaternion may differ from 1


class MeasurementJudge:
    """Judges one measurement after another."""

    def __init__(self, robot: RobotSpec, timeout: float) -> None:
        """Take what is expected.

        Args:
            robot: The robot.
            timeout: Oldest measurement that still counts. [s]
        """
        self._robot, self._timeout = robot, timeout
        self._ahead = 1.0 / robot.control_rate  # by how much another clock's stamp may lead
        self.forget()

    def forget(self) -> None:
        """Take the next stamp whatever it is."""
        self._stamp = -np.inf

    def judge(self, state: RobotState, now: float) -> Refusal | None:
        """Refuse a measurement that is no number, out of time, or of a robot that fell or failed.

        Args:
            state: The measurement.
            now: Time. [s]
        """
        before, self._stamp = self._stamp, state.stamp
        if state.fault:
            return Refusal(Cause.FAULT, state.fault)
        if broken := self._judge_joints(state):
            return broken
        if state.stamp < before:
            text = f"joint states jumped back from {before:.3f} s to {state.stamp:.3f} s"
            return Refusal(Cause.CLOCK, text, "", state.stamp, before, state.stamp - before)
        return self._judge_age("joint states", state.stamp, now) or self._judge_tilt(state, now)

    def _judge_joints(self, state: RobotState) -> Refusal | None:
        names = self._robot.joint_names
        streams = {"joint_position": state.joint_position, "joint_velocity": state.joint_velocity}
        for what, values in streams.items():
            if values.shape != (len(names),):
                text = f"measured {what} has shape {values.shape}, expected ({len(names)},)"
                return Refusal(Cause.STATE, text)
            finite = np.isfinite(values)
            if not finite.all():
                i = int(np.argmin(finite))
                text = f"measured {what} of '{names[i]}' is {values[i]}"
                return Refusal(Cause.STATE, text, names[i], float(values[i]))
        return None

    def _judge_age(self, what: str, stamp: float, now: float) -> Refusal | None:
        age, limit = now - stamp, self._timeout
        if age < -self._ahead:
            text = f"{what} stamped {stamp:.3f} s, but it is {now:.3f} s"
            return Refusal(Cause.CLOCK, text, "", stamp, now, now - stamp)
        if age <= limit:
            return None
        text = f"{what} {1e3 * age:.0f} ms old, limit {1e3 * limit:.0f} ms"
        return Refusal(Cause.STALE_STATE, text, "", age, limit, limit - age)

    def _judge_tilt(self, state: RobotState, now: float) -> Refusal | None:
        limit = self._robot.tilt_limit
        if limit is None:
            return None
        if IMU not in state.features or IMU not in state.stamps:
            return Refusal(Cause.STALE_STATE, "no imu measurement, tilt cannot be judged")
        x, y, z, w = state.features[IMU][:4].tolist()
        norm = math.hypot(x, y, z, w)
        if not abs(norm - 1.0) < UNIT:
            text = f"imu orientation has norm {norm:.3g}, expected 1"
            return Refusal(Cause.STATE, text, "", norm, 1.0)
        if late := self._judge_age("imu", state.stamps[IMU], now):
            return late
        # Angle between the base's z axis and up, from the rotation matrix's last element.
        angle = math.acos(max(-1.0, 1.0 - 2.0 * (x * x + y * y) / norm**2))
        if angle <= limit:
            return None
        text = f"base tilted {angle:.2f} rad, limit {limit:.2f} rad"
        return Refusal(Cause.TILT, text, self._robot.links[0].name, angle, limit, limit - angle)
