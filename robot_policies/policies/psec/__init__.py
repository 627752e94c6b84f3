"""PSEC: skills as low-rank additions to one diffusion policy (arXiv 2502.05932).

Importing this package registers the policy with LeRobot, which is what
`--policy.discover_packages_path=robot_policies.policies` relies on.
"""

from robot_policies.policies.psec.configuration_psec import PsecConfig

__all__ = ["PsecConfig"]
