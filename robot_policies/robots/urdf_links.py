"""The links of a URDF: mass, inertia, what they look like and touch with."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
from scipy.spatial.transform import Rotation

from robot_policies.interface.errors import ConfigError
from robot_policies.interface.robot_parts import Link, Shape
from robot_policies.robots.urdf_xml import attribute, number, numbers, origin

MESHES = (".stl", ".obj")
Mesh = Callable[[str], Path]


def read_link(
    name: str,
    element: ET.Element,
    mesh: Mesh,
    colors: Mapping[str, tuple[float, ...]],
    remarks: list[str],
) -> Link:
    """Read a link, without the joint that it hangs on.

    Args:
        name: Its name.
        element: `<link>`.
        mesh: Finds the file of a mesh.
        colors: Of the materials with a name.
        remarks: Lines of what is not read as it stands, added to.

    Raises:
        ConfigError: Naming the link.
    """
    mass, center, inertia, axes = 0.0, np.zeros(3), np.zeros(3), np.zeros(3)
    inertial = element.find("inertial")
    if inertial is not None:
        where = f"link '{name}': inertial"
        center, turn = origin(inertial, where)
        mass = number(inertial.find("mass"), "value", f"{where}: mass")
        inertia, axes = _inertia(inertial.find("inertia"), turn, where)
        if 2.0 * inertia.max() > inertia.sum() * (1.0 + 1e-9):
            remarks.append(
                f"{where}: no body has the principal moments {inertia}; each is read as their mean"
            )
            inertia = np.full(3, inertia.mean())
    shapes = []
    seen = element.findall("visual")
    for part, collides in ((seen, False), (element.findall("collision"), True)):
        for item in part:
            shape = _shape(item, collides, mesh, f"link '{name}': {item.tag}", colors, remarks)
            if shape is not None:
                shapes.append(shape if not collides or not seen else _unseen(shape))
    return Link(
        name, "", mass, center, inertia, np.zeros(3), np.zeros(3), np.array([1.0, 0.0, 0.0]),
        shapes=tuple(shapes), principal_axes=axes,
    )  # fmt: skip


def _unseen(shape: Shape) -> Shape:
    """Let what touches not be drawn where the link has something to be seen."""
    return replace(shape, color=(0.5, 0.5, 0.5, 0.0))


def _shape(
    element: ET.Element,
    collides: bool,
    mesh: Mesh,
    where: str,
    colors: Mapping[str, tuple[float, ...]],
    remarks: list[str],
) -> Shape | None:
    place, turn = origin(element, where)
    geometry = element.find("geometry")
    body = next(iter(geometry), None) if geometry is not None else None
    if body is None:
        raise ConfigError(f"{where}: <geometry> is missing")
    file = ""
    if body.tag == "box":
        size = numbers(attribute(body, "size", where), 3, where) / 2.0
    elif body.tag == "sphere":
        size = np.array([number(body, "radius", where)])
    elif body.tag in ("cylinder", "capsule"):
        size = np.array([number(body, "radius", where), number(body, "length", where) / 2.0])
    elif body.tag == "mesh":
        found = mesh(attribute(body, "filename", where))
        if found.suffix.lower() not in MESHES:
            remarks.append(f"{where}: {found.name} is neither STL nor OBJ")
            return None
        size, file = numbers(body.get("scale", "1 1 1"), 3, where), str(found)
    else:
        raise ConfigError(f"{where}: a {body.tag} is not read")
    return Shape(
        body.tag,
        tuple(float(s) for s in size),
        tuple(place),
        tuple(turn),
        collides=collides,
        color=_color(element, colors),
        file=file,
    )


def materials(root: ET.Element) -> dict[str, tuple[float, ...]]:
    """Return the colours of the materials with a name."""
    colors = {}
    for material in root.iter("material"):
        color = material.find("color")
        if color is not None and material.get("name"):
            where = f"material '{material.get('name')}'"
            colors[material.get("name", "")] = tuple(numbers(color.get("rgba", ""), 4, where))
    return colors


def _color(
    element: ET.Element, colors: Mapping[str, tuple[float, ...]]
) -> tuple[float, float, float, float]:
    material = element.find("material")
    name = "" if material is None else material.get("name", "")
    red, green, blue, alpha = colors.get(name, (0.75, 0.75, 0.78, 1.0))
    return red, green, blue, alpha


def _inertia(
    element: ET.Element | None, turn: np.ndarray, where: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return the principal moments and the roll, pitch, yaw of their axes in the link frame."""
    if element is None:
        raise ConfigError(f"{where}: <inertia> is missing")
    xx, yy, zz, xy, xz, yz = (
        number(element, key, where, 0.0) for key in ("ixx", "iyy", "izz", "ixy", "ixz", "iyz")
    )
    if not (xy or xz or yz):
        return np.array([xx, yy, zz]), turn
    moments, axes = np.linalg.eigh(np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]))
    axes[:, 2] *= np.sign(np.linalg.det(axes))  # a rotation, not a reflection
    if (moments <= 0.0).any():
        raise ConfigError(f"{where}: principal moments {moments} must be > 0")
    whole = Rotation.from_euler("xyz", turn) * Rotation.from_matrix(axes)
    return moments, whole.as_euler("xyz", suppress_warnings=True)
