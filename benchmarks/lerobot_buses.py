"""LeRobot's robots behind the gate on emulated buses: how far each servo was told to go at once.

    python benchmarks/lerobot_buses.py

Each type is connected by LeRobot's own driver, told 100 times to go where it may not go at once,
and disconnected, while the goal registers are watched. Servos are where they are told at once, so
that a step of the goal is the whole way.
"""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from dynamixel_sdk import PortHandler
from lerobot.motors.feetech import feetech
from rich.console import Console
from rich.table import Table

from robot_policies.catalog import make_backend
from robot_policies.control.safety_limits import SafetyLimits
from robot_policies.interface import RobotSpec
from robot_policies.interface.robot_table import read_robot
from robot_policies.lerobot_plugin.guard import Guard
from robot_policies_hardware.emulators import arms
from robot_policies_hardware.emulators.motion import AT_ONCE
from robot_policies_hardware.emulators.serial_bus import SerialBus

TYPES = {  # name of each arm, as its calibration file and motors have it
    "so100_follower": ("",),
    "so101_follower": ("",),
    "koch_follower": ("",),
    "omx_follower": ("",),
    "bi_so_follower": ("left_", "right_"),
    "hope_jr_arm": ("",),
}
STEPS, RATE = 100, 30.0  # Hz
AWAY = 0.4  # rad; of the targets from the first pose, now on one side and now on the other
TURNS = 25  # steps between two sides
OLD_GOAL = 3000  # ticks; what the last user left
JOINT = {"lower": -2.0, "upper": 2.0, "velocity": 2.0, "acceleration": 50.0, "jerk": 1e4}


def plain(names: list[str]) -> RobotSpec:
    """Return a table in which each joint turns by 2 rad to each side, at 2 rad/s at most."""
    links: dict[str, Any] = {"base": {"mass": 1.0}}
    for name in names:
        links[f"{name}_link"] = {"parent": list(links)[-1], "joint": name, "mass": 1.0}
    gains = {mode: {"stiffness": 1.0, "damping": 0.1} for mode in ("policy", "hold", "damp")}
    table = {
        "name": "plain",
        "units": {"length": "m", "angle": "rad", "mass": "kg", "time": "s", "force": "N"},
        "joints": {name: {**JOINT, "effort": 5.0, "default": 0.0} for name in names},
        "links": links,
        "gains": gains,
        "control_rate": RATE,
        "servo_rate": 200.0,
        "floating_base": False,
    }
    return read_robot(table, "plain")


@contextmanager
def emulated(kind: str, folder: Path) -> Iterator[dict[str, tuple[SerialBus, dict[str, Any]]]]:
    """Give the buses of a robot, with calibration files beside them."""
    buses = {}
    try:
        for name, motors in zip(TYPES[kind], arms.motors_of(kind), strict=True):
            file = folder / f"{'_'.join(filter(None, ('one', name.removesuffix('_'))))}.json"
            servos = arms.servos_of(motors, arms.read_calibration(file, motors, None), AT_ONCE)
            buses[name] = SerialBus(servos), motors
            for motor in motors.values():
                buses[name][0].put(motor.id, "Goal_Position", OLD_GOAL)
        yield buses
    finally:
        for bus, _ in buses.values():
            bus.close()


def driven(kind: str, folder: Path) -> dict[str, Any]:
    """Return how far servos were told to go at once. [ticks]."""
    with emulated(kind, folder) as buses:
        spec = plain([f"{name}{motor}" for name, (_, motors) in buses.items() for motor in motors])
        ports = {name: {"port": bus.port} for name, (bus, _) in buses.items()}
        options = ports.pop("", {}) | {f"{name}arm_config": port for name, port in ports.items()}
        backend: Any = make_backend(
            "lerobot", spec, type=kind, id="one", calibration_dir=str(folder), **options
        )
        backend.connect()
        connected = furthest(buses)
        guard, now = Guard(backend, None), 0.0
        start = backend.read().joint_position
        for step in range(STEPS):
            now += 1.0 / RATE
            guard.look(now)
            side = -1.0 if step // TURNS % 2 else 1.0
            target = np.clip(start + side * AWAY, spec.lower, spec.upper)
            guard.act(backend.units.action(target), now)
        moved = float(np.abs(backend.read().joint_position - start).max())
        backend.close()
        torque = {on for bus, _ in buses.values() for on in bus.torque.values()}
    return {
        "servos": len(spec.joints),
        "connected": connected,
        "furthest": furthest(buses),
        "gate": JOINT["velocity"] * SafetyLimits().command_timeout / arms.TICK,
        "moved": moved,
        "torque": sorted(torque),
    }


def furthest(buses: dict[str, tuple[SerialBus, dict[str, Any]]]) -> int:
    """Return the longest way; a gripper's ticks are percent of its range, and left out."""
    return max(
        bus.furthest[motor.id]
        for bus, motors in buses.values()
        for name, motor in motors.items()
        if name != "gripper"
    )


def patient(port: Any, length: int) -> None:
    """Wait 400 ms for an answer: an emulated bus is a thread, and waits for its turn."""
    port.setPacketTimeoutMillis(400.0)


def main(
    out: Annotated[Path | None, typer.Option("--json", metavar="FILE")] = None,
) -> None:
    """Drive all types, print a table and write what was seen."""
    feetech.patch_setPacketTimeout = PortHandler.setPacketTimeout = patient
    found = {}
    for kind in TYPES:
        with tempfile.TemporaryDirectory() as folder:
            found[kind] = driven(kind, Path(folder))
    table = Table(title=f"{STEPS} steps behind the gate")
    for column in ("type", "servos", "at connecting", "longest step", "the gate's", "torque left"):
        table.add_column(column)
    for kind, row in found.items():
        cells = (row["servos"], row["connected"], row["furthest"], round(row["gate"]))
        table.add_row(kind, *map(str, cells), "on" if row["torque"] == [1] else "off")
    if out:
        out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    Console(width=120).print(table)


if __name__ == "__main__":
    typer.run(main)
