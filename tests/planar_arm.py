"""The planar arm without its physics: kinematic, batched, for tests that learn in seconds.

Actions are joint velocities over `TOP_SPEED`, in [-1, 1]. The observation is cos q, sin q, hand,
goal and obstacle, 14 numbers. Letters: `B` arms side by side.
"""

import math

import torch
from torch import Tensor

from robot_policies.catalog import load_robot
from robot_policies_sim.worlds.planar_arm.trial import TOUCH

ARM = load_robot("planar_arm")
LINKS = torch.tensor([float(link.position[0]) for link in ARM.links[2:]])  # m
DT, TOP_SPEED = 1.0 / ARM.control_rate, float(ARM.velocity[0])  # s, rad/s
REST = torch.tensor(ARM.default, dtype=torch.float32)  # rad


def hand(q: Tensor) -> Tensor:
    """Return where the hand is. (B, 4) -> (B, 2)."""
    angle = q.cumsum(1)
    return torch.stack([(LINKS * angle.cos()).sum(1), (LINKS * angle.sin()).sum(1)], 1)


def jacobian(q: Tensor) -> Tensor:
    """Return d hand / d q. (B, 4) -> (B, 2, 4)."""
    angle = q.cumsum(1)
    x = (-LINKS * angle.sin()).flip(1).cumsum(1).flip(1)
    y = (LINKS * angle.cos()).flip(1).cumsum(1).flip(1)
    return torch.stack([x, y], 1)


def observe(q: Tensor, goal: Tensor, obstacle: Tensor) -> Tensor:
    """Return the observation. (B, 14)."""
    return torch.cat([q.cos(), q.sin(), hand(q), goal, obstacle], 1)


def scenes(count: int, mode: str) -> tuple[Tensor, Tensor, Tensor]:
    """Draw joint angles, goals and obstacles; `detour` puts the obstacle on the way."""
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    while sum(len(entry[0]) for entry in found) < count:
        q = torch.randn(256, 4) * torch.tensor([0.8, 0.6, 0.6, 0.4]) + REST
        start, goal, obstacle = hand(q), _point(256), _point(256)
        keep = torch.ones(256, dtype=torch.bool)
        if mode == "detour":
            share = 0.35 + 0.3 * torch.rand(256, 1)
            obstacle = start + (goal - start) * share + 0.03 * torch.randn(256, 2)
            keep = (start - obstacle).norm(dim=1) > 0.14
            keep &= (goal - obstacle).norm(dim=1) > 0.14
            keep &= (goal - start).norm(dim=1) > 0.35
        elif mode in ("avoid", "orbit"):
            angle, radius = 2 * math.pi * torch.rand(256, 1), 0.06 + 0.22 * torch.rand(256, 1)
            obstacle = start + radius * torch.cat([angle.cos(), angle.sin()], 1)
        found.append((q[keep], goal[keep], obstacle[keep]))
    q, goal, obstacle = (torch.cat(parts)[:count] for parts in zip(*found, strict=True))
    return q, goal, obstacle


def expert(mode: str, q: Tensor, goal: Tensor, obstacle: Tensor) -> Tensor:
    """Return a scripted action: damped least squares towards a hand velocity. (B, 4)."""
    velocity, matrix = _velocity(mode, hand(q), goal, obstacle), jacobian(q)
    inverse = matrix.mT @ torch.linalg.inv(matrix @ matrix.mT + 0.02 * torch.eye(2))
    towards_rest = 0.5 * (REST - q)
    speed = _apply(inverse, velocity - _apply(matrix, towards_rest)) + towards_rest
    return (speed / TOP_SPEED).clamp(-1, 1)


def demonstrate(mode: str, episodes: int, steps: int) -> dict[str, Tensor]:
    """Return the steps of episodes; reward is progress in m, cost is touching."""
    q, goal, obstacle = scenes(episodes, mode)
    rows: dict[str, list[Tensor]] = {"observation": [], "action": [], "reward": [], "cost": []}
    for _ in range(steps):
        action = expert(mode, q, goal, obstacle)
        after = q + DT * TOP_SPEED * (action + 0.05 * torch.randn_like(action))
        before, reached = (hand(x) - goal for x in (q, after))
        rows["observation"].append(observe(q, goal, obstacle))
        rows["action"].append(action)
        rows["reward"].append(before.norm(dim=1) - reached.norm(dim=1))
        rows["cost"].append(((hand(after) - obstacle).norm(dim=1) < TOUCH).float())
        q = after
    flat = {name: torch.stack(parts, 1).flatten(0, 1) for name, parts in rows.items()}
    return {**flat, "episode": torch.arange(episodes).repeat_interleave(steps)}


def _velocity(mode: str, at: Tensor, goal: Tensor, obstacle: Tensor) -> Tensor:
    away = at - obstacle
    radius = away.norm(dim=1, keepdim=True).clamp_min(1e-4)
    normal = away / radius
    tangent = torch.stack([-normal[:, 1], normal[:, 0]], 1)
    distance = (goal - at).norm(dim=1, keepdim=True).clamp_min(1e-4)
    attraction = (goal - at) / distance * (3 * distance).clamp_max(0.6)
    if mode == "reach":
        return attraction
    if mode == "avoid":
        return 0.6 * normal * ((0.3 - radius) / 0.1).clamp(0, 1)
    if mode == "orbit":
        return 0.6 * tangent + 2.0 * normal * (0.18 - radius)
    near = ((0.24 - radius) / 0.1).clamp(0, 1)
    behind = (((goal - obstacle) * away).sum(1, keepdim=True) < 0).float()
    detour = 0.35 * normal + 0.6 * tangent * behind
    return attraction * (1 - 0.8 * near * behind) + near * detour


def _point(count: int) -> Tensor:
    radius, angle = (
        0.35 + 0.5 * torch.rand(count, 1).sqrt(),
        math.pi * (torch.rand(count, 1) - 0.5),
    )
    return radius * torch.cat([angle.cos(), angle.sin()], 1)


def _apply(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix @ vector.unsqueeze(-1)).squeeze(-1)
