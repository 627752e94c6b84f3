"""From a recorded walk to an adapted checkpoint, and on to PPO."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from robot_policies.catalog import load_robot, load_task, make_backend
from robot_policies.control.episode import run_episode
from robot_policies.data.recorder import Recorder
from robot_policies.interface import CheckpointError, ConfigError
from robot_policies.policies.catalog import load_policy
from robot_policies.policies.locate import find_checkpoint
from robot_policies.policies.uni_o4.data.dataset import read_walks
from robot_policies.policies.uni_o4.export import export
from robot_policies.policies.uni_o4.offline.continuation import CONTINUED, continue_online
from robot_policies.policies.uni_o4.offline.settings import OfflineSettings
from robot_policies.policies.uni_o4.offline.train import RESULT
from robot_policies.policies.uni_o4.offline.walk import load, offline, offline_on
from robot_policies.policies.uni_o4.online.train import LOG

GO1 = load_robot("go1")
REWARD = load_task("go1_walk").recorded_reward
WALK = find_checkpoint("uni_o4/go1_walk")
TINY = OfflineSettings(
    batch=64,
    behavior_steps=4,
    critic_steps=6,
    critic_hidden=(16,),
    model_hidden=(16,),
    model_epochs=2,
    expansion=2,
    improvement_steps=6,
    acceptance_every=3,
    horizon=3,
    start_states=16,
)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Two noisy walks under a shift, recorded as any run is, and how they were judged."""
    root = tmp_path_factory.mktemp("recorded")
    policy = load(WALK)
    policy.config.exploration = 0.3
    export(policy, root / "exploring")
    runtime = load_policy(str(root / "exploring"))
    task = load_task("go1_shifted/payload")
    task.horizon = 1.5
    recorder = Recorder(root / "walks")
    backend = make_backend("mujoco", GO1, task.scene, cameras=False)
    backend.connect()
    try:
        results = [
            run_episode(backend, runtime, task, seed=seed, observers=[recorder]) for seed in (0, 2)
        ]
    finally:
        backend.close()
    return root / "walks", results


def test_the_reward_of_a_recording_is_the_tasks(recorded):
    folder, results = recorded
    data = read_walks(folder, load(WALK).config, REWARD)
    for number, result in enumerate(results):
        mine = data.reward[data.episode == number]
        # The trial has no reward for its first step.
        assert np.mean(mine[1:]) == pytest.approx(result.metrics["reward_per_step"], rel=1e-3)


def test_the_logged_actions_are_noisy(recorded):
    data = read_walks(recorded[0], load(WALK).config, REWARD)
    with torch.no_grad():
        seen = data.observation[:, data.privileged :]
        mean = load(WALK).actor(torch.from_numpy(seen)).numpy()
    assert 0.2 < (data.action - mean).std() < 0.4


def test_logs_without_noise_are_refused(recorded, tmp_path):
    policy = load(WALK)
    data = read_walks(recorded[0], policy.config, REWARD)
    with torch.no_grad():
        said = policy.actor(torch.from_numpy(data.seen().observation)).numpy()
    with pytest.raises(ConfigError, match=r"deviate by 0\.000 from what the policy says"):
        offline_on(policy, replace(data, action=said), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def adapted(recorded, tmp_path_factory):
    out = tmp_path_factory.mktemp("offline") / "out"
    return out, offline(recorded[0], WALK, out, REWARD, settings=TINY, hold_out=0.5)


def test_the_result_walks_and_says_what_it_is(adapted):
    out, said = adapted
    policy = load_policy(str(out), robot=GO1)
    assert policy.robot == "go1"
    assert load(out).config.exploration == 0.0
    assert json.loads((out / RESULT).read_text())["data"] == said["data"]
    assert len(said["scores"]) == len(said["scores_before"]) == TINY.members
    assert np.isfinite(list(said["held_out"].values())).all()
    assert said["held_out"]["model_error_1"] > 0.0
    weights, before = load(out).state_dict(), load(WALK).state_dict()
    for group in ("actor", "value", "log_std"):
        assert any(
            not torch.equal(weights[name], before[name])
            for name in weights
            if name.startswith(group)
        )


def test_a_baseline_learns_from_what_the_policy_saw(recorded, tmp_path):
    settings = replace(TINY, method="iql", baseline_steps=4)
    said = offline(recorded[0], WALK, tmp_path, REWARD, settings=settings, hold_out=0.5)
    data = read_walks(recorded[0], load(WALK).config, REWARD)
    assert said["data"] == data.seen().split(0.5)[0].digest != data.split(0.5)[0].digest
    assert np.isfinite(said["held_out"]["value_correlation"])


def test_the_same_seed_gives_the_same_policy(recorded, adapted, tmp_path):
    offline(recorded[0], WALK, tmp_path / "again", REWARD, settings=TINY, hold_out=0.5)
    first, second = load(adapted[0]).state_dict(), load(tmp_path / "again").state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_ppo_continues_what_the_offline_phase_left(adapted, tmp_path):
    environment = load_task("go1_shifted").training_environment(4, seed=0, threads=1)
    short = replace(CONTINUED, rollout=4, value_iterations=1)
    try:
        out = tmp_path / "online"
        continue_online(environment, adapted[0], out, steps=16, settings=short)
        start, warmed = load(adapted[0]).state_dict(), load(out).state_dict()
        # The first iteration teaches the value net alone, and walks with the widest noise.
        start["log_std"].fill_(np.log(CONTINUED.noise_ceiling[0]))
        for name in start:
            same = torch.equal(start[name], warmed[name])
            assert same != name.startswith("value"), name
        continue_online(environment, adapted[0], out, steps=32, settings=short, resume=True)
        assert not torch.equal(start["log_std"], load(out).log_std)
        lines = [json.loads(line) for line in (out / LOG).read_text().splitlines()]
        assert [line["difficulty"] for line in lines] == [1.0, 1.0]
    finally:
        environment.close()


def test_another_policy_is_refused(tmp_path, recorded):
    with pytest.raises(CheckpointError, match=r"config.json"):
        load(tmp_path)
    with pytest.raises(ConfigError, match="which only a simulator records"):
        read_walks(
            recorded[0],
            load(WALK).config,
            lambda columns, dt: REWARD(
                {k: v for k, v in columns.items() if k != "observation.effort"}, dt
            ),
        )
