"""From displacements of the gripper, which policies may ask for, to targets of the joints."""

import numpy as np

from robot_policies.interface import Action, ActionKind, ContractError, RobotSpec
from robot_policies.interface.action import CARTESIAN_DELTA_NAMES
from robot_policies.interface.kinematics import Kinematics

FURTHEST = 100.0  # m and rad in one action; the algebra fails on numbers near the largest float


class CartesianResolver:
    """Turns `cartesian_delta` actions into joint position targets.

    The first six elements displace the workspace link; any further ones are joints by name (a
    gripper), whose value is an absolute position, approached no faster than they may move. What
    would take a joint beyond its speed is followed more slowly along the same line: near a
    singularity it cannot be followed otherwise.
    """

    def __init__(self, robot: RobotSpec, dt: float) -> None:
        """Choose the link.

        Args:
            robot: The robot; the link is the one its workspace watches, or else its last.
            dt: Time over which one action's displacement is meant to happen. [s]
        """
        link = robot.workspace.link if robot.workspace else robot.links[-1].name
        self._robot, self._kinematics = robot, Kinematics(robot, link)
        self._fraction = 1.0 / (robot.control_rate * dt)
        self._furthest = robot.velocity / robot.control_rate

    def resolve(self, action: Action, joints: np.ndarray) -> Action:
        """Return the joint targets for one control step.

        Args:
            action: Displacement, in the base frame, over the policy's `dt`.
            joints: Last commanded joint positions. Shape (n,).

        Raises:
            ContractError: If the elements are not those above.
        """
        names = self._robot.joint_names
        extra = action.names[6:]
        if action.names[:6] != CARTESIAN_DELTA_NAMES or not set(extra) <= set(names):
            raise ContractError(
                f"cartesian_delta: elements {action.names}, "
                f"expected {CARTESIAN_DELTA_NAMES} and then joints of {names}"
            )
        # What is no number or no displacement of an arm is the gate's to refuse, joint by joint.
        if not (np.isfinite(action.values).all() and np.abs(action.values[:6]).max() < FURTHEST):
            target = np.full(len(names), np.nan)
        else:
            change = self._kinematics.step(joints, action.values[:6] * self._fraction) - joints
            target = joints + change / max(1.0, float(np.max(np.abs(change) / self._furthest)))
        for name, value in zip(extra, action.values[6:], strict=True):
            joint = names.index(name)
            most = self._furthest[joint]
            target[joint] = joints[joint] + np.clip(value - joints[joint], -most, most)
        return Action(target, names, ActionKind.JOINT_POSITION, action.stamp, action.limits)
