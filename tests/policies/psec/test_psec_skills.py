"""Training skills, routers and baselines on a kinematic arm: what is learned, and what stays."""

import dataclasses

import planar_arm
import pytest
import torch
from lerobot.configs.types import FeatureType, PolicyFeature

from robot_policies.interface import CheckpointError, ConfigError
from robot_policies.learning.run_state import read_state, write_state
from robot_policies.policies.psec import PsecConfig
from robot_policies.policies.psec.criteria import CriticSettings
from robot_policies.policies.psec.demonstrations import (
    Demonstrations,
    make_demonstrations,
    read_demonstrations,
)
from robot_policies.policies.psec.fit import FitSettings
from robot_policies.policies.psec.levels import LevelMixture, train_router
from robot_policies.policies.psec.modeling_psec import PsecPolicy
from robot_policies.policies.psec.processor_psec import make_psec_pre_post_processors
from robot_policies.policies.psec.sample_weights import router_weights, sample_weights
from robot_policies.policies.psec.train import (
    composed,
    fresh_adapter,
    train_network,
    train_skill,
    train_weights,
)
from robot_policies.skills.mixing.skill_router import SkillRouter
from robot_policies.skills.package.digest import base_hash

FEW = FitSettings(steps=60, batch=64, lr=2e-3)
TINY = FitSettings(steps=6, batch=16, save_every=2)


@pytest.fixture(scope="module")
def arm():
    """A base that has learned to reach, its scale, and demonstrations of detours."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = PsecConfig(
        hidden=48,
        n_blocks=1,
        time_dim=16,
        n_frequencies=8,
        device="cpu",
        input_features={"observation.state": PolicyFeature(FeatureType.STATE, (14,))},
        output_features={"action": PolicyFeature(FeatureType.ACTION, (4,))},
    )
    raw = planar_arm.demonstrate("reach", 100, 40)
    mean, std = raw["observation"].mean(0), raw["observation"].std(0) + 1e-3

    def data(mode, episodes, steps=40):
        raw = planar_arm.demonstrate(mode, episodes, steps)
        return Demonstrations(
            observation=(raw["observation"] - mean) / std,
            action=raw["action"].unsqueeze(1),
            valid=torch.ones(episodes * steps, 1, dtype=torch.bool),
            episode=raw["episode"],
            reward=raw["reward"],
            cost=raw["cost"],
        )

    settings = FitSettings(steps=200, lr=4e-3, batch=128)
    base = train_network(PsecPolicy(config), data("reach", 100), settings, scratch=True)
    return base, data


@torch.no_grad()
def loss_on(policy, data, denoise=None):
    torch.manual_seed(3)
    rows = torch.randint(len(data), (2000,))
    denoise = denoise or policy.network
    return policy.loss(denoise, data.observation[rows], data.action[rows], data.valid[rows]).item()


def test_a_skill_from_ten_demonstrations_beats_its_baselines_and_leaves_the_base(arm):
    base, data = arm
    train, test, old = data("orbit", 10), data("orbit", 40), data("reach", 40)
    before, fingerprint = loss_on(base, test), base_hash(base, base.config)
    reach = loss_on(base, old)
    adapter = train_skill(base, train, FEW, scale=2.0)
    with composed(base, {"detour": adapter}) as mixer:
        mixer.weigh(torch.ones(1))
        with_skill = loss_on(base, test)
        mixer.weigh(None)
        assert loss_on(base, test) == before
    scratch = loss_on(train_network(base, train, FEW, scratch=True), test)
    full = train_network(base, train, FEW)
    assert with_skill < min(before, scratch)
    assert loss_on(base, old) == reach
    assert loss_on(full, old) > reach  # what fine-tuning forgets
    assert base_hash(base, base.config) == fingerprint
    assert all(parameter.requires_grad for parameter in base.parameters())


def test_a_full_matrix_learns_too(arm):
    base, data = arm
    train = data("detour", 10)
    adapter = train_skill(base, train, FEW, form="full_matrix")
    with composed(base, {"detour": adapter}) as mixer:
        before = loss_on(base, train)
        mixer.weigh(torch.ones(1))
        assert loss_on(base, train) < before
    ranks = {name: len(part.down) for name, part in adapter.items()}
    assert ranks["network.output"] == 48


def test_a_fresh_skill_is_the_base_bit_for_bit(arm):
    base, data = arm
    train = data("detour", 2)
    adapter = train_skill(base, train, FitSettings(steps=1, lr=1e-30))
    assert any(part.down.any() for part in adapter.values())
    with composed(base, {"new": {k: p for k, p in adapter.items()}}) as mixer:
        before = loss_on(base, train)
        mixer.weigh(torch.ones(1))
        assert loss_on(base, train) == pytest.approx(before, abs=1e-6)


def stopped_after(monkeypatch, steps):
    def report(step, loss):
        if step == steps:
            raise KeyboardInterrupt

    return report


@pytest.mark.parametrize("kind", ["low_rank", "full", "router", "critic"])
def test_a_stopped_run_goes_on_to_the_same_numbers(arm, tmp_path, monkeypatch, kind):
    base, data = arm
    torch.manual_seed(1)
    train = data("detour", 3)
    torch.manual_seed(2)
    skill = train_skill(base, train, TINY)

    def run(state=None, report=None):
        if kind == "low_rank":
            made = train_skill(base, train, TINY, state=state, report=report)
            return torch.cat([part.up.flatten() for part in made.values()])
        if kind == "full":
            made = train_network(base, train, TINY, state=state, report=report)
            return torch.cat([p.detach().flatten() for p in made.parameters()])
        if kind == "router":
            made = train_router(base, {"s": skill}, train, TINY, state=state, report=report)
            return torch.cat([p.detach().flatten() for p in made.parameters()])
        return sample_weights(train, "reward", TINY, state=state, report=report)

    whole = run()
    state = tmp_path / "state.safetensors"
    with pytest.raises(KeyboardInterrupt):
        run(state, stopped_after(monkeypatch, 5))
    assert state.is_file()
    seen = []
    again = run(state, lambda step, loss: seen.append(step))
    assert seen == [5, 6]  # went on after the state of step 4
    assert torch.equal(again, whole)
    assert not state.exists()


def test_a_state_of_another_run_is_refused(arm, tmp_path, monkeypatch):
    base, data = arm
    train = data("detour", 3)
    state = tmp_path / "state.safetensors"
    with pytest.raises(KeyboardInterrupt):
        train_skill(base, train, TINY, state=state, report=stopped_after(monkeypatch, 4))
    other = dataclasses.replace(TINY, seed=1)
    with pytest.raises(CheckpointError, match="other data, base or settings"):
        train_skill(base, train, other, state=state)
    tensors, texts = read_state(state)
    for name in ("parameter.0", "average.0", "adam.0.exp_avg"):
        write_state(state, {**tensors, name: tensors[name].flatten()[:1]}, texts)
        with pytest.raises(CheckpointError, match=r"cannot resume: '.*' has shape \(1,\)"):
            train_skill(base, train, TINY, state=state)
    state.write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match="cannot resume"):
        train_skill(base, train, TINY, state=state)


def test_a_router_learns_which_skill_the_state_asks_for(arm):
    base, data = arm
    avoid, orbit = data("avoid", 20), data("orbit", 20)
    skills = {
        name: train_skill(base, d, FEW, scale=2.0)
        for name, d in (("avoid", avoid), ("orbit", orbit))
    }
    fresh = data("orbit", 20)
    router = train_router(base, skills, fresh, FEW, hidden=32)
    weights = router(fresh.observation).mean(0)
    assert weights[1] > weights[0]
    fixed = train_weights(base, skills, fresh, FitSettings(steps=40, batch=64, lr=2e-2))
    assert fixed[1] > fixed[0]
    with composed(base, skills) as mixer:
        even = loss_on(
            base,
            fresh,
            LevelMixture(
                base, mixer, SkillRouter(router.features, 2).start_at([0.5, 0.5]), "parameter"
            ).denoise,
        )
        routed = loss_on(base, fresh, LevelMixture(base, mixer, router, "parameter").denoise)
    assert routed < even


@pytest.mark.parametrize(
    ("level", "objective"),
    [("parameter", "action"), ("noise", "diffusion"), ("noise", "action"), ("action", "action")],
)
def test_every_level_trains_its_router_and_nothing_else(arm, level, objective):
    base, data = arm
    train = data("orbit", 4)
    skills = {"a": train_skill(base, train, TINY), "b": train_skill(base, train, TINY)}
    fingerprint = base_hash(base, base.config)
    router = train_router(base, skills, train, TINY, level, objective, hidden=8)
    assert router.output.weight.abs().sum() > 0
    assert base_hash(base, base.config) == fingerprint
    with composed(base, skills) as mixer:
        drawn = LevelMixture(base, mixer, router, level).sample(train.observation[:5])
    assert drawn.shape == (5, 1, 4)
    assert drawn.abs().max() <= 1.0


@pytest.mark.parametrize(
    ("level", "objective"), [("parameter", "diffusion"), ("noise", "action"), ("action", "action")]
)
def test_a_step_of_weight_zero_teaches_a_router_nothing(arm, level, objective):
    base, data = arm
    train = data("orbit", 4)
    skills = {"a": train_skill(base, train, TINY), "b": train_skill(base, train, TINY)}
    nothing = torch.zeros(len(train))
    router = train_router(base, skills, train, TINY, level, objective, weight=nothing, hidden=8)
    assert not router.output.weight.any()
    few = dataclasses.replace(TINY, lr=1e-2)
    pulled = train_router(base, skills, train, few, level, objective, pull=1e4, hidden=8)
    free = train_router(base, skills, train, few, level, objective, hidden=8)
    even = 1.0 / free.output.out_features
    assert spread(pulled, train, even) < spread(free, train, even)


def test_a_router_can_begin_at_the_constant_weights_of_least_loss(arm):
    base, data = arm
    skill = train_skill(base, data("orbit", 20), FEW, scale=2.0)
    skills, fresh = (
        {"good": skill, "nothing": fresh_adapter(base, "low_rank", 8, 2.0)},
        data("orbit", 4),
    )
    settle = FitSettings(steps=40, batch=64, lr=2e-2)
    router = train_router(base, skills, fresh, TINY, settle=settle, pull=1e2, hidden=8)
    good, nothing = router(fresh.observation).mean(0).tolist()
    assert good > 0.55
    assert nothing == pytest.approx(0.5, abs=0.05)


def spread(router, data, even):
    return (router(data.observation) - even).square().sum()


def test_all_weight_on_one_member_is_that_member_at_every_level(arm):
    base, data = arm
    train = data("orbit", 4)
    skills = {"a": train_skill(base, train, TINY), "b": train_skill(base, train, TINY)}
    observation = train.observation[:6]
    with composed(base, skills) as mixer:
        mixer.weigh(torch.tensor([0.0, 1.0]))
        torch.manual_seed(0)
        alone = base.sample(observation)
        for level, weights in (
            ("parameter", [0.0, 1.0]),
            ("noise", [0.0, 0.0, 1.0]),
            ("action", [0.0, 0.0, 1.0]),
        ):
            router = SkillRouter({"observation.state": 14}, len(weights), 8).start_at(weights)
            if level == "action":  # draws for the base and the first skill come before
                torch.manual_seed(0)
                for _ in range(2):
                    base.sample(observation)
                mixer.weigh(torch.tensor([0.0, 1.0]))
                expected = base.sample(observation)
            else:
                expected = alone
            torch.manual_seed(0)
            drawn = LevelMixture(base, mixer, router, level).sample(observation)
            torch.testing.assert_close(drawn, expected, atol=1e-5, rtol=0.0)


def test_the_action_level_has_no_noise_to_predict(arm):
    base, data = arm
    with pytest.raises(ConfigError, match="predicts no noise"):
        train_router(base, {}, data("orbit", 1), TINY, "action", "diffusion")


# --- Weights of steps


def labelled(reward, cost):
    steps = 40
    generator = torch.Generator().manual_seed(0)
    observation = torch.randn(10 * steps, 2, generator=generator)
    good = (torch.rand(10 * steps, generator=generator) < 0.5).float()
    return Demonstrations(
        observation=observation,
        action=(2 * good - 1)[:, None, None],
        valid=torch.ones(10 * steps, 1, dtype=torch.bool),
        episode=torch.arange(10).repeat_interleave(steps),
        reward=good if reward else torch.empty(0),
        cost=1 - good if cost else torch.empty(0),
    ), good.bool()


NUMBERS = CriticSettings(hidden=32, return_scale=10.0, gamma=0.5)


def test_better_actions_weigh_more():
    data, good = labelled(True, False)
    settings = FitSettings(steps=150, batch=64, lr=3e-3)
    weight = sample_weights(data, "reward", settings, NUMBERS)
    assert weight[good].mean() > 1.5 * weight[~good].mean()
    assert weight.max() <= 100.0


def test_unsafe_actions_do_not_count():
    data, good = labelled(False, True)
    settings = FitSettings(steps=150, batch=64, lr=3e-3)
    weight = sample_weights(data, "safety", settings, NUMBERS)
    assert weight[~good].mean() < 0.1 * weight[good].mean()


class Judge:
    def action_values(self, observation, action):
        return torch.tensor([[0.5, 1.0, -9.0], [1.0, 0.0, -8.0]])

    def value(self, observation):
        return torch.tensor([2.0, 0.0, 9.0])


def test_a_router_learns_most_where_usual_behaviour_would_do_harm():
    data, _ = labelled(False, True)
    weight = router_weights(Judge(), data, CriticSettings())
    torch.testing.assert_close(weight, torch.tensor([1.0, -1.0, 99.0]).exp().clamp_max(100.0))


def test_imitation_weighs_nothing_and_missing_labels_are_named():
    data, _ = labelled(False, False)
    assert sample_weights(data, "imitation", TINY) is None
    with pytest.raises(ConfigError, match=r"needs 'next\.reward'"):
        sample_weights(data, "reward", TINY)
    with pytest.raises(ConfigError, match=r"needs 'next\.cost'"):
        sample_weights(data, "safety", TINY)
    with pytest.raises(ConfigError, match="Did you mean 'reward'"):
        sample_weights(data, "rewards", TINY)
    flat = dataclasses.replace(data, reward=torch.ones(400), cost=torch.zeros(400))
    with pytest.raises(ConfigError, match="none is better"):
        sample_weights(flat, "reward", TINY)
    with pytest.raises(ConfigError, match="0 of 400 steps violate"):
        sample_weights(flat, "safety", TINY)


# --- Data


def test_demonstrations_are_split_by_episode(arm):
    _, data = arm
    whole = data("reach", 5, steps=7)
    first, rest = whole.split(0.6)
    assert (first.episodes, rest.episodes, whole.episodes) == (3, 2, 5)
    assert len(first) == 21
    assert not set(first.episode.tolist()) & set(rest.episode.tolist())
    assert first.digest != rest.digest
    with pytest.raises(ConfigError, match="cannot be split"):
        whole.split(0.2)[0].split(0.5)


def test_data_that_is_not_finite_is_refused(arm):
    _, data = arm
    whole = data("reach", 2, steps=3)
    action = whole.action.clone()
    action[4, 0, 2] = float("nan")
    with pytest.raises(ConfigError, match="action of step 4 is not finite"):
        dataclasses.replace(whole, action=action)
    with pytest.raises(ConfigError, match="weights for 6 steps"):
        train_skill(arm[0], whole, TINY, weight=torch.ones(5))


def test_chunks_end_with_their_episode(config):
    policy = PsecPolicy(config(chunk_size=3))
    statistics = {
        "observation.state": {"mean": torch.full((3,), 2.0), "std": torch.full((3,), 4.0)},
        "observation.environment_state": {"mean": torch.zeros(2), "std": torch.ones(2)},
        "action": {"min": torch.zeros(2), "max": torch.full((2,), 10.0)},
    }
    preprocess, _ = make_psec_pre_post_processors(policy.config, statistics)
    features = {
        "observation.state": torch.full((5, 3), 6.0),
        "observation.environment_state": torch.zeros(5, 2),
        "action": torch.arange(5.0).unsqueeze(1).expand(5, 2),
    }
    data = make_demonstrations(policy, preprocess, features, torch.tensor([0, 0, 0, 1, 1]))
    torch.testing.assert_close(data.observation[0], torch.tensor([1.0] * 3 + [0.0] * 2))
    torch.testing.assert_close(data.action[0, :, 0], torch.tensor([-1.0, -0.8, -0.6]))
    assert data.valid.tolist() == [
        [True, True, True],
        [True, True, False],
        [True, False, False],
        [True, True, False],
        [True, False, False],
    ]
    assert data.last.tolist() == [False, False, True, False, True]


def test_a_lerobot_data_set_is_read(config, dataset):
    policy = PsecPolicy(config())
    statistics = {
        "observation.state": {"mean": torch.zeros(3), "std": torch.ones(3)},
        "observation.environment_state": {"mean": torch.zeros(2), "std": torch.ones(2)},
        "action": {"min": -torch.ones(2), "max": torch.ones(2)},
    }
    preprocess, _ = make_psec_pre_post_processors(policy.config, statistics)
    data = read_demonstrations(dataset, policy, preprocess)
    assert (len(data), data.episodes) == (24, 3)
    assert data.observation.shape == (24, 5)
    assert not len(data.reward)
    policy.config.element_names["action"] = ["FR_thigh_joint", "FR_hip_joint"]
    policy.config.element_units["action"] = ["rad", "rad"]
    turned = read_demonstrations(dataset, policy, preprocess)
    torch.testing.assert_close(turned.action, data.action.flip(-1))  # found by name
    with pytest.raises(ConfigError, match="no LeRobotDataset"):
        read_demonstrations(dataset / "nowhere", policy, preprocess)


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ({"dt": 0.05}, "fps: 10 rows/s, expected 20 within 1 %"),
        ({"element_units": {"action": ["deg"] * 2}}, "is in rad, expected deg. Convert"),
        ({"element_units": {"action": ["rad/s"] * 2}}, "It is another quantity"),
        ({"element_names": {"action": ["FL_hip_joint", "FR_thigh_joint"]}}, "no 'FL_hip_joint'"),
        ({"robot": "go1"}, "recorded on 'go2', expected 'go1'"),
    ],
)
def test_demonstrations_that_are_not_the_bases_are_refused(config, dataset, base, message):
    path = dataset / "meta" / "info.json"
    path.write_text(path.read_text().replace('"robot_type": null', '"robot_type": "go2"'))
    joints = {"element_names": {"action": ["FR_thigh_joint", "FR_hip_joint"]}}
    units = {"element_units": {"action": ["rad", "rad"]}}
    policy = PsecPolicy(config(**{**joints, **units, **base}))
    with pytest.raises(ConfigError, match=message) as error:
        read_demonstrations(dataset, policy, None)
    assert "\n" not in str(error.value)
