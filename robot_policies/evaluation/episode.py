"""One episode of an evaluation: plain data in, plain data out, so that any engine can carry it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from robot_policies.interface import Policy, RobotPoliciesError, Simulator, Task

CACHED = 2  # cells a process keeps open; the episodes of a cell arrive together


@dataclass(frozen=True)
class Job:
    """An episode to be run.

    Attributes:
        policy: Policy name.
        task: Task name.
        backend: Backend name.
        seed: Seeds the simulator, the policy and the network.
        initial: Initial condition, as `Task.initial(seed)` gave it.
        delay: Time from an observation to its chunk. [s]
        jitter: That time varies evenly by this much in both directions. [s]
    """

    policy: str
    task: str
    backend: str
    seed: int
    initial: Mapping[str, Any]
    delay: float = 0.0
    jitter: float = 0.0

    @property
    def cell(self) -> tuple[str, str, str]:
        """Policy, task and backend."""
        return self.policy, self.task, self.backend


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes:
        job: The job.
        success: Whether the task was done; `False` after an error.
        metrics: The task's other metrics, by name.
        duration: Simulated time. [s]
        ended: Why the episode ended.
        error: One line if the episode crashed, else empty.
    """

    job: Job
    success: bool
    metrics: Mapping[str, float] = field(default_factory=dict)
    duration: float = 0.0
    ended: str = ""
    error: str = ""


def run_job(job: Job) -> Outcome:
    """Run one episode; an error in it becomes an outcome with its seed, never a gap."""
    try:
        return _run(job)
    except Exception as error:  # whatever broke, the other episodes still count
        open_cell.cache_clear()  # nobody knows what state the simulator is in
        named = str(error) if isinstance(error, RobotPoliciesError) else repr(error)
        return crashed(job, named)


def crashed(job: Job, cause: str) -> Outcome:
    """Return the outcome of an episode that broke off."""
    return Outcome(job, success=False, ended="fault", error=" ".join(cause.split()))


def _run(job: Job) -> Outcome:
    from robot_policies.control.episode import run_episode
    from robot_policies.control.timing import NetworkModel

    policy, task, simulator = open_cell(*job.cell)
    result = run_episode(
        simulator,
        policy,
        task,
        seed=job.seed,
        initial=job.initial,
        network=NetworkModel(delay=job.delay, jitter=job.jitter),
    )
    metrics = dict(result.metrics)
    success = bool(metrics.pop("success", 0.0))
    ended = f"{result.ended_by}: {result.reason}" if result.reason else result.ended_by
    return Outcome(job, success, metrics, result.duration, ended)


@lru_cache(maxsize=CACHED)
def open_cell(policy: str, task: str, backend: str) -> tuple[Policy, Task, Simulator]:
    """Load a cell's policy and task and connect its simulator, once per process.

    Raises:
        ConfigError: If a name is unknown, or the backend's time cannot be advanced.
        ContractError: If the policy does not fit the robot.
    """
    from robot_policies.session import join
    from robot_policies.stage import open_stage

    stage = open_stage(backend, task)
    simulator = stage.simulator
    session = join(policy, stage).require()
    simulator.connect()
    return session.policy, session.task, simulator
