"""One loop for teachers, students and their ablations."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from robot_policies.interface import UnknownNameError
from robot_policies.policies.dressing.fit_state import FitState
from robot_policies.policies.dressing.lessons import Lessons
from robot_policies.policies.dressing.losses import (
    LOSSES,
    imitation_loss,
    kl_loss,
    transport_loss,
)
from robot_policies.policies.dressing.modeling_dressing import DressingPolicy

BATCH = 64  # [L]
CLIP = 10.0  # norm of a gradient; stops a broken batch only
KEPT = 100  # updates from one state to the next
Report = Callable[[float, int], None]
Loss = Callable[[Tensor, torch.Generator], Tensor]  # of row numbers, and what draws their views


def fit(
    policy: DressingPolicy,
    loss: Loss,
    rows: int,
    updates: int,
    seed: int,
    report: Report,
    state: Path,
    about: str = "",
) -> None:
    """Train a policy, or go on where it was stopped.

    Args:
        policy: Changed in place.
        loss: Of the rows of a batch.
        rows: How many rows there are.
        updates: Gradient steps.
        seed: Of the order of the rows, and of the choice among their views.
        report: Called with every loss, and how many updates are made.
        state: File from which it goes on; what it learned last is in it.
        about: What is learned, by whom; another fit's state is refused.

    Raises:
        CheckpointError: If the state is damaged, or of another fit.
    """
    now, about = FitState(policy, updates, seed), f"{about}, {rows} rows"
    if state.exists():
        now.load(state, about)
    policy.train()
    while now.done < updates:
        value = loss(torch.randint(rows, (BATCH,), generator=now.rows), now.views)
        now.optimiser.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), CLIP)
        now.step()
        report(float(value.detach()), now.done)
        if now.done % KEPT == 0 or now.done == updates:
            now.save(state, about)
    policy.eval()


def imitate(policy: DressingPolicy, lessons: Lessons, *, camera: bool) -> Loss:
    """Return the loss of doing what the expert did, on whole clouds or on the camera's."""

    def loss(rows: Tensor, views: torch.Generator) -> Tensor:
        clouds = _camera(lessons, rows, views) if camera else lessons.whole[rows]
        mean, log_std = (value[:, 0] for value in policy.actor(clouds))
        return imitation_loss(mean, log_std, lessons.action[rows])

    return loss


def distil(
    student: DressingPolicy,
    teachers: list[DressingPolicy],
    lessons: Lessons,
    kind: str = "transport",
) -> Loss:
    """Return the loss of answering a camera's cloud as the teacher answers the whole one.

    Args:
        student: Who learns.
        teachers: By group; asked once for every decision, here.
        lessons: The decisions.
        kind: `transport` or `kl`.
    """
    if kind not in LOSSES:
        raise UnknownNameError("loss", kind, LOSSES, "distil")
    compare = transport_loss if kind == "transport" else kl_loss
    means, log_stds = teach(teachers, lessons)

    def loss(rows: Tensor, views: torch.Generator) -> Tensor:
        answer = student.actor(_camera(lessons, rows, views))
        mean, log_std = (value[:, 0] for value in answer)
        return compare(mean, log_std, means[rows], log_stds[rows])

    return loss


@torch.no_grad()
def teach(teachers: list[DressingPolicy], lessons: Lessons) -> tuple[Tensor, Tensor]:
    """Return what each decision's teacher answers: means and log deviations. Shape (n, 6) each."""
    means, log_stds = (torch.zeros_like(lessons.action) for _ in range(2))
    for group, teacher in enumerate(teachers):
        for rows in torch.nonzero(lessons.group == group)[:, 0].split(256):
            mean, log_std = teacher.actor(lessons.whole[rows])
            means[rows], log_stds[rows] = mean[:, 0], log_std[:, 0]
    return means, log_stds


def _camera(lessons: Lessons, rows: Tensor, draw: torch.Generator) -> Tensor:
    views = lessons.camera.shape[1]
    return lessons.camera[rows, torch.randint(views, (len(rows),), generator=draw)]
