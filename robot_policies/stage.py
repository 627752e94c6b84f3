"""Where a policy acts: a task, a robot and what moves it, made from their names.

Nothing is connected yet. `robot_policies/session.py` adds the policy.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, get_args

from robot_policies.catalog import load_robot, load_task, make_backend
from robot_policies.interface import (
    ActionSpec,
    ConfigError,
    RobotBackend,
    RobotSpec,
    Simulator,
    Task,
    UnknownNameError,
)
from robot_policies.interface.gains import with_gains_of
from robot_policies.interface.robot_alone import NAME as NO_TASK
from robot_policies.interface.robot_alone import RobotAlone

GainsOf = Literal["robot", "contract"]  # whose gains track the joint targets of a policy
GAINS: tuple[GainsOf, ...] = get_args(GainsOf)
ROBOT = GAINS[0]


@dataclass(frozen=True, eq=False)
class Stage:
    """What a policy meets.

    Attributes:
        task: What is asked of the robot; `None` if nothing is.
        asked: The same; of a robot alone, a task that asks for nothing.
        robot: The robot.
        backend: What moves it, not connected.
        name: Of the backend.
        make: Makes the backend for a robot.
    """

    task: Task | None
    asked: Task
    robot: RobotSpec
    backend: RobotBackend
    name: str
    make: Callable[[RobotSpec], RobotBackend]

    def with_gains(self, gains: GainsOf, action: ActionSpec) -> "Stage":
        """Return the stage whose robot tracks a policy with its own gains, or the contract's.

        Args:
            gains: Whose they are.
            action: Of the policy.

        Raises:
            ConfigError: If nobody has such gains, or the contract does not say them.
        """
        if gains not in GAINS:
            raise UnknownNameError("gains", gains, GAINS)
        if gains == ROBOT:
            return self
        robot = with_gains_of(self.robot, action)
        return replace(self, robot=robot, backend=self.make(robot))

    @property
    def simulator(self) -> Simulator:
        """The backend, if its time can be advanced.

        Raises:
            ConfigError: If it cannot.
        """
        return require_simulator(self.backend, self.name)


def open_stage(
    backend: str,
    task: str | None = None,
    robot: str | None = None,
    *,
    rate: float = 0.0,
    options: Mapping[str, Any] | None = None,
    seconds: float | None = None,
) -> Stage:
    """Make task, robot and backend.

    Args:
        backend: Backend name.
        task: Task name; nothing or `none` for a robot alone.
        robot: Robot name; of a task, it has to be the task's.
        rate: Control rate; 0 is the robot's own. [Hz]
        options: Override those of `config/backends/<backend>.yaml`.
        seconds: Longest duration of a trial, instead of the task's. [s]

    Raises:
        ConfigError: If neither task nor robot is named, a name or an option is unknown, or the
            task is of another robot.
    """
    known, name = find_task(task, robot)
    spec = load_robot(name)
    if rate:
        spec = replace(spec, control_rate=float(rate))
    scene = known.scene if known else None
    make = partial(make_backend, backend, scene=scene, **(options or {}))
    asked = known or RobotAlone(name)
    if seconds is not None:
        asked.horizon = seconds
    return Stage(known, asked, spec, make(spec), backend, make)


def find_task(task: str | None, robot: str | None) -> tuple[Task | None, str]:
    """Return a task, if one is named, and the name of the robot; arguments as of `open_stage`.

    Raises:
        ConfigError: If neither is named, the task is unknown, or it is of another robot.
    """
    if task in (None, "", NO_TASK):
        if not robot:
            raise ConfigError("neither a task nor a robot is named: --task, or --robot alone")
        return None, robot
    known = load_task(task)
    if robot and robot != known.robot:
        raise ConfigError(f"task '{task}' is for robot '{known.robot}', not '{robot}'")
    return known, known.robot


def require_simulator(backend: RobotBackend, name: str) -> Simulator:
    """Return a backend whose time can be advanced.

    Raises:
        ConfigError: If it cannot, naming the backend.
    """
    if not isinstance(backend, Simulator):
        raise ConfigError(f"backend '{name}' is no simulator, its time cannot be advanced")
    return backend
