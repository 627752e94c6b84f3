"""An answer of an ACT as LeRobot sets it, on each device of this machine and in each precision.

    python benchmarks/lerobot_devices.py

A ratio is the CPU's time in full precision over this one. A difference is from the CPU's answer in
full precision, for a policy whose targets lie within some degrees of the default pose.
"""

import json
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from lerobot_checkpoints import write, write_act
from lerobot_loops import seen
from rich.console import Console
from rich.table import Table

from robot_policies.catalog import load_robot
from robot_policies.interface import Observation, Policy, RobotPoliciesError
from robot_policies.policies.catalog import load_policy
from robot_policies.policies.device import devices
from robot_policies.policies.precision import FULL, HALF

ROBOT = load_robot("so101")
ANSWERS, FIRST = 20, 3  # that are timed, after some that are not
THREADS = 2
OPINIONATED = "act"  # of lerobot_checkpoints.py: its targets are not all the same


def answers(policy: Policy) -> tuple[float, np.ndarray]:
    """Return the median time of an answer [s], and the answer."""
    values = seen(policy.observation_spec, np.random.default_rng(0))
    took, rows = [], np.empty(0)
    for step in range(FIRST + ANSWERS):
        begin = time.perf_counter()
        rows = policy.act(Observation(values, dict.fromkeys(values, float(step)))).values
        took.append(time.perf_counter() - begin)
    return float(np.median(took[FIRST:])), rows


def measured(large: Path, small: Path, device: str, dtype: str) -> tuple[float, np.ndarray]:
    """Return the large policy's time for an answer [s], and what the small one answers."""
    given = {"robot": ROBOT, "device": device, "dtype": dtype, "threads": THREADS}
    time_of_large, _ = answers(load_policy(str(large), **given))
    _, rows = answers(load_policy(str(small), **given))
    return time_of_large, rows


def main(
    out: Annotated[Path | None, typer.Option("--json", metavar="FILE")] = None,
) -> None:
    """Measure, print a table and write what was seen."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        large = write_act(Path(place) / "large")
        small = write(Path(place) / "small", OPINIONATED, ROBOT.joint_names, ROBOT.name)
        reference: tuple[float, np.ndarray] | None = None
        for device in devices():
            for dtype in (FULL, *HALF):
                try:
                    seconds, rows = measured(large, small, device, dtype)
                except RobotPoliciesError as error:
                    found[f"{device} {dtype}"] = {"refused": str(error)}
                    continue
                reference = reference or (seconds, rows)
                found[f"{device} {dtype}"] = {
                    "answer_ms": 1e3 * seconds,
                    "ratio": reference[0] / seconds,
                    "difference_deg": float(np.rad2deg(np.abs(rows - reference[1]).max())),
                }
    if out:
        document = {"torch": torch.__version__, "devices": found}
        out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    Console(width=120).print(_table(found))
    if len(devices()) == 1:
        print("no GPU")


def _table(found: dict[str, Any]) -> Table:
    table = Table(title=f"ACT as LeRobot sets it, {THREADS} threads")
    for column in ("device", "answer, p50", "ratio", "difference"):
        table.add_column(column)
    for name, row in found.items():
        cells = (
            (row["refused"], "", "")
            if "refused" in row
            else (
                f"{row['answer_ms']:.3g} ms",
                f"{row['ratio']:.2f}",
                f"{row['difference_deg']:.2g} degrees",
            )
        )
        table.add_row(name, *cells)
    return table


if __name__ == "__main__":
    typer.run(main)
