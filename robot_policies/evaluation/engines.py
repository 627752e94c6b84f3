"""Where episodes run: in this process, in local worker processes, or on a Ray cluster.

Every engine gives the same outcomes: an episode depends on its job and on nothing that ran before
it in the same worker.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

from robot_policies.evaluation.episode import Job, Outcome, crashed, run_job
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
        RobotPoliciesError: As `require_engine`.
    """
    require_engine(engine, workers)
    run = {"local": _local, "ray": _ray}[engine]
    outcomes = run(jobs, min(workers, len(jobs)), listen, work)
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
            import ray  # noqa: F401  # pyright: ignore[reportMissingImports]
        except ModuleNotFoundError:
            raise RobotPoliciesError(
                "--engine ray needs the package 'ray': pip install 'robot_policies[ray]'"
            ) from None


def _local(jobs: Sequence[Job], workers: int, listen: Listener, work: Work) -> dict[int, Outcome]:
    if workers > 1:
        return _Pool(jobs, workers, listen, work).run()
    outcomes = {}
    for index, job in enumerate(jobs):
        outcomes[index] = work(job)
        listen(outcomes[index])
    return outcomes


class _Pool:
    """Worker processes, one job each at a time, so that a crash names the episode it was in."""

    def __init__(self, jobs: Sequence[Job], workers: int, listen: Listener, work: Work) -> None:
        self._jobs, self._listen, self._work = jobs, listen, work
        self._waiting = list(reversed(range(len(jobs))))
        self._running: dict[Connection, tuple[Any, int]] = {}
        self._outcomes: dict[int, Outcome] = {}
        self._workers = workers
        # spawn, because forking a process in which torch or MuJoCo has threads can deadlock.
        self._context = multiprocessing.get_context("spawn")

    def run(self) -> dict[int, Outcome]:
        """Return the outcomes by job index."""
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # one core per worker; read at its start
        try:
            for _ in range(self._workers):
                self._start()
            while self._running:
                for connection in wait(list(self._running)):
                    self._collect(connection)  # pyright: ignore[reportArgumentType]
        finally:
            for process, _ in self._running.values():
                process.terminate()
        return self._outcomes

    def _start(self) -> None:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs, self._work), daemon=True)
        process.start()
        theirs.close()
        self._give(ours, process)

    def _give(self, connection: Connection, process: Any) -> None:
        if not self._waiting:
            self._running.pop(connection, None)
            connection.close()  # the worker reads the end of the pipe and leaves
            process.join()
            return
        index = self._waiting.pop()
        self._running[connection] = (process, index)
        connection.send(self._jobs[index])

    def _collect(self, connection: Connection) -> None:
        process, index = self._running[connection]
        try:
            outcome = connection.recv()
        except (EOFError, ConnectionError):
            process.join()
            cause = f"the worker process died with exit status {process.exitcode}"
            outcome = crashed(self._jobs[index], cause)
        self._outcomes[index] = outcome
        self._listen(outcome)
        if process.is_alive():
            self._give(connection, process)
            return
        del self._running[connection]
        connection.close()
        if self._waiting:
            self._start()


def _serve(connection: Connection, work: Work) -> None:
    """Run jobs until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted and ends its workers
    while True:
        try:
            job = connection.recv()
        except EOFError:
            return
        connection.send(work(job))


def _ray(jobs: Sequence[Job], workers: int, listen: Listener, work: Work) -> dict[int, Outcome]:
    import ray  # pyright: ignore[reportMissingImports]

    started_here = not ray.is_initialized()
    ray.init(ignore_reinit_error=True, log_to_driver=False, logging_level="ERROR")
    try:
        # One call at a time per actor keeps what the actor has loaded; a job per task would not.
        remote = ray.remote(num_cpus=1)(_RayWorker)
        idle = [remote.remote(work) for _ in range(workers)]
        waiting, running, outcomes = list(reversed(range(len(jobs)))), {}, {}
        while waiting or running:
            while waiting and idle:
                index, actor = waiting.pop(), idle.pop()
                running[actor.run.remote(jobs[index])] = (index, actor)
            done, _ = ray.wait(list(running))
            index, actor = running.pop(done[0])
            try:
                outcomes[index] = ray.get(done[0])
            except ray.exceptions.RayError as error:
                cause = f"the Ray worker failed: {str(error).splitlines()[0]}"
                outcomes[index] = crashed(jobs[index], cause)
                actor = remote.remote(work)
            listen(outcomes[index])
            idle.append(actor)
        return outcomes
    finally:
        if started_here:
            ray.shutdown()


class _RayWorker:
    """The actor: one process that keeps its policy and backend between jobs."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def run(self, job: Job) -> Outcome:
        """Run one episode."""
        return self._work(job)
