"""What a policy sees: an immutable mapping of LeRobot feature names to arrays, stamped at capture.

Feature names are LeRobot's: `observation.state` (elements `<joint>.pos` [rad or m] and
`<joint>.vel` [rad/s or m/s]), `observation.images.<camera>` (height, width, 3; uint8 RGB),
`observation.depth.<camera>` (height, width; metres along the optical axis, 0 where nothing was
measured), `observation.labels.<camera>` (height, width; uint8 class of what is seen),
`observation.points` (n, 3; metres), `observation.imu`, `observation.velocity_command`,
`observation.environment_state` (where things are, `<thing>.x` and so on in the base frame; metres)
and the language instruction `task`, which is a string.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from robot_policies.interface.errors import ContractError, suggestion
from robot_policies.interface.spec import ArraySpec

STATE = "observation.state"
IMAGES = "observation.images"
DEPTH = "observation.depth"
LABELS = "observation.labels"
POINTS = "observation.points"
IMU = "observation.imu"
WRENCH = "observation.wrench"
VELOCITY_COMMAND = "observation.velocity_command"
ENVIRONMENT_STATE = "observation.environment_state"  # LeRobot's name
TASK = "task"

IMU_NAMES = (
    *(f"orientation.{axis}" for axis in "xyzw"),
    *(f"angular_velocity.{axis}" for axis in "xyz"),
    *(f"linear_acceleration.{axis}" for axis in "xyz"),
)
IMU_UNITS = ("1",) * 4 + ("rad/s",) * 3 + ("m/s^2",) * 3
VELOCITY_COMMAND_NAMES = ("linear.x", "linear.y", "angular.z")
VELOCITY_COMMAND_UNITS = ("m/s", "m/s", "rad/s")
WRENCH_NAMES = tuple(f"{part}.{axis}" for part in ("force", "torque") for axis in "xyz")
WRENCH_UNITS = ("N",) * 3 + ("N m",) * 3


def is_picture(feature: str) -> bool:
    """Return whether a stream comes from cameras, and so costs much to take."""
    return feature == POINTS or feature.startswith((f"{IMAGES}.", f"{DEPTH}.", f"{LABELS}."))


class Observation(Mapping[str, np.ndarray | str]):
    """One moment of the world, as a policy sees it.

    Attributes:
        stamp: Moment the chunk that answers is counted from: the newest capture. [s]
        stamps: Capture time of each feature. [s]
    """

    def __init__(
        self, values: Mapping[str, np.ndarray | str], stamps: Mapping[str, float]
    ) -> None:
        """Freeze the values.

        Args:
            values: Feature name to array, or to the instruction for `task`.
            stamps: Capture time for each of the same names. [s]
        """
        if values.keys() != stamps.keys():
            raise ContractError(
                f"observation: features {sorted(values)} but stamps for {sorted(stamps)}"
            )
        for value in values.values():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)
        self._values = dict(values)
        self.stamps = dict(stamps)
        self.stamp = max(stamps.values())

    def __getitem__(self, name: str) -> np.ndarray | str:
        """Return one feature."""
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over feature names."""
        return iter(self._values)

    def __len__(self) -> int:
        """Return the number of features."""
        return len(self._values)


class ObservationSpec(Mapping[str, ArraySpec]):
    """The features a policy needs; `task` is listed apart because it is no array."""

    def __init__(
        self,
        features: Mapping[str, ArraySpec],
        needs_task: bool = False,
        tasks: tuple[str, ...] = (),
    ) -> None:
        """Keep the specs.

        Args:
            features: Spec of each feature.
            needs_task: Whether the policy reads the instruction `task`.
            tasks: The instructions it knows; empty if it takes any.
        """
        self._features = dict(features)
        self.needs_task, self.tasks = needs_task, tasks

    def __getitem__(self, name: str) -> ArraySpec:
        """Return the spec of one feature."""
        return self._features[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over feature names."""
        return iter(self._features)

    def __len__(self) -> int:
        """Return the number of array features."""
        return len(self._features)

    def validate(self, observation: Observation) -> None:
        """Refuse an observation that lacks a feature or breaks its spec.

        Raises:
            ContractError: Naming the feature and the element.
        """
        for name, spec in self.items():
            if name not in observation:
                raise ContractError(f"no feature '{name}'.{suggestion(name, observation)}")
            spec.validate(np.asarray(observation[name]))
        if not self.needs_task:
            return
        task = observation.get(TASK)
        if not isinstance(task, str):
            raise ContractError("the policy needs an instruction, but 'task' is missing")
        if self.tasks and task not in self.tasks:
            raise ContractError(f"no instruction '{task}'.{suggestion(task, self.tasks)}")

    def example(self, rng: np.random.Generator, stamp: float = 0.0) -> Observation:
        """Return a random observation that `validate` accepts."""
        values: dict[str, np.ndarray | str] = {n: s.example(rng) for n, s in self.items()}
        if self.needs_task:
            values[TASK] = self.tasks[0] if self.tasks else "do the task"
        return Observation(values, dict.fromkeys(values, stamp))
