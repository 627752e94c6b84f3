"""Half precision: near to full precision, or one line before anything moves."""

import numpy as np
import pytest
import torch
from lerobot_checkpoints import write

from robot_policies.catalog import load_robot
from robot_policies.interface import CheckpointError, ConfigError
from robot_policies.policies.catalog import load_policy
from robot_policies.policies.precision import HALF, find_half
from robot_policies.policies.runtime import LerobotRuntime

ROBOT = load_robot("so101")
STEP = {"bfloat16": 2.0**-8, "float16": 2.0**-11}  # of rounding, relative
ROUNDINGS = 4  # that add up in these small networks
DEGREES = 6.0  # that their answers lie off the default pose


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return a way to make a checkpoint once."""
    made = {}

    def written(form: str) -> str:
        if form not in made:
            folder = tmp_path_factory.mktemp("half") / form.replace(" ", "_")
            made[form] = str(write(folder, form, ROBOT.joint_names, "so101"))
        return made[form]

    return written


def answer(name: str, dtype: str) -> np.ndarray:
    policy = load_policy(name, dtype=dtype)
    policy.reset(1)
    return policy.act(policy.observation_spec.example(np.random.default_rng(0))).values


@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("form", ["act ensemble", "vqbet"])  # diffusion draws other noise then
def test_an_answer_in_half_precision_is_near_that_in_full(written, form, dtype):
    full, half = (np.rad2deg(answer(written(form), each)) for each in ("float32", dtype))
    off = float(np.abs(half - full).max())
    assert 0.0 < off < ROUNDINGS * STEP[dtype] * DEGREES, f"{form} in {dtype}: {off} degrees"


@pytest.mark.parametrize("dtype", HALF)
def test_a_policy_that_answers_without_torch_is_computed_by_torch_then(dtype):
    full, half = (answer("uni_o4/go1_walk", each) for each in ("auto", dtype))
    off = float(np.abs(half - full).max())
    assert 0.0 < off < ROUNDINGS * STEP[dtype], f"{off} rad"


def test_a_checkpoint_is_computed_as_it_was_trained_unless_somebody_says_otherwise():
    assert find_half("auto", "cuda:0", mixed=True) is torch.float16
    for device, mixed in (("cuda:0", False), ("cpu", True), ("mps", True)):
        assert find_half("auto", device, mixed) is None
    assert find_half("float32", "cuda:0", mixed=True) is None
    assert find_half("bfloat16", "cpu", mixed=False) is torch.bfloat16


def test_a_precision_that_there_is_not_is_one_line():
    with pytest.raises(ConfigError, match="no dtype 'bfloat'. Did you mean 'bfloat16'"):
        find_half("bfloat", "cpu", mixed=False)


def test_a_device_without_it_is_one_line(monkeypatch):
    def unable(kind, dtype):  # as torch says it of a GPU of before 2020
        raise RuntimeError("Current CUDA Device does not support bfloat16.\nPlease switch dtype")

    monkeypatch.setattr(torch, "autocast", unable)
    message = "device 'cuda:0' does not compute in bfloat16: Current CUDA [^\n]*$"
    with pytest.raises(ConfigError, match=message):
        find_half("bfloat16", "cuda:0", mixed=False)


def failing(*arguments):
    raise RuntimeError('"linalg_inv" not implemented\nfor BFloat16')


def overflowing(batches):
    return torch.full((1, 8, 6), torch.inf)


@pytest.mark.parametrize(
    ("ask", "message"),
    [(failing, '"linalg_inv" not implemented for BFloat16'), (overflowing, "is not finite")],
    ids=["an operation", "its range"],
)
def test_a_policy_that_cannot_is_refused_when_it_is_loaded(written, monkeypatch, ask, message):
    monkeypatch.setattr("robot_policies.policies.runtime.asking", lambda *parts: ask)
    name = written("act ensemble")
    LerobotRuntime(load_policy(name).checkpoint.folder)  # nothing is asked in full precision
    with pytest.raises(CheckpointError, match=f"does not answer in bfloat16: .*{message}"):
        load_policy(name, dtype="bfloat16")
