"""A simulated camera takes its pictures at its own moments, and costs nothing between them."""

from dataclasses import replace

import numpy as np
import pytest

from robot_policies.catalog import load_robot
from robot_policies.interface import Command, RobotSpec
from robot_policies_sim.mujoco_backend import MujocoBackend
from robot_policies_sim.pybullet_backend import PybulletBackend

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
        draw, backend.looks = backend._look, []

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
