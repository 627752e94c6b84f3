"""`robot-policies drive`: steer a robot of a running graph by keyboard or joystick."""

from typing import Annotated

import typer

from robot_policies.cli.options import Namespace, Network

HELP = """1 stand up / stand   2 walk   0 lie down   x EMERGENCY STOP   r release it
w s forward   a d sideways   q e turn   space still   Ctrl-C end (the robot stops)"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("drive")(drive)


def drive(
    namespace: Namespace = "/",
    keyboard: Annotated[
        bool, typer.Option("--keyboard/--joystick", help="This terminal, or the topic `joy`.")
    ] = True,
    network: Network = "none",
) -> None:
    """Steer a robot with modes; when this ends or loses its joystick, the robot stops."""
    from robot_policies.interface import ConfigError
    from robot_policies.launching.network import membership
    from robot_policies.nodes.keyboard import has_terminal, steer

    if keyboard and not has_terminal():
        raise ConfigError("drive: no terminal to read keys from; with a joystick: --joystick")
    print(HELP if keyboard else "listening to 'joy'")
    with membership(network):
        steer(namespace, keyboard)
