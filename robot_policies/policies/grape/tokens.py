"""Actions as tokens: equal bins between -1 and 1, and OpenVLA's own convention.

`Bins` has a token of its own for each bin, so that nothing but an action can be decoded.
`OpenVlaBins` uses the last ids of a language model's vocabulary, as OpenVLA's checkpoints do
(openvla prismatic/vla/action_tokenizer.py): 256 edges make 255 bins, and the two last ids are one.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Bins:
    """Equal bins between -1 and 1.

    Attributes:
        count: How many.
    """

    count: int

    def encode(self, values: Tensor) -> Tensor:
        """Return the bin of each value; what lies outside [-1, 1] has the outermost. int64."""
        return ((values + 1.0) * (0.5 * self.count)).floor().long().clamp(0, self.count - 1)

    def decode(self, tokens: Tensor) -> Tensor:
        """Return the middle of each bin, half a bin (1 / count) from what was encoded."""
        return (tokens.float() + 0.5) * (2.0 / self.count) - 1.0


@dataclass(frozen=True)
class OpenVlaBins:
    """OpenVLA's ids.

    Attributes:
        vocabulary: Ids of the language model, without padding: 32000 of OpenVLA-7B. With as many
            as edges, ids are counted from the first that is an action.
        edges: Bin edges from -1 to 1.
    """

    vocabulary: int = 32000
    edges: int = 256

    def encode(self, values: Tensor) -> Tensor:
        """Return the id of each value. int64."""
        edges = torch.linspace(-1.0, 1.0, self.edges, dtype=torch.float64, device=values.device)
        # numpy.digitize: the number of edges at or below the value.
        index = torch.bucketize(values.double().clamp(-1.0, 1.0), edges, right=True)
        return self.vocabulary - index

    def decode(self, ids: Tensor) -> Tensor:
        """Return the centre of each id's bin."""
        edges = torch.linspace(-1.0, 1.0, self.edges, dtype=torch.float64, device=ids.device)
        centres = 0.5 * (edges[1:] + edges[:-1])
        return centres[(self.vocabulary - ids - 1).clamp(0, self.edges - 2)].float()
