"""What `replay` makes of every recorded walk of a real Go1, and what is refused of a policy there.

    python benchmarks/recorded_walks.py go1_real.npz [--quick] [--json FILE]

The logs are those of https://github.com/Lei-Kun/Uni-O4, branch `unio4-offline-robot`, folder
`dataset_0808`, packed as `robot_policies/data/go1_logs.py` describes it. Each becomes an episode
of a data set, and `uni_o4/go1_walk` is asked in each of its rows. Its commands are judged and not
executed: the robot moves as it did then, so the command before is what the policy last asked for
and never what the robot did. An episode ends with the log or one second after a latched stop.
"""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from robot_policies.control.episode import run_episode
from robot_policies.data.convert import convert_go1_logs
from robot_policies.data.dataset import read_episodes
from robot_policies.session import open_session

POLICY, TASK = "uni_o4/go1_walk", "go1_walk"
QUICK = (0, 1, 2)  # trajectories


def replay(dataset: Path, episode: int, policy: str) -> dict[str, Any]:
    """Replay one recording to its end; return what happened, as plain data."""
    options = {"dataset": str(dataset), "episode": episode}
    session = open_session(policy, "replay", TASK, options=options, seconds=float("inf"))
    session.require().backend.connect()
    try:
        result = run_episode(session.backend, session.policy, session.task, seed=0)
    finally:
        session.backend.close()
    return {
        "judged": result.steps,
        "ended_by": result.ended_by,
        "reason": result.reason,
        "refusals": dict(result.refusals),
        "dropped": dict(result.dropped),
        "stale": result.stale,
        "fall": result.metrics["fall"],
    }


def main(
    logs: Path,
    policy: Annotated[str, typer.Option("--policy")] = POLICY,
    quick: Annotated[bool, typer.Option("--quick", help="The first three recordings.")] = False,
    out: Annotated[Path | None, typer.Option("--json", metavar="FILE")] = None,
) -> None:
    """Replay every recording, print a table, and write what happened in each."""
    rows = []
    with TemporaryDirectory() as folder:
        dataset = Path(folder) / "walks"
        convert_go1_logs(logs, dataset, QUICK if quick else None)
        for about in track(read_episodes(dataset), description="replaying"):
            edges = np.array([0, *about["breaks"], about["length"]])
            row = {
                "trajectory": about["trajectory"],
                "rows": about["length"],
                "breaks": len(about["breaks"]),
                "played": int(np.diff(edges).max()),
            }
            rows.append(row | replay(dataset, about["episode_index"], policy))
            if out:
                out.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    table = Table("what", "rows", "recordings", title=f"{policy} in {len(rows)} recorded walks")
    for line in summed_up(rows):
        table.add_row(*(str(cell) for cell in line))
    Console(width=100).print(table)


def summed_up(rows: Sequence[dict[str, Any]]) -> list[tuple[str, int, int]]:
    """Return what happened, in how many rows and in how many recordings."""

    def total(name: str) -> tuple[str, int, int]:
        return name, sum(row[name] for row in rows), sum(bool(row[name]) for row in rows)

    lines = [total(name) for name in ("rows", "breaks", "played", "judged")]
    endings: dict[str, list[int]] = {}
    for row in rows:
        endings.setdefault(row["ended_by"], []).append(row["judged"])
    lines += [(f"ended by {name}", sum(n), len(n)) for name, n in sorted(endings.items())]
    for key, verb in (("refusals", "refused"), ("dropped", "dropped")):
        steps = sum((Counter(row[key]) for row in rows), Counter())
        lines += [
            (f"{verb}: {cause}", count, sum(cause in row[key] for row in rows))
            for cause, count in steps.most_common()
        ]
    free = [row for row in rows if not row["refusals"]]
    return [*lines, total("stale"), ("nothing refused", sum(r["judged"] for r in free), len(free))]


if __name__ == "__main__":
    typer.run(main)
