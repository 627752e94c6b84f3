"""An alignment as a skill: what was added to the weights of a policy, apart from them.

Every iteration adds parts of low rank, so all of them together are of low rank too. As a skill of
the policy before, the alignment can be weighed, and taken away, while a node runs.
"""

import torch

from robot_policies.interface import ConfigError
from robot_policies.policies.grape.modeling_grape import GrapePolicy
from robot_policies.skills.mixing.layers import Adapter, LowRank, linear_layers

LEFT = 1e-5  # share of a change that a lower rank may leave out
ROUNDING = 4.0 * torch.finfo(torch.float32).eps  # share of a weight that is lost in adding to it


def skill_between(base: GrapePolicy, aligned: GrapePolicy, rank: int) -> Adapter:
    """Return what has to be added to a policy to have another.

    The best approximation of a change W' - W = U S V^T is that by its largest singular values
    (Eckart and Young 1936): up = U sqrt(S), down = sqrt(S) V^T.

    Args:
        base: The policy before.
        aligned: The policy after.
        rank: Of the additions.

    Raises:
        ConfigError: If other weights differ too, or a change is of a higher rank.
    """
    before, after = linear_layers(base), linear_layers(aligned)
    others, moved = base.state_dict(), aligned.state_dict()
    weights = {f"{name}.weight" for name in before}
    for name, tensor in others.items():
        if name not in weights and not torch.equal(tensor, moved[name]):
            raise ConfigError(f"'{name}' has changed, and no skill can add to it")
    adapter = {}
    for name, layer in before.items():
        change = (after[name].weight - layer.weight).detach().double()
        if not change.any():
            continue
        left, values, right = torch.linalg.svd(change, full_matrices=False)
        allowed = LEFT * values[0] + ROUNDING * layer.weight.detach().norm()
        if len(values) > rank and values[rank] > allowed:
            raise ConfigError(f"'{name}' has changed by more than rank {rank}")
        root = values[:rank].sqrt()
        up, down = left[:, :rank] * root, root[:, None] * right[:rank]
        adapter[name] = LowRank(down.float(), up.float(), scale=1.0)
    return adapter
