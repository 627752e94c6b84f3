"""The pure functions of PSEC against numbers computed by hand."""

import math

import pytest
import torch

from robot_policies.policies.psec.losses import (
    add_noise,
    diffusion_loss,
    reach_target,
    reward_weight,
    safety_weight,
    vp_schedule,
)


def test_the_schedule_is_that_of_the_authors_code():
    alpha = vp_schedule(5, 0.1, 10.0)
    assert alpha[0] == pytest.approx(math.exp(-0.02 - 0.198))
    torch.testing.assert_close(
        1.0 - alpha, torch.tensor([0.196, 0.459, 0.636, 0.755, 0.835]), atol=1e-3, rtol=0
    )
    torch.testing.assert_close(
        alpha.cumprod(0), torch.tensor([0.804, 0.435, 0.159, 0.0389, 0.0064]), atol=1e-3, rtol=0
    )


def test_noise_replaces_what_the_signal_loses():
    action, noise = torch.full((1, 1, 2), 2.0), torch.full((1, 1, 2), 10.0)
    noisy = add_noise(action, noise, torch.tensor([0.64]))
    torch.testing.assert_close(noisy, torch.full((1, 1, 2), 0.8 * 2.0 + 0.6 * 10.0))


def test_the_loss_sums_over_an_action_and_averages_over_valid_ones():
    noise = torch.zeros(2, 2, 2)
    predicted = torch.tensor([[[1.0, 2.0], [3.0, 0.0]], [[2.0, 0.0], [9.0, 9.0]]])
    valid = torch.tensor([[True, True], [True, False]])
    assert diffusion_loss(predicted, noise, valid).item() == pytest.approx((5 + 9 + 4) / 3)
    weight = torch.tensor([1.0, 0.5])
    assert diffusion_loss(predicted, noise, valid, weight).item() == pytest.approx(16 / 3)


def test_no_valid_action_is_no_loss_and_no_nan():
    loss = diffusion_loss(torch.ones(1, 1, 1), torch.zeros(1, 1, 1), torch.zeros(1, 1).bool())
    assert loss.item() == 0.0


def test_weights_follow_the_advantage_and_stop_at_the_ceiling():
    q, v = torch.tensor([1.0, 0.0, 99.0]), torch.tensor([0.0, 1.0, 0.0])
    torch.testing.assert_close(
        reward_weight(q, v, 1.0, 100.0), torch.tensor([math.e, 1 / math.e, 100.0])
    )
    torch.testing.assert_close(safety_weight(q, v, 1.0, 100.0), torch.tensor([0.0, math.e, 0.0]))


def test_the_worst_cost_to_come_reaches_back():
    cost, following = torch.tensor([-1.0, 25.0]), torch.tensor([10.0, -1.0])
    torch.testing.assert_close(reach_target(cost, following, 0.9), torch.tensor([8.9, 25.0]))
