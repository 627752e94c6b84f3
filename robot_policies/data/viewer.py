"""The Rerun viewer as a process that listens on this host only."""

import os
import socket
import subprocess
import sys
import time
from subprocess import DEVNULL, PIPE

from robot_policies.interface import BackendError

HOST, PORT = "127.0.0.1", 9876
PATIENCE = 20.0  # s; a viewer opens its port within two
SCREENS = ("DISPLAY", "WAYLAND_DISPLAY")


def open_viewer() -> str:
    """Open the viewer, or find the one that is open, and return its address.

    Raises:
        BackendError: If there is no screen, or the viewer does not start.
    """
    address = f"rerun+http://{HOST}:{PORT}/proxy"
    if _listens():
        return address
    if sys.platform == "linux" and not any(os.environ.get(name) for name in SCREENS):
        raise BackendError(
            f"viewer 'rerun': this machine has no screen (neither {' nor '.join(SCREENS)} is "
            "set); name a file such as episode.rrd, and open it with `rerun` elsewhere"
        )
    command = [sys.executable, "-m", "rerun", "--bind", HOST, "--port", str(PORT)]
    viewer = subprocess.Popen(
        [*command, "--expect-data-soon"],
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=PIPE,
        start_new_session=True,  # it stays open when the episode has ended
    )
    assert viewer.stderr is not None
    deadline = time.monotonic() + PATIENCE
    while not _listens():
        if viewer.poll() is not None:
            reason = viewer.stderr.read().decode(errors="replace").strip().splitlines()
            raise BackendError(f"viewer 'rerun': {reason[-1] if reason else 'it has ended'}")
        if time.monotonic() > deadline:
            viewer.kill()
            raise BackendError(f"viewer 'rerun': no answer within {PATIENCE:g} s")
        time.sleep(0.05)
    return address


def _listens() -> bool:
    try:
        socket.create_connection((HOST, PORT), timeout=1.0).close()
    except OSError:
        return False
    return True
