"""Array specifications: the one place where shape, dtype, unit, element names and bounds are said.

Policies publish the specs they need and backends the specs they provide; `check_compatible`
compares the two at start-up, so a mismatch is a refused launch and never a moving robot.

References: dm_env.specs.BoundedArray (validate and generate).
"""

from dataclasses import dataclass

import numpy as np

from robot_policies.interface.errors import ContractError

CLASSES = 4.0  # greatest class in an example of a cloud


@dataclass(frozen=True, eq=False)
class ArraySpec:
    """What an array must look like.

    Attributes:
        name: Feature name, such as `observation.state`.
        shape: Expected shape; `None` stands for an axis of any length of at least 1.
        dtype: Expected dtype; `validate` converts between floating types only.
        unit: One unit for all elements, or one per element of the last axis. "1" is dimensionless.
        names: Names of the elements along the last axis; empty where elements have none.
        lower: Inclusive lower bound, broadcastable to the array; `None` is unbounded.
        upper: Inclusive upper bound, likewise.
        frame: Link whose frame coordinates are in; empty where they are in none.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype = np.dtype(np.float32)
    unit: str | tuple[str, ...] = "1"
    names: tuple[str, ...] = ()
    lower: np.ndarray | None = None
    upper: np.ndarray | None = None
    frame: str = ""

    def __post_init__(self) -> None:
        """Refuse a specification that contradicts itself."""
        object.__setattr__(self, "dtype", np.dtype(self.dtype))
        width = self.shape[-1] if self.shape else None
        units = () if isinstance(self.unit, str) else self.unit
        for what, values in (("names", self.names), ("units", units)):
            if values and len(values) != width:
                raise ContractError(
                    f"{self.name}: {len(values)} {what} for a last axis of {width}: {values}"
                )
        if len(set(self.names)) != len(self.names):
            raise ContractError(f"{self.name}: element names repeat: {self.names}")
        for bound in ("lower", "upper"):
            value = getattr(self, bound)
            if value is not None:
                frozen = np.array(value, dtype=np.float64)
                frozen.setflags(write=False)
                object.__setattr__(self, bound, frozen)
        if self.lower is not None and self.upper is not None and (self.lower > self.upper).any():
            raise ContractError(
                f"{self.name}: limits reversed: lower {self.lower}, upper {self.upper}"
            )

    @property
    def units(self) -> tuple[str, ...]:
        """One unit per named element; empty if the elements have no names."""
        if isinstance(self.unit, str):
            return (self.unit,) * len(self.names)
        return self.unit

    def validate(self, array: np.ndarray) -> np.ndarray:
        """Return the array as this spec's dtype, or refuse it.

        Args:
            array: Anything numpy can view as an array.

        Raises:
            ContractError: Naming the first offending element, its value and the bounds.
        """
        array = np.asarray(array)
        fits = len(array.shape) == len(self.shape) and all(
            got == want or (want is None and got > 0)
            for got, want in zip(array.shape, self.shape, strict=True)
        )
        if not fits:
            raise ContractError(f"{self.name}: shape {array.shape}, expected {self.shape}")
        both_float = array.dtype.kind == "f" and self.dtype.kind == "f"
        if array.dtype != self.dtype and not both_float:
            raise ContractError(f"{self.name}: dtype {array.dtype}, expected {self.dtype}")
        if array.dtype.kind == "f":
            self._require(np.isfinite(array), array, "is not finite")
        array = array.astype(self.dtype, copy=False)
        self._require_bounds(array)
        return array

    def _require_bounds(self, array: np.ndarray) -> None:
        """Refuse what is out of bounds; 0.3 as a float32 exceeds 0.3, so both are rounded."""
        if self.lower is not None:
            low = self.lower.astype(self.dtype)
            self._require(array >= low, array, "is below", self.lower)
        if self.upper is not None:
            high = self.upper.astype(self.dtype)
            self._require(array <= high, array, "is above", self.upper)

    def _require(
        self,
        fits: np.ndarray,
        array: np.ndarray,
        complaint: str,
        bound: np.ndarray | None = None,
    ) -> None:
        if fits.all():
            return
        index = tuple(int(i) for i in np.argwhere(~fits)[0])
        element = self.names[index[-1]] if self.names else ", ".join(map(str, index))
        unit = self.unit if isinstance(self.unit, str) else self.unit[index[-1]]
        text = f"{self.name}[{element}] = {array[index]:g} {unit} {complaint}"
        if bound is not None:
            text += f" {np.broadcast_to(bound, array.shape)[index]:g}"
        if bound is not None and self.lower is not None and self.upper is not None:
            low, high = (np.broadcast_to(b, array.shape)[index] for b in (self.lower, self.upper))
            text += f", range [{low:g}, {high:g}]"
        raise ContractError(text)

    def example(self, rng: np.random.Generator) -> np.ndarray:
        """Return a random array that `validate` accepts; an open axis gets length 16."""
        shape = tuple(16 if axis is None else axis for axis in self.shape)
        if self.dtype.kind in "iu":
            lower = 0 if self.lower is None else self.lower
            upper = np.iinfo(self.dtype).max if self.upper is None else self.upper
            return rng.integers(lower, upper, shape, dtype=self.dtype, endpoint=True)
        lower = np.broadcast_to(-1.0 if self.lower is None else self.lower, shape)
        upper = np.broadcast_to(1.0 if self.upper is None else self.upper, shape)
        lower, upper = np.minimum(lower, upper), np.maximum(lower, upper)
        if "class" in self.names:  # a cloud: a thing near by, of one class, is in any scene
            near = np.array([1.0, 1.0, 1.0, CLASSES])
            values = rng.uniform(np.maximum(lower, -near), np.minimum(upper, near))
            values[..., 3] = np.round(values[..., 3])
            return values.astype(self.dtype)
        return rng.uniform(np.maximum(lower, -1e3), np.minimum(upper, 1e3)).astype(self.dtype)
