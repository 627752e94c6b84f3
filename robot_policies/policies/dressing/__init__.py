"""One policy that dresses arms in many poses from a cloud of points (arXiv 2306.12372).

Importing this package registers the policy with LeRobot.
"""

from robot_policies.policies.dressing.configuration_dressing import DressingConfig

__all__ = ["DressingConfig"]
