"""A sleeve in MuJoCo: it is held, it falls, it rests on what is below, and a camera sees it."""

from typing import Any

import numpy as np
import pytest

from robot_policies import catalog
from robot_policies.interface import BackendError, Command
from robot_policies.interface.observation import DEPTH, LABELS
from robot_policies_sim.engines.mujoco.backend import MujocoBackend

ARM = catalog.load_robot("xarm7")
SLEEVE = {"radius": 0.08, "length": 0.2, "mass": 0.06, "holder": "gripper", "along": 6}
SLEEVE |= {"around": 10, "position": [0.3, 0.0, 0.8]}
POST = {"kind": "capsule", "size": [0.04, 0.3], "position": [0.4, 0.0, 0.75], "label": "arm"}
POST |= {"rotation": [0.0, 1.5707963, 0.0]}


def held(cameras: bool = False) -> MujocoBackend:
    scene = {"objects": {"post": POST}, "cloths": {"sleeve": SLEEVE}}
    backend = MujocoBackend(ARM, scene, cameras=cameras)
    backend.connect()
    backend.reset(0, {})
    return backend


def grip(backend: MujocoBackend) -> np.ndarray:
    """Return the held vertices, seen from the gripper."""
    held = backend._cloths[0]
    pose = backend._data.body("gripper")
    return (held.vertices[list(held.cloth.grip)] - pose.xpos) @ pose.xmat.reshape(3, 3)


def test_the_gripper_carries_what_it_holds():
    backend = held()
    before = grip(backend)
    target = ARM.default + [0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    backend.write(Command(0.0, target))
    backend.advance(0.6)
    assert np.abs(grip(backend) - before).max() < 0.003
    assert backend.read().truth["cloth.sleeve"].shape == (60, 3)


def test_what_is_let_go_falls_onto_what_is_below_and_stays_there():
    backend = held()
    backend.advance(0.2)
    top = backend.read().truth["cloth.sleeve"][0, 2]
    backend._cloths[0].hold(False)
    backend.advance(1.0)
    truth = backend.read().truth
    fallen = truth["cloth.sleeve"]
    assert fallen[0, 2] < top - 0.02
    ahead = np.clip(fallen[:, 0], 0.1, 0.7)
    axis = np.column_stack([ahead, np.zeros(len(ahead)), np.full(len(ahead), 0.75)])
    assert np.linalg.norm(fallen - axis, axis=1).min() > 0.037  # nothing is inside the post
    weight = 0.06 * 9.81
    assert 0.5 * weight < truth["contact.sleeve.post"][0] < 3.0 * weight


def test_equal_commands_give_equal_cloth():
    first, second = held(), held()
    for backend in (first, second):
        backend.advance(0.2)
    np.testing.assert_array_equal(
        first.read().truth["cloth.sleeve"], second.read().truth["cloth.sleeve"]
    )


def test_a_camera_sees_cloth_as_its_class():
    backend = held(cameras=True)
    seen = backend.read().features
    labels, depth = seen[f"{LABELS}.stand"], seen[f"{DEPTH}.stand"]
    assert {1, 2, 3} <= set(np.unique(labels).tolist())
    cloth = depth[labels == 3]
    eye = np.array([0.95, 0.0, 1.2])
    off = np.linalg.norm(backend.read().truth["cloth.sleeve"] - eye, axis=1)
    assert (cloth > 0.7 * off.min()).all()
    assert (cloth < off.max()).all()


def test_pybullet_says_that_it_cannot():
    backend: Any = catalog.make_backend("pybullet", ARM, {"cloths": {"sleeve": SLEEVE}})
    backend.connect()
    with pytest.raises(BackendError, match="pybullet: cannot simulate the cloth 'sleeve'"):
        backend.reset(0, {})
    backend.close()
