"""Distances by hand, and what becomes of the weights."""

import math
from types import SimpleNamespace

import pytest
import torch

from robot_policies.interface import ConfigError
from robot_policies.skills.live.familiarity import Familiarity
from robot_policies.skills.package.card import Training

FEATURES = {"observation.state": 2, "observation.environment_state": 1}


def card(mean=(), std=(), distance=0.0, name="avoid"):
    training = Training(state_mean=list(mean), state_std=list(std), state_distance=distance)
    return SimpleNamespace(name=name, training=training)


def state(*values):
    row = torch.tensor([values])
    return {"observation.state": row[:, :2], "observation.environment_state": row[:, 2:]}


KNOWN = card((1.0, 0.0, -1.0), (0.5, 1.0, 2.0), 2.0)
UNKNOWN = card(name="adopted")
ELSEWHERE = card((100.0, 0.0, 0.0), (1.0, 1.0, 1.0), 1.0, "elsewhere")


def test_distances_by_hand():
    familiarity = Familiarity([KNOWN, UNKNOWN, ELSEWHERE], FEATURES)
    # ((2 - 1) / .5, 3 / 1, (5 + 1) / 2) = (2, 3, 3): rms sqrt(22 / 3), in radii of 2
    expected = [math.sqrt(22 / 3) / 2, 0.0, math.sqrt((98**2 + 9 + 25) / 3)]
    assert familiarity.distances(state(2.0, 3.0, 5.0)).tolist() == pytest.approx(expected)
    assert familiarity.known == [True, False, True]


@pytest.mark.parametrize(
    ("first", "share"), [(1.0, 1.0), (1.0 + math.sqrt(3), 1.0), (3.598076, 0.5), (9.0, 0.0)]
)
def test_skills_fade_between_one_and_two_radii(first, share):
    # Only the first number is off the mean: its deviation is .5, so d = |x - 1| / (sqrt(3) .5 2).
    familiarity = Familiarity([KNOWN], FEATURES)
    found = familiarity.share(state(first, 0.0, -1.0), torch.ones(1))
    assert found.item() == pytest.approx(share, abs=1e-5)


@pytest.mark.parametrize(
    ("cards", "weights", "share"),
    [
        ([KNOWN, ELSEWHERE], [1.0, 1.0], 1.0),  # one of them knows the state
        ([KNOWN, ELSEWHERE], [0.0, 1.0], 0.0),  # but what does not act vouches for nothing
        ([KNOWN, ELSEWHERE], [0.0, 0.0], 1.0),  # nothing to fade
        ([ELSEWHERE, UNKNOWN], [1.0, -0.1], 1.0),  # nobody knows where the second one belongs
    ],
)
def test_a_state_is_far_only_if_it_is_far_from_every_skill_that_acts(cards, weights, share):
    familiarity = Familiarity(cards, FEATURES)
    assert familiarity.share(state(1.0, 0.0, -1.0), torch.tensor(weights)).item() == share


def test_a_state_that_is_no_number_is_not_called_familiar():
    share = Familiarity([KNOWN], FEATURES).share(state(math.nan, 0.0, 0.0), torch.ones(1))
    assert share.isnan()


def test_a_summary_of_another_width_is_refused():
    with pytest.raises(ConfigError, match="state_mean has 3 values, the base observes 2"):
        Familiarity([KNOWN], {"observation.state": 2})


@pytest.mark.parametrize(
    "said",
    [
        {"state_mean": [0.0], "state_std": [], "state_distance": 1.0},
        {"state_mean": [0.0], "state_std": [0.0], "state_distance": 1.0},
        {"state_mean": [math.inf], "state_std": [1.0], "state_distance": 1.0},
        {"state_distance": 1.0},
        {"state_mean": [0.0], "state_std": [1.0], "state_distance": -1.0},
        {"state_mean": "x", "state_std": "y"},
    ],
)
def test_a_summary_that_no_distance_comes_of_is_refused(said):
    with pytest.raises(ConfigError, match="state_"):
        Training(**said)
