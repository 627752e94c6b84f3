"""LeRobot's policy types here: checked, simulated, launched, and held against LeRobot's own loop.

    python benchmarks/lerobot_conformance.py --json conformance.json
    python benchmarks/lerobot_conformance.py --no-launch --form act --form vqbet

The checkpoints have random weights and are of every type that builds without a download. `equal`
is the largest difference from LeRobot's `select_action` over 40 steps, at three sizes of pictures.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import numpy as np
import typer
from lerobot_checkpoints import FORMS, write, write_act
from lerobot_language_model import write_language_model
from lerobot_loops import INSTRUCTION, lerobot_loop, our_loop, seen
from rich.console import Console
from rich.table import Table

from robot_policies.catalog import load_robot
from robot_policies.control.episode import run_episode
from robot_policies.launching.trial import run_trial
from robot_policies.policies.catalog import load_policy
from robot_policies.session import open_session

ROBOT = "so101"
STEPS, SIZES, TABLE = 40, (48, 96, 128), 96  # pictures [px]; those of the robot's table
SIMULATED, LAUNCHED, LONG = 2.0, 4.0, 60.0  # s
DOMAIN = 96
CACHE_IS_OURS = "LEROBOT_CONFORMANCE"  # in the environment


def equality(form: str, folder: Path) -> float:
    """Return the largest difference from LeRobot's own loop. [deg]."""
    robot, kind = load_robot(ROBOT), FORMS[form][0]
    worst = 0.0
    for size in SIZES if FORMS[form][1] else SIZES[:1]:
        made = write(folder / str(size), form, robot.joint_names, ROBOT, size)
        policy, rng = load_policy(str(made), robot=robot), np.random.default_rng(0)
        sequence = [seen(policy.observation_spec, rng) for _ in range(STEPS)]
        expected = lerobot_loop(made, kind, sequence)
        worst = max(worst, float(np.abs(our_loop(policy, robot, sequence) - expected).max()))
    return worst


def simulated(folder: Path) -> dict[str, Any]:
    """Return what `check` finds, and how a trial in MuJoCo went."""
    session = open_session(str(folder), "mujoco", "tabletop_place", seconds=SIMULATED)
    errors = [finding.message for finding in session.report().errors]
    session.require().backend.connect()
    try:
        result = run_episode(session.backend, session.policy, session.task, seed=0)
    finally:
        session.backend.close()
    return {"check": errors, "simulated": {"steps": result.steps, "ended": result.ended_by}}


def launched(folder: Path, seconds: float) -> dict[str, Any]:
    """Return how the graph went on a robot that obeys at once."""
    names = {"policy": str(folder), "robot": ROBOT, "backend": "loopback", "task": "none"}
    names["task_text"] = INSTRUCTION
    environment = {**os.environ, "ROS_DOMAIN_ID": str(DOMAIN)}
    environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    result = run_trial({**names, "seconds": f"{seconds:g}"}, seconds, environment)
    began = int(result["figures"]["steps_before_first_answer"])
    load = os.getloadavg()[0]  # processes that ran or waited, over a minute
    told = {key: result[key] for key in ("steps", "refusals", "dropped", "latency")}
    return {**told, "before_first_answer": began, "load": round(load, 2)}


def main(
    form: Annotated[
        list[str] | None, typer.Option("--form", help="Of lerobot_checkpoints.py; all by default.")
    ] = None,
    launch: Annotated[bool, typer.Option("--launch/--no-launch")] = True,
    only_long: Annotated[
        bool, typer.Option("--only-long", help="The 60 s of an ACT as LeRobot sets it alone.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--json", metavar="FILE")] = None,
) -> None:
    """Run all, print a table and write what was seen."""
    if os.environ.get(CACHE_IS_OURS) is None:
        _again_with_a_language_model()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        for name in [] if only_long else form or FORMS:
            folder = Path(place) / name.replace(" ", "_")
            joints = load_robot(ROBOT).joint_names
            found[name] = {"equal": equality(name, folder)}
            made = write(folder / "looks", name, joints, ROBOT, TABLE, looks=True)
            found[name] |= simulated(made)
            if launch:
                found[name]["launched"] = launched(made, LAUNCHED)
            print(f"{name}: {json.dumps(found[name])}", flush=True)
        large = write_act(Path(place) / "large")
        if launch:
            found["ACT as LeRobot sets it, 60 s"] = {"launched": launched(large, LONG)}
            print(f"ACT as LeRobot sets it, 60 s: {found['ACT as LeRobot sets it, 60 s']}")
    if out:
        out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    Console(width=140).print(_table(found))


def _again_with_a_language_model() -> NoReturn:
    """Run this script where the hub's cache has a small language model, and nothing is fetched."""
    with tempfile.TemporaryDirectory() as cache:
        write_language_model(Path(cache))
        ours = {"HF_HUB_CACHE": cache, "HF_HUB_OFFLINE": "1", CACHE_IS_OURS: "1"}
        sys.exit(subprocess.call([sys.executable, *sys.argv], env={**os.environ, **ours}))


def _table(found: dict[str, Any]) -> Table:
    table = Table(title="LeRobot's policy types")
    columns = ("policy", "check", "MuJoCo", "launched", "difference [deg]")
    for column in columns:
        table.add_column(column)
    for name, row in found.items():
        table.add_row(name, *_cells(row))
    return table


def _cells(row: dict[str, Any]) -> Sequence[str]:
    graph, sim = row.get("launched"), row.get("simulated")
    return (
        "" if "check" not in row else "; ".join(row["check"]) or "no error",
        f"{sim['steps']} steps, {sim['ended']}" if sim else "",
        _graph(graph) if graph else "",
        f"{row['equal']:.2g}" if "equal" in row else "",
    )


def _graph(launched: dict[str, Any]) -> str:
    refusals = dict(launched["refusals"])
    began, missing = launched["before_first_answer"], refusals.pop("no_action", 0)
    refusals["no_action later"] = max(missing - began, 0)
    told = ", ".join(f"{count} {cause}" for cause, count in refusals.items())
    return f"{launched['steps']} steps, {began} before the first answer, {told}"


if __name__ == "__main__":
    typer.run(main)
