"""A recorded log as the robot: commands are judged and kept, not executed.

It plays one episode of a LeRobotDataset v3 folder: what `robot-policies data record` wrote, or
the real Go1 logs after `robot-policies data convert`. The dataset's joints and other elements are
found by name. `truth.*` columns become the truth, and so does the logged
`observation.velocity_command` (as `velocity_command`), so that a task's metrics say how the
recorded robot moved. At the end of the log `advance` raises `RecordingEnded`, which ends an
episode without being a fault.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

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
from robot_policies.interface.errors import RecordingEnded, suggestion
from robot_policies.interface.observation import IMAGES, STATE, VELOCITY_COMMAND
from robot_policies.share import share_directory
from robot_policies_sim.initial import Initial
from robot_policies_sim.logged_episode import LoggedEpisode, read_episode, read_info
from robot_policies_sim.world import World

EFFORT = "observation.effort"
STAMP = "capture_stamp."
TRUTH = "truth."


class ReplayBackend:
    """A `Simulator` whose time moves along a log.

    Attributes:
        spec: The robot.
        provides: Streams the log has, by feature name.
        accepts: Every kind of command, since none is executed.
        commands: Commands written since the last reset.
    """

    accepts = frozenset(
        {ActionKind.JOINT_POSITION, ActionKind.JOINT_VELOCITY, ActionKind.BASE_VELOCITY}
    )

    def __init__(
        self, spec: RobotSpec, scene: Mapping[str, Any], dataset: str, episode: int = 0
    ) -> None:
        """Find the log and check that it is one of this robot.

        Args:
            spec: The robot.
            scene: The task's world; for pictures only.
            dataset: Dataset folder; a relative path may also be one of the shipped samples.
            episode: Episode number, from 0.

        Raises:
            ConfigError: If there is no such dataset, or its elements are not the robot's.
        """
        self.spec, self._scene, self._episode = spec, scene, episode
        self._root = _find(dataset)
        info = read_info(self._root)
        if info.get("robot_type") not in (None, spec.name):
            raise ConfigError(
                f"{self._root}: recorded on '{info['robot_type']}', the robot is '{spec.name}'"
            )
        self._features: Mapping[str, Mapping[str, Any]] = info["features"]
        self.provides = self._streams()
        self.commands: list[Command] = []
        self._log: LoggedEpisode | None = None
        self._row = -1
        self._figure: Any = None
        self._images: dict[str, tuple[Iterator[np.ndarray], np.ndarray]] = {}

    def _streams(self) -> dict[str, ArraySpec]:
        streams = {}
        for name, spec in self.spec.streams.items():
            if name not in self._features:
                continue
            if spec.names:
                _order(name, spec.names, self._features[name], self._root)
            streams[name] = spec
        if STATE not in streams:
            raise ConfigError(f"{self._root}: no '{STATE}'.{suggestion(STATE, self._features)}")
        return streams

    def connect(self) -> None:
        """Read the episode.

        Raises:
            ConfigError: If there is no such episode, or it cannot be read.
        """
        self._log = read_episode(self._root, self._episode)
        if self._log.fps != self.spec.control_rate:
            raise BackendError(
                f"{self._root}: {self._log.fps:g} rows/s, but '{self.spec.name}' is controlled "
                f"at {self.spec.control_rate:g} Hz"
            )

    def reset(self, seed: int, options: Mapping[str, Any]) -> RobotState:
        """Go to the first row; a log knows no other initial condition.

        Args:
            seed: Unused.
            options: Checked as any simulator's, and then without effect.

        Raises:
            BackendError: If the backend is not connected.
            ConfigError: If the initial condition could not be.
        """
        log = self._require_log("reset")
        Initial.from_mapping(options, self.spec, World.from_mapping(self._scene))
        self.commands = []
        self._images = {}
        for name in self.provides:
            if name.startswith(IMAGES):
                images = log.images(name)
                self._images[name] = images, next(images)
        self._row = 0
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
        rows = dt * log.fps
        if not (np.isfinite(rows) and round(rows) >= 1 and abs(rows - round(rows)) < 1e-6):
            raise BackendError(
                f"replay: cannot advance {dt:g} s, no multiple of the {1.0 / log.fps:g} s "
                "between rows"
            )
        if self._row + round(rows) >= len(log):
            raise RecordingEnded(
                f"{self._root}: episode {self._episode} ends after {len(log) / log.fps:g} s"
            )
        for _ in range(round(rows)):
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
        from robot_policies_sim.posed_figure import PosedFigure

        self._require_running("render")
        if self._figure is None:
            self._figure = PosedFigure(self.spec, self._scene)
        return self._figure.draw(self._state, width, height)

    def _measure(self, log: LoggedEpisode) -> RobotState:
        row = {name: column[self._row] for name, column in log.columns.items()}
        logged = {
            name: row.get(STAMP + name.replace("image", "camera"))
            for name in (*self.provides, EFFORT)
        }
        known = [float(stamp) for stamp in logged.values() if stamp is not None]
        now, newest = self._row / log.fps, max(known, default=0.0)
        stamps = {
            name: now if stamp is None else now - (newest - float(stamp))
            for name, stamp in logged.items()
        }
        features: dict[str, np.ndarray] = {}
        for name, spec in self.provides.items():
            if name in self._images:
                features[name] = self._images[name][1]
            else:
                order = _order(name, spec.names, self._features[name], self._root)
                features[name] = np.asarray(row[name])[order].astype(spec.dtype)
        state = features.pop(STATE).astype(np.float64)
        n = len(self.spec.joints)
        effort = np.atleast_1d(row[EFFORT]).astype(np.float64) if EFFORT in row else np.empty(0)
        truth = {
            name.removeprefix(TRUTH): np.array(value, ndmin=1)
            for name, value in row.items()
            if name.startswith(TRUTH)
        }
        if VELOCITY_COMMAND in row:
            truth["velocity_command"] = np.array(row[VELOCITY_COMMAND])
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
        if place.is_dir():
            return place
    raise ConfigError(f"no dataset '{dataset}': neither {places[0]} nor {places[1]} is a folder")


def _order(
    name: str, wanted: tuple[str, ...], feature: Mapping[str, Any], root: Path
) -> list[int]:
    """Return where the wanted elements lie in a logged feature."""
    names = feature.get("names") or []
    if not isinstance(names, list):
        raise ConfigError(f"{root}: '{name}' has no list of element names, but {names!r}")
    for element in wanted:
        if element not in names:
            raise ConfigError(f"{root}: '{name}' has no '{element}'.{suggestion(element, names)}")
    units = feature.get("unit") or []
    if any(unit in ("deg", "deg/s") for unit in units):
        raise ConfigError(f"{root}: '{name}' is in degrees; convert it to rad")
    return [names.index(element) for element in wanted]
