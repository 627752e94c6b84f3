"""A fit of a dressing policy in one file, from which it goes on bit for bit after a kill."""

import json
from pathlib import Path

import torch

from robot_policies.documents import parse_json
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
from robot_policies.policies.dressing.modeling_dressing import DressingPolicy


class FitState:
    """What changes while a policy learns.

    Attributes:
        done: Updates that are made.
        optimiser: Adam.
        rows: Draws the rows of a batch.
        views: Draws among the views of a row.
    """

    def __init__(self, policy: DressingPolicy, updates: int, seed: int) -> None:
        """Begin; the learning rate falls to nothing along half a cosine.

        Args:
            policy: Who learns.
            updates: Gradient steps.
            seed: Of what is drawn.
        """
        self._policy, self._updates, self._seed, self.done = policy, updates, seed, 0
        self.optimiser = torch.optim.Adam(policy.parameters(), policy.config.optimizer_lr)
        self._schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimiser, updates)
        self.rows = torch.Generator().manual_seed(seed)
        self.views = torch.Generator().manual_seed(seed + 1)

    def step(self) -> None:
        """Follow the gradients that are there."""
        self.optimiser.step()
        self._schedule.step()
        self.done += 1

    def save(self, path: Path, about: str) -> None:
        """Write all that `load` needs.

        Args:
            path: The file.
            about: What is learned, by whom.
        """
        chance = {"rows": self.rows.get_state(), "views": self.views.get_state()}
        tensors = {
            **grouped("policy", self._policy.state_dict()),
            **grouped("adam", moments_of(self.optimiser)),
            **grouped("chance", chance),
        }
        rates = [group["lr"] for group in self.optimiser.param_groups]
        progress = {"done": self.done, "updates": self._updates, "seed": self._seed}
        texts = {"about": about, **{name: json.dumps(n) for name, n in progress.items()}}
        write_state(path, tensors, {**texts, "rates": json.dumps(rates)})

    def load(self, path: Path, about: str) -> None:
        """Continue where `save` was called.

        Raises:
            CheckpointError: If the file is damaged, or of another fit.
        """
        with resuming(path):
            tensors, texts = read_state(path)
            numbers = {n: parse_json(texts[n]) for n in ("done", "updates", "seed", "rates")}
            fit = (texts["about"], numbers["updates"], numbers["seed"])
            if fit != (about, self._updates, self._seed):
                raise ValueError(f"it is of {fit}, not of {(about, self._updates, self._seed)}")
            done, (rate,) = numbers["done"], numbers["rates"]
            if type(done) is not int or not 0 <= done <= self._updates:
                raise ValueError(f"{done!r:.40} of {self._updates} updates cannot be")
            if not isinstance(rate, float) or not 0.0 <= rate <= self._policy.config.optimizer_lr:
                raise ValueError(f"learning rate {rate!r:.40} cannot be")
            policy = self._policy.state_dict()
            self._policy.load_state_dict(fitting(of_group("policy", tensors), policy))
            restore_moments(self.optimiser, of_group("adam", tensors))
            chance = of_group("chance", tensors)
            self.rows.set_state(chance["rows"])
            self.views.set_state(chance["views"])
            self.optimiser.param_groups[0]["lr"] = rate
            self._schedule.last_epoch = self.done = done
