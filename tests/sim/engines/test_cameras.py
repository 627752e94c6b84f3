"""A simulated camera takes its pictures at its own moments, and costs nothing between them."""

from dataclasses import replace

import numpy as np
import pytest

from robot_policies.catalog import load_robot
from robot_policies.interface import Command, RobotSpec
from robot_policies.interface.clouds import PADDING, present
from robot_policies.interface.robot_parts import Cloud
from robot_policies_sim.engines.mujoco.backend import MujocoBackend
from robot_policies_sim.engines.pybullet.backend import PybulletBackend

PERIOD = 1.0 / 30.0
TOP = "observation.images.top"
ENGINES = (MujocoBackend, PybulletBackend)


def arm(**top) -> RobotSpec:
    """Return the tabletop arm with its upper camera alone, changed."""
    robot = load_robot("so101")
    return replace(robot, cameras=(replace(robot.cameras[1], **top),))


@pytest.fixture(params=ENGINES)
def simulate(request):
    made = []

    def simulate(robot: RobotSpec, scene=None):
        backend = request.param(robot, scene or {})
        backend.connect()
        made.append(backend)
        draw, backend.looks = backend._photograph, []

        def look(camera):
            backend.looks.append(backend.time)
            return draw(camera)

        backend._cameras._look = look
        return backend

    yield simulate
    for backend in made:
        backend.close()


def test_nothing_is_drawn_where_nobody_looks(simulate):
    backend = simulate(arm())
    backend.reset(0, {})
    backend.looks.clear()
    backend.supervise(lambda command, state, now: command or Command(now, backend.spec.default))
    for _ in range(5):
        backend.advance(PERIOD)
        assert TOP not in backend.read(pictures=False).features
    assert backend.looks == []
    first = backend.read()
    again = backend.read()
    assert len(backend.looks) == 1
    assert first.features[TOP] is again.features[TOP]
    assert first.stamps[TOP] == first.stamp == pytest.approx(5 * PERIOD)


def test_a_slow_camera_keeps_its_picture_and_its_stamp(simulate):
    backend = simulate(arm(rate=10.0))
    state = backend.reset(0, {})
    stamps = [state.stamps[TOP]]
    for _ in range(6):
        backend.advance(PERIOD)
        stamps.append(backend.read().stamps[TOP])
    np.testing.assert_allclose(stamps, np.array([0, 0, 0, 0.1, 0.1, 0.1, 0.2]), atol=1e-9)
    assert len(backend.looks) == 3


def test_what_a_slow_camera_sees_does_not_depend_on_who_watches(simulate):
    pictures = []
    for watched in (True, False):
        backend = simulate(arm(rate=10.0))
        backend.reset(0, {})
        target = backend.spec.default.copy()
        target[0] += 0.3
        backend.write(Command(0.0, target))
        for _ in range(5):
            backend.advance(PERIOD)
            backend.read(pictures=watched)
        state = backend.read()
        assert state.stamps[TOP] == pytest.approx(0.1)
        pictures.append(state.features[TOP])
    np.testing.assert_array_equal(*pictures)


DEPTH, LABELS, POINTS = (
    "observation.depth.top",
    "observation.labels.top",
    "observation.points",
)
HALF, PLACE = 0.02, (0.22, 0.05, 0.02)
BOX = {"kind": "box", "size": [HALF] * 3}
SCENE = {
    "objects": {
        "cube": {**BOX, "position": PLACE},
        "left": {**BOX, "position": [0.3, 0.12, 0.02], "label": "wall"},
        "right": {**BOX, "position": [0.3, -0.12, 0.02], "label": "wall"},
    }
}


def seeing(**cloud) -> RobotSpec:
    robot = arm(depth=True, labels=True)
    return replace(robot, cloud=Cloud("top", **cloud)) if cloud else robot


def test_both_engines_measure_the_same_depth():
    depths, labels = [], []
    for engine in ENGINES:
        backend = engine(seeing(), SCENE)
        backend.connect()
        state = backend.reset(0, {})
        depths.append(state.features[DEPTH])
        labels.append(state.features[LABELS])
        assert state.stamps[DEPTH] == state.stamps[TOP] == 0.0
        backend.close()
    same = labels[0] == labels[1]
    assert same.mean() > 0.97, "they differ at edges at most"
    difference = np.abs(depths[0] - depths[1])[same]
    assert np.median(difference) < 5e-4
    assert np.quantile(difference, 0.95) < 3e-3
    assert set(np.unique(labels[0])) == {0, 1, 2, 3}


def test_classes_are_none_robot_and_the_objects_labels(simulate):
    backend = simulate(seeing(), SCENE)
    assert backend.world.classes == {"none": 0, "robot": 1, "cube": 2, "wall": 3}


def test_what_is_not_labelled_costs_no_stream(simulate):
    state = simulate(arm(depth=True), SCENE).reset(0, {})
    assert DEPTH in state.features
    assert LABELS not in state.features


def test_a_labelled_cloud_lies_where_the_things_are(simulate):
    backend = simulate(seeing(points=600, frame="base"), SCENE)
    cloud = backend.reset(0, {}).features[POINTS]
    backend.provides[POINTS].validate(cloud)
    cube = cloud[cloud[:, 3] == 2.0, :3]
    assert len(cube) > 10
    assert (np.abs(cube - PLACE) < HALF + 0.002).all()
    top = cube[np.abs(cube[:, 0] - PLACE[0]) + np.abs(cube[:, 1] - PLACE[1]) < HALF / 2]
    np.testing.assert_allclose(top[:, 2], PLACE[2] + HALF, atol=2e-3)
    assert set(np.unique(cloud[:, 3])) <= {PADDING, 1.0, 2.0, 3.0}


def test_a_cloud_is_in_the_frame_of_its_link(simulate):
    backend = simulate(seeing(points=600, frame="tip"), SCENE)
    state = backend.reset(0, {})
    tip = state.truth["end_effector"]
    cloud = state.features[POINTS]
    cube = cloud[cloud[:, 3] == 2.0, :3]
    assert np.abs(np.linalg.norm(cube, axis=1).min() - np.linalg.norm(tip[:3] - PLACE)) < 2 * HALF


def test_a_cloud_has_no_more_points_than_its_size(simulate):
    cloud = simulate(seeing(points=50, frame="base"), SCENE).reset(0, {}).features[POINTS]
    assert len(present(cloud)) == 50


def test_a_cloud_of_little_is_padded(simulate):
    cloud = simulate(seeing(points=9000, frame="base"), SCENE).reset(0, {}).features[POINTS]
    assert cloud.shape == (9000, 4)
    assert 0 < len(present(cloud)) < 9000
