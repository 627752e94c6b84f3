"""`lerobot-eval` on a checkpoint of ours, in an environment of three joints."""

import sys
from dataclasses import dataclass, field

import gymnasium as gym
import numpy as np
from lerobot.configs.types import FeatureType, PolicyFeature
from lerobot.envs.configs import EnvConfig
from lerobot.policies import make_policy
from lerobot.policies.factory import make_pre_post_processors
from lerobot.scripts import lerobot_eval

from robot_policies.policies.act_jepa.modeling_act_jepa import ActJepaPolicy


class Reach(gym.Env):
    """Joints that are where they were told to be."""

    metadata = {"render_fps": 10, "render_modes": ["rgb_array"]}
    observation_space = gym.spaces.Dict({"agent_pos": gym.spaces.Box(-9.0, 9.0, (3,))})
    action_space = gym.spaces.Box(-9.0, 9.0, (3,))
    _max_episode_steps = 3
    commands: list = []

    def __init__(self, render_mode: str = "rgb_array") -> None:
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._steps = 0
        return {"agent_pos": np.zeros(3, np.float32)}, {"is_success": False}

    def step(self, action):
        self.commands.append(action)
        self._steps += 1
        done = self._steps == self._max_episode_steps
        observation = {"agent_pos": np.asarray(action, np.float32)}
        return observation, 0.0, done, False, {"is_success": done}

    def render(self):
        return np.zeros((16, 16, 3), np.uint8)


@EnvConfig.register_subclass("act_jepa_reach")
@dataclass
class ReachConfig(EnvConfig):
    features: dict = field(
        default_factory=lambda: {
            "action": PolicyFeature(FeatureType.ACTION, (3,)),
            "agent_pos": PolicyFeature(FeatureType.STATE, (3,)),
        }
    )
    features_map: dict = field(
        default_factory=lambda: {"action": "action", "agent_pos": "observation.state"}
    )

    @property
    def gym_id(self) -> str:
        return "act_jepa/Reach-v0"

    @property
    def gym_kwargs(self) -> dict:
        return {}


def test_lerobot_eval_runs_a_checkpoint(config, write_dataset, tmp_path, monkeypatch):
    gym.register("act_jepa/Reach-v0", entry_point=Reach)
    from lerobot.datasets import LeRobotDatasetMetadata

    meta = LeRobotDatasetMetadata("test/data", root=write_dataset())
    made = make_policy(config(input_features={}, output_features={}), ds_meta=meta)
    made.save_pretrained(tmp_path / "policy")
    for pipeline in make_pre_post_processors(made.config, dataset_stats=meta.stats):
        pipeline.save_pretrained(tmp_path / "policy")

    built = []
    reset = ActJepaPolicy.reset
    monkeypatch.setattr(ActJepaPolicy, "reset", lambda self: (built.append(self), reset(self)))
    arguments = [
        f"--policy.path={tmp_path / 'policy'}",
        "--env.discover_packages_path=robot_policies.policies",
        "--env.type=act_jepa_reach",
        "--eval.n_episodes=1",
        "--eval.batch_size=1",
        f"--output_dir={tmp_path / 'eval'}",
    ]
    monkeypatch.setattr(lerobot_eval, "check_env_attributes_and_types", lambda env: None)
    monkeypatch.setattr(sys, "argv", ["lerobot-eval", *arguments])
    lerobot_eval.eval_main()
    assert len(Reach.commands) == 3
    assert np.isfinite(Reach.commands).all()
    assert built[-1].training_parts is None
    assert (tmp_path / "eval" / "eval_info.json").is_file()
