"""Action chunks as messages, both ways; version 2 of the format.

Joint chunks travel as `trajectory_msgs/JointTrajectory`; gripper displacements and base
velocities, which are no joints, as `trajectory_msgs/MultiDOFJointTrajectory`. In both the header
carries the stamp of the answered observation, and row k has `time_from_start` (k + 1) dt: the
moment it is due, as any trajectory controller understands it. Limits that come with a chunk are
further elements of it (`nodes/chunk_limits.py`).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Transform, Twist
from trajectory_msgs.msg import (
    JointTrajectory,
    JointTrajectoryPoint,
    MultiDOFJointTrajectory,
    MultiDOFJointTrajectoryPoint,
)

from robot_policies.data.ros_messages import to_seconds
from robot_policies.interface import ActionChunk, ActionKind, ContractError
from robot_policies.interface.action import CARTESIAN_DELTA_NAMES
from robot_policies.interface.observation import VELOCITY_COMMAND_NAMES
from robot_policies.nodes.chunk_limits import with_limits, without_limits
from robot_policies.nodes.message_fields import doubles, fill, header, to_time
from robot_policies.nodes.messages import encode_velocity

FIELDS = {ActionKind.JOINT_POSITION: "positions", ActionKind.JOINT_VELOCITY: "velocities"}
OLD_LIMITS = "limits "  # what a frame began with that was none
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
    names, values = with_limits(chunk.names, chunk.values, chunk.limits)
    if chunk.kind in FIELDS:
        message = JointTrajectory(header=header(chunk.stamp), joint_names=list(names))
        field = FIELDS[chunk.kind]
        message.points = [
            JointTrajectoryPoint(**{field: doubles(row)}, time_from_start=time)
            for row, time in zip(values, due, strict=True)
        ]
        return message
    body, leading, encode = BODIES[chunk.kind]
    if names[: len(leading)] != leading:
        raise ContractError(f"chunk: {chunk.kind} with names {chunk.names}, expected {leading}")
    bodies = [body, *names[len(leading) :]]
    message = MultiDOFJointTrajectory(header=header(chunk.stamp), joint_names=bodies)
    message.points = [encode(row, time) for row, time in zip(values, due, strict=True)]
    return message


def decode_chunk(message: JointTrajectory | MultiDOFJointTrajectory) -> ActionChunk:
    """Read a chunk.

    Raises:
        ContractError: If rows are missing, uneven in time, or of different make, or the limits
            cannot be read.
    """
    _refuse_old_limits(message.header.frame_id)
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
    names, values, limits = without_limits(names, np.array(rows, dtype=np.float64))
    return ActionChunk(stamp, dt, values, names, kind, limits)


def _refuse_old_limits(frame: str) -> None:
    """Refuse limits where version 1 of the format had them: to overlook them would allow more."""
    if frame.startswith(OLD_LIMITS):
        raise ContractError(
            f"chunk: limits in header.frame_id are of an older release: {frame[:80]!r}"
        )


def _duration(seconds: float) -> Duration:
    time = to_time(seconds)
    return Duration(sec=time.sec, nanosec=time.nanosec)


def _time_step(due: list[float]) -> float:
    """Return the time step of rows that are due at dt, 2 dt, 3 dt and so on. [s]."""
    if not due or due[0] <= 0.0:
        raise ContractError(f"chunk: first row due {due[:1]} s after the observation, must be > 0")
    for k, time in enumerate(due):
        expected = (k + 1) * due[0]
        if abs(time - expected) > TIMING_TOLERANCE:
            raise ContractError(f"chunk: row {k} due at {time:g} s, expected {expected:g} s")
    return due[0]


def _displacement(row: np.ndarray, due: Duration) -> MultiDOFJointTrajectoryPoint:
    """Return a row as a point: of the rotation vector v, the quaternion (v/a sin(a/2), cos(a/2)).

    Its length is the angle, a = |v|.
    """
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
    """Return a point as a row: a = 2 atan2(|u|, w) and v = a u / |u| of the quaternion (u, w)."""
    transforms: list[Any] = list(point.transforms)
    if not transforms:
        raise ContractError("chunk: a row without a transform")
    move, turn = transforms[0].translation, transforms[0].rotation
    vector = np.array((turn.x, turn.y, turn.z))
    sine = float(np.linalg.norm(vector))
    # Multiplied, for Python refuses a power that is larger than any float.
    if abs(sine * sine + turn.w * turn.w - 1.0) > UNIT_TOLERANCE:
        raise ContractError(f"chunk: rotation {[turn.x, turn.y, turn.z, turn.w]} is no unit one")
    scale = 2.0 * np.arctan2(sine, turn.w) / sine if sine > 1e-12 else 2.0
    joints = [joint.translation.x for joint in transforms[1:]]
    return [move.x, move.y, move.z, *(scale * vector).tolist(), *joints]


def _velocity(row: np.ndarray, due: Duration) -> MultiDOFJointTrajectoryPoint:
    twists = [encode_velocity(row[:3], 0.0).twist, *(Twist() for _ in row[3:])]
    for twist, value in zip(twists[1:], row[3:], strict=True):
        twist.linear.x = float(value)
    return MultiDOFJointTrajectoryPoint(velocities=twists, time_from_start=due)


def _read_velocity(point: MultiDOFJointTrajectoryPoint) -> list[float]:
    twists: list[Any] = list(point.velocities)
    if not twists:
        raise ContractError("chunk: a row without a velocity")
    base, *behind = twists
    return [base.linear.x, base.linear.y, base.angular.z, *(twist.linear.x for twist in behind)]


Encode = Callable[[np.ndarray, Duration], MultiDOFJointTrajectoryPoint]
# Name of the body that moves, leading elements, and how a row is written. Each further element is
# a body of its own with the element's value in x: a joint of a gripper displacement, or a limit.
BODIES: dict[ActionKind, tuple[str, tuple[str, ...], Encode]] = {
    ActionKind.CARTESIAN_DELTA: ("gripper", CARTESIAN_DELTA_NAMES, _displacement),
    ActionKind.BASE_VELOCITY: ("base_link", VELOCITY_COMMAND_NAMES, _velocity),
}
