"""What the files of a foreign walking policy say, in this package's words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np

from robot_policies.interface import CheckpointError, ConfigError, RobotSpec
from robot_policies.interface.errors import suggestion
from robot_policies.policies.onnx_locomotion.terms import KINDS

TORCHSCRIPT = (".pt", ".pth", ".jit")


@dataclass(frozen=True, eq=False)
class Foreign:
    """A walking policy as its files describe it; joints are in the policy's order.

    Attributes:
        joints: Names of its joints.
        dt: Time between two answers. [s]
        stiffness: Of the servo it expects. Shape (J,). [N m/rad]
        damping: Likewise. Shape (J,). [N m s/rad]
        network: As `network` of a contract has it.
        network_file: The ONNX file.
        lower: Least command; `None` if the files do not say. Shape (3,). [m/s, m/s, rad/s]
        upper: Greatest command, likewise.
        assumed: What the files do not say and was taken for granted, a line each.
    """

    joints: tuple[str, ...]
    dt: float
    stiffness: np.ndarray
    damping: np.ndarray
    network: Mapping[str, Any]
    network_file: Path
    lower: Sequence[float] | None = None
    upper: Sequence[float] | None = None
    assumed: tuple[str, ...] = ()


def entry(
    kind: str,
    robot: RobotSpec,
    scale: Any,
    clip: np.ndarray | None,
    history: Sequence[int],
) -> dict[str, Any]:
    """Return a term as a contract has it.

    Args:
        kind: Of `KINDS`.
        robot: Whose inertial unit measures it.
        scale: A number, or one for each element.
        clip: Least and greatest scaled value. Shape (2, width).
        history: Control steps ago, in their order.
    """
    unit = KINDS[kind].unit
    return {
        "term": kind,
        "unit": unit if isinstance(unit, str) else [*unit],
        **({"frame": robot.imu_link} if KINDS[kind].framed else {}),
        "scale": short(scale),
        **({} if clip is None else {"clip": [short(bound) for bound in clip]}),
        "history": [*history],
    }


def short(values: Any) -> Any:
    """Return numbers as a contract has them: one number where all are the same."""
    array = np.asarray(values, dtype=float)
    if array.ndim == 0 or (array == array.flat[0]).all():
        return float(array.flat[0])
    return array.tolist()


def need(said: Mapping[str, Any], key: str, where: str) -> Any:
    """Return an entry.

    Raises:
        ConfigError: If it is missing, with the nearest key there is.
    """
    if key not in said:
        raise ConfigError(f"{where}: '{key}' is missing.{suggestion(key, map(str, said))}")
    return said[key]


def positive(value: Any, where: str) -> float:
    """Return a number above 0.

    Raises:
        ConfigError: If it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < np.inf:
        raise ConfigError(f"{where}: expected a number > 0, got {value!r}")
    return float(value)


def permutation(value: Any, count: int, where: str) -> list[int]:
    """Return each of 0 to count - 1 once, in an order.

    Raises:
        ConfigError: If it is anything else.
    """
    if not isinstance(value, list) or sorted(map(repr, value)) != sorted(map(repr, range(count))):
        raise ConfigError(f"{where}: expected each of 0 to {count - 1} once, got {value!r}")
    return value


def network_file(folders: Sequence[Path], name: str, width: int) -> Path:
    """Return the ONNX file of a policy.

    Args:
        folders: Where it may lie.
        name: What its configuration calls it.
        width: Numbers of its input.

    Raises:
        CheckpointError: If there is none; for TorchScript, with the line that exports it.
    """
    stem = Path(name).stem
    for folder in folders:
        for path in (folder / f"{stem}.onnx", folder / "policy.onnx"):
            if path.is_file():
                return path
    for folder in folders:
        for path in sorted(folder.glob("*")):
            if path.suffix in TORCHSCRIPT:
                raise CheckpointError(
                    f"{path} is TorchScript, which runs as a program; export it: "
                    f"{export_line(path, width)}"
                )
    raise CheckpointError(f"{folders[0]}: no {stem}.onnx")


def export_line(path: Path, width: int) -> str:
    """Return the command that writes a TorchScript file as ONNX beside it."""
    files = quote(str(path)), quote(str(path.with_suffix(".onnx")))
    return (
        "python -c \"import sys, torch; torch.onnx.export(torch.jit.load(sys.argv[1], 'cpu')"
        f".eval(), (torch.zeros(1, {width}),), sys.argv[2], input_names=['obs'], "
        f"output_names=['actions'], dynamo=False)\" {files[0]} {files[1]}"
    )
