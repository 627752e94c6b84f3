"""Walks in a vectorised environment are the walks of the episode loop and of the logs."""

import numpy as np
import pytest
import torch

from robot_policies.catalog import load_robot, load_task, make_backend
from robot_policies.control.episode import run_episode
from robot_policies.policies.catalog import load_policy
from robot_policies.policies.locate import find_checkpoint
from robot_policies.policies.uni_o4.offline.behavior import GaussianActor
from robot_policies.policies.uni_o4.offline.walk import load
from robot_policies.policies.uni_o4.online.body import WalkBody
from robot_policies.policies.uni_o4.online.rollouts import collect, score
from robot_policies.policies.uni_o4.spaces import WalkSpace, scaled_velocity

GO1 = load_robot("go1")
WALK = find_checkpoint("uni_o4/go1_walk")
PAYLOAD = "go1_shifted/payload"


@pytest.fixture
def judged():
    environment = load_task(PAYLOAD).trial_environment(8, seed=0, threads=1)
    yield environment
    environment.close()


def test_a_score_is_what_an_episode_would_have_earned(judged):
    task = load_task(PAYLOAD)
    task.horizon = 3.0
    policy = load(WALK)
    result = score(judged, policy, WalkBody(policy), 150, seed=0)
    assert result.steps.tolist() == [150.0] * 8
    assert not result.fell.any()
    backend = make_backend("mujoco", GO1, task.scene, cameras=False)
    backend.connect()
    try:
        runtime = load_policy(str(WALK))
        said = [run_episode(backend, runtime, task, seed=seed).metrics for seed in range(4)]
    finally:
        backend.close()
    episodes = [metrics["reward_per_step"] for metrics in said]
    by_command = result.per_step.reshape(4, 2).mean(1)
    np.testing.assert_allclose(by_command, episodes, atol=0.08)


def test_an_early_end_is_counted_once(judged):
    class Falling(torch.nn.Module):
        def forward(self, observation):
            return torch.full((len(observation), 12), 4.0)

    policy = load(WALK)
    policy.actor = Falling()
    result = score(judged, policy, WalkBody(policy), 300, seed=0)
    assert result.fell.all()
    assert (result.steps < 300).all()
    assert (result.per_step < 1.0).all()


def test_collected_rows_follow_from_each_other(judged):
    policy = load(WALK)
    data = collect(judged, policy, WalkBody(policy), 8 * 30, noise=0.3, seed=0, steps=20)
    assert len(data) == 240
    assert data.last.nonzero()[0].tolist()[:3] == [19, 29, 49]
    assert not data.terminal.any()
    inside = ~data.last[:-1]
    np.testing.assert_array_equal(data.next_observation[:-1][inside], data.observation[1:][inside])
    space, rows = WalkSpace(policy.config), data.tensors()
    change = space.change(rows["observation"], rows["next_observation"])
    made = space.advance(rows["observation"], rows["action"], change)
    torch.testing.assert_close(made, rows["next_observation"], rtol=0.0, atol=1e-5)
    again = collect(judged, policy, WalkBody(policy), 240, noise=0.3, seed=0, steps=20)
    assert data.digest == again.digest


def test_what_the_policy_does_not_see_stands_before_what_it_sees(judged):
    policy = load(WALK)
    common = {"noise": 0.3, "seed": 0, "steps": 20}
    plain = collect(judged, policy, WalkBody(policy), 240, **common)
    velocities = []

    def privileged(info):
        velocities.append(info["walk_step"].velocity)
        return scaled_velocity(info["walk_step"].velocity, policy.config)

    data = collect(judged, policy, WalkBody(policy), 240, **common, privileged=privileged)
    first = np.append(True, plain.last[:-1])
    assert len(data) == 240 - first.sum()
    assert data.privileged == 3
    np.testing.assert_array_equal(data.observation[:, 3:], plain.observation[~first])
    after = np.stack(velocities, 1).reshape(-1, 3)[~first]  # one robot after the other
    np.testing.assert_allclose(data.next_observation[:, :3], 2.0 * after, rtol=1e-6)
    inside = ~data.last[:-1]
    np.testing.assert_array_equal(data.next_observation[:-1][inside], data.observation[1:][inside])
    space, rows = WalkSpace(policy.config, 3), data.tensors()
    assert rows["observation"].shape[1] == space.width
    change = space.change(rows["observation"], rows["next_observation"])
    assert change.shape[1] == space.change_width
    made = space.advance(rows["observation"], rows["action"], change)
    torch.testing.assert_close(made, rows["next_observation"], rtol=0.0, atol=1e-5)
    np.testing.assert_array_equal(data.seen().observation, data.observation[:, 3:])
    seen = GaussianActor(policy, data.privileged)(rows["observation"])[0]
    torch.testing.assert_close(seen, policy.actor(rows["observation"][:, 3:]))
