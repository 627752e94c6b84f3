"""One node of a name on a host: two would answer each other's requests.

A claim is a listening socket in Linux's abstract namespace. It ends with its process, whatever
ends that, and is seen within the network namespace, as the graph itself is. Elsewhere than on
Linux nothing is claimed.

Who brings a node up keeps its claim: it connects, and says so. When it ends, however that is, the
node is asked to end as a launcher asks.
"""

import os
import signal
import socket
import struct
import sys
import time
from contextlib import suppress
from threading import Thread

from robot_policies.interface import ConfigError

LINUX = sys.platform == "linux"
KEEPER = b"k"  # said by who keeps a claim; others only look who has it
ESCALATION = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
PATIENCE = 5.0  # s between two of them, as ROS's launcher


class Claim:
    """A claimed name; closing it, or the end of the process, gives it back."""

    def __init__(self, listening: socket.socket | None = None) -> None:
        """Keep the socket."""
        self._listening = listening

    def end_with_keeper(self) -> None:
        """Have this process end with the first that keeps the claim and lets go of it."""
        if self._listening:
            Thread(target=self._await_keeper, args=(self._listening,), daemon=True).start()

    def close(self) -> None:
        """Give the name back."""
        if self._listening:
            with suppress(OSError):  # wakes the thread, which would keep the name
                self._listening.shutdown(socket.SHUT_RDWR)
            self._listening.close()

    @staticmethod
    def _await_keeper(listening: socket.socket) -> None:
        kept = False
        while not kept:
            try:
                visitor, _ = listening.accept()
            except OSError:  # the name was given back
                return
            with visitor, suppress(OSError):
                kept = visitor.recv(1) == KEEPER
                visitor.recv(1)  # until the other end is closed
        for number in ESCALATION:
            os.kill(os.getpid(), number)
            time.sleep(PATIENCE)


def claim(domain: int, name: str) -> Claim:
    """Claim a name.

    Args:
        domain: ROS domain.
        name: Full name of a node.

    Raises:
        ConfigError: If a process that lives has it.
    """
    if not LINUX:
        return Claim()
    listening = socket.socket(socket.AF_UNIX)
    try:
        listening.bind(_address(domain, name))
    except OSError:
        listening.close()
        raise ConfigError(already_runs(name, holder(domain, name) or 0)) from None
    listening.listen()
    return Claim(listening)


def keep(domain: int, name: str) -> socket.socket | None:
    """Return what keeps a claim until it is closed; `None` if nobody has the name."""
    if not LINUX:
        return None
    keeping = socket.socket(socket.AF_UNIX)
    try:
        keeping.connect(_address(domain, name))
        keeping.sendall(KEEPER)
    except OSError:
        keeping.close()
        return None
    return keeping


def holder(domain: int, name: str) -> int | None:
    """Return the process that has claimed a name, if one has."""
    if not LINUX:
        return None
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(1.0)
        try:
            asking.connect(_address(domain, name))
            credentials = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        except OSError:
            return None
    return struct.unpack("3i", credentials)[0]  # process, user and group


def already_runs(name: str, process: int) -> str:
    """Return what to say where somebody else has the name of a node."""
    namespace = name.rpartition("/")[0] or "/"
    return (
        f"a graph already runs in namespace {namespace}: its node '{name}' is process {process}. "
        "End it, or give this one another namespace:= or ROS_DOMAIN_ID"
    )


def _address(domain: int, name: str) -> str:
    return f"\0robot_policies/{domain}{name}"
