"""Adapters written by peft load here, and ours load in peft: same outputs, both ways."""

import json

import pytest
import torch
from torch import nn

from robot_policies.skills.mixing.layers import SkillStack, linear_layers
from robot_policies.skills.mixing.mixer import SkillMixer
from robot_policies.skills.package.adapter import read_adapter, write_adapter

peft = pytest.importorskip("peft")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(5, 7)
        self.inner = nn.Sequential(nn.Linear(7, 7), nn.Mish(), nn.Linear(7, 3))

    def forward(self, x):
        return self.inner(torch.tanh(self.first(x)))


@pytest.fixture
def net():
    return Net().eval()


def sizes(net):
    return {name: (m.out_features, m.in_features) for name, m in linear_layers(net).items()}


def with_skill(net, adapter, x):
    mixer = SkillMixer(net)
    mixer.swap(SkillStack(net, {"s": adapter}), torch.ones(1))
    result = net(x)
    mixer.clear()
    return result


@pytest.mark.parametrize(
    "options",
    [
        {"r": 8, "lora_alpha": 128, "target_modules": "all-linear"},
        {"r": 4, "lora_alpha": 6, "target_modules": ["first", "inner.2"]},
        {"r": 4, "lora_alpha": 6, "target_modules": ["first"], "use_rslora": True},
        {"r": 2, "lora_alpha": 3, "target_modules": r"inner\.[02]"},
    ],
)
def test_what_peft_writes_loads_here(net, tmp_path, options):
    x = torch.randn(6, 5)
    base = net(x)
    state = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    model = peft.get_peft_model(net, peft.LoraConfig(init_lora_weights=False, **options))
    theirs = model.eval()(x).detach()
    model.save_pretrained(tmp_path)
    plain = Net().eval()
    plain.load_state_dict(state)
    ours = with_skill(plain, read_adapter(tmp_path, sizes(plain)), x)
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)
    assert (ours - base).abs().max() > 1e-3
    assert torch.equal(plain(x), base)


@pytest.mark.parametrize(("rank", "scale"), [(8, 16.0), (4, 0.375)])
def test_what_is_written_here_loads_in_peft(net, adapter, tmp_path, rank, scale):
    x = torch.randn(6, 5)
    skill = adapter(net, rank=rank, scale=scale, layers=["first", "inner.0"])
    ours = with_skill(net, skill, x)
    write_adapter(skill, tmp_path, "some/base")
    model = peft.PeftModel.from_pretrained(net, str(tmp_path)).eval()
    torch.testing.assert_close(model(x), ours, atol=1e-6, rtol=1e-5)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert config["lora_alpha"] / config["r"] == scale


def test_a_policy_of_lerobot_takes_static_skills(tmp_path):
    from lerobot.configs.types import FeatureType, PolicyFeature
    from lerobot.policies.act.configuration_act import ACTConfig
    from lerobot.policies.act.modeling_act import ACTPolicy

    config = ACTConfig(
        chunk_size=4,
        n_action_steps=4,
        dim_model=32,
        n_heads=2,
        dim_feedforward=32,
        n_encoder_layers=1,
        use_vae=False,
        pretrained_backbone_weights=None,
        input_features={
            "observation.state": PolicyFeature(FeatureType.STATE, (3,)),
            "observation.environment_state": PolicyFeature(FeatureType.ENV, (2,)),
        },
        output_features={"action": PolicyFeature(FeatureType.ACTION, (2,))},
        device="cpu",
    )
    policy = ACTPolicy(config).eval()
    batch = {
        "observation.state": torch.randn(1, 3),
        "observation.environment_state": torch.randn(1, 2),
    }
    before = policy.predict_action_chunk(batch)
    targets = ["linear1", "linear2", "action_head"]
    lora = peft.LoraConfig(r=4, lora_alpha=8, target_modules=targets, init_lora_weights=False)
    state = {name: tensor.clone() for name, tensor in policy.state_dict().items()}
    model = peft.get_peft_model(policy, lora).eval()
    theirs = model.base_model.model.predict_action_chunk(batch)
    model.save_pretrained(tmp_path)
    policy = ACTPolicy(config).eval()
    policy.load_state_dict(state)
    mixer = SkillMixer(policy)
    skill = read_adapter(tmp_path, sizes(policy))
    mixer.swap(SkillStack(policy, {"s": skill}), torch.ones(1))
    torch.testing.assert_close(policy.predict_action_chunk(batch), theirs, atol=1e-5, rtol=1e-4)
    mixer.clear()
    assert torch.equal(policy.predict_action_chunk(batch), before)
