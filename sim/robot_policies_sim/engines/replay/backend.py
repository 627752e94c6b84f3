"""A recorded log as the robot: commands are judged and kept, not executed.

It plays one episode of a LeRobotDataset v3 folder: what `robot-policies data record` or `generate`
wrote, or the real Go1 logs after `robot-policies data convert`. It also plays a bag of rosbag2,
whose joint states, other streams and goals become such an episode in a temporary folder. The
dataset's joints and other elements are found by name, and their units are compared. Where no joint
velocity was recorded, it is the slope of the positions since the row before. `truth.*` columns
become the truth, and so does the logged `observation.velocity_command` (as `velocity_command`), so
that a task's metrics say how the recorded robot moved.

Rows that cannot follow each other (`data/continuity.py`) are no motion of one robot: the longest
stretch without such a break is played, and a warning says what was left out. At the end `advance`
raises `RecordingEnded`, which ends an episode without being a fault. A task measures the recorded
robot and decides nothing: the trial ends with the log, its horizon or a latched stop.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from robot_policies import catalog
from robot_policies.data.bag_file import is_bag
from robot_policies.data.convert import convert_bag
from robot_policies.data.reading import open_dataset
from robot_policies.interface import (
    ActionKind,
    ArraySpec,
    BackendError,
    Command,
    ConfigError,
    RobotSpec,
    RobotState,
    check_command,
    without_pictures,
)
from robot_policies.interface.errors import RecordingEnded
from robot_policies.interface.observation import EFFORT, IMAGES, STATE, VELOCITY_COMMAND
from robot_policies.shared_files import share_directory
from robot_policies_sim.engines.replay.logged_episode import LoggedEpisode, read_episode
from robot_policies_sim.engines.replay.logged_robot import (
    find_motion,
    find_vectors,
    stamps_of,
    truth_of,
)
from robot_policies_sim.engines.steps import whole_steps
from robot_policies_sim.scene.conditions import EpisodeConditions
from robot_policies_sim.scene.world import World

_LOGGER = logging.getLogger(__name__)


class ReplayBackend:
    """A `Simulator` whose time moves along a log.

    Attributes:
        spec: The robot.
        provides: Streams the log has, by feature name.
        accepts: Every kind of command, since none is executed.
        recording: Folder and episode.
        commands: Commands written since the last reset.
        measures_effort: Whether the log has the efforts of the joints.
    """

    accepts = frozenset(
        {ActionKind.JOINT_POSITION, ActionKind.JOINT_VELOCITY, ActionKind.BASE_VELOCITY}
    )

    def __init__(
        self,
        spec: RobotSpec,
        scene: Mapping[str, Any],
        dataset: str,
        episode: int = 0,
        unit: str | Sequence[str] = (),
    ) -> None:
        """Find the log and check that it is one of this robot.

        Args:
            spec: The robot.
            scene: The task's world; for pictures only.
            dataset: Dataset folder, bag or MCAP file; a relative path may also be one of the
                shipped samples.
            episode: Episode number, from 0.
            unit: Of its joints, if it says none: `deg` of all, or `gripper=%` of one.

        Raises:
            ConfigError: If there is no such dataset, or its elements are not the robot's.
        """
        self.spec, self._scene, self._episode = spec, scene, episode
        self._root = _find(dataset)
        self.recording = f"{self._root}: episode {episode}"
        if is_bag(self._root):
            bag, self.recording = self._root, str(self._root)
            self._scratch = TemporaryDirectory(prefix="robot_policies_bag_")
            self._root = Path(self._scratch.name) / "dataset"
            for note in convert_bag(bag, self._root, spec, acted=False).notes:
                _LOGGER.warning("%s", note)
        self._recorded = open_dataset(self._root, [unit] if isinstance(unit, str) else unit)
        self._recorded.require_robot(spec.name)
        self._recorded.require_rate(spec.control_rate)
        self._vectors = find_vectors(self._recorded, spec)
        self.provides: dict[str, ArraySpec] = {
            name: array
            for name, array in spec.streams.items()
            if name in self._vectors or (not array.names and name in self._recorded.features)
        }
        self.measures_effort = EFFORT in self._vectors
        self.commands: list[Command] = []
        self._log: LoggedEpisode | None = None
        self._joints = np.empty((0, 0))
        self._rows, self._row = range(0), -1
        self._figure: Any = None
        self._images: dict[str, tuple[Iterator[np.ndarray], np.ndarray]] = {}

    def connect(self) -> None:
        """Read the episode.

        Raises:
            ConfigError: If there is no such episode, or it cannot be read.
        """
        log = read_episode(self._root, self._episode)
        self._joints, self._rows, at = find_motion(log, self._vectors, self.spec)
        if len(at):
            _LOGGER.warning(
                "%s: row %d cannot follow the row before it; the trial is the longest "
                "stretch without such a break, rows %d to %d (%d of %d rows are left out)",
                *(self.recording, at[0], self._rows.start, self._rows.stop - 1),
                *(len(log) - len(self._rows), len(log)),
            )
        self._log = log

    def reset(self, seed: int, options: Mapping[str, Any]) -> RobotState:
        """Go to the first row of the trial; a log knows no other initial condition.

        Args:
            seed: Unused.
            options: Checked as any simulator's, and then without effect.

        Raises:
            BackendError: If the backend is not connected.
            ConfigError: If the initial condition could not be.
        """
        log = self._require_log("reset")
        EpisodeConditions.from_mapping(options, self.spec, World.from_mapping(self._scene))
        self.commands = []
        self._images = {}
        for name in self.provides:
            if name.startswith(IMAGES):
                images = islice(log.images(name), self._rows.start, None)
                self._images[name] = images, next(images)
        self._row = self._rows.start
        self._state = self._measure(log)
        return self._state

    def read(self, pictures: bool = True) -> RobotState:
        """Return the present row; the newest of its streams is stamped row / rate.

        Raises:
            BackendError: Before the first `reset`.
        """
        self._require_running("read")
        return self._state if pictures else without_pictures(self._state)

    def write(self, command: Command) -> Command:
        """Keep the command; the recorded robot does not follow it.

        Raises:
            BackendError: If no motor should get it, as in the simulators.
        """
        self._require_running("write")
        check_command(command, self.spec, self.accepts, "replay")
        self.commands.append(command)
        return command

    def advance(self, dt: float) -> None:
        """Go on by `dt` seconds.

        Raises:
            BackendError: If `dt` is no multiple of the time between rows.
            RecordingEnded: If the log has no such row.
        """
        log = self._require_running("advance")
        rows = whole_steps(dt, self.spec.control_rate, "replay")
        if self._row + rows >= self._rows.stop:
            lasted = len(self._rows) / self.spec.control_rate
            raise RecordingEnded(f"{self.recording} ends after {lasted:g} s")
        for _ in range(rows):
            self._row += 1
            self._images = {n: (images, next(images)) for n, (images, _) in self._images.items()}
        self._state = self._measure(log)

    def stop(self, reason: str) -> None:
        """Do nothing: no actuator follows the commands."""

    def close(self) -> None:
        """Forget the episode."""
        self._log, self._row = None, -1
        if self._figure is not None:
            self._figure.close()
            self._figure = None

    def render(self, width: int, height: int) -> np.ndarray:
        """Draw the robot in the logged pose. Shape (height, width, 3), uint8 RGB."""
        self._require_running("render")
        if self._figure is None:
            self._figure = catalog.make_figure(self.spec, self._scene)
        return self._figure.draw(self._state, width, height)

    def _measure(self, log: LoggedEpisode) -> RobotState:
        row = {name: column[self._row] for name, column in log.columns.items()}
        now = (self._row - self._rows.start) / self.spec.control_rate
        stamps = stamps_of(row, (*self.provides, EFFORT), now)
        vectors = {name: v.of(row[name]) for name, v in self._vectors.items() if name != STATE}
        features = {name: shown for name, (_, shown) in self._images.items()}
        for name, spec in self.provides.items():
            if name in vectors:
                features[name] = vectors[name].astype(spec.dtype)
            elif name not in self._images and name != STATE:  # depth and labels
                features[name] = row[name].astype(spec.dtype)
        state = self._joints[self._row].copy()
        n = len(self.spec.joints)
        effort = vectors.get(EFFORT, np.empty(0))
        truth = truth_of(row, self._recorded)
        if VELOCITY_COMMAND in vectors:
            truth["velocity_command"] = vectors[VELOCITY_COMMAND]
        for array in (state, effort, *features.values(), *truth.values()):
            array.setflags(write=False)  # a reader cannot move the robot
        return RobotState(
            stamp=stamps[STATE],
            joint_position=state[:n],
            joint_velocity=state[n:],
            joint_effort=effort,
            features=features,
            stamps={name: stamps[name] for name in features},
            truth=truth,
        )

    def _require_log(self, verb: str) -> LoggedEpisode:
        if self._log is None:
            raise BackendError(f"replay: {verb} before connect")
        return self._log

    def _require_running(self, verb: str) -> LoggedEpisode:
        log = self._require_log(verb)
        if self._row < 0:
            raise BackendError(f"replay: {verb} before reset")
        return log


def _find(dataset: str) -> Path:
    places = [Path(dataset).expanduser(), share_directory() / dataset]
    for place in places:
        if place.is_dir() or (place.is_file() and is_bag(place)):
            return place
    raise ConfigError(f"no dataset '{dataset}': neither {places[0]} nor {places[1]} is a folder")
