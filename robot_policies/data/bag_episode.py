"""A bag as one episode: rows at the robot's control rate, as a recording of this package has them.

Row k holds what was measured by the time of the joint state k, each stream's newest, and the
command that was sent after it. The joints are matched by name, in SI units as ROS has them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from robot_policies.data.bag_file import BagFile
from robot_policies.data.bag_tracks import BASE, Track, is_picture_track, pictures, read_tracks
from robot_policies.data.element_names import ACTION, element_names
from robot_policies.data.spool import Spool, SpooledStep, Stream, Value
from robot_policies.interface import ActionKind, ConfigError, RobotSpec
from robot_policies.interface.errors import suggestion
from robot_policies.interface.observation import COMMAND, STATE, TASK

NONE = -1  # place of a sample that is not there yet
SENT = "command_sent", "base_command_sent"


@dataclass(frozen=True, eq=False)
class Column:
    """A track on the rows.

    Attributes:
        track: What was recorded.
        index: Wanted elements, in the order of the robot's; `None` is all.
        place: Sample of each row, `NONE` before the first. Shape (rows,).
    """

    track: Track
    index: list[int] | None
    place: np.ndarray

    def value(self, row: int) -> Value:
        """Return the elements of a row that has some."""
        value = self.track.values[self.place[row]]
        return value if self.index is None else np.asarray(value, np.float32)[self.index]


@dataclass(frozen=True, eq=False, kw_only=True)
class BagEpisode(Spool):
    """A bag, read as a spool is.

    Attributes:
        bag: The file.
        times: Of each row. Shape (length,). [s]
        columns: By feature.
    """

    bag: BagFile
    times: np.ndarray
    columns: Mapping[str, Column]

    def steps(self) -> Iterator[SpooledStep]:
        """Yield the rows, oldest first."""
        shown = {n: c for n, c in self.columns.items() if is_picture_track(c.track)}
        films = {name: pictures(self.bag, column.track) for name, column in shown.items()}
        seen, frames = dict.fromkeys(shown, NONE), dict[str, Value]()
        for row, time in enumerate(self.times):
            values, stamps = dict[str, Value](), dict[str, float]()
            for name, column in self.columns.items():
                place = int(column.place[row])
                if place == NONE:
                    continue
                if name in films:
                    while seen[name] < place:
                        frames[name], seen[name] = next(films[name]), seen[name] + 1
                values[name] = frames[name] if name in films else column.value(row)
                stamps[name] = column.track.stamps[place]
            yield SpooledStep(float(time), values, stamps)


def read_bag(path: Path, robot: RobotSpec) -> BagEpisode:
    """Read a bag of one robot.

    Args:
        path: The bag's folder, or an MCAP file.
        robot: Whose joints are expected, and at whose rate rows are made.

    Raises:
        ConfigError: If it is no bag, damaged, of another robot, or without joint states.
    """
    bag = BagFile(path)
    tracks, notes = read_tracks(bag)
    if STATE not in tracks:
        left = f"; {notes[0]}" if notes else ""
        raise ConfigError(f"{path}: no joint states on a topic 'joint_states'{left}")
    if (said := bag.about.get("robot", robot.name)) != robot.name:
        raise ConfigError(f"{path}: recorded on '{said}', expected '{robot.name}'")
    times = _rows(path, np.array(tracks[STATE].stamps), robot.control_rate)
    kind = ActionKind.BASE_VELOCITY if BASE in tracks else ActionKind.JOINT_POSITION
    names = {
        name: {key: list(texts) for key, texts in about.items()}
        for name, about in element_names(robot, kind).items()
    }
    sent = tracks.pop(COMMAND, None) or tracks.pop(BASE, None)
    instruction = tracks.pop(TASK, None)
    columns = {
        name: Column(track, _find(path, name, track, names), _before(track, times))
        for name, track in tracks.items()
        if name != BASE
    }
    if sent:
        after = np.append(times[1:], np.inf)  # what was sent before the next row
        wanted = _find(path, ACTION, sent, names)
        columns[ACTION] = Column(sent, wanted, _before(sent, after, "left"))
    about = {
        "robot": robot.name,
        "policy": bag.about.get("policy", ""),
        "task": str(instruction.values[-1]) if instruction else bag.about.get("task", ""),
        "initial": {},
        "fps": robot.control_rate,
        "images": "png",
        "names": names,
    }
    streams = {name: _stream(column) for name, column in columns.items()}
    whole = path, about, {}, len(times), streams, tuple(notes)
    return BagEpisode(*whole, bag=bag, times=times, columns=columns)


def require_actions(episode: BagEpisode) -> None:
    """Refuse a bag that does not say what was done.

    Raises:
        ConfigError: If it has no topic of commands.
    """
    if ACTION not in episode.columns:
        raise ConfigError(f"{episode.path}: no commands on a topic '{SENT[0]}' or '{SENT[1]}'")


def _rows(path: Path, stamps: np.ndarray, rate: float) -> np.ndarray:
    """Return the times of rows: of joint states, a control period after each other. [s]."""
    if (back := np.flatnonzero(np.diff(stamps) < 0.0)).size:
        raise ConfigError(
            f"{path}: joint state {back[0] + 1} is older than the one before it; a bag of one "
            "trial, with one clock, is expected"
        )
    span = stamps[-1] - stamps[0]
    if len(stamps) < 2 or span * rate > 2.0 * len(stamps):
        found = (len(stamps) - 1) / span if span else 0.0
        raise ConfigError(
            f"{path}: {len(stamps)} joint states, {found:.3g} a second, expected {rate:g}"
        )
    grid = stamps[0] + np.arange(round(span * rate) + 1) / rate
    return stamps[np.searchsorted(stamps, grid + 0.5 / rate, "right") - 1]


def _before(track: Track, times: np.ndarray, side: Any = "right") -> np.ndarray:
    """Return the newest sample of each row."""
    stamps = np.maximum.accumulate(track.stamps)
    return np.searchsorted(stamps, times, side) - 1


def _find(path: Path, name: str, track: Track, names: dict[str, Any]) -> list[int] | None:
    """Return the places of the robot's elements among the recorded, and name what is not there."""
    if not track.names or name not in names:
        return None
    wanted, units = names[name]["names"], names[name]["unit"]
    if name == STATE and not any(element.endswith(".vel") for element in track.names):
        wanted, units = wanted[: len(wanted) // 2], units[: len(units) // 2]
        names[name] = {"names": wanted, "unit": units}
    given = [_element(name, element) for element in track.names]
    for element in wanted:
        if element not in given:
            joint = element.partition(".")[0]
            joints = list(dict.fromkeys(entry.partition(".")[0] for entry in given))
            raise ConfigError(
                f"{path}: {track.topic.name} has no joint '{joint}'.{suggestion(joint, joints)}"
            )
    return [given.index(element) for element in wanted]


def _element(name: str, element: str) -> str:
    return element.removesuffix(".target") if name == ACTION else element


def _stream(column: Column) -> Stream:
    there = np.flatnonzero(column.place != NONE)
    rows = len(column.place)
    first = int(there[0]) if there.size else rows
    track = column.track
    last: Value = track.values[0] if is_picture_track(track) else column.value(rows - 1)
    return Stream(last, first, rows - 1 if there.size else NONE, {np.shape(last)})
