"""Skills of policies other than psec, through the command line: LeRobot's ACT, and act_jepa."""

import json

import numpy as np
import pytest
import torch
import yaml
from lerobot.configs.types import FeatureType, PolicyFeature
from lerobot.policies import make_pre_post_processors
from lerobot.policies.act.configuration_act import ACTConfig
from lerobot.policies.act.modeling_act import ACTPolicy

from robot_policies.catalog import load_robot
from robot_policies.cli.app import main
from robot_policies.interface import Observation
from robot_policies.policies.act_jepa import ActJepaConfig
from robot_policies.policies.act_jepa.modeling_act_jepa import ActJepaPolicy
from robot_policies.policies.runtime import LerobotRuntime
from robot_policies.skills.mixing.layers import linear_layers

peft = pytest.importorskip("peft")

ROBOT = load_robot("so101")
JOINTS = list(ROBOT.joint_names)
STATE, ENV, IMAGE = (
    f"observation.{name}" for name in ("state", "environment_state", "images.wrist")
)
SIZE = {"dim_model": 32, "n_heads": 2, "dim_feedforward": 32, "n_encoder_layers": 1}
SIZE |= {"chunk_size": 4, "n_action_steps": 4, "pretrained_backbone_weights": None}
ACT = {"use_vae": False}
JEPA = {
    "vision_backbone": "keypoints",
    "predictor_dim": 16,
    "predictor_feedforward": 32,
    "n_predictor_layers": 1,
}


def make_policy(kind):
    inputs = {STATE: PolicyFeature(FeatureType.STATE, (6,))}
    if kind == "act":
        inputs[ENV] = PolicyFeature(FeatureType.ENV, (2,))
    else:
        inputs[IMAGE] = PolicyFeature(FeatureType.VISUAL, (3, 16, 24))
    outputs = {"action": PolicyFeature(FeatureType.ACTION, (6,))}
    shared = {**SIZE, "input_features": inputs, "output_features": outputs, "device": "cpu"}
    if kind == "act":
        return ACTPolicy(ACTConfig(**shared, **ACT)).eval()
    return ActJepaPolicy(ActJepaConfig(**shared, **JEPA)).eval()


def write_base(kind, folder, seed=0):
    torch.manual_seed(seed)
    policy = make_policy(kind)
    policy.save_pretrained(folder)
    widths = {STATE: 6, ENV: 2, "action": 6}
    statistics = {
        name: {"mean": torch.zeros(width), "std": torch.ones(width)}
        for name, width in widths.items()
    }
    statistics[IMAGE] = {"mean": torch.zeros(3, 1, 1), "std": torch.ones(3, 1, 1)}
    for pipeline in make_pre_post_processors(policy.config, dataset_stats=statistics):
        pipeline.save_pretrained(folder)
    observation = {STATE: {"names": [f"{joint}.pos" for joint in JOINTS], "unit": "rad"}}
    if kind == "act":
        observation[ENV] = {"names": ["goal.x", "goal.y"], "unit": "m"}
    action = {"kind": "joint_position", "names": JOINTS, "unit": "rad"}
    contract = {"robot": "so101", "dt": 0.05, "observation": observation, "action": action}
    (folder / "contract.yaml").write_text(yaml.safe_dump(contract))
    return policy


def write_adapter(policy, folder, seed=1):
    """Write what `lerobot-train --peft` would: peft's two files, here of a random adapter."""
    torch.manual_seed(seed)
    options = {"target_modules": list(linear_layers(policy)), "init_lora_weights": False}
    peft.get_peft_model(policy, peft.LoraConfig(r=4, lora_alpha=8, **options)).save_pretrained(
        folder
    )


@pytest.mark.parametrize("kind", ["act", "act_jepa"])
def test_an_adapter_of_peft_becomes_a_skill_that_comes_and_goes(
    kind, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("ROBOT_POLICIES_SKILLS", str(tmp_path / "library"))
    base = tmp_path / "base"
    write_adapter(write_base(kind, base), tmp_path / "adapter")
    write_adapter(write_base(kind, base), tmp_path / "second", seed=2)
    for name, source in (("gentle", "adapter"), ("swift", "second")):
        assert (
            main(["skill", "add", str(tmp_path / source), "--base", str(base), "--name", name])
            == 0
        )
    assert main(["skill", "verify", "gentle", "--base", str(base)]) == 0
    words = ["skill", "compose", "both", "--base", str(base), "--skill", "gentle"]
    words += ["--skill", "swift", "--weight", "0.5", "--weight", "0.25", "--json", "-"]
    capsys.readouterr()
    assert main(words) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["kind"] == "fixed"
    assert made["weights"] == [0.5, 0.25]
    assert not made["interference"][0]["duplicate"]

    runtime = LerobotRuntime(base)
    said = runtime.observation_spec.example(np.random.default_rng(0))
    said = Observation(dict(said), {name: 0.0 for name in said})
    runtime.reset(0)
    alone = runtime.act(said).values
    skills = runtime.skills
    answers = []
    for names, weights in ((["gentle", "swift"], [0.5, 0.25]), (["gentle", "swift"], [])):
        skills.put(skills.prepare(names, weights))  # fixed, then Arrow
        runtime.reset(0)
        answers.append(runtime.act(said).values)
        assert np.isfinite(answers[-1]).all()
    assert not np.allclose(answers[0], alone)
    assert not np.allclose(answers[0], answers[1])
    skills.put(skills.prepare([], []))
    runtime.reset(0)
    assert (runtime.act(said).values == alone).all()

    write_base(kind, tmp_path / "other", seed=5)
    assert main(["skill", "verify", "gentle", "--base", str(tmp_path / "other")]) == 1
    assert "another base" in " ".join(capsys.readouterr().out.split())
