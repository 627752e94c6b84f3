"""Language models of `transformers`, made here with random weights, as the policy's network."""

import json
import shutil

import numpy as np
import pytest
import torch
from transformers import (
    GemmaConfig,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessor,
    SiglipImageProcessor,
    SiglipVisionConfig,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
    SmolVLMImageProcessor,
)

from robot_policies.interface import CheckpointError, ConfigError
from robot_policies.policies.grape.words import make_tokenizer
from robot_policies.policies.runtime import LerobotRuntime

WORDS = ["<image>", "blue", "cube", "on", "pad", "pink", "put", "the", "what"]
TEXT = {
    "vocab_size": 16,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
}
VISION = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 24,
    "patch_size": 4,
}


def smolvlm():
    text = {**TEXT, "model_type": "llama", "pad_token_id": 0}
    config = SmolVLMConfig(
        vision_config=VISION, text_config=text, image_token_id=1, scale_factor=2, pad_token_id=0
    )
    size = {"longest_edge": 24}
    scaled = SmolVLMImageProcessor(size=size, max_image_size=size, do_image_splitting=True)
    return SmolVLMForConditionalGeneration(config), scaled


def paligemma():
    text = GemmaConfig(**TEXT, head_dim=16, pad_token_id=0)
    vision = SiglipVisionConfig(**VISION, vision_use_head=False)
    config = PaliGemmaConfig(
        text_config=text, vision_config=vision, projection_dim=32, image_token_index=1
    )
    return PaliGemmaForConditionalGeneration(config), SiglipImageProcessor(
        size={"height": 24, "width": 24}
    )


def qwen2_vl():
    vision = {
        "depth": 1,
        "embed_dim": 32,
        "hidden_size": 32,
        "num_heads": 2,
        "mlp_ratio": 2,
        "patch_size": 4,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
    }
    rope = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10000.0}
    text = {**TEXT, "rope_parameters": rope, "pad_token_id": 0}
    config = Qwen2VLConfig(text_config=text, vision_config=vision, image_token_id=1)
    scaled = Qwen2VLImageProcessor(
        patch_size=4, merge_size=2, temporal_patch_size=2, min_pixels=24 * 24, max_pixels=24 * 24
    )
    return Qwen2VLForConditionalGeneration(config), scaled


@pytest.fixture(params=[smolvlm, paligemma, qwen2_vl])
def source(request, tmp_path):
    """A folder as the hub has them."""
    torch.manual_seed(0)
    folder = tmp_path / "model"
    for part in (*request.param(), make_tokenizer(WORDS)):
        part.save_pretrained(folder)
    return folder


def test_a_checkpoint_of_any_model_holds_everything(make_policy, save, source, tmp_path):
    options = {"vlm_source": str(source), "words": [], "bins": 256, "decoding": "autoregressive"}
    made = make_policy(**options)
    rows = made[0].reader.vlm.get_input_embeddings().weight.shape[0]
    assert rows == 16 + 256
    folder = save(tmp_path / "made", *made)
    shutil.rmtree(source)
    assert json.loads((folder / "config.json").read_text())["vlm_source"] == ""
    runtime = LerobotRuntime(folder)
    example = runtime.observation_spec.example(np.random.default_rng(0))
    example = type(example)({**example, "task": "put the cube on the pad"}, example.stamps)
    assert runtime.act(example).values.shape == (1, 7)
    policy, batch = runtime.checkpoint.policy, runtime.prepare(example)
    uniform = torch.rand(1, 4, generator=torch.Generator().manual_seed(1))
    tokens, scores = policy.decode(batch, uniform, 1.0)
    assert 0 <= int(tokens.min()) <= int(tokens.max()) < 256
    with torch.no_grad():
        again = policy.log_likelihood(batch, tokens)
        same = made[0].log_likelihood(batch, tokens)
        dark = {**batch, policy.config.camera: torch.zeros_like(batch[policy.config.camera])}
        unseen = policy.log_likelihood(dark, tokens)
    torch.testing.assert_close(again, scores, atol=1e-5, rtol=0.0)
    torch.testing.assert_close(again, same, atol=1e-5, rtol=0.0)
    assert not torch.allclose(again, unseen, atol=1e-6), "it looks at its camera"


@pytest.mark.parametrize("source", [smolvlm], indirect=True)
def test_openvlas_conventions(make_policy, save, source, tmp_path):
    options = {"vlm_source": str(source), "words": [], "bins": 8, "decoding": "autoregressive"}
    made = make_policy(**options, convention="openvla", max_words=24)
    policy, before, after = made
    assert policy.reader.vlm.get_input_embeddings().weight.shape[0] == 16, "no token is added"
    # Ten words: ids 2 to 9 are actions; bin 7 is the last edge alone, as of OpenVLA.
    assert policy.reader.first == 2
    action = torch.tensor([[-1.0, -0.5, 0.0, 0.0, 0.0, 0.0, 1.0]])
    tokens = policy.tokens_of(action)
    assert (policy.reader.first + tokens)[0, [0, 3]].tolist() == [9, 2]
    assert (policy.actions_of(tokens)[0, [0, 1, 2]] - action[0, :3]).abs().max() <= 1 / 7 + 1e-6
    folder = save(tmp_path / "made", *made)
    runtime = LerobotRuntime(folder)
    step = next(s for s in runtime.checkpoint.preprocessor.steps if hasattr(s, "input_tokenizer"))
    asked = step.input_tokenizer.backend_tokenizer.normalizer.normalize_str("Put the CUBE there")
    assert asked.lower() == "in  what action should the robot take to put the cube there \nout  "
    with pytest.raises(ConfigError, match="decoding must be autoregressive"):
        make_policy(**{**options, "decoding": "parallel"}, convention="openvla")
    with pytest.raises(ConfigError, match="Did you mean 'openvla'"):
        make_policy(convention="openvl")


@pytest.mark.parametrize("source", [smolvlm], indirect=True)
def test_code_of_a_hub_is_refused_and_what_is_missing_is_named(make_policy, source):
    about = source / "config.json"
    plain = about.read_text()
    about.write_text(json.dumps({**json.loads(plain), "auto_map": {"AutoConfig": "run.Me"}}))
    with pytest.raises(ConfigError, match=r"config.json names code \('auto_map'\)"):
        make_policy(vlm_source=str(source), words=[])
    about.write_text(plain)
    (source / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match="tokenizer.json is missing"):
        make_policy(vlm_source=str(source), words=[])
    (source / "preprocessor_config.json").unlink()
    with pytest.raises(CheckpointError, match="preprocessor_config.json is missing"):
        make_policy(vlm_source=str(source), words=[])
