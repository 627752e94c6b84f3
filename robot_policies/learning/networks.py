"""Networks of plain layers."""

from collections.abc import Sequence

from torch import nn


def mlp(
    inputs: int, hidden: Sequence[int], outputs: int, activation: type[nn.Module] = nn.ELU
) -> nn.Sequential:
    """Return a multilayer perceptron. (..., inputs) -> (..., outputs).

    Args:
        inputs: Width of what it sees.
        hidden: Widths of the layers between.
        outputs: Width of its answer, which is linear.
        activation: Stands behind every layer but the last.
    """
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(inputs, width), activation()]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))
