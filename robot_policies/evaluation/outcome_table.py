"""The outcomes of a suite as a Parquet file that is whole at every moment.

Each outcome replaces the file by one with a row more, so whatever ends the evaluation leaves all
earlier episodes readable. A row depends on its episode alone, but for `finished`. The file says
of which suite it is.
"""

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from robot_policies.documents import parse_json, plain
from robot_policies.evaluation.episode import Cell, Job, Outcome
from robot_policies.evaluation.identity import differences
from robot_policies.interface import ConfigError, RobotPoliciesError

NAME, ALL = "outcomes.parquet", "outcomes*.parquet"
SUITE = b"robot_policies.suite"
METRIC = "metric."  # before a metric's name in its column
COLUMNS = {
    **dict.fromkeys(Cell._fields, pa.string()),
    "seed": pa.int64(),  # null in the row of a cell that cannot run
    "success": pa.bool_(),
    "duration": pa.float64(),
    "ended": pa.string(),
    "error": pa.string(),
    "attempts": pa.int64(),
    "refused": pa.string(),
    "initial": pa.string(),
    "finished": pa.timestamp("us", tz="UTC"),
}
NOT_COMPARED = {"finished", "attempts"}
Key = tuple[Cell, int]
NO_SEED = -1  # of a cell that cannot run


class OutcomeTable:
    """The file of one process, and what it knows from there and from files beside it."""

    def __init__(self, folder: Path, suite: Mapping[str, Any], shard: str = "") -> None:
        """Open a folder; it need not exist.

        Args:
            folder: Where the file lies. Files of other shards beside it are read too.
            suite: What every episode depends on, of `identity`.
            shard: Of a part of the suite, as `2-of-3`: other parts are not read.

        Raises:
            ConfigError: If a file is of another suite, is damaged, or contradicts another.
        """
        self.path = folder / (f"outcomes-{shard}.parquet" if shard else NAME)
        self._suite = json.loads(json.dumps(plain(suite)))
        self._rows: dict[Key, dict[str, Any]] = {}
        for path in [self.path] if shard else sorted(folder.glob(ALL)):
            if path.exists():
                self._read(path)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"{folder}: cannot be written: {error.strerror}") from None

    def _read(self, path: Path) -> None:
        try:
            table = pq.read_table(path)
        except (pa.ArrowException, OSError) as error:
            reason = " ".join(str(error).split())
            raise ConfigError(f"{path}: is no readable Parquet file: {reason}") from None
        written = (table.schema.metadata or {}).get(SUITE)
        if written is None:
            raise ConfigError(f"{path}: was not written by an evaluation")
        try:
            suite = parse_json(written.decode())
        except ValueError as error:
            raise ConfigError(f"{path}: was not written by an evaluation: {error}") from None
        if found := list(differences(suite, self._suite)):
            raise ConfigError(f"{path}: is of another suite: {'; '.join(found)}")
        for row in table.to_pylist():
            key = _key(row)
            row = {name: value for name, value in row.items() if value is not None}
            before = self._rows.setdefault(key, row)
            if found := list(differences(_compared(before), _compared(row))):
                raise ConfigError(
                    f"{path}: another file has a different outcome of {key[0]}, seed {key[1]}: "
                    f"{'; '.join(found)}"
                )

    def outcomes(self, jobs: Sequence[Job]) -> dict[int, Outcome]:
        """Return what is known already, by the job's place.

        Raises:
            ConfigError: If the file has episodes that are none of the jobs, or began otherwise.
        """
        places = {(job.cell, job.seed): place for place, job in enumerate(jobs)}
        found = {}
        for key, row in self._rows.items():
            if key[1] == NO_SEED:
                continue
            if key not in places:
                raise ConfigError(
                    f"{self.path}: is of another suite: {key[0]}, seed {key[1]} is there, "
                    "and is not asked for here"
                )
            job = jobs[places[key]]
            if row["initial"] != _text(job.initial):
                raise ConfigError(
                    f"{self.path}: is of another suite: {key[0]}, seed {key[1]} began there from "
                    f"{row['initial']}, here from {_text(job.initial)}"
                )
            found[places[key]] = _outcome(job, row)
        return found

    def add(self, outcome: Outcome) -> None:
        """Write an outcome.

        Raises:
            RobotPoliciesError: If it cannot be written; what was written before is kept.
        """
        job = outcome.job
        self._rows[job.cell, job.seed] = {
            **job.cell._asdict(),
            "seed": job.seed,
            "success": outcome.success,
            "duration": outcome.duration,
            "ended": outcome.ended,
            "error": outcome.error,
            "attempts": outcome.attempts,
            "initial": _text(job.initial),
            "finished": datetime.now(UTC),
            **{METRIC + name: float(value) for name, value in outcome.metrics.items()},
        }
        self.write()

    def refuse(self, refused: Mapping[Cell, str]) -> None:
        """Write why some cells cannot run.

        Raises:
            RobotPoliciesError: As `add`.
        """
        self._rows = {key: row for key, row in self._rows.items() if key[1] != NO_SEED}
        for cell, report in refused.items():
            self._rows[cell, NO_SEED] = {**cell._asdict(), "refused": report}
        self.write()

    def write(self) -> None:
        """Write all rows, ordered by cell and seed.

        Raises:
            RobotPoliciesError: As `add`.
        """
        rows = [self._rows[key] for key in sorted(self._rows)]
        metrics = sorted({name for row in rows for name in row if name.startswith(METRIC)})
        columns = {**COLUMNS, **dict.fromkeys(metrics, pa.float64())}
        described = {SUITE: json.dumps(self._suite, sort_keys=True)}
        partial = self.path.with_suffix(".partial")
        try:
            table = pa.Table.from_pylist(rows, pa.schema(list(columns.items()), described))
            pq.write_table(table, partial)
            partial.replace(self.path)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else " ".join(str(error).split())
            raise RobotPoliciesError(
                f"{self.path}: {reason}; the episodes before this one are kept"
            ) from None


def _key(row: Mapping[str, Any]) -> Key:
    seed = NO_SEED if row["seed"] is None else row["seed"]
    return Cell(*(row[name] for name in Cell._fields)), seed


def _compared(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in NOT_COMPARED}


def _text(initial: Mapping[str, Any]) -> str:
    return json.dumps(plain(initial), sort_keys=True)


def _outcome(job: Job, row: Mapping[str, Any]) -> Outcome:
    return Outcome(
        job,
        row["success"],
        {name.removeprefix(METRIC): row[name] for name in row if name.startswith(METRIC)},
        row["duration"],
        row["ended"],
        row["error"],
        row["attempts"],
    )
