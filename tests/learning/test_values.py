"""Learned values against numbers computed by hand."""

import pytest
import torch
from torch import nn

from robot_policies.learning.averages import early_rate, follow
from robot_policies.learning.networks import mlp
from robot_policies.learning.values import TwinQ, expectile_loss


def test_expectile_counts_what_is_above_more():
    # 0.7 * 2^2 and 0.3 * 1^2, averaged
    assert float(expectile_loss(torch.tensor([2.0, -1.0]), 0.7)) == pytest.approx(1.55)


def test_the_expectile_of_data_has_the_least_loss():
    target = torch.tensor([0.0, 1.0])
    places = torch.linspace(0.0, 1.0, 101)
    losses = torch.stack([expectile_loss(target - v, 0.8) for v in places])
    # 0.8 (1 - v) = 0.2 v
    assert float(places[losses.argmin()]) == pytest.approx(0.8)


def test_twins_are_two_nets_of_one_shape():
    torch.manual_seed(0)
    twins = TwinQ(lambda: mlp(3, (4,), 1, nn.Tanh))
    one, other = twins(torch.ones(5, 3))
    assert one.shape == (5,)
    assert not torch.equal(one, other)
    assert sorted(twins.state_dict())[0] == "0.0.bias"


def test_an_average_follows_by_its_rate():
    slow, fast = [torch.zeros(2)], [torch.ones(2)]
    follow(slow, fast, 0.25)
    follow(slow, fast, 0.25)
    torch.testing.assert_close(slow[0], torch.full((2,), 1.0 - 0.75**2))
    with pytest.raises(ValueError, match="argument 2"):
        follow(slow, [*fast, *fast], 0.25)


def test_an_average_follows_faster_at_first():
    assert early_rate(0.01, 0) == 0.9
    assert early_rate(0.01, 90) == pytest.approx(0.09)
    assert early_rate(0.01, 10_000) == 0.01
