"""Robots of MuJoCo Menagerie and of PyBullet's data, none of them modelled here."""

from dataclasses import replace
from pathlib import Path

import mujoco
import numpy as np
import pybullet_data
import pytest

from robot_policies.documents import parse_yaml
from robot_policies.interface import Command, RobotSpec
from robot_policies.interface.kinematics import Kinematics
from robot_policies.interface.robot_table import read_robot
from robot_policies.robots.draft import draft_robot
from robot_policies.robots.reading import read_model
from robot_policies_sim.engines.mujoco.backend import MujocoBackend
from robot_policies_sim.engines.mujoco.model import mjcf
from robot_policies_sim.engines.pybullet.backend import PybulletBackend
from robot_policies_sim.engines.pybullet.quiet_import import pybullet

MENAGERIE = Path(__file__).resolve().parents[3] / "shared" / "data" / "menagerie"
BULLET = Path(pybullet_data.getDataPath())
MJCF = {
    "xarm7m": "ufactory_xarm7/xarm7.xml",
    "wx250s": "trossen_wx250s/wx250s.xml",
    "so101m": "robotstudio_so101/so101.xml",
    "go1m": "unitree_go1/go1.xml",
    "go2m": "unitree_go2/go2.xml",
}
URDF = {
    "panda": "franka_panda/panda.urdf",
    "iiwa": "kuka_iiwa/model.urdf",
    "xarm6": "xarm/xarm6_with_gripper.urdf",
    "a1": "a1/a1.urdf",
}


def source(name: str) -> tuple[str, Path]:
    if name in URDF:
        return "urdf", BULLET / URDF[name]
    path = MENAGERIE / MJCF[name]
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    return "mjcf", path


def imported(name: str) -> RobotSpec:
    kind, path = source(name)
    said = {kind: str(path)}
    model = read_model(said, Path(), name)
    draft = draft_robot(name, said, model, model.floating_base or name == "a1")
    return read_robot(parse_yaml(draft.text), name, model)


@pytest.fixture(params=[*MJCF, *URDF])
def robot(request: pytest.FixtureRequest) -> RobotSpec:
    return imported(request.param)


def pose(robot: RobotSpec, seed: int = 0) -> dict[str, float]:
    """Return a random position of every joint, coupled ones where their drivers have them."""
    joints = np.random.default_rng(seed).uniform(robot.lower, robot.upper)
    found = dict(zip(robot.joint_names, joints.tolist(), strict=True))
    return found | {joint.name: joint.position(found[joint.driver]) for joint in robot.coupled}


def posed(model: mujoco.MjModel, joints: dict[str, float]) -> mujoco.MjData:
    data = mujoco.MjData(model)
    for name, value in joints.items():
        data.qpos[model.joint(name).qposadr[0]] = value
    if model.njnt and model.jnt_type[0] == mujoco.mjtJoint.mjJNT_FREE:
        data.qpos[:7] = [0, 0, 0, 1, 0, 0, 0]
    mujoco.mj_forward(model, data)
    return data


def inertia(model: mujoco.MjModel, data: mujoco.MjData, body: str) -> np.ndarray:
    axes = data.body(body).ximat.reshape(3, 3)
    return axes @ np.diag(model.body(body).inertia) @ axes.T


@pytest.mark.parametrize("name", MJCF)
def test_masses_inertias_limits_and_poses_are_those_of_the_mjcf(name):
    robot = imported(name)
    theirs = mujoco.MjModel.from_xml_path(str(source(name)[1]))
    ours = mujoco.MjModel.from_xml_string(mjcf(robot, {}))
    joints = pose(robot)
    one, other = posed(theirs, joints), posed(ours, joints)
    for body in (theirs.body(i).name for i in range(1, theirs.nbody)):
        near = {"atol": 1e-9, "err_msg": body}
        np.testing.assert_allclose(ours.body(body).mass, theirs.body(body).mass, **near)
        np.testing.assert_allclose(other.body(body).xpos, one.body(body).xpos, **near)
        np.testing.assert_allclose(other.body(body).xmat, one.body(body).xmat, **near)
        np.testing.assert_allclose(other.body(body).xipos, one.body(body).xipos, **near)
        np.testing.assert_allclose(inertia(ours, other, body), inertia(theirs, one, body), **near)
    for joint in robot.joints:
        if theirs.jnt_limited[theirs.joint(joint.name).id]:
            np.testing.assert_allclose([joint.lower, joint.upper], theirs.joint(joint.name).range)
    for body in (theirs.body(i).name for i in range(1, theirs.nbody)):
        boxes = [extent(*each, body) for each in ((ours, other), (theirs, one))]
        np.testing.assert_allclose(*boxes, atol=1e-6, err_msg=body)


def extent(model: mujoco.MjModel, data: mujoco.MjData, body: str) -> np.ndarray:
    """Return the box around the vertices of a body's meshes, and its other shapes' centres."""
    points = [np.zeros((1, 3))]
    for i in range(model.ngeom):
        if model.geom_bodyid[i] != model.body(body).id:
            continue
        local, mesh = np.zeros((1, 3)), model.geom_dataid[i]
        if mesh >= 0:
            first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
            local = model.mesh_vert[first : first + count]
        points.append(data.geom_xpos[i] + local @ data.geom_xmat[i].reshape(3, 3).T)
    found = np.concatenate(points)
    return np.stack([found.min(axis=0), found.max(axis=0)])


@pytest.mark.parametrize("name", URDF)
def test_masses_limits_and_poses_are_those_of_the_urdf_as_pybullet_reads_it(name):
    robot, joints = imported(name), pose(imported(name))
    client = pybullet.connect(pybullet.DIRECT)
    try:
        flags = pybullet.URDF_USE_INERTIA_FROM_FILE
        body = pybullet.loadURDF(
            str(BULLET / URDF[name]), useFixedBase=True, flags=flags, physicsClientId=client
        )
        about = pybullet.getDynamicsInfo(body, -1, physicsClientId=client)
        own = pybullet.getBasePositionAndOrientation(body, physicsClientId=client)
        base = pybullet.multiplyTransforms(*own, *pybullet.invertTransform(about[3], about[4]))
        count = pybullet.getNumJoints(body, physicsClientId=client)
        infos = [pybullet.getJointInfo(body, i, physicsClientId=client) for i in range(count)]
        for info in infos:
            if (joint := info[1].decode()) in joints:
                pybullet.resetJointState(body, info[0], joints[joint], physicsClientId=client)
        masses = {link.name: link.mass for link in robot.links}
        drawn = np.array([joints[joint] for joint in robot.joint_names])
        limits = {joint.name: (joint.lower, joint.upper) for joint in robot.joints}
        for info in infos:
            link = info[12].decode()
            state = pybullet.getLinkState(
                body, info[0], computeForwardKinematics=1, physicsClientId=client
            )
            place, turn = pybullet.multiplyTransforms(
                *pybullet.invertTransform(*base), state[4], state[5]
            )
            rotation, position = Kinematics(robot, link).pose(drawn)
            np.testing.assert_allclose(position, place, atol=2e-6, err_msg=link)  # float32
            matrix = np.reshape(pybullet.getMatrixFromQuaternion(turn), (3, 3))
            np.testing.assert_allclose(rotation, matrix, atol=2e-6, err_msg=link)
            mass = pybullet.getDynamicsInfo(body, info[0], physicsClientId=client)[0]
            assert masses[link] == pytest.approx(mass, abs=1e-6)
            if info[1].decode() in limits:
                assert limits[info[1].decode()] == pytest.approx(info[8:10], abs=1e-6)
    finally:
        pybullet.disconnect(physicsClientId=client)


def test_both_engines_hold_the_default_pose(robot):
    for engine in (MujocoBackend, PybulletBackend):
        backend = engine(robot, {}, cameras=False)
        backend.connect()
        try:
            backend.reset(0, {})
            backend.write(Command(0.0, robot.default))
            backend.advance(1.0)
            off = np.abs(backend.read().joint_position - robot.default)
        finally:
            backend.close()
        if robot.name != "xarm6":  # at zero, where nothing says otherwise, it lies on the floor
            assert (off < robot.following_error).all(), engine.name


@pytest.mark.parametrize("name", ["xarm7m", "panda"])
def test_fingers_that_are_coupled_close_together_in_both_engines(name):
    robot = imported(name)
    driver = robot.joint_names.index(robot.coupled[0].driver)
    target = robot.default.copy()
    target[driver] = 0.8 * robot.upper[driver]
    for engine in (MujocoBackend, PybulletBackend):
        backend = engine(robot, {}, cameras=False)
        backend.connect()
        try:
            backend.reset(0, {})
            backend.write(Command(0.0, target))
            backend.advance(2.0)
            joints = backend.read().joint_position
            for coupled in robot.coupled:
                link = next(link.name for link in robot.links if link.joint == coupled.name)
                rotation, position = Kinematics(robot, link).pose(joints)
                measured = backend._link_pose(link)
                np.testing.assert_allclose(measured[:3], position, atol=2e-3, err_msg=link)
        finally:
            backend.close()


def test_the_jacobian_of_a_coupled_finger_is_the_slope_of_its_pose():
    robot = imported("panda")
    bent = replace(robot.coupled[0], coefficients=(0.01, 0.5, 2.0, 0.0, 0.0))
    kinematics = Kinematics(replace(robot, coupled=(bent,)), "panda_rightfinger")
    joints, step = robot.default + 0.01, 1e-6
    jacobian = kinematics.jacobian(joints)
    for i in range(len(joints)):
        moved = joints.copy()
        moved[i] += step
        slope = (kinematics.pose(moved)[1] - kinematics.pose(joints)[1]) / step
        np.testing.assert_allclose(jacobian[:3, i], slope, atol=1e-5)


def test_a_load_cell_bears_the_weight_of_what_lies_beyond_it_in_both_engines():
    robot = replace(imported("iiwa"), wrench_link="lbr_iiwa_link_6")
    turned = [replace(link, principal_axes=np.array([0.5, 0.3, 0.2])) for link in robot.links]
    robot = replace(robot, links=tuple(turned))
    carried = sum(link.mass for link in robot.links[-2:])
    measured = []
    for engine in (MujocoBackend, PybulletBackend):
        backend = engine(robot, {}, cameras=False)
        backend.connect()
        try:
            start = dict(zip(robot.joint_names, [0.3, 0.5, 0.2, -0.9, 0.4, 0.8, 0.1], strict=True))
            backend.reset(0, {"joint_position": start})
            backend.write(Command(0.0, np.array(list(start.values()))))
            backend.advance(3.0)
            measured.append(backend.read().features["observation.wrench"])
        finally:
            backend.close()
    assert np.linalg.norm(measured[0][:3]) == pytest.approx(9.81 * carried, rel=0.01)
    np.testing.assert_allclose(measured[0], measured[1], atol=0.05)
