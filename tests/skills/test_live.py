import numpy as np
import pytest
import torch

from robot_policies.interface import ConfigError, Observation
from robot_policies.policies.runtime import LerobotRuntime
from robot_policies.skills.composition import compose
from robot_policies.skills.gate import Gate
from robot_policies.skills.library import SkillLibrary
from robot_policies.skills.live import SLEW, LiveSkills
from robot_policies.skills.package import read_skill

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


def test_a_gate_of_the_library_weighs_just_its_skills(runtime, make_skill):
    skills, library = runtime.skills, SkillLibrary()
    folders = [make_skill(name, seed=seed) for seed, name in enumerate(("avoid", "orbit"))]
    for folder in folders:
        library.add(str(folder), skills.base)
    gate = Gate({"observation.state": 3}, 2, 8).start_at((0.25, 9.0))
    loaded = [read_skill(folder, skills.base) for folder in folders]
    library.save(compose("clever", "1.0.0", skills.base, loaded, gate=gate))

    drawn = torch.random.get_rng_state()
    skills.put(skills.prepare(["avoid", "orbit"], []))
    assert torch.equal(torch.random.get_rng_state(), drawn)  # another thread may sample now
    runtime.reset(0)
    act(runtime)
    assert skills.weights == {"avoid": 0.25, "orbit": 4.0}  # cut to the limit

    assert skills.prepare(["orbit", "avoid"], []).router is not None  # Arrow
    gate = Gate({"observation.sate": 3}, 2, 8)
    library.save(compose("wrong", "1.0.0", skills.base, loaded, gate=gate))
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
