"""`robot-policies data`: record, generate, look at, play back and convert episodes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from robot_policies import catalog
from robot_policies.cli.options import Backend, Json, Policy, Seed, Task
from robot_policies.cli.output import cell, progress, results, table
from robot_policies.cli.run import (
    closed,
    connected,
    parse_options,
    require_complete,
    result_rows,
    watched,
)
from robot_policies.interface import ConfigError

if TYPE_CHECKING:
    from robot_policies.cli.recorded_actions import RecordedActions
    from robot_policies.control.records import StepRecord

Dataset = Annotated[Path, typer.Argument(help="LeRobotDataset v3 folder.")]
Option = Annotated[
    list[str] | None,
    typer.Option("--option", metavar="NAME=VALUE", help="Option of the backend, as YAML."),
]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Recorded episodes, as LeRobotDataset v3.", no_args_is_help=True)
    group.command("record")(record)
    group.command("generate")(generate)
    group.command("replay")(replay)
    group.command("show")(show)
    group.command("convert")(convert)
    app.add_typer(group, name="data")


def record(
    policy: Policy,
    task: Task,
    backend: Backend,
    out: Annotated[Path, typer.Option("--out", help="Dataset folder; appended to.")],
    episodes: Annotated[int, typer.Option("--episodes", min=1)] = 1,
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=0.0, help="Instead of the task's horizon.")
    ] = None,
    seed: Seed = 0,
    images: Annotated[
        str, typer.Option("--images", help="video (MP4, small) or png (exact).")
    ] = "video",
    option: Option = None,
    json: Json = None,
) -> None:
    """Run a policy and record what was measured and sent; episode i has seed SEED + i."""
    from robot_policies.control.episode import run_episode
    from robot_policies.data.observers import make_observers
    from robot_policies.interface import Simulator
    from robot_policies.session import open_session

    with results(json) as output:
        options = parse_options(option, backend)
        session = open_session(policy, backend, task, options=options, seconds=seconds)
        session.require()
        device = session.backend
        real_time = not isinstance(device, Simulator)
        watching = make_observers(device, record=out, images=images, real_time=real_time)
        ended = []
        with closed(watching), connected(device), progress() as bar:
            done = bar.add_task("recording", total=episodes)
            for index in range(episodes):
                result = run_episode(
                    device, session.policy, session.task, seed=seed + index, observers=watching
                )
                ended.append({"seed": result.seed, "ended_by": result.ended_by, **result.metrics})
                bar.advance(done)
        told = {
            "notes": [note for watcher in watching for note in watcher.notes],
            "faults": [fault for watcher in watching for fault in watcher.faults],
        }
        output.finish(
            {"dataset": str(out), "episodes": ended, **told},
            table(str(out), tuple(ended[0]), [tuple(row.values()) for row in ended]),
            *([table("notes", ("note",), [(n,) for n in told["notes"]])] if told["notes"] else []),
        )
    require_complete(told)


def generate(
    task: Task,
    out: Annotated[Path, typer.Option("--out", help="Dataset folder; appended to.")],
    episodes: Annotated[int, typer.Option("--episodes", min=1)] = 1,
    seed: Seed = 0,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes.")] = 1,
    noise: Annotated[
        float,
        typer.Option(
            "--noise",
            min=0.0,
            help="Of half the episodes: pushes, in m; metaworld: on actions.",
        ),
    ] = 0.02,
    backend: Backend = "mujoco",
    images: Annotated[
        str, typer.Option("--images", help="png (exact) or video (MP4, small).")
    ] = "png",
    failures: Annotated[
        bool, typer.Option("--failures", help="Keep attempts that fail, too.")
    ] = False,
    json: Json = None,
) -> None:
    """Let a task's scripted expert demonstrate it; attempts have the seeds SEED, SEED + 1, ...

    Pushes disturb what is done and not what is recorded as the action, so that an imitator learns
    the way back. The same seed gives the same data, with any number of workers.
    """
    from robot_policies.data.demonstrations import Order, generate

    with results(json) as output, progress() as bar:
        done = bar.add_task("demonstrating", total=episodes)
        made = generate(
            Order(task, backend, noise),
            out,
            episodes,
            seed,
            workers,
            images,
            failures,
            lambda written: bar.update(done, completed=written),
        )
        rows = [
            ("episodes", str(made.episodes)),
            ("frames", str(made.frames)),
            ("failed attempts", str(len(made.failed))),
            ("refused actions", str(sum(made.refusals.values()))),
            ("episodes cut at a refused action", str(len(made.cut))),
        ]
        output.finish(made, table(str(made.dataset), ("what", "value"), rows))


def replay(
    dataset: Dataset,
    task: Task,
    backend: Backend,
    episode: Annotated[int, typer.Option("--episode", min=0)] = 0,
    viewer: Annotated[
        str | None, typer.Option("--viewer", help="rerun, or an .rrd file to write.")
    ] = None,
    video: Annotated[
        Path | None, typer.Option("--video", metavar="F.mp4", help="Film the episode.")
    ] = None,
    seed: Seed = 0,
    unit: Annotated[
        list[str] | None,
        typer.Option("--unit", help="UNIT of all joints or JOINT=UNIT, if the data says none."),
    ] = None,
    option: Option = None,
    json: Json = None,
) -> None:
    """Send the recorded actions to a robot or a simulator and say how far it strays.

    The safety gate judges the actions as any policy's. A simulator starts where the recorded one
    did. If the recording does not say, the joints start as in row 0 and the scene is that of
    SEED. To play a log as the robot instead, and let a policy watch it, use `robot-policies run
    --backend replay`.
    """
    from robot_policies.cli.recorded_actions import RecordedActions
    from robot_policies.stage import open_stage

    with results(json) as output:
        stage = open_stage(backend, task, options=parse_options(option, backend))
        recorded = RecordedActions(dataset, episode, stage.robot, unit or ())
        stage.asked.horizon = recorded.duration
        strayed, initial = _Strayed(recorded), _initial(dataset, episode, task)
        lost = initial is None and stage.task is not None
        if lost:
            initial = {**stage.asked.initial(seed), "joint_position": recorded.first_pose}
        document = watched(
            stage.backend,
            recorded,
            stage.asked,
            seed=seed,
            initial=initial,
            viewer=viewer,
            video=video,
            observers=(strayed,),
        )
        if lost:
            text = f"no recorded scene: joints start as in row 0, the scene is that of seed {seed}"
            document["notes"] = [text, *document["notes"]]
        by_joint = strayed.rms(stage.robot.joint_names)
        output.finish(
            {"dataset": str(dataset), "episode": episode, "rms_deviation": by_joint, **document},
            table(f"{dataset} on {task} in {backend}", ("what", "value"), result_rows(document)),
            table(
                "RMS deviation from the recorded joints [rad, m]",
                ("joint", "deviation"),
                [(joint, cell(value)) for joint, value in by_joint.items()],
            ),
        )
    require_complete(document)


def _initial(dataset: Path, episode: int, task: str) -> dict[str, Any] | None:
    """Return the recorded initial condition, `None` if the recording is not of this task."""
    from robot_policies.data.dataset import read_episodes

    for about in read_episodes(dataset):
        if about["episode_index"] == episode and about.get("task") == task:
            return about["initial"]
    return None


class _Strayed:
    """Observer that sums up how far the joints are from the recorded ones."""

    def __init__(self, recorded: "RecordedActions") -> None:
        self._recorded = recorded
        self._squares: list[Any] = []

    def begin(self, robot: object, policy: object, task: object, initial: object) -> None:
        """Nothing to prepare."""

    def step(self, record: "StepRecord") -> None:
        """Note one control step."""
        self._squares.append(self._recorded.deviation(record.time, record.state) ** 2)

    def end(self, result: object) -> None:
        """Nothing to finish."""

    def rms(self, joints: tuple[str, ...]) -> dict[str, float]:
        """Return the root mean square by joint. [rad], [m]."""
        import numpy as np

        return dict(zip(joints, np.sqrt(np.mean(self._squares, axis=0)).tolist(), strict=True))


def show(dataset: Dataset, json: Json = None) -> None:
    """Say what a dataset holds: episodes, features, units, ranges."""
    from robot_policies.data.convert import describe
    from robot_policies.data.interrupted import is_interrupted, take_back
    from robot_policies.data.lock import FolderLock

    with results(json) as output:
        if is_interrupted(dataset):
            with FolderLock(dataset):
                take_back(dataset)
        about = describe(dataset)
        totals = ("robot", "fps", "episodes", "frames", "seconds", "tasks")
        output.finish(
            about,
            table(str(dataset), ("what", "value"), [(name, cell(about[name])) for name in totals]),
            *_feature_tables(about["features"]),
        )


_STATISTICS = ("min", "max", "mean", "std")


def _feature_tables(features: dict[str, Any]) -> list[Any]:
    """Return one table per feature with named numbers, and one of all others."""
    tables, others = [], []
    for name, feature in features.items():
        elements = feature.get("names") or []
        if "mean" not in feature or len(elements) != len(feature["mean"]):
            shape = " x ".join(map(str, feature["shape"]))
            others.append((name, feature["dtype"], shape))
            continue
        units = feature.get("unit") or ""
        units = [units] * len(elements) if isinstance(units, str) else units
        rows = [
            (element, units[i], *(cell(float(feature[key][i])) for key in _STATISTICS))
            for i, element in enumerate(elements)
        ]
        tables.append(table(name, ("element", "unit", *_STATISTICS), rows))
    return [*tables, table("other features", ("feature", "type", "shape"), others)]


def convert(
    source: Annotated[
        Path, typer.Argument(help="Go1 logs (.npz), a bag, a spool or a folder of them.")
    ],
    out: Annotated[Path, typer.Argument(help="Dataset folder; appended to.")],
    episode: Annotated[
        list[int] | None, typer.Option("--episode", help="Of the Go1 logs; all if left out.")
    ] = None,
    robot: Annotated[
        str, typer.Option(help="Of a bag that does not say it, as in config/robots.")
    ] = "",
    json: Json = None,
) -> None:
    """Convert real Go1 logs, bags, or the spools of interrupted recordings, to LeRobotDataset."""
    from robot_policies.data.bag_file import METADATA, BagFile
    from robot_policies.data.convert import convert_bag, convert_go1_logs, convert_spool

    with results(json) as output, progress() as bar:
        task = bar.add_task("converting", total=None)

        def report(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        if source.suffix == ".npz":
            made = convert_go1_logs(source, out, episode, report)
        elif episode:
            raise ConfigError("--episode: only Go1 logs are converted in part")
        elif robot or (source / METADATA).is_file():
            name = robot or BagFile(source).about.get("robot", "")
            if not name:
                raise ConfigError(f"{source}: does not say which robot it is of; say --robot")
            made = convert_bag(source, out, catalog.load_robot(name), report)
        else:
            made = convert_spool(source, out, report)
        rows = [("episodes", str(made.episodes)), ("frames", str(made.frames))]
        rows += [("note", note) for note in made.notes]
        output.finish(made, table(str(made.dataset), ("what", "value"), rows))
