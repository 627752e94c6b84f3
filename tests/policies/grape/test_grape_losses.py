"""Losses of GRAPE and of its rivals, on numbers that were computed by hand."""

import math

import pytest
import torch

from robot_policies.interface import ConfigError
from robot_policies.policies.grape.losses import (
    advantages,
    group_loss,
    imitation_loss,
    preference_loss,
    stage_loss,
    unpaired_loss,
)

ALL = torch.ones(1, 3, dtype=torch.bool)
CHOSEN, REJECTED = torch.tensor([[1.0, -0.5, 0.5]]), torch.tensor([[-1.0, 0.0, -0.5]])


def softplus(value: float) -> float:
    """- log sigmoid(- value)."""
    return math.log1p(math.exp(value))


def test_equal_log_ratios_cost_ln_2():
    same = torch.tensor([[0.3, -0.7, 2.0]])
    assert float(preference_loss(same, same, ALL, ALL)) == pytest.approx(math.log(2.0))


def test_a_pair_of_three_steps_by_hand():
    # 1.0 of the chosen against -1.5 of the rejected: a gap of 2.5
    loss = preference_loss(CHOSEN, REJECTED, ALL, ALL, beta=0.1)
    assert float(loss) == pytest.approx(softplus(-0.25))


def test_a_window_of_one_is_the_sum_of_the_steps_losses():
    loss = preference_loss(CHOSEN, REJECTED, ALL, ALL, beta=0.1, window=1)
    gaps = (CHOSEN - REJECTED)[0].tolist()
    assert float(loss) == pytest.approx(sum(softplus(-0.1 * gap) for gap in gaps))


def test_windows_slide_and_the_longest_is_the_whole_pair():
    loss = preference_loss(CHOSEN, REJECTED, ALL, ALL, beta=1.0, window=2)
    # windows of the chosen: 0.5, 0.0; of the rejected: -1.0, -0.5
    assert float(loss) == pytest.approx(softplus(-1.5) + softplus(-0.5))
    whole = preference_loss(CHOSEN, REJECTED, ALL, ALL, beta=1.0, window=8)
    assert float(whole) == pytest.approx(float(preference_loss(CHOSEN, REJECTED, ALL, ALL, 1.0)))


@pytest.mark.parametrize("window", [None, 1, 2])
def test_padding_changes_nothing(window):
    short = torch.tensor([[-1.0, 0.25]])
    plain = preference_loss(CHOSEN, short, ALL, ALL[:, :2], window=window)
    padded = torch.tensor([[-1.0, 0.25, 99.0, math.nan]])
    mask = torch.tensor([[True, True, False, False]])
    assert float(preference_loss(CHOSEN, padded, ALL, mask, window=window)) == float(plain)


def test_a_stage_has_a_sigmoid_of_its_own():
    good, bad = torch.tensor([[0, 0, 1]]), torch.tensor([[0, 1, 1]])
    loss = stage_loss(CHOSEN, REJECTED, good, bad, beta=1.0)
    # stage 0: 0.5 against -1.0; stage 1: 0.5 against -0.5
    assert float(loss) == pytest.approx(softplus(-1.5) + softplus(-1.0))
    never = torch.tensor([[0, 0, -1]])  # the rejected one stays in the first stage
    loss = stage_loss(CHOSEN, REJECTED, good, never, beta=1.0)
    assert float(loss) == pytest.approx(softplus(-1.5))


def test_imitation_is_a_mean_over_steps():
    values = torch.tensor([[-1.0, -2.0], [-6.0, -99.0]])
    mask = torch.tensor([[True, True], [True, False]])
    assert float(imitation_loss(values, mask)) == pytest.approx(3.0)


def test_unpaired_trajectories_by_hand():
    ratio = torch.tensor([[2.0, 2.0], [-1.0, -1.0]])
    mask = torch.ones(2, 2, dtype=torch.bool)
    good = torch.tensor([True, False])
    # totals 4 and -2, reference 1: toward the good 3, away from the bad 3
    expected = 1.0 - 1.0 / (1.0 + math.exp(-3.0))
    assert float(unpaired_loss(ratio, mask, good, beta=1.0)) == pytest.approx(expected)


def test_leave_one_out_by_hand():
    ratio = torch.log(torch.tensor([[1.0, 1.5], [1.0, 0.5], [1.0, 1.0]]))
    mask = torch.tensor([[True, True], [True, True], [True, False]])
    reward, group = torch.tensor([1.0, 0.0, 0.5]), torch.tensor([7, 7, 7])
    # advantages 0.75, -0.75, 0; ratios beyond [0.8, 1.2] gain nothing more
    gains = [0.75, 0.75 * 1.2, -0.75, -0.75 * 0.8, 0.0]
    assert float(group_loss(ratio, mask, reward, group)) == pytest.approx(-sum(gains) / 5)
    with pytest.raises(ConfigError, match="two trajectories of each initial state"):
        group_loss(ratio, mask, reward, torch.tensor([7, 7, 8]))


def test_above_average_is_against_the_others_of_the_state():
    reward, group = torch.tensor([1.0, 0.0, 0.5, 3.0, 2.0]), torch.tensor([7, 7, 7, 8, 8])
    assert advantages(reward, group).tolist() == [0.75, -0.75, 0.0, 1.0, -1.0]


def test_what_cannot_have_been_done_is_refused():
    impossible = torch.tensor([[0.0, -math.inf, 0.0]])
    with pytest.raises(ConfigError, match="trajectory 0, step 1: log-probability -inf"):
        preference_loss(CHOSEN, impossible, ALL, ALL)
    with pytest.raises(ConfigError, match="window must be >= 1, got 0"):
        preference_loss(CHOSEN, REJECTED, ALL, ALL, window=0)
