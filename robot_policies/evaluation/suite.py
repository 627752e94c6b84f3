"""Which episodes an evaluation runs: cells of policy, task and backend, paired by seed."""

from collections.abc import Callable
from dataclasses import dataclass

from robot_policies import catalog
from robot_policies.evaluation.engines import require_engine, run_jobs
from robot_policies.evaluation.episode import Job, Outcome, open_cell
from robot_policies.interface import ConfigError


@dataclass(frozen=True)
class Suite:
    """What to evaluate.

    Episode i of every cell has seed `seed + i` and starts from the task's initial condition of
    that seed, so that cells of one task are paired, and a run of more episodes repeats a shorter.

    Attributes:
        policies: Policy names.
        tasks: Task names.
        backends: Backend names.
        episodes: Episodes per cell.
        seed: Seed of the first episode.
        delay: Time from an observation to its chunk. [s]
        jitter: That time varies evenly by this much in both directions. [s]
    """

    policies: tuple[str, ...]
    tasks: tuple[str, ...]
    backends: tuple[str, ...]
    episodes: int
    seed: int = 0
    delay: float = 0.0
    jitter: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot be run, before anything is loaded."""
        for option, names in (
            ("--policy", self.policies),
            ("--task", self.tasks),
            ("--backend", self.backends),
        ):
            if not names:
                raise ConfigError(f"{option} is missing")
            if len(set(names)) != len(names):
                raise ConfigError(f"{option} names one twice: {list(names)}")
        if self.episodes < 1:
            raise ConfigError(f"--episodes {self.episodes}: at least 1 is needed")
        if self.delay < 0.0 or self.jitter < 0.0:
            raise ConfigError(f"delay {self.delay} s and jitter {self.jitter} s must be >= 0")
        for task in self.tasks:
            catalog.entry("tasks", task.partition("/")[0])
        for backend in self.backends:
            catalog.entry("backends", backend)

    @property
    def seeds(self) -> range:
        """Seeds of the episodes."""
        return range(self.seed, self.seed + self.episodes)

    def jobs(self) -> list[Job]:
        """Return all episodes, those of a cell together."""
        initial = {}
        for name in self.tasks:
            task = catalog.load_task(name)
            initial[name] = [task.initial(seed) for seed in self.seeds]
        return [
            Job(policy, task, backend, seed, start, self.delay, self.jitter)
            for task in self.tasks
            for backend in self.backends
            for policy in self.policies
            for seed, start in zip(self.seeds, initial[task], strict=True)
        ]


def run_suite(
    suite: Suite,
    engine: str = "local",
    workers: int = 1,
    listen: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Run an evaluation.

    Every cell is opened once beforehand, so that a wrong name, a damaged checkpoint or a policy
    that does not fit the robot ends the evaluation before its first command.

    Args:
        suite: What to evaluate.
        engine: `local` or `ray`.
        workers: Number of processes.
        listen: Called with each outcome as it comes in.

    Raises:
        RobotPoliciesError: If a cell cannot be run at all.
    """
    require_engine(engine, workers)
    jobs = suite.jobs()
    for cell in dict.fromkeys(job.cell for job in jobs):
        open_cell(*cell)
    return run_jobs(jobs, engine, workers, listen)
