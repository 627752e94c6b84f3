import numpy as np
import pytest

from robot_policies.interface import ConfigError
from robot_policies_sim.scene.cloth import Cloth
from robot_policies_sim.scene.world import World

TUBE = {
    "radius": 0.1,
    "length": 0.3,
    "mass": 0.06,
    "holder": "gripper",
    "position": [0.4, 0.0, 1.0],
    "taper": 0.5,
    "around": 12,
    "along": 4,
}


def tube(**changes: object) -> Cloth:
    return World.from_mapping({"cloths": {"sleeve": TUBE | changes}}).cloths[0]


def test_a_tube_is_as_wide_and_long_as_it_says():
    cloth = tube()
    rings = cloth.shape.reshape(4, 12, 3)
    np.testing.assert_allclose(np.linalg.norm(rings[0, :, 1:], axis=1), 0.1)
    np.testing.assert_allclose(np.linalg.norm(rings[-1, :, 1:], axis=1), 0.05)
    np.testing.assert_allclose(rings[:, 0, 0], [0.0, 0.1, 0.2, 0.3])
    np.testing.assert_allclose(rings[0, 0], [0.0, 0.0, 0.1])  # the top, which is held


def test_its_triangles_close_it_all_around():
    cloth = tube()
    assert len(cloth.triangles) == 2 * 12 * 3
    sides = np.sort(cloth.triangles[:, [[0, 1], [1, 2], [0, 2]]].reshape(-1, 2), axis=1)
    edges, shared = np.unique(sides, axis=0, return_counts=True)
    np.testing.assert_array_equal(edges, cloth.edges)
    assert (shared == 1).sum() == 2 * 12  # the two rims alone belong to one triangle


def test_it_is_held_at_neighbours_of_the_top():
    assert tube(held=3).grip == (11, 0, 1)
    assert tube(held=4).grip == (10, 11, 0, 1)


def test_its_frame_is_turned_and_moved():
    cloth = tube(rotation=[0.0, 0.0, np.pi / 2.0])
    np.testing.assert_allclose(cloth.vertices[0], [0.4, 0.0, 1.1], atol=1e-12)
    np.testing.assert_allclose(cloth.vertices[36], [0.4, 0.3, 1.05], atol=1e-12)


def test_strain_is_that_of_the_longest_edge():
    cloth = tube()
    assert cloth.strain(cloth.vertices) == pytest.approx(1.0)
    assert cloth.strain(2.0 * cloth.vertices) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"radius": 0.0}, "cloths.sleeve: cloth 'sleeve': radius 0.0 must be > 0"),
        ({"mass": float("nan")}, "mass nan must be > 0"),
        ({"friction": -0.1}, "friction -0.1 must be >= 0"),
        ({"around": 5}, "at least 6 vertices around"),
        ({"held": 13}, "1 to 12 held"),
        ({"raduis": 0.1}, "unknown key 'raduis'. Did you mean 'radius'?"),
    ],
)
def test_what_is_no_tube_is_refused(change, said):
    with pytest.raises(ConfigError, match=said.replace("(", r"\(")):
        tube(**change)


def test_cloth_touches_objects_and_is_a_class_of_its_own():
    post = {"kind": "sphere", "size": [0.05], "position": [0.0, 0.0, 0.0]}
    world = World.from_mapping({"objects": {"post": post}, "cloths": {"sleeve": TUBE}})
    assert ("sleeve", "post") in world.pairs
    assert world.classes == {"none": 0, "robot": 1, "post": 2, "sleeve": 3}
    assert world.contacts([("post", "sleeve", 2.0)])["contact.sleeve.post"] == 2.0
