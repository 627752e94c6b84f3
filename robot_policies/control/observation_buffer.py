"""From streams that come at their own rates to the one observation a policy may act on.

A policy names the elements it needs, and they are found by name in what the robot provides. An
observation is made only of streams that are all there, recent and in step; otherwise
`StaleObservation` says which is not. Nothing is ever filled in, but for one thing: a velocity that
nobody asks for any more is a velocity of zero.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from robot_policies.control.stream_source import StreamSource
from robot_policies.interface import (
    ArraySpec,
    ContractError,
    Observation,
    ObservationSpec,
    RobotSpec,
    RobotState,
    StaleObservation,
)
from robot_policies.interface.clouds import fit_cloud, is_cloud
from robot_policies.interface.errors import ImplausibleState
from robot_policies.interface.observation import (
    COMMAND,
    DEPTH,
    EFFORT,
    GOAL_STREAMS,
    IMAGES,
    LABELS,
    MAX_AGE,
    MAX_SKEW,
    STATE,
    TASK,
    VELOCITY_COMMAND,
)
from robot_policies.interface.plausibility import Plausibility

GOALS = (VELOCITY_COMMAND, TASK)  # set by a person or a task
CAMERAS = {IMAGES: "camera", DEPTH: "camera's depth", LABELS: "camera's labels"}
# After it a robot whose planner died or whose cable broke stands still, whoever commanded it and
# whatever was between them; an instruction stays in force until it is changed. [s]
COMMAND_TIMEOUT = 0.5


class ObservationBuffer:
    """Keeps the newest sample of every stream a policy needs.

    Joints that cannot be where they were measured are refused by the rule that the safety gate
    has. Once none has come for as long as one may be old, the next is taken wherever it is in
    range.

    Attributes:
        dropped: Points of clouds that were no numbers and were left out, since the start.
        implausible: Joint states that cannot be true and were refused, since the start.
    """

    def __init__(
        self,
        spec: ObservationSpec,
        provides: Mapping[str, ArraySpec],
        max_age: float = MAX_AGE,
        max_skew: float = MAX_SKEW,
        robot: RobotSpec | None = None,
    ) -> None:
        """Find every needed element among the provided ones.

        Args:
            spec: What the policy needs, with its own limits of age and skew. Goals do not age
                unless it names them.
            provides: What the robot gives. Goal streams need not be listed.
            max_age: Oldest sample of any other sensor to act on. [s]
            max_skew: Largest time any other sensor may lie behind the newest one. [s]
            robot: Says where its joints can be; without it, anywhere.

        Raises:
            ContractError: If a needed feature or element is not provided, or in another unit.
        """
        provides = {**GOAL_STREAMS, **provides}
        self._sources = {name: StreamSource.find(take, provides) for name, take in spec.items()}
        self._features = (*self._sources, *((TASK,) if spec.needs_task else ()))
        self._check_instruction = spec.check_instruction
        self._max_skew = max_skew
        aged = dict.fromkeys(self._features, max_age) | dict.fromkeys(GOALS, np.inf)
        self._ages = {**aged, **spec.max_age}
        self._skews = {**dict.fromkeys(self._features, max_skew), **spec.max_skew}
        self.dropped = self.implausible = 0
        self._joints: Plausibility | None = None
        if robot and STATE in self._sources:
            given = self._sources[STATE].provided.names
            self._positions = [given.index(f"{name}.pos") for name in robot.joint_names]
            self._joints = Plausibility(robot)
        self.reset()

    def reset(self) -> None:
        """Forget all samples."""
        self._values: dict[str, np.ndarray | str] = {}
        self._stamps: dict[str, float] = {}
        self._jumps: dict[str, str] = {}
        if self._joints:
            self._joints.forget()

    def push(
        self,
        feature: str,
        values: np.ndarray | str,
        stamp: float,
        names: Sequence[str] = (),
        frame: str = "",
    ) -> None:
        """Take a sample; one of a stream the policy does not need is ignored.

        Args:
            feature: Feature name.
            values: The sample, elements as the robot provides them unless `names` are given.
            stamp: Capture time. [s]
            names: Names of the elements, in any order.
            frame: Frame of a cloud, where the sample says it.

        Raises:
            ContractError: If the sample breaks the stream's spec; the stream then goes on ageing.
            ImplausibleState: If a joint cannot be where it was measured, likewise.
        """
        if feature not in self._features:
            return
        sample = self._instruction(values) if feature == TASK else None
        if sample is None and is_cloud(self._sources[feature].needed):
            sample = self._cloud(self._sources[feature].needed, np.asarray(values), frame)
        elif sample is None:
            source = self._sources[feature]
            sample = source.in_order(np.asarray(values), names)
            if feature == STATE:
                self._require_plausible(sample, stamp)
            sample = source.pick(sample)
        before = self._stamps.get(feature, -np.inf)
        self._jumps.pop(feature, None)
        if stamp < before and feature not in GOALS:  # others may set them, by clocks of their own
            self._jumps[feature] = (
                f"{label(feature)} jumped back from {before:.3f} s to {stamp:.3f} s"
            )
        self._values[feature], self._stamps[feature] = sample, stamp

    def push_state(self, state: RobotState) -> None:
        """Take all streams of a measurement; its joints are in `RobotSpec.joints` order."""
        joints = np.concatenate([state.joint_position, state.joint_velocity])
        self.push(STATE, joints, state.stamp)
        if len(state.joint_effort):
            self.push(EFFORT, state.joint_effort, state.stamp)
        for feature, values in state.features.items():
            self.push(feature, values, state.stamps[feature])

    def snapshot(self, now: float) -> Observation:
        """Return the newest observation.

        Args:
            now: Time, on the clock of the stamps. [s]

        Raises:
            StaleObservation: If a stream is missing, too old, out of step, or its clock jumped.
        """
        for feature in self._features:
            if feature not in self._values:
                raise StaleObservation(f"no {label(feature)} yet")
            if feature in self._jumps:
                raise StaleObservation(self._jumps[feature])
            self._check_age(feature, now)
        values = {name: self._values[name] for name in self._features}
        if now - self._stamps.get(VELOCITY_COMMAND, np.inf) > COMMAND_TIMEOUT:
            values[VELOCITY_COMMAND] = np.zeros_like(values[VELOCITY_COMMAND])
        sensors = {name: self._stamps[name] for name in self._features if name not in GOALS}
        if not sensors:
            return Observation(values, dict(self._stamps))
        newest = max(sensors.values())
        for name, stamp in sensors.items():
            if newest - stamp > self._skews[name]:
                raise StaleObservation(
                    f"{label(name)} {1e3 * (newest - stamp):.0f} ms behind the newest stream, "
                    f"limit {1e3 * self._skews[name]:.0f} ms"
                )
        # A goal is in force since its stamp; the moment of an observation is the sensors'.
        stamps = {name: min(self._stamps[name], newest) for name in self._features}
        return Observation(values, stamps)

    def _check_age(self, feature: str, now: float) -> None:
        age = now - self._stamps[feature]
        limit = self._ages[feature]
        if age < -self._max_skew:
            raise StaleObservation(
                f"{label(feature)} stamped {self._stamps[feature]:.3f} s, but it is {now:.3f} s: "
                f"the clock jumped back"
            )
        if age > limit:
            raise StaleObservation(
                f"{label(feature)} {1e3 * age:.0f} ms old, limit {1e3 * limit:.0f} ms"
            )

    def _require_plausible(self, joints: np.ndarray, stamp: float) -> None:
        if self._joints is None:
            return
        since = stamp - self._stamps.get(STATE, stamp)
        if since < 0.0:
            self._joints.shift(since)
        elif since > self._ages[STATE]:
            self._joints.forget()
        if found := self._joints.judge(joints[self._positions], stamp):
            self.implausible += 1
            raise ImplausibleState(found[1])

    def _cloud(self, needed: ArraySpec, points: np.ndarray, frame: str) -> np.ndarray:
        if frame and needed.frame and frame != needed.frame:
            raise ContractError(
                f"{needed.name}: points in frame '{frame}', the policy needs '{needed.frame}'"
            )
        cloud, dropped = fit_cloud(points, needed)
        self.dropped += dropped
        return cloud

    def _instruction(self, values: np.ndarray | str) -> str:
        if not isinstance(values, str) or not values:
            raise ContractError(f"task: expected an instruction, got {values!r}")
        self._check_instruction(values)
        return values


def label(feature: str) -> str:
    """Return what people call a stream: `wrist camera`, `joint states`, `velocity command`."""
    for prefix, suffix in CAMERAS.items():
        if feature.startswith(f"{prefix}."):
            return f"{feature.removeprefix(f'{prefix}.')} {suffix}"
    names = {STATE: "joint states", COMMAND: "command in force", TASK: "instruction"}
    return names.get(feature, feature.removeprefix("observation.").replace("_", " "))
