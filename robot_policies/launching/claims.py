"""One node of a name on a host: two would answer each other's requests.

A claim is a listening socket in Linux's abstract namespace. It ends with its process, whatever
ends that, and is seen within the network namespace, as the graph itself is. Elsewhere than on
Linux nothing is claimed.
"""

import socket
import struct
import sys

from robot_policies.interface import ConfigError

LINUX = sys.platform == "linux"


class Claim:
    """A claimed name; closing it, or the end of the process, gives it back."""

    def __init__(self, listening: socket.socket | None = None) -> None:
        """Keep the socket."""
        self._listening = listening

    def close(self) -> None:
        """Give the name back."""
        if self._listening:
            self._listening.close()


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
