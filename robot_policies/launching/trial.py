"""One trial of the shipped launch file in a process of its own, and what its summary says."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from robot_policies.interface import BackendError

FILE = "policy.launch.xml"
PATIENCE = 120.0  # s; beyond the time of the trial, for start and end
WORDS = 500  # characters that are told of what a process said, unless its last line is longer
BROKE_OFF = "the graph broke off"


def run_trial(
    arguments: Mapping[str, str],
    seconds: float,
    environment: Mapping[str, str],
    prefix: Sequence[str] = (),
) -> dict[str, Any]:
    """Launch a graph, wait for its end and return the summary of its trial.

    Args:
        arguments: Of the launch file; `summary` is none of them.
        seconds: Longest time the trial takes. [s]
        environment: Of the launcher.
        prefix: Command that runs the launcher, such as `chrt -f 10`.

    Raises:
        BackendError: If the graph did not run to its end.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "summary.json"
        words = [f"{name}:={value}" for name, value in arguments.items()]
        command = [*prefix, sys.executable, "-P", "-m", "robot_policies.launching", FILE, *words]
        run_process([*command, f"summary:={path}"], seconds, environment, BROKE_OFF)
        if not path.is_file():
            raise BackendError(f"{BROKE_OFF} before it wrote how it went")
        return json.loads(path.read_text(encoding="utf-8"))


def run_process(
    command: Sequence[str], seconds: float, environment: Mapping[str, str], fault: str
) -> str:
    """Run a process and return the last line it printed.

    Args:
        command: Its words.
        seconds: Longest time its work takes, without start and end. [s]
        environment: Its own.
        fault: What is said if it fails.

    Raises:
        BackendError: With the fault, if it failed.
    """
    try:
        done = subprocess.run(
            list(command),
            env=dict(environment),
            capture_output=True,
            text=True,
            timeout=seconds + PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BackendError(f"{fault}: no end after {seconds + PATIENCE:g} s") from None
    if done.returncode:
        raise BackendError(f"{fault}: {_last_words(done.stderr)}")
    return (done.stdout.splitlines() or [""])[-1]


def _last_words(text: str) -> str:
    """Return the last lines of what a process said, whole ones, as one line."""
    said = ""
    for line in filter(str.strip, reversed(text.splitlines())):
        if said and len(line) + len(said) > WORDS:
            break
        said = f"{line.strip()} {said}"
    return said.strip()
