"""How the page words a cell, a number and an interval."""

from collections.abc import Mapping
from html import escape
from typing import Any

NONE = "-"


def label(entry: Mapping[str, Any]) -> str:
    """Return the name of a cell, or of the cell of an episode."""
    named = [entry[key] for key in ("policy", "task", "backend", "condition")]
    return " · ".join(filter(None, named))


def number(value: float | None) -> str:
    """Return a number with three digits."""
    return NONE if value is None else f"{value:.3g}"


def estimate(found: Mapping[str, Any] | None) -> str:
    """Return a mean with its interval."""
    if found is None or found["mean"] is None:
        return NONE
    if found["ci95"] is None:
        return number(found["mean"])
    low, high = found["ci95"]
    return f"{number(found['mean'])} [{number(low)}, {number(high)}]"


def table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    """Return an HTML table; every cell is escaped."""
    cells = ["".join(f"<td>{escape(str(cell))}</td>" for cell in row) for row in rows]
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    return f"<div class=wide><table><tr>{top}</tr>{body}</table></div>"
