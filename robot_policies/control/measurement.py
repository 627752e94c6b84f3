"""Whether a measurement is good enough to judge a command by, and the robot still stands.

A joint that cannot be where it was measured costs that measurement. If it happens again within
the age at which a measurement no longer counts, for as long as that, then the robot is as blind as
a silent one, and nothing says where its joints are: somebody has to look.
"""

import math

import numpy as np

from robot_policies.control.refusal import Cause, Refusal
from robot_policies.control.streak import Streak
from robot_policies.interface import RobotSpec, RobotState
from robot_policies.interface.backend import ROUNDING
from robot_policies.interface.observation import IMU
from robot_policies.interface.plausibility import Plausibility

UNIT = 0.1  # by how much the norm of a measured quaternion may differ from 1


def rest_pose(robot: RobotSpec, state: RobotState) -> np.ndarray:
    """Return the pose that a holding or damping command names: the measured one, as it is.

    Clipped to the range, it would move a joint that was found outside. Where nothing usable is
    measured it is the default pose; the robot is damped then, and a damped joint has no target.

    Args:
        robot: The robot.
        state: Its measurement.

    Returns:
        Shape (n,). [rad], [m]
    """
    measured = state.joint_position
    if measured.shape != robot.default.shape:
        return robot.default
    return np.where(np.isfinite(measured), measured, robot.default)


class MeasurementJudge:
    """Judges one measurement after another.

    Attributes:
        skipped: Measurements that were implausible.
    """

    def __init__(self, robot: RobotSpec, timeout: float) -> None:
        """Take what is expected.

        Args:
            robot: The robot.
            timeout: Oldest measurement that still counts. [s]
        """
        self._robot, self._timeout = robot, timeout
        self._ahead = 1.0 / robot.control_rate  # by how much another clock's stamp may lead
        self._joints, self.skipped = Plausibility(robot), 0
        self._doubting = Streak(timeout)
        self._doubted = -np.inf  # stamp of the newest one that was doubted: it may be read again
        self.forget()

    def forget(self) -> None:
        """Take the next stamp and the next pose whatever they are."""
        self._stamp = -np.inf
        self._doubting.end()
        self._joints.forget()

    def judge(self, state: RobotState, now: float) -> Refusal | None:
        """Refuse a measurement that is no number, out of time, of a robot that fell or failed.

        A joint that cannot be where it was measured is `IMPLAUSIBLE`, and when that lasts `STATE`.
        What was seen last is then what the next measurement is compared with.

        Args:
            state: The measurement.
            now: Time. [s]
        """
        if state.fault:
            return Refusal(Cause.FAULT, state.fault)
        return (
            self._judge_numbers(state)
            or self._judge_age("joint states", state.stamp, now)
            or self._judge_order(state.stamp)
            or self._judge_tilt(state, now)
            or self._judge_joints(state, now)
        )

    def _judge_numbers(self, state: RobotState) -> Refusal | None:
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

    def _judge_order(self, stamp: float) -> Refusal | None:
        before, self._stamp = self._stamp, stamp
        if stamp >= before:
            return None
        self._joints.shift(stamp - before)
        text = f"joint states jumped back from {before:.3f} s to {stamp:.3f} s"
        return Refusal(Cause.CLOCK, text, "", stamp, before, stamp - before)

    def _judge_tilt(self, state: RobotState, now: float) -> Refusal | None:
        """Judge the angle between the base's z axis and up, acos(R_33).

        R_33 = 1 - 2 (x^2 + y^2) is the last element of the rotation matrix of a unit quaternion.
        """
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

    def _judge_joints(self, state: RobotState, now: float) -> Refusal | None:
        found = self._joints.judge(state.joint_position, state.stamp)
        if found is None:
            return None
        i, text = found
        self.skipped += state.stamp != self._doubted
        self._doubted = state.stamp
        lasting = self._doubting.add(now)
        cause = Cause.IMPLAUSIBLE
        if lasting >= self._timeout * (1.0 - ROUNDING):
            cause, text = Cause.STATE, f"{text}, for {lasting:.2f} s"
            self._joints.forget()
        return Refusal(cause, text, self._robot.joint_names[i], float(state.joint_position[i]))
