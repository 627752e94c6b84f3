"""The shipped policies: they look, they read, and they place the cube."""

import numpy as np
import pytest
import torch
from conformance import check_policy

from robot_policies.catalog import load_task
from robot_policies.control.episode import run_episode
from robot_policies.evaluation.attempts import attempt_all, simulators
from robot_policies.evaluation.together import run_together
from robot_policies.interface import ContractError
from robot_policies.policies.catalog import load_policy
from robot_policies.policies.eyes import audit_eyes
from robot_policies.policies.grape.crowd import GrapeCrowd
from robot_policies.policies.locate import checkpoints, find_checkpoint
from robot_policies.policies.runtime import LerobotRuntime
from robot_policies.skills.mixing.layers import SkillStack
from robot_policies.skills.mixing.mixer import SkillMixer
from robot_policies.skills.package.adapter import read_adapter
from robot_policies.skills.package.base import read_base
from robot_policies_sim.worlds.tabletop.obstacle import TabletopObstacle

SHIPPED = [name for name in checkpoints() if name.startswith("grape/")]
SFT = "grape/tabletop_sft"
ALIGNED = [name.rpartition("_")[2] for name in SHIPPED if name != SFT]
TASK = load_task("tabletop_obstacle")


@pytest.mark.parametrize("name", SHIPPED)
def test_keeps_the_contract_and_looks(name):
    policy = load_policy(name)
    assert not list(audit_eyes(policy))
    example = policy.observation_spec.example(np.random.default_rng(0))
    with pytest.raises(ContractError, match="no word 'bleu'. Did you mean 'blue'"):
        policy.observation_spec.check_instruction("put the red cube on the bleu pad")
    assert policy.act(example).values.shape == (1, 7)
    check_policy(policy)


def test_ten_episodes_together_are_ten_alone():
    """Of half a second, so that ten of them take seconds; nothing is decided by then."""
    short, seeds = TabletopObstacle("short", horizon=0.5), range(10)
    crowd = GrapeCrowd(find_checkpoint(SFT), temperature=1.0)
    crowd.policy.config.temperature = 1.0
    together = run_together(crowd, short, simulators(short, "mujoco", crowd), seeds, 5)
    policy, backend = load_policy(SFT), simulators(short, "mujoco", crowd)()
    backend.connect()
    policy.checkpoint.policy.config.temperature = 1.0  # pyright: ignore[reportAttributeAccessIssue]
    for seed, many in zip(seeds, together, strict=True):
        alone = run_episode(backend, policy, short, seed=seed)
        assert many.levels == alone.levels
        for name, value in alone.metrics.items():
            assert many.metrics[name] == pytest.approx(value, abs=1e-4), name
    backend.close()


@pytest.mark.parametrize("name", SHIPPED)
def test_places_the_cube_that_is_named_from_its_camera(name):
    crowd = GrapeCrowd(find_checkpoint(name))
    results = run_together(crowd, TASK, simulators(TASK, "mujoco", crowd), range(6), 6)
    assert sum(result.metrics["success"] for result in results) >= 4


def test_attempts_hold_what_preferences_are_made_of():
    tried = attempt_all(find_checkpoint(SFT), "tabletop_obstacle", "mujoco", [0], 2)
    one, other = tried
    assert one.start == other.start == 0
    assert not torch.equal(one.tokens[0], other.tokens[0]) or len(one) != len(other)
    np.testing.assert_allclose(one.points["obstacle"][0], other.points["obstacle"][0])
    assert set(one.points) == {"tip", "cube", "pad", "obstacle"}
    assert np.linalg.norm(one.points["tip"][0] - one.points["cube"][0]) < 0.03
    assert one.touch.any() == bool(one.metrics["collision"])


@pytest.mark.parametrize("name", ALIGNED)
def test_each_shipped_skill_makes_the_aligned_policy_of_the_other(name):
    base, careful = (GrapeCrowd(find_checkpoint(n)) for n in (SFT, f"grape/tabletop_{name}"))
    seen = base.observation_spec.example(np.random.default_rng(0))
    folder = find_checkpoint(SFT)
    adapter = read_adapter(folder / "skills" / name, read_base(folder).layers)
    one, other = base.policy, careful.policy
    batch, tokens = LerobotRuntime(folder).prepare(seen), torch.full((1, 4), 128)
    with torch.no_grad():
        before, wanted = one.log_likelihood(batch, tokens), other.log_likelihood(batch, tokens)
        mixer = SkillMixer(one)
        mixer.swap(SkillStack(one, {name: adapter}), torch.ones(1))
        after = one.log_likelihood(batch, tokens)
    torch.testing.assert_close(after, wanted, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(before, wanted, atol=1e-2)
