"""How long it takes through the real nodes: from a capture to the command that answers it.

Everything runs in processes of its own, with the environment the launch file gives its nodes. What
a machine can do at all is measured in the same run, because a ratio holds on every machine: the
messages alone for a quick policy, and LeRobot in one process for a policy that takes long.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from robot_policies.catalog import load_robot
from robot_policies.interface import BackendError
from robot_policies.launching.network import RANGE, graph_environment
from robot_policies.launching.trial import run_process, run_trial
from robot_policies.policies.catalog import action_spec_of
from robot_policies.policies.locate import find_checkpoint, has_network_of_lerobot

LONGEST_PAUSE = 2.0  # s; between two answers of LeRobot, where a plan is longer
HEAVY = 0.01  # s; below, messages take a good part of an answer, and LeRobot has none
QUANTILES = {"p50_ms": 50.0, "p99_ms": 99.0, "max_ms": 100.0}
PARTS = 6  # of a measurement, for a progress bar


def measure_latency(
    names: Mapping[str, str],
    *,
    seconds: float,
    images: int,
    domain: int,
    advance: Callable[[], object] = lambda: None,
) -> dict[str, Any]:
    """Measure a launched graph, and before and after it what it is compared with.

    Args:
        names: `policy`, `robot`, `backend`, `task`, `device`, `contract` and `base` of the launch
            file; the last two may be empty.
        seconds: How long the graph runs, and the messages alone.
        images: How many 640x480 images are sent best-effort between two processes.
        domain: ROS domain, so that no other graph is disturbed.
        advance: Called `PARTS` times, after each part.

    Returns:
        `results`, a row for each measurement; `floor`, the row of the messages alone; `ratio` of
        the graph's p50 and p99 over those of the floor; `answer`, the row of LeRobot in one
        process, and `answer_ratio` of the graph's p50 over it, both `None` for a policy that
        answers quickly or has no checkpoint.

    Raises:
        BackendError: If a process did not run to its end, or the policy never acted.
    """

    def part[T](value: T) -> T:
        advance()
        return value

    names, own = dict(names), not has_network_of_lerobot(names["policy"])
    robot = load_robot(names["robot"])
    spec = action_spec_of(names["policy"], robot, _contract(names))
    pause = min(spec.executed * spec.dt, LONGEST_PAUSE)
    before: dict[str, Any] = part({} if own else _lerobot(names, pause))
    if before:
        names["threads"] = str(before["threads"])
    floor = part(_floor(names, 0.5 * seconds, domain))
    graph = part(measure_commands(names, seconds=seconds, domain=domain))
    floor += part(_floor(names, 0.5 * seconds, domain))
    threads = before.get("threads")
    after: dict[str, Any] = part({} if own else _lerobot(names, pause, threads))
    pictures = part(measure_images(images, domain=domain))

    rate = robot.control_rate
    asked = 2 * _count(rate, 0.5 * seconds)
    alone = _row("the same messages between two bare processes", floor, asked, rate)
    rows, answer = [graph, alone, pictures], None
    took = [*before.get("took", ()), *after.get("took", ())]
    if took and np.median(took) > HEAVY:
        what = f"LeRobot's answer in one process, threads: {before['threads']}"
        answer = _row(what, took, len(took), len(took) / sum(took))
        rows.insert(2, answer)
    return {
        "results": rows,
        "floor": alone,
        "ratio": {key: _ratio(graph, alone, key) for key in ("p50", "p99")},
        "answer": answer,
        "answer_ratio": _ratio(graph, answer, "p50") if answer else None,
    }


def measure_commands(
    names: Mapping[str, str], *, seconds: float, domain: int = 99, prefix: Sequence[str] = ()
) -> dict[str, Any]:
    """Measure from observation stamp to applied command, for every answer in a launched graph.

    Args:
        names: Arguments of the launch file.
        seconds: Duration.
        domain: ROS domain.
        prefix: Command that runs the launcher, such as `chrt -f 10`.

    Raises:
        BackendError: If the graph did not run to its end, or the policy never acted.
    """
    arguments = {**names, "seconds": f"{seconds:g}"}
    summary = run_trial(arguments, seconds, {**os.environ, **_apart(domain)}, prefix)
    latency, refusals = summary["latency"], summary["refusals"]
    if not latency:
        raise BackendError(f"'{names['policy']}' never acted within {seconds:g} s: {refusals}")
    return {
        "what": "observation stamp to applied command",
        **{key: round(1e3 * latency[key.removesuffix("_ms")], 3) for key in QUANTILES},
        "count": summary["steps"],
        "lost": sum(refusals.values()),
        "rate_hz": summary["figures"]["loop_rate_mean_hz"],
        "load": _load(),
    }


def measure_images(count: int, *, domain: int = 99, profile: bool = True) -> dict[str, Any]:
    """Measure 640x480 images from one process to another.

    Args:
        count: How many are sent, at 30 Hz.
        domain: ROS domain.
        profile: Whether to use the launch file's transport settings, or DDS's own.

    Raises:
        BackendError: If the processes did not run to their end.
    """
    environment = graph_environment() if profile else {**os.environ, RANGE: "LOCALHOST"}
    command = [sys.executable, "-P", "-m", "robot_policies.nodes.image_probe", str(count)]
    sent = run_process(
        command, count / 30.0, {**environment, **_apart(domain)}, "images could not be sent"
    )
    return _row("640x480 image from process to process", json.loads(sent), count, 30.0)


def _floor(names: Mapping[str, str], seconds: float, domain: int) -> list[float]:
    """Return the delays of the messages alone. [s]."""
    robot = load_robot(names["robot"])
    rows = action_spec_of(names["policy"], robot, _contract(names)).horizon
    count = _count(robot.control_rate, seconds)
    words = (names["robot"], str(rows), str(count))
    command = [sys.executable, "-P", "-m", "robot_policies.nodes.floor_probe", *words]
    environment = {**graph_environment(), **_apart(domain)}
    sent = run_process(command, seconds, environment, "messages could not be sent")
    return json.loads(sent)


def _lerobot(names: Mapping[str, str], pause: float, threads: int | None = None) -> dict[str, Any]:
    """Return `threads` and what answers `took` [s]; without a number, threads are chosen.

    Args:
        names: `policy`, a checkpoint, its `base` and `device`.
        pause: Time before each answer: a plan is followed meanwhile. [s]
        threads: Of torch.
    """
    folder, device = find_checkpoint(names["policy"]), names["device"]
    base = str(find_checkpoint(names["base"])) if names["base"] else ""
    words = [str(folder), base, f"{pause:g}", device, *([str(threads)] if threads else [])]
    command = [sys.executable, "-P", "-m", "robot_policies.evaluation.lerobot_answer", *words]
    fault = f"'{names['policy']}' did not answer"
    return json.loads(run_process(command, 60.0, graph_environment(), fault))


def _contract(names: Mapping[str, str]) -> Path | None:
    return Path(names["contract"]) if names.get("contract") else None


def _count(rate: float, seconds: float) -> int:
    return max(round(rate * seconds), 1)


def _row(what: str, delays: Sequence[float], count: int, rate: float) -> dict[str, Any]:
    values = np.percentile(delays, list(QUANTILES.values())) if delays else [np.nan] * 3
    return {
        "what": what,
        **{key: round(1e3 * float(v), 3) for key, v in zip(QUANTILES, values, strict=True)},
        "count": count,
        "lost": count - len(delays),
        "rate_hz": round(rate, 3),
        "load": _load(),
    }


def _ratio(row: Mapping[str, Any], base: Mapping[str, Any], quantile: str) -> float:
    return round(row[f"{quantile}_ms"] / base[f"{quantile}_ms"], 3)


def _load() -> float:
    """Return how many processes were running or waiting for a core in the last minute."""
    return round(os.getloadavg()[0], 2)


def _apart(domain: int) -> dict[str, str]:
    """Return what keeps a graph from being disturbed by others."""
    return {"ROS_DOMAIN_ID": str(domain)}
