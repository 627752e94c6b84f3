"""Stand-ins for an episode, importable by worker processes."""

import os
import signal
from pathlib import Path

import numpy as np

from robot_policies.evaluation.episode import Job, Outcome


def random_walk(job: Job) -> Outcome:
    """Depend on the job alone, in every bit."""
    steps = np.random.default_rng((job.seed, len(job.policy))).normal(0.0, 1.0, 100)
    end = float(steps.sum())
    metrics = {"end": end, "fall": float(end < -5.0)}
    return Outcome(job, success=end > 0.0, metrics=metrics, duration=1.0, ended="horizon")


def die_on_seed_2(job: Job) -> Outcome:
    """End the whole process, as a crash in native code does."""
    if job.seed == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return random_walk(job)


def die_once(job: Job) -> Outcome:
    """End the process at seed 2, unless the file that the job names says that it has before."""
    mark = Path(job.initial["mark"])
    if job.seed == 2 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return random_walk(job)
