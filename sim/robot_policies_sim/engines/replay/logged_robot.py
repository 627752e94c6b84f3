"""A robot as a log shows it: its elements by name and in SI, and which rows are one motion."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from robot_policies.data.continuity import breaks, longest_stretch
from robot_policies.data.reading import Recorded, Vector
from robot_policies.interface import RobotSpec
from robot_policies.interface.observation import (
    EFFORT,
    IMU,
    STATE,
    VELOCITY_COMMAND,
    VELOCITY_COMMAND_NAMES,
    VELOCITY_COMMAND_UNITS,
)
from robot_policies_sim.engines.replay.logged_episode import LoggedEpisode

STAMP = "capture_stamp."
TRUTH = "truth."


def find_vectors(recorded: Recorded, robot: RobotSpec) -> dict[str, Vector]:
    """Return where the robot's elements lie in what was recorded, by feature.

    Raises:
        ConfigError: If the state or an element of a recorded feature is missing, or has no unit.
    """
    state, n = robot.streams[STATE], len(robot.joints)
    names, units = state.names, state.units
    if not any(name in recorded.elements(STATE) for name in names[n:]):  # positions alone
        names, units = names[:n], units[:n]
    wanted = {
        **{name: (spec.names, spec.units) for name, spec in robot.streams.items() if spec.names},
        STATE: (names, units),
        EFFORT: (robot.effort_stream.names, robot.effort_stream.units),
        VELOCITY_COMMAND: (VELOCITY_COMMAND_NAMES, VELOCITY_COMMAND_UNITS),
    }
    return {
        name: recorded.vector(name, names, units, robot)
        for name, (names, units) in wanted.items()
        if name in recorded.features
    }


def find_motion(
    log: LoggedEpisode, vectors: Mapping[str, Vector], robot: RobotSpec
) -> tuple[np.ndarray, range, np.ndarray]:
    """Return the joints of each row, and the rows that are one motion.

    Args:
        log: The episode.
        vectors: As of `find_vectors`.
        robot: The robot.

    Returns:
        Positions and velocities, shape (rows, 2n); a velocity that was not recorded is the slope
        since the row before. The longest stretch without a break. The breaks.
    """
    rate, n = robot.control_rate, len(robot.joints)
    joints = vectors[STATE].of(log.columns[STATE])
    imu = vectors.get(IMU)
    orientation = imu.of(log.columns[IMU])[:, :4] if imu else None
    at = breaks(rate, joints[:, :n], robot.velocity, orientation)
    stretch = longest_stretch(len(log), at)
    if joints.shape[1] == n:
        slope = np.diff(joints, axis=0, prepend=joints[:1]) * rate
        if len(stretch) > 1:  # nothing of the motion was before its first row
            slope[stretch.start] = slope[stretch.start + 1]
        joints = np.hstack((joints, slope))
    return joints, stretch, at


def stamps_of(row: Mapping[str, Any], names: Iterable[str], now: float) -> dict[str, float]:
    """Return when each stream of a row was captured, on the clock of the trial.

    The newest of a row is captured at the row's time; the others lie as far before it as they did
    when they were logged. A stream without a logged stamp is as new as the newest.

    Args:
        row: By column.
        names: Streams.
        now: Of the row, since the start of the trial. [s]

    Returns:
        By stream. [s]
    """
    logged = {name: row.get(STAMP + name.replace("image", "camera")) for name in names}
    newest = max((float(stamp) for stamp in logged.values() if stamp is not None), default=0.0)
    return {
        name: now if stamp is None else now - (newest - float(stamp))
        for name, stamp in logged.items()
    }


def truth_of(row: Mapping[str, Any], recorded: Recorded) -> dict[str, np.ndarray]:
    """Return what a row says of the truth, without the prefix of its columns."""
    return {
        name.removeprefix(TRUTH): np.array(value, ndmin=1)[recorded.axes(name) or ...]
        for name, value in row.items()
        if name.startswith(TRUTH)
    }
