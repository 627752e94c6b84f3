"""Robots and teleoperators for LeRobot's own commands.

`--robot.discover_packages_path=robot_policies.lerobot_plugin` has LeRobot import this package, and
its configurations register themselves: the robots `gated` and `simulated`, and the teleoperators
`demonstrator` and `keys`. LeRobot looks for the class of a configuration here.
"""

from robot_policies.lerobot_plugin.demonstrator import Demonstrator, DemonstratorConfig
from robot_policies.lerobot_plugin.gated import Gated, GatedConfig
from robot_policies.lerobot_plugin.keys import Keys, KeysConfig
from robot_policies.lerobot_plugin.simulated import Simulated, SimulatedConfig

__all__ = [
    "Demonstrator",
    "DemonstratorConfig",
    "Gated",
    "GatedConfig",
    "Keys",
    "KeysConfig",
    "Simulated",
    "SimulatedConfig",
]
