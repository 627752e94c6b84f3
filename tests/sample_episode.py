"""A made-up episode: records as `run_episode` hands them to observers, without a policy."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from toy_robot import toy_robot

from robot_policies.control.records import EpisodeResult, StepRecord
from robot_policies.control.refusal import Cause, Refusal
from robot_policies.control.verdict import Level, Verdict
from robot_policies.interface import (
    ActionKind,
    ActionSpec,
    ArraySpec,
    Command,
    Policy,
    RobotSpec,
    RobotState,
    Task,
)

EPOCH = 1.7e9 + 1.0 / 3.0  # s; a real clock, whose digits a float32 would lose
SHAPE = (48, 64, 3)


def robot(**more: Any) -> RobotSpec:
    return toy_robot({"left": {}, "right": {}}, **more)


def policy(spec: RobotSpec) -> Policy:
    array = ArraySpec("action", (2,), unit="rad", names=spec.joint_names)
    action = ActionSpec(ActionKind.JOINT_POSITION, array, 0.02, 1)
    return cast(Policy, SimpleNamespace(name="wave", robot=spec.name, action_spec=action))


def task() -> Task:
    return cast(Task, SimpleNamespace(name="wave_hello", robot="toy", scene={}))


def image(k: int) -> np.ndarray:
    picture = np.zeros(SHAPE, np.uint8)
    picture[:, : 1 + k % SHAPE[1]] = (200, 100, 50)
    return picture


def record(k: int, *, camera: bool = False, reward: float | None = None) -> StepRecord:
    """Step k: joint i is at 0.1 i + 0.01 k; step 2 is refused."""
    stamp = EPOCH + 0.02 * k
    features = {"observation.imu": np.arange(10, dtype=np.float32) + k}
    if camera:
        features["observation.images.front"] = image(k)
    truth = {"base_position": np.array([0.5 * k, 0.0, 0.3])}
    if reward is not None:
        truth["reward"] = np.array([reward])
    state = RobotState(
        stamp=stamp,
        joint_position=np.array([0.0, 0.1]) + 0.01 * k,
        joint_velocity=np.array([1.0, 2.0]) + k,
        features=features,
        stamps={name: stamp - 0.001 * (i + 1) for i, name in enumerate(features)},
        truth=truth,
    )
    command = Command(stamp + 0.004, np.array([0.3, 0.4]) + 0.01 * k)
    refusal = Refusal(Cause.POSITION, "left = 9 rad is outside") if k == 2 else None
    verdict = Verdict(command, refusal, Level.HOLD if refusal else Level.PASS)
    goal = {"observation.velocity_command": np.array([0.5, 0.0, 0.1 * k]), "task": "wave"}
    return StepRecord(0.02 * k, state, None, None, verdict, command, goal, k / 10)


def result(steps: int, success: float = 1.0, initial: Mapping[str, Any] | None = None) -> Any:
    metrics = {"success": success}
    return EpisodeResult(
        "wave", "wave_hello", 3, initial or {"x": 1}, metrics, steps, 0.02 * steps, "success"
    )
