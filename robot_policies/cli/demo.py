"""`robot-policies demo`, what `make demo` runs: the shipped policy walks through the ROS nodes."""

import json as json_module
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from robot_policies.cli.options import Json
from robot_policies.cli.output import cell, results, table
from robot_policies.interface import RobotPoliciesError

LAUNCH_FILE = "policy.launch.xml"
FILES = {"summary": "summary.json", "video": "walk.mp4", "viewer": "walk.rrd"}  # by argument
METRICS = {
    "distance": "distance [m]",
    "speed_error": "speed error [m/s]",
    "yaw_rate_error": "yaw rate error [rad/s]",
    "fall": "falls",
    "success": "success",
}


def register(app: typer.Typer) -> None:
    """Add the command; hidden, because `make demo` is its name for people."""
    app.command("demo", hidden=True)(demo)


def demo(
    policy: Annotated[str, typer.Option("--policy")] = "uni_o4/go1_walk",
    task: Annotated[str, typer.Option("--task")] = "go1_walk",
    backend: Annotated[str, typer.Option("--backend")] = "mujoco",
    seconds: Annotated[float, typer.Option("--seconds", min=1.0)] = 20.0,
    out: Annotated[Path, typer.Option("--out", help="Folder for video and recording.")] = Path(
        "demo"
    ),
    json: Json = None,
) -> None:
    """Launch the graph for some seconds and sum up how it went.

    Exit status 1 if the robot fell.
    """
    from robot_policies.cli.launch import check_names
    from robot_policies.launching import launch_file

    files = {name: out.resolve() / file for name, file in FILES.items()}
    given = {"policy": policy, "task": task, "backend": backend, "seconds": str(seconds)}
    check_names(given)
    with results(json) as output:
        out.mkdir(parents=True, exist_ok=True)
        files["summary"].unlink(missing_ok=True)
        status = launch_file(LAUNCH_FILE, {**given, **{n: str(p) for n, p in files.items()}})
        if status or not files["summary"].exists():
            raise RobotPoliciesError(f"the launch ended with status {status} and no summary")
        summary = json_module.loads(files["summary"].read_text(encoding="utf-8"))
        written = {name: str(path) for name, path in files.items() if path.exists()}
        rows = _rows(summary, written)
        output.finish(
            {**summary, "files": written},
            table(f"{policy} on {task} in {backend}", ("what", "value"), rows),
        )
    if summary["metrics"].get("fall"):
        raise typer.Exit(1)


def _rows(summary: Mapping[str, Any], files: Mapping[str, str]) -> list[tuple[str, str]]:
    metrics, figures = summary["metrics"], summary["figures"]
    latency = ", ".join(f"{name} {1e3 * value:.1f}" for name, value in summary["latency"].items())
    return [
        ("ended by", f"{summary['ended_by']}: {summary['reason']}"),
        ("duration [s]", cell(summary["duration"])),
        *((words, cell(metrics[name])) for name, words in METRICS.items() if name in metrics),
        ("loop rate [Hz]", f"{figures['loop_rate_mean_hz']:.2f}"),
        ("observation to command [ms]", latency),
        *((f"{name} file", path) for name, path in files.items()),
    ]
