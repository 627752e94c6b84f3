from pathlib import Path

import numpy as np
import pytest
import torch

from robot_policies.interface import CheckpointError, ConfigError, JointLimit, Observation
from robot_policies.policies.runtime import LerobotRuntime
from robot_policies.skills.library.composition import compose
from robot_policies.skills.library.library import SkillLibrary
from robot_policies.skills.live.skills import SLEW, LiveSkills
from robot_policies.skills.mixing.skill_router import SkillRouter
from robot_policies.skills.package.card import Training
from robot_policies.skills.package.skill import read_skill

SAID = Observation({"observation.state": np.zeros(3)}, {"observation.state": 0.0})
CHANGE = SLEW * 0.05


@pytest.fixture
def runtime(make_base, tmp_path, monkeypatch):
    monkeypatch.setenv("ROBOT_POLICIES_SKILLS", str(tmp_path / "library"))
    return LerobotRuntime(make_base(), name="psec/base")


def act(runtime, times=1):
    return [runtime.act(SAID).values for _ in range(times)][-1]


def test_a_skill_rises_falls_and_is_gone(runtime, make_skill):
    skills = runtime.skills
    act(runtime)
    skills.put(skills.prepare([str(make_skill())], [1.0]))
    risen = [act(runtime) is not None and skills.weights["avoid"] for _ in range(5)]
    assert risen == pytest.approx([CHANGE, 2 * CHANGE, 3 * CHANGE, 1.0, 1.0])
    skills.put(skills.prepare([], []))
    act(runtime, 3)
    assert skills.weights["avoid"] == pytest.approx(1.0 - 3 * CHANGE)
    act(runtime, 2)
    assert skills.weights == {}

    runtime.reset(0)
    alone = act(runtime)
    skills.put(skills.prepare([str(make_skill("orbit"))], [0.0]))
    runtime.reset(0)
    assert (act(runtime) == alone).all()


def test_an_episode_begins_with_what_is_wanted(runtime, make_skill):
    skills = runtime.skills
    skills.put(skills.prepare([str(make_skill())], [1.0]))
    runtime.reset(0)
    act(runtime)
    assert skills.weights == {"avoid": 1.0}


def test_a_router_of_the_library_weighs_just_its_skills(runtime, make_skill):
    skills, library = runtime.skills, SkillLibrary()
    folders = [make_skill(name, seed=seed) for seed, name in enumerate(("avoid", "orbit"))]
    for folder in folders:
        library.add(str(folder), skills.base)
    router = SkillRouter({"observation.state": 3}, 2, 8).start_at((0.25, 9.0))
    loaded = [read_skill(folder, skills.base) for folder in folders]
    library.save(compose("clever", "1.0.0", skills.base, loaded, router=router))

    drawn = torch.random.get_rng_state()
    skills.put(skills.prepare(["avoid", "orbit"], []))
    assert torch.equal(torch.random.get_rng_state(), drawn)  # another thread may sample now
    runtime.reset(0)
    act(runtime)
    assert skills.weights == {"avoid": 0.25, "orbit": 4.0}  # cut to the limit

    assert skills.prepare(["orbit", "avoid"], []).layer_router is not None  # Arrow
    router = SkillRouter({"observation.sate": 3}, 2, 8)
    library.save(compose("wrong", "1.0.0", skills.base, loaded, router=router))
    with pytest.raises(ConfigError, match="observation.sate"):
        skills.prepare(["avoid", "orbit"], [])


def test_a_skill_that_stays_keeps_its_weight(runtime, make_skill):
    skills = runtime.skills
    avoid, orbit = str(make_skill()), str(make_skill("orbit", seed=1))
    skills.put(skills.prepare([avoid], [1.0]))
    runtime.reset(0)
    act(runtime)
    skills.put(skills.prepare([orbit, avoid], [1.0, 1.0]))
    act(runtime)
    assert skills.weights == pytest.approx({"orbit": CHANGE, "avoid": 1.0})


def test_what_is_refused_changes_nothing(runtime, make_skill):
    skills: LiveSkills = runtime.skills
    skills.put(skills.prepare([str(make_skill())], [1.0]))
    runtime.reset(0)
    before = act(runtime)
    with pytest.raises(ConfigError, match="1 skill_weights for 2 skills"):
        skills.prepare([str(make_skill("orbit"))] * 2, [1.0])
    runtime.reset(0)
    assert (act(runtime) == before).all()


def test_only_what_has_changed_is_read_again(runtime, make_skill, monkeypatch):
    read = []
    monkeypatch.setattr(
        "robot_policies.skills.package.reader.read_skill",
        lambda folder, *rest: read.append(folder.name) or read_skill(folder, *rest),
    )
    folders = [str(make_skill(name)) for name in ("avoid", "orbit")]
    skills = runtime.skills
    first = skills.prepare(folders, [1.0, 0.0])
    skills.put(first)
    again = skills.prepare(folders, [0.0, 1.0])
    assert len(read) == 2
    assert again.stack is first.stack
    weights = Path(folders[0]) / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(CheckpointError, match="truncated or changed"):
        skills.prepare(folders, [1.0, 0.0])


NARROW = Training(state_mean=[0.0] * 3, state_std=[1.0] * 3, state_distance=0.1)


def at(runtime, position):
    """Ask in a state; return the weights that answered."""
    values = np.full(3, position)
    runtime.act(Observation({"observation.state": values}, {"observation.state": 0.0}))
    return runtime.skills.weights


def test_far_from_all_training_states_skills_fade_to_the_fallback_and_come_back(
    runtime, make_skill
):
    skills = runtime.skills
    folders = [
        str(make_skill(name, seed=seed, training=NARROW))
        for seed, name in enumerate(("avoid", "retreat"))
    ]
    skills.put(skills.prepare(folders, [0.8, 0.0], "retreat"))
    runtime.reset(0)
    assert at(runtime, 0.09) == pytest.approx({"avoid": 0.8, "retreat": 0.0})  # within
    faded = at(runtime, 0.15)  # half way out
    assert faded == pytest.approx({"avoid": 0.8 - CHANGE, "retreat": CHANGE})  # slowly
    for _ in range(4):
        faded = at(runtime, 0.15)
    assert faded == pytest.approx({"avoid": 0.4, "retreat": 0.5}, abs=1e-5)
    for _ in range(5):
        faded = at(runtime, 5.0)
    assert faded == pytest.approx({"avoid": 0.0, "retreat": 1.0})
    for _ in range(5):
        faded = at(runtime, 0.0)
    assert faded == pytest.approx({"avoid": 0.8, "retreat": 0.0})


def test_without_a_fallback_they_fade_to_the_base_bit_for_bit(runtime, make_skill):
    runtime.reset(0)
    far = Observation({"observation.state": np.full(3, 5.0)}, {"observation.state": 0.0})
    alone = runtime.act(far).values
    skills = runtime.skills
    skills.put(skills.prepare([str(make_skill(training=NARROW))], []))  # Arrow, for once
    runtime.reset(0)
    assert (runtime.act(far).values == alone).all()
    assert skills.weights == {"avoid": 0.0}
    assert at(runtime, 0.0) == pytest.approx({"avoid": CHANGE})


def test_a_router_fades_to_the_fallback_of_its_composition(runtime, make_skill):
    skills, library = runtime.skills, SkillLibrary()
    loaded = []
    for seed, name in enumerate(("avoid", "retreat")):
        library.add(str(make_skill(name, seed=seed, training=NARROW)), skills.base)
        loaded.append(library.load(name, skills.base))
    router = SkillRouter({"observation.state": 3}, 2, 8).start_at((0.5, 0.25))
    library.save(compose("safe", "1.0.0", skills.base, loaded, router=router, fallback="retreat"))
    skills.put(skills.prepare(["avoid", "retreat"], []))
    runtime.reset(0)
    assert at(runtime, 5.0) == {"avoid": 0.0, "retreat": 1.0}


def test_a_fallback_that_cannot_be_is_refused(runtime, make_skill):
    skills = runtime.skills
    avoid, orbit = str(make_skill(training=NARROW)), str(make_skill("orbit", seed=1))
    with pytest.raises(ConfigError, match="no skill 'aviod'. Did you mean 'avoid'"):
        skills.prepare([avoid], [1.0], "aviod")
    with pytest.raises(ConfigError, match="'orbit' says nothing of the states"):
        skills.prepare([avoid, orbit], [1.0, 1.0], "avoid")
    with pytest.raises(ConfigError, match="arrow knows no weights to fade to"):
        skills.prepare([avoid], [], "avoid")


def test_a_chunk_carries_the_limits_of_the_skills_that_have_a_weight(runtime, make_skill):
    skills = runtime.skills
    hip, thigh = "FR_hip_joint", "FR_thigh_joint"
    limits = [{hip: JointLimit(-0.2, 0.3)}, {hip: JointLimit(-0.5, 0.1), thigh: JointLimit(0.5)}]
    folders = [
        str(make_skill(name, seed=seed, limits=limits[seed]))
        for seed, name in enumerate(("avoid", "orbit"))
    ]
    assert runtime.act(SAID).limits == {}
    skills.put(skills.prepare(folders, [1.0, 0.0]))
    assert runtime.act(SAID).limits == limits[0]  # from the first bit of weight on
    skills.put(skills.prepare(folders, [1.0, -0.1]))
    assert runtime.act(SAID).limits == {hip: JointLimit(-0.2, 0.1), thigh: JointLimit(0.5)}
    skills.put(skills.prepare([], []))
    assert hip in runtime.act(SAID).limits  # until the last bit is gone
    assert runtime.act(SAID).limits == {}


def test_skills_that_leave_a_joint_no_room_together_are_refused(runtime, make_skill):
    limits = [{"FR_hip_joint": JointLimit(lower=0.2)}, {"FR_hip_joint": JointLimit(upper=0.1)}]
    folders = [
        str(make_skill(name, seed=seed, limits=limits[seed]))
        for seed, name in enumerate(("avoid", "orbit"))
    ]
    with pytest.raises(ConfigError, match=r"FR_hip_joint in \[0.2, 0.1\] has no room"):
        runtime.skills.prepare(folders, [1.0, 1.0])
