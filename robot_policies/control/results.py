"""How a trial went, from the loop that ran it."""

from typing import Any

from robot_policies.control.loop import ControlLoop
from robot_policies.control.records import Ending, EpisodeResult


def result_of(loop: ControlLoop, ending: Ending, reason: str = "", **about: Any) -> EpisodeResult:
    """Return how the trial went.

    Args:
        loop: The loop.
        ending: Why it ended, if neither a latched stop nor the task decided it.
        reason: One line for people.
        **about: The fields of the result that the loop does not have.
    """
    latched, trial, counts = loop.latched, loop.trial, loop.counts
    metrics = dict(trial.metrics()) if trial else {}
    if latched:
        ended_by, reason = str(latched.cause), latched.text
    elif ending is not Ending.FAULT and loop.decided:
        ended_by = Ending.SUCCESS if metrics.get("success") else Ending.FAILURE
    else:
        ended_by = ending
    return EpisodeResult(
        metrics=metrics,
        steps=counts.steps,
        ended_by=str(ended_by),
        reason=reason,
        levels=dict(counts.levels),
        refusals=dict(counts.refusals),
        dropped=loop.dropped,
        latency=counts.latency,
        **about,
    )


def figures_of(loop: ControlLoop) -> dict[str, float]:
    """Return the figures of a loop, for diagnostics and the summary."""
    figures = loop.counts.figures()
    figures["measurements_implausible"] = float(loop.gate.skipped)
    if loop.chunk and loop.state:
        figures["plan_age_ms"] = 1e3 * (loop.measured_at - loop.chunk.stamp)
    if loop.state and loop.state.joint_temperature.size:
        figures["hottest_motor_deg_c"] = float(loop.state.joint_temperature.max())
    figures |= {f"chunks_{reason}": float(n) for reason, n in loop.dropped.items()}
    return {key: round(value, 3) for key, value in figures.items()}
