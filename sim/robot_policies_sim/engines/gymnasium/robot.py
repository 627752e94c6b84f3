"""What a Gymnasium environment is as a robot: its action as joints, its observation as streams."""

import os
from importlib import import_module
from typing import Any

import gymnasium as gym
import numpy as np

from robot_policies.interface import ConfigError, RobotSpec
from robot_policies.interface.robot_parts import Gains, Joint

FAMILY = "gymnasium"
UNLIMITED = 1e9  # an environment has no limit on how fast an action changes
SCREENS = ("DISPLAY", "WAYLAND_DISPLAY")  # without one, MuJoCo's environments cannot open a window
# Modules that register the environments of a namespace when they are imported.
BENCHMARKS = {
    "metaworld": "robot_policies_sim.worlds.benchmarks.metaworld_env",
    "gym_aloha": "gym_aloha",
    "gym_pusht": "gym_pusht",
}


def make(name: str, **options: Any) -> gym.Env:
    """Make an environment.

    Raises:
        ConfigError: If Gymnasium has no such environment, or something it needs is missing.
    """
    if ":" in name:  # Gymnasium imports what stands before it, and names come from files too
        raise ConfigError(f"gym/{name}: a name with ':' would import a module; give the id alone")
    benchmark = BENCHMARKS.get(name.partition("/")[0])
    if benchmark or not any(os.environ.get(screen) for screen in SCREENS):
        os.environ.setdefault("MUJOCO_GL", "egl")  # read at the first import, or picture
    try:
        if benchmark:
            import_module(benchmark)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{name}: '{error.name}' is not installed here, it needs MuJoCo 3.8; run "
            "'make bench-env' and then .bench-venv/bin/robot-policies"
        ) from None
    try:
        return gym.make(name, **options)
    except (gym.error.Error, ImportError, TypeError) as error:
        raise ConfigError(f"gym/{name}: {' '.join(str(error).split())}") from None


def environment_robot(name: str) -> RobotSpec:
    """Return the table of the robot an environment is.

    Args:
        name: Environment id.

    Raises:
        ConfigError: If there is no such environment, its actions are no box, or it says no rate.
    """
    env = make(name)
    try:
        space, rate = action_space(env, name), control_rate(env, name)
    finally:
        env.close()
    lower, upper = space.low.ravel().astype(np.float64), space.high.ravel().astype(np.float64)
    joints = tuple(
        Joint(
            f"action.{i}",
            max(low, -UNLIMITED),
            min(high, UNLIMITED),
            velocity=UNLIMITED,
            acceleration=UNLIMITED,
            jerk=UNLIMITED,
            effort=UNLIMITED,
            default=min(max(0.0, low), high),
        )
        for i, (low, high) in enumerate(zip(lower, upper, strict=True))
    )
    none = Gains(np.zeros(len(joints)), np.zeros(len(joints)))
    return RobotSpec(
        name=f"{FAMILY}/{name}",
        joints=joints,
        links=(),
        gains={mode: none for mode in ("policy", "hold", "damp")},
        control_rate=rate,
        servo_rate=rate,
        floating_base=False,
    )


def action_space(env: gym.Env, name: str) -> gym.spaces.Box:
    """Return the environment's actions.

    Raises:
        ConfigError: If they are no box of floats.
    """
    space = env.action_space
    if not isinstance(space, gym.spaces.Box) or space.dtype.kind != "f":
        raise ConfigError(f"gym/{name}: actions are {space}; only a Box of floats can be a robot")
    return space


def control_rate(env: gym.Env, name: str) -> float:
    """Return steps per second.

    An environment says it as `control_hz`, `dt` or else as its `render_fps`; where it has the
    first, `dt` is the step of its physics.

    Raises:
        ConfigError: If it says none of them.
    """
    rate = getattr(env.unwrapped, "control_hz", None)
    if rate:
        return float(rate)
    dt, fps = getattr(env.unwrapped, "dt", None), env.metadata.get("render_fps")
    if isinstance(dt, float | int) and dt > 0:
        return round(1.0 / float(dt), 9)
    if fps:
        return float(fps)
    raise ConfigError(f"gym/{name}: neither 'dt' nor metadata['render_fps'] says its step time")
