"""LeRobot's robot `gated`: any of its robots behind this package's safety gate.

It observes and is commanded as the robot behind it, with the same names and units, so that data
sets and policies are those of that robot. What the gate does not let pass is not sent.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from lerobot.robots import Robot, RobotConfig, make_robot_from_config

from robot_policies.catalog import load_robot, make_backend
from robot_policies.interface import BackendError
from robot_policies.lerobot_plugin.guard import Guard
from robot_policies.lerobot_plugin.watch import Watch
from robot_policies_hardware.lerobot_backend import LerobotBackend


@RobotConfig.register_subclass("gated")
@dataclass(kw_only=True)
class GatedConfig(RobotConfig):
    """Which robot, and by which limits.

    LeRobot's parser knows no robot within a robot; the one behind the gate is therefore said by
    its type and a mapping.

    Attributes:
        behind: LeRobot's type of the robot behind the gate.
        options: Its options, as of backend `lerobot`: those of LeRobot's class, and `zeros`,
            `signs` and `units` of joints.
        table: The robot's table in `config/robots`, whose limits count.
        stop_file: While this file exists, the robot is stopped.
    """

    behind: str
    options: dict[str, Any] = field(default_factory=dict)
    table: str = "so101"
    stop_file: Path | None = None


class Gated(Robot):
    """A robot behind the gate."""

    config_class = GatedConfig
    name = "gated"

    def __init__(self, config: GatedConfig) -> None:
        """Make the robot and its limits; nothing is opened before `connect`.

        Args:
            config: Which robot, and by which limits.

        Raises:
            ConfigError: If the table, a joint or a unit is unknown.
        """
        robot = load_robot(config.table)
        made = make_backend("lerobot", robot, type=config.behind, **config.options)
        self._backend = cast(LerobotBackend, made)
        self._described = make_robot_from_config(self._backend.config)  # never connected
        self.name = self._described.name  # data sets are of the robot behind the gate
        super().__init__(config)
        self.id, self.calibration_fpath = self._described.id, self._described.calibration_fpath
        self._stop_file = config.stop_file
        self._guard: Guard | None = None
        self._watch: Watch | None = None

    @property
    def observation_features(self) -> dict[str, Any]:
        """What the robot behind the gate observes."""
        return self._described.observation_features

    @property
    def action_features(self) -> dict[str, Any]:
        """What the robot behind the gate is commanded."""
        return self._described.action_features

    @property
    def cameras(self) -> dict[str, Any]:
        """The cameras of the robot behind the gate."""
        return getattr(self._backend.robot or self._described, "cameras", {})

    @property
    def is_connected(self) -> bool:
        """Whether it is watched."""
        return self._watch is not None

    def connect(self, calibrate: bool = True) -> None:
        """Open the robot without moving it; calibrating is left to `lerobot-calibrate`.

        Args:
            calibrate: Unused: who calibrates moves the robot by hand, without a gate.

        Raises:
            BackendError: If it is not there or not calibrated.
        """
        self._backend.connect()
        self._guard = Guard(self._backend, self._stop_file)
        self._watch = Watch(self._guard)

    @property
    def is_calibrated(self) -> bool:
        """Whether it is connected: nothing else is."""
        return self.is_connected

    def calibrate(self) -> None:
        """Nothing: see `connect`."""

    def configure(self) -> None:
        """Nothing: connecting the robot behind the gate configures it."""

    def get_observation(self) -> dict[str, Any]:
        """Return what the robot behind the gate observes.

        Raises:
            BackendError: If it does not answer.
        """
        return self._guarded().look(time.monotonic())

    def send_action(self, action: dict[str, Any]) -> dict[str, Any]:
        """Send what the gate lets pass, and return what was sent.

        Raises:
            ContractError: If it is not one number of each motor.
            BackendError: If the robot does not answer.
        """
        return dict(self._guarded().act(action, time.monotonic()))

    def disconnect(self) -> None:
        """End the watch and disconnect the robot behind it, as that robot does."""
        watch, self._watch, self._guard = self._watch, None, None
        if watch:
            watch.close()
        self._backend.close()

    def _guarded(self) -> Guard:
        if self._guard is None:
            raise BackendError("gated: not connected")
        return self._guard
