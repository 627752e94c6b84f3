"""A scene that no engine could simulate is refused, and the message names what is wrong."""

import pytest

from robot_policies.interface import ConfigError
from robot_policies_sim.scene.world import World

CUBE = {"kind": "box", "size": [0.014] * 3, "position": [0.2, 0.03, 0.014], "mass": 0.03}


@pytest.mark.parametrize(
    ("scene", "message"),
    [
        ({"obejcts": {}}, "Did you mean 'objects'"),
        ({"objects": {"cube": {"kind": "cube", "size": [1.0], "position": [0, 0, 0]}}}, "cube"),
        ({"objects": {"cube": {"kind": "box", "size": [0.1] * 3}}}, "'position' is missing"),
        ({"objects": {"cube": CUBE | {"mass": 0.0}}}, "mass"),
        ({"objects": {"robot": CUBE}}, "object 'robot': the name stands for something else"),
        ({"contact": {"friction": -1.0}}, "friction"),
        ({"contact": {"cone": "round"}}, "cone"),
    ],
)
def test_a_wrong_scene_is_named(scene, message):
    with pytest.raises(ConfigError, match=message):
        World.from_mapping(scene)


def test_an_axis_there_is_not_is_refused():
    thing = {"kind": "sphere", "size": [0.1], "position": [0, 0, 0], "tracked": ["w"]}
    with pytest.raises(ConfigError, match="no axis 'w'"):
        World.from_mapping({"objects": {"ball": thing}})
