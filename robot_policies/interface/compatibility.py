"""Whether a policy may drive a robot, decided before anything moves.

Every difference between what a checkpoint was trained with and what it is about to meet is a
finding with a code. `configure` and `run_episode` refuse on any error among them, and
`robot-policies check` prints them all.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from robot_policies.interface.action import CARTESIAN_DELTA_NAMES, ActionKind
from robot_policies.interface.backend import RobotBackend, offered
from robot_policies.interface.camera_match import audit_rates, exchanged, resized
from robot_policies.interface.clouds import check_clouds, is_cloud
from robot_policies.interface.errors import ContractError, suggestion
from robot_policies.interface.findings import Finding, Report
from robot_policies.interface.gains import check_gains
from robot_policies.interface.normalization_audit import audit_statistics
from robot_policies.interface.observation import (
    IMAGES,
    TASK,
    VELOCITY_COMMAND,
    VELOCITY_COMMAND_NAMES,
)
from robot_policies.interface.policy import Policy
from robot_policies.interface.rates import whole_periods
from robot_policies.interface.robot import RobotSpec
from robot_policies.interface.spec import ArraySpec
from robot_policies.interface.task import Task

TRIALS = 32  # whose instructions are compared
COMMANDABLE = {ActionKind.CARTESIAN_DELTA: ActionKind.JOINT_POSITION}  # resolved on the way


def check_compatible(
    policy: Policy, robot: RobotSpec, backend: RobotBackend, task: Task | None = None
) -> Report:
    """Compare a policy with the robot, the backend and the task it is to run on.

    Args:
        policy: The policy, loaded.
        robot: The robot.
        backend: The backend; it need not be connected.
        task: Whose goals are compared as well, if it is given.
    """
    findings = [
        *_names(policy, robot, backend),
        *_observation(policy, backend),
        *audit_rates(policy.observation_spec, robot),
        *_action(policy, robot, backend),
        *audit_statistics(policy, robot),
        *(_task(policy, task) if task else ()),
        *policy.findings,
    ]
    order = ("error", "warning", "info")
    return Report(tuple(sorted(findings, key=lambda finding: order.index(finding.level))))


def _names(policy: Policy, robot: RobotSpec, backend: RobotBackend) -> Iterator[Finding]:
    if policy.robot and policy.robot != robot.name:
        text = f"the policy was trained for '{policy.robot}', not '{robot.name}'"
        yield Finding("error", "robot", text)
    if backend.spec.name != robot.name:
        text = f"the backend drives '{backend.spec.name}', not '{robot.name}'"
        yield Finding("error", "robot", text)


def _observation(policy: Policy, backend: RobotBackend) -> Iterator[Finding]:
    provides = offered(backend)
    for name, needed in policy.observation_spec.items():
        if name not in provides:
            text = f"the policy needs '{name}'.{suggestion(name, provides)}"
            yield Finding("error", "feature", text)
        elif is_cloud(needed):
            yield from _cloud(needed, provides[name])
        elif needed.names and provides[name].names:
            yield from _elements(needed, provides[name])
        else:
            other = exchanged(name, policy.observation_spec, provides)
            yield from _shape(needed, provides[name], other)


def _elements(needed: ArraySpec, provided: ArraySpec) -> Iterator[Finding]:
    where = needed.name
    units = dict(zip(provided.names, provided.units, strict=True))
    for name, unit in zip(needed.names, needed.units, strict=True):
        if name not in units:
            text = f"{where}: no element '{name}'.{suggestion(name, units)}"
            yield Finding("error", "names", text)
        elif unit != units[name]:
            text = f"{where}[{name}]: the policy needs {unit}, the robot gives {units[name]}"
            yield Finding("error", "unit", text)
    common = [name for name in provided.names if name in needed.names]
    if common != [name for name in needed.names if name in units]:
        text = f"{where}: the policy's order differs from the robot's; matched by name"
        yield Finding("info", "order", text)


def _cloud(needed: ArraySpec, provided: ArraySpec) -> Iterator[Finding]:
    try:
        check_clouds(needed, provided)
    except ContractError as error:
        yield Finding("error", "cloud", str(error))


def _shape(needed: ArraySpec, provided: ArraySpec, other: str = "") -> Iterator[Finding]:
    where = needed.name
    fits = len(needed.shape) == len(provided.shape) and all(
        want is None or want == got for want, got in zip(needed.shape, provided.shape, strict=True)
    )
    if not fits:
        code = "image_size" if where.startswith(IMAGES) else "shape"
        text = f"{where}: the policy needs {needed.shape}, the robot gives {provided.shape}"
        if other:
            text += f", as '{other}' should: are these two cameras exchanged?"
        elif code == "image_size":
            text += ". " + resized(where.rpartition(".")[2], needed, provided)
        yield Finding("error", code, text)
    if needed.dtype.kind != provided.dtype.kind:
        text = f"{where}: the policy needs {needed.dtype}, the robot gives {provided.dtype}"
        yield Finding("error", "dtype", text)
    if needed.unit != provided.unit:
        text = f"{where}: the policy needs {needed.unit}, the robot gives {provided.unit}"
        yield Finding("error", "unit", text)


def _action(policy: Policy, robot: RobotSpec, backend: RobotBackend) -> Iterator[Finding]:
    spec = policy.action_spec
    kind = COMMANDABLE.get(spec.kind, spec.kind)
    if kind not in backend.accepts:
        text = f"the policy commands {spec.kind}, the backend accepts {sorted(backend.accepts)}"
        yield Finding("error", "action_kind", text)
    yield from _rate(spec.dt, robot.control_rate)
    if spec.kind is ActionKind.CARTESIAN_DELTA:
        yield from _cartesian(spec.array, robot)
    if spec.kind not in (ActionKind.JOINT_POSITION, ActionKind.JOINT_VELOCITY):
        return
    for name in sorted(set(robot.joint_names) - set(spec.array.names)):
        yield Finding("error", "action_names", f"action: joint '{name}' is missing")
    for name in spec.array.names:
        if name not in robot.joint_names:
            text = f"action: no joint '{name}'.{suggestion(name, robot.joint_names)}"
            yield Finding("error", "action_names", text)
    if sorted(spec.array.names) != sorted(robot.joint_names):
        return
    if spec.array.names != robot.joint_names:
        text = "action: the policy's order differs from the robot's; matched by name"
        yield Finding("info", "order", text)
    yield from check_gains(spec, robot)
    per = "/s" if spec.kind is ActionKind.JOINT_VELOCITY else ""
    for i, name in enumerate(spec.array.names):
        joint = robot.joints[robot.joint_names.index(name)]
        unit = ("m" if joint.sliding else "rad") + per
        if spec.array.units[i] != unit:
            text = f"action[{name}]: the policy commands {spec.array.units[i]}, expected {unit}"
            yield Finding("error", "action_unit", text)
        low, high = (joint.lower, joint.upper) if not per else (-joint.velocity, joint.velocity)
        yield from _bounds(spec.array, i, low, high)


def _cartesian(array: ArraySpec, robot: RobotSpec) -> Iterator[Finding]:
    """Check a displacement of the hand (x, y, z [m], rotation vector [rad]) and joints behind."""
    if robot.workspace is None:
        text = f"cartesian_delta: {robot.name} has no workspace, and so no hand to displace"
        yield Finding("error", "action_kind", text)
        return
    count = len(CARTESIAN_DELTA_NAMES)
    if array.names[:count] != CARTESIAN_DELTA_NAMES:
        text = f"action: cartesian_delta begins with {array.names[:count]}"
        yield Finding("error", "action_names", f"{text}, expected {CARTESIAN_DELTA_NAMES}")
        return
    joints = {joint.name: joint for joint in robot.joints}
    reach = float(np.linalg.norm(robot.workspace.upper - robot.workspace.lower))
    for i, name in enumerate(array.names):
        if i < count:
            unit, most = ("m", reach) if i < 3 else ("rad", np.pi)
            low, high = -most, most
        elif name in joints:
            unit = "m" if joints[name].sliding else "rad"
            low, high = joints[name].lower, joints[name].upper
        else:
            text = f"action: no joint '{name}'.{suggestion(name, joints)}"
            yield Finding("error", "action_names", text)
            continue
        if array.units[i] != unit:
            text = f"action[{name}]: the policy commands {array.units[i]}, expected {unit}"
            yield Finding("error", "action_unit", text)
        yield from _bounds(array, i, low, high)


def _task(policy: Policy, task: Task) -> Iterator[Finding]:
    """Compare what a task asks for with what the policy can be asked."""
    spec = policy.observation_spec
    for name in (VELOCITY_COMMAND, TASK):
        needed = spec.needs_task if name == TASK else name in spec
        if needed and name not in task.goals:
            text = f"the policy needs '{name}', task '{task.name}' gives {[*task.goals]}"
            yield Finding("error", "goal", text)
    if TASK in task.goals and spec.needs_task:
        yield from _refused(task, TASK, "instruction", spec.check_instruction)
    needed = spec.get(VELOCITY_COMMAND)
    if VELOCITY_COMMAND in task.goals and needed and {*needed.names} <= {*VELOCITY_COMMAND_NAMES}:
        columns = [VELOCITY_COMMAND_NAMES.index(name) for name in needed.names]
        yield from _refused(
            task, VELOCITY_COMMAND, "goal", lambda goal: needed.validate(goal[columns])
        )


def _refused(
    task: Task, name: str, code: str, check: Callable[[Any], object]
) -> Iterator[Finding]:
    """Check what a task says in some of its trials."""
    found = set()
    for seed in range(TRIALS):
        try:
            check(task.start(task.initial(seed)).goal(0.0)[name])
        except ContractError as error:
            found.add(str(error))
    for text in sorted(found):
        yield Finding("error", code, f"task '{task.name}': {text}")


def _rate(dt: float, rate: float) -> Iterator[Finding]:
    if whole_periods(dt, rate):
        return
    period = 1.0 / rate
    if dt < period:
        text = f"action: a row every {dt:g} s, the robot is commanded every {period:g} s"
        yield Finding("error", "rate", text)
    else:
        text = f"action: {dt:g} s between rows is {dt * rate:.3g} control periods of {period:g} s"
        yield Finding("warning", "rate", text)


def _bounds(array: ArraySpec, i: int, low: float, high: float) -> Iterator[Finding]:
    if array.lower is None or array.upper is None:
        return
    width = len(array.names)
    lower = float(np.broadcast_to(array.lower, (width,))[i])
    upper = float(np.broadcast_to(array.upper, (width,))[i])
    where = f"action[{array.names[i]}]: the policy's range [{lower:.4g}, {upper:.4g}]"
    if lower > high or upper < low:
        yield Finding("error", "action_range", f"{where} misses the robot's [{low:g}, {high:g}]")
    elif lower < low - 1e-6 or upper > high + 1e-6:
        text = f"{where} exceeds the robot's [{low:g}, {high:g}]; the gate will refuse the rest"
        yield Finding("warning", "action_range", text)
