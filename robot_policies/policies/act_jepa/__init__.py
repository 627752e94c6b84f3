"""ACT-JEPA: imitation with a predicted world (arXiv 2501.14622 v4).

Importing this package registers the policy and its processor step with LeRobot, which is what
`--policy.discover_packages_path=robot_policies.policies` relies on.
"""

from robot_policies.policies.act_jepa.configuration_act_jepa import ActJepaConfig
from robot_policies.policies.act_jepa.processor_act_jepa import TaskIndexProcessorStep

__all__ = ["ActJepaConfig", "TaskIndexProcessorStep"]
