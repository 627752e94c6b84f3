"""A robot's table, loaded into PyBullet with its physics instead of the engine's defaults."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from robot_policies.interface import RobotSpec
from robot_policies.interface.frames import matrix, quaternion
from robot_policies.interface.urdf import urdf
from robot_policies_sim.engines.pybullet.body import LoadedRobot
from robot_policies_sim.engines.pybullet.quiet_import import pybullet
from robot_policies_sim.engines.pybullet.world import set_contact
from robot_policies_sim.scene.world import Contact

# With this share both robots, in the air and following random targets, stay closest to MuJoCo:
# 0.038 and 0.047 rad root mean square over half a second; without rotors 0.054 and 0.63 rad.
ROTOR_SHARE = 0.5


def load_robot(client: int, robot: RobotSpec, contact: Contact) -> LoadedRobot:
    """Load the robot at the origin, with the table's physics instead of the engine's defaults."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "robot.urdf"  # PyBullet reads models from files only
        path.write_text(urdf(robot), encoding="utf-8")
        body = pybullet.loadURDF(
            str(path),
            useFixedBase=not robot.floating_base,
            flags=pybullet.URDF_USE_INERTIA_FROM_FILE,
            physicsClientId=client,
        )
    links = {robot.links[0].name: -1}
    joints: dict[str, int] = {}
    for i in range(pybullet.getNumJoints(body, physicsClientId=client)):
        info = pybullet.getJointInfo(body, i, physicsClientId=client)
        joints[info[1].decode()] = i
        links[info[12].decode()] = i
    base = pybullet.getDynamicsInfo(body, -1, physicsClientId=client)
    loaded = LoadedRobot(
        client=client,
        body=body,
        links=links,
        joints=[joints[name] for name in robot.joint_names],
        coupled=[joints[joint.name] for joint in robot.coupled],
        center=np.array(base[3]),
        axes=np.array(base[4]),
        lever=np.zeros(3),
        lever_axes=np.eye(3),
    )
    _set_physics(client, robot, contact, loaded)
    if robot.wrench_link:
        cell = next(link for link in robot.links if link.name == robot.wrench_link)
        axes = matrix(quaternion(cell.principal_axes))
        carried = links[robot.wrench_link]
        pybullet.enableJointForceTorqueSensor(body, carried, True, physicsClientId=client)
        loaded = replace(loaded, lever=cell.center_of_mass, lever_axes=axes)
    return loaded


def _set_physics(client: int, robot: RobotSpec, contact: Contact, loaded: LoadedRobot) -> None:
    inertias = inertia_with_rotors(robot)
    for link in robot.links:
        index = loaded.links[link.name]
        frictions = [shape.friction for shape in link.shapes if shape.friction is not None]
        friction = max(frictions, default=contact.friction)
        set_contact(client, loaded.body, index, contact, friction)
        pybullet.changeDynamics(
            loaded.body, index, localInertiaDiagonal=inertias[link.name], physicsClientId=client
        )
        # In one call with the damping the inertia would be passed over.
        pybullet.changeDynamics(
            loaded.body, index, linearDamping=0.0, angularDamping=0.0, physicsClientId=client
        )
    # A velocity motor held at zero with a small force is exactly dry friction.
    pybullet.setJointMotorControlArray(
        loaded.body,
        loaded.joints,
        pybullet.VELOCITY_CONTROL,
        targetVelocities=[0.0] * len(loaded.joints),
        forces=[joint.friction for joint in robot.joints],
        physicsClientId=client,
    )


def inertia_with_rotors(robot: RobotSpec) -> dict[str, np.ndarray]:
    """Return the inertia of each link with its share of the rotor PyBullet knows nothing of.

    A rotor's inertia counts for its own joint alone; given to the link, joints further up feel it
    too. `ROTOR_SHARE` is between giving nothing, where the stiff servos diverge, and everything.

    Args:
        robot: The robot.

    Returns:
        Principal moments by link name. Shape (3,) each. [kg m^2]
    """
    armature = {joint.name: joint.armature for joint in (*robot.joints, *robot.coupled)}
    return {
        link.name: link.inertia
        + ROTOR_SHARE
        * armature.get(link.joint, 0.0)
        * np.square(link.axis @ matrix(quaternion(link.principal_axes)))
        for link in robot.links
    }
