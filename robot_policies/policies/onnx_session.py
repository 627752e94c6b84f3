"""One ONNX file as a function of arrays: what ONNX Runtime computes, on one thread of the CPU.

An ONNX file is data: a graph of operators that the runtime knows. It may point at files with
weights; those are looked for beside it and nowhere else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from robot_policies.interface import CheckpointError, RobotPoliciesError
from robot_policies.policies.files import one_line

MAX_BYTES = 1 << 30
DTYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(bool)": np.bool_}


@dataclass(frozen=True)
class Port:
    """An input or an output.

    Attributes:
        name: Its name in the graph.
        shape: Length of each axis; `None` if it is any.
        dtype: Of its elements.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: type

    def fits(self, shape: tuple[int, ...], dtype: type = np.float32) -> bool:
        """Return whether an array may have this shape and type."""
        return (dtype, len(shape)) == (self.dtype, len(self.shape)) and all(
            want in (None, got) for want, got in zip(self.shape, shape, strict=True)
        )


class OnnxSession:
    """A graph that is ready to compute.

    Attributes:
        inputs: What it takes.
        outputs: What it gives.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        """Read a file.

        Args:
            path: The file.
            threads: That compute one operator together.

        Raises:
            CheckpointError: If it is no ONNX file, or takes or gives another type of numbers.
            RobotPoliciesError: If ONNX Runtime is not installed.
        """
        try:
            import onnxruntime
        except ModuleNotFoundError:
            raise RobotPoliciesError(
                f"{path.name} needs ONNX Runtime: pip install 'robot_policies[onnx]'"
            ) from None
        if path.stat().st_size > MAX_BYTES:
            raise CheckpointError(
                f"{path} has {path.stat().st_size} bytes, at most {MAX_BYTES} make sense"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 4  # what is fatal is raised, and told in one line
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the runtime has a class for each of its states
            raise CheckpointError(f"{path} is no ONNX file to run: {one_line(error)}") from None
        self.inputs = _ports(self._session.get_inputs(), path)
        self.outputs = _ports(self._session.get_outputs(), path)
        self._names = [port.name for port in self.outputs]

    def __call__(self, arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Return the outputs in order, of arrays by the names of the inputs.

        Raises:
            ValueError: If an array has another shape or type.
        """
        for port in self.inputs:
            array = arrays[port.name]
            if not port.fits(array.shape, array.dtype.type):
                raise ValueError(
                    f"'{port.name}' is {array.dtype} of shape {array.shape}, expected "
                    f"{port.dtype.__name__} of {port.shape}"
                )
        return [np.asarray(each) for each in self._session.run(self._names, dict(arrays))]


def _ports(entries: Any, path: Path) -> tuple[Port, ...]:
    ports = []
    for entry in entries:
        if entry.type not in DTYPES:
            raise CheckpointError(f"{path}: '{entry.name}' is {entry.type}, not of {[*DTYPES]}")
        axes = (axis if isinstance(axis, int) else None for axis in entry.shape)
        ports.append(Port(entry.name, tuple(axes), DTYPES[entry.type]))
    return tuple(ports)
