"""The same trainer on an ordinary control task."""

from dataclasses import replace

import numpy as np
import torch

from robot_policies.policies.uni_o4.online.box import BoxBody, BoxPolicy, Scale, load_box, save_box
from robot_policies.policies.uni_o4.online.ppo import OnlineSettings, Trainer
from robot_policies.policies.uni_o4.online.rollouts import collect
from robot_policies.policies.uni_o4.online.train import train
from robot_policies_sim.engines.gymnasium.vector_env import GymnasiumVectorEnv

SMALL = OnlineSettings(rollout=8, epochs=1, minibatches=1, save_every=1e9)


def made(seed=0):
    torch.manual_seed(seed)
    policy = BoxPolicy(11, 3, (8,), std=0.5)
    body = BoxBody(policy, follow=True)
    return Trainer(GymnasiumVectorEnv("Hopper-v5", 2), policy, body, SMALL)


def test_a_scale_that_follows_knows_mean_and_deviation():
    values = 3.0 + 2.0 * torch.randn(500, 4)
    scale = Scale(4)
    for part in values.split(7):
        scale.follow(part)
    torch.testing.assert_close(scale.mean, values.mean(0))
    torch.testing.assert_close(scale.std, values.std(0, correction=0), rtol=1e-3, atol=1e-3)


def test_a_killed_run_continues_bit_for_bit(tmp_path):
    whole = made()
    train(whole, tmp_path / "whole", seed=3, steps=64, on_save=lambda: None)
    parts = made()
    train(parts, tmp_path / "parts", seed=3, steps=32, on_save=lambda: None)
    resumed = made(seed=9)
    train(resumed, tmp_path / "parts", seed=3, steps=64, resume=True, on_save=lambda: None)
    for name, value in whole.policy.state_dict().items():
        assert torch.equal(value, resumed.policy.state_dict()[name]), name
    assert not torch.equal(parts.policy.log_std, resumed.policy.log_std)


def test_a_saved_policy_is_the_same(tmp_path):
    policy = made().policy
    save_box(policy, tmp_path / "policy.safetensors")
    other = load_box(BoxPolicy(11, 3, (8,), std=0.1), tmp_path / "policy.safetensors")
    observation = torch.randn(5, 11)
    assert torch.equal(policy.actor(observation), other.actor(observation))


def test_logs_hold_what_was_done(tmp_path):
    policy = BoxPolicy(11, 3, (8,), std=2.0)
    environment = GymnasiumVectorEnv("Hopper-v5", 2)
    body = BoxBody(policy, follow=False)
    data = collect(environment, policy, body, 200, noise=None, seed=0, steps=1000)
    assert np.abs(data.action).max() == 1.0
    assert data.terminal.any()
    inside = ~data.last[:-1]
    np.testing.assert_array_equal(data.next_observation[:-1][inside], data.observation[1:][inside])
    assert replace(data).digest == data.digest
