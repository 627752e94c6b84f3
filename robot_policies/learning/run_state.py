"""A training run in one safetensors file, from which it goes on bit for bit after a kill.

Tensors have names of the form `group.rest`; whatever is no tensor is text in the file's metadata.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from robot_policies.interface import CheckpointError

Tensors = dict[str, Tensor]


def write_state(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a state; a kill while writing leaves the last one.

    Args:
        path: The file; its folder is made if it is not there.
        tensors: By name; they are copied first, for two names may share memory.
        metadata: Texts by name.
    """
    partial = path.with_suffix(".partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {name: value.detach().clone().contiguous() for name, value in tensors.items()}
    save_file(whole, partial, dict(metadata))
    partial.replace(path)


def read_state(path: Path) -> tuple[Tensors, dict[str, str]]:
    """Return the tensors and the texts of a state."""
    with safe_open(path, "pt") as file:
        # Copies: the file's own memory is not aligned, and sums depend on that.
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        return tensors, file.metadata() or {}


def begin_run(path: Path, resume: bool) -> None:
    """Make the folder of a run, new or to go on with.

    Args:
        path: The file of its state.
        resume: Whether it goes on.

    Raises:
        CheckpointError: If there is nothing to resume, or a run would be overwritten.
    """
    if resume != path.exists():
        verb = "nothing to resume in" if resume else "already holds a training state, resume it:"
        raise CheckpointError(f"{verb} {path.parent}")
    path.parent.mkdir(parents=True, exist_ok=True)


@contextmanager
def resuming(path: Path) -> Iterator[None]:
    """Turn whatever a damaged or foreign state raises into one line.

    Raises:
        CheckpointError: Naming the file and the reason.
    """
    try:
        yield
    except (
        OSError,
        RuntimeError,
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
        SafetensorError,
    ) as error:
        raise CheckpointError(f"{path}: cannot resume: {' '.join(str(error).split())}") from None


def grouped(group: str, tensors: Mapping[str, Tensor]) -> Tensors:
    """Return tensors under the names `group.name`."""
    return {f"{group}.{name}": value for name, value in tensors.items()}


def of_group(group: str, tensors: Mapping[str, Tensor]) -> Tensors:
    """Return the tensors of a group, under their names within it."""
    start = f"{group}."
    return {
        name.removeprefix(start): value
        for name, value in tensors.items()
        if name.startswith(start)
    }


def fitting(tensors: Mapping[str, Tensor], places: Mapping[str, Tensor]) -> Tensors:
    """Return the tensors for some places, in the order of the places.

    A tensor of another shape would be spread over its place by `copy_`, without a word.

    Raises:
        ValueError: If one is missing, has another shape or another type.
    """
    found = {}
    for name, place in places.items():
        if name not in tensors:
            raise ValueError(f"'{name}' is missing")
        stored = tensors[name]
        for what, value, expected in (
            ("shape", tuple(stored.shape), tuple(place.shape)),
            ("type", stored.dtype, place.dtype),
        ):
            if value != expected:
                raise ValueError(f"'{name}' has {what} {value}, this run has {expected}")
        found[name] = stored
    return found


def moments_of(optimizer: torch.optim.Optimizer) -> Tensors:
    """Return what an optimiser remembers of its gradients, as `parameter number.name`."""
    return {
        f"{number}.{name}": value
        for number, moments in optimizer.state_dict()["state"].items()
        for name, value in moments.items()
    }


def restore_moments(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give Adam or AdamW what `moments_of` returned; its rates stay what they are.

    Raises:
        ValueError: If a moment is missing, or has another shape than its parameter.
    """
    parameters = [each for group in optimizer.param_groups for each in group["params"]]
    known = {int(name.partition(".")[0]) for name in tensors}
    if unknown := known - set(range(len(parameters))):
        raise ValueError(f"moments of parameter {min(unknown)}, this run has {len(parameters)}")
    moments = {}
    for number in known:
        parameter = parameters[number]
        places = {"step": torch.zeros(()), "exp_avg": parameter, "exp_avg_sq": parameter}
        moments[number] = of_group(str(number), fitting(tensors, grouped(str(number), places)))
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
