"""Real Unitree Go1 logs (Uni-O4) into LeRobotDataset v3.

The logs are those of https://github.com/Lei-Kun/Uni-O4, branch `unio4-offline-robot`, folder
`dataset_0808` (MIT licence), packed into one npz: `states` (rows, 76), `actions` (rows, 12) and
`lengths` (trajectories,), 50 rows per second. What the columns hold was checked on the data:

- The Intel T265 tracker gives velocity, acceleration and angular velocity in its own world frame.
  (The measured change of the gravity direction agrees with the angular velocity turned into the
  body, correlation 0.90 and 0.87 about the two axes, and not with the raw one, 0.49 and 0.57.)
- Roll and pitch come from the gravity direction the robot measured. Yaw is not observable from it
  and is the T265's, which starts at an arbitrary heading and drifts.
- The T265's height drifts by metres. `truth.base_position` takes only x and y from it; z is the
  height of the trunk above the lowest foot, from the measured joints and gravity direction.
- There are no capture stamps: row k of a trajectory is stamped k / 50 s.
- The T265 loses track at times. Rows with |v| > 2 m/s (about 1 %) are kept as they are and marked
  in `truth.velocity_outlier`.
- The first row of many trajectories is left over from the fall that ended the one before. Rows
  that cannot follow the row before them are kept and marked: `breaks` of `meta/recordings.jsonl`.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from robot_policies.catalog import load_robot
from robot_policies.data.continuity import breaks
from robot_policies.data.dataset import Conversion
from robot_policies.data.lock import FolderLock
from robot_policies.data.npz import read_npz
from robot_policies.data.writer import DatasetFolder
from robot_policies.interface import ConfigError
from robot_policies.interface.frames import quaternion, to_body
from robot_policies.interface.gravity import GRAVITY, UP
from robot_policies.interface.observation import (
    IMU,
    IMU_NAMES,
    IMU_UNITS,
    STATE,
    VELOCITY_COMMAND,
    VELOCITY_COMMAND_NAMES,
    VELOCITY_COMMAND_UNITS,
)

FPS = 50
JOINTS = tuple(
    f"{leg}_{part}_joint" for leg in ("FL", "FR", "RL", "RR") for part in ("hip", "thigh", "calf")
)
# Default pose and scales of Uni-O4's go1_config.py, in the order above. [rad]
DEFAULT_POSE = np.array([0.1, 0.8, -1.5, -0.1, 0.8, -1.5, 0.1, 1.0, -1.5, -0.1, 1.0, -1.5])
ACTION_SCALE = 0.25 * np.tile([0.5, 1.0, 1.0], 4)  # [rad]
ACTION_CLIP = 10.0
VELOCITY_SCALE = 0.05  # logged per true joint velocity [s/rad]
COMMAND_SCALE = np.array([2.0, 2.0, 0.25])  # logged per true vx, vy [s/m] and yaw rate [s/rad]
OUTLIER_SPEED = 2.0  # faster than this Go1 ever walked; a tracker glitch [m/s]
# Leg geometry as in config/robots/go1.yaml (unitree_go1/go1.xml of mujoco_menagerie). [m]
HIP = np.array([[0.1881, 0.04675], [0.1881, -0.04675], [-0.1881, 0.04675], [-0.1881, -0.04675]])
ABDUCTION, LINK, FOOT_RADIUS = 0.08, 0.213, 0.023
WIDTHS = {"states": 76, "actions": 12}
TASK = "walk at the commanded velocity"
LICENCE = "Uni-O4 Go1 logs, MIT licence, Copyright (c) 2024 Leo"

_COLUMNS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    STATE: (
        "float32",
        (*(f"{name}.pos" for name in JOINTS), *(f"{name}.vel" for name in JOINTS)),
        ("rad",) * 12 + ("rad/s",) * 12,
    ),
    IMU: ("float32", IMU_NAMES, IMU_UNITS),
    VELOCITY_COMMAND: ("float32", VELOCITY_COMMAND_NAMES, VELOCITY_COMMAND_UNITS),
    "action": ("float32", JOINTS, ("rad",) * 12),
    "truth.base_position": ("float32", tuple("xyz"), ("m",) * 3),
    "truth.base_orientation": ("float32", tuple("xyzw"), ("1",) * 4),
    "truth.base_velocity": ("float32", tuple("xyz"), ("m/s",) * 3),
    "truth.base_angular_velocity": ("float32", tuple("xyz"), ("rad/s",) * 3),
    "truth.velocity_outlier": ("bool", ("outlier",), ("1",)),
    "next.done": ("bool", ("done",), ("1",)),
}
_STAMPED = (STATE, IMU, VELOCITY_COMMAND, "action")


def convert_go1_logs(
    source: Path,
    out: Path,
    episodes: Sequence[int] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Conversion:
    """Write trajectories of the Go1 logs as episodes of a LeRobotDataset v3.

    Args:
        source: The npz.
        out: Dataset folder; appended to if it exists.
        episodes: Trajectories to take, by index; all by default.
        progress: Called with the trajectories done and their total.

    Raises:
        ConfigError: If the file is no such log, or a trajectory does not exist.
    """
    states, actions, lengths = _load(Path(source))
    chosen = list(range(len(lengths))) if episodes is None else list(episodes)
    for index in chosen:
        if not 0 <= index < len(lengths):
            raise ConfigError(f"{source}: no trajectory {index}; there are {len(lengths)}, from 0")
    starts = np.concatenate(([0], np.cumsum(lengths)))
    frames = outliers = broken = affected = 0
    robot = load_robot("go1")
    limit = robot.velocity[[robot.joint_names.index(joint) for joint in JOINTS]]
    with FolderLock(Path(out)), DatasetFolder(Path(out), FPS, "go1", features()) as folder:
        for done, index in enumerate(chosen):
            rows = slice(starts[index], starts[index + 1])
            columns = to_columns(states[rows], actions[rows])
            at = breaks(FPS, columns[STATE][:, : len(JOINTS)], limit, columns[IMU][:, :4])
            about = {"source": LICENCE, "trajectory": index, "task": TASK, "robot": "go1"}
            about["breaks"] = at.tolist()
            broken, affected = broken + len(at), affected + bool(len(at))
            folder.add_columns(columns, TASK, about)
            frames += len(columns[STATE])
            outliers += int(columns["truth.velocity_outlier"].sum())
            if progress is not None:
                progress(done + 1, len(chosen))
    notes = (
        f"{outliers} of {frames} rows have |v| > {OUTLIER_SPEED:g} m/s (tracker glitches), marked",
        f"{broken} of {frames} rows cannot follow the row before, in {affected} of {len(chosen)} "
        "episodes, marked",
    )
    return Conversion(Path(out), len(chosen), frames, notes)


def features() -> dict[str, dict[str, object]]:
    """Return the columns as LeRobot describes them."""
    table = {
        name: {"dtype": dtype, "shape": [len(names)], "names": list(names), "unit": list(unit)}
        for name, (dtype, names, unit) in _COLUMNS.items()
    }
    stamp = {"dtype": "float64", "shape": [1], "names": ["stamp"], "unit": ["s"]}
    return {**table, **{f"capture_stamp.{name}": stamp for name in _STAMPED}}


def to_columns(states: np.ndarray, actions: np.ndarray) -> dict[str, np.ndarray]:
    """Return one trajectory in SI units.

    Args:
        states: Logged rows. Shape (n, 76).
        actions: Logged policy outputs. Shape (n, 12).

    Returns:
        Array by feature name, names as in `features()`. Shape (n, width) each.
    """
    states, actions = states.astype(np.float64), actions.astype(np.float64)
    n = len(states)
    gravity = states[:, 0:3]  # direction, body frame
    roll = np.arctan2(-gravity[:, 1], -gravity[:, 2])
    pitch = np.arcsin(np.clip(gravity[:, 0], -1.0, 1.0))
    orientation = quaternion(np.stack((roll, pitch, states[:, 69]), axis=1))
    velocity = to_body(orientation, states[:, 61:64])
    angular = to_body(orientation, states[:, 70:73])
    # An accelerometer at rest measures +g upwards; the T265 has removed it.
    acceleration = to_body(orientation, states[:, 64:67] + GRAVITY * UP)
    position = states[:, 18:30] + DEFAULT_POSE
    target = DEFAULT_POSE + ACTION_SCALE * np.clip(actions, -ACTION_CLIP, ACTION_CLIP)
    speed = np.linalg.norm(states[:, 61:64], axis=1)
    stamp = (np.arange(n) / FPS)[:, None]
    return {
        STATE: np.hstack((position, states[:, 30:42] / VELOCITY_SCALE)),
        IMU: np.hstack((orientation, angular, acceleration)),
        VELOCITY_COMMAND: states[:, 3:6] / COMMAND_SCALE,
        "action": target,
        "truth.base_position": np.column_stack((states[:, 58:60], height(position, gravity))),
        "truth.base_orientation": orientation,
        "truth.base_velocity": velocity,
        "truth.base_angular_velocity": angular,
        "truth.velocity_outlier": (speed > OUTLIER_SPEED)[:, None],
        "next.done": (np.arange(n) == n - 1)[:, None],
        **{f"capture_stamp.{name}": stamp for name in _STAMPED},
    }


def height(position: np.ndarray, gravity: np.ndarray) -> np.ndarray:
    """Return how high the trunk is above its lowest foot.

    Args:
        position: Joint positions in the order of `JOINTS`. Shape (n, 12). [rad]
        gravity: Direction of gravity in the body frame, unit length. Shape (n, 3).

    Returns:
        Shape (n,). [m]
    """
    abduction, thigh, calf = np.moveaxis(position.reshape(-1, 4, 3), 2, 0)  # (n, 4) each
    side = np.sign(HIP[:, 1]) * ABDUCTION
    x = -LINK * (np.sin(thigh) + np.sin(thigh + calf))
    down = LINK * (np.cos(thigh) + np.cos(thigh + calf))
    y = side * np.cos(abduction) + down * np.sin(abduction)
    z = side * np.sin(abduction) - down * np.cos(abduction)
    foot = np.stack((HIP[:, 0] + x, HIP[:, 1] + y, z), axis=-1)  # (n, 4, 3)
    return np.einsum("nlk,nk->nl", foot, gravity).max(axis=1) + FOOT_RADIUS


def _load(source: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read the npz and refuse what is not such a log."""
    arrays = read_npz(source, (*WIDTHS, "lengths"))
    lengths = arrays["lengths"]
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or (lengths < 1).any():
        raise ConfigError(f"{source}: lengths must be whole numbers >= 1, got {lengths!r}")
    rows = sum(lengths.tolist())  # of any size, where numpy's sum begins again at 2^64
    for key, width in WIDTHS.items():
        array = arrays[key]
        if array.dtype.kind != "f" or array.ndim != 2 or array.shape[1] != width:
            raise ConfigError(
                f"{source}: {key} has shape {array.shape} of {array.dtype}, "
                f"expected ({rows}, {width}) of floats"
            )
        if len(array) != rows:
            raise ConfigError(f"{source}: {key} has {len(array)} rows, but lengths sum to {rows}")
        if not np.isfinite(array).all():
            row, column = np.argwhere(~np.isfinite(array))[0]
            raise ConfigError(f"{source}: {key}[{row}, {column}] = {array[row, column]}")
    return arrays["states"], arrays["actions"], lengths
