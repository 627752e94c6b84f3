"""Stage `offline` of Uni-O4: from logged transitions to a better policy, without the robot.

Phases follow each other as `STAGES` says for the method. The state on disk names
the data and the numbers it was made from, so what was learned from other data is never reused;
killed at any time, `resume` continues as if nothing had happened.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from torch import nn

from robot_policies.interface import CheckpointError, RobotPoliciesError
from robot_policies.policies.uni_o4.baselines import Td3BcFit, Weighted
from robot_policies.policies.uni_o4.critics import Critics
from robot_policies.policies.uni_o4.improvement import choose
from robot_policies.policies.uni_o4.offline_settings import OfflineSettings
from robot_policies.policies.uni_o4.offline_stages import (
    Behavior,
    CriticFit,
    Improvement,
    ModelFit,
    Networks,
    Stage,
)
from robot_policies.policies.uni_o4.offline_state import load_offline_state, save_offline_state
from robot_policies.policies.uni_o4.spaces import Space
from robot_policies.policies.uni_o4.transition_model import TransitionModel
from robot_policies.policies.uni_o4.transitions import Transitions

LOG = "offline.jsonl"
RESULT = "offline.json"
STATE_FILE = "offline_state.safetensors"
LOG_EVERY = 50  # steps
BEYOND = 10.0  # times the largest possible value, at which the critics are said to diverge

STAGES: Mapping[str, tuple[type[Stage], ...]] = {
    "bc": (Behavior,),
    "iql": (Behavior, CriticFit, Weighted),
    "td3_bc": (Behavior, CriticFit, Td3BcFit),
    "bppo": (Behavior, CriticFit, Improvement),
    "uni_o4": (Behavior, CriticFit, ModelFit, Improvement),
}


class TrainingDiverged(RobotPoliciesError):
    """Training stopped because its numbers grew without bound; the last good state is kept."""


@dataclass
class OfflineRun:
    """One run: what is learned, how far it is, what came out.

    Attributes:
        networks: What is learned.
        seed: Of weights and noise.
        digest: Of the data.
        stage: The present phase; made by `begin`.
        index: Its number.
        result: What is known at the end: `chosen`, `scores` (AM-Q) and those before the
            improvement, `checks`, `seconds` per phase.
    """

    networks: Networks
    seed: int
    digest: str
    index: int = 0
    result: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Stand before the first phase."""
        self.begin(0)

    @property
    def settings(self) -> OfflineSettings:
        """Numbers of the run."""
        return self.networks.settings

    def begin(self, index: int) -> None:
        """Stand before phase `index`."""
        self.index = index
        self.stage: Stage = STAGES[self.settings.method][index](self.networks)

    def identity(self) -> dict[str, Any]:
        """Return what must be the same for a state to be continued."""
        settings = json.loads(json.dumps(asdict(self.settings)))
        return {"data": self.digest, "seed": self.seed, "settings": settings}

    @property
    def policy(self) -> nn.Module:
        """The policy that would be handed on now."""
        return self.stage.policies[self.result.get("chosen", 0)]


def prepare(
    data: Transitions,
    space: Space,
    actor: Callable[[], nn.Module],
    value: Callable[[], nn.Module],
    settings: OfflineSettings,
    seed: int = 0,
) -> OfflineRun:
    """Make every network of a run.

    Args:
        data: What is learned from.
        space: Its task.
        actor: Makes a member; copies of a policy, or fresh ones.
        value: Makes the V to start from.
        settings: Numbers.
        seed: Seeds weights and noise.
    """
    torch.manual_seed(seed)
    policies = nn.ModuleList(actor() for _ in range(settings.count))
    networks = Networks(
        policies,
        Critics(space.width, space.action_width, value(), settings, data.privileged),
        TransitionModel(space, settings),
        space,
        data,
        data.tensors(),
        settings,
    )
    return OfflineRun(networks, seed, data.digest)


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
    if resume != state_file.exists():
        verb = "nothing to resume in" if resume else "already holds a training state, resume it:"
        raise CheckpointError(f"{verb} {out}")
    out.mkdir(parents=True, exist_ok=True)
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
    said = {**run.result, **run.identity()}
    (out / RESULT).write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    return said


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
