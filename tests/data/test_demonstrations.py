"""Demonstrations: what is in the dataset, and that it is a function of the seed."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from lerobot.datasets import LeRobotDataset

from robot_policies.cli.app import main
from robot_policies.data import demonstrations
from robot_policies.data.dataset import read_episodes
from robot_policies.data.demonstrations import Order, attempts, generate
from robot_policies.interface import ConfigError
from robot_policies_sim.worlds.tabletop.place import INSTRUCTIONS

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
ORDER = Order("tabletop_place", "mujoco", noise=0.02)


def load(root) -> LeRobotDataset:
    return LeRobotDataset("local/made", root=root)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "demos"
    command = ["data", "generate", "--task", "tabletop_place", "--episodes", "2", "--seed", "44"]
    report = out.parent / "report.json"
    command += ["--noise", "0.02", "--workers", "2", "--out", str(out), "--json", str(report)]
    assert main(command) == 0
    return out, json.loads(report.read_text())


def test_the_dataset_is_what_lerobot_trains_on(made):
    root, report = made
    dataset = load(root)
    assert dataset.meta.robot_type == "so101"
    assert dataset.fps == 30
    assert dataset.num_episodes == report["episodes"] == 2
    assert len(dataset) == report["frames"] > 100
    features = dataset.meta.features
    assert features["observation.state"]["names"][0] == "shoulder_pan.pos"
    assert features["action"]["names"][-1] == "gripper"
    assert "capture_stamp.observation.state" in features
    frame: dict[str, Any] = dataset[0]  # pyright: ignore[reportAssignmentType]
    assert frame["task"] == list(INSTRUCTIONS)[0]
    for camera in ("top", "wrist"):
        picture = frame[f"observation.images.{camera}"]
        assert picture.shape == (3, 96, 96)
        assert picture.std() > 0.05
    assert read_episodes(root)[1]["initial"]["goal"]["task"] == list(INSTRUCTIONS)[1]


def test_any_number_of_processes_writes_the_same(made, tmp_path):
    again = generate(ORDER, tmp_path / "again", episodes=2, seed=44, workers=1)
    assert again.seeds == (44, 45)
    assert not again.refusals
    one, other = (load(root).hf_dataset.with_format("numpy") for root in (made[0], again.dataset))
    for name in one.column_names:
        if name.startswith("observation.images"):
            assert all(np.array_equal(one[i][name], other[i][name]) for i in (0, 50, -1))
        else:
            np.testing.assert_array_equal(one[name], other[name])


def test_episodes_that_end_before_a_refused_action_are_counted(tmp_path):
    order = Order("tabletop_obstacle", "mujoco", 0.02)
    made = generate(order, tmp_path / "cut", episodes=1, seed=2)
    assert made.refusals
    assert made.cut == made.seeds == (2,)
    assert not load(made.dataset)[-1]["next.success"]


def test_the_recorded_action_is_the_clean_one(made):
    table = load(made[0]).hf_dataset.with_format("numpy")
    action = np.array(table["action"])
    for demonstration in attempts(Order("tabletop_place", "mujoco", 0.02), 44):
        length = demonstration.result.steps
        np.testing.assert_allclose(demonstration.columns["action"], action[:length], atol=1e-6)
        break


def test_who_moves_the_hand_is_recorded_in_joint_velocities_with_labels(tmp_path):
    order = Order("arm_reach_avoid/mixed", "mujoco", 0.0)
    made = generate(order, tmp_path / "arm", episodes=5, seed=0, failures=True)
    assert made.seeds == (0, 1, 2, 3, 4)
    dataset = load(made.dataset)
    features = dataset.meta.features
    assert features["action"]["names"] == ["shoulder", "elbow", "forearm", "wrist"]
    assert features["action"]["unit"] == ["rad/s"] * 4
    assert features["observation.environment_state"]["names"][-1] == "obstacle.y"
    table = dataset.hf_dataset.with_format("numpy")
    first = np.array(table["episode_index"]) == 1
    joints, speed = (np.array(table[n])[first] for n in ("observation.state", "action"))
    assert np.abs(speed).max() <= 1.5 + 1e-6
    went = joints[0] + np.cumsum(speed, axis=0) / 20.0
    assert np.abs(went[:-3] - joints[3:]).max() < 0.15  # what they did is where they came to
    reward, cost = (np.array(table[f"next.{n}"])[first] for n in ("reward", "cost"))
    assert 0.1 < reward.sum() < 1.5
    assert set(np.unique(cost)) <= {0.0, 1.0}


@pytest.mark.parametrize(
    ("order", "images", "message"),
    [
        (Order("go1_walk", "mujoco", 0.0), "png", "no scripted expert"),
        (Order("tabletop_place", "mujoko", 0.0), "png", "Did you mean 'mujoco'"),
        (Order("tabletop_place", "mujoco", 0.0), "gif", "expected one of"),
        (Order("tabletop_place", "loopback", 0.0), "png", "no simulator"),
    ],
)
def test_what_cannot_be_demonstrated_is_refused(order, images, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        generate(order, tmp_path / "out", 1, 0, images=images)


def test_failures_are_left_out_and_an_expert_that_only_fails_is_given_up(tmp_path, monkeypatch):
    good = next(attempts(ORDER, 0))

    def outcomes(pattern):
        for number, success in enumerate(pattern):
            metrics = {"success": float(success)}
            yield replace(good, result=replace(good.result, seed=number, metrics=metrics))

    monkeypatch.setattr(demonstrations, "attempts", lambda *_: outcomes([0, 1, 0, 1, 1]))
    made = generate(ORDER, tmp_path / "some", episodes=2, seed=0)
    assert (made.seeds, made.failed) == ((1, 3), (0, 2))
    assert len(load(made.dataset)) == made.frames == 2 * good.result.steps
    monkeypatch.setattr(demonstrations, "attempts", lambda *_: outcomes([1] + [0] * 30))
    with pytest.raises(ConfigError, match="failed 20 times in a row"):
        generate(ORDER, tmp_path / "none", episodes=2, seed=0)


def test_slow_displacements_are_recorded_as_they_were_asked_for():
    order = Order("tabletop_obstacle", "mujoco", noise=0.004)
    made = next(attempts(order, 1))
    actions, states = made.columns["action"], made.columns["observation.state"]
    assert len(actions) == -(-made.result.steps // 3)  # 10 Hz of 30
    assert actions.shape[1] == 7
    assert not actions[:, 3:6].any()
    assert np.abs(actions[:, :3]).max() < 0.04
    assert set(np.round(actions[:, 6], 6)) == {0.1, 0.6}
    assert (np.diff(made.columns["capture_stamp.observation.state"][:, 0]) > 0.099).all()
    assert made.columns["observation.environment_state"].shape == (len(states), 6)
