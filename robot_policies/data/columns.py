"""What a demonstration is recorded as: the columns of an episode, and their description.

The action of an expert that commands joints is what it meant: with noise, what was done differs.
Of an expert that displaces the hand it is the joint velocities that came of it. An expert that
displaces the hand for longer than a control step is recorded at its own rate, with what it asked
for, so that an imitator learns displacements.
"""

from collections.abc import Mapping
from typing import Any, Protocol, cast

import numpy as np

from robot_policies.control.records import EpisodeResult, StepRecord
from robot_policies.control.verdict import Level
from robot_policies.data.convert import stamp_name
from robot_policies.interface import (
    ActionKind,
    Policy,
    RobotSpec,
    RobotState,
    Simulator,
    Task,
    without_pictures,
)
from robot_policies.interface.observation import ENVIRONMENT_STATE, IMAGES, STATE, TASK

ACTION = "action"
AXES = ["height", "width", "channels"]
VECTORS = {"observation.agent_pos": STATE, ENVIRONMENT_STATE: ENVIRONMENT_STATE}  # their columns
DONE, SUCCESS = "next.done", "next.success"


class JointExpert(Policy, Protocol):
    """A policy that knows what it meant, apart from the noise it was given.

    Attributes:
        intended: Its last answer without noise, in the order of its action spec. Shape (n,).
    """

    intended: np.ndarray


class Taken:
    """Observer that keeps the columns of an episode.

    Attributes:
        instruction: What was asked for.
    """

    def __init__(self, expert: Policy, task: Task) -> None:
        """Begin with nothing.

        Args:
            expert: Who demonstrates.
            task: What is demonstrated; it may give the steps labels.
        """
        self._expert, self._task = expert, task
        self._rows: list[dict[str, np.ndarray]] = []
        self._states: list[RobotState] = []  # without their pictures
        self._refused = False
        self.instruction = ""

    def begin(
        self, robot: RobotSpec, policy: Policy, task: Task, initial: Mapping[str, Any]
    ) -> None:
        """Note the robot."""
        self._robot, self._before = robot, np.empty(0)
        self._displaces = is_recorded_as_said(self._expert, robot)

    def step(self, record: StepRecord) -> None:
        """Keep one control step."""
        self._refused |= record.verdict.level is not Level.PASS
        if self._refused or (self._displaces and record.chunk is None):
            return
        state = record.state
        self.instruction = str(record.goal.get(TASK, ""))
        values, stamps = {STATE: state.joint_position}, {STATE: state.stamp}
        for name, value in state.features.items():
            if name in VECTORS or name.startswith(IMAGES):
                column = VECTORS.get(name, name)
                values[column], stamps[column] = value, state.stamps[name]
        values[ACTION], stamps[ACTION] = self._action(record), record.sent.stamp
        times = {stamp_name(name): np.array([stamp]) for name, stamp in stamps.items()}
        self._rows.append({**values, **times})
        self._states.append(without_pictures(state))

    def _action(self, record: StepRecord) -> np.ndarray:
        if self._displaces:
            assert record.chunk is not None  # step has seen to it
            return record.chunk.values[0]
        if not moves_hand(self._expert):
            names = self._expert.action_spec.array.names
            order = [names.index(joint) for joint in self._robot.joint_names]
            return cast(JointExpert, self._expert).intended[order]
        before = self._before if len(self._before) else record.state.joint_position
        self._before = record.sent.values
        return (self._before - before) * self._robot.control_rate

    def end(self, result: EpisodeResult) -> None:
        """Nothing to finish."""

    def columns(self, result: EpisodeResult) -> dict[str, np.ndarray]:
        """Return what was kept. Shape (steps, ...)."""
        columns = {name: np.stack([row[name] for row in self._rows]) for name in self._rows[0]}
        columns |= self._task.labels(self._states)
        last = np.arange(len(self._rows))[:, None] == len(self._rows) - 1
        columns[DONE] = last
        columns[SUCCESS] = last & bool(result.metrics["success"] and not self._refused)
        return columns


def describe_columns(task: Task, simulator: Simulator, images: str) -> dict[str, dict[str, Any]]:
    """Return LeRobot's description of the columns."""
    robot, provides = simulator.spec, simulator.provides
    unit = ["m" if joint.sliding else "rad" for joint in robot.joints]
    expert = task.expert(simulator)
    action, speeds = expert.action_spec.array, moves_hand(expert)
    columns = {
        STATE: ([f"{joint}.pos" for joint in robot.joint_names], unit),
        ACTION: (list(robot.joint_names), [f"{u}/s" for u in unit] if speeds else unit),
    }
    if is_recorded_as_said(expert, robot):
        columns[ACTION] = list(action.names), list(action.units)
    for name, column in VECTORS.items():
        if name in provides:
            columns[column] = list(provides[name].names), list(provides[name].units)
    features: dict[str, dict[str, Any]] = {
        name: {"dtype": "float32", "shape": [len(names)], "names": names, "unit": units}
        for name, (names, units) in columns.items()
    }
    for name, array in provides.items():
        if name.startswith(IMAGES):
            features[name] = {"dtype": images, "shape": list(array.shape), "names": AXES}
    for name in list(features):
        stamp = {"dtype": "float64", "shape": [1], "names": ["stamp"], "unit": ["s"]}
        features[stamp_name(name)] = stamp
    for name in (DONE, SUCCESS):
        features[name] = {"dtype": "bool", "shape": [1], "names": None}
    for name in task.labelled:
        features[name] = {"dtype": "float32", "shape": [1], "names": None}
    return features


def recorded_rate(expert: Policy, robot: RobotSpec) -> float:
    """Return how many rows a second of a demonstration has. [Hz]."""
    if is_recorded_as_said(expert, robot):
        return 1.0 / expert.action_spec.dt
    return robot.control_rate


def is_recorded_as_said(expert: Policy, robot: RobotSpec) -> bool:
    """Return whether the action that is recorded is the displacement an expert asks for."""
    return moves_hand(expert) and expert.action_spec.dt * robot.control_rate > 1.5


def moves_hand(expert: Policy) -> bool:
    """Return whether an expert displaces the hand instead of commanding joints."""
    return expert.action_spec.kind is ActionKind.CARTESIAN_DELTA
