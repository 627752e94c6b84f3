"""PointNet++ in plain torch (Qi et al. 2017): sampling, grouping, set abstraction, propagation.

Letters: `B` batch, `N` points, `M` centres, `K` neighbours, `C` channels. Points come with a mask;
what is masked out changes nothing, nor does the order of the points. The last point is the
gripper's, the first centre.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (torch's custom)

FAR = 1e6  # where a point is that is not there
EXACT = "donot_use_mm_for_euclid_dist"  # else a point is a little away from itself


def gather(values: Tensor, index: Tensor) -> Tensor:
    """Return rows by index. (B, N, C), (B, ...) -> (B, ..., C)."""
    batch = torch.arange(len(values), device=values.device)
    return values[batch.view(-1, *([1] * (index.dim() - 1))), index]


def farthest_points(points: Tensor, present: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """Choose points that are far from each other, the last one first.

    Args:
        points: Shape (B, N, 3).
        present: Shape (B, N), bool.
        number: How many; where there are fewer points, some are chosen twice.

    Returns:
        Index of each, and whether it was chosen for the first time. Shape (B, M) each.
    """
    rows, count = present.shape
    chosen = torch.empty(rows, number, dtype=torch.long, device=points.device)
    fresh = torch.ones(rows, number, dtype=torch.bool, device=points.device)
    current = torch.full((rows,), count - 1, dtype=torch.long, device=points.device)
    # What is absent is nearer than anything can be, and so never the farthest.
    distance = torch.where(present, torch.inf, -1.0)
    for i in range(number):
        chosen[:, i] = current
        middle = gather(points, current).unsqueeze(1)
        distance = torch.minimum(distance, ((points - middle) ** 2).sum(-1))
        furthest, current = distance.max(-1)
        fresh[:, i + 1 :] = (furthest > 0.0).unsqueeze(-1)
    return chosen, fresh


def mlp(widths: Sequence[int]) -> nn.Sequential:
    """Return linear layers with ReLU behind each."""
    layers: list[nn.Module] = []
    for inputs, outputs in zip(widths[:-1], widths[1:], strict=True):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers)


class SetAbstraction(nn.Module):
    """What is around each of a few centres."""

    def __init__(self, radius: float, neighbours: int, inputs: int, widths: Sequence[int]) -> None:
        """Make the layers.

        Args:
            radius: Of the ball around a centre.
            neighbours: Most points that are looked at in it, the nearest.
            inputs: Features of a point.
            widths: Of the layers.
        """
        super().__init__()
        self.radius, self.neighbours = radius, neighbours
        # W [f_j; x_j - x_i] + b = (W_f f_j + W_x x_j + b) - W_x x_i: once per point, not per pair.
        self.feature = nn.Linear(inputs, widths[0])
        self.place = nn.Linear(3, widths[0], bias=False)
        self.rest = mlp(widths)

    def forward(self, points: Tensor, features: Tensor, present: Tensor, index: Tensor) -> Tensor:
        """Return features of the centres.

        Args:
            points: Shape (B, N, 3).
            features: Shape (B, N, C).
            present: Shape (B, N), bool.
            index: Which points are centres. Shape (B, M).

        Returns:
            Shape (B, M, C').
        """
        centers = gather(points, index)
        distance = torch.cdist(centers, points, compute_mode=EXACT)  # (B, M, N)
        distance = distance.masked_fill(~present.unsqueeze(1), FAR)
        near, which = distance.topk(min(self.neighbours, points.shape[1]), largest=False)
        known = self.feature(features) + self.place(points)
        hidden = F.relu(gather(known, which) - self.place(centers).unsqueeze(2))
        hidden = self.rest(hidden)  # (B, M, K, C')
        # After ReLU nothing is below 0, so that 0 leaves the maximum as it is.
        return hidden.masked_fill((near > self.radius).unsqueeze(-1), 0.0).amax(2)


def interpolate(targets: Tensor, points: Tensor, features: Tensor, present: Tensor) -> Tensor:
    """Return features at other places, from the three nearest points by inverse square distance.

    Args:
        targets: Shape (B, T, 3).
        points: Shape (B, M, 3).
        features: Shape (B, M, C).
        present: Shape (B, M), bool.

    Returns:
        Shape (B, T, C).
    """
    distance = torch.cdist(targets, points, compute_mode=EXACT)
    distance = distance.masked_fill(~present.unsqueeze(1), FAR)
    near, which = distance.topk(min(3, points.shape[1]), largest=False)
    weight = 1.0 / (near**2 + 1e-8)
    weight = weight / weight.sum(-1, keepdim=True)
    return (gather(features, which) * weight.unsqueeze(-1)).sum(2)


class Encoder(nn.Module):
    """Two set abstractions and the whole cloud: the half of PointNet++ that looks."""

    def __init__(
        self,
        inputs: int,
        width: float,
        centers: Sequence[int],
        radii: Sequence[float],
        neighbours: int,
    ) -> None:
        """Make the layers.

        Args:
            inputs: Features of a point beside its place.
            width: Factor on the authors' widths.
            centers: Centres of the first and the second abstraction.
            radii: Of their balls.
            neighbours: Most points in a ball.
        """
        super().__init__()
        first, second, third = (
            [int(width * value) for value in widths]
            for widths in ((64, 64, 128), (128, 128, 256), (256, 512, 1024))
        )
        self.centers, self.widths = list(centers), (inputs, first[-1], second[-1], third[-1])
        self.first = SetAbstraction(radii[0], neighbours, inputs, [first[0], *first])
        self.second = SetAbstraction(radii[1], neighbours, first[-1], [second[0], *second])
        self.whole = mlp([second[-1] + 3, *third])

    def forward(
        self, points: Tensor, features: Tensor, present: Tensor
    ) -> tuple[list[tuple[Tensor, Tensor, Tensor]], Tensor]:
        """Return places, features and presence of every level, and features of the whole cloud.

        Args:
            points: Shape (B, N, 3).
            features: Shape (B, N, C).
            present: Shape (B, N), bool.

        Returns:
            Levels, finest first, each (B, M, 3), (B, M, C) and (B, M); and (B, C).
        """
        levels = [(points, features, present)]
        for abstraction, number in zip((self.first, self.second), self.centers, strict=True):
            level = levels[-1]
            if len(levels) > 1:  # its centres are turned about: the gripper was first
                level = tuple(part.flip(1) for part in level)
            places, known, there = level
            index, fresh = farthest_points(places, there, number)
            found = abstraction(places, known, there, index)
            levels.append((gather(places, index), found, fresh))
        places, known, _ = levels[-1]
        return levels, self.whole(torch.cat([known, places], -1)).amax(1)
