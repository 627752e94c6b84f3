"""The actor that answers for every point, the critic that hears of it at every point.

`Dense Transformation` (arXiv 2306.12372, Sec. IV-C): a segmentation PointNet++ gives every point a
Gaussian over displacements, and the gripper's is executed. `Direct Vector`, its ablation, gives
one for the whole cloud. The critic has the action as features of every point; `latent=True`, its
ablation, adds it to the code of the cloud.
"""

import torch
from torch import Tensor, nn

from robot_policies.policies.dressing.configuration_dressing import (
    ACTION_WIDTH,
    CLASSES,
    DressingConfig,
)
from robot_policies.policies.dressing.point_net import Encoder, interpolate, mlp

FIRST = 0.1  # gain of an actor's last layer


def split(cloud: Tensor, unit: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return places (B, N, 3) in units [m], features (B, N, C) and presence (B, N) of clouds."""
    return cloud[..., :3] / unit, cloud[..., 3:-1], cloud[..., -1] > 0.5


def initialise(network: nn.Module) -> None:
    """Make all weights orthogonal and all offsets 0, as the authors' code does.

    The gain is that of ReLU, the square root of 2. With torch's own weights what a cloud says
    fades within fifteen layers, and every cloud gets the same answer for thousands of updates.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            nn.init.orthogonal_(layer.weight, nn.init.calculate_gain("relu"))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def make_encoder(config: DressingConfig, extra: int = 0) -> Encoder:
    """Return an encoder of clouds with some features more per point."""
    radii = [radius / config.unit for radius in config.radii]
    return Encoder(len(CLASSES) + extra, config.width, config.centers, radii, config.neighbours)


class Actor(nn.Module):
    """Mean and spread of the displacement; a subclass says for which rows."""

    def __init__(self, config: DressingConfig, inputs: int) -> None:
        """Make the head.

        Args:
            config: Widths and bounds.
            inputs: Features the head takes.
        """
        super().__init__()
        self.bounds, self.unit = tuple(config.log_std_bounds), config.unit
        self.trunk = nn.Sequential(
            mlp([inputs, config.trunk, config.trunk]),
            nn.Linear(config.trunk, 2 * ACTION_WIDTH),
        )

    def gaussian(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Return means in [-1, 1] and logarithms of deviations. (..., C) -> 2 x (..., 6)."""
        mean, spread = self.trunk(hidden).chunk(2, dim=-1)
        low, high = self.bounds
        return torch.tanh(mean), low + 0.5 * (high - low) * (torch.tanh(spread) + 1.0)


class DenseTransformation(Actor):
    """An answer for every point."""

    def __init__(self, config: DressingConfig) -> None:
        """Make encoder, feature propagation and head."""
        encoder = make_encoder(config)
        inputs, first, second, whole = encoder.widths
        up = [int(config.width * value) for value in (256, 128)]
        super().__init__(config, up[1])
        self.encoder = encoder
        self.third = mlp([whole + second, up[0], up[0]])
        self.second = mlp([up[0] + first, up[0], up[1]])
        self.first = mlp([up[1] + inputs, up[1], up[1], up[1]])

    def forward(self, cloud: Tensor, rows: slice = slice(-1, None)) -> tuple[Tensor, Tensor]:
        """Answer for some rows, by default the gripper's alone.

        Args:
            cloud: Shape (B, N, 7).
            rows: Which.

        Returns:
            Means in [-1, 1] and logarithms of deviations. Shape (B, rows, 6) each.
        """
        levels, whole = self.encoder(*split(cloud, self.unit))
        (points, features, _), (places, known, there), (coarse, seen, kept) = levels
        whole = whole.unsqueeze(1).expand(-1, coarse.shape[1], -1)
        coarse_up = self.third(torch.cat([whole, seen], -1))
        middle = interpolate(places, coarse, coarse_up, kept)
        middle = self.second(torch.cat([middle, known], -1))
        wanted = points[:, rows]
        fine = interpolate(wanted, places, middle, there)
        return self.gaussian(self.first(torch.cat([fine, features[:, rows]], -1)))


class DirectVector(Actor):
    """One answer for the whole cloud."""

    def __init__(self, config: DressingConfig) -> None:
        """Make encoder and head."""
        encoder = make_encoder(config)
        super().__init__(config, encoder.widths[-1])
        self.encoder = encoder

    def forward(self, cloud: Tensor) -> tuple[Tensor, Tensor]:
        """Answer. (B, N, 7) -> 2 x (B, 1, 6)."""
        return self.gaussian(self.encoder(*split(cloud, self.unit))[1].unsqueeze(1))


def make_actor(config: DressingConfig) -> DenseTransformation | DirectVector:
    """Return the actor of a configuration; its first answers are near 0."""
    actor = DenseTransformation(config) if config.head == "dense" else DirectVector(config)
    initialise(actor)
    last = actor.trunk[-1]
    assert isinstance(last, nn.Linear)
    nn.init.orthogonal_(last.weight, FIRST)
    return actor


class TwinCritic(nn.Module):
    """Two values of an action, which stands at every point or beside the code of the cloud."""

    def __init__(self, config: DressingConfig, latent: bool = False) -> None:
        """Make encoder and heads.

        Args:
            config: Widths.
            latent: Whether the action joins the code only.
        """
        super().__init__()
        self.latent, self.unit = latent, config.unit
        self.encoder = make_encoder(config, 0 if latent else ACTION_WIDTH)
        inputs = self.encoder.widths[-1] + (ACTION_WIDTH if latent else 0)
        widths = [inputs, config.trunk, config.trunk]
        self.heads = nn.ModuleList(
            nn.Sequential(mlp(widths), nn.Linear(config.trunk, 1)) for _ in range(2)
        )
        initialise(self)

    def forward(self, cloud: Tensor, action: Tensor) -> Tensor:
        """Return both values. (B, N, 7), (B, 6) -> (B, 2)."""
        points, features, present = split(cloud, self.unit)
        if not self.latent:
            spread = action.unsqueeze(1).expand(-1, points.shape[1], -1)
            features = torch.cat([features, spread], -1)
        code = self.encoder(points, features, present)[1]
        if self.latent:
            code = torch.cat([code, action], -1)
        return torch.cat([head(code) for head in self.heads], -1)
