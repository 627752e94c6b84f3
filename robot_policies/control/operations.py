"""What a person may ask of a control loop: to stop, to go on, and for modes of a legged robot."""

from dataclasses import replace

from robot_policies.control.loop import ControlLoop, Decision
from robot_policies.control.mode_table import LeggedMode
from robot_policies.control.refusal import Cause, Refusal


def emergency_stop(loop: ControlLoop, reason: str, now: float) -> Decision | None:
    """Damp the robot now and until `release`.

    Args:
        loop: The robot.
        reason: One line for people.
        now: Time. [s]

    Returns:
        What was sent; `None` if the robot has not been measured yet.
    """
    loop.gate.trip(reason, now)
    return loop.decide(now) if loop.state else None


def release(loop: ControlLoop, now: float) -> Refusal | None:
    """End an emergency stop; return why not, if its cause lasts. Motion waits for `go`."""
    if loop.state is None:
        return None
    if loop.modes:
        if reason := loop.modes.release():
            return Refusal(Cause.FAULT, reason)
        # The robot no longer reports the stop that has just ended.
        loop.state = replace(loop.state, fault="", busy=str(loop.modes.mode))
    refusal = loop.gate.reset(loop.state, now)
    if loop.modes:  # a person has it stand up and walk again
        loop.gate.go()
    return refusal


def go(loop: ControlLoop) -> str:
    """Follow the policy again after `release`; return why not, empty if it is done."""
    if loop.latched:
        return f"stays stopped: {loop.latched.text}"
    loop.gate.go()
    return ""


def request(loop: ControlLoop, mode: LeggedMode) -> str:
    """Ask a robot with modes for one; return why not, empty if it is done."""
    if loop.modes is None:
        return f"'{loop.robot.name}' has no modes here"
    return loop.modes.request(mode)
