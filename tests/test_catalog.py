import pytest

from robot_policies.catalog import load_robot, make_backend
from robot_policies.interface import ConfigError


@pytest.mark.parametrize(
    ("backend", "wrong", "near"),
    [("replay", "datset", "dataset"), ("mujoco", "camera", "cameras"), ("loopback", "port", "")],
)
def test_an_option_that_a_backend_does_not_have_is_named_with_the_nearest(backend, wrong, near):
    with pytest.raises(ConfigError, match=rf"{backend}: no option '{wrong}'\.") as refusal:
        make_backend(backend, load_robot("go1"), None, **{wrong: "x"})
    assert near in str(refusal.value)
