"""One observation answered without torch: the same answers, from the same memory and weights."""

import shutil

import numpy as np
import pytest
import torch
import yaml

from robot_policies.catalog import load_robot
from robot_policies.interface import Observation
from robot_policies.interface.observation import COMMAND, IMU, STATE, VELOCITY_COMMAND
from robot_policies.policies.checkpoint import read_checkpoint
from robot_policies.policies.locate import find_checkpoint
from robot_policies.policies.runtime import LerobotRuntime
from robot_policies.skills.mixing.layers import LowRank
from robot_policies.skills.package.base import read_base
from robot_policies.skills.package.skill import pack

FOLDER = find_checkpoint("uni_o4/go1_walk")
ROUNDING = 5e-6  # rad; float32, summed in another order


def episode(spec, steps=30, seed=0):
    """Observations of a robot that is shaken, told to stand and told to walk."""
    go1, rng = load_robot("go1"), np.random.default_rng(seed)
    measured = [f"{joint}.pos" for joint in go1.joint_names]
    measured += [f"{joint}.vel" for joint in go1.joint_names]
    order = [measured.index(name) for name in spec[STATE].names]
    for k in range(steps):
        joints = np.concatenate([go1.default + rng.normal(0, 0.2, 12), rng.normal(0, 3, 12)])
        turn = np.append(rng.normal(0, 0.2, 3), 1.0)
        values = {
            STATE: joints[order].astype(np.float32),
            IMU: np.append(turn / np.linalg.norm(turn), rng.normal(0, 2, 6)).astype(np.float32),
            VELOCITY_COMMAND: np.float32([0.5, 0.1, -0.4]) * (k % 10 > 4),
            COMMAND: np.float32(go1.default + rng.normal(0, 0.2, 12)),
        }
        yield Observation(values, dict.fromkeys(values, 0.02 * k))


def through_lerobot(folder, observations):
    """The checkpoint as LeRobot itself runs it: its pipelines around `select_action`."""
    parts = read_checkpoint(folder, "cpu")
    parts.policy.reset()
    for observation in observations:
        batch = {name: torch.tensor(observation[name])[None] for name in observation}
        action = parts.policy.select_action(parts.preprocessor(batch))
        yield parts.postprocessor(action)[0].double().numpy()


@pytest.fixture
def runtime():
    return LerobotRuntime(FOLDER)


def refuse(*arguments, **options):
    raise AssertionError("the network was called")


def test_the_answers_are_those_of_lerobots_pipelines(runtime, monkeypatch):
    monkeypatch.setattr(runtime.checkpoint.policy, "select_action", refuse)
    observations = list(episode(runtime.observation_spec))
    for observation, expected in zip(
        observations, through_lerobot(FOLDER, observations), strict=True
    ):
        answered = runtime.act(observation).values[0]
        np.testing.assert_allclose(answered, expected, rtol=0, atol=ROUNDING)


def test_units_of_the_contract_are_converted_on_both_sides(tmp_path, runtime):
    folder = shutil.copytree(FOLDER, tmp_path / "degrees")
    contract = yaml.safe_load((folder / "contract.yaml").read_text())
    contract["action"]["unit"] = "deg"
    contract["observation"][STATE]["unit"] = ["deg"] * 12 + ["deg/s"] * 12
    contract["observation"][COMMAND]["unit"] = "deg"
    (folder / "contract.yaml").write_text(yaml.safe_dump(contract))
    in_degrees = LerobotRuntime(folder)
    observation = next(episode(runtime.observation_spec))
    turned = {name: observation[name] for name in observation}
    turned[STATE] = np.radians(observation[STATE], dtype=np.float32)
    turned[COMMAND] = np.radians(observation[COMMAND], dtype=np.float32)
    np.testing.assert_allclose(
        in_degrees.act(Observation(turned, observation.stamps)).values,
        np.radians(runtime.act(observation).values),
        rtol=0,
        atol=ROUNDING,
    )


def test_a_skill_that_comes_and_goes_finds_the_same_memory(runtime, tmp_path):
    """Torch answers while there is a skill; without its effect, nobody can tell."""
    base = read_base(FOLDER, "uni_o4/go1_walk")
    nothing = {
        layer: LowRank(torch.zeros(2, inputs), torch.zeros(outputs, 2), 1.0)
        for layer, (outputs, inputs) in base.layers.items()
        if layer.startswith("actor")
    }
    skill = str(pack(tmp_path / "skill", base, "nothing", "1.0.0", adapter=nothing).folder)
    ensembles = {10: runtime.skills.prepare([skill], [1.0]), 15: runtime.skills.prepare([], [])}
    answered_by_torch = []
    observations = list(episode(runtime.observation_spec, 50))
    for k, expected in enumerate(through_lerobot(FOLDER, observations)):
        if k in ensembles:
            runtime.skills.put(ensembles[k])
        answered = runtime.act(observations[k]).values[0]
        if isinstance(runtime.checkpoint.policy.memory.command, torch.Tensor):
            answered_by_torch.append(k)
        np.testing.assert_allclose(answered, expected, rtol=0, atol=ROUNDING)
    assert answered_by_torch[0] == 10
    assert 15 < answered_by_torch[-1] < 49  # it faded first


def test_a_policy_that_explores_is_answered_by_torch(tmp_path):
    folder = shutil.copytree(FOLDER, tmp_path / "exploring")
    text = (folder / "config.json").read_text()
    assert '"exploration": 0.0' in text
    (folder / "config.json").write_text(text.replace('"exploration": 0.0', '"exploration": 0.3'))
    exploring = LerobotRuntime(folder)
    observation = next(episode(exploring.observation_spec))
    first = exploring.act(observation).values
    exploring.reset(1)
    second = exploring.act(observation).values
    assert (first != second).any()
