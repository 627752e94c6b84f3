"""The policy: tokens, exact likelihoods, words, and a checkpoint that holds everything."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conformance import check_policy

from robot_policies.interface import ConfigError, ContractError
from robot_policies.policies.grape.alignment import align
from robot_policies.policies.grape.crowd import GrapeCrowd
from robot_policies.policies.grape.judging import score
from robot_policies.policies.grape.low_rank import add_low_rank, merge_low_rank, turn_low_rank
from robot_policies.policies.grape.objective import read_objective
from robot_policies.policies.grape.preferences import Pair
from robot_policies.policies.grape.settings import METHODS, AlignmentSettings
from robot_policies.policies.grape.steps import Steps
from robot_policies.policies.grape.tokens import Bins, OpenVlaBins
from robot_policies.policies.grape.trajectories import Trajectory
from robot_policies.policies.runtime import LerobotRuntime

ASKED = "put the cube on the blue pad"
POINTS = frozenset({"tip", "cube", "pad", "obstacle"})


def steps_of(count: int, task: str = ASKED, seed: int = 0) -> Steps:
    rng = torch.Generator().manual_seed(seed)
    return Steps(
        picture=torch.randint(0, 256, (count, 3, 24, 24), dtype=torch.uint8, generator=rng),
        state=torch.randn(count, 6, generator=rng),
        action=torch.cat(
            [
                0.01 * torch.randn(count, 3, generator=rng),
                torch.zeros(count, 3),
                torch.full((count, 1), 0.1),
            ],
            1,
        ),
        task=[task] * count,
        places=torch.rand(count, 4, generator=rng),
    )


def batch_of(steps: Steps, preprocessor) -> dict:
    return preprocessor(steps.batch(torch.arange(len(steps)), "observation.images.top"))


def test_a_token_is_half_a_bin_away_at_most():
    bins, values = Bins(256), torch.linspace(-1.0, 1.0, 1001)
    assert (bins.decode(bins.encode(values)) - values).abs().max() <= 1.0 / 256 + 1e-6
    assert bins.encode(torch.tensor([-9.0, 9.0])).tolist() == [0, 255]


def test_openvla_ids_go_there_and_back():
    bins = OpenVlaBins()
    assert bins.encode(torch.tensor([-1.0, 1.0])).tolist() == [31999, 31744]
    values = torch.linspace(-1.0, 1.0, 1001)
    assert (bins.decode(bins.encode(values)) - values).abs().max() <= 1.0 / 255 + 1e-6
    # the two last ids are one bin
    assert bins.decode(torch.tensor([31744])) == bins.decode(torch.tensor([31745]))


@pytest.mark.parametrize("decoding", ["parallel", "autoregressive"])
def test_what_was_sampled_has_the_probability_it_was_sampled_with(make_policy, decoding):
    policy, preprocessor, _ = make_policy(decoding=decoding)
    batch = batch_of(steps_of(5), preprocessor)
    uniform = torch.rand(5, 4, generator=torch.Generator().manual_seed(1))
    tokens, scores = policy.decode(batch, uniform, 1.0)
    with torch.no_grad():
        again = policy.log_likelihood(batch, tokens)
    torch.testing.assert_close(again, scores, atol=1e-5, rtol=0.0)
    assert tokens.unique().numel() > 4
    # all tokens of one element together have probability 1, given those before
    every = tokens[:1].repeat(16, 1)
    every[:, -1] = torch.arange(16)
    rows = {k: v[:1].expand(16, *v.shape[1:]) for k, v in batch.items() if torch.is_tensor(v)}
    with torch.no_grad():
        total = policy.log_likelihood(rows, every)[:, -1].exp().sum()
    assert float(total) == pytest.approx(1.0, abs=1e-5)


def test_tokens_after_each_other_read_those_before(make_policy):
    policy, preprocessor, _ = make_policy(decoding="autoregressive")
    batch = batch_of(steps_of(1), preprocessor)
    one, other = torch.zeros(1, 4, dtype=torch.long), torch.tensor([[9, 0, 0, 0]])
    with torch.no_grad():
        first, second = policy.log_likelihood(batch, one), policy.log_likelihood(batch, other)
    assert not torch.allclose(first[:, 1:], second[:, 1:])


def test_a_row_is_answered_the_same_in_any_batch(make_policy):
    policy, preprocessor, _ = make_policy()
    batch = batch_of(steps_of(6), preprocessor)
    uniform = torch.rand(6, 4)
    together, _ = policy.decode(batch, uniform, 1.0)
    for row in range(6):
        alone = {k: v[row : row + 1] for k, v in batch.items() if torch.is_tensor(v)}
        assert policy.decode(alone, uniform[row : row + 1], 1.0)[0].tolist() == [
            together[row].tolist()
        ]


def test_elements_that_never_varied_come_back_as_they_were(make_policy):
    policy, _, postprocessor = make_policy()
    action = postprocessor(policy.actions_of(torch.tensor([[0, 8, 15, 15]])))
    assert action[0, 3:6].tolist() == [0.0, 0.0, 0.0]
    assert float(action[0, 0]) == pytest.approx(-0.02 + 0.05 / 32)
    assert float(action[0, 6]) == pytest.approx(0.6 - 0.5 / 32)


def test_recorded_actions_come_back_within_half_a_bin_of_their_quantiles(make_policy):
    policy, preprocessor, postprocessor = make_policy(bins=256)
    steps = steps_of(50)
    batch = batch_of(steps, preprocessor)
    again = postprocessor(policy.actions_of(policy.tokens_of(batch["action"])))
    stats = next(step.stats for step in postprocessor.steps if hasattr(step, "stats"))["action"]
    low, high = (torch.as_tensor(stats[name], dtype=torch.float32) for name in ("q01", "q99"))
    within, half = steps.action.clamp(low, high), (high - low) / 2 / 256
    assert ((again - within).abs() <= half + 1e-6).all()


def test_a_token_that_is_no_action_is_refused(make_policy):
    policy, preprocessor, _ = make_policy()
    batch = batch_of(steps_of(1), preprocessor)
    for token in (16, -1):
        with pytest.raises(ContractError, match=f"token {token} is no action; there are 0 to 15"):
            policy.log_likelihood(batch, torch.tensor([[0, token, 0, 0]]))


def test_imitation_learns_a_batch_by_heart(make_policy):
    policy, preprocessor, _ = make_policy()
    batch = batch_of(steps_of(8), preprocessor)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=3e-3)
    first, _ = policy(batch)
    for _ in range(40):
        loss, log = policy(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.3 * first.item()
    assert log["token_loss"] < 1.0
    places = policy.where(batch)
    assert places.shape == (8, 6)


def test_the_named_thing_is_found_by_its_words(make_policy):
    policy, preprocessor, _ = make_policy()
    for task, columns in (("on the blue pad", slice(0, 2)), ("on the pink pad", slice(2, 4))):
        batch = batch_of(steps_of(2, task), preprocessor)
        places = batch["observation.environment_state"]
        torch.testing.assert_close(policy.places_of(batch)[:, :2], places[:, columns])
    with pytest.raises(ContractError, match="must name one of"):
        policy.places_of(batch_of(steps_of(1, "put the cube"), preprocessor))


def test_a_checkpoint_holds_everything_and_keeps_the_contract(make_policy, save, tmp_path):
    folder = save(tmp_path / "made", *make_policy())
    runtime = LerobotRuntime(folder)
    assert runtime.observation_spec.vocabulary == (
        "blue",
        "cube",
        "on",
        "pad",
        "pink",
        "put",
        "the",
    )
    example = runtime.observation_spec.example(np.random.default_rng(0))
    spoken = replace_task(example, "Put the cube on the BLUE pad, the pink cube!")
    assert runtime.act(spoken).values.shape == (1, 7)
    with pytest.raises(ContractError, match="no word 'bleu'. Did you mean 'blue'"):
        runtime.act(replace_task(example, "put the cube on the bleu pad"))
    check_policy(runtime)


def test_a_crowd_samples_what_the_policy_alone_does(make_policy, save, tmp_path):
    folder = save(tmp_path / "made", *make_policy(temperature=1.0))
    alone, crowd = LerobotRuntime(folder), GrapeCrowd(folder)
    rng = np.random.default_rng(0)
    seen = [replace_task(alone.observation_spec.example(rng), ASKED) for _ in range(3)]
    alone.reset(5)
    expected = [alone.act(observation).values for observation in seen]
    crowd.reset_row(1, 5)
    crowd.reset_row(0, 9)
    for observation, values in zip(seen, expected, strict=True):
        chunk = crowd.act_together([0, 1], [observation, observation])[1]
        np.testing.assert_allclose(chunk.values, values, atol=1e-6)
    assert len(crowd.answers[1].tokens) == 3


def replace_task(observation, task: str):
    return type(observation)({**observation, "task": task}, observation.stamps)


def trajectory(policy, preprocessor, count: int, seed: int, start: int = 0) -> Trajectory:
    steps = steps_of(count, seed=seed)
    uniform = torch.rand(count, 4, generator=torch.Generator().manual_seed(seed))
    tokens, scores = policy.decode(batch_of(steps, preprocessor), uniform, 1.0)
    line = np.stack([np.full(count, 0.2), np.linspace(-0.1, 0.1, count), np.full(count, 0.05)], 1)
    still = np.tile([0.2, 0.0, 0.03], (count, 1))
    points = {"tip": line, "cube": line, "pad": still, "obstacle": still}
    return Trajectory(
        start,
        replace(steps, places=torch.empty(0)),
        tokens,
        scores.sum(1),
        points,
        np.zeros(count, bool),
        True,
        {},
    )


def test_additions_of_zero_are_the_reference_and_merge_into_the_weights(make_policy):
    policy, preprocessor, _ = make_policy()
    batch, tokens = batch_of(steps_of(3), preprocessor), torch.ones(3, 4, dtype=torch.long)
    names = set(policy.state_dict())
    with torch.no_grad():
        before = policy.log_likelihood(batch, tokens)
        trained = add_low_rank(policy.reader.vlm, rank=4, scale=2.0)
        torch.testing.assert_close(policy.log_likelihood(batch, tokens), before)
        for weight in trained:
            weight.add_(0.05 * torch.randn(weight.shape))
        moved = policy.log_likelihood(batch, tokens)
        merge_low_rank(policy.reader.vlm)
        torch.testing.assert_close(policy.log_likelihood(batch, tokens), moved, atol=1e-5, rtol=0)
    assert not torch.allclose(moved, before)
    assert set(policy.state_dict()) == names


@pytest.mark.parametrize("method", METHODS)
def test_every_method_moves_towards_the_chosen(make_policy, method):
    policy, preprocessor, _ = make_policy()
    good, bad = (trajectory(policy, preprocessor, n, s) for n, s in ((5, 1), (7, 2)))
    with torch.no_grad():
        before = [
            float((v * m).sum())
            for v, m in [score(policy, preprocessor, [t]) for t in (good, bad)]
        ]
    log: list = []
    settings = AlignmentSettings(method=method, rank=4, epochs=12, lr=3e-3)
    bad = replace(bad, success=False)
    align(
        policy,
        preprocessor,
        [Pair(good, bad, 1.0)],
        read_objective("success", POINTS),
        settings,
        [good, bad],
        log.append,
    )
    with torch.no_grad():
        after = [
            float((v * m).sum())
            for v, m in [score(policy, preprocessor, [t]) for t in (good, bad)]
        ]
    assert after[0] - before[0] > after[1] - before[1]
    assert after[0] > before[0]
    assert all(np.isfinite(entry["loss"]) for entry in log)


def test_turned_additions_are_taken_away(make_policy):
    """What is merged is the policy under the condition 1."""
    policy, preprocessor, _ = make_policy()
    vlm = policy.reader.vlm
    layer = vlm.model.text_model.layers[0].mlp.down_proj
    weight = layer.weight.detach().clone()
    add_low_rank(vlm, rank=4, scale=2.0)
    layer = vlm.model.text_model.layers[0].mlp.down_proj
    with torch.no_grad():
        layer.lora_B["default"].weight.normal_()
        seen = torch.randn(1, weight.shape[1])
        plain, more = seen @ weight.T, layer(seen)
        turn_low_rank(vlm)
        torch.testing.assert_close(layer(seen), 2.0 * plain - more)
        turn_low_rank(vlm)
        merge_low_rank(vlm)
        merged = vlm.model.text_model.layers[0].mlp.down_proj(seen)
        torch.testing.assert_close(merged, more, atol=1e-5, rtol=1e-5)


def test_numbers_that_cannot_be_are_refused(make_policy):
    for change, reason in (
        ({"bins": 1}, "bins must be >= 2"),
        ({"decoding": "paralel"}, "Did you mean 'parallel'"),
        ({"image_size": 25}, "whole patches"),
        ({"chunk_size": 2}, "chunk_size must be 1"),
    ):
        with pytest.raises(ConfigError, match=reason):
            make_policy(**change)
    with pytest.raises(ConfigError, match="Did you mean 'stage'"):
        AlignmentSettings(method="stag")
    with pytest.raises(ConfigError, match="lr must be a number"):
        AlignmentSettings(lr=0.0)
