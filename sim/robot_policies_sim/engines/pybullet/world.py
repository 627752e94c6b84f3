"""A scene in PyBullet."""

import numpy as np

from robot_policies.interface.frames import quaternion
from robot_policies.interface.gravity import GRAVITY
from robot_policies.interface.robot_parts import Shape
from robot_policies_sim.engines.pybullet.quiet_import import pybullet
from robot_policies_sim.scene.world import (
    Contact,
    Object,
    World,
)

HARD = 0.02  # s, the softness at and below which PyBullet's own rigid contact is kept
# Under a weight MuJoCo lets things sink by so many softness^2 (measured) [m/s^2]
FOOT_SINK = 1.7  # a Go1's foot; on its floor alone
BOX_SINK = 0.85  # a box; 4 contacts, each as stiff as is said for all in PyBullet
SETTLING = 0.02  # s, least time constant of a contact: in fewer physics steps a fall bounces
TILE = 1.0  # m, as in the MuJoCo model
TILES = 10  # dark tiles to each side
KINDS = {
    "box": pybullet.GEOM_BOX,
    "sphere": pybullet.GEOM_SPHERE,
    "capsule": pybullet.GEOM_CAPSULE,
    "cylinder": pybullet.GEOM_CYLINDER,
}


def build_world(client: int, world: World, robot_mass: float) -> dict[str, int]:
    """Make floor and objects.

    Args:
        client: Physics server.
        world: The scene.
        robot_mass: Weighs on soft ground. [kg]

    Returns:
        Body number of each object by name.
    """
    plane = pybullet.createCollisionShape(pybullet.GEOM_PLANE, physicsClientId=client)
    floor = pybullet.createMultiBody(
        0.0, plane, _tiles(client, world, dark=False), physicsClientId=client
    )
    pybullet.createMultiBody(0.0, -1, _tiles(client, world, dark=True), physicsClientId=client)
    set_contact(client, floor, -1, world.contact, world.contact.friction)
    if world.contact.softness > HARD:  # as soft as MuJoCo's is under this robot on four feet
        _soften(client, floor, robot_mass / 4.0, FOOT_SINK * world.contact.softness**2)
    return {item.name: _object(client, item, world.contact) for item in world.objects}


def set_contact(client: int, body: int, link: int, contact: Contact, friction: float) -> None:
    """Set how a link touches.

    PyBullet multiplies the sliding coefficients of a pair, where MuJoCo takes the larger, so each
    side gets the root; a pair of equal materials then slides alike in both.
    """
    share = np.sqrt(friction)
    twice = 2.0 * share if share > 0.0 else 1.0
    pybullet.changeDynamics(
        body,
        link,
        lateralFriction=share,
        spinningFriction=contact.torsional / twice if contact.dimensions >= 4 else 0.0,
        rollingFriction=contact.rolling / twice if contact.dimensions >= 6 else 0.0,
        restitution=0.0,
        physicsClientId=client,
    )


def _soften(client: int, body: int, mass: float, sink: float) -> None:
    """Let contacts with a body give way, critically damped or more.

    A mass that sinks in by s under its weight m g stands on a stiffness k = m g / s. Critical
    damping is 2 sqrt(k m) = k T with the time constant T = 2 sqrt(s / g).

    Args:
        client: Physics server.
        body: The body.
        mass: What weighs on it. [kg]
        sink: How far that mass sinks in at rest. [m]
    """
    stiffness = mass * GRAVITY / sink
    settling = max(2.0 * np.sqrt(sink / GRAVITY), SETTLING)
    pybullet.changeDynamics(
        body,
        -1,
        contactStiffness=stiffness,
        contactDamping=stiffness * settling,
        physicsClientId=client,
    )


def _object(client: int, item: Object, contact: Contact) -> int:
    shape = item.shape
    collision = -1
    if shape.collides:
        collision = pybullet.createCollisionShape(
            KINDS[shape.kind], **_extent(shape, "height"), physicsClientId=client
        )
    visual = pybullet.createVisualShape(
        KINDS[shape.kind],
        **_extent(shape, "length"),
        rgbaColor=list(shape.color),
        physicsClientId=client,
    )
    body = pybullet.createMultiBody(
        item.mass or 0.0,
        collision,
        visual,
        list(item.position),
        list(quaternion(item.rotation)),
        physicsClientId=client,
    )
    friction = contact.friction if shape.friction is None else shape.friction
    set_contact(client, body, -1, contact, friction)
    if item.mass:  # a rigid cube turns between closing jaws and wedges them open
        _soften(client, body, item.mass, BOX_SINK * contact.softness**2)
    pybullet.changeDynamics(
        body, -1, linearDamping=0.0, angularDamping=0.0, physicsClientId=client
    )
    return body


def _extent(shape: Shape, axial: str) -> dict[str, object]:
    """Return the size under PyBullet's names; what is `axial` differs between its functions."""
    if shape.kind == "box":
        return {"halfExtents": list(shape.size)}
    if shape.kind == "sphere":
        return {"radius": shape.size[0]}
    return {"radius": shape.size[0], axial: 2.0 * shape.size[1]}


def _tiles(client: int, world: World, dark: bool) -> int:
    """Return a shape of every second tile of the floor, so that motion over it can be seen.

    Tiles are dark where row + column is even; each is two triangles of its four corners.
    """
    color = np.array(world.floor_color[:3]) * (0.9 if dark else 1.0)
    corners = TILE / 2 * np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
    centers = [
        np.array([row * TILE, column * TILE, 0.0])
        for row in range(-TILES, TILES + 1)
        for column in range(-TILES, TILES + 1)
        if (row + column) % 2 != dark  # that of the origin is dark
    ]
    vertices = np.concatenate([center + corners for center in centers])
    indices = [4 * tile + i for tile in range(len(centers)) for i in (0, 1, 2, 0, 2, 3)]
    return pybullet.createVisualShape(
        pybullet.GEOM_MESH,
        vertices=vertices.tolist(),
        indices=indices,
        normals=[[0.0, 0.0, 1.0]] * len(vertices),
        uvs=[[0.0, 0.0]] * len(vertices),
        rgbaColor=[*color, 1.0],
        physicsClientId=client,
    )
