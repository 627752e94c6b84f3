"""The library: what goes in comes out, versions, compositions that name digests."""

import json

import pytest
import torch
from torch import nn

from robot_policies.interface import CheckpointError, ConfigError, UnknownNameError
from robot_policies.skills.library.composition import apply, compose
from robot_policies.skills.library.library import SkillLibrary
from robot_policies.skills.mixing.mixer import SkillMixer
from robot_policies.skills.mixing.skill_router import SkillRouter
from robot_policies.skills.package.digest import base_hash
from robot_policies.skills.package.skill import read_skill


@pytest.fixture
def library(tmp_path):
    return SkillLibrary(tmp_path / "library", tmp_path / "shipped")


@pytest.fixture
def skills(library, make_skill, base):
    names = ("avoid", "orbit", "push")
    for seed, name in enumerate(names):
        library.add(str(make_skill(name, seed=seed)), base)
    return [library.load(name, base) for name in names]


@pytest.fixture
def act(policy):
    observation = torch.randn(4, 3)

    def run():
        torch.manual_seed(3)
        return policy.sample(observation)

    return run


def test_skills_are_found_by_name_newest_first(library, make_skill, base):
    for version in ("1.2.0", "1.10.0", "1.9.3"):
        library.add(str(make_skill(version=version)), base)
    assert [e.card.version for e in library.skills()] == ["1.2.0", "1.9.3", "1.10.0"]
    assert library.find("avoid").card.version == "1.10.0"
    assert library.find("avoid@1.9.3").card.version == "1.9.3"
    with pytest.raises(UnknownNameError, match="Did you mean 'avoid'"):
        library.find("avod")
    with pytest.raises(UnknownNameError, match="avoid@1.9.3"):
        library.find("avoid@1.9.4")


def test_two_skills_of_one_name_and_version_are_refused(library, make_skill, base):
    library.add(str(make_skill()), base)
    other = make_skill(seed=5, folder="other")
    with pytest.raises(CheckpointError, match="has a skill 'avoid' 1.0.0 already"):
        library.add(str(other), base)
    assert library.load("avoid", base).card.digest != read_skill(other, base).card.digest


def test_removing_takes_the_folder_and_is_refused_while_needed(library, skills, base):
    made = compose("mix", "1.0.0", base, skills, weights=[1.0, 0.5, 0.0])
    library.save(made)
    with pytest.raises(CheckpointError, match="composition 'mix' 1.0.0 needs 'orbit'"):
        library.remove("orbit")
    assert library.remove("mix") == ("mix", "1.0.0")
    library.remove("orbit")
    assert [entry.card.name for entry in library.skills()] == ["avoid", "push"]
    assert not (library.root / "skills" / "orbit").exists()


def test_no_skill_and_composition_share_a_name(library, skills, make_skill, base):
    with pytest.raises(CheckpointError, match="'orbit' is a skill of the library"):
        library.save(compose("orbit", "1.0.0", base, skills))
    library.save(compose("mix", "1.0.0", base, skills))
    with pytest.raises(CheckpointError, match="the library has a composition 'mix'"):
        library.add(str(make_skill("mix")), base)
    assert [entry.card.name for entry in library.skills()] == ["avoid", "orbit", "push"]


def test_shipped_skills_are_listed_and_stay(library, make_skill, base, tmp_path):
    folder = make_skill()
    (tmp_path / "shipped" / "psec").mkdir(parents=True)
    folder.rename(tmp_path / "shipped" / "psec" / "avoid")
    assert [entry.shipped for entry in library.skills()] == [True]
    with pytest.raises(CheckpointError, match="came with the package"):
        library.remove("avoid")


def test_verify_says_what_it_read(library, skills, base, make_skill):
    assert library.verify("avoid", base).name == "avoid"
    assert library.verify(str(make_skill("other"))).name == "other"
    path = library.find("avoid").folder / "adapter_config.json"
    path.write_text(path.read_text() + " ")
    with pytest.raises(CheckpointError, match="truncated or changed"):
        library.verify("avoid")


def test_a_fixed_composition_survives_the_disk_and_acts(library, skills, base, policy, act):
    made = compose("mix", "1.0.0", base, skills, weights=[1.0, -0.5, 0.0], fallback="avoid")
    library.save(made)
    read = library.composition("mix")
    assert read.weighting == made.weighting
    assert read.fallback == "avoid"
    before, fingerprint = act(), base_hash(policy, policy.config)
    mixer = SkillMixer(policy)
    apply(read, library.skills_of(read, base), mixer)
    assert not torch.equal(act(), before)
    assert base_hash(policy, policy.config) == fingerprint
    mixer.clear()
    assert torch.equal(act(), before)


def test_adding_a_skill_changes_nothing_and_removing_it_restores(skills, base, policy, act):
    mixer = SkillMixer(policy)
    two = compose("mix", "1.0.0", base, skills[:2], weights=[0.7, -0.3])
    apply(two, skills[:2], mixer)
    before = act()
    three = two.with_skill(skills[2], "1.1.0")
    assert three.weighting.weights == (0.7, -0.3, 0.0)
    apply(three, skills, mixer)
    assert torch.equal(act(), before)
    back = three.without_skill("push", "1.2.0")
    assert back.skills == two.skills
    apply(back, skills[:2], mixer)
    assert torch.equal(act(), before)


def test_a_router_survives_the_disk_padding_and_removal(library, skills, base, policy):
    router = SkillRouter({"observation.state": 3}, 2, hidden=16)
    nn.init.normal_(router.output.weight)
    library.save(compose("ctx", "1.0.0", base, skills[:2], router=router))
    read = library.composition("ctx")
    batch = {"observation.state": torch.randn(5, 3)}
    assert torch.equal(read.router.read(batch), router.read(batch))
    library.save(read.with_skill(skills[2], "1.1.0"))
    padded = library.composition("ctx")
    assert padded.version == "1.1.0"
    assert (padded.router.read(batch)[:, 2] == 0.0).all()
    mixer = SkillMixer(policy)
    noisy, step = torch.randn(5, 2), torch.zeros(5)
    apply(read, skills[:2], mixer)
    mixer.weigh(read.router.read(batch).detach())
    before = policy.network(noisy, batch["observation.state"], step)
    apply(padded, skills, mixer)
    mixer.weigh(padded.router.read(batch).detach())
    after = policy.network(noisy, batch["observation.state"], step)
    torch.testing.assert_close(after, before, atol=1e-6, rtol=1e-5)
    less = padded.without_skill("avoid", "1.2.0")
    assert torch.equal(less.router.read(batch)[:, 0], padded.router.read(batch)[:, 1])


def test_arrow_is_the_default_and_takes_no_silent_addition(skills, base, policy, act):
    made = compose("any", "1.0.0", base, skills)
    assert made.weighting.kind == "arrow"
    before, mixer = act(), SkillMixer(policy)
    apply(made, skills, mixer)
    assert not torch.equal(act(), before)
    with pytest.raises(ConfigError, match="changes what it does"):
        made.with_skill(skills[0], "1.1.0")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"weights": [1.0]}, "1 weights, 3 skills"),
        ({"weights": [1.0, float("nan"), 0.0]}, "must be finite"),
        ({"router": SkillRouter({"s": 2}, 2)}, "a router of 3"),
        ({"weights": [1.0] * 3, "router": SkillRouter({"s": 2}, 3)}, "not both"),
        ({"weights": [1.0] * 3, "fallback": "avod"}, "Did you mean 'avoid'"),
    ],
)
def test_nonsense_is_refused(skills, base, options, said):
    with pytest.raises(ConfigError, match=said):
        compose("mix", "1.0.0", base, skills, **options)


def test_a_skill_twice_is_refused(skills, base):
    with pytest.raises(ConfigError, match="'avoid' is in it twice"):
        compose("mix", "1.0.0", base, [skills[0], skills[0]], weights=[1.0, 1.0])


def test_another_skill_under_the_same_name_is_not_the_one_composed(
    library, skills, base, policy, make_skill, act
):
    made = compose("mix", "1.0.0", base, skills[:1], weights=[1.0])
    library.remove("avoid")
    library.add(str(make_skill("avoid", seed=9, folder="forged")), base)
    with pytest.raises(CheckpointError, match="not the one it was made with"):
        library.skills_of(made, base)
    mixer, before = SkillMixer(policy), act()
    with pytest.raises(CheckpointError, match="made with avoid 1.0.0"):
        apply(made, [library.load("avoid", base)], mixer)
    assert torch.equal(act(), before)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"skills": [{"name": "../x", "version": "1.0.0", "digest": "sha256:" + "0" * 64}]},
            "lower",
        ),
        ({"weighting": {"kind": "gaet"}}, "Did you mean 'gate'"),
        ({"weighting": {"kind": "fixed", "weights": [1.0]}}, "1 weights, 3 skills"),
        ({"weighting": {"kind": "gate"}}, "gate.safetensors is missing"),
        ({"format": 7}, "format 1"),
        ({"colour": "red"}, "unknown key 'colour'"),
    ],
)
def test_a_composition_that_was_tampered_with(library, skills, base, change, said):
    path = library.save(compose("mix", "1.0.0", base, skills, weights=[1.0, 0.0, 0.0]))
    document = json.loads((path / "composition.json").read_text())
    (path / "composition.json").write_text(json.dumps({**document, **change}))
    with pytest.raises(CheckpointError, match=said):
        library.composition("mix")


def test_a_composition_of_a_name_and_version_is_kept_once(library, skills, base):
    made = compose("mix", "1.0.0", base, skills, weights=[1.0, 0.0, 0.0])
    library.save(made)
    with pytest.raises(CheckpointError, match="'mix' 1.0.0 already"):
        library.save(made)
