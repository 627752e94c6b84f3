"""The frames and optics that are published are those of the pictures."""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from std_msgs.msg import Header

from robot_policies.catalog import load_robot, robots
from robot_policies.interface.frames import matrix
from robot_policies.interface.urdf import BASE, description, optical_frame
from robot_policies.nodes.camera_info import drawn_cameras, encode_camera_info, topic_of_info
from robot_policies_sim.engines.mujoco.backend import MujocoBackend
from robot_policies_sim.engines.pybullet.backend import PybulletBackend
from robot_policies_sim.engines.pybullet.quiet_import import pybullet

TOP, PLACE = "observation.images.top", np.array([0.22, 0.05, 0.02])
CUBE = {"kind": "box", "size": [0.02] * 3, "position": PLACE.tolist()}


def frames(robot, folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return position and rotation of each frame of a description, as another reader sees it."""
    path = folder / "robot.urdf"
    path.write_text(description(robot))
    client = pybullet.connect(pybullet.DIRECT)
    try:
        body = pybullet.loadURDF(str(path), useFixedBase=True, physicsClientId=client)
        joints = [
            pybullet.getJointInfo(body, i, physicsClientId=client)
            for i in range(pybullet.getNumJoints(body, physicsClientId=client))
        ]
        for joint in joints:
            if (name := joint[1].decode()) in robot.joint_names:
                value = robot.default[robot.joint_names.index(name)]
                pybullet.resetJointState(body, joint[0], value, physicsClientId=client)
        links = range(len(joints))
        states = [
            pybullet.getLinkState(body, i, computeForwardKinematics=True, physicsClientId=client)
            for i in links
        ]
        return {
            joint[12].decode(): (np.array(state[4]), matrix(state[5]))
            for joint, state in zip(joints, states, strict=True)
        }
    finally:
        pybullet.disconnect(client)


@pytest.mark.parametrize("engine", [MujocoBackend, PybulletBackend])
def test_a_point_of_the_world_falls_on_its_pixel(engine, tmp_path):
    robot = load_robot("so101")
    top = next(camera for camera in robot.cameras if camera.name == "top")
    robot = replace(robot, cameras=(replace(top, labels=True, width=120),))
    backend = engine(robot, {"objects": {"cube": CUBE}})
    backend.connect()
    labels = backend.reset(0, {}).features["observation.labels.top"]
    backend.close()
    info = encode_camera_info(drawn_cameras(backend)[TOP], *labels.shape, Header())
    position, rotation = frames(robot, tmp_path)[optical_frame("top")]
    seen = np.reshape(info.k, (3, 3)) @ (rotation.T @ (PLACE - position))
    assert seen[2] > 0.1  # in front of the camera
    rows, columns = np.nonzero(labels == 2)
    assert len(rows) > 20
    # The middle of what is seen of a cube is not its centre's picture; it is near.
    assert seen[0] / seen[2] == pytest.approx(columns.mean(), abs=2.0)
    assert seen[1] / seen[2] == pytest.approx(rows.mean(), abs=2.0)


@pytest.mark.parametrize("name", robots())
def test_a_description_has_one_root_and_every_frame_that_messages_name(name):
    robot = load_robot(name)
    root = ET.fromstring(description(robot))
    links = [link.get("name") for link in root.iter("link")]
    children = [child.get("link") for child in root.iter("child")]
    named = {BASE, robot.imu_link, robot.wrench_link} - {""}
    named |= {optical_frame(camera.name) for camera in robot.cameras}
    named |= {robot.cloud.frame} if robot.cloud else set()
    assert named <= set(links)
    assert len(set(links)) == len(links) == len(children) + 1
    assert set(links) - set(children) == {BASE if BASE in links else robot.links[0].name}


def test_of_a_camera_that_nobody_calibrated_only_the_size_is_said():
    camera = load_robot("so101").cameras[0]
    for known, size in ((None, (96, 96)), (camera, (480, 640))):
        info = encode_camera_info(known, *size, Header(frame_id="wrist_optical"))
        assert (info.height, info.width) == size
        assert not np.any(info.k)
        assert info.header.frame_id == "wrist_optical"


def test_the_information_lies_beside_its_picture():
    assert topic_of_info(TOP) == "camera/top/camera_info"
