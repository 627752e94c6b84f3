"""What is refused, in one line, before the first step."""

import json
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision
import yaml
from lerobot.datasets import LeRobotDatasetMetadata
from lerobot.policies import make_policy

from robot_policies.interface import CheckpointError, ConfigError, ContractError
from robot_policies.policies.act_jepa import train
from robot_policies.policies.act_jepa.dataset import hindsight_goals
from robot_policies.policies.act_jepa.modeling_act_jepa import ActJepaPolicy
from robot_policies.policies.act_jepa.processor_act_jepa import TaskIndexProcessorStep


@pytest.fixture
def refused(config):
    """Make a policy for a folder as LeRobot does; returns the message it is refused with."""

    def attempt(root, **overrides):
        meta = LeRobotDatasetMetadata("test/data", root=root)
        wanted = config(**{"input_features": {}, "output_features": {}, **overrides})
        with pytest.raises(ConfigError) as caught:
            make_policy(wanted, ds_meta=meta)
        message = str(caught.value)
        assert "\n" not in message
        return message

    return attempt


@pytest.fixture
def refused_by_command(tmp_path, monkeypatch):
    """Run the training command; returns the message it stops with before the first step."""
    monkeypatch.setattr(ActJepaPolicy, "forward", lambda self, batch: pytest.fail("a step ran"))

    def attempt(root, *arguments):
        with pytest.raises(ConfigError) as caught:
            train.main(
                [
                    "--preset=small",
                    "--policy.device=cpu",
                    "--dataset.repo_id=test/data",
                    f"--dataset.root={root}",
                    f"--output_dir={tmp_path / 'run'}",
                    "--steps=1",
                    *arguments,
                ]
            )
        return str(caught.value)

    return attempt


def spoil_statistics(root, feature, statistic, value):
    path = root / "meta" / "stats.json"
    stats = json.loads(path.read_text())
    if value is None:
        del stats[feature][statistic]
    else:
        stats[feature][statistic] = value
    path.write_text(json.dumps(stats))


def test_data_set_without_a_state(refused, write_dataset):
    message = refused(write_dataset(state=False))
    assert "no 'observation.state', whose future is predicted" in message


def test_other_joint_names_than_the_robot(refused, write_dataset):
    joints = ["FR_hip_joint", "FR_thigh_joint", "FR_claf_joint"]
    message = refused(write_dataset(joints=joints), robot="go1")
    assert (
        "'FR_claf_joint.pos', robot go1 has no such joint. Did you mean 'FR_calf_joint'?"
        in message
    )


def test_robot_of_the_data_set_is_the_one_to_compare_with(refused, write_dataset):
    assert "robot go1 has no such joint" in refused(write_dataset(robot_type="go1"))


LEG = ["FR_hip_joint", "FR_thigh_joint", "FR_calf_joint"]


def test_units_that_are_not_said_or_another_quantitys(refused, write_dataset):
    unsaid = write_dataset("unsaid", joints=LEG, unit=None)
    assert "'observation.state' does not say its units" in refused(unsaid, robot="go1")
    torque = write_dataset("torque", joints=LEG, unit="N m")
    assert "is in N m, expected rad. It is another quantity" in refused(torque, robot="go1")


def test_a_checkpoint_that_goes_on_with_other_units_or_another_rate(refused, write_dataset):
    root = write_dataset(joints=LEG, unit="deg")
    names = [f"{joint}.pos" for joint in LEG]
    element = {"element_names": {"observation.state": names}}
    units = {"element_units": {"observation.state": ["rad"] * 3}}
    assert "has units ['deg', 'deg', 'deg'], the checkpoint" in refused(root, **element, **units)
    assert "fps: 10 rows/s, expected 30" in refused(root, dt=1 / 30)
    assert "recorded on 'go2', expected 'go1'" in refused(
        write_dataset("go2", joints=LEG, robot_type="go2"), robot="go1"
    )


def test_degrees_that_are_said_stand_in_the_contract(write_dataset, config, tmp_path):
    root = write_dataset(joints=LEG, robot_type="go1", unit="deg")
    wanted = config(input_features={}, output_features={})
    meta = LeRobotDatasetMetadata("test/data", root=root)
    make_policy(wanted, ds_meta=meta).save_pretrained(tmp_path / "made")
    contract = yaml.safe_load((tmp_path / "made" / "contract.yaml").read_text())
    assert contract["action"]["unit"] == contract["observation"]["observation.state"]["unit"]
    assert contract["action"]["unit"] == ["deg"] * 3


def test_chunk_longer_than_every_episode(refused, write_dataset):
    message = refused(write_dataset(length=3))
    assert "longest episode has 3 steps, but --policy.chunk_size is 4" in message


def test_statistics_that_are_missing(refused, write_dataset):
    root = write_dataset()
    spoil_statistics(root, "observation.state", "std", None)
    assert "meta/stats.json has no std of 'observation.state'" in refused(root)


def test_statistics_that_are_not_finite(refused, write_dataset):
    root = write_dataset()
    spoil_statistics(root, "observation.state", "mean", [0.0, float("inf"), 0.0])
    assert "mean of 'observation.state' is not finite: [0.0, inf, 0.0]" in refused(root)


def test_all_episodes_unlabelled(refused, write_dataset):
    assert "all 3 episodes are unlabelled" in refused(write_dataset(unlabelled=(0, 1, 2)))


def test_label_of_an_episode_that_does_not_exist(refused, write_dataset):
    message = refused(write_dataset(), labelled_episodes=[0, 7])
    assert "labelled_episodes holds 7, there are 3 episodes" in message


def test_labelled_episode_with_missing_actions(refused, write_dataset):
    message = refused(write_dataset(unlabelled=(1,)), labelled_episodes=[0, 1])
    assert "'action' of episode 1 is NaN" in message


def test_unknown_gripper_for_hindsight(refused, write_dataset):
    message = refused(write_dataset(), hindsight_weight=1.0, hindsight_joint="griper")
    assert "Did you mean 'gripper'?" in message


def test_command_stops_before_the_first_step(refused_by_command, write_dataset, tmp_path):
    assert "no LeRobotDataset" in refused_by_command(tmp_path / "nowhere")
    assert "--policy.chunk_size is 20" in refused_by_command(write_dataset())


def test_run_longer_than_the_momentum_rises(config):
    schedule = config(total_steps=5).get_scheduler_preset()
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))])
    with pytest.raises(ConfigError, match="--steps is 1, but --policy.total_steps"):
        schedule.build(optimizer, 1)


def test_pretrained_weights_that_cannot_be_had(config, monkeypatch):
    def offline(**_):
        raise URLError("no route to host")

    monkeypatch.setattr(torchvision.models, "resnet18", offline)
    weights = "ResNet18_Weights.IMAGENET1K_V1"
    wanted = {"vision_backbone": "resnet18", "pretrained_backbone_weights": weights}
    with pytest.raises(CheckpointError, match=r"--policy.vision_backbone=cnn"):
        ActJepaPolicy(config(cameras=1, **wanted))


def test_unknown_preset_and_stage():
    with pytest.raises(ConfigError, match="Did you mean 'small'"):
        train.main(["--preset=smal"])
    with pytest.raises(ConfigError, match="Did you mean 'probe'"):
        train.main(["--stage=prob"])


def test_instruction_becomes_its_index_in_the_checkpoint():
    step = TaskIndexProcessorStep(["push", "pull"])
    data = step.complementary_data({"task": ["pull", "push"], "task_index": torch.tensor([0, 1])})
    assert data["task_index"].tolist() == [1, 0]
    with pytest.raises(ContractError, match="Did you mean 'pull'"):
        step.complementary_data({"task": "pul"})
    with pytest.raises(ContractError, match="no instruction"):
        step.complementary_data({})
    assert "task_index" not in TaskIndexProcessorStep(["push"]).complementary_data({})


def test_hindsight_goals_on_a_hand_made_demonstration():
    # One arm joint and the gripper: open, closing at frame 2, opening at frame 3; then a new
    # episode in which it only closes.
    arm = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    gripper = [1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0]
    episode = np.array([0, 0, 0, 0, 0, 1, 1])
    goals = hindsight_goals(np.array([arm, gripper], dtype=np.float32).T, episode, column=1)
    nan = np.nan
    expected = [[2, 3], [2, 3], [nan, 3], [nan, nan], [nan, nan], [6, nan], [nan, nan]]
    np.testing.assert_array_equal(goals, np.array(expected, dtype=np.float32))
