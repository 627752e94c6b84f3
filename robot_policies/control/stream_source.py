"""Where a policy's feature comes from: its elements, found by name in what the robot provides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from robot_policies.interface import ArraySpec, ContractError
from robot_policies.interface.clouds import check_clouds, is_cloud
from robot_policies.interface.errors import suggestion


@dataclass(frozen=True, eq=False)
class StreamSource:
    """One feature.

    Attributes:
        provided: What the robot gives.
        needed: What the policy takes.
        columns: Indices of the needed elements among the provided; `None` takes all as they are.
    """

    provided: ArraySpec
    needed: ArraySpec
    columns: np.ndarray | None

    @classmethod
    def find(cls, needed: ArraySpec, provides: Mapping[str, ArraySpec]) -> "StreamSource":
        """Find what a policy takes.

        Args:
            needed: What the policy takes.
            provides: What the robot gives, by feature name.

        Raises:
            ContractError: If the feature or an element is not provided, or in another unit.
        """
        if needed.name not in provides:
            raise ContractError(
                f"the policy needs '{needed.name}'.{suggestion(needed.name, provides)}"
            )
        provided = provides[needed.name]
        if is_cloud(needed):
            check_clouds(needed, provided)
            return cls(provided, needed, None)
        if needed.names and provided.names:
            return cls(provided, needed, _columns(needed, provided))
        fits = len(needed.shape) == len(provided.shape) and all(
            want is None or want == got
            for want, got in zip(needed.shape, provided.shape, strict=True)
        )
        if not fits:
            raise ContractError(
                f"{needed.name}: the policy needs shape {needed.shape}, "
                f"the robot gives {provided.shape}"
            )
        return cls(provided, needed, None)

    def in_order(self, values: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """Return a sample with its elements as the robot provides them.

        Args:
            values: The sample, elements as the robot provides them unless `names` are given.
            names: Names of the elements, in any order.

        Raises:
            ContractError: If the sample is not as the robot's stream says.
        """
        provided = self.provided
        if names:
            order = _order(provided.name, provided.names, tuple(names))
            if values.shape[-1:] != order.shape:
                raise ContractError(f"{provided.name}: {len(names)} names, shape {values.shape}")
            values = values[..., order]
        return provided.validate(values)

    def pick(self, values: np.ndarray) -> np.ndarray:
        """Return the elements that the policy takes, of a sample in the robot's order.

        Raises:
            ContractError: If they are not as the policy says.
        """
        if self.columns is not None:
            values = values[..., self.columns]
        return self.needed.validate(values).copy()


def _columns(needed: ArraySpec, provided: ArraySpec) -> np.ndarray:
    units = dict(zip(provided.names, provided.units, strict=True))
    for name, unit in zip(needed.names, needed.units, strict=True):
        if name not in units:
            raise ContractError(f"{needed.name}: no element '{name}'.{suggestion(name, units)}")
        if unit != units[name]:
            raise ContractError(
                f"{needed.name}[{name}]: the policy needs {unit}, the robot gives {units[name]}"
            )
    return np.array([provided.names.index(name) for name in needed.names])


@lru_cache(maxsize=64)  # a stream says the same names with every message
def _order(stream: str, expected: tuple[str, ...], given: tuple[str, ...]) -> np.ndarray:
    missing, extra = set(expected) - set(given), set(given) - set(expected)
    if missing or extra or len(expected) != len(given):
        raise ContractError(f"{stream}: missing {sorted(missing)}, unexpected {sorted(extra)}")
    order = {name: i for i, name in enumerate(given)}
    return np.array([order[name] for name in expected])
