import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot_policies.control.teleop import Keys, Teleop, TeleopSettings, dead_band
from robot_policies.interface import ContractError

FASTEST = np.array(TeleopSettings().fastest)
B, Y, A, START = 1, 3, 0, 7


def stick(teleop, now, forward=0.0, left=0.0, turn=0.0, pressed=()):
    axes = [left, forward, 0.0, turn]
    return teleop.stick(axes, [int(i in pressed) for i in range(8)], now)


def test_a_stick_pushed_to_the_end_is_the_fastest():
    teleop = Teleop()
    stick(teleop, 1.0, 1.0, -1.0, 1.0)
    np.testing.assert_allclose(teleop.velocity(1.1), FASTEST * [1.0, -1.0, 1.0])


@given(st.floats(-1.0, 1.0), st.floats(-1.0, 1.0))
def test_the_dead_band_is_nothing_and_what_follows_is_continuous_and_grows(one, other):
    low, high = dead_band(np.array(sorted((one, other))), 0.1)
    assert low <= high
    assert high - low <= abs(one - other) / 0.9 + 1e-12
    assert (dead_band(np.array([0.1, -0.1, 0.0, one]), 0.1)[:3] == 0.0).all()


def test_silence_is_zero_after_the_time_out():
    teleop = Teleop()
    stick(teleop, 1.0, forward=1.0)
    assert teleop.velocity(1.5)[0] > 0.0
    assert not teleop.velocity(1.51).any()
    teleop.command(np.array([0.2, 0.0, 0.0]), 2.0)
    assert teleop.velocity(2.5)[0] == 0.2
    assert not teleop.velocity(2.51).any()


def test_what_was_said_before_the_clock_was_set_back_does_not_count():
    teleop = Teleop()
    stick(teleop, 60.0, forward=1.0)
    teleop.command(np.array([0.2, 0.0, 0.0]), 60.0)
    assert not teleop.velocity(1.0).any()
    assert not teleop.is_there(1.0)


def test_a_moved_stick_has_precedence_and_a_released_one_has_not():
    teleop = Teleop()
    teleop.command(np.array([0.2, 0.0, 0.0]), 1.0)
    stick(teleop, 1.0, left=1.0)
    np.testing.assert_allclose(teleop.velocity(1.0), [0.0, FASTEST[1], 0.0])
    stick(teleop, 1.1, left=0.05)
    np.testing.assert_allclose(teleop.velocity(1.1), [0.2, 0.0, 0.0])


def test_a_commanded_velocity_is_limited_to_what_a_person_may_steer():
    teleop = Teleop()
    teleop.command(np.array([9.0, -9.0, 0.1]), 1.0)
    np.testing.assert_allclose(teleop.velocity(1.0), [FASTEST[0], -FASTEST[1], 0.1])


@pytest.mark.parametrize("bad", [[np.nan, 0.0, 0.0], [np.inf, 0.0, 0.0], [0.0, 0.0]])
def test_no_number_is_no_command_and_what_was_said_before_ages(bad):
    teleop = Teleop()
    teleop.command(np.array([0.2, 0.0, 0.0]), 1.0)
    with pytest.raises(ContractError, match="velocity command"):
        teleop.command(np.array(bad), 1.4)
    assert not teleop.velocity(1.6).any()


def test_a_joystick_with_too_few_axes_or_a_broken_one_is_refused():
    with pytest.raises(ContractError, match="2 axes and 8 buttons"):
        Teleop().stick([0.0, 0.0], [0] * 8, 1.0)
    with pytest.raises(ContractError, match="not finite"):
        stick(Teleop(), 1.0, forward=np.nan)


def test_a_button_asks_once_when_it_is_pressed():
    teleop = Teleop()
    assert stick(teleop, 1.0) == []
    assert stick(teleop, 1.1, pressed=(Y,)) == ["stand"]
    assert stick(teleop, 1.2, pressed=(Y,)) == []
    assert stick(teleop, 1.3, pressed=(A, B)) == ["estop", "walk"]


def test_of_buttons_held_from_the_start_only_the_stop_counts():
    teleop = Teleop()
    assert stick(teleop, 1.0, pressed=(A, B, START)) == ["estop"]
    assert stick(teleop, 1.1) == []
    assert stick(teleop, 1.2, pressed=(A,)) == ["walk"]


def test_a_joystick_that_was_heard_must_go_on():
    teleop = Teleop()
    assert teleop.is_there(1.0)
    stick(teleop, 1.0)
    assert teleop.is_there(1.5)
    assert not teleop.is_there(1.51)


def test_keys_step_within_the_limits_and_every_wish_stands_still():
    keys = Keys((0.3, 0.1, 0.2))
    for key in "wwwwwaaq":
        assert keys.press(key) == ""
    np.testing.assert_allclose(keys.velocity, [0.3, 0.1, 0.1])
    assert keys.press("s") == ""
    np.testing.assert_allclose(keys.velocity, [0.2, 0.1, 0.1])
    assert keys.press("x") == "estop"
    assert not keys.velocity.any()
    keys.press("w")
    assert keys.press(" ") == ""
    assert not keys.velocity.any()
    assert keys.press("?") == ""
