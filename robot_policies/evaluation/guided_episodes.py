"""Episodes to learn dressing from, made by several processes, one file each."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from robot_policies.interface import ConfigError, Simulator

# N; more than beside a person: in training nobody is hurt, and what follows a jam is to be seen.
LOAD = {"force": 12.0, "peak_force": 20.0}


@dataclass(frozen=True)
class Guidance:
    """Who acts in an episode.

    Attributes:
        task: Task name.
        backend: Simulator.
        teachers: Folder of the teachers' checkpoints, named by the shoulder's third; empty if
            none acts.
        student: Checkpoint that acts; empty if none does.
        expert_share: Chance that the expert acts all the same.
    """

    task: str
    backend: str
    teachers: str = ""
    student: str = ""
    expert_share: float = 0.0


def make_episodes(
    guidance: Guidance,
    seeds: Sequence[int],
    folder: Path,
    name: str,
    workers: int,
    report: Callable[[], None] = lambda: None,
) -> None:
    """Make the episodes that are not there yet.

    Args:
        guidance: Who acts.
        seeds: One episode each.
        folder: Where they go, as `<name>-<seed>.npz`.
        name: Of this round.
        workers: Processes; with one, it is this one.
        report: Called after each.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = {seed: folder / f"{name}-{seed:05d}.npz" for seed in seeds}
    missing = {seed: path for seed, path in paths.items() if not path.exists()}
    for _ in range(len(paths) - len(missing)):
        report()
    if not missing:
        return
    if workers == 1:
        for seed, path in missing.items():
            _make(guidance, seed, path)
            report()
        return
    # Not forked: a copied OpenGL context or thread pool does not work.
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=_one_thread) as pool:
        waiting = [pool.submit(_make, guidance, seed, path) for seed, path in missing.items()]
        try:
            for made in as_completed(waiting):
                made.result()
                report()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _make(guidance: Guidance, seed: int, path: Path) -> None:
    from robot_policies.control.episode import run_episode
    from robot_policies.control.safety_limits import SafetyLimits
    from robot_policies.policies.dressing.guided import Guided, save_moments
    from robot_policies_sim.worlds.dressing.person import arm_joints

    task, simulator = _stage(guidance.task, guidance.backend)
    learner = _learner(guidance, seed)
    classes = [simulator.world.classes[name] for name in ("arm", "sleeve")]
    expert, share = task.expert(simulator), guidance.expert_share
    guided = Guided(simulator, expert, arm_joints, classes, learner, share)
    limits = SafetyLimits.of(simulator.spec, task=task)
    if limits.person:
        limits = replace(limits, person=replace(limits.person, **LOAD))
    result = run_episode(simulator, guided, task, seed=seed, limits=limits)
    about = {"seed": seed, "metrics": dict(result.metrics), "ended": str(result.ended_by)}
    save_moments(path, guided.moments, about)


def _learner(guidance: Guidance, seed: int) -> Any:
    from robot_policies.policies.dressing.views import CameraView, answer_of, whole_view
    from robot_policies_sim.worlds.dressing.person import RADII, group_of_seed

    if guidance.student:
        student = _policy(guidance.student)
        view = CameraView(student.config)
        return lambda moment: answer_of(student, view(moment), moment.heading)
    if guidance.teachers:
        teacher = _policy(str(Path(guidance.teachers) / str(group_of_seed(seed))))
        view = partial(whole_view, radii=RADII, config=teacher.config)
        return lambda moment: answer_of(teacher, view(moment), moment.heading)
    return None


@lru_cache(maxsize=4)
def _policy(folder: str) -> Any:
    from robot_policies.policies.dressing.modeling_dressing import DressingPolicy

    return DressingPolicy.from_pretrained(folder).eval()


@lru_cache(maxsize=1)
def _stage(task: str, backend: str) -> tuple[Any, Any]:
    """Return what a process works with, made once."""
    from robot_policies import catalog

    known = catalog.load_task(task)
    simulator = catalog.make_backend(backend, catalog.load_robot(known.robot), known.scene)
    if not isinstance(simulator, Simulator) or not hasattr(known, "expert"):
        raise ConfigError(f"task '{task}' on '{backend}': no expert there")
    simulator.connect()
    return known, simulator


def _one_thread() -> None:
    """Keep the processes from taking each other's cores."""
    for name in ("OMP_NUM_THREADS", "LP_NUM_THREADS"):  # the latter is Mesa's
        os.environ.setdefault(name, "1")
    import torch

    torch.set_num_threads(1)
