"""Another host, which is a network namespace with memory of its own, behind a link."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from poor_link import PoorLink, poor_link

HERE, THERE = "198.51.100.1", "198.51.100.2"  # addresses for documentation, RFC 5737
OWN_MEMORY = 'mount -t tmpfs tmpfs /dev/shm && exec "$@"'


def _run(command: str) -> str:
    """Run a command; return what it complained about."""
    return subprocess.run(command.split(), capture_output=True, text=True, check=False).stderr


@contextmanager
def other_host() -> Iterator[tuple[tuple[str, ...], PoorLink]]:
    """Yield the command that runs a program there, and the link, which is perfect at first.

    Skips the test where there is no such thing.
    """
    if os.geteuid():
        pytest.skip("network namespaces need root")
    if not shutil.which("ip"):
        pytest.skip("no `ip`: apt-get install iproute2")
    space = f"rp{os.getpid()}"
    near, far = f"{space}a"[-15:], f"{space}b"[-15:]
    if failure := _run(f"ip netns add {space}"):
        pytest.skip(f"no network namespaces here: {failure.strip()}")
    try:
        if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
            pytest.skip("no /dev/net/tun, of which the link is made")
        with poor_link(near, far) as link:
            for command in (
                f"ip link set {far} netns {space}",
                f"ip addr add {HERE}/30 dev {near}",
                f"ip link set {near} up",
                f"ip -n {space} addr add {THERE}/30 dev {far}",
                f"ip -n {space} link set {far} up",
                f"ip -n {space} link set lo up",
            ):
                if failure := _run(command):
                    pytest.skip(f"{command}: {failure.strip()}")
            there = ("ip", "netns", "exec", space, "unshare", "-m", "sh", "-c", OWN_MEMORY, "sh")
            yield there, link
    finally:
        _run(f"ip netns del {space}")
