"""An evaluation as tables in a terminal."""

from typing import Any

from robot_policies.cli.output import cell, table


def tables(document: dict[str, Any]) -> list[Any]:
    """Return a table per cell and one per compared pair."""
    from robot_policies.evaluation.metrics import titled

    meanings = document["metrics"]
    shown = [
        table(
            f"{_cell_name(found)}, {found['episodes']} episodes",
            ("metric", "mean", "95 % interval"),
            [
                (titled(name, meanings), cell(estimate["mean"]), _bounds(estimate["ci95"]))
                for name, estimate in {"success": found["success"], **found["metrics"]}.items()
            ],
        )
        for found in document["cells"]
        if "refused" not in found
    ]
    refused = [
        (_cell_name(found), found["refused"]) for found in document["cells"] if "refused" in found
    ]
    if refused:
        shown.append(table("cannot run", ("cell", "why"), refused))
    pairs: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for entry in document["comparisons"]:
        where = f" in {entry['backend']}" if entry["backend"] else ""
        where += f", {entry['condition']}" if entry["condition"] else ""
        row = (
            titled(entry["metric"], meanings),
            cell(entry["difference"]),
            _bounds(entry["ci95"]),
        )
        pairs.setdefault((entry["a"], entry["b"], entry["task"] + where), []).append(
            (*row, f"{entry['p']:.2g}", f"{entry['p_holm']:.2g}", entry["test"])
        )
    columns = ("metric", "difference", "95 % interval", "p", "p (Holm)", "test")
    for (a, b, where), rows in pairs.items():
        shown.append(table(f"{a} minus {b} on {where}", columns, rows))
    return shown


def _cell_name(found: dict[str, Any]) -> str:
    from robot_policies.evaluation.episode import Cell

    return str(Cell(*(found[name] for name in Cell._fields)))


def _bounds(bounds: list[float] | None) -> str:
    return "-" if bounds is None else f"[{bounds[0]:.3g}, {bounds[1]:.3g}]"
