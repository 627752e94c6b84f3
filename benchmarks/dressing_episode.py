"""One episode of dressing: who dresses besides policies, and what is kept of it."""

from collections import deque
from dataclasses import replace
from typing import Any

import numpy as np

from robot_policies.control.episode import run_episode
from robot_policies.control.load import LoadJudge
from robot_policies.control.records import StepRecord
from robot_policies.control.refusal import Cause
from robot_policies.control.safety_limits import SafetyLimits
from robot_policies.interface import PersonLimits, Simulator, Task
from robot_policies_sim.worlds.dressing.expert import PERIOD, SPACING, DressingExpert
from robot_policies_sim.worlds.dressing.person import arm_joints

FEEL = 1e6  # N; a limit that is never reached, to feel without judging


class OpenLoop(DressingExpert):
    """The expert's path from the start, followed by time and nothing else."""

    name = "open_loop"

    def reset(self, seed: int) -> None:
        """Forget the path."""
        self._steps: deque[np.ndarray] = deque()

    def act(self, observation: Any) -> Any:
        """Return the next step of the path. Shape (1, 6). [m], [rad]."""
        if not self._steps:
            self._plan()
        step = self._steps.popleft() if len(self._steps) > 1 else self._steps[0]
        chunk = super().act(observation)
        return replace(chunk, values=step[None])

    def _plan(self) -> None:
        """Divide the path into steps at full speed; the last is a rest."""
        truth = self._simulator.read(pictures=False).truth
        path, way = self.path(arm_joints(truth)), self._manner.speed * PERIOD
        along = SPACING * np.arange(len(path.points))
        here = path.nearest(truth["end_effector"][:3])
        columns = (*path.points.T, path.headings)
        wanted = np.arange(here, along[-1], way)
        steps = np.diff([np.interp(wanted, along, column) for column in columns])
        for x, y, z, turn in steps.T:
            self._steps.append(np.array([x, y, z, 0.0, 0.0, turn]))
        self._steps.append(np.zeros(6))


class Felt:
    """An observer that keeps the load at the wrist, and when the gate stopped the robot for it."""

    def __init__(self, limits: PersonLimits) -> None:
        """Take the limits that the gate has, or would have."""
        self._limits = limits

    def begin(self, robot: Any, policy: Any, task: Any, initial: Any) -> None:
        """Begin an episode."""
        self._feels = LoadJudge(robot, replace(self._limits, force=FEEL, peak_force=FEEL))
        self._times: list[float] = []
        self.loads: list[float] = []
        self._stopped: float | None = None

    def step(self, record: StepRecord) -> None:
        """Keep the load of a control step."""
        self._feels.judge(record.state, record.time)
        self._times.append(record.time)
        self.loads.append(self._feels.load)
        refusal = record.verdict.refusal
        if self._stopped is None and refusal and refusal.cause is Cause.FORCE:
            self._stopped = record.time

    def end(self, result: Any) -> None:
        """Nothing is kept open."""

    def figures(self) -> dict[str, float | None]:
        """Return the greatest loads [N], when one was over its limit, and when it stopped [s].

        `relieved` is how long after the stop the load was still above its mean limit [s], and
        `load_left` the load at the end.
        """
        times, loads = np.array(self._times), np.array(self.loads)
        limits, period = self._limits, times[1] - times[0]
        width = round(limits.force_time / period)
        # As the gate does: no mean is judged before a whole span of it was measured.
        means = np.zeros(len(loads))
        means[width:] = np.convolve(loads[1:], np.full(width, 1.0 / width), "valid")
        over = (means > limits.force) | (loads > limits.peak_force)
        first = float(times[np.argmax(over)]) if over.any() else None
        pressed = times[loads > limits.force]
        late = pressed.max(initial=-np.inf) + period - (self._stopped or np.inf)
        return {
            "load_peak": float(loads.max()),
            "load_mean": float(loads.mean()),
            "load_mean_peak": float(means.max()),
            "overshoot": float(max(means.max() - limits.force, loads.max() - limits.peak_force)),
            "first_over": first,
            "stopped": self._stopped,
            "relieved": max(0.0, float(late)) if self._stopped is not None else None,
            "load_left": float(loads[-1]),
        }


def dress(
    simulator: Simulator,
    policy: Any,
    task: Task,
    person: PersonLimits,
    limits: SafetyLimits,
    seed: int,
) -> dict[str, Any]:
    """Run an episode and return its figures.

    Args:
        simulator: A connected one.
        policy: Who dresses.
        task: What is to be done.
        person: Limits by which the load is told.
        limits: Those that are kept to.
        seed: Of the episode.
    """
    felt = Felt(person)
    result = run_episode(simulator, policy, task, seed=seed, limits=limits, observers=[felt])
    return {
        "seed": seed,
        "garment": result.initial["goal"]["garment"],
        "region": result.initial["goal"]["region"],
        "ended": str(result.ended_by),
        **result.metrics,
        **felt.figures(),
        "refusals": dict(result.refusals),
    }
