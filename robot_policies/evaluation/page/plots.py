"""The page's plots, by Plotly: they fit the width of the screen and need no network."""

from collections.abc import Mapping, Sequence
from html import escape
from textwrap import wrap
from typing import Any

import plotly.graph_objects as go
from plotly.colors import qualitative

Estimates = Sequence[tuple[str, Mapping[str, Any]]]
LETTERS = 44  # of a label in a line of a narrow screen
ROW, ENDS = 52, 60  # px: of a row, of title and axis
MARK, DOT = "#2a6fdb", "rgba(42, 111, 219, 0.3)"
CONFIG = {"responsive": True, "displayModeBar": False}
RATE, LOSS = [-0.02, 1.02], [-1.02, 1.02]  # the axes of a success rate and of a difference


def forest(
    rows: Estimates,
    values: Mapping[str, Sequence[float]] | None = None,
    span: list[float] | None = None,
) -> str:
    """Draw a mean with its interval per row, over the values of the episodes.

    Args:
        rows: Label and estimate.
        values: Of the episodes, by label.
        span: Ends of the axis; by default those of what is drawn.
    """
    figure = go.Figure()
    for place, (name, found) in enumerate(rows):
        dots = (values or {}).get(name, ())
        figure.add_scatter(x=list(dots), y=[place] * len(dots), mode="markers", marker_color=DOT)
        figure.add_scatter(
            x=[found["mean"]], y=[place], error_x=_bars(found), marker={"color": MARK, "size": 10}
        )
        # Above its row, because a narrow screen has no room beside it.
        figure.add_annotation(
            x=0,
            y=place,
            xref="paper",
            xanchor="left",
            yanchor="bottom",
            align="left",
            yshift=6,
            text="<br>".join(map(_text, wrap(name, LETTERS))),
            showarrow=False,
        )
    figure.update_xaxes(range=span)
    figure.update_yaxes(visible=False, range=[len(rows) - 0.5, -0.9])
    return _html(figure, ENDS + ROW * len(rows))


def heat(cells: Sequence[Mapping[str, Any]]) -> str:
    """Draw the success rate over the conditions, a row per policy, task and backend."""
    columns = list(dict.fromkeys(cell["condition"] for cell in cells))
    rows: dict[str, dict[str, float]] = {}
    for cell in cells:
        name = " <br>".join(_text(cell[key]) for key in ("policy", "task", "backend"))
        rows.setdefault(name, {})[cell["condition"]] = cell["success"]["mean"]
    shares = [[row.get(column) for column in columns] for row in rows.values()]
    figure = go.Figure(
        go.Heatmap(
            z=shares,
            x=[_text(column) or "plain" for column in columns],
            y=list(rows),
            zmin=0.0,
            zmax=1.0,
            colorscale="Blues",
            texttemplate="%{z:.2f}",
            showscale=False,
        )
    )
    figure.update_yaxes(autorange="reversed", automargin=True)
    figure.update_xaxes(automargin=True)
    return _html(figure, 2 * ENDS + 2 * ROW * len(rows))


def scatter(sim: Estimates, real: Estimates, names: tuple[str, str]) -> str:
    """Draw the success rate of each policy in two backends against each other.

    Args:
        sim: Policy and rate in the first.
        real: The same policies in the second.
        names: Of the two.
    """
    figure = go.Figure(go.Scatter(x=[0, 1], y=[0, 1], mode="lines", line={"color": "#ccc"}))
    for (policy, one), (_, other) in zip(sim, real, strict=True):
        figure.add_scatter(
            x=[one["mean"]],
            y=[other["mean"]],
            error_x=_bars(one),
            error_y=_bars(other),
            name=_text(policy),
            text=[_text(policy)],
            mode="markers+text",
            textposition="top left",
            marker={"color": MARK, "size": 10},
        )
    figure.update_xaxes(title=f"success in {_text(names[0])}", range=RATE)
    figure.update_yaxes(title=f"success in {_text(names[1])}", range=RATE)
    return _html(figure, 420)


def lines(curves: Mapping[str, Mapping[str, Sequence[float]]], axes: tuple[str, str]) -> str:
    """Draw curves over a common axis, one above the other where they have names in common.

    Args:
        curves: By group and name, values at 1, 2, 3 and so on; groups differ in the dash.
        axes: What the axes are.
    """
    figure = go.Figure()
    for dash, (group, named) in zip(("dot", "solid"), curves.items(), strict=True):
        for place, (name, values) in enumerate(named.items()):
            color = qualitative.Dark24[place % len(qualitative.Dark24)]
            figure.add_scatter(
                x=list(range(1, len(values) + 1)),
                y=list(values),
                name=f"{_text(name)}, {_text(group)}",
                line={"dash": dash, "color": color, "width": 1.5},
            )
    figure.update_xaxes(title=axes[0])
    figure.update_yaxes(title=axes[1], rangemode="tozero", automargin=True)
    return _html(figure, 420)


def library() -> str:
    """Return Plotly's script, which stands once in the page."""
    from plotly.offline import get_plotlyjs

    return f"<script>{get_plotlyjs()}</script>"


def _bars(found: Mapping[str, Any]) -> dict[str, Any]:
    if found["ci95"] is None or found["mean"] is None:
        return {}
    low, high = found["ci95"]
    return {
        "type": "data",
        "array": [high - found["mean"]],
        "arrayminus": [found["mean"] - low],
        "thickness": 2,
    }


def _html(figure: go.Figure, height: int) -> str:
    figure.update_layout(
        height=height,
        template="plotly_white",
        showlegend=False,
        margin={"l": 8, "r": 8, "t": 8, "b": 32},
        font={"family": "system-ui, sans-serif", "size": 12},
    )
    return figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        default_width="100%",
        default_height=f"{height}px",
        config=CONFIG,
    )


def _text(name: str) -> str:
    """Return a name as Plotly shows it; it reads a few tags in texts."""
    return escape(name)
