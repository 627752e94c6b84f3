"""The geoms of an MJCF model as the shapes of a link."""

from pathlib import Path

import mujoco
import numpy as np

from robot_policies.interface.robot_parts import Shape
from robot_policies.robots.transforms import placed, position, rotation

KINDS = {
    mujoco.mjtGeom.mjGEOM_BOX: ("box", 3),
    mujoco.mjtGeom.mjGEOM_SPHERE: ("sphere", 1),
    mujoco.mjtGeom.mjGEOM_CAPSULE: ("capsule", 2),
    mujoco.mjtGeom.mjGEOM_CYLINDER: ("cylinder", 2),
}
USUAL_FRICTION = 1.0  # of a geom that says nothing
USUAL_COLOR = (0.5, 0.5, 0.5, 1.0)
UNSEEN = (0.5, 0.5, 0.5, 0.0)
LAST_DRAWN = 2  # of the geom groups that MuJoCo's viewers draw


def shapes(model: mujoco.MjModel, body: int) -> tuple[tuple[Shape, ...], list[str]]:
    """Return the shapes of a body, and one line for each geom that is not read."""
    found, remarks = [], []
    first, count = model.body_geomadr[body], model.body_geomnum[body]
    geoms = range(first, first + count)
    drawn = [i for i in geoms if model.geom_group[i] <= LAST_DRAWN] or geoms
    for i in geoms:
        shape = _shape(model, i, drawn=i in drawn)
        if shape is None:
            name = model.geom(i).name or f"of body '{model.body(body).name}'"
            kind = mujoco.mjtGeom(model.geom_type[i]).name.removeprefix("mjGEOM_").lower()
            remarks.append(f"geom {name}: a {kind} is not read")
        else:
            found.append(shape)
    return tuple(found), remarks


def _shape(model: mujoco.MjModel, i: int, drawn: bool) -> Shape | None:
    kind = mujoco.mjtGeom(model.geom_type[i])
    pose = placed(model.geom_pos[i], model.geom_quat[i])
    name, file = model.geom(i).name, ""
    if kind == mujoco.mjtGeom.mjGEOM_MESH:
        mesh = model.geom_dataid[i]
        # The compiler puts the frame of a mesh into its centre of mass; the file's is wanted.
        pose = pose * placed(model.mesh_pos[mesh], model.mesh_quat[mesh]).inv()
        file, name = _file(model, mesh), ""
        if not file:  # made of vertices inside the model
            return None
        shape, size = "mesh", tuple(float(s) for s in model.mesh_scale[mesh])
    elif kind in KINDS:
        shape, width = KINDS[kind]
        size = tuple(float(s) for s in model.geom_size[i, :width])
    else:
        return None
    friction = float(model.geom_friction[i, 0])
    return Shape(
        shape,
        size,
        tuple(position(pose)),
        tuple(rotation(pose)),
        friction=None if friction == USUAL_FRICTION else friction,
        collides=bool(model.geom_contype[i] or model.geom_conaffinity[i]),
        color=_color(model, i) if drawn else UNSEEN,
        name=name,
        file=file,
    )


def _file(model: mujoco.MjModel, mesh: int) -> str:
    start = int(model.mesh_pathadr[mesh])
    if start < 0:
        return ""
    text = bytes(model.paths)[start:].split(b"\0", 1)[0].decode()
    return str(Path(text).resolve())


def _color(model: mujoco.MjModel, i: int) -> tuple[float, float, float, float]:
    material = model.geom_matid[i]
    own = model.geom_rgba[i]
    if material >= 0 and np.allclose(own, USUAL_COLOR):
        own = model.mat_rgba[material]
    red, green, blue, alpha = (float(value) for value in own)
    return red, green, blue, alpha
