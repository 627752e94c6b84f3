"""From chunks that arrive when they arrive to the one action that is due now.

Chunks are merged by stamp, never by index: row k answers the moment `stamp + k dt`, however late
the chunk came. What cannot be used any more is dropped and counted with its reason. A plan that
answers a robot at rest is the exception: if nothing was followed between the observation and the
answer, the plan begins when it arrives, and is followed for the rows the policy executes. A robot
that has to balance is never at rest.

    open_loop   the newest chunk's row that is in force now, as it is (zero-order hold)
    ensemble    average over all chunks in force, weight exp(-decay i), oldest i = 0
    splice      the newest chunk, interpolated, joined with bounded jerk (`control/splice.py`)

References: Zhao et al. 2023, "Learning Fine-Grained Bimanual Manipulation", Sec. IV-A.
"""

from collections import Counter
from functools import reduce

import numpy as np

from robot_policies.control.plan import TOLERANCE, Plan
from robot_policies.control.splice import Splicer
from robot_policies.interface import (
    EXECUTOR_MODES,
    Action,
    ActionChunk,
    ActionKind,
    ActionSpec,
    Command,
    ConfigError,
    ContractError,
    ExecutorMode,
    RobotSpec,
)
from robot_policies.interface.errors import suggestion
from robot_policies.interface.limits import intersect

# A chunk that arrives this long after its end is still used; the safety gate waits as long. [s]
LATENESS = 0.1


class ChunkExecutor:
    """Holds the chunks of one policy and says what is due.

    Attributes:
        dropped: How many chunks were not used, by reason: `late` (all rows in the past),
            `superseded` (a newer one is in use), `duplicate`, `future` (its clock is ahead).
    """

    def __init__(
        self,
        spec: ActionSpec,
        mode: ExecutorMode = "open_loop",
        *,
        robot: RobotSpec | None = None,
        lateness: float = LATENESS,
    ) -> None:
        """Prepare a mode.

        Args:
            spec: The policy's actions.
            mode: How chunks are merged.
            robot: The robot, for the limits `splice` keeps, and whether it rests when it holds.
            lateness: A chunk that arrives at most this long after its end is still used: its last
                row is in force for one `dt` from arrival. Keep it below the time the safety gate
                waits before holding. [s]

        Raises:
            ConfigError: If the mode is unknown, or cannot be used with these actions.
        """
        if mode not in EXECUTOR_MODES:
            raise ConfigError(f"no executor mode '{mode}'.{suggestion(mode, EXECUTOR_MODES)}")
        self._spec, self._mode, self._lateness = spec, mode, lateness
        self._rests = robot is None or not robot.floating_base
        self._splicer: Splicer | None = None
        if mode == "splice":
            if robot is None or spec.kind is not ActionKind.JOINT_POSITION:
                raise ConfigError(f"splice needs a robot and joint_position, not {spec.kind}")
            self._splicer = Splicer(robot, spec.array.names)
        self.dropped: Counter[str] = Counter()
        self.reset()

    def reset(self) -> None:
        """Forget all chunks."""
        self._plans: list[Plan] = []
        self._now = self._newest = self._followed = -np.inf
        self.dropped.clear()
        if self._splicer:
            self._splicer.reset()

    def add(self, chunk: ActionChunk, now: float) -> None:
        """Take a chunk, or drop it and count why.

        Args:
            chunk: As it arrived; columns in any order. Values that are not finite are kept: the
                safety gate refuses them by name.
            now: Time of arrival. [s]

        Raises:
            ContractError: If names, kind, dt or length are not the action spec's.
        """
        values, start = self._columns(chunk), chunk.stamp
        if self._rests and self._followed < chunk.stamp < now:  # since the observation
            values, start = values[: self._spec.executed], now
        end = start + len(values) * chunk.dt
        if chunk.stamp > now + chunk.dt:
            self.dropped["future"] += 1
        elif chunk.stamp == self._newest or chunk.stamp in [p.stamp for p in self._plans]:
            self.dropped["duplicate"] += 1
        elif now > end + self._lateness:
            self.dropped["late"] += 1
        elif chunk.stamp < self._newest and (self._mode != "ensemble" or now >= end):
            self.dropped["superseded"] += 1
        else:
            if chunk.stamp > self._newest:
                self._newest = chunk.stamp
                end = now + chunk.dt if now >= end else end
            plan = Plan(chunk.stamp, start, end, chunk.dt, values, chunk.limits)
            self._plans = sorted([*self._plans, plan], key=lambda plan: plan.stamp)

    def action_at(self, now: float, sent: Command | None = None) -> Action | None:
        """Return what is due now, or `None` if no chunk says anything about now.

        Args:
            now: Time. [s]
            sent: The command in force, for `splice` to continue from.
        """
        if now < self._now:
            kept = [plan for plan in self._plans if plan.stamp <= now + plan.dt]
            self.dropped["future"] += len(self._plans) - len(kept)
            self._plans = kept
            self._newest = max((plan.stamp for plan in kept), default=-np.inf)
            self._followed = min(self._followed, now)
        self._now = now
        self._plans = [plan for plan in self._plans if now < plan.end]
        due = [plan for plan in self._plans if plan.covers(now)]
        if not due:
            if self._splicer:
                self._splicer.rest()
            return None
        self._followed = min(due[-1].end, now + due[-1].dt)  # its row is in force until then
        values = self._values(due, now, sent)
        # Who has a say has it about the limits, too.
        heard = due if self._mode == "ensemble" else due[-1:]
        limits = reduce(intersect, [plan.limits for plan in heard])
        return Action(values, self._spec.array.names, self._spec.kind, due[-1].stamp, limits)

    def _values(self, due: list[Plan], now: float, sent: Command | None) -> np.ndarray:
        if self._splicer:
            return self._splicer.follow(due[-1].between, now, sent)
        if self._mode == "ensemble":
            return ensemble(np.array([plan.row(now) for plan in due]), self._spec.decay)
        return due[-1].row(now)

    def _columns(self, chunk: ActionChunk) -> np.ndarray:
        names, spec = self._spec.array.names, self._spec
        if chunk.kind is not spec.kind:
            raise ContractError(f"action chunk: kind {chunk.kind}, expected {spec.kind}")
        if sorted(chunk.names) != sorted(names):
            missing, extra = set(names) - set(chunk.names), set(chunk.names) - set(names)
            raise ContractError(
                f"action chunk: missing {sorted(missing)}, unexpected {sorted(extra)}"
            )
        if abs(chunk.dt - spec.dt) > TOLERANCE * spec.dt:
            raise ContractError(f"action chunk: dt {chunk.dt:g} s, expected {spec.dt:g} s")
        if len(chunk.values) > spec.horizon:
            raise ContractError(f"action chunk: {len(chunk.values)} rows, limit {spec.horizon}")
        return chunk.values[:, [chunk.names.index(name) for name in names]]


def rows_followed(spec: ActionSpec, mode: ExecutorMode) -> int:
    """Return how many rows of a chunk are followed before the policy is asked again.

    `splice` asks at half a chunk at the latest: a join needs rows to come.
    """
    halfway = max(1, spec.horizon // 2)
    return {
        "open_loop": spec.executed,
        "ensemble": 1,
        "splice": min(spec.executed, halfway),
    }[mode]


def ensemble(rows: np.ndarray, decay: float) -> np.ndarray:
    """Average what several chunks predict for the same moment.

    Args:
        rows: Oldest chunk first. Shape (chunks, width).
        decay: Weight of chunk i is exp(-decay i); 0 averages evenly.

    Returns:
        Targets; NaN wherever any row is not finite, so that nothing is averaged away.
    """
    weights = np.exp(-decay * np.arange(len(rows)))
    finite = np.isfinite(rows).all(axis=0)
    mean = weights / weights.sum() @ np.where(finite, rows, 0.0)
    return np.where(finite, mean, np.nan)
