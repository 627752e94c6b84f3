"""Transformer blocks of ACT-JEPA and of its ACT baseline.

Letters: `B` batch, `N` tokens, `T` chunk, `D` width. Padding masks are true where a token is to
be ignored, as in `nn.MultiheadAttention`.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class Layer(nn.Module):
    """Self-attention, cross-attention if asked for, and an MLP without biases [C]."""

    def __init__(
        self, dim: int, heads: int, hidden: int, dropout: float, *, pre_norm: bool, cross: bool
    ) -> None:
        """Make one layer; dropout acts on attention weights and hidden units."""
        super().__init__()
        self.attention = nn.MultiheadAttention(dim, heads, dropout, batch_first=True)
        self.cross = (
            nn.MultiheadAttention(dim, heads, dropout, batch_first=True) if cross else None
        )
        self.mlp = nn.Sequential(
            nn.Linear(dim, hidden, bias=False),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, dim, bias=False),
        )
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(3 if cross else 2))
        self.pre_norm = pre_norm

    def forward(
        self,
        tokens: Tensor,
        memory: Tensor | None = None,
        padding: Tensor | None = None,
        causal: Tensor | None = None,
    ) -> Tensor:
        """Return the tokens of the next layer.

        Args:
            tokens: Shape (B, N, D).
            memory: What cross-attention looks at. Shape (B, M, D).
            padding: Keys of the self-attention to ignore. Shape (B, N).
            causal: Pairs of the self-attention to ignore. Shape (N, N).
        """
        steps: list[Callable[[Tensor], Tensor]] = [
            lambda x: self.attention(
                x, x, x, key_padding_mask=padding, attn_mask=causal, need_weights=False
            )[0]
        ]
        if self.cross is not None:
            cross = self.cross
            steps.append(lambda x: cross(x, memory, memory, need_weights=False)[0])
        steps.append(self.mlp)
        for norm, step in zip(self.norms, steps, strict=True):
            tokens = tokens + step(norm(tokens)) if self.pre_norm else norm(tokens + step(tokens))
        return tokens


class Encoder(nn.Module):
    """Layers of self-attention and a last norm."""

    def __init__(
        self, dim: int, heads: int, hidden: int, layers: int, dropout: float, *, pre_norm: bool
    ) -> None:
        """Make the layers."""
        super().__init__()
        self.layers = nn.ModuleList(
            Layer(dim, heads, hidden, dropout, pre_norm=pre_norm, cross=False)
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(dim)

    def forward(self, tokens: Tensor, padding: Tensor | None = None) -> Tensor:
        """Return the encoded tokens. (B, N, D) -> (B, N, D)."""
        for layer in self.layers:
            tokens = layer(tokens, padding=padding)
        return self.norm(tokens)


class QueryDecoder(nn.Module):
    """Learned queries, one per step of the chunk, that look at the context."""

    def __init__(
        self,
        chunk: int,
        dim: int,
        heads: int,
        hidden: int,
        layers: int,
        dropout: float,
        *,
        pre_norm: bool = False,
        causal: bool = False,
    ) -> None:
        """Make queries and layers."""
        super().__init__()
        self.queries = nn.Parameter(torch.randn(chunk, dim))
        self.layers = nn.ModuleList(
            Layer(dim, heads, hidden, dropout, pre_norm=pre_norm, cross=True)
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(dim)
        self.causal = causal

    def forward(self, memory: Tensor, padding: Tensor | None = None) -> Tensor:
        """Return one token per step. (B, M, D) -> (B, T, D)."""
        tokens = self.queries.expand(len(memory), -1, -1)
        mask = None
        if self.causal:
            length = tokens.shape[1]
            mask = torch.ones(length, length, dtype=torch.bool, device=memory.device).triu(1)
        for layer in self.layers:
            tokens = layer(tokens, memory, padding, mask)
        return self.norm(tokens)
