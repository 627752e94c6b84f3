"""The shipped arm: what its skills do to it, and that nothing stays of them."""

import numpy as np
import pytest
import torch

from robot_policies.catalog import load_robot, load_task
from robot_policies.interface.observation import ENVIRONMENT_STATE, STATE
from robot_policies.policies.checkpoint import read_checkpoint
from robot_policies.policies.locate import find_checkpoint
from robot_policies.policies.psec.modeling_psec import PsecPolicy
from robot_policies.skills.library.library import SkillLibrary
from robot_policies.skills.mixing.layers import SkillStack
from robot_policies.skills.mixing.mixer import SkillMixer
from robot_policies.skills.package.base import describe_base
from robot_policies_sim.worlds.planar_arm.batch import run_trials
from robot_policies_sim.worlds.planar_arm.reach_avoid import ArmReachAvoid

SKILLS = ("careful", "detour", "fast")


@pytest.fixture(scope="module")
def arm(tmp_path_factory):
    folder = find_checkpoint("psec/arm")
    checkpoint = read_checkpoint(folder, "cpu")
    library = SkillLibrary(tmp_path_factory.mktemp("library"))
    base = describe_base(checkpoint, "psec/arm")
    return checkpoint, {name: library.load(name, base) for name in SKILLS}


def collisions(checkpoint, trials=60):
    task, robot, policy = load_task("arm_reach_avoid"), load_robot("planar_arm"), checkpoint.policy
    assert isinstance(task, ArmReachAvoid)
    assert isinstance(policy, PsecPolicy)

    def act(seen):
        told = {STATE: seen[STATE][:, :4], ENVIRONMENT_STATE: seen[ENVIRONMENT_STATE]}
        batch = checkpoint.preprocessor({key: torch.tensor(v) for key, v in told.items()})
        speed = checkpoint.postprocessor(policy.sample(policy.observe(batch))[:, 0]).numpy()
        return np.clip(speed, -robot.velocity, robot.velocity)

    torch.manual_seed(0)
    with torch.no_grad():
        return run_trials(task, robot, act, range(5000, 5000 + trials))["collision"].mean()


def test_the_card_of_each_skill_says_what_it_reached(arm):
    _, skills = arm
    for name, skill in skills.items():
        assert skill.card.name == name
        assert skill.card.robot == "planar_arm"
        assert skill.card.metrics["task"] == "arm_reach_avoid"
        assert 0.0 < skill.card.metrics["success"] < 1.0


def test_the_careful_skill_collides_less_than_the_fast_one_and_leaves_nothing(arm):
    checkpoint, skills = arm
    before = collisions(checkpoint)
    mixer = SkillMixer(checkpoint.policy)
    rates = {}
    for name in ("careful", "fast"):
        stack = SkillStack(checkpoint.policy, {name: skills[name].adapter})
        mixer.swap(stack, torch.ones(1))
        rates[name] = collisions(checkpoint)
    assert rates["careful"] < before - 0.1
    assert rates["careful"] < rates["fast"] - 0.2
    mixer.clear()
    assert collisions(checkpoint) == before
