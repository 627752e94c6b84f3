"""What a policy of LeRobot's makes of its observations: how many it looks at, how far it plans.

Each type says it with settings of its own. Only the texts of a checkpoint are needed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from robot_policies.interface import CheckpointError


@dataclass(frozen=True)
class PlanForm:
    """The form of an answer.

    Attributes:
        rows: Actions in an answer, the first for the moment of the newest observation.
        executed: How many of them LeRobot executes before it asks again.
        steps: Observations an answer looks at, the newest one among them.
    """

    rows: int = 1
    executed: int = 1
    steps: int = 1


def plan_form(config: Mapping[str, Any]) -> PlanForm:
    """Return the form of a policy's answers.

    Args:
        config: What `config.json` says, `type` among it.

    Raises:
        CheckpointError: If it lacks a setting that says the form.
    """
    kind = str(config.get("type"))
    try:
        if kind in QUEUED:
            return QUEUED[kind](config)
        if "chunk_size" in config and config.get("n_obs_steps") == 1:
            rows = config["chunk_size"]
            return PlanForm(rows, config.get("n_action_steps") or rows)
        return PlanForm()
    except KeyError as error:
        raise CheckpointError(f"config.json: a policy of type '{kind}' needs {error}") from None


def _diffusion(config: Mapping[str, Any]) -> PlanForm:
    """Its `horizon` counts from the oldest observation."""
    steps = config["n_obs_steps"]
    return PlanForm(config["horizon"] - steps + 1, config["n_action_steps"], steps)


def _vqbet(config: Mapping[str, Any]) -> PlanForm:
    rows = config["action_chunk_size"]
    return PlanForm(rows, rows, config["n_obs_steps"])


def _tdmpc(config: Mapping[str, Any]) -> PlanForm:
    """It repeats the first action of its plan, or follows the plan, or has none."""
    repeats = config["n_action_repeats"]
    if repeats > 1:
        return PlanForm(repeats, repeats)
    if not config["use_mpc"]:
        return PlanForm()
    return PlanForm(config["horizon"], config["n_action_steps"])


# Types whose networks take their observations from queues that they keep.
QUEUED: Mapping[str, Callable[[Mapping[str, Any]], PlanForm]] = {
    "diffusion": _diffusion,
    "vqbet": _vqbet,
    "tdmpc": _tdmpc,
}
