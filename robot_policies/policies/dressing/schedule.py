"""How much of everything a dressing policy is trained with, and on which seeds.

The region of poses of an episode is `seed % regions`.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Amount:
    """How much of everything; the defaults are those of the shipped checkpoint.

    Attributes:
        expert: Episodes of the expert.
        teacher: Episodes of the teachers.
        student: Episodes of the student in each round but the last.
        aimed: Regions of the last round, those where the student was worst in the round before;
            two episodes each.
        rounds: How often the student dresses and learns from it.
        teacher_updates: Gradient steps of each teacher and round.
        student_updates: Gradient steps of the student and round.
        views: Randomised clouds of each decision.
    """

    expert: int = 27
    teacher: int = 9
    student: int = 27
    aimed: int = 9
    rounds: int = 3
    teacher_updates: int = 300
    student_updates: int = 1000
    views: int = 2


QUICK = Amount(3, 3, 3, 1, 2, 10, 10, 1)


def spread(first: int, episodes: int, regions: int) -> list[int]:
    """Return seeds that are spread over the regions.

    Args:
        first: The first of them.
        episodes: How many.
        regions: How many there are.
    """
    step = max(1, regions // episodes)
    return [first + step * i for i in range(episodes)]


def worst_again(outcome: Mapping[int, float], first: int, regions: int, number: int) -> list[int]:
    """Return two new seeds of each region in which an episode went worst.

    Args:
        outcome: How well an episode went, by seed; the region is `seed % regions`.
        first: No new seed is below it.
        regions: How many there are.
        number: Of the worst episodes.
    """
    worst = sorted(outcome, key=lambda seed: (outcome[seed], seed))[:number]
    there = {seed % regions: seed for seed in range(first, first + regions)}
    again = [there[seed % regions] for seed in worst]
    return sorted(again + [seed + regions for seed in again])
