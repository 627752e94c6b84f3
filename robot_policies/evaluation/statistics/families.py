"""Many comparisons at once: p values that stay honest, and letters that people read.

References:
    Holm, "A simple sequentially rejective multiple test procedure", 1979.
    Piepho, "An algorithm for a letter-based representation of all-pairwise comparisons", Journal
    of Computational and Graphical Statistics 13, 2004 (insert and absorb).
"""

from collections.abc import Iterable, Sequence
from string import ascii_lowercase


def holm(p: Sequence[float]) -> list[float]:
    """Return p values such that the chance of any false finding among all of them is kept.

    Args:
        p: Of the comparisons of one family.
    """
    if len(p) < 2:
        return list(p)
    from statsmodels.stats.multitest import multipletests

    return multipletests(p, method="holm")[1].tolist()  # pyright: ignore[reportOptionalMemberAccess]


def letters(names: Sequence[str], different: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return letters such that two names share one exactly if they are not known to differ.

    Args:
        names: Best first, so that `a` is among the best.
        different: Pairs that were found to differ.
    """
    columns = [set(names)]
    for one, other in different:
        for column in [c for c in columns if {one, other} <= c]:
            columns.remove(column)
            for without in (column - {one}, column - {other}):
                if not any(without <= known for known in columns):
                    columns = [known for known in columns if not known <= without]
                    columns.append(without)
    order = {name: place for place, name in enumerate(names)}
    columns.sort(key=lambda column: sorted(order[name] for name in column))
    return {
        name: "".join(
            letter
            for letter, column in zip(ascii_lowercase, columns, strict=False)
            if name in column
        )
        for name in names
    }
