"""A suite is run, or gone on with where it was interrupted."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from robot_policies.data.lock import FolderLock
from robot_policies.evaluation.engines.choice import require_engine, run_jobs
from robot_policies.evaluation.engines.pool import in_process, prepare
from robot_policies.evaluation.episode import Cell, Job, Outcome
from robot_policies.evaluation.identity import identity
from robot_policies.evaluation.stages import modules_of, refusals, require_all
from robot_policies.evaluation.suite import Suite
from robot_policies.evaluation.through_nodes import require_nodes
from robot_policies.interface import ConfigError


@dataclass(frozen=True)
class Shard:
    """The part of a suite that one of several machines runs; paired episodes stay together.

    Attributes:
        number: Which part, from 1.
        count: How many parts.
    """

    number: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        """Refuse a part that is none.

        Raises:
            ConfigError: Naming it.
        """
        if not 1 <= self.number <= self.count:
            raise ConfigError(f"shard {self.number}/{self.count}: expected 1/N to N/N")

    def __str__(self) -> str:
        return f"{self.number}-of-{self.count}" if self.count > 1 else ""

    def has(self, job: Job) -> bool:
        """Return whether an episode is in this part."""
        return job.seed % self.count == self.number - 1


@dataclass(frozen=True)
class Result:
    """What an evaluation found.

    Attributes:
        outcomes: Of the episodes, in the order of the suite's jobs.
        refused: Why some cells could not run, by cell.
        kept: How many of the outcomes were there before.
    """

    outcomes: list[Outcome]
    refused: dict[Cell, str]
    kept: int = 0


def run_suite(
    suite: Suite,
    engine: str = "local",
    workers: int = 1,
    listen: Callable[[Outcome], None] = lambda outcome: None,
    folder: Path | None = None,
    shard: Shard = Shard(),  # noqa: B008  # frozen
) -> Result:
    """Run an evaluation; an episode that the folder has already is not repeated.

    Every cell that is not complete is opened once beforehand, so that a damaged checkpoint or a
    policy that does not fit the robot ends the evaluation before its first command.

    Args:
        suite: What to evaluate.
        engine: `local` or `ray`.
        workers: Number of processes.
        listen: Called with each outcome, those of before included.
        folder: Where outcomes are kept as they come in.
        shard: The part of the suite to run.

    Raises:
        RobotPoliciesError: If a cell cannot be run at all and the suite does not skip it, the
            folder is of another suite, or an outcome cannot be written.
    """
    require_engine(engine, workers)
    if any(condition.nodes for condition in suite.conditions):
        require_nodes()
    if folder is None:
        return _run(suite, engine, workers, listen, None, shard)
    lock = FolderLock(folder)
    try:
        return _run(suite, engine, workers, listen, folder, shard)
    finally:
        lock.release()


def _run(
    suite: Suite,
    engine: str,
    workers: int,
    listen: Callable[[Outcome], None],
    folder: Path | None,
    shard: Shard,
) -> Result:
    jobs = [job for job in suite.jobs() if shard.has(job)]
    table, outcomes = None, {}
    if folder is not None:
        from robot_policies.evaluation.outcome_table import OutcomeTable

        table = OutcomeTable(folder, identity(suite), str(shard))
        outcomes = table.outcomes(jobs)
    kept = len(outcomes)
    for outcome in outcomes.values():
        listen(outcome)
    left = [place for place in range(len(jobs)) if place not in outcomes]
    stages = dict.fromkeys(jobs[place].opened for place in left)
    if engine == "local" and min(workers, len(left)) > 1:
        prepare(modules_of(stages))
        refused = in_process(refusals, list(stages))  # so that this one need not import it all
    else:
        refused = refusals(stages)
    if not suite.skip_incompatible:
        require_all(refused)
    left = [place for place in left if jobs[place].opened not in refused]
    cells = {job.cell: refused[job.opened] for job in jobs if job.opened in refused}
    if table is not None:
        table.refuse(cells)

    def hear(outcome: Outcome) -> None:
        if table is not None:
            table.add(outcome)
        listen(outcome)

    fresh = run_jobs([jobs[place] for place in left], engine, workers, hear)
    outcomes |= dict(zip(left, fresh, strict=True))
    return Result([outcomes[place] for place in sorted(outcomes)], cells, kept)
