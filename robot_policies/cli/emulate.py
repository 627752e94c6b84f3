"""`robot-policies emulate`: an arm that is not there, on a port that its real driver opens."""

import sys
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


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("emulate")(emulate)


def emulate(
    arm: Annotated[
        str, typer.Argument(help="LeRobot's robot type, such as so101 or koch_follower.")
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
    json_path: Json = None,
) -> None:
    """Emulate the servos of an arm until Ctrl-C; then show what they were told."""
    from robot_policies_hardware.emulators import arms
    from robot_policies_hardware.emulators.serial_bus import SerialBus

    kind, spec = _named(arm)
    found = arms.motors_of(kind)
    links = _one_each(port_link, len(found), "--port-link")
    files = _one_each(calibration, len(found), "--calibration")
    with ExitStack() as stack:
        buses = []
        for motors, link, file in zip(found, links, files, strict=True):
            servos = arms.servos_of(motors, arms.read_calibration(file, motors, spec))
            bus = SerialBus(servos, baudrate=baudrate, link=link)
            stack.callback(bus.close)
            buses.append((motors, bus))
            where = f"{bus.port} ({link})" if link else bus.port
            print(f"{kind}: {len(motors)} servos on {where}; Ctrl-C ends", file=sys.stderr)
        with suppress(KeyboardInterrupt):
            Event().wait()
        told = [_told(bus, motors) for motors, bus in buses]
    with results(json_path) as output:
        columns = ("port", "motor", "position, ticks", "torque", "longest step, ticks")
        rows = [
            (arm["port"], name, *motor.values())
            for arm in told
            for name, motor in arm["motors"].items()
        ]
        output.finish(
            {"type": kind, "arms": told}, table("what the servos were told", columns, rows)
        )


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
