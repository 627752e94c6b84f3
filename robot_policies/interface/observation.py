"""What a policy sees: an immutable mapping of LeRobot feature names to arrays, stamped at capture.

Feature names are LeRobot's: `observation.state` (elements `<joint>.pos` [rad or m] and
`<joint>.vel` [rad/s or m/s]), `observation.command` (`<joint>.target`, the joint targets in force
when the joints were measured; rad or m), `observation.effort` (`<joint>.effort`; N m or N),
`observation.images.<camera>` (height, width, 3; uint8 RGB), `observation.depth.<camera>` (height,
width; metres along the optical axis, 0 where nothing was measured), `observation.labels.<camera>`
(height, width; uint8 class of what is seen), `observation.points` (n, 3; metres),
`observation.imu`, `observation.velocity_command`, `observation.environment_state` (where things
are, `<thing>.x` and so on in the base frame; metres) and the language instruction `task`, which is
a string.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from robot_policies.interface.errors import ContractError, suggestion
from robot_policies.interface.spec import ArraySpec

STATE = "observation.state"
COMMAND = "observation.command"
EFFORT = "observation.effort"  # joint torques and forces, of a robot that measures them
IMAGES = "observation.images"
DEPTH = "observation.depth"
LABELS = "observation.labels"
POINTS = "observation.points"
IMU = "observation.imu"
# Force and torque with which a link, and everything it carries, bears on what carries it; about
# the origin of the link's frame and in that frame. Weight is included: nothing is compensated.
WRENCH = "observation.wrench"
VELOCITY_COMMAND = "observation.velocity_command"
ENVIRONMENT_STATE = "observation.environment_state"  # LeRobot's name
TASK = "task"
MAX_AGE = 0.15  # s; oldest sample of a sensor to act on, where the policy says nothing else
MAX_SKEW = 0.1  # s; largest time a sensor may lie behind the newest one, likewise

IMU_NAMES = (
    *(f"orientation.{axis}" for axis in "xyzw"),
    *(f"angular_velocity.{axis}" for axis in "xyz"),
    *(f"linear_acceleration.{axis}" for axis in "xyz"),
)
IMU_UNITS = ("1",) * 4 + ("rad/s",) * 3 + ("m/s^2",) * 3
VELOCITY_COMMAND_NAMES = ("linear.x", "linear.y", "angular.z")
VELOCITY_COMMAND_UNITS = ("m/s", "m/s", "rad/s")
GOAL_STREAMS = {  # given by a person or a task, not by the robot
    VELOCITY_COMMAND: ArraySpec(
        VELOCITY_COMMAND, (3,), unit=VELOCITY_COMMAND_UNITS, names=VELOCITY_COMMAND_NAMES
    )
}
WRENCH_NAMES = tuple(f"{part}.{axis}" for part in ("force", "torque") for axis in "xyz")
WRENCH_UNITS = ("N",) * 3 + ("N m",) * 3


def is_picture(feature: str) -> bool:
    """Return whether a stream comes from cameras, and so costs much to take."""
    return feature == POINTS or feature.startswith((f"{IMAGES}.", f"{DEPTH}.", f"{LABELS}."))


def words(instruction: str) -> list[str]:
    """Return the words of an instruction, in lower case and without punctuation."""
    return [word for part in instruction.lower().split() if (word := part.strip(".,;:!?\"'"))]


class Observation(Mapping[str, np.ndarray | str]):
    """One moment of the world, as a policy sees it.

    Attributes:
        stamp: Moment the chunk that answers is counted from: the newest capture. [s]
        stamps: Capture time of each feature. [s]
        earlier: Observations before it, oldest first, one a step of the policy that needs them.
    """

    def __init__(
        self,
        values: Mapping[str, np.ndarray | str],
        stamps: Mapping[str, float],
        earlier: Sequence["Observation"] = (),
    ) -> None:
        """Freeze the values.

        Args:
            values: Feature name to array, or to the instruction for `task`.
            stamps: Capture time for each of the same names. [s]
            earlier: See the attributes.
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
        self.earlier = tuple(earlier)

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
    """The features a policy needs; `task` is listed apart because it is no array.

    Attributes:
        needs_task: Whether the policy reads the instruction `task`.
        tasks: The instructions it can follow; empty if it takes any.
        vocabulary: The words an instruction may be made of; empty if it takes any.
        max_age: Oldest sample to act on, by feature name where it is not `MAX_AGE`. [s]
        max_skew: Largest time behind the newest sensor, by feature name where it is not
            `MAX_SKEW`. [s]
        steps: Observations an answer looks at, one every `ActionSpec.dt`; the newest is one.
    """

    def __init__(
        self,
        features: Mapping[str, ArraySpec],
        needs_task: bool = False,
        tasks: tuple[str, ...] = (),
        vocabulary: tuple[str, ...] = (),
        max_age: Mapping[str, float] | None = None,
        max_skew: Mapping[str, float] | None = None,
        steps: int = 1,
    ) -> None:
        """Keep the specs.

        Args:
            features: Spec of each feature.
            needs_task: See the attributes.
            tasks: See the attributes.
            vocabulary: See the attributes; upper and lower case are the same.
            max_age: See the attributes.
            max_skew: See the attributes.
            steps: See the attributes.

        Raises:
            ContractError: If a time limit is of a feature that is not needed, or is no time.
        """
        self._features = dict(features)
        self.needs_task, self.tasks, self.steps = needs_task, tuple(tasks), steps
        self.vocabulary = tuple(word.lower() for word in vocabulary)
        self.max_age = self._times("max_age", max_age or {})
        self.max_skew = self._times("max_skew", max_skew or {})

    def _times(self, what: str, limits: Mapping[str, float]) -> dict[str, float]:
        known = (*self._features, *((TASK,) if self.needs_task else ()))
        for name, limit in limits.items():
            if name not in known:
                raise ContractError(f"{what}: no feature '{name}'.{suggestion(name, known)}")
            is_number = isinstance(limit, int | float) and not isinstance(limit, bool)
            if not is_number or not 0.0 < limit < np.inf:
                raise ContractError(f"{what}: {name}: {limit!r} must be a number of seconds > 0")
        return {name: float(limit) for name, limit in limits.items()}

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
        """Refuse an observation, or an earlier one, that lacks a feature or breaks its spec.

        Raises:
            ContractError: Naming the feature and the element.
        """
        for before in observation.earlier:
            self.validate(before)
        for name, spec in self.items():
            if name not in observation:
                raise ContractError(f"no feature '{name}'.{suggestion(name, observation)}")
            spec.validate(np.asarray(observation[name]))
        if not self.needs_task:
            return
        task = observation.get(TASK)
        if not isinstance(task, str):
            raise ContractError("the policy needs an instruction, but 'task' is missing")
        self.check_instruction(task)

    def check_instruction(self, task: str) -> None:
        """Refuse an instruction that the policy was not taught.

        Raises:
            ContractError: Naming the instruction, or the word in it.
        """
        if self.tasks and task not in self.tasks:
            raise ContractError(f"no instruction '{task}'.{suggestion(task, self.tasks)}")
        if not self.vocabulary:
            return
        for word in words(task):
            if word not in self.vocabulary:
                raise ContractError(
                    f"instruction '{task}': no word '{word}'.{suggestion(word, self.vocabulary)}"
                )

    def example(self, rng: np.random.Generator, stamp: float = 0.0) -> Observation:
        """Return a random observation that `validate` accepts."""
        values: dict[str, np.ndarray | str] = {n: s.example(rng) for n, s in self.items()}
        if self.needs_task:
            values[TASK] = self.tasks[0] if self.tasks else " ".join(self.vocabulary[:3])
            values[TASK] = values[TASK] or "do the task"
        return Observation(values, dict.fromkeys(values, stamp))
