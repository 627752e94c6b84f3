"""A drawing of GRAPE's figures: success and collision of every policy, with intervals."""

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from grape_scores import cells, last, rows_of
from grape_training import OBJECTIVES, RIVALS, SFT

from robot_policies.evaluation.statistics import rate

SHARES = {"success": (70, 100, "#1b7f5c"), "collision": (0, 55, "#c2452d")}  # ends in %, colour
LABEL, PANEL, GAP, ROW, TOP = 210, 250, 30, 22, 46  # px
NAMES = {
    SFT: "imitation",
    "paper_loss": "the paper's loss alone",
    "step": "each step",
    "window": "windows of 8 steps",
    "stage": "each stage",
    "clone": "the chosen imitated alone",
    "unpaired": "without pairs",
    "group": "policy gradient",
    "conditioned": "conditioned on advantage",
    "without_external": "without R_ext",
    "without_self": "without R_self",
    "random_pairs": "random pairs",
}


def draw(folders: Sequence[Path], out: Path) -> None:
    """Write the drawing.

    Args:
        folders: Of the training seeds, the first with rivals.
        out: An SVG file.
    """
    many = f"{len(folders)} training seeds"
    groups = {
        many: [(SFT, SFT), *((f"for {name}", last(name)) for name in OBJECTIVES)],
        "the first seed, one iteration for safety": [
            (SFT, SFT),
            ("trajectories, and the chosen", "safety/iteration_1"),
            *((name, f"{name}/iteration_1") for name in RIVALS),
        ],
    }
    lines, y = [], TOP
    for title, entries in groups.items():
        lines.append(_text(0, y, title, weight="bold"))
        y += ROW
        for name, checkpoint in entries:
            cell = next(c for c in cells(extra=True) if c[0] == checkpoint and c[3] == "sampled")
            told = [
                row for f in folders[: None if title == many else 1] for row in rows_of(f, cell)
            ]
            if told:
                lines += [_text(10, y, NAMES.get(name, name)), *_marks(told, y)]
                y += ROW
        y += ROW // 2
    width = LABEL + len(SHARES) * (PANEL + GAP)
    axes = [line for panel in range(len(SHARES)) for line in _axis(panel, y)]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-8 0 {width + 8} {y + 24}" '
    style = 'font-family="sans-serif" font-size="13"><rect x="-8" width="100%" height="100%" '
    whole = [f"{head}{style}" + 'fill="white"/>', *axes, *lines, "</svg>"]
    out.write_text("\n".join(whole) + "\n", encoding="utf-8")


def _marks(rows: list[dict[str, float]], y: int) -> Iterator[str]:
    for panel, (name, (_, _, color)) in enumerate(SHARES.items()):
        found = rate(round(sum(row[name] for row in rows)), len(rows))
        low, mean, high = (_x(panel, 100.0 * v) for v in (found.low, found.mean, found.high))
        line = f'y1="{y - 4}" y2="{y - 4}" stroke="{color}" stroke-width="2"'
        yield f'<line x1="{low:.1f}" x2="{high:.1f}" {line}/>'
        yield f'<circle cx="{mean:.1f}" cy="{y - 4}" r="4" fill="{color}"/>'


def _axis(panel: int, bottom: int) -> Iterator[str]:
    name, (low, high, _) = list(SHARES.items())[panel]
    yield _text(_x(panel, (low + high) / 2), 16, f"{name}, %", anchor="middle", weight="bold")
    for value in range(low, high + 1, 10):
        x = _x(panel, value)
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="22" y2="{bottom}" stroke="#ddd"/>'
        yield _text(x, bottom + 16, str(value), anchor="middle")


def _x(panel: int, value: float) -> float:
    low, high, _ = list(SHARES.values())[panel]
    return LABEL + panel * (PANEL + GAP) + PANEL * (value - low) / (high - low)


def _text(x: float, y: float, text: str, anchor: str = "start", weight: str = "normal") -> str:
    place = f'x="{x:.1f}" y="{y}" text-anchor="{anchor}" font-weight="{weight}"'
    return f"<text {place}>{escape(text)}</text>"
