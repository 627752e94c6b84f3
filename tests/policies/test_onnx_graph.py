"""A policy whose network was exported answers as before, and anything else is refused."""

import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from robot_policies.cli.app import main
from robot_policies.interface import CheckpointError, ConfigError
from robot_policies.policies.catalog import load_policy
from robot_policies.policies.exporting import export_policy
from robot_policies.policies.locate import find_checkpoint
from robot_policies.policies.onnx_graph import GRAPH

WALK = "uni_o4/go1_walk"
ROUNDING = {WALK: 1e-5, "act_jepa/tabletop_place": 1e-4}  # rad; float32, summed in another order


@pytest.fixture(scope="module", params=ROUNDING)
def exported(request, tmp_path_factory):
    out = tmp_path_factory.mktemp("exported") / "policy"
    found = export_policy(find_checkpoint(request.param), out, examples=2)
    assert found.difference < 1e-4
    return request.param, out


def test_it_answers_as_torch_does(exported):
    name, out = exported
    before, after = load_policy(name), load_policy(str(out))
    rng = np.random.default_rng(5)
    for step in range(5):
        observation = before.observation_spec.example(rng, 0.02 * step)
        wanted, got = (policy.act(observation).values for policy in (before, after))
        np.testing.assert_allclose(got, wanted, atol=ROUNDING[name])


def test_torch_no_longer_computes(exported):
    _, out = exported
    policy = load_policy(str(out))
    for weight in policy.checkpoint.policy.parameters():
        weight.data.fill_(torch.nan)
    chunk = policy.act(policy.observation_spec.example(np.random.default_rng(0)))
    assert np.isfinite(chunk.values).all()


def test_skills_are_refused_where_weights_are_fixed(exported):
    _, out = exported
    with pytest.raises(ConfigError, match="has fixed weights"):
        load_policy(str(out)).skills.prepare(["/a/skill"], [1.0])


def test_a_graph_of_other_weights_is_refused(tmp_path):
    export_policy(find_checkpoint(WALK), tmp_path / "out", examples=1)
    weights = load_file(tmp_path / "out" / "model.safetensors")
    weights["actor.net.0.bias"] += 0.1
    save_file(weights, tmp_path / "out" / "model.safetensors")
    with pytest.raises(CheckpointError, match="it is of other weights"):
        load_policy(str(tmp_path / "out"))


def test_a_graph_of_another_network_is_refused(exported, tmp_path):
    name, out = exported
    other = find_checkpoint("act_jepa/tabletop_place" if name == WALK else WALK)
    shutil.copytree(other, tmp_path / "mixed")
    shutil.copy(out / GRAPH, tmp_path / "mixed")
    with pytest.raises(CheckpointError, match=r"network\.onnx is of another network"):
        load_policy(str(tmp_path / "mixed"))


def test_a_policy_that_cannot_is_told_in_one_line(tmp_path, capsys):
    words = ["export", "--policy", "psec/arm", "--out", str(tmp_path / "out")]
    assert main(words) == 3
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "'psec' cannot be exported to ONNX; these types can: act, act_jepa, uni_o4" in said
    assert not (tmp_path / "out").exists()


def test_a_format_that_is_none(tmp_path, capsys):
    words = ["export", "--policy", WALK, "--out", str(tmp_path / "out"), "--to", "onyx"]
    assert main(words) == 2
    assert "no format 'onyx'. Did you mean 'onnx'" in capsys.readouterr().err
