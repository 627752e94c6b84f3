"""The robot's table and a scene as a MuJoCo model.

Collision bits: the robot touches the floor and objects but not itself, objects touch everything.
Names in the model are the table's: bodies are links, actuators are joints, a named shape is a geom
and the site of a touch sensor, an object is a body.
"""

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np

from robot_policies.interface import RobotSpec
from robot_policies.interface.gravity import DOWN, GRAVITY
from robot_policies.interface.robot_parts import Camera, CoupledJoint, Joint, Link, Shape
from robot_policies_sim.engines.mujoco.cloth import add_cloth
from robot_policies_sim.engines.mujoco.elements import pose, text
from robot_policies_sim.engines.mujoco.scenery import furnish
from robot_policies_sim.scene.world import Object, World

ROBOT = {"contype": "1", "conaffinity": "2"}
OBJECT = {"contype": "2", "conaffinity": "3"}
NOTHING = {"contype": "0", "conaffinity": "0"}


def mjcf(
    spec: RobotSpec,
    scene: Mapping[str, Any],
    *,
    iterations: int = 100,
    ls_iterations: int = 50,
    imu: bool = True,
    display: bool = True,
) -> str:
    """Write the model; one physics step is one step of the joint servo.

    Args:
        spec: The robot.
        scene: World description, see `World`.
        iterations: Most solver iterations; 4 is enough to train a walk, and faster.
        ls_iterations: Most line-search steps per iteration; 6 likewise.
        imu: Whether to simulate the inertial unit and the wrench; its accelerometer costs 10 % of
            a step.
        display: Whether to include shapes that touch nothing.

    Returns:
        MJCF. Actuators realise `k (target - q) - d qdot` with the gains of mode `policy` and the
        joint's effort limit; touch sensors come first among the sensors, in link order.
    """
    world = World.from_mapping(scene)
    contact = world.contact
    root = ET.Element("mujoco", model=spec.name)
    ET.SubElement(root, "compiler", angle="radian", autolimits="true")
    option = ET.SubElement(
        root,
        "option",
        timestep=repr(1.0 / spec.servo_rate),
        gravity=text(GRAVITY * DOWN),
        integrator="implicitfast",
        cone=contact.cone,
        iterations=str(iterations),
        ls_iterations=str(ls_iterations),
    )
    if contact.cone == "elliptic":
        option.set("impratio", "10")  # friction ten times stiffer than the normal: no slip
    # A diverged state must be seen by the caller, not silently replaced by the initial one.
    ET.SubElement(option, "flag", autoreset="disable")
    ET.SubElement(root, "statistic", extent="1")  # makes the clipping planes metres
    default = ET.SubElement(root, "default")
    ET.SubElement(
        default,
        "geom",
        condim=str(contact.dimensions),
        friction=text([contact.friction, contact.torsional, contact.rolling]),
        solref=text([contact.softness, 1.0]),
    )
    worldbody = ET.SubElement(root, "worldbody")
    furnish(root, worldbody, world, spec.cameras)
    sensors = ET.Element("sensor")
    bodies = {"": worldbody}
    _meshes(root, spec)
    for link in spec.links:
        body = _body(bodies[link.parent], link, spec)
        bodies[link.name] = body
        _shapes(body, link, contact.friction, display, sensors)
        for camera in spec.cameras:
            if camera.link == link.name:
                _camera(body, camera)
    if spec.imu_link and imu:
        ET.SubElement(bodies[spec.imu_link], "site", name="imu", size="0.005", group="5")
        for kind in ("gyro", "accelerometer"):
            ET.SubElement(sensors, kind, name=f"imu_{kind}", site="imu")
    if spec.wrench_link and imu:
        ET.SubElement(bodies[spec.wrench_link], "site", name="wrench", size="0.005", group="5")
        for kind in ("force", "torque"):
            ET.SubElement(sensors, kind, name=f"wrench_{kind}", site="wrench")
    for item in world.objects:
        _object(worldbody, item, contact.friction)
    for cloth in world.cloths:
        add_cloth(root, bodies, cloth, contact.softness)
    root.append(_couplings(spec))
    root.append(_actuators(spec))
    root.append(sensors)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode")


def _body(parent: ET.Element, link: Link, spec: RobotSpec) -> ET.Element:
    body = ET.SubElement(parent, "body", name=link.name)
    position = link.position
    if spec.floating_base and not link.parent:
        position = position + [0.0, 0.0, spec.base_height]
        ET.SubElement(body, "freejoint", name="base")
    pose(body, position, link.rotation)
    inertial = ET.SubElement(
        body, "inertial", mass=text([link.mass]), diaginertia=text(link.inertia)
    )
    pose(inertial, link.center_of_mass, link.principal_axes)
    for joint in (*spec.joints, *spec.coupled):
        if joint.name == link.joint:
            _joint(body, link, joint)
    return body


def _joint(body: ET.Element, link: Link, joint: Joint | CoupledJoint) -> None:
    ET.SubElement(
        body,
        "joint",
        name=joint.name,
        type="slide" if joint.sliding else "hinge",
        axis=text(link.axis),
        range=text([joint.lower, joint.upper]),
        damping=text([joint.damping]),
        armature=text([joint.armature]),
        frictionloss=text([joint.friction]),
    )


def _meshes(root: ET.Element, spec: RobotSpec) -> None:
    """Add each mesh once; its volume does not matter, links have their inertia."""
    assets = ET.SubElement(root, "asset")
    meshes = {_mesh(shape): shape for link in spec.links for shape in link.shapes if shape.file}
    for name, shape in meshes.items():
        mesh = {"name": name, "file": shape.file, "scale": text(shape.size), "inertia": "shell"}
        ET.SubElement(assets, "mesh", mesh)


def _mesh(shape: Shape) -> str:
    return f"{shape.file} {text(shape.size)}"


def _couplings(spec: RobotSpec) -> ET.Element:
    couplings = ET.Element("equality")
    for joint in spec.coupled:
        ET.SubElement(
            couplings,
            "joint",
            joint1=joint.name,
            joint2=joint.driver,
            polycoef=text(joint.coefficients),
        )
    return couplings


def _shapes(
    body: ET.Element, link: Link, friction: float, display: bool, sensors: ET.Element
) -> None:
    for i, shape in enumerate(link.shapes):
        if not (shape.collides or display):
            continue
        bits = ROBOT if shape.collides else NOTHING
        geom = ET.SubElement(body, "geom", bits, name=shape.name or f"{link.name}_{i}")
        _draw(geom, shape, friction)
        pose(geom, np.array(shape.position), np.array(shape.rotation))
        if shape.name and shape.collides:
            # A sphere round the whole shape: contacts lie on its surface.
            radius = float(np.linalg.norm(shape.size)) + 0.001
            site = {"name": shape.name, "size": text([radius]), "group": "5"}
            ET.SubElement(body, "site", site, pos=text(shape.position))
            ET.SubElement(sensors, "touch", name=shape.name, site=shape.name)


def _object(worldbody: ET.Element, item: Object, friction: float) -> None:
    body = ET.SubElement(worldbody, "body", name=item.name)
    pose(body, np.array(item.position), np.array(item.rotation))
    bits = OBJECT if item.shape.collides else NOTHING
    geom = ET.SubElement(body, "geom", bits, name=item.name)
    _draw(geom, item.shape, friction)
    if item.mass is None:
        body.set("mocap", "true")
    else:
        ET.SubElement(body, "freejoint", name=item.name)
        geom.set("mass", text([item.mass]))


def _draw(geom: ET.Element, shape: Shape, friction: float) -> None:
    geom.set("type", shape.kind)
    if shape.kind == "mesh":
        geom.set("mesh", _mesh(shape))
    else:
        geom.set("size", text(shape.size))
    geom.set("rgba", text(shape.color))
    # One number sets the sliding coefficient alone; the rest stays the scene's.
    geom.set("friction", text([friction if shape.friction is None else shape.friction]))


def _camera(body: ET.Element, camera: Camera) -> None:
    """Add a pinhole camera; its vertical field of view is 2 atan(height / 2 / focal length)."""
    half = np.arctan2(camera.height / 2, camera.focal_length)
    element = ET.SubElement(body, "camera", name=camera.name, fovy=text([np.degrees(2 * half)]))
    element.set("resolution", f"{camera.width} {camera.height}")
    pose(element, camera.position, camera.rotation)


def _actuators(spec: RobotSpec) -> ET.Element:
    actuators = ET.Element("actuator")
    gains = spec.gains["policy"]
    for i, joint in enumerate(spec.joints):
        ET.SubElement(
            actuators,
            "position",
            name=joint.name,
            joint=joint.name,
            kp=text([gains.stiffness[i]]),
            kv=text([gains.damping[i]]),
            forcerange=text([-joint.effort, joint.effort]),
        )
    return actuators
