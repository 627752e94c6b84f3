"""LeRobot's robot `simulated`: an arm in MuJoCo that runs by the clock, without a bus.

It counts as LeRobot's driver of the same arm, degrees and for a gripper percent, so that what is
recorded with it looks like what is recorded with the arm. A task's world lies round it; where the
task is done, its things are laid anew and the arm stays.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any, ClassVar, cast

from lerobot.motors.motors_bus import MotorNormMode
from lerobot.robots import Robot, RobotConfig

from robot_policies.catalog import load_robot, load_task, make_backend
from robot_policies.interface import (
    ActionKind,
    BackendError,
    Command,
    RobotState,
    Simulator,
    Trial,
)
from robot_policies.interface.observation import IMAGES
from robot_policies_hardware.motor_units import MotorUnits

PERCENT = ("gripper",)  # the joint that LeRobot's drivers of arms count in percent
LONGEST = 0.5  # s; a longer pause of the caller is not simulated


@RobotConfig.register_subclass("simulated")
@dataclass(kw_only=True)
class SimulatedConfig(RobotConfig):
    """What is simulated.

    Attributes:
        task: The task, whose robot and world these are.
        seed: Of where things lie.
    """

    task: str = "tabletop_place"
    seed: int = 0


class Simulated(Robot):
    """A simulated arm.

    Attributes:
        newest: The one that was connected last in this process, for a demonstrator.
        norm_modes: What LeRobot counts each motor in.
        trial: The attempt at the task under way.
    """

    config_class = SimulatedConfig
    name = "simulated"
    newest: ClassVar["Simulated | None"] = None

    def __init__(
        self, config: SimulatedConfig, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Make robot and world; the engine is started by `connect`.

        Args:
            config: What is simulated.
            clock: Gives the time. [s]

        Raises:
            ConfigError: If there is no such task.
        """
        super().__init__(config)
        self.task, self._clock = load_task(config.task), clock
        self._spec = load_robot(self.task.robot)
        names = self._spec.joint_names
        self.norm_modes = {
            name: MotorNormMode.RANGE_0_100 if name in PERCENT else MotorNormMode.DEGREES
            for name in names
        }
        self.units = MotorUnits(self._spec, self.norm_modes)
        self.cameras = {camera.name: camera for camera in self._spec.cameras}
        self._seeds, self._instruction = count(config.seed), None
        self.backend = cast(Simulator, make_backend("mujoco", self._spec, self.task.scene))
        self._connected = False

    @property
    def observation_features(self) -> dict[str, Any]:
        """A position of each motor and a picture of each camera."""
        pictures = {name: (c.height, c.width, 3) for name, c in self.cameras.items()}
        return self.action_features | pictures

    @property
    def action_features(self) -> dict[str, Any]:
        """A position of each motor."""
        return {f"{motor}.pos": float for motor in self.units.motors}

    @property
    def is_connected(self) -> bool:
        """Whether the engine runs."""
        return self._connected

    def connect(self, calibrate: bool = True) -> None:
        """Start the engine.

        Args:
            calibrate: Unused: a simulated arm counts right.
        """
        self.backend.connect()
        self._connected, self._then = True, self._clock()
        self._lay()
        Simulated.newest = self

    @property
    def is_calibrated(self) -> bool:
        """A simulated arm counts right."""
        return True

    def calibrate(self) -> None:
        """Nothing to do."""

    def configure(self) -> None:
        """Nothing to do."""

    def get_observation(self) -> dict[str, Any]:
        """Return positions now, and pictures."""
        self._advance()
        state = self.backend.read(pictures=bool(self.cameras))
        pictures = {name: state.features[f"{IMAGES}.{name}"] for name in self.cameras}
        return self.units.action(state.joint_position) | pictures

    def send_action(self, action: dict[str, Any]) -> dict[str, Any]:
        """Give the servos targets and return them.

        Raises:
            BackendError: If a target is outside a joint's range or no number.
        """
        self._advance()
        self._command = Command(0.0, self.units.positions(action))
        self.backend.write(self._command)
        return action

    def disconnect(self) -> None:
        """Stop the engine."""
        self.backend.close()
        self._connected = False
        if Simulated.newest is self:
            Simulated.newest = None

    def _advance(self) -> None:
        """Simulate up to now, whole servo steps; the task takes note of each control period."""
        if not self._connected:
            raise BackendError("simulated: not connected")
        now, rate = self._clock(), self._spec.servo_rate
        self._then = max(self._then, now - LONGEST)
        steps = math.floor((now - self._then) * rate)
        self._then += steps / rate
        each = round(rate / self._spec.control_rate)
        while steps:
            taken = min(steps, each - self._since)
            self.backend.advance(taken / rate)
            steps -= taken
            self._since = (self._since + taken) % each
            if self._since == 0:
                self._judge()

    def _judge(self) -> None:
        state = self.backend.read(pictures=False)
        self.trial.observe(state, self._command)
        if self.trial.done():
            self._lay(state)

    def _lay(self, state: RobotState | None = None) -> None:
        """Lay the world anew with the same instruction; the arm stays where it was measured."""
        while True:
            initial = self.task.initial(next(self._seeds))
            trial: Trial = self.task.start(initial)
            goal = dict(trial.goal(0.0))
            if self._instruction in (None, goal):
                break
        self._instruction, self.trial = goal, trial
        if state is not None:
            pose = zip(self._spec.joint_names, state.joint_position.tolist(), strict=True)
            initial = {**initial, "joint_position": dict(pose)}
        at = self.backend.reset(0, initial).joint_position
        self._since = 0  # servo steps of the control period under way
        self._command = Command(0.0, at, ActionKind.JOINT_POSITION)
        if state is not None:
            self.backend.write(self._command)
