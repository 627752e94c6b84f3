"""A checkpoint whose network is an ONNX graph as well, and how long either takes."""

import shutil
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor, nn

from robot_policies.interface import CheckpointError
from robot_policies.policies.files import one_line
from robot_policies.policies.onnx_graph import GRAPH, Graph, graph_of, require_same
from robot_policies.policies.onnx_session import OnnxSession
from robot_policies.policies.runtime import LerobotRuntime

OPSET = 17
REPEATS = 40  # of each, in turn


@dataclass(frozen=True)
class Exported:
    """What became of an export.

    Attributes:
        difference: Largest one between the answers, of normalised actions.
        torch_time: Median time of an answer. [s]
        onnx_time: Likewise. [s]
    """

    difference: float
    torch_time: float
    onnx_time: float


class _Traced(nn.Module):
    """The network with the function's arguments as its own."""

    def __init__(self, network: nn.Module, call: Callable[..., Tensor]) -> None:
        super().__init__()
        self.network, self._call = network, call

    def forward(self, *given: Tensor) -> Tensor:
        return self._call(*given)


def export_policy(folder: Path, out: Path, examples: int = 8) -> Exported:
    """Write a checkpoint with its network as ONNX beside its weights.

    Args:
        folder: The checkpoint.
        out: The new one; must not exist.
        examples: Random observations whose answers are compared.

    Raises:
        CheckpointError: If it cannot be exported, or answers something else then.
    """
    if out.exists():
        raise CheckpointError(f"{out} is there already; remove it to write it anew")
    runtime = LerobotRuntime(folder)
    network, rng = runtime.checkpoint.policy, np.random.default_rng(0)
    drawn = [runtime.observation_spec.example(rng) for _ in range(examples)]
    graphs = [graph_of(network, runtime.prepare(each), str(folder)) for each in drawn]
    graphs[0].answer()  # what a network remembers of shapes is then there as numbers
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent) as place:
        made = Path(place) / out.name
        shutil.copytree(folder, made, ignore=shutil.ignore_patterns(GRAPH))
        _trace(network, graphs[0], made / GRAPH)
        session = OnnxSession(made / GRAPH)
        for graph in graphs:
            require_same(graph, session, str(folder))
        made.rename(out)
    away = max(np.abs(session(g.arrays(session))[0] - g.answer()).max() for g in graphs)
    return Exported(float(away), *_times(graphs[0], session))


def _trace(network: nn.Module, graph: Graph, path: Path) -> None:
    """Write the graph; torch's fused attention has no operator of ONNX and is left out."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                _Traced(network, graph.call).eval(),
                graph.arguments,
                str(path),
                input_names=list(graph.names),
                output_names=["answer"],
                opset_version=OPSET,
                dynamo=False,
            )
    except Exception as error:  # torch has an exception for each operator
        raise CheckpointError(f"{path.name} cannot be written: {one_line(error)}") from None
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


def _times(graph: Graph, session: OnnxSession) -> tuple[float, float]:
    """Return the median time of an answer of torch and of ONNX Runtime, in turn. [s]."""
    arrays, took = graph.arrays(session), np.empty((2, REPEATS))
    for i in range(REPEATS):
        for row, answer in enumerate((graph.answer, lambda: session(arrays))):
            begin = time.perf_counter()
            answer()
            took[row, i] = time.perf_counter() - begin
    torch_time, onnx_time = np.median(took, axis=1)
    return float(torch_time), float(onnx_time)
