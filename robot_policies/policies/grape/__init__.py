"""GRAPE: a vision-language-action policy aligned by preferences over trajectories (2411.19309).

Importing this package registers the policy with LeRobot, which is what
`--policy.discover_packages_path=robot_policies.policies` relies on.
"""

from robot_policies.policies.grape.configuration_grape import GrapeConfig

__all__ = ["GrapeConfig"]
