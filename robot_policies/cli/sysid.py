"""`robot-policies sysid`: a robot's parameters from its recorded motion."""

from pathlib import Path
from typing import Annotated

import typer

from robot_policies.cli.options import Json, Seed
from robot_policies.cli.output import cell, results, table

FILE, PAGE = "sysid.yaml", "sysid.html"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("sysid")(sysid)


def sysid(
    data: Annotated[Path, typer.Option("--data", help="Recorded motion: a LeRobotDataset v3.")],
    robot: Annotated[str, typer.Option("--robot", help="See `list robots`.")],
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", help="To find; several times. All if none.")
    ] = None,
    episode: Annotated[
        list[int] | None, typer.Option("--episode", help="Of the data; all if left out.")
    ] = None,
    horizon: Annotated[
        int, typer.Option("--horizon", min=1, help="Control periods that are predicted.")
    ] = 20,
    windows: Annotated[
        int, typer.Option("--windows", min=10, help="Pieces that are fitted at most.")
    ] = 200,
    hold_out: Annotated[
        float, typer.Option("--hold-out", min=0.05, max=0.9, help="Share to report on instead.")
    ] = 0.25,
    seed: Seed = 0,
    out: Annotated[
        Path | None, typer.Option("--out", help=f"Folder for {FILE} and {PAGE}.")
    ] = None,
    json: Json = None,
) -> None:
    """Find friction, damping, armature, strength and latency with which MuJoCo moves as recorded.

    The commands are replayed from recorded states, and the joints compared. A floating base is led
    along the recording. With --out, `train uni_o4 --stage online --ranges` reads what was found.
    """
    import yaml

    from robot_policies import catalog
    from robot_policies.documents import plain
    from robot_policies.evaluation.identification import JOINTS, identify
    from robot_policies.evaluation.logged_motion import read_motions
    from robot_policies.evaluation.page.identification import identification_page
    from robot_policies.evaluation.provenance import provenance
    from robot_policies_sim.engines.mujoco.replayed_motion import Replay
    from robot_policies_sim.scene.parameters import ranges

    spec = catalog.load_robot(robot)
    with results(json) as output:
        motions = read_motions(data, spec, episode or ())
        replay, names = Replay(spec, horizon, {}), parameter or JOINTS
        found = identify(replay, motions, names, hold_out=hold_out, most=windows, seed=seed)
        drawn = ranges({name: known.range for name, known in found.parameters.items()}, spec)
        document = {
            "robot": robot,
            "horizon": horizon,
            **found.to_json(),
            "randomization": drawn,
            "provenance": provenance(data=str(data), seed=seed, horizon=horizon),
        }
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            kept = {name: document[name] for name in ("robot", "parameters", "randomization")}
            text = yaml.safe_dump(plain(kept), sort_keys=False, default_flow_style=None)
            (out / FILE).write_text(text, encoding="utf-8")
            (out / PAGE).write_text(identification_page(document), encoding="utf-8")
        rows = [
            (name, known.unit, *map(cell, (known.table, known.value, *known.range)))
            for name, known in found.parameters.items()
        ]
        errors = [
            ("with the table", cell(found.before)),
            ("with what was found", cell(found.after)),
            ("less", f"{document['fall']:.1%}"),
        ]
        head = ("name", "unit", "table", "found", "least", "most")
        title = f"error of joints over {horizon} control periods, held out"
        shown = table(f"parameters of {robot}", head, rows), table(title, ("", "rad, m"), errors)
        output.finish(document, *shown)
