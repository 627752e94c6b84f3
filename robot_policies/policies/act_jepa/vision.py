"""Images to tokens: three backbones behind one signature.

(B, 3, H, W) in [0, 1] and the task token (B, C) to (B, N, C).
"""

from functools import cache

import torch
from torch import Tensor, nn

from robot_policies.interface import CheckpointError
from robot_policies.policies.act_jepa.configuration_act_jepa import GOALS, ActJepaConfig

TEMPERATURE = 10000.0
GROUPS = 4


class GridTokens(nn.Module):
    """One token per cell of a feature map, with DETR's two-dimensional sine position."""

    def __init__(self, body: nn.Module, channels: int, dim: int) -> None:
        """Project a backbone's last map of `channels` to `dim`."""
        super().__init__()
        self.body = body
        self.project = nn.Conv2d(channels, dim, 1)

    def forward(self, image: Tensor, task: Tensor) -> Tensor:
        """Return the tokens; the task is not looked at. (B, 3, H, W) -> (B, h w, C)."""
        grid = self.project(self.body(image))  # (B, C, h, w)
        grid = grid + sine_2d(*grid.shape[1:], grid.device)
        return grid.flatten(2).transpose(1, 2)


class KeypointTokens(nn.Module):
    """Where learned features are, as spatial soft-argmax (Levine et al. 2016): a token per goal.

    The instruction has a say in what is looked for: with two cubes and two pads, the keypoints go
    to those it names, and everything behind them sees one cube and one pad. With hindsight, half
    of the keypoints answer for where the gripper closes and half for where it opens; together,
    all of them went to the pads, which are larger, and the cubes were found to 9 mm only.
    """

    def __init__(self, dim: int, keypoints: int = 32) -> None:
        """Make a stem that is narrow and short on purpose: on a CPU it is most of a step."""
        super().__init__()
        self.body = nn.Sequential(*_block(3, 32, 7, 4), *_block(32, 32, 3, 1))
        self.looked_for = nn.Parameter(torch.empty(keypoints, 32).uniform_(-0.18, 0.18))
        self.asked_for = nn.Linear(dim, 32 * keypoints, bias=False)
        nn.init.zeros_(self.asked_for.weight)
        self.sharpness = nn.Parameter(torch.tensor(1.0))
        self.project = nn.ModuleList(
            nn.Linear(2 * keypoints // len(GOALS), dim) for _ in range(len(GOALS))
        )

    def forward(self, image: Tensor, task: Tensor) -> Tensor:
        """Return the tokens. (B, 3, H, W) and the task token (B, C) -> (B, 2, C)."""
        found = self.body(2.0 * image - 1.0)  # (B, F, h, w)
        asked = self.asked_for(nn.functional.normalize(task, dim=-1))
        query = self.looked_for + asked.unflatten(1, self.looked_for.shape)  # (B, K, F)
        heat = torch.einsum("bkf,bfhw->bkhw", query, found) * self.sharpness  # (B, K, h, w)
        weight = heat.flatten(2).softmax(-1).view_as(heat)
        v, u = (_line(int(size), heat.device) for size in heat.shape[2:])
        place = torch.stack([(weight.sum(2) * u).sum(-1), (weight.sum(3) * v).sum(-1)], -1)
        parts = place.flatten(1).chunk(len(GOALS), 1)  # 2 x (B, K)
        return torch.stack([f(x) for f, x in zip(self.project, parts, strict=True)], 1)


@cache
def _line(size: int, device: torch.device) -> Tensor:
    """Return places along an axis, -1 to 1; remembered, since a graph holds numbers alone."""
    with torch.inference_mode(False):
        return torch.linspace(-1.0, 1.0, size, device=device)


def make_backbones(config: ActJepaConfig, cameras: int) -> nn.ModuleList:
    """Return one backbone per camera for keypoints, a single one for all of the larger kinds.

    Raises:
        CheckpointError: If the pretrained weights are neither cached nor to be had.
    """
    if config.vision_backbone == "keypoints":
        return nn.ModuleList(KeypointTokens(config.dim_model) for _ in range(cameras))
    if cameras == 0:
        return nn.ModuleList()
    if config.vision_backbone == "resnet18":
        body, channels = _resnet18(config), 512
    else:
        widths = (3, 16, 32, 32, 64, 64)
        layers = [_block(i, o, 3, 2) for i, o in zip(widths, widths[1:], strict=False)]
        body, channels = nn.Sequential(*(part for layer in layers for part in layer)), 64
    return nn.ModuleList([GridTokens(body, channels, config.dim_model)])


def sine_1d(length: int, dim: int, device: torch.device) -> Tensor:
    """Return fixed positions of a sequence. Shape (length, dim)."""
    position = torch.arange(length, device=device, dtype=torch.float32).unsqueeze(1)
    frequency = TEMPERATURE ** (-torch.arange(0, dim, 2, device=device) / dim)
    angle = position * frequency
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)


def sine_2d(dim: int, height: int, width: int, device: torch.device) -> Tensor:
    """Return fixed positions of a map, normalised to 2 pi per axis. Shape (dim, height, width)."""
    axes = []
    for size in (height, width):
        turn = 2.0 * torch.pi * torch.arange(1, size + 1, device=device) / (size + 1e-6)
        frequency = TEMPERATURE ** (-torch.arange(0, dim // 2, 2, device=device) / (dim // 2))
        angle = turn.unsqueeze(1) * frequency
        axes.append(torch.stack([angle.sin(), angle.cos()], -1).flatten(1).T)  # (C/2, size)
    rows = axes[0].unsqueeze(2).expand(-1, -1, width)
    columns = axes[1].unsqueeze(1).expand(-1, height, -1)
    return torch.cat([rows, columns])


def _block(inputs: int, outputs: int, kernel: int, stride: int) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)
    return [convolution, nn.GroupNorm(GROUPS, outputs), nn.ReLU()]


def _resnet18(config: ActJepaConfig) -> nn.Module:
    from torchvision.models import resnet18

    # A checkpoint holds the backbone; other weights would be fetched to be overwritten.
    wanted = None if config.pretrained_path else config.pretrained_backbone_weights
    try:
        network = resnet18(weights=wanted)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(
            f"weights {wanted} are neither cached nor to be had ({error}); give "
            "--policy.pretrained_backbone_weights=null, or --policy.vision_backbone=cnn, which "
            "trains from scratch"
        ) from None
    return nn.Sequential(*list(network.children())[:-2])  # up to the last map, without pooling
