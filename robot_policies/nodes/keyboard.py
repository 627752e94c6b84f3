"""A terminal as a way to steer: its keys, read one by one between two turns of the node."""

import os
import select
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException

from robot_policies.control.teleop import Keys
from robot_policies.nodes.lifetime import leave
from robot_policies.nodes.operator_node import OperatorNode

PERIOD = 0.02  # s; how long a key may wait
LINE = "\r\x1b[K"  # back to the beginning of an empty line


def has_terminal() -> bool:
    """Return whether keys can be read."""
    return sys.stdin.isatty()


def steer(namespace: str, keyboard: bool) -> None:
    """Run the person's node until it is interrupted.

    Args:
        namespace: Namespace of the robot's nodes.
        keyboard: Whether to read this terminal; else the node only hears its topics.
    """
    rclpy.init()
    screen = Screen()
    node = OperatorNode(told=screen.tell, namespace=namespace)
    try:
        if not keyboard:
            rclpy.spin(node)
            return
        keys = Keys(node.teleop.settings.fastest)
        with single_keys():
            while rclpy.ok():
                for key in pressed():
                    if wish := keys.press(key):
                        node.wish(wish)
                screen.show(f"{node.status}   {spoken(keys.velocity)}")
                node.teleop.command(keys.velocity, node.now())
                rclpy.spin_once(node, timeout_sec=PERIOD)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        leave(node)


class Screen:
    """A terminal whose last line is the present state."""

    def __init__(self) -> None:
        """Begin without one."""
        self._state = ""

    def show(self, state: str) -> None:
        """Replace the last line, if it is another."""
        if state != self._state:
            self._state = state
            print(f"{LINE}{state}", end="", flush=True)

    def tell(self, line: str) -> None:
        """Print a line that stays, above the last one."""
        print(f"{LINE}{line}\n{self._state}", end="", flush=True)


def spoken(velocity: np.ndarray) -> str:
    """Return forward [m/s], left [m/s] and turn [rad/s] as people read them."""
    forward, left, turn = velocity
    return f"forward {forward:.1f} m/s, left {left:.1f} m/s, turn {turn:.1f} rad/s"


@contextmanager
def single_keys() -> Iterator[None]:
    """Give keys as they are pressed, without echo; the terminal is as before afterwards."""
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def pressed() -> str:
    """Return the keys that were pressed, one character each.

    Raises:
        KeyboardInterrupt: If the terminal is gone: nobody is there any more.
    """
    if not select.select([sys.stdin], [], [], 0.0)[0]:
        return ""
    keys = os.read(sys.stdin.fileno(), 64)
    if not keys:
        raise KeyboardInterrupt
    return keys.decode(errors="replace")
