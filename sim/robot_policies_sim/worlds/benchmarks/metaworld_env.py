"""Meta-World (Yu et al. 2020, version 3.0.0) as Gymnasium environments `metaworld/<name>`.

As shipped, an environment hides the goal in its observation, draws the same objects in every
episode, ignores the seed of `reset` and never ends. Here the goal is seen, the seed decides where
everything lies, and an episode ends `LINGER` steps after the first success, so that a
demonstration also shows what comes after it.

Observation: `agent_pos` (hand x, y, z [m] and opening of the gripper, 0 to 1) and
`environment_state`, Meta-World's own vector: gripper and objects now and one step before, goal.
`metaworld` alone is one of them, for those who ask for the robot, which is the same in all.
"""

import atexit
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Dict
from metaworld.env_dict import ENV_CLS_MAP  # pyright: ignore[reportMissingModuleSource]

from robot_policies_sim.worlds.benchmarks.metaworld import LINGER, LONGEST, NAMESPACE

PROPRIOCEPTION = 4  # first elements of Meta-World's vector
# LeRobot's view of the table; this camera of Meta-World's hangs upside down.
CAMERA, CAMERA_POSITION = "corner2", (0.75, 0.075, 0.7)


class MetaWorldEnv(gym.Env):
    """One of Meta-World's environments, told what it needs to hear."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 80}

    def __init__(self, name: str, render_mode: str | None = None) -> None:
        """Make the environment.

        Args:
            name: Such as `push-v3`.
            render_mode: `rgb_array` or nothing.
        """
        inner = ENV_CLS_MAP[name](render_mode=render_mode, camera_name=CAMERA)
        inner._partially_observable = False
        inner._freeze_rand_vec = False
        inner.seeded_rand_vec = True  # else objects are drawn from numpy's global state
        inner._set_task_called = True
        # Cached while the goal was hidden; observations are clipped to it, the goal to zero.
        vars(inner).pop("sawyer_observation_space", None)
        # Shadows and multisampling make a picture 30 times slower without a GPU.
        inner.model.light_castshadow[:] = 0
        inner.model.mat_reflectance[:] = 0.0
        inner.model.vis.quality.offsamples = 0
        inner.model.camera(CAMERA).pos = CAMERA_POSITION
        self._inner = inner
        self.render_mode = render_mode
        # It clips to [-1, 1] itself, so an imitator's 1.01 is nothing to refuse.
        self.action_space = Box(-np.inf, np.inf, inner.action_space.shape, np.float32)
        whole = inner.sawyer_observation_space
        low, high = whole.low[:PROPRIOCEPTION], whole.high[:PROPRIOCEPTION]
        self.observation_space = Dict(
            {"agent_pos": Box(low, high, dtype=np.float64), "environment_state": whole}
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Lay everything anew."""
        super().reset(seed=seed)
        if seed is not None:
            self._inner.seed(seed)
        self._reached = 0
        observed, _ = self._inner.reset()
        return self._see(observed), {"success": False}

    def step(
        self, action: np.ndarray
    ) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """Move the hand; once reached, a success stays one."""
        observed, reward, _, truncated, info = self._inner.step(action)
        if self._reached or info["success"]:
            self._reached += 1  # steps from the first success on
        terminated = self._reached > LINGER
        info = {**info, "success": self._reached > 0}
        return self._see(observed), float(reward), terminated, truncated, info

    def render(self) -> np.ndarray:
        """Return a picture. Shape (480, 480, 3), uint8 RGB."""
        picture = self._inner.render()
        # The first picture has imported what ends OpenGL at exit; the renderer has to go before.
        atexit.unregister(self._inner.close)
        atexit.register(self._inner.close)
        return picture[::-1, ::-1]

    def close(self) -> None:
        """Release the renderer."""
        atexit.unregister(self._inner.close)
        self._inner.close()

    def _see(self, observed: np.ndarray) -> dict[str, np.ndarray]:
        return {"agent_pos": observed[:PROPRIOCEPTION], "environment_state": observed}


def _register() -> None:
    ids = {f"{NAMESPACE}/{name}": name for name in ENV_CLS_MAP} | {NAMESPACE: "reach-v3"}
    for identifier, name in ids.items():
        gym.register(
            identifier,
            f"{__name__}:{MetaWorldEnv.__name__}",
            max_episode_steps=LONGEST,
            disable_env_checker=True,
            kwargs={"name": name},
        )


_register()
