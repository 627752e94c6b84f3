"""The network of a checkpoint as an ONNX graph that stands in torch's place.

A policy keeps its memory, its limits and its pipelines; only a pure function of tensors is taken
out. It lies in the checkpoint as `network.onnx`, and is held against the weights beside it when it
is loaded: a graph of other weights is refused.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from robot_policies.interface import CheckpointError
from robot_policies.learning.elements import ACTION
from robot_policies.policies.onnx_session import OnnxSession

GRAPH = "network.onnx"
WHOLE = ""
# Types whose networks are pure functions: of a batch, or in a layer of theirs.
PARTS: Mapping[str, str] = {"act": WHOLE, "act_jepa": WHOLE, "uni_o4": "actor"}
ROUNDING = 1e-4  # of normalised actions; float32, summed in another order


@dataclass(frozen=True, eq=False)
class Graph:
    """A pure function of tensors, and one call of it.

    Attributes:
        call: The function.
        names: Of its arguments.
        arguments: Those of the call.
    """

    call: Callable[..., Tensor]
    names: tuple[str, ...]
    arguments: tuple[Tensor, ...]

    def answer(self) -> np.ndarray:
        """Return what torch answers to the arguments."""
        with torch.inference_mode():
            return self.call(*self.arguments).numpy()

    def arrays(self, session: OnnxSession) -> dict[str, np.ndarray]:
        """Return the arguments by the names of a session's inputs."""
        return _arrays(session, dict(zip(self.names, self.arguments, strict=True)))


def graph_of(network: Any, batch: Mapping[str, Any], where: str) -> Graph:
    """Return what of a network is a graph, with what a batch makes of its arguments.

    Args:
        network: Of a checkpoint.
        batch: What it takes, of one observation.
        where: For the message.

    Raises:
        CheckpointError: If a network of its type cannot be one; says which can.
    """
    kind = network.config.type
    if kind not in PARTS:
        raise CheckpointError(
            f"{where}: a policy of type '{kind}' cannot be exported to ONNX; these types can: "
            f"{', '.join(PARTS)}"
        )
    if PARTS[kind] == WHOLE:
        taken = {n: v for n, v in batch.items() if isinstance(v, Tensor) and n != ACTION}
        names, answer = tuple(taken), network.predict_action_chunk
        return Graph(
            lambda *given: answer(dict(zip(names, given, strict=True))),
            names,
            tuple(taken.values()),
        )
    part, seen = network.get_submodule(PARTS[kind]), []
    hook = part.register_forward_pre_hook(lambda _, given: seen.append(given))
    try:
        network.select_action(dict(batch))
    finally:
        hook.remove()
        network.reset()
    (arguments,) = seen
    return Graph(part.forward, tuple(f"input_{i}" for i in range(len(arguments))), arguments)


def require_same(graph: Graph, session: OnnxSession, where: str) -> None:
    """Refuse a session that answers something else than torch does.

    Raises:
        CheckpointError: Naming the largest difference.
    """
    try:
        (answer,) = session(graph.arrays(session))
        away = float(np.abs(answer - graph.answer()).max())
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"{where} is of another network: {error}") from None
    if not away <= ROUNDING:
        raise CheckpointError(
            f"{where} differs by {away:.2g} from the weights beside it: it is of other weights; "
            "write it anew with robot-policies export"
        )


def put_in_place(network: Any, session: OnnxSession) -> None:
    """Let a session answer where torch did."""
    kind = network.config.type
    if PARTS[kind] == WHOLE:
        network.predict_action_chunk = lambda batch, **_: _run(session, batch)
        return
    part = network.get_submodule(PARTS[kind])
    part.forward = lambda *given: _run(session, _numbered(given))
    part.on_arrays = lambda: lambda *given: session(_numbered(given))[0]


def _numbered[T](given: Sequence[T]) -> dict[str, T]:
    return {f"input_{i}": value for i, value in enumerate(given)}


def _run(session: OnnxSession, batch: Mapping[str, Any]) -> Tensor:
    return torch.from_numpy(session(_arrays(session, batch))[0])


def _arrays(session: OnnxSession, batch: Mapping[str, Any]) -> dict[str, np.ndarray]:
    return {port.name: batch[port.name].detach().numpy() for port in session.inputs}
