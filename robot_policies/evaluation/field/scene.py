"""How a trial is to begin, for the person who sets the scene."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from robot_policies.documents import plain
from robot_policies.interface import RobotPoliciesError, Simulator
from robot_policies.stage import open_stage

SIZE = (640, 480)  # px


def describe(initial: Mapping[str, Any]) -> str:
    """Return an initial state as lines."""
    return yaml.safe_dump(plain(initial), sort_keys=False, default_flow_style=None).strip()


def draw(task: str, initial: Mapping[str, Any], path: Path) -> bool:
    """Draw an initial state as MuJoCo shows it; return whether it can be drawn.

    Args:
        task: Task name.
        initial: Initial condition.
        path: PNG file to write.
    """
    from PIL import Image

    try:
        simulator = open_stage("mujoco", task).simulator
        simulator.connect()
    except RobotPoliciesError:
        return False  # a task of another engine has no such picture
    assert isinstance(simulator, Simulator)
    try:
        simulator.reset(0, initial)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(simulator.render(*SIZE)).save(path)
    finally:
        simulator.close()
    return True
