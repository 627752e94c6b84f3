"""The bodies of an MJCF model as a tree of links with at most one joint each."""

from dataclasses import dataclass, field

import mujoco
import numpy as np
from scipy.spatial.transform import RigidTransform

from robot_policies.interface.robot_parts import Link
from robot_policies.robots.mjcf_shapes import shapes
from robot_policies.robots.transforms import MOUNT, moved, placed, position, rotation, turned

FREE, SLIDE = mujoco.mjtJoint.mjJNT_FREE, mujoco.mjtJoint.mjJNT_SLIDE
# Of a frame between two joints of one body, which has no mass in the model.
LEAST_MASS, LEAST_INERTIA = 1e-7, 1e-10  # kg, kg m^2


@dataclass
class Tree:
    """Links made of bodies.

    Attributes:
        model: The compiled model.
        moving: Joints that move; others stay where the model has them.
        remarks: Lines of what is not read as it stands, added to.
        links: Made so far, parents first.
    """

    model: mujoco.MjModel
    moving: set[int]
    remarks: list[str]
    links: list[Link] = field(default_factory=list)

    def grow(self, floating: bool) -> None:
        """Make all links.

        A fixed base that stands elsewhere than the origin, moves, or is one of several hangs on a
        frame `mount`.
        """
        model = self.model
        roots = [i for i in range(1, model.nbody) if model.body_parentid[i] == 0]
        root = roots[0] if len(roots) == 1 else 0
        still = root and not set(range(model.njnt)) & self.moving & set(self._joints(root))
        away = root and (np.any(model.body_pos[root]) or abs(model.body_quat[root, 0]) < 1.0)
        if floating or (still and not away):
            self._body(root, "", RigidTransform.identity())
        else:
            self._add(MOUNT, "", RigidTransform.identity(), body=0)
        for body in range(1, model.nbody):
            if body_name(model, body) in {link.name for link in self.links}:
                continue
            parent = int(model.body_parentid[body])
            pose = placed(model.body_pos[body], model.body_quat[body])
            self._body(body, MOUNT if parent == 0 else body_name(model, parent), pose)
        for i in range(model.nsite):
            self._site(i)

    def _joints(self, body: int) -> range:
        first = int(self.model.body_jntadr[body])
        return range(first, first + int(self.model.body_jntnum[body])) if first >= 0 else range(0)

    def _body(self, body: int, parent: str, pose: RigidTransform) -> None:
        """Add a body: a frame for each joint whose anchor is not its origin, then the body.

        The body's frame is P T(a) R(-ref) R(q) T(-a) with the anchor a, and so on for each joint.
        """
        model, name = self.model, body_name(self.model, body)
        joints = [i for i in self._joints(body) if i in self.moving]
        for i in self._joints(body):
            if i not in self.moving and model.jnt_type[i] != FREE:
                self.remarks.append(
                    f"joint '{model.joint(i).name}': no motor moves it; it is fixed"
                )
        for number, i in enumerate(joints):
            anchor, axis = model.jnt_pos[i], model.jnt_axis[i]
            reference = -float(model.qpos0[model.jnt_qposadr[i]]) * axis
            back = moved(reference) if model.jnt_type[i] == SLIDE else turned(reference)
            pose = pose * moved(anchor) * back
            joint, last = model.joint(i).name, number + 1 == len(joints)
            if last and not np.any(anchor):
                self._add(name, parent, pose, joint, axis, body)
                return
            frame = f"{name}_{joint}"
            self._add(frame, parent, pose, joint, axis)
            parent, pose = frame, moved(-anchor)
        self._add(name, parent, pose, body=body)

    def _add(
        self,
        name: str,
        parent: str,
        pose: RigidTransform,
        joint: str = "",
        axis: np.ndarray | None = None,
        body: int | None = None,
    ) -> None:
        model, made, between = self.model, (), joint and body is None
        mass, center = LEAST_MASS if between else 0.0, np.zeros(3)
        inertia, axes = np.full(3, LEAST_INERTIA if between else 0.0), np.zeros(3)
        if body is not None:
            made, remarks = shapes(model, body)
            self.remarks += remarks
            mass, center = float(model.body_mass[body]), model.body_ipos[body].copy()
            inertia = model.body_inertia[body].copy()
            axes = rotation(placed(np.zeros(3), model.body_iquat[body]))
        self.links.append(
            Link(
                name=name,
                parent=parent,
                mass=mass,
                center_of_mass=center,
                inertia=inertia,
                position=position(pose),
                rotation=rotation(pose),
                axis=np.array([0.0, 0.0, 1.0]) if axis is None else axis.copy(),
                joint=joint,
                shapes=made,
                principal_axes=axes,
            )
        )

    def _site(self, i: int) -> None:
        """Add a named site as a frame, under a name of its own."""
        name, body = self.model.site(i).name, int(self.model.site_bodyid[i])
        taken = {link.name for link in self.links}
        name = f"{name}_site" if name in taken else name
        parent = body_name(self.model, body) if body else self.links[0].name
        if name and name not in taken:
            self._add(name, parent, placed(self.model.site_pos[i], self.model.site_quat[i]))


def body_name(model: mujoco.MjModel, body: int) -> str:
    """Return the name of a body, which need not have one in the model."""
    return model.body(body).name or f"body_{body}"
