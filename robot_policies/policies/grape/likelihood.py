"""Policies whose answers have a likelihood: those that preferences can be learned by."""

from robot_policies.interface import ConfigError
from robot_policies.policies.checkpoint import Checkpoint
from robot_policies.policies.grape.modeling_grape import GrapePolicy


def known_likelihood(checkpoint: Checkpoint) -> GrapePolicy:
    """Return a checkpoint's policy.

    Regression has no distribution, and a flow's or a diffusion's is not known exactly.

    Raises:
        ConfigError: If the likelihood of its answers is not known.
    """
    policy = checkpoint.policy
    if not isinstance(policy, GrapePolicy):
        raise ConfigError(
            f"{checkpoint.folder}: of a policy of type '{policy.name}' the likelihood of an "
            "answer is not known; expected 'grape'"
        )
    return policy
