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
from robot_policies.interface.frames import quaternion
from robot_policies.interface.gravity import DOWN, GRAVITY
from robot_policies.interface.robot_parts import Camera, Link, Shape
from robot_policies_sim.scene.world import AMBIENT, HEADLIGHT, LAMP, LAMP_DIRECTION, Object, World

XYZW = [1, 2, 3, 0]  # MuJoCo's quaternions are w, x, y, z
WXYZ = [3, 0, 1, 2]
ROBOT = {"contype": "1", "conaffinity": "2"}
FLOOR = {"contype": "0", "conaffinity": "3"}
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
        gravity=_text(GRAVITY * DOWN),
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
    _visual(root)
    default = ET.SubElement(root, "default")
    ET.SubElement(
        default,
        "geom",
        condim=str(contact.dimensions),
        friction=_text([contact.friction, contact.torsional, contact.rolling]),
        solref=_text([contact.softness, 1.0]),
    )
    worldbody = ET.SubElement(root, "worldbody")
    lamp = {"pos": "0.5 0.5 4", "dir": _text(LAMP_DIRECTION), "castshadow": "false"}
    lamp |= {"directional": "true", "diffuse": _text([LAMP] * 3), "specular": "0 0 0"}
    ET.SubElement(worldbody, "light", lamp)
    floor = {"type": "plane", "size": "30 30 1", "material": "floor", "pos": "0.5 0.5 0"}
    ET.SubElement(worldbody, "geom", FLOOR | floor, name="floor")
    _checker(root, world)
    sensors = ET.Element("sensor")
    bodies = {"": worldbody}
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
    _pose(body, position, link.rotation)
    ET.SubElement(
        body,
        "inertial",
        pos=_text(link.center_of_mass),
        mass=_text([link.mass]),
        diaginertia=_text(link.inertia),
    )
    for joint in spec.joints:
        if joint.name == link.joint:
            ET.SubElement(
                body,
                "joint",
                name=joint.name,
                type="slide" if joint.sliding else "hinge",
                axis=_text(link.axis),
                range=_text([joint.lower, joint.upper]),
                damping=_text([joint.damping]),
                armature=_text([joint.armature]),
                frictionloss=_text([joint.friction]),
            )
    return body


def _shapes(
    body: ET.Element, link: Link, friction: float, display: bool, sensors: ET.Element
) -> None:
    for i, shape in enumerate(link.shapes):
        if not (shape.collides or display):
            continue
        bits = ROBOT if shape.collides else NOTHING
        geom = ET.SubElement(body, "geom", bits, name=shape.name or f"{link.name}_{i}")
        _draw(geom, shape, friction)
        _pose(geom, np.array(shape.position), np.array(shape.rotation))
        if shape.name and shape.collides:
            radius = float(np.linalg.norm(shape.size)) + 0.001  # contacts lie on the surface
            site = {"name": shape.name, "size": _text([radius]), "group": "5"}
            ET.SubElement(body, "site", site, pos=_text(shape.position))
            ET.SubElement(sensors, "touch", name=shape.name, site=shape.name)


def _object(worldbody: ET.Element, item: Object, friction: float) -> None:
    body = ET.SubElement(worldbody, "body", name=item.name)
    _pose(body, np.array(item.position), np.array(item.rotation))
    bits = OBJECT if item.shape.collides else NOTHING
    geom = ET.SubElement(body, "geom", bits, name=item.name)
    _draw(geom, item.shape, friction)
    if item.mass is None:
        body.set("mocap", "true")
    else:
        ET.SubElement(body, "freejoint", name=item.name)
        geom.set("mass", _text([item.mass]))


def _draw(geom: ET.Element, shape: Shape, friction: float) -> None:
    geom.set("type", shape.kind)
    geom.set("size", _text(shape.size))
    geom.set("rgba", _text(shape.color))
    # One number sets the sliding coefficient alone; the rest stays the scene's.
    geom.set("friction", _text([friction if shape.friction is None else shape.friction]))


def _camera(body: ET.Element, camera: Camera) -> None:
    half = np.arctan2(camera.height / 2, camera.focal_length)
    element = ET.SubElement(body, "camera", name=camera.name, fovy=_text([np.degrees(2 * half)]))
    element.set("resolution", f"{camera.width} {camera.height}")
    _pose(element, camera.position, camera.rotation)


def _actuators(spec: RobotSpec) -> ET.Element:
    actuators = ET.Element("actuator")
    gains = spec.gains["policy"]
    for i, joint in enumerate(spec.joints):
        ET.SubElement(
            actuators,
            "position",
            name=joint.name,
            joint=joint.name,
            kp=_text([gains.stiffness[i]]),
            kv=_text([gains.damping[i]]),
            forcerange=_text([-joint.effort, joint.effort]),
        )
    return actuators


def _visual(root: ET.Element) -> None:
    visual = ET.SubElement(root, "visual")
    ET.SubElement(visual, "global", offwidth="1280", offheight="960")
    # On a CPU a 96x96 image takes 0.6 ms like this, 4 ms with an endless floor (a finite plane
    # collides without end all the same) and round shapes, 50 ms with shadows and multisampling.
    mesh = {"numslices": "16", "numstacks": "8", "numquads": "1"}
    ET.SubElement(visual, "quality", mesh, shadowsize="0", offsamples="0")
    ET.SubElement(visual, "map", znear="0.01", zfar="30")
    light = {"ambient": _text([AMBIENT] * 3), "diffuse": _text([HEADLIGHT] * 3)}
    ET.SubElement(visual, "headlight", light, specular="0 0 0")


def _checker(root: ET.Element, world: World) -> None:
    """Tile the floor in metres, so that motion over it can be seen; the origin is in mid-tile."""
    color = np.array(world.floor_color[:3])
    asset = ET.SubElement(root, "asset")
    sky = {"type": "skybox", "builtin": "gradient", "width": "16", "height": "96"}
    ET.SubElement(asset, "texture", sky, rgb1="0.85 0.9 0.95", rgb2="0.6 0.68 0.76")
    texture = {
        "name": "floor",
        "type": "2d",
        "builtin": "checker",
        "width": "512",
        "height": "512",
    }
    ET.SubElement(asset, "texture", texture, rgb1=_text(color), rgb2=_text(color * 0.9))
    material = {"name": "floor", "texture": "floor", "texrepeat": "0.5 0.5", "texuniform": "true"}
    ET.SubElement(asset, "material", material)


def _pose(element: ET.Element, position: np.ndarray, rotation: np.ndarray) -> None:
    element.set("pos", _text(position))
    if np.any(rotation):
        element.set("quat", _text(quaternion(rotation)[WXYZ]))


def _text(values: Any) -> str:
    return " ".join(repr(float(value)) for value in values)
