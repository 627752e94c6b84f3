"""A legged robot: a backend whose modes stand between what is asked and what is sent.

The same object stands in front of a simulator and of a robot. To the safety gate and the loops
above it is a backend; while it does something by itself, its state says so and no policy is asked.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np

from robot_policies.control.mode_table import LeggedMode, ModeTimes
from robot_policies.control.modes import ModeMachine
from robot_policies.control.watch import WatchLimits
from robot_policies.interface import (
    ActionKind,
    BackendError,
    Command,
    CommandMode,
    RobotState,
    ServoBackend,
    Simulator,
)


class LeggedRobot:
    """An `OrderlyBackend` that stands up, follows, stands and lies down.

    Attributes:
        modes: Its modes.
    """

    accepts = frozenset({ActionKind.JOINT_POSITION})

    def __init__(
        self,
        servo: ServoBackend,
        times: ModeTimes | None = None,
        limits: WatchLimits | None = None,
    ) -> None:
        """Take a backend's servo; nothing is opened.

        Args:
            servo: The backend.
            times: How long things take.
            limits: What stops the robot.

        Raises:
            ConfigError: If its robot has no lying pose.
        """
        self.spec, self.provides = servo.spec, servo.provides
        self.modes = ModeMachine(servo.spec, times, limits)
        self._servo = servo
        servo.supervise(self.modes.step)

    def connect(self) -> None:
        """Open the device; the robot is passive."""
        self.modes.restart()
        self._servo.connect()

    def read(self, pictures: bool = True) -> RobotState:
        """Return the newest measurement, and what the robot does by itself."""
        state, mode, reason = self._servo.read(pictures), self.modes.mode, self.modes.reason
        if mode is LeggedMode.ESTOP:
            return replace(state, fault=state.fault or reason)
        if mode is LeggedMode.POLICY:
            return state
        return replace(state, busy=f"{mode}: {reason}" if reason else str(mode))

    def write(self, command: Command) -> Command:
        """Give the modes a command; return what is really sent.

        Raises:
            BackendError: If it is no position.
        """
        if command.kind not in self.accepts:
            raise BackendError(f"{self.spec.name}: cannot track {command.kind} with modes")
        if command.mode is CommandMode.HOLD:
            # The modes hold by themselves, also a joint that lies outside its range.
            command = replace(command, values=self.spec.default)
        return self.modes.sent_for(self._servo.write(command))

    @property
    def stopping(self) -> bool:
        """Whether it is on its way down; at the end it lies and is passive."""
        return self.modes.stopping

    def begin_stop(self, reason: str) -> None:
        """Let the robot stand and lie down, at the servo's rate and whoever else is late."""
        self.modes.begin_stop(reason)

    def stop(self, reason: str) -> None:
        """Damp the robot now and until a release: a robot that is up sinks."""
        self.modes.trip(reason)
        self._servo.stop(reason)

    def close(self) -> None:
        """Release the device."""
        self._servo.close()


class LeggedSimulator(LeggedRobot):
    """The same robot, simulated."""

    def reset(self, seed: int, options: Mapping[str, Any]) -> RobotState:
        """Start an episode at time 0, passive."""
        self.modes.restart()
        self._simulator.reset(seed, options)
        return self.read()

    def advance(self, dt: float) -> None:
        """Run physics for `dt` seconds."""
        self._simulator.advance(dt)

    def render(self, width: int, height: int) -> np.ndarray:
        """Return a picture of the scene for people. Shape (height, width, 3), uint8 RGB."""
        return self._simulator.render(width, height)

    @property
    def _simulator(self) -> Simulator:
        return cast(Simulator, self._servo)


def legged(servo: ServoBackend) -> LeggedRobot:
    """Return a backend with modes, a simulator if it is one."""
    return (LeggedSimulator if isinstance(servo, Simulator) else LeggedRobot)(servo)
