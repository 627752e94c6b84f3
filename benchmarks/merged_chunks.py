"""What becomes of late plans, merged here and by LeRobot's own queue, on one logical clock.

One checkpoint answers the same observations. What differs is who merges its plans and when it is
asked; both follow one plan at a time but for `ensemble`. No safety gate stands between.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, Protocol

import numpy as np
import torch
from lerobot.policies.rtc import ActionQueue, RTCConfig

from robot_policies.control.chunk_executor import ChunkExecutor
from robot_policies.control.observation_buffer import ObservationBuffer
from robot_policies.control.pacing import Pacing
from robot_policies.control.timing import NetworkChannel, NetworkModel
from robot_policies.interface import (
    ActionChunk,
    Command,
    ExecutorMode,
    Policy,
    RobotSpec,
    Simulator,
    Task,
    offered,
)

DEFAULT, HALF = 30, 10  # rows left at which LeRobot asks again: its default, and half a plan


class Merger(Protocol):
    """Who decides when to ask, and what is due."""

    def asks(self, now: float) -> bool:
        """Return whether an observation of this moment is to be answered."""
        ...

    def asked(self, now: float) -> None:
        """Note that it is."""
        ...

    def take(self, chunk: ActionChunk, now: float) -> None:
        """Take an answer."""
        ...

    def due(self, now: float, sent: Command) -> tuple[np.ndarray | None, object]:
        """Return what is due, `None` if nothing is, and from which plan it comes."""
        ...


class Here:
    """The executor and the pacing of this package."""

    def __init__(self, policy: Policy, robot: RobotSpec, mode: ExecutorMode) -> None:
        """Prepare a way to merge."""
        self._executor = ChunkExecutor(policy.action_spec, mode, robot=robot)
        self._pacing = Pacing(policy.action_spec, mode, robot.control_rate)
        self.asks, self.asked = self._pacing.due, self._pacing.asked

    def take(self, chunk: ActionChunk, now: float) -> None:
        """Take an answer, and note what it took."""
        self._executor.add(chunk, now)
        if now > chunk.stamp:
            self._pacing.answered(now, now - chunk.stamp)

    def due(self, now: float, sent: Command) -> tuple[np.ndarray | None, object]:
        """Return the action, and the stamp of its plan."""
        action = self._executor.action_at(now, sent)
        return (action.values, action.stamp) if action else (None, None)


class LeRobotQueue:
    """LeRobot's `ActionQueue`, asked and merged as its real-time chunking engine does."""

    def __init__(self, dt: float, replaces: bool, threshold: int) -> None:
        """Begin with nothing.

        Args:
            dt: Time between two rows. [s]
            replaces: Whether a plan replaces the one before, less the rows of its latency, as in
                real-time chunking; otherwise it is appended.
            threshold: Rows left at which it asks again.
        """
        self._queue = ActionQueue(RTCConfig(enabled=replaces))
        self._dt, self._threshold = dt, threshold
        self._waiting, self._replaces = False, replaces
        self._index = self._plan = 0
        self._ends: list[int] = []  # rows still to come of each appended plan

    def asks(self, now: float) -> bool:
        """Ask when few rows are left and no answer is under way."""
        return not self._waiting and self._queue.qsize() <= self._threshold

    def asked(self, now: float) -> None:
        """Note what had been followed."""
        self._waiting, self._index = True, self._queue.get_action_index()

    def take(self, chunk: ActionChunk, now: float) -> None:
        """Merge, with the latency in whole rows."""
        rows = torch.tensor(np.array(chunk.values))
        late = ceil((now - chunk.stamp) / self._dt - 1e-6)
        self._ends = [] if self._replaces else self._ends
        self._ends.append(len(rows))
        self._queue.merge(rows, rows, late, self._index)
        self._waiting = False
        self._plan += self._replaces

    def due(self, now: float, sent: Command) -> tuple[np.ndarray | None, object]:
        """Return the next row, and the number of its plan."""
        row = self._queue.get()
        if row is None:
            return None, None
        if not self._replaces:
            if self._ends[0] == 0:
                self._ends.pop(0)
                self._plan += 1
            self._ends[0] -= 1
        return row.numpy(), self._plan


def mergers(policy: Policy, robot: RobotSpec) -> dict[str, Merger]:
    """Return everybody who merges, by name."""
    dt = policy.action_spec.dt
    return {
        "open loop": Here(policy, robot, "open_loop"),
        "ensemble": Here(policy, robot, "ensemble"),
        "splice": Here(policy, robot, "splice"),
        "LeRobot, append": LeRobotQueue(dt, False, DEFAULT),
        "LeRobot, append at half": LeRobotQueue(dt, False, HALF),
        "LeRobot, replace": LeRobotQueue(dt, True, DEFAULT),
        "LeRobot, replace at half": LeRobotQueue(dt, True, HALF),
    }


@dataclass(frozen=True)
class Motion:
    """How a trial went.

    Attributes:
        success: Whether the task was done.
        jump: Mean over the splices of how far the joint that jumps most lies off the straight
            continuation of the two targets before. [rad]
        jerk: Root mean square of the targets' jerk. [rad/s^3]
        fastest: Largest step of a target, over the period. [rad/s]
        idle: Share of steps after the first action without an action.
    """

    success: float
    jump: float
    jerk: float
    fastest: float
    idle: float


def trial(
    simulator: Simulator,
    policy: Policy,
    task: Task,
    merger: Merger,
    seed: int,
    latency: float,
    jitter: float,
    loss: float,
) -> Motion:
    """Run a trial.

    Args:
        simulator: Connected.
        policy: Whose action names are the robot's joints.
        task: The task.
        merger: Who merges.
        seed: Of initial state, policy and network.
        latency: From an observation to its answer; no other is asked for meanwhile. [s]
        jitter: It varies evenly by this much in both directions. [s]
        loss: Share of questions that are lost; they are asked again a period later.
    """
    robot, initial = simulator.spec, task.initial(seed)
    period = 1.0 / robot.control_rate
    columns = [policy.action_spec.array.names.index(name) for name in robot.joint_names]
    channel = NetworkChannel(NetworkModel(jitter, jitter, loss, latency - jitter), seed)
    buffer = ObservationBuffer(policy.observation_spec, offered(simulator), robot=robot)
    state = simulator.reset(seed, initial)
    policy.reset(seed)
    run, sent = task.start(initial), Command(0.0, state.joint_position)
    # Where it begins is a plan, too: the first row of an answer may lie far away.
    targets, plans, idle = [sent.values, sent.values], [-1, -1], []
    for step in range(round(task.horizon / period)):
        now = step * period
        for chunk in channel.arrived(now):
            merger.take(chunk, now)
        asks = merger.asks(now) and channel.ready(now)
        state = simulator.read(pictures=asks)
        for feature, value in run.goal(now).items():
            buffer.push(feature, value, now)
        buffer.push_state(state)
        if asks and not channel.loses():
            merger.asked(now)
            channel.answer(policy.act(buffer.snapshot(now)), now)
            for chunk in channel.arrived(now):
                merger.take(chunk, now)
        values, plan = merger.due(now, sent)
        if values is not None:
            inside = np.clip(values[columns], robot.lower, robot.upper)
            sent = Command(now, inside)
            simulator.write(sent)
        if values is not None or idle:
            targets.append(sent.values)
            plans.append(plan if plan is not None else plans[-1])
            idle.append(values is None)
        run.observe(state, sent)
        if run.done():
            break
        simulator.advance(period)
    return _motion(run.metrics(), np.array(targets), plans, idle, period)


def _motion(
    metrics: Mapping[str, float],
    targets: np.ndarray,
    plans: list[Any],
    idle: list[bool],
    period: float,
) -> Motion:
    """Return the figures of targets (steps, joints)."""
    off = abs(np.diff(targets, 2, axis=0)).max(axis=1)  # |x_k - (2 x_{k-1} - x_{k-2})|
    spliced = np.array([plans[k] != plans[k - 1] for k in range(2, len(plans))])
    return Motion(
        success=float(metrics["success"]),
        jump=float(off[spliced].mean()) if spliced.any() else 0.0,
        jerk=float(np.sqrt(np.mean((np.diff(targets, 3, axis=0) / period**3) ** 2))),
        fastest=float(abs(np.diff(targets, axis=0)).max() / period),
        idle=float(np.mean(idle)),
    )
