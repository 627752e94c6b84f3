"""LeRobot's teleoperator `demonstrator`: the task's scripted expert steers the simulated arm.

It looks at the simulation's truth, as no person can, and shows what there is to be learned.
"""

from dataclasses import dataclass
from typing import Any

from lerobot.teleoperators import Teleoperator, TeleoperatorConfig

from robot_policies.catalog import load_robot
from robot_policies.interface import BackendError, Observation
from robot_policies.interface.observation import STATE, TASK
from robot_policies.lerobot_plugin.simulated import Simulated


@TeleoperatorConfig.register_subclass("demonstrator")
@dataclass(kw_only=True)
class DemonstratorConfig(TeleoperatorConfig):
    """Who demonstrates.

    Attributes:
        table: The table of the simulated robot.
        seed: Of the expert's own variety.
    """

    table: str = "so101"
    seed: int = 0


class Demonstrator(Teleoperator):
    """The expert of the task of the simulated robot that was connected last."""

    config_class = DemonstratorConfig
    name = "demonstrator"

    def __init__(self, config: DemonstratorConfig) -> None:
        """Take the names of the joints.

        Args:
            config: Who demonstrates.

        Raises:
            ConfigError: If there is no such robot.
        """
        super().__init__(config)
        self._robot, self._seed = load_robot(config.table), config.seed
        self._connected, self._trial = False, None

    @property
    def action_features(self) -> dict[str, Any]:
        """A position of each motor."""
        return {f"{name}.pos": float for name in self._robot.joint_names}

    @property
    def feedback_features(self) -> dict[str, Any]:
        """It feels nothing."""
        return {}

    @property
    def is_connected(self) -> bool:
        """Whether it was asked to begin."""
        return self._connected

    def connect(self, calibrate: bool = True) -> None:
        """Begin; the robot may come later.

        Args:
            calibrate: Unused.
        """
        self._connected = True

    @property
    def is_calibrated(self) -> bool:
        """There is nothing to calibrate."""
        return True

    def calibrate(self) -> None:
        """Nothing to do."""

    def configure(self) -> None:
        """Nothing to do."""

    def get_action(self) -> dict[str, Any]:
        """Return the expert's next target; the last one again within a control period.

        Raises:
            BackendError: If no simulated robot is connected.
        """
        robot = Simulated.newest
        if robot is None:
            raise BackendError("demonstrator: no robot of type 'simulated' is connected")
        if self._trial is not robot.trial:
            self._trial = robot.trial
            self._expert = robot.task.expert(robot.backend)
            self._expert.reset(self._seed)
            self._due = -float("inf")
        state = robot.backend.read(pictures=False)
        if state.stamp >= self._due:
            values = {STATE: state.joint_position, TASK: robot.trial.goal(state.stamp)[TASK]}
            seen = Observation(values, dict.fromkeys(values, state.stamp))
            row = self._expert.act(seen).values[0]
            self._action = robot.units.action(row)
            self._due = state.stamp + 0.5 / self._robot.control_rate
        return dict(self._action)

    def send_feedback(self, feedback: dict[str, Any]) -> None:
        """Nothing to feel.

        Args:
            feedback: Unused.
        """

    def disconnect(self) -> None:
        """End."""
        self._connected = False
