"""What the operator said of each trial, one line a trial, written before the next begins."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from robot_policies.evaluation.comparison import SUCCESS, comparisons
from robot_policies.evaluation.episode import Cell, Job, Outcome
from robot_policies.evaluation.field.lock import DIGEST
from robot_policies.evaluation.statistics.sequential import watch
from robot_policies.interface import ConfigError, RobotPoliciesError

NAME = "trials.jsonl"


@dataclass(frozen=True)
class Judged:
    """One trial as its operator saw it; nobody knows whose it was.

    Attributes:
        success: Whether the task was done.
        progress: Partial credit, 0 to 1.
        cause: Why it ended so, in a word or two.
        duration: Of the trial. [s]
    """

    success: bool
    progress: float
    cause: str
    duration: float

    def __post_init__(self) -> None:
        """Refuse a credit that is none.

        Raises:
            ConfigError: Naming it.
        """
        if not 0.0 <= self.progress <= 1.0:
            raise ConfigError(f"partial credit {self.progress:g}: expected 0 to 1")


class Trials:
    """The file of the trials so far."""

    def __init__(self, folder: Path, locked: Mapping[str, Any]) -> None:
        """Read what there is; a last line that is broken off is none.

        Args:
            folder: Where the file lies.
            locked: Of `lock`.

        Raises:
            ConfigError: If a line is damaged or of another plan.
        """
        self._path, self._digest = folder / NAME, locked[DIGEST]
        self.judged: list[Judged] = []
        text = self._path.read_text(encoding="utf-8") if self._path.exists() else ""
        whole, _, rest = text.rpartition("\n")
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                row = json.loads(line)
                digest = row.pop(DIGEST)
                self.judged.append(Judged(**row))
            except (ValueError, TypeError, KeyError) as error:
                raise ConfigError(f"{self._path}: line {number} is damaged: {error}") from None
            if digest != self._digest:
                raise ConfigError(f"{self._path}: line {number} is a trial of another plan")
        if rest:
            self._path.write_text(f"{whole}\n" if whole else "", encoding="utf-8")

    def add(self, judged: Judged) -> None:
        """Write a trial.

        Raises:
            RobotPoliciesError: If it cannot be written; earlier trials are kept.
        """
        line = json.dumps({**asdict(judged), DIGEST: self._digest})
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise RobotPoliciesError(f"{self._path}: {error.strerror}; say it again") from None
        self.judged.append(judged)


def decided(locked: Mapping[str, Any], trials: Trials) -> bool:
    """Return whether the plan lets the trials end here: its test is sure after these pairs."""
    plan = locked["plan"]
    if not plan["stops"]:
        return False
    won = {policy: [] for policy in plan["policies"]}
    pairs = len(trials.judged) // len(won) * len(won)  # those of one state follow each other
    for entry, judged in zip(locked["trials"], trials.judged[:pairs], strict=False):
        won[entry["policy"]].append(judged.success)
    return watch(*won.values(), alpha=plan["alpha"]).decided_after is not None


def unblind(locked: Mapping[str, Any], trials: Trials) -> list[Outcome]:
    """Return whose each trial was, once all are done.

    Args:
        locked: Of `lock`: it alone knows.
        trials: All of them, or so many that the plan lets them end.

    Raises:
        ConfigError: If one is missing: who looks before the end finds differences that are none.
    """
    plan, order = locked["plan"], locked["trials"]
    missing = len(order) - len(trials.judged)
    if missing and not decided(locked, trials):
        raise ConfigError(
            f"{missing} of {len(order)} trials are missing; none is unblinded before"
        )
    return [
        Outcome(
            Job(
                entry["policy"],
                plan["task"],
                plan["backend"],
                entry["seed"],
                locked["initial"][str(entry["seed"])],
            ),
            judged.success,
            {"progress": judged.progress},
            judged.duration,
            judged.cause or ("success" if judged.success else "failure"),
        )
        for entry, judged in zip(order, trials.judged, strict=not missing)
    ]


def findings(locked: Mapping[str, Any], outcomes: list[Outcome]) -> list[dict[str, Any]]:
    """Return which policies differ in success at the alpha that was locked.

    `p` is Holm's; if the trials may have ended early it is that of the test that lets them.
    """
    plan = locked["plan"]
    cells: dict[Cell, list[Outcome]] = {}
    for outcome in outcomes:
        cells.setdefault(outcome.job.cell, []).append(outcome)
    found = []
    for entry in comparisons(cells):
        if entry["metric"] == SUCCESS:
            p = entry["sequential"]["p"] if plan["stops"] else entry["p_holm"]
            kept = {name: entry[name] for name in ("a", "b", "difference", "ci95")}
            found.append({**kept, "p": p, "differ": p <= plan["alpha"]})
    return found
