"""How a launched trial went: as a table for people, and as an exit status for scripts."""

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from robot_policies.cli.output import cell, counts, table

if TYPE_CHECKING:
    from rich.console import RenderableType

AS_MEANT = ("success", "horizon", "recording ended", "interrupted")
FILES = ("record", "viewer", "video", "summary")  # launch arguments that name one
METRICS = {
    "distance": "distance [m]",
    "speed_error": "speed error [m/s]",
    "yaw_rate_error": "yaw rate error [rad/s]",
    "fall": "falls",
}

LEFT_ASIDE = {
    "measurements_implausible": "measurements that cannot be true",
    "policy_states_implausible": "joint states that cannot be true at the policy",
    "policy_points_dropped": "points that are no numbers at the policy",
}


def launch_trial(
    file: str, given: Mapping[str, str], **options: Any
) -> tuple[int, dict[str, Any] | None]:
    """Run a launch file; return its exit status and the trial's summary, if there is one.

    Args:
        file: A path, or the name of a shipped launch file.
        given: Its arguments; a summary is asked for where the file writes one.
        **options: Of `launch_file`.
    """
    from robot_policies.launching import launch_file
    from robot_policies.launching.description import declared
    from robot_policies.launching.supervisor import find_launch_file

    if "summary" not in declared(find_launch_file(file)):
        return launch_file(file, given, **options), None
    with TemporaryDirectory() as folder:
        named = given.get("summary", "none") not in ("", "none")
        path = Path(given["summary"] if named else f"{folder}/summary.json")
        before = path.stat().st_mtime_ns if path.exists() else None
        status = launch_file(file, {**given, "summary": str(path)}, **options)
        if not path.exists() or path.stat().st_mtime_ns == before:
            return status, None
        summary = json.loads(path.read_text(encoding="utf-8"))
    summary["files"] = {n: given[n] for n in FILES if n in given and Path(given[n]).exists()}
    return status, summary


def fault_of(summary: Mapping[str, Any]) -> str:
    """Return why a trial did not end as it was meant to; empty if it did."""
    if summary["metrics"].get("fall"):
        return "the robot fell"
    if summary["ended_by"] not in AS_MEANT:
        return f"{summary['ended_by']}: {summary['reason']}"
    if not summary["latency"]:
        return "the policy never acted"
    return "; ".join(summary["faults"])


def _left_aside(figures: Mapping[str, float]) -> dict[str, int]:
    """Return what was measured and not used, by what it was."""
    return {text: int(n) for name, text in LEFT_ASIDE.items() if (n := figures.get(name, 0.0))}


def summary_table(summary: Mapping[str, Any]) -> "RenderableType":
    """Return a trial's summary for people."""
    where = summary["task"] or summary["robot"]
    title = f"{summary['policy']} on {where} in {summary['backend']}"
    latency = ", ".join(f"{name} {1e3 * value:.1f}" for name, value in summary["latency"].items())
    rate = summary["figures"].get("loop_rate_mean_hz")
    rows = [
        ("ended by", f"{summary['ended_by']} {summary['reason']}".strip()),
        ("duration [s]", cell(summary["duration"])),
        *((METRICS.get(name, name), cell(value)) for name, value in summary["metrics"].items()),
        ("refused steps", counts(summary["refusals"])),
        ("dropped chunks", counts(summary["dropped"])),
        ("left aside", counts(_left_aside(summary["figures"]))),
        ("loop rate [Hz]", cell(rate)),
        ("observation to command [ms]", latency or "no action"),
        *((f"{name} file", path) for name, path in summary["files"].items()),
    ]
    return table(title, ("what", "value"), rows)
