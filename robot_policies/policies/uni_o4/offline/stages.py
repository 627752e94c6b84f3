"""The phases of offline training that Uni-O4 itself has, each a few hundred equal steps."""

from copy import deepcopy

import numpy as np
import torch
from torch import Tensor, nn

from robot_policies.policies.uni_o4.offline.behavior import member_loss
from robot_policies.policies.uni_o4.offline.evaluation import Expansion, ModelRollouts
from robot_policies.policies.uni_o4.offline.improvement import Improver
from robot_policies.policies.uni_o4.offline.stage import Networks, Stage, descend

RETURNS_EVERY = 100  # steps after which Monte-Carlo returns are counted again


class Behavior(Stage):
    """Imitate the data, disagreeing."""

    name = "behavior"

    def __init__(self, networks: Networks) -> None:
        super().__init__(networks)
        self.total = self.settings.behavior_steps
        parameters = networks.policies.parameters()
        self.optimizers = [torch.optim.Adam(parameters, lr=self.settings.behavior_rate)]

    def step(self) -> dict[str, float]:
        """Take one step with every member, all on the same rows."""
        settings, policies, batch = self.settings, self.networks.policies, self.networks.batch()
        losses = [
            member_loss(
                i,
                policies,
                batch["observation"],
                batch["action"],
                diversity=settings.diversity,
                weight=settings.diversity_weight,
                cap=settings.diversity_cap,
            )
            for i in range(len(policies))
        ]
        loss = torch.stack(losses).sum()
        return {"loss": descend(self.optimizers[0], loss) / len(losses)}


class CriticFit(Stage):
    """Fit Q and V."""

    name = "critics"

    def __init__(self, networks: Networks) -> None:
        super().__init__(networks)
        self.total = self.settings.critic_steps
        critics, rate = networks.critics, self.settings.critic_rate
        self.optimizers = [
            torch.optim.Adam(critics.value.parameters(), lr=rate),
            torch.optim.Adam(critics.q.parameters(), lr=rate),
        ]
        data = networks.data
        critics.scale.fit(torch.cat([data["observation"], data["action"]], -1))
        self._monte_carlo = self.settings.value_target == "monte_carlo"
        if self._monte_carlo:
            self.numbers["returns"] = torch.zeros(len(data["reward"]))

    def step(self) -> dict[str, float]:
        """Take one step with V and both Q."""
        critics, rows = self.networks.critics, self.networks.rows()
        batch = self.networks.batch(rows)
        if self._monte_carlo:
            if self.done % RETURNS_EVERY == 0:
                self.numbers["returns"] = self._returns()
            batch["returns"] = self.numbers["returns"][rows]
        of_value, of_q = critics.losses(batch)
        record = {
            "value_loss": descend(self.optimizers[0], of_value),
            "q_loss": descend(self.optimizers[1], of_q),
        }
        if (self.done + 1) % self.settings.target_every == 0:
            critics.follow()
        with torch.no_grad():
            record["value"] = float(critics.v(batch["observation"]).mean())
        return record

    @torch.no_grad()
    def _returns(self) -> Tensor:
        """Return discounted returns; where a log was cut off, V says what was still to come."""
        settings, logged = self.settings, self.networks.logged
        beyond = self.networks.critics.v(self.networks.data["next_observation"]).numpy()
        returns = logged.returns(settings.gamma, beyond / settings.reward_scale)
        return torch.from_numpy(settings.reward_scale * returns).float()


class ModelFit(Stage):
    """Fit the one-step models; a step is an epoch."""

    name = "model"

    def __init__(self, networks: Networks) -> None:
        super().__init__(networks)
        settings, model, data = self.settings, networks.model, networks.data
        self.total = settings.model_epochs
        rows = np.random.default_rng(0).permutation(len(data["reward"]))
        held = min(settings.model_holdout, len(rows) // 5)
        self._held = {name: tensor[rows[:held]] for name, tensor in data.items()}
        self._rows = torch.from_numpy(rows[held:])
        self._targets = model.targets(dict(data))
        model.inputs.fit(torch.cat([data["observation"], data["action"]], -1))
        model.outputs.fit(self._targets)
        self.optimizers = [
            torch.optim.Adam(
                model.parameters(), lr=settings.model_rate, weight_decay=settings.model_decay
            )
        ]
        self.extra["best"] = deepcopy(model)
        count = settings.model_members
        self.numbers = {"errors": torch.full((count,), torch.inf), "idle": torch.zeros(1)}

    def step(self) -> dict[str, float]:
        """Take one epoch; every member sees the rows in its own order."""
        model, data = self.networks.model, self.networks.data
        orders = [torch.randperm(len(self._rows)) for _ in range(self.settings.model_members)]
        order = self._rows[torch.stack(orders)]
        losses = []
        for rows in order.split(self.settings.batch, dim=1):
            loss = model.loss(data["observation"][rows], data["action"][rows], self._targets[rows])
            losses.append(descend(self.optimizers[0], loss))
        errors, best = model.errors(self._held), self.numbers["errors"]
        gained = errors < best
        enough = bool((errors < (1.0 - self.settings.model_gain) * best).any())
        self._keep(gained)
        self.numbers["errors"] = torch.minimum(errors, best)
        self.numbers["idle"] = torch.zeros(1) if enough else self.numbers["idle"] + 1.0
        self.finished = float(self.numbers["idle"]) >= self.settings.model_patience
        return {"loss": float(np.mean(losses)), "held_out_error": float(errors.min())}

    def finish(self) -> None:
        """Take the best weights each member had, and choose the elites."""
        self.networks.model.load_state_dict(self.extra["best"].state_dict())
        self.networks.model.choose_elites(self._held)

    @torch.no_grad()
    def _keep(self, which: Tensor) -> None:
        best, model = self.extra["best"], self.networks.model
        for name, parameter in best.named_parameters():
            new = model.get_parameter(name)
            of_members = parameter.dim() == 3  # the others are the bounds, which are common
            parameter.copy_(
                torch.where(which[:, None, None], new, parameter) if of_members else new
            )
        for name, buffer in best.named_buffers():
            buffer.copy_(model.get_buffer(name))


class Improvement(Stage):
    """Improve the members where the data are, behind the acceptance test."""

    name = "improvement"

    def __init__(self, networks: Networks) -> None:
        super().__init__(networks)
        settings = self.settings
        self.total = settings.improvement_steps
        tested = settings.method == "uni_o4" and settings.acceptance == "paired"
        data = dict(networks.data)
        self.evaluator = (
            ModelRollouts(networks.model, networks.critics, data, settings) if tested else None
        )
        modelled = settings.method == "uni_o4" and settings.expansion > 0
        self.improver = Improver(
            networks.policies,
            networks.critics,
            networks.space,
            self.evaluator,
            settings,
            Expansion(networks.model, networks.critics, settings) if modelled else None,
        )
        self.optimizers = [self.improver.optimizer]
        self.extra["behavior"] = self.improver.behavior
        self.extra["start"] = deepcopy(self.improver.behavior)

    def step(self) -> dict[str, float]:
        """Take one clipped step with every member, and check them when it is time."""
        batch = self.networks.batch()
        record = {"loss": self.improver.step(batch["observation"], self.done)}
        if (self.done + 1) % self.settings.acceptance_every == 0 or self.done + 1 == self.total:
            check = self.improver.check(self.done + 1)
            record["accepted"] = float(np.mean(check.accepted))
            record["gain"] = float(np.mean(check.gain))
        return record

    @property
    def policies(self) -> nn.ModuleList:
        """What was accepted."""
        return self.improver.behavior
