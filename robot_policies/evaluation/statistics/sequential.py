"""A paired test that may be looked at after every pair, and stops as soon as it is sure.

Under "no difference", a pair in which one policy succeeds and the other fails is a fair coin. Bets
on that coin, spread over all its biases by a Beta(1/2, 1/2) prior, make a capital that such a coin
raises to 1 / alpha with chance alpha at most, however long it is watched.

References:
    Ville, "Étude critique de la notion de collectif", 1939.
    Robbins, "Statistical methods related to the law of the iterated logarithm", 1970.
    Krichevsky and Trofimov, "The performance of universal encoding", 1981 (the prior).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import exp, lgamma, log

from robot_policies.evaluation.statistics.estimates import ALPHA


@dataclass(frozen=True)
class Watched:
    """What a sequence of pairs has shown.

    Attributes:
        capital: Of the bets against "no difference", after all pairs; 1 is where it began.
        p: Valid whenever one stops to look: 1 over the greatest capital so far.
        decided_after: Pairs after which it was sure; `None` if it is not.
    """

    capital: float
    p: float
    decided_after: int | None


def watch(a: Iterable[bool], b: Iterable[bool], alpha: float = ALPHA) -> Watched:
    """Test pairs in the order in which they came.

    Args:
        a: Outcome per pair.
        b: Outcomes of the same pairs.
        alpha: Chance of a false finding, declared before the first pair.
    """
    wins = [0, 0]
    capital, greatest, decided = 1.0, 1.0, None
    for number, (one, other) in enumerate(zip(a, b, strict=True), start=1):
        if bool(one) == bool(other):
            continue
        wins[bool(other)] += 1
        capital = _capital(*wins)
        greatest = max(greatest, capital)
        if decided is None and greatest >= 1.0 / alpha:
            decided = number
    return Watched(capital, 1.0 / greatest, decided)


def _capital(wins: int, losses: int) -> float:
    """Return 2^n B(wins + 1/2, losses + 1/2) / B(1/2, 1/2), Robbins 1970."""
    n = wins + losses
    beta = lgamma(wins + 0.5) + lgamma(losses + 0.5) - lgamma(n + 1.0)
    return exp(min(n * log(2.0) + beta - 2.0 * lgamma(0.5), 700.0))  # exp(710) has no float
