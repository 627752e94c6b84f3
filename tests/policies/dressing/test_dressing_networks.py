"""PointNet++ and what is built of it, on clouds small enough to reason about."""

import math

import pytest
import torch
from torch import Tensor

from robot_policies.catalog import load_robot
from robot_policies.interface import ConfigError, UnknownNameError
from robot_policies.policies.dressing.configuration_dressing import HEADING, DressingConfig
from robot_policies.policies.dressing.losses import (
    critic_loss,
    imitation_loss,
    kl_loss,
    transport_loss,
)
from robot_policies.policies.dressing.modeling_dressing import DressingPolicy
from robot_policies.policies.dressing.networks import (
    DenseTransformation,
    DirectVector,
    TwinCritic,
)
from robot_policies.policies.dressing.point_net import farthest_points, interpolate

ARM = load_robot("xarm7")
CONFIG = DressingConfig.for_robot(ARM)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def cloud(rows: int = 3, points: int = 80, room: int = 128) -> Tensor:
    made = torch.zeros(rows, room, 7)
    made[:, :points, :3] = 0.15 * torch.randn(rows, points, 3)
    made[:, : points // 2, 3] = 1.0
    made[:, points // 2 : points, 4] = 1.0
    made[:, :points, 6] = 1.0
    made[:, -1, 5:] = 1.0
    return made


def test_the_grippers_row_is_that_of_the_dense_answer():
    actor, seen = DenseTransformation(CONFIG).eval(), cloud()
    alone, dense = actor(seen), actor(seen, slice(None))
    assert dense[0].shape == (3, 128, 6)
    for one, all_rows in zip(alone, dense, strict=True):
        assert (one - all_rows[:, -1:]).abs().max() < 1e-6


@pytest.mark.parametrize("network", [DenseTransformation, DirectVector])
@pytest.mark.parametrize("points", [10, 80])  # fewer than centres, and more
def test_order_and_padding_change_nothing(network, points):
    actor, seen = network(CONFIG).eval(), cloud(points=points)
    answer = actor(seen)[0]
    order = torch.cat([torch.randperm(127), torch.tensor([127])])
    assert (actor(seen[:, order])[0] - answer).abs().max() < 1e-6
    narrow = torch.cat([seen[:, :points], torch.zeros(3, 3, 7), seen[:, -1:]], 1)
    assert (actor(narrow)[0] - answer).abs().max() < 1e-6


def test_an_arm_elsewhere_changes_the_answer():
    actor, seen = DenseTransformation(CONFIG).eval(), cloud(1)
    answer = actor(seen)[0]
    seen[0, :40, :3] += 0.2
    assert (actor(seen)[0] - answer).abs().max() > 1e-6


def test_farthest_points_begin_at_the_last_and_skip_what_is_not_there():
    line = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [9, 0, 0], [5, 0, 0], [4, 0, 0]]])
    present = torch.tensor([[True, True, False, True, True]])
    index, fresh = farthest_points(line, present, 5)
    assert index[0, :2].tolist() == [4, 0]
    assert sorted(index[0, :4].tolist()) == [0, 1, 3, 4]
    assert fresh.tolist() == [[True] * 4 + [False]]  # there are four points


def test_interpolation_weighs_by_inverse_square_distance():
    places = torch.tensor([[[0.0, 0, 0], [3.0, 0, 0], [100.0, 0, 0]]])
    values = torch.tensor([[[1.0], [5.0], [0.0]]])
    there = torch.ones(1, 3, dtype=torch.bool)
    found = interpolate(torch.tensor([[[1.0, 0, 0]]]), places, values, there)
    weights = [1.0, 1.0 / 4.0, 1.0 / 99.0**2]
    expected = (weights[0] + 5.0 * weights[1]) / sum(weights)
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_a_dense_critic_hears_of_the_action_at_every_point():
    seen, action = cloud(2), torch.zeros(2, 6, requires_grad=True)
    dense, latent = TwinCritic(CONFIG), TwinCritic(CONFIG, latent=True)
    extra = dense.encoder.first.feature.in_features - latent.encoder.first.feature.in_features
    assert extra == 6
    for critic in (dense, latent):
        values = critic(seen, action)
        assert values.shape == (2, 2)
        (gradient,) = torch.autograd.grad(values.sum(), action)
        assert gradient.abs().max() > 0.0


def test_losses_by_hand():
    zero, one = torch.zeros(1, 2), torch.ones(1, 2)
    # log sigma = 0: half the square, and log sqrt(2 pi), for each of two elements
    assert imitation_loss(zero, zero, one).item() == pytest.approx(1.0 + math.log(2 * math.pi))
    # means 0.5 apart; deviations 1 and e^-2, roots 1 and e^-1
    found = transport_loss(zero, zero, 0.5 * one, -2.0 * one).item()
    assert found == pytest.approx(2.0 * (0.25 + (1.0 - math.exp(-1.0)) ** 2), rel=1e-6)
    # KL(N(1, 1) || N(0, 1)) = 1/2 for each element
    assert kl_loss(zero, zero, one, zero).item() == pytest.approx(1.0)
    values = torch.tensor([[1.0, 2.0]])
    assert critic_loss(values, torch.tensor([0.0])).item() == pytest.approx(5.0)


def test_an_action_is_never_longer_than_the_fastest_and_never_rolls():
    policy = DressingPolicy(CONFIG).eval()
    with torch.no_grad():
        policy.actor.trunk[-1].bias[:6] = 20.0  # all means at 1
    seen = cloud(1)
    for heading in (0.0, 0.5 * math.pi):
        batch = {"observation.points": seen, HEADING: torch.tensor([[heading]])}
        action = policy.select_action(batch)
        assert action[0, :3].norm().item() == pytest.approx(1.0, abs=1e-5)
        ahead = 3 if heading == 0.0 else 4  # no rotation about the gripper's own x axis
        assert action[0, ahead].item() == pytest.approx(0.0, abs=1e-6)
    # Means of 1 are ahead and to the left of the gripper, which looks along y.
    expected = torch.tensor([-1.0, 1.0, 1.0]) / math.sqrt(3.0)
    torch.testing.assert_close(action[0, :3], expected, atol=1e-5, rtol=0.0)


def test_one_batch_can_be_learned():
    torch.manual_seed(0)
    policy, seen = DressingPolicy(CONFIG), cloud(8)
    batch = {"observation.points": seen, "action": torch.rand(8, 6) * 1.6 - 0.8}
    optimiser = torch.optim.Adam(policy.parameters(), 1e-3)
    first = policy(batch)[0].item()
    for _ in range(100):  # for 50 it predicts the mean, then it tells the clouds apart
        loss, _ = policy(batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < first - 2.0


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"head": "dens"}, UnknownNameError, "no head 'dens'. Did you mean 'dense'"),
        ({"voxel": 0.0}, ConfigError, "voxel must be > 0, got 0.0"),
        ({"centers": [16, 48]}, ConfigError, "two numbers, falling"),
        ({"classes": [2, 2]}, ConfigError, "must be two numbers, arm and cloth"),
        ({"chunk_size": 2}, ConfigError, "one observation with one action"),
    ],
)
def test_numbers_that_cannot_be_are_refused(change, error, said):
    with pytest.raises(error, match=said):
        DressingConfig.for_robot(ARM, **change)
