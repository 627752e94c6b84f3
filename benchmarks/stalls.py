"""What stalls do to a walking robot: of the control thread, the policy and the messages.

    python benchmarks/stalls.py [--quick] [--backend mujoco] [--backend pybullet] [--json FILE]

Everything runs on the logical clock. Each stall begins at a random phase of the walk, and every
place and length is tried from the same conditions.

    control    the loop does nothing: the robot goes on under its last command
    policy     it answers nothing, then what it was asked when the stall began
    messages   answers are kept back, then arrive all at once
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from robot_policies.catalog import load_robot, load_task
from robot_policies.control.episode import run_episode
from robot_policies.control.records import EpisodeResult, StepRecord
from robot_policies.control.timing import NetworkChannel, NetworkModel
from robot_policies.evaluation.statistics import rate
from robot_policies.interface import ActionChunk, CommandMode, Policy, RobotSpec, Simulator, Task
from robot_policies.policies.catalog import load_policy
from robot_policies.stage import open_stage

POLICY, TASK = "uni_o4/go1_walk", "go1_walk"
PLACES = ("control", "policy", "messages")
STALLS = (0.02, 0.06, 0.1, 0.2, 0.5, 1.5)  # s
EARLIEST, SPREAD = 1.0, 1.0  # s; when a stall begins
AFTER = 3.0  # s; how long the robot is watched afterwards


@dataclass(frozen=True)
class Stall:
    """One stall.

    Attributes:
        place: What stalls.
        begin: When. [s]
        length: How long. [s]
    """

    place: str
    begin: float
    length: float

    def covers(self, now: float) -> bool:
        """Return whether it is on."""
        return self.begin <= now < self.begin + self.length


class StalledClock:
    """A logical clock and a simulator whose control thread once does nothing for a while."""

    def __init__(self, simulator: Simulator, stall: Stall, period: float) -> None:
        self._simulator, self._stall, self._period = simulator, stall, period
        self._now, self._open = 0.0, stall.place == "control"

    def now(self) -> float:
        """Return the time. [s]."""
        return self._now

    def tick(self) -> None:
        """Let a period pass, and the stall when its time has come."""
        self._now += self._period
        if self._open and self._now >= self._stall.begin:
            self._open = False
            steps = round(self._stall.length / self._period)
            for _ in range(steps):
                self._simulator.advance(self._period)
            self._now += steps * self._period


class StalledChannel(NetworkChannel):
    """Answers that come late once."""

    def __init__(self, stall: Stall) -> None:
        super().__init__(NetworkModel(), seed=0)
        self._stall = stall

    def answer(self, chunk: ActionChunk, now: float) -> None:
        """Send an answer on its way, at the end of the stall if it is on."""
        if self._stall.place == "control" or not self._stall.covers(now):
            super().answer(chunk, now)
            return
        end = self._stall.begin + self._stall.length
        self._sent += 1
        self._under_way.append((end, self._sent, chunk))
        self._busy_until = end if self._stall.place == "policy" else now


class Watch:
    """Observer that notes when the robot held and when it followed again."""

    def __init__(self, stall: Stall) -> None:
        self._stall = stall
        self.held, self.followed = np.inf, np.inf

    def begin(self, robot: RobotSpec, policy: Policy, task: Task, initial: Any) -> None:
        """Nothing to prepare."""

    def step(self, record: StepRecord) -> None:
        """Note the first hold after the stall began, and the first valid action after its end."""
        since = record.time - self._stall.begin
        if since >= 0.0 and record.sent.mode is CommandMode.HOLD:
            self.held = min(self.held, since)
        if since >= self._stall.length and record.verdict.level == "pass":
            self.followed = min(self.followed, since - self._stall.length)

    def end(self, result: EpisodeResult) -> None:
        """Nothing to finish."""


def trial(policy: Policy, backend: Simulator, stall: Stall, seed: int) -> dict[str, Any]:
    """Walk with one stall and return what became of it."""
    task = load_task(TASK)
    task.horizon = stall.begin + stall.length + AFTER
    watch, period = Watch(stall), 1.0 / backend.spec.control_rate
    clock, channel = StalledClock(backend, stall, period), StalledChannel(stall)
    result = run_episode(
        backend, policy, task, seed=seed, clock=clock, network=channel, observers=(watch,)
    )
    fell = bool(result.metrics["fall"])
    latched = result.ended_by not in ("success", "failure", "horizon")
    return {
        "fell": fell,
        "latched": latched,
        "walks": not fell and not latched and bool(result.metrics["success"]),
        "held": watch.held,
        "followed": watch.followed,
    }


def main(
    backend: Annotated[list[str], typer.Option("--backend")] = ["mujoco", "pybullet"],  # noqa: B006
    trials: Annotated[int, typer.Option("--trials", min=1)] = 20,
    quick: Annotated[bool, typer.Option("--quick", help="Four trials in MuJoCo.")] = False,
    out: Annotated[Path | None, typer.Option("--json", metavar="FILE")] = None,
) -> None:
    """Measure, print a table, and write the rows."""
    if quick:
        backend, trials = ["mujoco"], 4
    robot = load_robot("go1")
    policy = load_policy(POLICY, robot=robot)
    begins = EARLIEST + SPREAD * np.random.default_rng(0).random(trials)
    cells = [(name, place, length) for name in backend for place in PLACES for length in STALLS]
    rows = []
    for name, place, length in track(cells, description="stalls"):
        device = open_stage(name, TASK).simulator
        device.connect()
        ran = [
            trial(policy, device, Stall(place, float(begin), length), seed)
            for seed, begin in enumerate(begins)
        ]
        device.close()
        rows.append({"backend": name, "place": place, "stall": length, **summed_up(ran)})
    table = Table(title=f"{POLICY}, {trials} stalls each")
    for column in rows[0]:
        table.add_column(column)
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    Console(width=120).print(table)
    if out:
        out.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


def summed_up(ran: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the counts of some trials, and their median times. [s]."""
    walks = sum(one["walks"] for one in ran)
    times = {}
    for what in ("held", "followed"):
        seen = [one[what] for one in ran if np.isfinite(one[what])]
        times[what] = float(np.median(seen)) if seen else None
    return {
        "trials": len(ran),
        "falls": sum(one["fell"] for one in ran),
        "latched": sum(one["latched"] and not one["fell"] for one in ran),
        "walks_on": walks,
        "ci95": rate(walks, len(ran)).to_json()["ci95"],
        **times,
    }


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(f"{entry:.2f}" for entry in value)
    return f"{value:.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    typer.run(main)
