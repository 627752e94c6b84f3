"""Whether two skills get in each other's way, before they act together.

In weights: how alike the two changes are, and how much they read and write the same directions.
In function: f(i + j) - f(i) - f(j) + f(0) on probe states, which is 0 for skills that add up.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations

import torch
from lerobot.policies import PreTrainedPolicy
from torch import Tensor

from robot_policies.skills.mixing.layers import Adapter, LowRank, SkillStack
from robot_policies.skills.mixing.mixer import SkillMixer
from robot_policies.skills.mixing.probe import probe

DUPLICATE = 0.99  # likeness from which two skills are called the same


@dataclass(frozen=True)
class Interference:
    """Two skills against each other.

    Attributes:
        first: Name of one.
        second: Name of the other.
        likeness: <dW_i, dW_j> / (|dW_i| |dW_j|), all layers together; -1 to 1.
        reads: Largest cosine between the input directions of the two in a layer; 0 to 1.
        writes: Largest cosine between their output directions; 0 to 1.
        cross_term: |f(i+j) - f(i) - f(j) + f(0)| relative to |f(i) - f(0)| + |f(j) - f(0)|.
        duplicate: Whether they are one skill under two names.
    """

    first: str
    second: str
    likeness: float
    reads: float
    writes: float
    cross_term: float
    duplicate: bool


def interference_of(policy: PreTrainedPolicy, skills: Mapping[str, Adapter]) -> list[Interference]:
    """Compare every pair of some skills on random states; the policy is left as it was."""
    mixer = SkillMixer(policy)
    mixer.swap(SkillStack(policy, skills))
    try:
        return interference(mixer, probe(policy))
    finally:
        mixer.clear()


@torch.no_grad()
def interference(mixer: SkillMixer, respond: Callable[[], Tensor]) -> list[Interference]:
    """Compare every pair of the skills in place; their weights are left as they were.

    Args:
        mixer: The policy with its skills.
        respond: Runs the policy on probe states, with the same noise at every call.
    """
    before, router = mixer.weights, mixer.layer_router
    mixer.layer_router = None
    count = len(mixer.names)

    def response(*skills: int) -> Tensor:
        weights = torch.zeros(count)
        weights[list(skills)] = 1.0
        mixer.weigh(weights)
        return respond()

    try:
        base = response()
        alone = [response(i) for i in range(count)]
        found = []
        for i, j in combinations(range(count), 2):
            first, second = mixer.names[i], mixer.names[j]
            likeness, reads, writes = compare(
                mixer.stack.adapter(first), mixer.stack.adapter(second)
            )
            cross = (response(i, j) - alone[i] - alone[j] + base).norm()
            size = (alone[i] - base).norm() + (alone[j] - base).norm()
            relative = float(cross / size) if size > 0.0 else 0.0
            duplicate = likeness > DUPLICATE
            found.append(Interference(first, second, likeness, reads, writes, relative, duplicate))
    finally:
        mixer.layer_router = router
        mixer.weigh(before)
    return found


def compare(first: Adapter, second: Adapter) -> tuple[float, float, float]:
    """Return likeness, and the largest cosines between what is read and what is written."""
    reads = writes = inner = 0.0
    for layer in first.keys() & second.keys():
        a, b = first[layer], second[layer]
        inner += _inner(a, b)
        reads = max(reads, _cosine(a.down.T, b.down.T))
        writes = max(writes, _cosine(a.up, b.up))
    size = _norm(first) * _norm(second)
    return (inner / size if size > 0.0 else 0.0), reads, writes


def _inner(a: LowRank, b: LowRank) -> float:
    """Return <B_a A_a, B_b A_b> without forming either."""
    product = (a.up.double().T @ b.up.double()) * (a.down.double() @ b.down.double().T)
    return float(product.sum()) * a.scale * b.scale


def _norm(adapter: Adapter) -> float:
    """Return the Frobenius norm over all layers, sqrt(sum <dW, dW>); rounding may make it 0."""
    return max(sum(_inner(part, part) for part in adapter.values()), 0.0) ** 0.5


def _cosine(a: Tensor, b: Tensor) -> float:
    """Return the cosine of the smallest principal angle between two column spaces."""
    bases = []
    for matrix in (a.double(), b.double()):
        left, values, _ = torch.linalg.svd(matrix, full_matrices=False)
        kept = values > 1e-9 * values.max() if values.max() > 0.0 else values > 0.0
        bases.append(left[:, kept])
    if not bases[0].shape[1] or not bases[1].shape[1]:
        return 0.0
    return float(torch.linalg.svdvals(bases[0].T @ bases[1]).max().clamp_max(1.0))
