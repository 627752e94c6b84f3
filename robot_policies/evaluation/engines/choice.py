"""Which engine runs the episodes.

Every engine gives the same outcomes: an episode depends on its job and on nothing that ran before
it in the same worker. An exception in an episode is its outcome. A process that dies is another
matter, a full memory or a fault of a driver, so its episode is begun once more, and counted.
"""

from collections.abc import Callable, Sequence

from robot_policies.evaluation.episode import Job, Outcome, run_job
from robot_policies.interface import ConfigError, RobotPoliciesError
from robot_policies.interface.errors import suggestion

ENGINES = ("local", "ray")
Listener = Callable[[Outcome], None]
Work = Callable[[Job], Outcome]


def run_jobs(
    jobs: Sequence[Job], engine: str, workers: int, listen: Listener, work: Work = run_job
) -> list[Outcome]:
    """Run episodes and return their outcomes in the order of the jobs.

    Args:
        jobs: Episodes; those of a cell together, so that workers load it once.
        engine: `local` or `ray`.
        workers: Number of processes.
        listen: Called with each outcome as it comes in.
        work: What is done with a job; an importable function.

    Raises:
        RobotPoliciesError: As `require_engine`, or if a cluster cannot be reached.
    """
    require_engine(engine, workers)
    workers = min(workers, len(jobs))
    if engine == "ray":
        from robot_policies.evaluation.engines.cluster import on_cluster

        outcomes = on_cluster(jobs, workers, listen, work)
    elif workers > 1:
        from robot_policies.evaluation.engines.pool import Pool

        outcomes = Pool(jobs, workers, listen, work).run()
    else:
        outcomes = {}
        for index, job in enumerate(jobs):
            outcomes[index] = work(job)
            listen(outcomes[index])
    return [outcomes[index] for index in range(len(jobs))]


def require_engine(engine: str, workers: int) -> None:
    """Refuse an engine that cannot be used, before anything is loaded for it.

    Raises:
        ConfigError: For an unknown engine or a number of workers below 1.
        RobotPoliciesError: If the engine is not installed.
    """
    if engine not in ENGINES:
        raise ConfigError(f"no engine '{engine}'.{suggestion(engine, ENGINES)}")
    if workers < 1:
        raise ConfigError(f"--workers {workers}: at least 1 is needed")
    if engine == "ray":
        try:
            import ray  # noqa: F401
        except ModuleNotFoundError:
            raise RobotPoliciesError(
                "--engine ray needs the package 'ray': pip install 'robot_policies[ray]'"
            ) from None
