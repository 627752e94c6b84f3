"""The compiled models are the table: in MuJoCo, in PyBullet, and against each other."""

from dataclasses import replace

import mujoco
import numpy as np
import pytest

from robot_policies.catalog import load_robot, robots
from robot_policies.interface import Command, CommandMode, RobotSpec
from robot_policies.interface.frames import matrix
from robot_policies_sim.engines.mujoco.backend import MujocoBackend
from robot_policies_sim.engines.mujoco.model import mjcf
from robot_policies_sim.engines.pybullet.backend import PybulletBackend
from robot_policies_sim.engines.pybullet.quiet_import import pybullet
from robot_policies_sim.engines.pybullet.robot import inertia_with_rotors

GO1 = load_robot("go1")
MASSES = {
    "go1": 12.743448,  # kg: 5.204 + 4 (0.68 + 1.009 + 0.195862)
    "go2": 15.206408,  # kg: 6.921 + 4 (0.678 + 1.152 + 0.241352)
}
CUBE = {"kind": "box", "size": [0.014] * 3, "position": [0.2, 0.03, 0.014], "mass": 0.03}
PAD = {"kind": "box", "size": [0.04, 0.04, 0.001], "position": [0.2, 0.1, 0.001]}
TABLETOP = {
    "contact": {"dimensions": 4, "softness": 0.008, "torsional": 0.03, "cone": "elliptic"},
    "objects": {"cube": CUBE | {"friction": 1.0}, "pad": PAD | {"collides": False}},
}


@pytest.fixture(params=robots())
def spec(request: pytest.FixtureRequest) -> RobotSpec:
    return load_robot(request.param)


def bullet(spec: RobotSpec, scene: dict | None = None) -> PybulletBackend:
    backend = PybulletBackend(spec, scene or {}, cameras=False)
    backend.connect()
    backend.reset(0, {})
    return backend


@pytest.mark.parametrize("robot", MASSES)
def test_a_robot_weighs_what_its_parts_weigh(robot):
    weight = sum(link.mass for link in load_robot(robot).links)
    assert weight == pytest.approx(MASSES[robot], abs=1e-9)


def test_mujoco_model_is_the_table(spec):
    model = mujoco.MjModel.from_xml_string(mjcf(spec, {}))
    assert model.body_mass.sum() == pytest.approx(sum(link.mass for link in spec.links))
    assert model.opt.timestep == pytest.approx(1.0 / spec.servo_rate)
    for link in spec.links:
        body = model.body(link.name)
        assert body.mass[0] == pytest.approx(link.mass)
        np.testing.assert_allclose(body.ipos, link.center_of_mass)
        np.testing.assert_allclose(sorted(body.inertia), sorted(link.inertia))
        assert not link.parent or model.body(int(body.parentid[0])).name == link.parent
    for i, joint in enumerate(spec.joints):
        compiled, motor = model.joint(joint.name), model.actuator(i)
        link = next(link for link in spec.links if link.joint == joint.name)
        assert model.body(int(compiled.bodyid[0])).name == link.name
        np.testing.assert_allclose(compiled.axis, link.axis)
        np.testing.assert_allclose(compiled.range, [joint.lower, joint.upper])
        dof = compiled.dofadr[0]
        assert model.dof_damping[dof] == joint.damping
        assert model.dof_armature[dof] == joint.armature
        assert model.dof_frictionloss[dof] == joint.friction
        assert motor.name == joint.name
        np.testing.assert_allclose(motor.forcerange, [-joint.effort, joint.effort])
        gains = spec.gains["policy"]
        assert motor.gainprm[0] == gains.stiffness[i]
        np.testing.assert_allclose(
            motor.biasprm[:3], [0.0, -gains.stiffness[i], -gains.damping[i]]
        )


def test_no_link_floats_beside_the_one_that_carries_it(spec):
    """In its default pose, which a film begins with."""
    model = mujoco.MjModel.from_xml_string(mjcf(spec, {}))
    data = mujoco.MjData(model)
    for joint, angle in zip(spec.joints, spec.default, strict=True):
        data.joint(joint.name).qpos[:] = angle
    mujoco.mj_forward(model, data)
    shapes = {
        link.name: np.flatnonzero(model.geom_bodyid == model.body(link.name).id)
        for link in spec.links
    }
    for link in spec.links:
        pairs = [(a, b) for a in shapes[link.name] for b in shapes.get(link.parent or "", ())]
        gaps = [mujoco.mj_geomDistance(model, data, a, b, 1.0, None) for a, b in pairs]
        assert min(gaps, default=0.0) < 0.005, link.name


def test_pybullet_model_is_the_table(spec):
    backend = bullet(spec)
    body, client = backend._loaded.body, backend._client
    names = {-1: spec.links[0].name}
    for i in range(pybullet.getNumJoints(body, physicsClientId=client)):
        info = pybullet.getJointInfo(body, i, physicsClientId=client)
        names[i] = info[12].decode()
        link = next(link for link in spec.links if link.name == names[i])
        assert names[info[16]] == link.parent
        if not link.joint:
            assert info[2] == pybullet.JOINT_FIXED
            continue
        joint = next(joint for joint in spec.joints if joint.name == link.joint)
        assert info[1].decode() == joint.name
        assert info[6] == joint.damping
        np.testing.assert_allclose(info[8:10], [joint.lower, joint.upper])
        np.testing.assert_allclose(info[10:12], [joint.effort, joint.velocity])
        np.testing.assert_allclose(info[13], link.axis)
    assert set(names.values()) == {link.name for link in spec.links}
    inertias = inertia_with_rotors(spec)
    for index, name in names.items():
        link = next(link for link in spec.links if link.name == name)
        mass, _, inertia, center, *_ = pybullet.getDynamicsInfo(
            body, index, physicsClientId=client
        )
        np.testing.assert_allclose(center, link.center_of_mass, atol=1e-9)
        if not spec.floating_base and not link.parent:
            continue  # a base that is bolted down has no mass in PyBullet
        assert mass == pytest.approx(link.mass)
        np.testing.assert_allclose(inertia, inertias[name], rtol=1e-6)
    backend.close()


def test_both_engines_put_every_link_in_the_same_place(spec):
    rng = np.random.default_rng(0)
    mj = MujocoBackend(spec, {}, cameras=False)
    mj.connect()
    pb = bullet(spec)
    for _ in range(5):
        position = rng.uniform(spec.lower, spec.upper)
        options: dict[str, object] = {
            "joint_position": dict(zip(spec.joint_names, position.tolist(), strict=True))
        }
        if spec.floating_base:
            turn = rng.normal(size=4)
            options["base_position"] = [0.1, -0.2, 1.0]
            options["base_orientation"] = (turn / np.linalg.norm(turn)).tolist()
        mj.reset(0, options)
        pb.reset(0, options)
        for link in spec.links:
            one, other = mj._link_pose(link.name), pb._link_pose(link.name)
            np.testing.assert_allclose(one[:3], other[:3], atol=1e-5)
            np.testing.assert_allclose(matrix(one[3:]), matrix(other[3:]), atol=1e-4)
    pb.close()


@pytest.mark.parametrize("mode", list(CommandMode))
@pytest.mark.parametrize("engine", [MujocoBackend, PybulletBackend])
def test_the_servo_is_the_law_of_the_table(engine, mode, spec, monkeypatch):
    """Effort = k (target - q) - d qdot within the limits, from the state before each step."""
    monkeypatch.setattr(PybulletBackend, "substeps", 1)
    backend = engine(spec, {}, cameras=False)
    backend.connect()
    backend.reset(0, {"base_position": [0.0, 0.0, 3.0]} if spec.floating_base else {})
    rng, gains = np.random.default_rng(1), spec.gains[mode]
    for _ in range(20):
        target = np.clip(spec.default + rng.uniform(-0.6, 0.6, 1), spec.lower, spec.upper)
        backend.write(Command(backend.time, target, mode=mode))
        before = backend.read()
        backend.advance(1.0 / spec.servo_rate)
        expected = gains.stiffness * (target - before.joint_position)
        expected = np.clip(
            expected - gains.damping * before.joint_velocity, -spec.effort, spec.effort
        )
        if engine is MujocoBackend:
            # MuJoCo's reading is of the state after the step, with the same target.
            after = backend.read()
            expected = gains.stiffness * (target - after.joint_position)
            expected = np.clip(
                expected - gains.damping * after.joint_velocity, -spec.effort, spec.effort
            )
        np.testing.assert_allclose(backend.read().joint_effort, expected, atol=1e-6)
    backend.close()


@pytest.mark.parametrize("robot", MASSES)
def test_left_and_right_mirror_each_other(robot):
    mirror = np.array([1.0, -1.0, 1.0])
    spec = load_robot(robot)
    links = {link.name: link for link in spec.links}
    joints = {joint.name: joint for joint in spec.joints}
    for right, left in (("FR", "FL"), ("RR", "RL")):
        for part in ("hip", "thigh", "calf"):
            one, other = links[f"{right}_{part}"], links[f"{left}_{part}"]
            np.testing.assert_allclose(one.position, other.position * mirror)
            np.testing.assert_allclose(one.axis, other.axis)
            np.testing.assert_allclose(one.inertia, other.inertia)
            # The real calf is one part for both sides, 1 mm off its middle.
            middle = 0.0021 if part == "calf" else 1e-9
            np.testing.assert_allclose(
                one.center_of_mass, other.center_of_mass * mirror, atol=middle
            )
            assert one.mass == other.mass
            a, b = joints[f"{right}_{part}_joint"], joints[f"{left}_{part}_joint"]
            flip = -1.0 if part == "hip" else 1.0
            assert a.default == flip * b.default
            assert (a.lower, a.upper) == (
                (-b.upper, -b.lower) if part == "hip" else (b.lower, b.upper)
            )
            assert (a.effort, a.velocity, a.armature) == (b.effort, b.velocity, b.armature)


@pytest.mark.parametrize(("robot", "radius"), [("go1", 0.023), ("go2", 0.022)])
def test_the_default_pose_stands_on_its_front_feet(robot, radius):
    spec = load_robot(robot)
    model = mujoco.MjModel.from_xml_string(mjcf(spec, {}))
    data = mujoco.MjData(model)
    data.qpos[7:] = spec.default
    mujoco.mj_forward(model, data)
    soles = [data.geom(f"{leg}_foot").xpos[2] - radius for leg in ("FR", "FL", "RR", "RL")]
    np.testing.assert_allclose(soles, [0.0, 0.0, 0.009, 0.009], atol=1e-3)


def test_training_can_ask_for_a_cheaper_model():
    model = mujoco.MjModel.from_xml_string(
        mjcf(GO1, {}, iterations=4, ls_iterations=6, imu=False, display=False)
    )
    assert (model.opt.iterations, model.opt.ls_iterations) == (4, 6)
    assert [model.sensor(i).name for i in range(model.nsensor)] == [
        f"{leg}_foot" for leg in ("FR", "FL", "RR", "RL")
    ]
    assert all(model.geom_contype[1:] == 1), "only what collides, and the floor"


@pytest.mark.parametrize("engine", [MujocoBackend, PybulletBackend])
def test_objects_lie_where_they_are_put_and_fall_if_they_can(engine):
    backend = engine(load_robot("so101"), TABLETOP, cameras=False)
    backend.connect()
    raised = [0.2, 0.1, 0.3, 0.0, 0.0, np.sqrt(0.5), np.sqrt(0.5)]
    state = backend.reset(0, {"objects": {"cube": raised, "pad": raised}})
    np.testing.assert_allclose(state.truth["object.cube"], raised, atol=1e-6)
    np.testing.assert_allclose(state.truth["object.pad"], raised, atol=1e-6)
    backend.advance(1.0)
    state = backend.read()
    np.testing.assert_allclose(state.truth["object.pad"], raised, atol=1e-6)
    np.testing.assert_allclose(state.truth["object.cube"][:3], [0.2, 0.1, 0.014], atol=3e-3)
    backend.close()


@pytest.mark.parametrize("engine", [MujocoBackend, PybulletBackend])
def test_the_gripper_holds_a_cube(engine):
    """Closed on a cube in mid-air, the jaws take it along when the arm moves."""
    robot = load_robot("so101")
    backend = engine(robot, TABLETOP, cameras=False)
    backend.connect()
    pose = robot.default.copy()
    touching = {"gripper": 0.34}  # where the jaws are parallel, a cube's width apart
    tip = backend.reset(0, {"joint_position": touching}).truth["end_effector"]
    center = tip[:3] + matrix(tip[3:]) @ [0.0, -0.011, -0.01]
    cube = [*center.tolist(), *tip[3:].tolist()]
    backend.reset(0, {"joint_position": touching, "objects": {"cube": cube}})
    pose[5] = 0.1
    for i in range(60):
        pose[1] -= 0.01 if i > 20 else 0.0
        backend.write(Command(backend.time, pose))
        backend.advance(1.0 / 30.0)
    state = backend.read()
    moved = state.truth["object.cube"][:3] - center
    assert np.linalg.norm(state.truth["end_effector"][:3] - tip[:3]) > 0.03
    assert np.linalg.norm(moved - (state.truth["end_effector"][:3] - tip[:3])) < 0.02
    assert state.truth["contact.fixed_jaw"][0] > 1.0
    assert state.truth["contact.moving_jaw"][0] > 1.0
    assert state.truth["robot_contact.cube"][0] > 2.0
    assert state.truth["contact.robot.cube"][0] == state.truth["robot_contact.cube"][0]
    assert state.truth["contact.floor.cube"][0] == 0.0
    backend.close()


@pytest.mark.parametrize("engine", [MujocoBackend, PybulletBackend])
def test_truth_tells_which_objects_touch(engine):
    """One cube lies on a table, another on the first, a third beside them on the floor."""
    half, mass, top = 0.014, 0.02, 0.1
    table = {"kind": "box", "size": [0.1, 0.1, 0.05], "position": [0.3, 0.0, 0.05]}
    cube = {"kind": "box", "size": [half] * 3, "mass": mass}
    scene = {
        **TABLETOP,
        "objects": {
            "table": table,
            "lower": {**cube, "position": [0.3, 0.0, top + half]},
            "upper": {**cube, "position": [0.3, 0.0, top + 3 * half]},
            "alone": {**cube, "position": [0.1, 0.3, half]},
        },
    }
    backend = engine(load_robot("so101"), scene, cameras=False)
    backend.connect()
    backend.reset(0, {})
    backend.advance(1.0)
    truth = backend.read().truth
    backend.close()
    weight = mass * 9.81
    touching = {
        "contact.table.lower": 2.0 * weight,
        "contact.lower.upper": weight,
        "contact.floor.alone": weight,
    }
    found = {key: truth[key][0] for key in truth if key.count(".") == 2}
    assert {key for key, force in found.items() if force > 1e-3} == touching.keys()
    for key, force in touching.items():
        assert found[key] == pytest.approx(force, rel=0.05), key
    assert "contact.robot.table" in found
    assert "contact.floor.table" not in found, "both are held in place"


@pytest.mark.parametrize("link", ["hand", "forearm"])
@pytest.mark.parametrize("engine", [MujocoBackend, PybulletBackend])
def test_a_wrench_is_the_weight_of_what_is_carried(engine, link):
    """Held still, everything from the link on weighs m g at its centres of mass."""
    robot = replace(load_robot("so101"), wrench_link=link)
    backend = engine(robot, {}, cameras=False)
    backend.connect()
    backend.reset(0, {})
    for _ in range(60):
        backend.write(Command(backend.time, robot.default))
        backend.advance(1.0 / 30.0)
    measured = backend.read().features["observation.wrench"]
    backend.provides["observation.wrench"].validate(measured)
    links = {entry.name: entry for entry in robot.links}
    origin = backend._link_pose(link)
    turn, force, torque = matrix(origin[3:]), np.zeros(3), np.zeros(3)
    for entry in robot.links:
        above = entry.name
        while above and above != link:
            above = links[above].parent
        if above:
            pose = backend._link_pose(entry.name)
            arm = pose[:3] + matrix(pose[3:]) @ entry.center_of_mass - origin[:3]
            force += [0.0, 0.0, -9.81 * entry.mass]
            torque += np.cross(arm, [0.0, 0.0, -9.81 * entry.mass])
    backend.close()
    np.testing.assert_allclose(measured[:3], force @ turn, atol=0.01)
    np.testing.assert_allclose(measured[3:], torque @ turn, atol=0.002)


@pytest.mark.parametrize("engine", [MujocoBackend, PybulletBackend])
def test_a_wrench_feels_a_known_mass_in_the_hand(engine):
    robot, heavy = replace(load_robot("so101"), wrench_link="hand"), 0.1
    scene = {**TABLETOP, "objects": {"cube": TABLETOP["objects"]["cube"] | {"mass": heavy}}}
    backend = engine(robot, scene, cameras=False)
    backend.connect()
    touching = {"gripper": 0.34}
    tip = backend.reset(0, {"joint_position": touching}).truth["end_effector"]
    center = tip[:3] + matrix(tip[3:]) @ [0.0, -0.011, -0.01]
    cube, pose, weights = [*center.tolist(), *tip[3:].tolist()], robot.default.copy(), []
    pose[5] = -0.1
    for where in ({"cube": cube}, {}):
        backend.reset(0, {"joint_position": touching, "objects": where})
        for _ in range(60):
            backend.write(Command(backend.time, pose))
            backend.advance(1.0 / 30.0)
        state = backend.read()
        weights.append(np.linalg.norm(state.features["observation.wrench"][:3]))
    backend.close()
    assert weights[0] - weights[1] == pytest.approx(heavy * 9.81, rel=0.05)


@pytest.mark.parametrize("camera", ["wrist", "top"])
def test_both_engines_draw_the_same_view(camera):
    robot = load_robot("so101")
    scene = {**TABLETOP, "objects": {"pad": TABLETOP["objects"]["pad"] | {"color": [1, 0, 0, 1]}}}
    seen = []
    for engine in (MujocoBackend, PybulletBackend):
        backend = engine(robot, scene)
        backend.connect()
        picture = backend.reset(0, {}).features[f"observation.images.{camera}"].astype(int)
        backend.close()
        assert picture.shape == (96, 96, 3)
        seen.append(np.argwhere(picture[..., 0] > 2 * picture[..., 1]))  # the red pad
    assert min(map(len, seen)) > 50
    np.testing.assert_allclose(seen[0].mean(0), seen[1].mean(0), atol=1.5)
    assert len(seen[0]) == pytest.approx(len(seen[1]), rel=0.15)
