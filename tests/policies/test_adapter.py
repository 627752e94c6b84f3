"""A LoRA folder of `lerobot-train --peft...` acts as LeRobot's own, on the base that is named."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from lerobot.policies import get_policy_class, make_pre_post_processors
from lerobot_checkpoints import write
from safetensors.torch import load_file, save_file

from robot_policies.catalog import load_robot
from robot_policies.interface import CheckpointError, Observation
from robot_policies.interface.observation import IMAGES, STATE
from robot_policies.policies.catalog import load_policy
from robot_policies.policies.migration import migrate

JOINTS = load_robot("so101").joint_names
TARGETS = {
    "names": ["linear1", "linear2", "action_head"],
    "pattern": r"model\.(decoder\.layers\..*linear1|action_head)",
}


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("base"), "act", JOINTS, "so101")


def tuned(base: Path, folder: Path, targets) -> Path:
    """What lerobot-train saves of a policy that was wrapped for peft, with weights of its own."""
    policy = get_policy_class("act").from_pretrained(base)
    policy.config.pretrained_path = Path("/nowhere/of/another/machine")
    model = policy.wrap_with_peft(
        peft_cli_overrides={"method_type": "LORA", "r": 4, "target_modules": targets}
    )
    torch.manual_seed(1)
    for name, weight in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weight, std=0.3)
    model.save_pretrained(folder, save_embedding_layers=False)
    model.config.save_pretrained(folder)
    for name in ("preprocessor", "postprocessor"):
        for path in base.glob(f"policy_{name}*"):
            shutil.copy(path, folder)
    shutil.copy(base / "contract.yaml", folder)
    return folder


def seen() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (48, 48, 3), dtype=np.uint8)
    return {STATE: rng.normal(0.0, 0.1, len(JOINTS)), f"{IMAGES}.top": picture}


def answer(policy) -> np.ndarray:
    values = seen()
    policy.reset(0)
    return policy.act(Observation(values, dict.fromkeys(values, 0.0))).values


def lerobots(base: Path, adapter: Path) -> np.ndarray:
    """The first action of LeRobot's own adapter. [rad]."""
    from peft import PeftModel

    policy = get_policy_class("act").from_pretrained(base)
    model = PeftModel.from_pretrained(policy, adapter).eval()
    before, after = make_pre_post_processors(model.config, pretrained_path=str(adapter))
    values = seen()
    picture = torch.from_numpy(values[f"{IMAGES}.top"]).permute(2, 0, 1)[None] / 255.0
    state = torch.from_numpy(np.rad2deg(values[STATE])).float()[None]
    with torch.inference_mode():
        row = after(model.select_action(before({STATE: state, f"{IMAGES}.top": picture})))
    return np.deg2rad(row[0].numpy())


@pytest.mark.parametrize("targets", TARGETS.values(), ids=TARGETS)
def test_an_adapter_acts_as_lerobots_own(base, tmp_path, targets):
    adapter = tuned(base, tmp_path, targets)
    ours = answer(load_policy(str(adapter), base=str(base)))
    np.testing.assert_allclose(ours[0], lerobots(base, adapter), atol=1e-5)
    plain = answer(load_policy(str(base)))
    assert np.abs(ours - plain).max() > 1e-3, "the adapter changes something"


def test_a_base_must_be_named_and_the_stored_path_is_only_shown(base, tmp_path):
    adapter = tuned(base, tmp_path, TARGETS["names"])
    with pytest.raises(CheckpointError, match=r"--base or base:=; .* on '/nowhere/of/another"):
        load_policy(str(adapter))
    with pytest.raises(CheckpointError, match="is a policy by itself: leave out the base"):
        load_policy(str(base), base=str(base))
    with pytest.raises(CheckpointError, match="is an adapter, expected the policy"):
        load_policy(str(adapter), base=str(adapter))


def test_a_base_of_another_type_or_size_is_refused(base, tmp_path):
    adapter = tuned(base, tmp_path / "adapter", TARGETS["names"])
    other = shutil.copytree(base, tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "type": "diffusion"}))
    with pytest.raises(CheckpointError, match="for act, the base .*other is diffusion"):
        load_policy(str(adapter), base=str(other))
    (other / "config.json").write_text(json.dumps(config))
    weights = load_file(other / "model.safetensors")
    weights["model.action_head.weight"] = torch.zeros(6, 8)
    save_file(weights, other / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"action_head\.weight"):
        load_policy(str(adapter), base=str(other))


@pytest.mark.filterwarnings("ignore")  # of the template of LeRobot's model card
def test_a_checkpoint_of_before_processors_migrates_without_a_network(base, tmp_path, monkeypatch):
    """As LeRobot wrote it before 0.4: statistics are buffers of the network."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    old = tmp_path / "old"
    old.mkdir()
    weights = load_file(base / "model.safetensors")
    stored = load_file(next(base.glob("policy_preprocessor_step_*.safetensors")))
    for where, name in (
        ("normalize_inputs", STATE),
        ("normalize_inputs", f"{IMAGES}.top"),
        ("normalize_targets", "action"),
        ("unnormalize_outputs", "action"),
    ):
        buffer = f"{where}.buffer_{name.replace('.', '_')}"
        for kind in ("mean", "std"):
            weights[f"{buffer}.{kind}"] = stored[f"{name}.{kind}"].clone()
    save_file(weights, old / "model.safetensors")
    config = json.loads((base / "config.json").read_text())
    (old / "config.json").write_text(json.dumps(config))
    shutil.copy(base / "contract.yaml", old)
    with pytest.raises(CheckpointError, match=r"robot-policies migrate"):
        load_policy(str(old))
    migrated = migrate(old)
    assert migrated == tmp_path / "old_migrated"
    with pytest.raises(CheckpointError, match="exists; move it away"):
        migrate(old)
    np.testing.assert_allclose(
        answer(load_policy(str(migrated))), answer(load_policy(str(base))), atol=1e-6
    )
