"""What a policy's answer takes, found before the robot moves, and with how many threads."""

import os
from collections.abc import Callable

import numpy as np

from robot_policies.interface import ActionChunk, ContractError, Policy

ANSWERS = 5  # per number of threads
LONG = 1.0  # s; an answer this long is asked for only as often as needed
QUICK = 0.01  # s; no more than one thread is worth it below
GAIN = 0.85  # share of the time that more threads must not exceed to be taken


def answer_time(policy: Policy, seed: int, clock: Callable[[], float]) -> float:
    """Return what an answer takes: the median of a few, the first left out. [s].

    Args:
        policy: The policy; it has to be reset afterwards.
        seed: Seeds the observations it is shown.
        clock: Returns the time. [s]

    Raises:
        ContractError: If an answer holds something that is no number.
    """
    rng, times = np.random.default_rng(seed), []
    while len(times) <= ANSWERS:
        observation = policy.observation_spec.example(rng)
        begin = clock()
        chunk = policy.act(observation)
        times.append(clock() - begin)
        require_numbers(chunk)
        if len(times) > 1 and times[-1] > LONG:
            break
    return float(np.median(times[1:]))


def require_numbers(chunk: ActionChunk) -> None:
    """Refuse an answer that holds something else than finite numbers.

    Raises:
        ContractError: Naming the first of them.
    """
    wrong = ~np.isfinite(chunk.values)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise ContractError(
            f"action: the policy answers {chunk.values[row, column]} for '{chunk.names[column]}' "
            "to an observation within its bounds"
        )


def choose_threads(
    measure: Callable[[], float], set_threads: Callable[[int], None]
) -> tuple[int, float]:
    """Find the number of threads that answers soonest; more of them only where it is worth it.

    Args:
        measure: Returns what an answer takes. [s]
        set_threads: Sets the number of threads.

    Returns:
        The number, which is set, and what an answer takes with it. [s]
    """
    set_threads(1)
    chosen, best = 1, measure()
    more, cores = 2, len(os.sched_getaffinity(0))
    while best > QUICK and more <= cores:
        set_threads(more)
        took = measure()
        if took > GAIN * best:
            break
        chosen, best, more = more, took, 2 * more
    set_threads(chosen)
    return chosen, best
