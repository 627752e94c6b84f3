"""Cloth as a MuJoCo flex: every vertex a body on three sliders, edges held to their length.

The holder carries its vertices by one `connect` each, between a site of the holder and one of the
vertex, so that they can be let go. Edges resist stretching alone; bending is free, as it nearly is
in thin cloth. Measured: an `implicitfast` step of 4 ms needs edges no faster than 10 ms.
"""

from xml.etree import ElementTree as ET

import mujoco
import numpy as np

from robot_policies_sim.engines.mujoco.elements import text
from robot_policies_sim.scene.cloth import Cloth

BITS = {"contype": "0", "conaffinity": "2"}  # objects, and neither the robot nor the floor
SOLIMP = "0.95 0.99 0.001"  # of contacts of cloth: it rests within a millimetre
HOLD = "0.008 1"  # time constant of the grip, and its damping ratio
POINT = "1e-9"  # kg m^2; a body needs one, though a vertex never turns


def add_cloth(
    root: ET.Element, bodies: dict[str, ET.Element], cloth: Cloth, softness: float
) -> None:
    """Write a cloth into a model.

    Args:
        root: The model.
        bodies: Element of each link, and of the world under the empty name.
        cloth: The cloth.
        softness: Time constant of its contacts. [s]
    """
    world, mass = bodies[""], cloth.mass / len(cloth.shape)
    names = [vertex_name(cloth, i) for i in range(len(cloth.shape))]
    for i, (name, position) in enumerate(zip(names, cloth.vertices, strict=True)):
        body = ET.SubElement(world, "body", name=name, pos=text(position))
        ET.SubElement(
            body, "inertial", pos="0 0 0", mass=repr(mass), diaginertia=" ".join([POINT] * 3)
        )
        for axis, direction in zip("xyz", ("1 0 0", "0 1 0", "0 0 1"), strict=True):
            ET.SubElement(body, "joint", name=f"{name}.{axis}", type="slide", axis=direction)
        if i in cloth.grip:
            ET.SubElement(body, "site", name=name, size="0.001", group="5")
    deformable = ET.SubElement(root, "deformable")
    flex = ET.SubElement(
        deformable,
        "flex",
        name=cloth.name,
        dim="2",
        radius=repr(cloth.thickness / 2),
        body=" ".join(names),
        vertex=" ".join(["0"] * cloth.shape.size),
        element=" ".join(map(str, cloth.triangles.ravel())),
        rgba=text(cloth.color),
    )
    ET.SubElement(
        flex,
        "contact",
        BITS,
        condim="3",
        friction=repr(cloth.friction),
        solref=text([softness, 1.0]),
        solimp=SOLIMP,
        selfcollide="none",
    )
    ET.SubElement(flex, "edge")
    equality = root.find("equality")
    equality = ET.SubElement(root, "equality") if equality is None else equality
    ET.SubElement(equality, "flex", flex=cloth.name, solref=text([cloth.stretch, 1.0]))
    for i in cloth.grip:
        # `grasp` moves the site; one at the origin would be compiled to stay there.
        held = {"name": f"{names[i]}.held", "pos": "0 0 0.1", "size": "0.001", "group": "5"}
        ET.SubElement(bodies[cloth.holder], "site", held)
        ET.SubElement(
            equality,
            "connect",
            name=names[i],
            site1=f"{names[i]}.held",
            site2=names[i],
            solref=HOLD,
        )


def vertex_name(cloth: Cloth, i: int) -> str:
    """Return the name of a vertex's body."""
    return f"{cloth.name}.{i}"


class HeldCloth:
    """A cloth in a compiled model."""

    def __init__(self, cloth: Cloth, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        """Find its parts.

        Args:
            cloth: The cloth.
            model: The model it was written into.
            data: Its state.
        """
        self.cloth, self._model, self._data = cloth, model, data
        flex = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_FLEX, cloth.name)
        first = model.flex_vertadr[flex]
        self._rows = slice(first, first + len(cloth.shape))
        start = model.joint(f"{vertex_name(cloth, 0)}.x").qposadr[0]
        self._sliders = slice(start, start + cloth.shape.size)

    @property
    def vertices(self) -> np.ndarray:
        """Vertices in the world. Shape (along * around, 3). [m]."""
        return self._data.flexvert_xpos[self._rows].copy()

    def put(self, vertices: np.ndarray) -> None:
        """Put the vertices somewhere. Shape (along * around, 3). [m]."""
        self._data.qpos[self._sliders] = (vertices - self.cloth.vertices).ravel()

    def grasp(self) -> None:
        """Let the holder take the opening where it is now; poses have to be computed."""
        holder = self._data.body(self.cloth.holder)
        turn = holder.xmat.reshape(3, 3)
        for i in self.cloth.grip:
            site = self._model.site(f"{vertex_name(self.cloth, i)}.held")
            site.pos[:] = (self.cloth.vertices[i] - holder.xpos) @ turn
        self.hold(True)

    def hold(self, held: bool) -> None:
        """Hold the opening, or let it go."""
        for i in self.cloth.grip:
            equality = self._model.equality(vertex_name(self.cloth, i)).id
            self._data.eq_active[equality] = held
