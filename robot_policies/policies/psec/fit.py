"""One training loop for everything around a frozen base: skills, routers, critics, baselines.

Batches, noise and dropout depend on the seed and the step alone, so that a run that was stopped
goes on as if it had not been, bit for bit.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from robot_policies.interface import CheckpointError, ConfigError
from robot_policies.learning.averages import early_rate, follow
from robot_policies.learning.noise import noise_of_step
from robot_policies.learning.run_state import (
    fitting,
    grouped,
    moments_of,
    of_group,
    read_state,
    restore_moments,
    resuming,
    write_state,
)

Loss = Callable[[Tensor], Tensor]  # rows of the batch -> scalar
Report = Callable[[int, float], None]  # steps done, loss


@dataclass(frozen=True)
class FitSettings:
    """Numbers of a training run. Sources: [C] the authors' code, [own].

    Attributes:
        steps: Optimiser steps; 50 k in [C].
        batch: Samples of each; 2048 in [C].
        lr: At the start; falls to 0 as a cosine.
        decay: AdamW's.
        average_rate: Of the moving average, which is the result; 1 takes the last step's.
        seed: Of everything random.
        save_every: Steps between two saved states.
    """

    steps: int = 2000
    batch: int = 256
    lr: float = 3e-4
    decay: float = 1e-4
    average_rate: float = 5e-3  # [C] 1e-3, for runs 25 times as long
    seed: int = 0
    save_every: int = 500

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be."""
        for name in ("steps", "batch", "lr", "average_rate", "save_every"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ConfigError(f"{name} must be > 0, got {getattr(self, name)}")
        if self.average_rate > 1.0:
            raise ConfigError(f"average_rate must be in (0, 1], got {self.average_rate}")


def fit(
    parameters: Sequence[nn.Parameter],
    loss: Loss,
    samples: int,
    settings: FitSettings,
    *,
    state: Path | None = None,
    about: str = "",
    carried: Sequence[Tensor] = (),
    after: Callable[[], None] | None = None,
    report: Report | None = None,
) -> None:
    """Minimise a loss; the parameters end as their moving average.

    Args:
        parameters: What is trained.
        loss: Of the rows of a batch.
        samples: How many rows there are.
        settings: Numbers of the run.
        state: File to go on from, and to write while training; removed when done.
        about: What the run is of; a state of another one is refused.
        carried: Further tensors that `after` changes, and that a state must hold.
        after: Called after each step.
        report: Called after each step.

    Raises:
        CheckpointError: If the state is damaged or of another run.
        ConfigError: If the loss is no longer finite.
    """
    run = _Run(list(parameters), list(carried), settings, f"{about} {samples} {asdict(settings)}")
    done = run.load(state) if state is not None and state.is_file() else 0
    with torch.random.fork_rng([]):
        torch.manual_seed(settings.seed)
        counter = torch.tensor(done)
        for step in range(done, settings.steps):
            with noise_of_step(counter):
                value = loss(torch.randint(samples, (settings.batch,)))
                value.backward()
            number = float(value.detach())
            if not math.isfinite(number):
                raise ConfigError(f"the loss is {number} after {step} steps; lower the rate")
            run.advance(step)
            counter += 1
            if after is not None:
                after()
            if report is not None:
                report(step + 1, number)
            if state is not None and (step + 1) % settings.save_every == 0:
                run.save(state, step + 1)
    run.finish()
    if state is not None:
        state.unlink(missing_ok=True)


class _Run:
    """Parameters, their moving averages and the optimiser."""

    def __init__(
        self,
        parameters: list[nn.Parameter],
        carried: list[Tensor],
        settings: FitSettings,
        about: str,
    ) -> None:
        self.parameters, self.carried, self.settings = parameters, carried, settings
        self.about = about
        self.average = [parameter.detach().clone() for parameter in parameters]
        self.optimizer = torch.optim.AdamW(
            parameters, lr=settings.lr, weight_decay=settings.decay, foreach=True
        )

    def advance(self, step: int) -> None:
        """Take an optimiser step, and let the averages follow; early on they follow faster."""
        settings = self.settings
        for group in self.optimizer.param_groups:
            group["lr"] = 0.5 * settings.lr * (1.0 + math.cos(math.pi * step / settings.steps))
        self.optimizer.step()
        self.optimizer.zero_grad()
        follow(self.average, self.parameters, early_rate(settings.average_rate, step))

    @torch.no_grad()
    def finish(self) -> None:
        """Put the averages in the parameters' place."""
        for parameter, mean in zip(self.parameters, self.average, strict=True):
            parameter.copy_(mean)

    def save(self, path: Path, step: int) -> None:
        """Write a state; a kill while writing leaves the last one."""
        tensors = {**self._tensors(), **grouped("adam", moments_of(self.optimizer))}
        write_state(path, tensors, {"step": str(step), "about": self.about})

    @torch.no_grad()
    def load(self, path: Path) -> int:
        """Take over a state and return the steps done."""
        with resuming(path):
            stored, metadata = read_state(path)
            if metadata.get("about") != self.about:
                raise CheckpointError(
                    f"{path} is the state of a run with other data, base or settings; "
                    "remove it to begin anew"
                )
            own = self._tensors()
            for name, tensor in fitting(stored, own).items():
                own[name].copy_(tensor)
            restore_moments(self.optimizer, of_group("adam", stored))
            return int(metadata["step"])

    def _tensors(self) -> dict[str, Tensor]:
        groups = {"parameter": self.parameters, "average": self.average, "carried": self.carried}
        return {
            f"{group}.{i}": tensor for group, ts in groups.items() for i, tensor in enumerate(ts)
        }
