"""An episode through the launched graph in real time, so that the robot's own loop is scored.

Nodes have no logical clock: an answer takes what it takes, and the machine decides that too. So an
episode depends on more than its seed, and is not the same when it is run again.
"""

import os
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from robot_policies import catalog
from robot_policies.documents import dumps
from robot_policies.evaluation.condition import Condition
from robot_policies.interface import BackendError, RobotPoliciesError
from robot_policies.launching.trial import run_trial


def require_nodes() -> None:
    """Refuse an evaluation through nodes where there is no ROS 2.

    Raises:
        RobotPoliciesError: Saying what is missing.
    """
    if find_spec("rclpy") is None:
        raise RobotPoliciesError("an evaluation through nodes needs ROS 2: 'rclpy' is missing")


def run_through_nodes(
    policy: str,
    task: str,
    backend: str,
    seed: int,
    initial: Mapping[str, Any],
    condition: Condition,
) -> dict[str, Any]:
    """Return how a trial went through nodes: the fields of `EpisodeResult`.

    Args:
        policy: Its name.
        task: Its name.
        backend: Its name.
        seed: Of the trial.
        initial: Where it begins.
        condition: What is different about it.

    Raises:
        BackendError: If the graph broke off, or the policy never acted.
    """
    horizon = catalog.load_task(task).horizon
    names = {"policy": policy, "task": task, "backend": backend, "seed": str(seed)}
    # Names of its own, so that no graph of somebody else on this host is in the way.
    arguments = {**names, "namespace": f"evaluation_{os.getpid()}"}
    passed = ("device", "dtype", "contract", "base", "gains")
    arguments |= {key: getattr(condition, key) for key in passed}
    if condition.executor:
        arguments["executor"] = condition.executor
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        Path(file.name).write_text(dumps(initial), encoding="utf-8")
        result = run_trial({**arguments, "initial": file.name}, horizon, os.environ)
    if not result["latency"]:
        raise BackendError(f"'{policy}' never acted: {result['refusals']}")
    return result
