"""Demonstrations of a task by its scripted expert, written as a LeRobotDataset v3.

Episodes are made by several processes and written by one, in the order of their seeds, so that the
dataset is a function of the first seed and the number of episodes, however many processes work on
it. An attempt that fails is left out and the next seed takes its place, unless they are wanted.

Columns: `observation.state` (`<joint>.pos`), the cameras' images, what the robot is told of its
environment, `action` (see `columns.py`), `capture_stamp.*` and `next.*`. A Gymnasium environment
has its `agent_pos` in `observation.state`, as in LeRobot. An episode ends where the safety gate
first refused an action.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import count
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from robot_policies.control.episode import run_episode
from robot_policies.control.records import EpisodeResult
from robot_policies.data.columns import Taken, describe_columns, recorded_rate
from robot_policies.data.lock import FolderLock
from robot_policies.data.writer import DatasetFolder
from robot_policies.interface import ConfigError, Policy, Simulator, Task
from robot_policies.stage import open_stage

AHEAD = 2  # episodes per process that may wait to be written; one is some 6 MB of pixels
HOPELESS = 20  # attempts in a row without a success after which nothing more is tried


@dataclass(frozen=True)
class Order:
    """What is to be demonstrated.

    Attributes:
        task: Task name.
        backend: Simulator.
        noise: As the task's expert understands it.
    """

    task: str
    backend: str
    noise: float


@dataclass(frozen=True, eq=False)
class Demonstration:
    """One attempt.

    Attributes:
        result: How it went.
        instruction: What was asked for.
        columns: Values by column. Shape (steps, ...).
    """

    result: EpisodeResult
    instruction: str
    columns: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Generated:
    """What a generation wrote.

    Attributes:
        dataset: The folder.
        episodes: Episodes added.
        frames: Frames added.
        seeds: Their seeds.
        failed: Seeds of attempts that were left out.
        refusals: Actions the safety gate refused, by cause, in all attempts.
        cut: Seeds of episodes that end with the step before the first refused action.
    """

    dataset: Path
    episodes: int
    frames: int
    seeds: tuple[int, ...]
    failed: tuple[int, ...]
    refusals: Mapping[str, int]
    cut: tuple[int, ...]


def generate(
    order: Order,
    out: Path,
    episodes: int,
    seed: int,
    workers: int = 1,
    images: str = "png",
    failures: bool = False,
    report: Callable[[int], None] = lambda done: None,
) -> Generated:
    """Append demonstrations to a dataset.

    Args:
        order: What is demonstrated.
        out: Dataset folder; appended to if it exists.
        episodes: How many.
        seed: Of the first attempt; each next attempt has the next one.
        workers: Processes.
        images: `png` (exact, read fast in any order) or `video` (small).
        failures: Whether to keep attempts that failed, too.
        report: Called with the episodes written.

    Raises:
        ConfigError: If the task has no expert, the expert does not succeed, or another process
            writes to the dataset.
        BackendError: If the disk is full.
    """
    task, simulator = _world(order)
    robot = simulator.spec
    kinds = {"png": "image", "video": "video"}
    if images not in kinds:
        raise ConfigError(f"images '{images}': expected one of {sorted(kinds)}")
    features = describe_columns(task, simulator, kinds[images])
    rate = recorded_rate(task.expert(simulator), robot)
    seeds: list[int] = []
    failed: list[int] = []
    cut: list[int] = []
    refusals: Counter[str] = Counter()
    frames = in_vain = 0
    lock = FolderLock(out)
    # However it ends, the complete episodes are kept.
    with lock, DatasetFolder(out, rate, robot.name, features) as folder:
        for made in attempts(order, seed, workers):
            result = made.result
            refusals.update(result.refusals)
            if failures or result.metrics["success"]:
                about = {
                    "robot": robot.name,
                    "policy": result.policy,
                    "task": order.task,
                    "backend": order.backend,
                    "noise": order.noise,
                    "initial": result.initial,
                    "fps": rate,
                    "images": images,
                    "result": asdict(result),
                    "interrupted": False,
                }
                rows = (
                    dict(zip(made.columns, row, strict=True))
                    for row in zip(*made.columns.values(), strict=True)
                )
                frames += folder.add(rows, made.instruction, about)
                seeds.append(result.seed)
                if result.refusals:
                    cut.append(result.seed)
                in_vain = 0
                report(len(seeds))
            else:
                failed.append(result.seed)
                in_vain += 1
            if len(seeds) == episodes:
                break
            if in_vain == HOPELESS:
                raise ConfigError(f"{order.task}: its expert failed {HOPELESS} times in a row")
    ended = {"seeds": tuple(seeds), "failed": tuple(failed), "cut": tuple(cut)}
    return Generated(out, len(seeds), frames, refusals=dict(refusals), **ended)


def attempts(order: Order, seed: int, workers: int = 1) -> Iterator[Demonstration]:
    """Yield attempt after attempt, in the order of their seeds, until the caller has enough.

    Args:
        order: What is demonstrated.
        seed: Of the first attempt.
        workers: Processes; with one, it is this one.
    """
    if workers == 1:
        try:
            yield from (demonstrate(order, number) for number in count(seed))
        finally:
            _stage(order)[1].close()
            _stage.cache_clear()
        return
    # Not forked: a copied OpenGL context or thread pool does not work.
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=_one_thread) as pool:
        waiting: list[Future[Demonstration]] = []
        numbers = count(seed)
        try:
            while True:
                while len(waiting) < AHEAD * workers:
                    waiting.append(pool.submit(demonstrate, order, next(numbers)))
                yield waiting.pop(0).result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def demonstrate(order: Order, seed: int) -> Demonstration:
    """Let the expert try once."""
    task, simulator, expert = _stage(order)
    taken = Taken(expert, task)
    result = run_episode(simulator, expert, task, seed=seed, observers=(taken,))
    return Demonstration(result, taken.instruction, taken.columns(result))


def _world(order: Order) -> tuple[Task, Simulator]:
    stage = open_stage(order.backend, order.task)
    return stage.asked, stage.simulator


@lru_cache(maxsize=1)
def _stage(order: Order) -> tuple[Task, Simulator, Policy]:
    """Return what a process works with, made once."""
    task, backend = _world(order)
    backend.connect()
    return task, backend, task.expert(backend, order.noise)


def _one_thread() -> None:
    """Keep the processes from taking each other's cores."""
    for name in ("OMP_NUM_THREADS", "LP_NUM_THREADS"):  # the latter is Mesa's
        os.environ.setdefault(name, "1")
