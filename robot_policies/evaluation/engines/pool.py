"""Episodes in worker processes of this machine.

Workers are forked from a server that has imported what an episode needs, once. It is a process of
its own, because forking one in which torch or MuJoCo has begun threads can deadlock.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from robot_policies.evaluation.engines.waiting import Waiting
from robot_policies.evaluation.episode import Job, Outcome
from robot_policies.interface import RobotPoliciesError

CONTEXT = multiprocessing.get_context("forkserver")


def prepare(modules: Iterable[str]) -> None:
    """Start the server of the workers, which begins to import; returns at once.

    Args:
        modules: What the episodes import. The first call of a process decides.
    """
    # One core per worker; numerical libraries read it when they are imported, in the server.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    CONTEXT.set_forkserver_preload(list(modules))
    forkserver.ensure_running()


def in_process[T](function: Callable[..., T], *arguments: object) -> T:
    """Return what a function returns, called in a process of its own.

    Args:
        function: An importable function.
        *arguments: Plain data.

    Raises:
        RobotPoliciesError: If the process dies.
    """
    with ProcessPoolExecutor(1, mp_context=CONTEXT) as executor:
        try:
            return executor.submit(function, *arguments).result()
        except BrokenProcessPool:
            name = function.__name__
            raise RobotPoliciesError(f"the process that ran '{name}' died") from None


class Pool:
    """Worker processes, one job each at a time, so that a death names the episode it was in."""

    def __init__(
        self,
        jobs: Sequence[Job],
        workers: int,
        listen: Callable[[Outcome], None],
        work: Callable[[Job], Outcome],
    ) -> None:
        """Prepare; nothing is started yet. Arguments as of `run_jobs`."""
        self._waiting, self._listen, self._work = Waiting(jobs), listen, work
        self._running: dict[Connection, tuple[BaseProcess, int]] = {}
        self._workers = workers

    def run(self) -> dict[int, Outcome]:
        """Return the outcomes by the job's place."""
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        try:
            for _ in range(self._workers):
                self._start()
            while self._running:
                for connection in wait(list(self._running)):
                    self._collect(connection)  # pyright: ignore[reportArgumentType]
        finally:
            for process, _ in self._running.values():
                process.terminate()
        return self._waiting.outcomes

    def _start(self) -> None:
        if not self._waiting:
            return
        ours, theirs = CONTEXT.Pipe()
        process = CONTEXT.Process(target=_serve, args=(theirs, self._work), daemon=True)
        process.start()
        theirs.close()
        self._give(ours, process)

    def _give(self, connection: Connection, process: BaseProcess) -> None:
        if not self._waiting:
            self._running.pop(connection, None)
            connection.close()  # the worker reads the end of the pipe and leaves
            process.join()
            return
        place, job = self._waiting.take()
        self._running[connection] = (process, place)
        connection.send(job)

    def _collect(self, connection: Connection) -> None:
        process, place = self._running[connection]
        try:
            outcome = self._waiting.finished(place, connection.recv())
        except (EOFError, ConnectionError):
            process.join()
            del self._running[connection]
            connection.close()
            cause = f"the worker process died with exit status {process.exitcode}"
            outcome = self._waiting.died(place, cause)
            self._start()
        else:
            self._give(connection, process)
        if outcome is not None:
            self._listen(outcome)


def _serve(connection: Connection, work: Callable[[Job], Outcome]) -> None:
    """Run jobs until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted and ends its workers
    while True:
        try:
            job = connection.recv()
        except EOFError:
            return
        connection.send(work(job))
