"""Episodes on a Ray cluster: the one that `RAY_ADDRESS` names, or one of this machine's cores."""

import logging
import os
import sys
from collections.abc import Callable, Sequence

import ray
from ray.exceptions import RayError, RayTaskError

from robot_policies.evaluation.engines.waiting import Waiting
from robot_policies.evaluation.episode import Job, Outcome, crashed
from robot_policies.interface import RobotPoliciesError

ADDRESS = "RAY_ADDRESS"  # Ray's own variable


def on_cluster(
    jobs: Sequence[Job],
    workers: int,
    listen: Callable[[Outcome], None],
    work: Callable[[Job], Outcome],
) -> dict[int, Outcome]:
    """Return the outcomes by the job's place; arguments as of `run_jobs`.

    Raises:
        RobotPoliciesError: If the cluster cannot be reached.
    """
    started_here = not ray.is_initialized()
    if started_here:
        _connect(workers)
    try:
        return _run(Waiting(jobs), workers, listen, work)
    finally:
        if started_here:
            ray.shutdown()


def _connect(workers: int) -> None:
    address = os.environ.get(ADDRESS)
    # Workers import what this process can; a cluster's machines have their own installation.
    # A cluster that somebody else runs on this machine is not joined unasked.
    own = {"address": "local", "num_cpus": workers, "include_dashboard": False}
    own = {} if address else own
    path = {} if address else {"env_vars": {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}}
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, runtime_env=path or None, **own)
    except (ConnectionError, RuntimeError, ValueError) as error:
        where = f"{ADDRESS}={address}" if address else "on this machine"
        reason = str(error).splitlines()[0]
        raise RobotPoliciesError(f"no Ray cluster {where}: {reason}") from None


def _run(
    waiting: Waiting,
    workers: int,
    listen: Callable[[Outcome], None],
    work: Callable[[Job], Outcome],
) -> dict[int, Outcome]:
    # One call at a time per actor keeps what the actor has loaded; a job per task would not.
    actor = ray.remote(num_cpus=1)(_Worker)
    idle = [actor.remote(work) for _ in range(workers)]
    running = {}
    while waiting or running:
        while waiting and idle:
            place, job = waiting.take()
            worker = idle.pop()
            running[worker.run.remote(job)] = (place, job, worker)
        (done, *_), _ = ray.wait(list(running))
        place, job, worker = running.pop(done)
        try:
            outcome = waiting.finished(place, ray.get(done))
        except RayTaskError as error:  # an exception, in a process that lives
            outcome = waiting.finished(place, crashed(job, str(error.cause)))
        except RayError as error:
            cause = f"the Ray worker failed: {str(error).splitlines()[0]}"
            outcome = waiting.died(place, cause)
            worker = actor.remote(work)
        if outcome is not None:
            listen(outcome)
        idle.append(worker)
    return waiting.outcomes


class _Worker:
    """The actor: one process that keeps its policy and backend between jobs."""

    def __init__(self, work: Callable[[Job], Outcome]) -> None:
        self._work = work

    def run(self, job: Job) -> Outcome:
        """Run one episode."""
        return self._work(job)
