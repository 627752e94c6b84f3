"""Action chunks and commands as messages, both ways.

Joint chunks travel as `trajectory_msgs/JointTrajectory`; gripper displacements and base
velocities, which are no joints, as `trajectory_msgs/MultiDOFJointTrajectory`. In both the header
carries the stamp of the answered observation, and row k has `time_from_start` (k + 1) dt: the
moment it is due, as any trajectory controller understands it. Limits that come with a chunk are
the frame, which joints have none of: `limits {"elbow": {"upper": 1.0}}`.
"""

import json
from array import array
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Transform, TwistStamped
from sensor_msgs.msg import JointState
from std_msgs.msg import Header
from trajectory_msgs.msg import (
    JointTrajectory,
    JointTrajectoryPoint,
    MultiDOFJointTrajectory,
    MultiDOFJointTrajectoryPoint,
)

from robot_policies.interface import (
    ActionChunk,
    ActionKind,
    Command,
    ConfigError,
    ContractError,
    JointLimits,
    RobotSpec,
)
from robot_policies.interface.action import CARTESIAN_DELTA_NAMES
from robot_policies.interface.limits import limits_from_json, limits_to_json
from robot_policies.interface.observation import VELOCITY_COMMAND_NAMES
from robot_policies.nodes.decoding import to_seconds
from robot_policies.nodes.messages import (
    encode_velocity,
    fill,
    header,
    to_time,
)

FIELDS = {ActionKind.JOINT_POSITION: "positions", ActionKind.JOINT_VELOCITY: "velocities"}
LIMITS = "limits "  # what a frame begins with that is none
UNIT_TOLERANCE = 1e-3  # on the squared length of a quaternion
TIMING_TOLERANCE = 1e-6  # s; stamps are whole nanoseconds, floats of them are a little less


def chunk_type(kind: ActionKind) -> tuple[str, type]:
    """Return the topic and the message type that carry chunks of a kind."""
    if kind in FIELDS:
        return "action_chunk", JointTrajectory
    return "action_chunk_multi_dof", MultiDOFJointTrajectory


def encode_chunk(chunk: ActionChunk) -> JointTrajectory | MultiDOFJointTrajectory:
    """Return the message of a chunk.

    Raises:
        ContractError: If its elements cannot be said in the message.
    """
    due = [_duration((k + 1) * chunk.dt) for k in range(len(chunk.values))]
    if chunk.kind in FIELDS:
        message = JointTrajectory(header=_header(chunk), joint_names=list(chunk.names))
        field = FIELDS[chunk.kind]
        message.points = [
            JointTrajectoryPoint(**{field: array("d", row.tobytes())}, time_from_start=time)
            for row, time in zip(chunk.values, due, strict=True)
        ]
        return message
    body, names, encode = BODIES[chunk.kind]
    if chunk.names[: len(names)] != names:
        raise ContractError(f"chunk: {chunk.kind} with names {chunk.names}, expected {names}")
    joints = chunk.names[len(names) :]
    message = MultiDOFJointTrajectory(header=_header(chunk), joint_names=[body, *joints])
    message.points = [encode(row, time) for row, time in zip(chunk.values, due, strict=True)]
    return message


def decode_chunk(message: JointTrajectory | MultiDOFJointTrajectory) -> ActionChunk:
    """Read a chunk.

    Raises:
        ContractError: If rows are missing, uneven in time, or of different make, or the limits
            cannot be read.
    """
    points: list[Any] = list(message.points)
    dt = _time_step([to_seconds(point.time_from_start) for point in points])
    stamp = to_seconds(message.header.stamp)
    if isinstance(message, JointTrajectory):
        names = tuple(message.joint_names)
        kind = ActionKind.JOINT_POSITION if len(points[0].positions) else ActionKind.JOINT_VELOCITY
        rows: list[Sequence[float]] = [getattr(point, FIELDS[kind]) for point in points]
    else:
        cartesian = bool(points[0].transforms)
        kind = ActionKind.CARTESIAN_DELTA if cartesian else ActionKind.BASE_VELOCITY
        read = _read_displacement if cartesian else _read_velocity
        names = (*BODIES[kind][1], *list(message.joint_names)[1:])
        rows = [read(point) for point in points]
    for k, row in enumerate(rows):
        if len(row) != len(names):
            raise ContractError(f"chunk: row {k} has {len(row)} values for {len(names)} names")
    values, limits = np.array(rows, dtype=np.float64), _read_limits(message.header.frame_id)
    return ActionChunk(stamp, dt, values, names, kind, limits)


def encode_command(robot: RobotSpec, command: Command) -> JointState | TwistStamped:
    """Return what was sent, stamped with the moment it was applied; the frame says the mode."""
    if command.kind is ActionKind.BASE_VELOCITY:
        return encode_velocity(command.values, command.stamp)
    message = JointState(header=header(command.stamp, str(command.mode)))
    message.name = list(robot.joint_names)
    field = "velocity" if command.kind is ActionKind.JOINT_VELOCITY else "position"
    setattr(message, field, array("d", np.asarray(command.values, np.float64).tobytes()))
    return message


def _header(chunk: ActionChunk) -> Header:
    text = f"{LIMITS}{json.dumps(limits_to_json(chunk.limits))}" if chunk.limits else ""
    return header(chunk.stamp, text)


@lru_cache(maxsize=8)  # the same with every chunk, until the skills change
def _read_limits(frame: str) -> JointLimits:
    if not frame.startswith(LIMITS):
        return {}  # a frame, as others write one
    try:
        return limits_from_json(json.loads(frame.removeprefix(LIMITS)), "chunk: limits")
    except (ValueError, RecursionError, ConfigError) as error:
        raise ContractError(f"chunk: limits {frame[:80]!r} cannot be read: {error}") from None


def _duration(seconds: float) -> Duration:
    time = to_time(seconds)
    return Duration(sec=time.sec, nanosec=time.nanosec)


def _time_step(due: list[float]) -> float:
    if not due or due[0] <= 0.0:
        raise ContractError(f"chunk: first row due {due[:1]} s after the observation, must be > 0")
    for k, time in enumerate(due):
        expected = (k + 1) * due[0]
        if abs(time - expected) > TIMING_TOLERANCE:
            raise ContractError(f"chunk: row {k} due at {time:g} s, expected {expected:g} s")
    return due[0]


def _displacement(row: np.ndarray, due: Duration) -> MultiDOFJointTrajectoryPoint:
    transform = Transform()
    angle = float(np.linalg.norm(row[3:6]))
    # sin(a/2)/a is 1/2 at a = 0; np.sinc(x) is sin(pi x)/(pi x).
    axis = row[3:6] * 0.5 * np.sinc(angle / (2.0 * np.pi))
    fill(transform.translation, "xyz", row[:3])
    fill(transform.rotation, "xyzw", (*axis, np.cos(angle / 2.0)))
    joints = [Transform() for _ in row[6:]]
    for joint, value in zip(joints, row[6:], strict=True):
        joint.translation.x = float(value)
    return MultiDOFJointTrajectoryPoint(transforms=[transform, *joints], time_from_start=due)


def _read_displacement(point: MultiDOFJointTrajectoryPoint) -> list[float]:
    transforms: list[Any] = list(point.transforms)
    if not transforms:
        raise ContractError("chunk: a row without a transform")
    move, turn = transforms[0].translation, transforms[0].rotation
    vector = np.array((turn.x, turn.y, turn.z))
    sine = float(np.linalg.norm(vector))
    if abs(sine**2 + turn.w**2 - 1.0) > UNIT_TOLERANCE:
        raise ContractError(f"chunk: rotation {[turn.x, turn.y, turn.z, turn.w]} is no unit one")
    scale = 2.0 * np.arctan2(sine, turn.w) / sine if sine > 1e-12 else 2.0
    joints = [joint.translation.x for joint in transforms[1:]]
    return [move.x, move.y, move.z, *(scale * vector).tolist(), *joints]


def _velocity(row: np.ndarray, due: Duration) -> MultiDOFJointTrajectoryPoint:
    twist = encode_velocity(row, 0.0).twist
    return MultiDOFJointTrajectoryPoint(velocities=[twist], time_from_start=due)


def _read_velocity(point: MultiDOFJointTrajectoryPoint) -> list[float]:
    twists: list[Any] = list(point.velocities)
    if len(twists) != 1:
        raise ContractError(f"chunk: a row has {len(twists)} velocities, expected 1")
    return [twists[0].linear.x, twists[0].linear.y, twists[0].angular.z]


Encode = Callable[[np.ndarray, Duration], MultiDOFJointTrajectoryPoint]
# Name of the body that moves, leading elements, and how a row is written. Further elements of a
# gripper displacement are joints, each a body whose translation.x is the joint's position.
BODIES: dict[ActionKind, tuple[str, tuple[str, ...], Encode]] = {
    ActionKind.CARTESIAN_DELTA: ("gripper", CARTESIAN_DELTA_NAMES, _displacement),
    ActionKind.BASE_VELOCITY: ("base_link", VELOCITY_COMMAND_NAMES, _velocity),
}
