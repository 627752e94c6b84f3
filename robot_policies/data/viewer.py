"""The Rerun viewer as a process that listens on this host only."""

import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from subprocess import DEVNULL
from tempfile import TemporaryFile
from typing import IO

from robot_policies.interface import BackendError

HOST, PORT = "127.0.0.1", 9876
PATIENCE = 20.0  # s; a viewer opens its port within two
SETTLING = 1.5  # s from then on, in which a viewer finds out that it cannot draw here
SCREENS = ("DISPLAY", "WAYLAND_DISPLAY")


@dataclass(frozen=True, eq=False)
class Viewer:
    """A viewer that listens.

    Attributes:
        address: Where.
        process: The viewer; `None` if it was open before.
        output: What it has to say.
    """

    address: str
    process: subprocess.Popen[bytes] | None = None
    output: IO[bytes] | None = None

    def ended(self, patience: float) -> str:
        """Return why the viewer has ended, once; empty if it has not, or is not ours.

        Args:
            patience: How long it is watched. [s]
        """
        if self.process is None or self.output is None:
            return ""
        try:
            status = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            return ""
        with self.output:
            self.output.seek(0)
            lines = self.output.read().decode(errors="replace").split("\n")
        said = [line.strip() for line in lines if line.startswith("Error: ")]
        return said[-1].removeprefix("Error: ") if said else f"it has ended with {status}"


def open_viewer() -> Viewer:
    """Open the viewer, or find the one that is open.

    Raises:
        BackendError: If there is no screen, or the viewer does not start.
    """
    address = f"rerun+http://{HOST}:{PORT}/proxy"
    if _listens():
        return Viewer(address)
    if sys.platform == "linux" and not any(os.environ.get(name) for name in SCREENS):
        raise BackendError(
            f"viewer 'rerun': this machine has no screen (neither {' nor '.join(SCREENS)} is "
            "set); name a file such as episode.rrd, and open it with `rerun` elsewhere"
        )
    command = [sys.executable, "-P", "-m", "rerun", "--bind", HOST, "--port", str(PORT)]
    output = TemporaryFile()  # noqa: SIM115 (the viewer writes to it for as long as it is open)
    process = subprocess.Popen(
        [*command, "--expect-data-soon"],
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=output,
        start_new_session=True,  # it stays open when the episode has ended
    )
    viewer, deadline = Viewer(address, process, output), time.monotonic() + PATIENCE
    while not _listens():
        if process.poll() is not None:
            break
        if time.monotonic() > deadline:
            process.kill()
            output.close()
            raise BackendError(f"viewer 'rerun': no answer within {PATIENCE:g} s")
        time.sleep(0.05)
    if reason := viewer.ended(SETTLING):
        raise BackendError(f"viewer 'rerun': {reason}")
    return viewer


def _listens() -> bool:
    try:
        socket.create_connection((HOST, PORT), timeout=1.0).close()
    except OSError:
        return False
    return True
