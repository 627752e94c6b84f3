"""Stage `offline` of Uni-O4: from logged transitions to a better policy, without the robot.

Killed at any time, `resume` continues as if nothing had happened.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from robot_policies.interface import RobotPoliciesError
from robot_policies.learning.run_state import begin_run
from robot_policies.policies.uni_o4.offline.improvement import choose
from robot_policies.policies.uni_o4.offline.run import STAGES, OfflineRun
from robot_policies.policies.uni_o4.offline.stages import Improvement
from robot_policies.policies.uni_o4.offline.state import load_offline_state, save_offline_state

LOG = "offline.jsonl"
RESULT = "offline.json"
STATE_FILE = "offline_state.safetensors"
LOG_EVERY = 50  # steps
BEYOND = 10.0  # times the largest possible value, at which the critics are said to diverge


class TrainingDiverged(RobotPoliciesError):
    """Training stopped because its numbers grew without bound; the last good state is kept."""


def run_offline(
    run: OfflineRun,
    out: Path,
    *,
    resume: bool = False,
    save_every: float = 30.0,
    on_save: Callable[[OfflineRun], None] | None = None,
) -> Mapping[str, Any]:
    """Go through the phases.

    Args:
        run: As `prepare` made it.
        out: Folder of state, log and result.
        resume: Continue from `out`.
        save_every: Time between two states on disk. [s]
        on_save: Called whenever the state was saved, to write a checkpoint.

    Returns:
        What is also in `offline.json`.

    Raises:
        CheckpointError: If there is nothing to resume, it was begun with other data, numbers or
            seed, or a run would be overwritten.
        TrainingDiverged: With the reason; the last good state stays.
    """
    state_file = out / STATE_FILE
    begin_run(state_file, resume)
    if resume:
        load_offline_state(run, state_file)
    stages = STAGES[run.settings.method]
    seconds: dict[str, float] = run.result.setdefault("seconds", {})
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with (out / LOG).open("a", encoding="utf-8") as log, Progress(*columns) as bar:
        shown = bar.add_task("offline", total=len(stages))
        saved = time.monotonic()
        while not run.result.get("complete"):
            stage, began = run.stage, time.monotonic()
            record = stage.step()
            _judge(run, record)
            stage.done += 1
            over = stage.finished or stage.done >= stage.total
            seconds[stage.name] = seconds.get(stage.name, 0.0) + time.monotonic() - began
            if over or stage.done % LOG_EVERY == 0 or "gain" in record or stage.name == "model":
                line = {"stage": stage.name, "step": stage.done, **record}
                log.write(json.dumps(line) + "\n")
                log.flush()
            share = stage.done / max(stage.total, 1)
            bar.update(shown, completed=run.index + share, description=stage.name)
            if over:
                _advance(run, len(stages))
            if over or time.monotonic() - saved > save_every:
                save_offline_state(run, state_file)
                if on_save is not None:
                    on_save(run)
                saved = time.monotonic()
    found = {**run.result, **run.identity()}
    (out / RESULT).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return found


def _advance(run: OfflineRun, count: int) -> None:
    """Go to the next phase, or choose what is handed on."""
    run.stage.finish()
    if run.index + 1 < count:
        run.begin(run.index + 1)
        return
    stage = run.stage
    if isinstance(stage, Improvement):
        run.result["checks"] = [asdict(check) for check in stage.improver.checks]
        if stage.evaluator is not None:
            both = [*stage.extra["start"].children(), *stage.policies]  # on the same start states
            _, scores = choose(both, stage.evaluator, run.settings.start_states)
            before, after = scores[: len(stage.policies)], scores[len(stage.policies) :]
            run.result |= {"scores_before": before, "scores": after}
            run.result["chosen"] = after.index(max(after))
    run.result["complete"] = True


def _judge(run: OfflineRun, record: Mapping[str, float]) -> None:
    """Stop a run whose numbers cannot be."""
    where = f"{run.stage.name} diverged at step {run.stage.done + 1}"
    for name, number in record.items():
        if not np.isfinite(number):
            raise TrainingDiverged(f"{where}: {name} is {number}; the last good state is kept")
    if "value" in record:
        settings = run.settings
        reward = float(run.networks.data["reward"].abs().max()) * settings.reward_scale
        largest = reward / (1.0 - settings.gamma)
        if abs(record["value"]) > BEYOND * max(largest, 1.0):
            raise TrainingDiverged(
                f"{where}: mean value {record['value']:.3g}, but no return exceeds {largest:.3g}; "
                f"the last good state is kept"
            )
