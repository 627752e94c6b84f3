"""Probabilistic ensemble of one-step models (Chua et al. 2018; MOPO; MOBILE).

Each member predicts a Gaussian over the standardised change of the observation and the reward.
Members are trained until none gets better on held-out rows; the best of them are the elites.
Letters: `E` members, `B` batch, `P` predicted change, `W` observation, `A` action.
"""

import torch
from torch import Tensor, nn

from robot_policies.policies.uni_o4.offline.settings import OfflineSettings
from robot_policies.policies.uni_o4.spaces import Space
from robot_policies.policies.uni_o4.standardizer import Standardizer

LOG_VARIANCE = (-10.0, 0.5)  # first bounds; they are learned [MOPO]
BOUND_WEIGHT = 0.01  # [MOPO]
USUAL = 0.99  # quantile of the disagreement on held-out rows that is called usual


class TransitionModel(nn.Module):
    """How the robot answers an action, with doubt."""

    elites: Tensor
    usual: Tensor

    def __init__(self, space: Space, settings: OfflineSettings) -> None:
        """Make the members."""
        super().__init__()
        self.space, self.settings = space, settings
        inputs, outputs = space.width + space.action_width, space.change_width + 1
        self.inputs, self.outputs = Standardizer(inputs), Standardizer(outputs, least=1e-4)
        widths = [inputs, *settings.model_hidden, 2 * outputs]
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for before, after in zip(widths[:-1], widths[1:], strict=True):
            bound = 1.0 / before**0.5
            shape = (settings.model_members, before, after)
            self.weights.append(nn.Parameter(torch.empty(shape).uniform_(-bound, bound)))
            self.biases.append(nn.Parameter(torch.zeros(settings.model_members, 1, after)))
        low, high = LOG_VARIANCE
        self.least = nn.Parameter(torch.full((outputs,), low))
        self.most = nn.Parameter(torch.full((outputs,), high))
        self.register_buffer("elites", torch.arange(settings.model_elites))
        self.register_buffer("usual", torch.tensor(float("inf")))

    def targets(self, data: dict[str, Tensor]) -> Tensor:
        """Return what is predicted: change and reward. Shape (N, P + 1)."""
        change = self.space.change(data["observation"], data["next_observation"])
        return torch.cat([change, data["reward"].unsqueeze(-1)], -1)

    def forward(
        self, observation: Tensor, action: Tensor, members: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return standardised mean and log variance of every member, or of some.

        Args:
            observation: Shape (B, W), or (E, B, W) for a batch of its own per member.
            action: Shape (B, A) or (E, B, A).
            members: Which are asked; all if not given. Shape (E,).

        Returns:
            Shape (E, B, P + 1) each.
        """
        hidden = self.inputs(torch.cat([observation, action], -1))
        if hidden.dim() == 2:
            asked = self.settings.model_members if members is None else len(members)
            hidden = hidden.expand(asked, *hidden.shape)
        last = len(self.weights) - 1
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if members is not None:
                weight, bias = weight[members], bias[members]
            hidden = torch.baddbmm(bias, hidden, weight)
            if i < last:
                hidden = nn.functional.silu(hidden)
        mean, log_variance = hidden.chunk(2, -1)
        log_variance = self.most - nn.functional.softplus(self.most - log_variance)
        return mean, self.least + nn.functional.softplus(log_variance - self.least)

    def loss(self, observation: Tensor, action: Tensor, target: Tensor) -> Tensor:
        """Return the negative log-likelihood, summed over members. Arguments (E, B, ...)."""
        mean, log_variance = self(observation, action)
        error = (mean - self.outputs(target)).square() * torch.exp(-log_variance)
        spread = BOUND_WEIGHT * (self.most.sum() - self.least.sum())
        return (error + log_variance).mean((1, 2)).sum() + spread

    @torch.no_grad()
    def errors(self, data: dict[str, Tensor]) -> Tensor:
        """Return each member's mean squared error in standardised units. Shape (E,)."""
        mean, _ = self(data["observation"], data["action"])
        return (mean - self.outputs(self.targets(data))).square().mean((1, 2))

    @torch.no_grad()
    def choose_elites(self, held_out: dict[str, Tensor]) -> None:
        """Keep the members with the least error, and note how much they disagree there."""
        self.elites.copy_(self.errors(held_out).argsort()[: len(self.elites)])
        doubt = self.disagreement(held_out["observation"], held_out["action"])
        self.usual.copy_(torch.quantile(doubt, USUAL))

    @torch.no_grad()
    def disagreement(self, observation: Tensor, action: Tensor) -> Tensor:
        """Return the deviation of the elites' means, averaged over the outputs. Shape (B,)."""
        mean, _ = self(observation, action, self.elites)
        return mean.std(0, correction=0).mean(-1)

    @torch.no_grad()
    def mean_step(self, observation: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what the elites expect in the mean.

        Returns:
            Next observation (B, W), reward (B,), and the deviation of their rewards (B,).
        """
        mean, _ = self(observation, action, self.elites)
        expected = mean.mean(0) * self.outputs.std + self.outputs.mean
        doubt = mean[..., -1].std(0, correction=0) * self.outputs.std[-1]
        following = self.space.advance(observation, action, expected[:, :-1])
        return following, expected[:, -1], doubt

    @torch.no_grad()
    def step(
        self, observation: Tensor, action: Tensor, elite: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Draw the next observations.

        Args:
            observation: Shape (B, W).
            action: What is executed. Shape (B, A).
            elite: Which elite predicts each row, index into `elites`. Shape (B,).
            noise: Standard normal numbers. Shape (B, P + 1).

        Returns:
            Next observation (B, W), reward (B,), whether it is the end (B,), and the elites'
            disagreement about the step (B,).
        """
        mean, log_variance = self(observation, action, self.elites)
        rows = torch.arange(len(observation))
        drawn = mean[elite, rows] + torch.exp(0.5 * log_variance[elite, rows]) * noise
        drawn = drawn * self.outputs.std + self.outputs.mean
        following = self.space.advance(observation, action, drawn[:, :-1])
        doubt = mean.std(0, correction=0).mean(-1)
        return following, drawn[:, -1], self.space.terminated(following), doubt
