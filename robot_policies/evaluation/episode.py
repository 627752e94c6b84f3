"""One episode of an evaluation: plain data in, plain data out, so that any engine can carry it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from robot_policies.control.records import Observer
from robot_policies.evaluation.condition import Condition
from robot_policies.interface import Policy, RobotPoliciesError, Simulator, Task
from robot_policies.stage import ROBOT, GainsOf, open_stage

CACHED = 2  # cells a process keeps open; the episodes of a cell arrive together


class Cell(NamedTuple):
    """Episodes that are counted together; they differ in their seed alone.

    Attributes:
        policy: Policy name.
        task: Task name.
        backend: Backend name.
        condition: Name of the condition.
    """

    policy: str
    task: str
    backend: str
    condition: str = ""

    def __str__(self) -> str:
        named = f", {self.condition}" if self.condition else ""
        return f"{self.policy} on {self.task} in {self.backend}{named}"


type Given = tuple[tuple[str, Any], ...]  # arguments of `load_policy`, which can be remembered
type Opened = tuple[str, str, str, Given, GainsOf]  # arguments of `open_cell`


@dataclass(frozen=True)
class Job:
    """An episode to be run.

    Attributes:
        policy: Policy name.
        task: Task name.
        backend: Backend name.
        seed: Seeds the simulator, the policy and the network.
        initial: Initial condition of the episode.
        condition: What is different about it.
    """

    policy: str
    task: str
    backend: str
    seed: int
    initial: Mapping[str, Any]
    condition: Condition = Condition()

    @property
    def stage(self) -> tuple[str, str, str]:
        """Policy, task and backend by name."""
        return self.policy, self.task, self.backend

    @property
    def opened(self) -> Opened:
        """What is opened to run it."""
        return *self.stage, tuple(self.condition.loading.items()), self.condition.gains

    @property
    def cell(self) -> Cell:
        """What its results are counted with."""
        return Cell(*self.stage, self.condition.name)


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
        attempts: How often it was begun; again after a process died under it.
    """

    job: Job
    success: bool
    metrics: Mapping[str, float] = field(default_factory=dict)
    duration: float = 0.0
    ended: str = ""
    error: str = ""
    attempts: int = 1


def run_job(job: Job) -> Outcome:
    """Run one episode; an error in it becomes an outcome with its seed, never a gap."""
    try:
        return _run(job)
    except Exception as error:  # whatever broke, the other episodes still count
        forget_cells()  # nobody knows what state the simulator is in
        named = str(error) if isinstance(error, RobotPoliciesError) else repr(error)
        return crashed(job, named)


def crashed(job: Job, cause: str) -> Outcome:
    """Return the outcome of an episode that broke off."""
    return Outcome(job, success=False, ended="fault", error=" ".join(cause.split()))


def run_watched(job: Job, film: Path) -> Outcome:
    """Run one episode and film it; what breaks in it is raised.

    Args:
        job: The episode.
        film: MP4 file to write.

    Raises:
        RobotPoliciesError: If it cannot be filmed, or breaks.
    """
    from robot_policies.data.observers import make_observers

    _, _, simulator = open_cell(*job.opened)
    observers = make_observers(simulator, video=film, real_time=False)
    try:
        return _run(job, observers)
    finally:
        for observer in observers:
            observer.close()


def _run(job: Job, observers: Sequence[Observer] = ()) -> Outcome:
    if job.condition.nodes:
        return _through_nodes(job)
    from robot_policies.control.episode import run_episode

    policy, task, simulator = open_cell(*job.opened)
    result = run_episode(
        simulator,
        policy,
        task,
        seed=job.seed,
        initial=job.initial,
        network=job.condition.network(),
        executor=job.condition.executor,
        observers=observers,
    )
    return _outcome(job, asdict(result))


def _through_nodes(job: Job) -> Outcome:
    from robot_policies.evaluation.through_nodes import run_through_nodes

    result = run_through_nodes(*job.stage, job.seed, job.initial, job.condition)
    return _outcome(job, result)


def _outcome(job: Job, result: Mapping[str, Any]) -> Outcome:
    metrics = dict(result["metrics"])
    success = bool(metrics.pop("success", 0.0))
    ended, reason = result["ended_by"], result["reason"]
    ended = f"{ended}: {reason}" if reason else ended
    return Outcome(job, success, metrics, result["duration"], ended)


@lru_cache(maxsize=CACHED)
def open_cell(
    policy: str, task: str, backend: str, given: Given = (), gains: GainsOf = ROBOT
) -> tuple[Policy, Task, Simulator]:
    """Load a cell's policy and task and connect its simulator, once per process.

    Raises:
        ConfigError: If a name is unknown, or the backend's time cannot be advanced.
        ContractError: If the policy does not fit the robot.
    """
    from robot_policies.session import Session

    stage = open_stage(backend, task)
    loaded = _load(policy, stage.robot.name, given)
    stage = stage.with_gains(gains, loaded.action_spec)
    simulator = stage.simulator
    session = Session(loaded, stage).require()
    simulator.connect()
    return session.policy, session.task, simulator


@lru_cache(maxsize=CACHED)
def _load(policy: str, robot: str, given: Given) -> Policy:
    """Load a policy once for all cells on one robot."""
    from robot_policies.catalog import load_robot
    from robot_policies.policies.catalog import load_policy

    return load_policy(policy, robot=load_robot(robot), **dict(given))


def forget_cells() -> None:
    """Open every cell anew from here on."""
    open_cell.cache_clear()
    _load.cache_clear()
