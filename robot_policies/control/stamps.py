"""Measurements and commands on another clock."""

from dataclasses import replace

from robot_policies.interface import Command, RobotState


def shifted(state: RobotState, by: float) -> RobotState:
    """Return a measurement with all its stamps moved by some seconds."""
    if by == 0.0:
        return state
    stamps = {name: stamp + by for name, stamp in state.stamps.items()}
    return replace(state, stamp=state.stamp + by, stamps=stamps)


def restamped(command: Command, by: float) -> Command:
    """Return a command with its stamp moved by some seconds."""
    return replace(command, stamp=command.stamp + by) if by else command
