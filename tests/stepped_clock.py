"""A system clock that a test sets, for processes that are started with its environment."""

import struct
import subprocess
from pathlib import Path

import pytest


class SteppedClock:
    """The clock of some processes.

    Attributes:
        environment: What they are started with.
    """

    def __init__(self, folder: Path, seconds: float = 0.0) -> None:
        """Make it; skips the test where there is no compiler."""
        library, self._file = folder / "stepped_clock.so", folder / "step"
        source = Path(__file__).with_suffix(".c")
        try:
            subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        except FileNotFoundError:
            pytest.skip("no gcc, which makes the clock that can be stepped")
        self._file.write_bytes(struct.pack("d", seconds))
        self.environment = {"LD_PRELOAD": str(library), "CLOCK_STEP": str(self._file)}

    def set(self, seconds: float) -> None:
        """Set the clock that many seconds away from the true one."""
        with self._file.open("r+b") as file:
            file.write(struct.pack("d", seconds))
