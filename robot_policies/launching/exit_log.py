"""Which processes of a launch have ended, as its supervisor knows and they do not.

A node that dies before anybody met it on the network would be waited for in vain. So the
supervisor writes to a file who ended, and how; its processes know the file by an environment
variable. Where there is no such file, as under `ros2 launch`, nothing is known.
"""

import os
from pathlib import Path

VARIABLE = "ROBOT_POLICIES_EXIT_LOG"


class ExitLog:
    """A file of lines `name: how it ended`."""

    def __init__(self, path: Path | None = None) -> None:
        """Name the file; without a path, that of the launch this process belongs to, if any."""
        told = os.environ.get(VARIABLE)
        self.path = path or (Path(told) if told else None)

    def tell(self, name: str, how: str) -> None:
        """Write down an end."""
        if self.path:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(f"{name}: {how}\n")

    def of(self, name: str) -> str:
        """Return how a process ended; empty if nobody says that it did."""
        if self.path is None or not self.path.is_file():
            return ""
        lines = self.path.read_text(encoding="utf-8").splitlines()
        return dict(line.rsplit(": ", 1) for line in lines if ": " in line).get(name, "")
