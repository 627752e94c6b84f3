import math

import torch

from robot_policies.policies.uni_o4.losses import (
    clipped_surrogate,
    gaussian_kl,
    gaussian_log_prob,
    generalized_advantage,
    value_loss,
)


def test_log_probability_is_that_of_the_normal_distribution():
    mean, log_std = torch.tensor([[0.0, 1.0]]), torch.log(torch.tensor([1.0, 2.0]))
    action = torch.tensor([[1.0, 3.0]])
    # log N(1; 0, 1) = -0.5 - 0.919, log N(3; 1, 2) = -0.5 - 0.693 - 0.919
    expected = -0.5 - 0.5 - math.log(2.0) - math.log(2.0 * math.pi)
    torch.testing.assert_close(gaussian_log_prob(mean, log_std, action), torch.tensor([expected]))


def test_divergence_is_zero_from_itself_and_as_by_hand_else():
    zero, wide = torch.zeros(1, 1), torch.tensor([math.log(2.0)])
    torch.testing.assert_close(gaussian_kl(zero, wide, zero, wide), torch.zeros(1))
    # KL(N(0, 1) || N(1, 2)) = ln 2 + (1 + 1) / 8 - 1/2
    expected = math.log(2.0) + 0.25 - 0.5
    torch.testing.assert_close(
        gaussian_kl(zero, torch.zeros(1), zero + 1.0, wide), torch.tensor([expected])
    )


def test_surrogate_stops_paying_beyond_the_clip():
    old = torch.zeros(4)
    log_prob = torch.log(torch.tensor([2.0, 0.5, 2.0, 0.5]))
    advantage = torch.tensor([1.0, 1.0, -1.0, -1.0])
    # min(2, 1.2) = 1.2; min(0.5, 0.8) = 0.5; min(-2, -1.2) = -2; min(-0.5, -0.8) = -0.8
    expected = -(1.2 + 0.5 - 2.0 - 0.8) / 4
    torch.testing.assert_close(
        clipped_surrogate(log_prob, old, advantage, 0.2), torch.tensor(expected)
    )


def test_first_surrogate_gradient_is_the_policy_gradient():
    log_prob = torch.tensor([-1.0, -2.0], requires_grad=True)
    advantage = torch.tensor([3.0, -5.0])
    clipped_surrogate(log_prob, log_prob.detach(), advantage, 0.2).backward()
    torch.testing.assert_close(log_prob.grad, -advantage / 2)


def test_value_loss_is_the_mean_square():
    loss = value_loss(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 4.0]))
    torch.testing.assert_close(loss, torch.tensor(2.5))


def test_advantage_by_hand_with_an_episode_that_ends():
    reward = torch.tensor([[1.0], [2.0], [3.0]])
    value = torch.tensor([[0.5], [1.0], [1.5]])
    done = torch.tensor([[0.0], [1.0], [0.0]])
    gamma, lam = 0.9, 0.5
    third = 3.0 + gamma * 2.0 - 1.5  # goes on to a state worth 2
    second = 2.0 - 1.0  # nothing follows
    first = (1.0 + gamma * 1.0 - 0.5) + gamma * lam * second
    torch.testing.assert_close(
        generalized_advantage(reward, value, torch.tensor([2.0]), done, gamma, lam),
        torch.tensor([[first], [second], [third]]),
    )


def test_advantage_with_lambda_one_is_return_minus_value():
    generator = torch.Generator().manual_seed(0)
    reward, value = torch.rand(2, 5, 3, generator=generator)
    last = torch.rand(3, generator=generator)
    advantage = generalized_advantage(reward, value, last, torch.zeros(5, 3), 0.9, 1.0)
    returns, running = torch.zeros(5, 3), last
    for t in reversed(range(5)):
        running = reward[t] + 0.9 * running
        returns[t] = running
    torch.testing.assert_close(advantage, returns - value)
