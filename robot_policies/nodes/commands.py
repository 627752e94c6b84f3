"""What was sent to a robot, as a message: joint targets and, beside them, how they are tracked."""

import numpy as np
from geometry_msgs.msg import TwistStamped
from sensor_msgs.msg import JointState

from robot_policies.data.ros_messages import MODE, MODES
from robot_policies.interface import ActionKind, Command, RobotSpec
from robot_policies.nodes.message_fields import doubles, header
from robot_policies.nodes.messages import encode_velocity


def encode_command(robot: RobotSpec, command: Command) -> JointState | TwistStamped:
    """Return what was sent, stamped with the moment it was applied.

    The last element of a joint command is no joint: `mode`, as its number among `MODES`.
    """
    if command.kind is ActionKind.BASE_VELOCITY:
        return encode_velocity(command.values, command.stamp)
    message = JointState(header=header(command.stamp), name=[*robot.joint_names, MODE])
    values = doubles(np.append(command.values, MODES.index(command.mode)))
    if command.kind is ActionKind.JOINT_VELOCITY:
        message.velocity = values
    else:
        message.position = values
    return message
