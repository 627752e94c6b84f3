"""What a task may lack, it says; what it has, every task has by the same name."""

import pytest

from robot_policies.catalog import load_task
from robot_policies.interface import ConfigError


def test_a_task_without_a_training_environment_says_so():
    with pytest.raises(ConfigError, match="'tabletop_place' has no training environment"):
        load_task("tabletop_place").training_environment(2, seed=0, threads=1)


def test_a_task_without_a_reward_of_recordings_says_so():
    with pytest.raises(ConfigError, match="'tabletop_place' has no reward"):
        load_task("tabletop_place").recorded_reward({}, 0.02)


def test_a_task_without_labels_gives_none():
    task = load_task("go1_walk")
    assert task.labelled == ()
    assert task.labels([]) == {}


def test_an_environment_of_gymnasium_is_trained_in_by_the_same_method():
    made = load_task("gym/Hopper-v5").training_environment(2, seed=0, threads=1)
    try:
        features, _ = made.reset(seed=0)
        assert {name: values.shape for name, values in features.items()} == {
            "observation": (2, 11)
        }
    finally:
        made.close()
