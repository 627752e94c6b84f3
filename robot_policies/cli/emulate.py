"""`robot-policies emulate`: a robot that is not there, where its real driver looks for it."""

import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Event
from typing import Annotated, Any

import typer

from robot_policies.cli.options import Json
from robot_policies.cli.output import results, table
from robot_policies.interface import ConfigError

SUFFIX = "_follower"  # of most of LeRobot's types
UNITREE, ROS2_CONTROL = ("go1", "go2"), "ros2_control"

Told = tuple[dict[str, Any], Any]  # what a robot was told, as a document and as a table


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("emulate")(emulate)


def emulate(
    robot: Annotated[
        str,
        typer.Argument(
            help="LeRobot's robot type, such as so101 or koch_follower; go1 or go2; ros2_control."
        ),
    ],
    port_link: Annotated[
        list[Path] | None,
        typer.Option("--port-link", metavar="PATH", help="Link to the port; one for each arm."),
    ] = None,
    calibration: Annotated[
        list[Path] | None,
        typer.Option(
            "--calibration",
            metavar="FILE",
            help="LeRobot's calibration of the arm, written if it is not there; one for each arm.",
        ),
    ] = None,
    baudrate: Annotated[
        float, typer.Option("--baudrate", min=1.0, help="How fast bytes travel. [bit/s]")
    ] = 1_000_000,
    joints_of: Annotated[
        str, typer.Option("--robot", help="Whose joints ros2_control has, such as so101.")
    ] = "",
    path_tolerance: Annotated[
        float,
        typer.Option("--path-tolerance", min=0.0, help="Of ros2_control's joints [rad]; 0: any."),
    ] = 0.0,
    goal_tolerance: Annotated[
        float,
        typer.Option("--goal-tolerance", min=0.0, help="Of ros2_control's joints [rad]; 0: any."),
    ] = 0.0,
    goal_time: Annotated[
        float,
        typer.Option("--goal-time", min=0.0, help="How late they may be there [s]; 0: for ever."),
    ] = 0.0,
    json_path: Json = None,
) -> None:
    """Emulate a robot until Ctrl-C; then show what it was told."""
    if robot in UNITREE:
        found = _unitree(robot)
    elif robot == ROS2_CONTROL:
        found = _ros2_control(joints_of, path_tolerance, goal_tolerance, goal_time)
    else:
        found = _arms(robot, port_link, calibration, baudrate)
    with results(json_path) as output:
        output.finish(*found)


def _wait(said: str) -> None:
    print(f"{said}; Ctrl-C ends", file=sys.stderr)
    with suppress(KeyboardInterrupt):
        Event().wait()


def _unitree(name: str) -> Told:
    from robot_policies_hardware.emulators.unitree import SDKS, EmulatedUnitree
    from robot_policies_hardware.unitree_sdk import MOTORS

    with EmulatedUnitree(go1=name == "go1") as robot:
        options = ", ".join(f"{key}: '{value}'" for key, value in robot.options.items())
        _wait(
            f"{name} on UDP port {robot.port}, lying. Reach it with PYTHONPATH={SDKS} and "
            f'robot:={name} backend:=unitree options:="{{{options}}}"'
        )
        refused = Counter(robot.refused)
        told = {"commands": len(robot.received), "refused": refused}
        pose = dict(zip(MOTORS, robot.q.tolist(), strict=True))
    rows = [(joint, f"{where:.3f}") for joint, where in pose.items()]
    title = f"{told['commands']} commands, refused: {dict(refused) or 'none'}"
    return {"type": name, **told, "position": pose}, table(title, ("joint", "rad"), rows)


def _ros2_control(name: str, path: float, goal: float, goal_time: float) -> Told:
    from robot_policies.catalog import load_robot
    from robot_policies_hardware.emulators.motion import Motion
    from robot_policies_hardware.emulators.ros2_control import COMMAND, STATES, EmulatedRos2Control
    from robot_policies_hardware.emulators.trajectory import Tolerances

    if not name:
        raise ConfigError("emulate ros2_control: --robot says whose joints it has, such as so101")
    spec = load_robot(name)
    pose = dict(zip(spec.joint_names, spec.default.tolist(), strict=True))
    motion = Motion(float(spec.velocity.max()), 15.0, 1.0 / 60.0)
    robot = EmulatedRos2Control(pose, motion=motion, tolerances=Tolerances(path, goal, goal_time))
    try:
        _wait(f"joints of {name} on {STATES}, their controller on {COMMAND}")
        pose, commands = robot.joints.position, len(robot.commands)
        rejected, aborted = robot.joints.rejected, robot.joints.aborted
    finally:
        robot.close()
    rows = [(joint, f"{where:.3f}") for joint, where in pose.items()]
    title = f"{commands} trajectories, {len(rejected)} rejected, {len(aborted)} given up"
    document = {"type": ROS2_CONTROL, "robot": name, "commands": commands, "position": pose}
    document |= {"rejected": rejected, "aborted": aborted}
    return document, table(title, ("joint", "rad or m"), rows)


def _arms(
    arm: str, port_link: list[Path] | None, calibration: list[Path] | None, baudrate: float
) -> Told:
    from robot_policies_hardware.emulators import arms
    from robot_policies_hardware.emulators.serial_bus import SerialBus

    kind, spec = _named(arm)
    found = arms.motors_of(kind)
    links = _one_each(port_link, len(found), "--port-link")
    files = _one_each(calibration, len(found), "--calibration")
    with ExitStack() as stack:
        buses, where = [], []
        for motors, link, file in zip(found, links, files, strict=True):
            servos = arms.servos_of(motors, arms.read_calibration(file, motors, spec))
            bus = SerialBus(servos, baudrate=baudrate, link=link)
            stack.callback(bus.close)
            buses.append((motors, bus))
            port = f"{bus.port} ({link})" if link else bus.port
            where.append(f"{len(motors)} servos on {port}")
        _wait(f"{kind}: {', '.join(where)}")
        told = [_told(bus, motors) for motors, bus in buses]
    columns = ("port", "motor", "position, ticks", "torque", "longest step, ticks")
    rows = [
        (one["port"], name, *motor.values())
        for one in told
        for name, motor in one["motors"].items()
    ]
    return {"type": kind, "arms": told}, table("what the servos were told", columns, rows)


def _named(arm: str) -> tuple[str, Any]:
    """Return LeRobot's type, and the robot's table where there is one of that name."""
    from robot_policies.catalog import load_robot, robots
    from robot_policies_hardware.lerobot_config import config_class

    name = arm.removesuffix(SUFFIX)
    spec = load_robot(name) if name in robots() else None
    try:
        config_class(name + SUFFIX)
        return name + SUFFIX, spec
    except ConfigError:
        config_class(arm)
        return arm, spec


def _one_each(given: list[Path] | None, count: int, option: str) -> list[Path | None]:
    if not given:
        return [None] * count
    if len(given) != count:
        raise ConfigError(f"{option} was given {len(given)} times, expected {count}: one per arm")
    return [*given]


def _told(bus: Any, motors: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "port": bus.port,
        "motors": {
            name: {
                "position": bus.get(motor.id, "Present_Position"),
                "torque": bus.get(motor.id, "Torque_Enable"),
                "longest_step": bus.servos[motor.id].furthest,
            }
            for name, motor in motors.items()
        },
    }
