"""What makes the method the method; each rule its own test."""

import copy

import pytest
import torch

from robot_policies.interface import ConfigError, ContractError
from robot_policies.policies.act_jepa import ActJepaConfig
from robot_policies.policies.act_jepa.losses import latent_spread, masked_l1, momentum


def gradients(policy, batch):
    policy.zero_grad()
    loss, log = policy.forward(batch)
    loss.backward()
    return loss.detach(), log, [p.grad.clone() for p in policy.parameters() if p.grad is not None]


def test_target_encoder_is_not_trained(policy, batch):
    made = policy()
    made.forward(batch())[0].backward()
    target = set(made.training_parts.world.target.parameters())
    trained = {p for group in made.get_optim_params() for p in group["params"]}
    assert target
    assert not target & trained
    assert all(p.grad is None for p in target)
    assert trained == set(made.parameters()) - target


def test_target_encoder_starts_as_a_copy_and_stays_without_dropout(policy):
    made = policy(dropout=0.5)
    target = made.training_parts.world.target
    pairs = zip(target.sequence.parameters(), made.context.sequence.parameters(), strict=True)
    assert all(torch.equal(mine, theirs) for mine, theirs in pairs)
    assert not any(module.training for module in target.modules())


def test_one_update_moves_the_target_by_the_momentum_exactly(policy):
    made = policy(total_steps=10)
    parts = made.training_parts
    with torch.no_grad():
        for parameter in made.context.parameters():
            parameter.add_(1.0)
    before = [p.clone() for p in parts.world.target.sequence.parameters()]
    made.update()
    context = made.context.sequence.parameters()
    for old, new, theirs in zip(
        before, parts.world.target.sequence.parameters(), context, strict=True
    ):
        expected = (old * 0.996).add(theirs, alpha=1.0 - 0.996)
        assert torch.equal(new, expected)
    assert int(parts.step) == 1


def test_momentum_rises_linearly_from_its_start_to_one():
    assert momentum(0, 0.996, 1.0, 100) == 0.996
    assert momentum(50, 0.996, 1.0, 100) == pytest.approx(0.998)
    assert momentum(100, 0.996, 1.0, 100) == 1.0
    assert momentum(200, 0.996, 1.0, 100) == 1.0


def test_padded_tail_changes_neither_loss_nor_gradients(policy, batch):
    made, data = policy(), batch()
    data["action_is_pad"][1:, 2:] = True
    data["observation.state_is_pad"][1:, 2:] = True
    other = {key: value.clone() for key, value in data.items()}
    other["action"][1:, 2:] = 100.0
    other["observation.state"][1:, 2:] = -100.0
    loss, _, grads = gradients(made, data)
    other_loss, _, other_grads = gradients(made, other)
    assert torch.equal(loss, other_loss)
    assert all(torch.equal(a, b) for a, b in zip(grads, other_grads, strict=True))


def test_future_states_change_the_latent_loss_and_no_action(policy, batch):
    made, data = policy(), batch()
    other = {key: value.clone() for key, value in data.items()}
    other["observation.state"][:, 1:] += 1.0
    log, other_log = made.forward(data)[1], made.forward(other)[1]
    assert log["latent_loss"] != other_log["latent_loss"]
    assert log["action_loss"] == other_log["action_loss"]
    assert torch.equal(made.predict_action_chunk(data), made.predict_action_chunk(other))


def test_actions_need_neither_predictor_nor_target(policy, batch):
    made, data = policy(), batch()
    chunk = made.predict_action_chunk(data)
    bare = copy.deepcopy(made)
    bare.training_parts = None
    assert torch.equal(bare.predict_action_chunk(data), chunk)
    with pytest.raises(ConfigError, match="for_training"):
        bare.forward(data)


def test_latent_loss_is_zero_where_the_predictor_is_the_target(policy, batch, monkeypatch):
    made, data = policy(), batch()
    world = made.training_parts.world
    monkeypatch.setattr(world, "predict", lambda context, padding: world.target(data))
    assert made.forward(data)[1]["latent_loss"] == 0.0


def test_batch_without_any_action_has_a_finite_loss_and_no_gradient_of_the_head(policy, batch):
    made, data = policy(), batch()
    data["action_is_pad"][:] = True
    data["action"][:] = torch.nan
    loss, log, _ = gradients(made, data)
    assert torch.isfinite(loss)
    assert log["action_loss"] == 0.0
    assert all(not p.grad.any() for p in made.decoder.parameters())
    assert any(p.grad.any() for p in made.context.parameters())


def test_unlabelled_episodes_teach_the_world_model_alone(policy, batch):
    made, data = policy(labelled_episodes=[0, 1]), batch()
    log = made.forward(data)[1]
    other = {key: value.clone() for key, value in data.items()}
    other["action"][2:] = torch.nan
    assert made.forward(other)[1] == log
    other["observation.state"][2:, 1:] += 1.0
    assert made.forward(other)[1]["latent_loss"] != log["latent_loss"]


def test_loss_is_the_mean_over_valid_steps_and_all_elements():
    prediction = torch.tensor([[[1.0, 2.0], [0.0, 0.0]], [[0.0, 0.0], [9.0, 9.0]]])
    target = torch.zeros(2, 2, 2)
    valid = torch.tensor([[True, True], [True, False]])
    assert masked_l1(prediction, target, valid).item() == pytest.approx(3.0 / 6.0)


def test_collapse_measures_on_hand_computed_latents():
    valid = torch.ones(4, 1, dtype=torch.bool)
    same = torch.ones(4, 1, 3)
    assert latent_spread(same, valid)[0] == 0.0
    line = torch.tensor([1.0, -1.0, 1.0, -1.0]).reshape(4, 1, 1) * torch.tensor([2.0, 0.0, 0.0])
    deviation, rank = latent_spread(line, valid)
    assert deviation.item() == pytest.approx(2.0 / 3.0)
    assert rank.item() == pytest.approx(1.0)
    square = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]).reshape(4, 1, 2)
    assert latent_spread(square, valid)[1].item() == pytest.approx(2.0)


def test_collapse_is_said_once_in_the_log(policy, batch, caplog):
    made, data = policy(alarm_rank=1000.0), batch()
    made.forward(data)
    made.forward(data)
    assert caplog.text.count("may have collapsed") == 1


def test_baseline_builds_no_world_model_and_answers_alike(policy, batch):
    joint, act = policy(), policy(objective="act")
    assert act.training_parts.world is None
    assert act.config.observation_delta_indices is None
    act.context.load_state_dict(joint.context.state_dict())
    act.decoder.load_state_dict(joint.decoder.state_dict())
    data = batch()
    loss, log = act.forward({**data, "observation.state": data["observation.state"][:, 0]})
    assert log.keys() == {"action_loss"}
    assert loss.item() == joint.forward(data)[1]["action_loss"]


def test_pretraining_learns_no_action_and_answers_none(policy, batch):
    made = policy(objective="pretrain")
    loss, log = made.forward(batch())
    loss.backward()
    assert loss.item() == log["latent_loss"]
    assert all(p.grad is None for p in made.decoder.parameters())
    with pytest.raises(ContractError, match="without actions"):
        made.predict_action_chunk(batch())


def test_frozen_stage_trains_the_action_decoder_alone(policy, batch):
    made = policy(objective="frozen", dropout=0.5)
    trained = {p for group in made.get_optim_params() for p in group["params"]}
    assert trained == set(made.decoder.parameters())
    assert made.decoder.training
    assert not any(module.training for module in made.context.modules())
    made.forward(batch())[0].backward()
    assert all(p.grad is None for p in made.context.parameters())


def test_open_loop_chunk_is_used_up_before_the_next_is_predicted(policy, batch):
    made, data = policy(), batch(size=1)
    now = {**data, "observation.state": data["observation.state"][:, 0]}
    later = {**now, "observation.state": now["observation.state"] + 1.0}
    chunk = made.predict_action_chunk(now)
    assert torch.equal(made.select_action(now), chunk[:, 0])
    assert torch.equal(made.select_action(later), chunk[:, 1])
    assert torch.equal(made.select_action(later), made.predict_action_chunk(later)[:, 0])
    made.reset()
    assert torch.equal(made.select_action(now), chunk[:, 0])


def test_temporal_ensembling_weighs_the_oldest_most(policy, batch):
    made = policy(n_action_steps=1, temporal_ensemble_coeff=0.5)
    now = batch(size=1)
    later = {**now, "observation.state": now["observation.state"] + 1.0}
    first, second = made.predict_action_chunk(now), made.predict_action_chunk(later)
    made.select_action(now)
    weight = torch.exp(torch.tensor(-0.5))
    expected = (first[:, 1] + weight * second[:, 0]) / (1.0 + weight)
    torch.testing.assert_close(made.select_action(later), expected)


@pytest.mark.parametrize("backbone", ["keypoints", "cnn", "resnet18"])
def test_several_cameras_are_seen_apart(policy, batch, backbone):
    made, data = policy(cameras=2, vision_backbone=backbone), batch(cameras=2)
    made.forward(data)[0].backward()
    swapped = {
        **data,
        "observation.images.0": data["observation.images.1"],
        "observation.images.1": data["observation.images.0"],
    }
    with torch.no_grad():
        made.context.camera[1] += 1.0
    assert not torch.equal(made.predict_action_chunk(data), made.predict_action_chunk(swapped))


def test_the_instruction_moves_the_keypoints_and_no_other_token_of_an_image(policy, batch):
    data = batch(cameras=1)
    image = data["observation.images.0"]
    for backbone, moves in (("keypoints", True), ("cnn", False)):
        vision = policy(cameras=1, vision_backbone=backbone, tasks=["red", "green"]).context.vision
        vision = vision.requires_grad_(requires_grad=False)[0]
        for name, parameter in vision.named_parameters():
            if name.startswith("asked_for"):
                torch.nn.init.normal_(parameter)  # zero at first
        one, other = (vision(image, task.expand(5, -1)) for task in torch.randn(2, 1, 32))
        assert torch.equal(one, other) != moves


def test_overfits_a_batch(policy, batch):
    made, data = policy(total_steps=150, hindsight_weight=0.0), batch()
    optimizer = torch.optim.AdamW(made.get_optim_params(), lr=3e-3)
    first = made.forward(data)[1]
    for _ in range(150):
        optimizer.zero_grad()
        made.forward(data)[0].backward()
        optimizer.step()
        made.update()
    last = made.forward(data)[1]
    assert last["action_loss"] < 0.3 * first["action_loss"]
    assert last["latent_loss"] < 0.7 * first["latent_loss"]


def test_paper_sizes():
    paper, small = ActJepaConfig.paper(), ActJepaConfig.small()
    assert (paper.dim_model, paper.n_encoder_layers, paper.chunk_size) == (512, 4, 30)
    assert (paper.predictor_dim, paper.n_predictor_layers, paper.momentum_start) == (128, 4, 0.996)
    assert small.dim_model < paper.dim_model


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"objective": "jiont"}, "Did you mean 'joint'"),
        ({"vision_backbone": "resnet"}, "Did you mean 'resnet18'"),
        ({"n_action_steps": 5}, "chunk_size = 4"),
        ({"temporal_ensemble_coeff": 0.01}, "n_action_steps must be 1"),
        ({"dim_model": 30}, "multiple of"),
        ({"momentum_start": 1.1}, "momentum"),
        ({"total_steps": 0}, "total_steps"),
    ],
)
def test_nonsense_is_refused(config, wrong, message):
    with pytest.raises(ConfigError, match=message):
        config(**wrong)
