"""A legged robot: a backend whose modes stand between what is asked and what is sent.

The same object stands in front of a simulator and of a robot. To the safety gate and the loops
above it is a backend; while it does something by itself, its state says so and no policy is asked.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np

from robot_policies.control.modes import LeggedMode, ModeMachine, ModeTimes
from robot_policies.control.watch import WatchLimits
from robot_policies.interface import (
    ActionKind,
    BackendError,
    Command,
    RobotState,
    ServoBackend,
    Simulator,
)

LYING_DOWN = 3.0  # s; longest time a robot is given to lie down when it is stopped
LOOK = 0.05  # s; how often it is looked at meanwhile


class LeggedRobot:
    """A `RobotBackend` that stands up, follows, stands and lies down.

    Attributes:
        modes: Its modes.
    """

    accepts = frozenset({ActionKind.JOINT_POSITION})

    def __init__(
        self,
        servo: ServoBackend,
        times: ModeTimes | None = None,
        limits: WatchLimits | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take a backend's servo; nothing is opened.

        Args:
            servo: The backend.
            times: How long things take.
            limits: What stops the robot.
            sleep: Waits for some seconds.

        Raises:
            ConfigError: If its robot has no lying pose.
        """
        self.spec, self.provides = servo.spec, servo.provides
        self.modes = ModeMachine(servo.spec, times, limits)
        self._servo, self._sleep = servo, sleep
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
        return self.modes.sent_for(self._servo.write(command))

    def stop(self, reason: str) -> None:
        """Let the robot lie down if it is up and nothing is wrong, then damp it until a release.

        It is how a trial ends; an emergency stop is a damping command, and damps at once.
        """
        self._lie_down()
        self.modes.trip(reason)
        self._servo.stop(reason)

    def close(self) -> None:
        """Release the device."""
        self._servo.close()

    def _lie_down(self) -> None:
        for _ in range(round(LYING_DOWN / LOOK)):
            mode = self.modes.mode
            if mode in (LeggedMode.PASSIVE, LeggedMode.ESTOP):
                return
            wanted = LeggedMode.STAND if mode is LeggedMode.POLICY else LeggedMode.LIE_DOWN
            if self.modes.request(wanted):
                return
            self._sleep(LOOK)


class LeggedSimulator(LeggedRobot):
    """The same robot, simulated; its time does not pass while it is stopped, so it is damped."""

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

    def _lie_down(self) -> None:
        """Do not wait."""

    @property
    def _simulator(self) -> Simulator:
        return cast(Simulator, self._servo)


def legged(servo: ServoBackend) -> LeggedRobot:
    """Return a backend with modes, a simulator if it is one."""
    return (LeggedSimulator if isinstance(servo, Simulator) else LeggedRobot)(servo)
