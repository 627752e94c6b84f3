"""`robot-policies run`: one episode without ROS, on a simulator, a recorded log or a robot."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from robot_policies.cli.options import (
    Backend,
    Base,
    Contract,
    Device,
    Dtype,
    Gains,
    Json,
    Policy,
    Seed,
)
from robot_policies.cli.output import cell, counts, progress, results, table
from robot_policies.documents import parse_yaml
from robot_policies.interface import BackendError, ConfigError

if TYPE_CHECKING:
    from robot_policies import interface
    from robot_policies.control.records import Observer, StepRecord
    from robot_policies.data.observers import RecordingObserver


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run")(run)


def run(
    policy: Policy,
    backend: Backend,
    task: Annotated[
        str | None, typer.Option("--task", help="What to do; see `list tasks`. Or --robot alone.")
    ] = None,
    robot: Annotated[
        str | None, typer.Option("--robot", help="A robot without a task; see `list robots`.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=0.0, help="Instead of the task's horizon.")
    ] = None,
    seed: Seed = 0,
    device: Device = "cpu",
    dtype: Dtype = "auto",
    contract: Contract = None,
    base: Base = None,
    gains: Gains = "robot",
    viewer: Annotated[
        str | None, typer.Option("--viewer", help="rerun, or an .rrd file to write.")
    ] = None,
    video: Annotated[
        Path | None, typer.Option("--video", metavar="F.mp4", help="Film the episode.")
    ] = None,
    record: Annotated[
        Path | None, typer.Option("--record", metavar="DIR", help="Append to a LeRobot dataset.")
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", metavar="NAME=VALUE", help="Option of the backend, as YAML."),
    ] = None,
    json: Json = None,
) -> None:
    """Run one episode of a task, or of a robot that has none.

    A simulator runs in logical time, anything else in real time.
    """
    from robot_policies.evaluation.provenance import provenance
    from robot_policies.session import open_session

    with results(json) as output:
        options = parse_options(option, backend)
        session = open_session(
            policy,
            backend,
            task,
            robot,
            options=options,
            seconds=seconds,
            device=device,
            dtype=dtype,
            contract=contract,
            base=base,
            gains=gains,
        )
        session.require()
        document = watched(
            session.backend,
            session.policy,
            session.task,
            seed=seed,
            viewer=viewer,
            video=video,
            record=record,
        )
        origin = provenance([policy], seed=seed, seconds=seconds, device=device, dtype=dtype)
        output.finish(
            {**document, "backend": backend, "provenance": origin},
            table(
                f"{policy} on {task or robot} in {backend}",
                ("what", "value"),
                result_rows(document),
            ),
        )
    require_complete(document)


def watched(
    device: "interface.RobotBackend",
    policy: "interface.Policy",
    task: "interface.Task",
    *,
    seed: int,
    initial: Mapping[str, Any] | None = None,
    viewer: str | None = None,
    video: Path | None = None,
    record: Path | None = None,
    observers: Sequence["Observer"] = (),
) -> dict[str, Any]:
    """Run an episode with what is to watch it; return the result and the files written."""
    from robot_policies.control.episode import run_episode
    from robot_policies.data.observers import make_observers
    from robot_policies.interface import Simulator

    real_time = not isinstance(device, Simulator)
    watching = make_observers(
        device, record=record, viewer=viewer, video=video, real_time=real_time
    )
    with closed(watching), connected(device), progress() as bar:
        shown = _Bar(bar, task.horizon)
        result = run_episode(
            device,
            policy,
            task,
            seed=seed,
            initial=initial,
            observers=(*watching, *observers, shown),
        )
    files = {"video": video, "record": record, "viewer": viewer if viewer != "rerun" else None}
    return {
        **asdict(result),
        "files": {k: str(v) for k, v in files.items() if v is not None},
        "notes": [note for watcher in watching for note in watcher.notes],
        "faults": [fault for watcher in watching for fault in watcher.faults],
    }


@contextmanager
def closed(watching: Sequence["RecordingObserver"]) -> Iterator[None]:
    """Close what watches whatever happens."""
    try:
        yield
    finally:
        for watcher in watching:
            watcher.close()


def require_complete(document: Mapping[str, Any]) -> None:
    """Refuse an episode whose recording, film or log did not come to its end.

    Raises:
        BackendError: What went wrong.
    """
    if document["faults"]:
        raise BackendError("; ".join(document["faults"]))


def parse_options(words: list[str] | None, backend: str) -> dict[str, Any]:
    """Return `name=value` words as options of a backend.

    A value is YAML, but where the backend wants a text it is taken as typed: a folder may be
    called `12:30:07`, which YAML takes for a number.

    Raises:
        ConfigError: If a word is of another form, or there is no such backend.
    """
    from robot_policies.catalog import text_options

    options, texts = {}, text_options(backend)
    for word in words or ():
        name, separator, text = word.partition("=")
        if not name.isidentifier() or not separator:
            raise ConfigError(f"--option {word}: expected name=value")
        try:
            options[name] = text if name in texts else parse_yaml(text)
        except ValueError as error:
            raise ConfigError(f"--option {name}={text[:80]}: {error}") from None
    return options


@contextmanager
def connected(backend: "interface.RobotBackend") -> Iterator[None]:
    """Connect a backend and close it whatever happens, which stops the robot."""
    try:
        backend.connect()
        yield
    finally:
        backend.close()


class _Bar:
    """Observer that shows how much of the horizon has passed."""

    def __init__(self, bar: Any, horizon: float) -> None:
        self._bar, self._task = bar, bar.add_task("running [s]", total=horizon)

    def begin(self, robot: object, policy: object, task: object, initial: object) -> None:
        """Nothing to prepare."""

    def step(self, record: "StepRecord") -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=round(record.time, 1))

    def end(self, result: object) -> None:
        """Nothing to finish."""


def result_rows(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return an episode's result for people."""
    latency = " ".join(f"{k} {1000.0 * v:.1f}" for k, v in document["latency"].items())
    takes_time = any(document["latency"].values())  # none passes in logical time
    times = [("observation to command [ms]", latency)] if takes_time else []
    return [
        ("ended by", f"{document['ended_by']} {document['reason']}".strip()),
        ("duration [s]", cell(document["duration"])),
        *((name, cell(float(value))) for name, value in document["metrics"].items()),
        ("refused steps", counts(document["refusals"])),
        ("dropped chunks", counts(document["dropped"])),
        ("stale observations", str(document["stale"])),
        *times,
        *document["files"].items(),
        *(("note", note) for note in document["notes"]),
    ]
