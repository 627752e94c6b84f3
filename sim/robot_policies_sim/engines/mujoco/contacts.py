"""Who touches whom in MuJoCo, and how hard."""

from collections.abc import Iterator

import mujoco

from robot_policies.interface import RobotSpec
from robot_policies_sim.scene.world import FLOOR, ROBOT, World


def owners(model: mujoco.MjModel, robot: RobotSpec, world: World) -> list[str]:
    """Return what each geom is part of: `robot`, `floor` or an object's name; then the cloths."""
    known = {link.name: ROBOT for link in robot.links}
    known |= {item.name: item.name for item in world.objects}
    bodies = [model.body(int(body)).name for body in model.geom_bodyid]
    return [*(known.get(name, FLOOR) for name in bodies), *(cloth.name for cloth in world.cloths)]


def normal_forces(data: mujoco.MjData, owner: list[str]) -> Iterator[tuple[str, str, float]]:
    """Yield the two things of each contact and its normal force [N].

    A pyramidal cone's normal force is the sum of those along its edges, an elliptic cone's the
    first of its rows.

    Args:
        data: State after a forward pass.
        owner: As `owners` gives it.
    """
    contact, geoms = data.contact, data.model.ngeom
    pyramidal = data.model.opt.cone == mujoco.mjtCone.mjCONE_PYRAMIDAL
    columns = (contact.geom, contact.flex, contact.dim, contact.efc_address)
    for geom, flex, dim, row in zip(*(column.tolist() for column in columns), strict=True):
        if row < 0:
            continue  # listed, but too far to press
        rows = 2 * (dim - 1) if pyramidal and dim > 1 else 1
        sides = [g if g >= 0 else geoms + f for g, f in zip(geom, flex, strict=True)]
        yield owner[sides[0]], owner[sides[1]], float(data.efc_force[row : row + rows].sum())
