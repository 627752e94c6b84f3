"""`robot-policies bench`: the figures of docs/results.md, measured on this machine."""

from typing import Annotated, Any

import typer

from robot_policies.cli.options import Base, Contract, Device, Json
from robot_policies.cli.output import progress, results, table

Task = Annotated[str, typer.Option("--task", help="Task whose robot and world are simulated.")]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Measure this machine.", no_args_is_help=True)
    group.command("latency")(latency)
    group.command("physics")(physics)
    group.command("throughput")(throughput)
    group.command("skills")(skills)
    app.add_typer(group, name="bench")


def latency(
    policy: Annotated[
        str, typer.Option("--policy", help="Shipped id, folder or hub id.")
    ] = "uni_o4/go1_walk",
    task: Annotated[
        str | None, typer.Option("--task", help="Its task; go1_walk without --robot.")
    ] = None,
    robot: Annotated[str | None, typer.Option("--robot", help="A robot, without a task.")] = None,
    backend: Annotated[str, typer.Option("--backend")] = "mujoco",
    device: Device = "cpu",
    contract: Contract = None,
    base: Base = None,
    seconds: Annotated[float, typer.Option("--seconds", min=1.0, help="Of the graph.")] = 20.0,
    images: Annotated[int, typer.Option("--images", min=1, help="Sent at 30 Hz.")] = 300,
    domain: Annotated[int, typer.Option("--domain", min=0, help="ROS domain.")] = 99,
    json: Json = None,
) -> None:
    """Milliseconds through the ROS nodes, beside the messages alone and beside LeRobot alone."""
    from robot_policies.cli.launch import check_names
    from robot_policies.interface.robot_alone import NAME
    from robot_policies.launching.latency import PARTS, measure_latency
    from robot_policies.stage import find_task

    task = task or (NAME if robot else "go1_walk")
    names = {"policy": policy, "task": task, "backend": backend, "device": device}
    names |= {"contract": str(contract or ""), "base": base or ""}
    check_names(names)
    _, names["robot"] = find_task(task, robot)
    with results(json) as output, progress() as bar:
        done = bar.add_task("latency", total=PARTS)
        document = measure_latency(
            names,
            seconds=seconds,
            images=images,
            domain=domain,
            advance=lambda: bar.advance(done),
        )
        ratios = [(f"commands over messages, {key}", v) for key, v in document["ratio"].items()]
        if document["answer_ratio"]:
            ratios.append(("commands over LeRobot's answer, p50", document["answer_ratio"]))
        shown = table("ratios", ("what", "ratio"), ratios)
        _finish(output, "latency", document, shown, **names, seconds=seconds)


def physics(
    task: Task = "go1_walk",
    seconds: Annotated[float, typer.Option("--seconds", min=0.01, help="Per block.")] = 1.0,
    blocks: Annotated[int, typer.Option("--blocks", min=1, help="Per engine.")] = 5,
    json: Json = None,
) -> None:
    """Simulated control steps per second, MuJoCo and PyBullet side by side."""
    from robot_policies.evaluation import benchmarks

    with results(json) as output, progress() as bar:
        done = bar.add_task("physics", total=blocks * len(benchmarks.ENGINES))
        rows = benchmarks.physics(task, seconds, blocks, lambda: bar.advance(done))
        _finish(output, "physics", {"results": rows}, task=task, seconds=seconds, blocks=blocks)


def throughput(
    task: Task = "go1_walk",
    environments: Annotated[int, typer.Option("--environments", min=1)] = 192,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Of physics.")] = 2,
    torch_threads: Annotated[int, typer.Option("--torch-threads", min=1)] = 1,
    blocks: Annotated[int, typer.Option("--blocks", min=1, help="Training iterations.")] = 5,
    json: Json = None,
) -> None:
    """Steps per second of the training environment, bare and within PPO."""
    from robot_policies.evaluation import benchmarks

    with results(json) as output, progress() as bar:
        done = bar.add_task("throughput", total=blocks + 1)
        rows = benchmarks.throughput(
            task, environments, threads, torch_threads, blocks, lambda: bar.advance(done)
        )
        _finish(
            output,
            "throughput",
            {"results": rows},
            task=task,
            blocks=blocks,
            torch_threads=torch_threads,
        )


def skills(
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Of each, interleaved.")] = 60,
    live: Annotated[bool, typer.Option("--live/--no-live", help="Also in running nodes.")] = True,
    domain: Annotated[int, typer.Option("--domain", min=0, help="ROS domain.")] = 99,
    json: Json = None,
) -> None:
    """A control step with 0 to 8 skills, and a change of skills in a node at 50 Hz."""
    from robot_policies.evaluation import skill_benchmark

    with results(json) as output, progress() as bar:
        done = bar.add_task("skills", total=repeats + live)
        rows = skill_benchmark.control_steps(repeats, lambda: bar.advance(done))
        if live:
            rows += skill_benchmark.live_changes(domain)
            bar.advance(done)
        _finish(output, "skills", {"results": rows}, repeats=repeats)


def _finish(output: Any, bench: str, found: dict[str, Any], *tables: Any, **settings: Any) -> None:
    from robot_policies.evaluation.provenance import provenance

    policies = [settings["policy"]] if "policy" in settings else []
    origin = provenance(policies, **settings)
    rows = found["results"]
    shown = table(bench, tuple(rows[0]), [tuple(row.values()) for row in rows])
    output.finish({"bench": bench, **found, "provenance": origin}, shown, *tables)
