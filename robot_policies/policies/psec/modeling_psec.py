"""PSEC's diffusion policy: five denoising steps from noise to an action.

    state, further vectors --> normaliser --> s ---------------.
    noise a_5 --> eps(a_5, s, 5) --> a_4 --> ... --> eps(a_1, s, 1) --> a_0, in [-1, 1]

Letters: `B` batch, `T` chunk, `A` action width, `O` observation width, `K` denoising steps.
Skills are not in here: they attach to the linear layers of `network` (`robot_policies/skills`).
"""

import copy
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from lerobot.policies.pretrained import PreTrainedPolicy
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from robot_policies.interface import ActionKind, CheckpointError
from robot_policies.learning.averages import early_rate, follow
from robot_policies.learning.elements import ACTION, write_contract
from robot_policies.learning.noise import noise_of_step
from robot_policies.policies.psec.configuration_psec import PsecConfig
from robot_policies.policies.psec.described import describe_elements
from robot_policies.policies.psec.losses import (
    ACTION_BOUND,
    add_noise,
    diffusion_loss,
    vp_schedule,
)
from robot_policies.policies.psec.networks import make_network

WEIGHTS, TRAINING_WEIGHTS = "model.safetensors", "training_parts.safetensors"
NETWORK = "network."

Denoiser = Callable[[Tensor, Tensor, Tensor], Tensor]  # noisy, observation, step -> noise


class PsecPolicy(PreTrainedPolicy):
    """LeRobot's view of the diffusion policy: batches in, loss or actions out.

    Attributes:
        network: The noise predictor that acts. While LeRobot trains, it is the moving average.
        training_parts: The noise predictor the optimiser moves; only while LeRobot trains.
    """

    config_class = PsecConfig  # pyright: ignore[reportAssignmentType]
    name = "psec"  # pyright: ignore[reportAssignmentType]
    alpha_bar: Tensor

    def __init__(self, config: PsecConfig, dataset_meta: Any | None = None, **kwargs: Any) -> None:
        """Make the networks.

        Args:
            config: Numbers of the policy; what a data set knows is filled in.
            dataset_meta: The data set to train on, as LeRobot's training passes it.
            **kwargs: What else LeRobot's factory passes (`dataset_stats`).

        Raises:
            ConfigError: If the data set does not fit.
        """
        super().__init__(config)
        config.validate_features()
        if dataset_meta is not None:
            describe_elements(config, dataset_meta)
        self.config = config
        self.network = make_network(config)
        self.training_parts: TrainingParts | None = None
        if dataset_meta is not None:
            self.training_parts = TrainingParts(self.network)
            self.network.requires_grad_(False)
        with torch.device("cpu"):  # read as numbers below, also where the network has no values
            alpha = vp_schedule(config.n_denoising_steps, config.beta_min, config.beta_max)
        alpha_bar = alpha.cumprod(0)
        self.register_buffer("alpha_bar", alpha_bar, persistent=False)
        # x_{t-1} = scale (x_t - share eps) + spread z, as plain numbers: a robot waits for them.
        reverse = (alpha**-0.5, (1.0 - alpha) / (1.0 - alpha_bar).sqrt(), (1.0 - alpha).sqrt())
        self._reverse = list(zip(*(column.tolist() for column in reverse), strict=True))
        self.reset()

    def reset(self) -> None:
        """Forget the episode."""
        self._queue: deque[Tensor] = deque()

    def observe(self, batch: Mapping[str, Any]) -> Tensor:
        """Return the normalised features after each other, as configured. Shape (B, O)."""
        return torch.cat([batch[name] for name in self.config.input_features or {}], dim=-1)

    @torch.no_grad()
    def predict_action_chunk(self, batch: Mapping[str, Any], **kwargs: Any) -> Tensor:
        """Return normalised actions from now on. Shape (B, T, A).

        Args:
            batch: Normalised features, each (B, width).
            **kwargs: Not used.
        """
        if self.training:
            self.eval()
        return self.sample(self.observe(batch))

    @torch.no_grad()
    def select_action(self, batch: Mapping[str, Any], **kwargs: Any) -> Tensor:
        """Return the action for this step, sampling anew when the last chunk is used up.

        Returns:
            Shape (B, A).
        """
        if not self._queue:
            chunk = self.predict_action_chunk(batch)[:, : self.config.n_action_steps]
            self._queue.extend(chunk.transpose(0, 1))
        return self._queue.popleft()

    def sample(self, observation: Tensor, denoise: Denoiser | None = None) -> Tensor:
        """Draw actions by ancestral sampling, sigma_t^2 = beta_t, clipped after every step.

        Args:
            observation: Normalised. Shape (B, O).
            denoise: Noise predictor; by default, `network`.

        Returns:
            Shape (B, T, A), in [-1, 1].
        """
        rows, config = len(observation), self.config
        x = torch.randn(rows, config.chunk_size * config.action_width, device=observation.device)
        steps = torch.arange(config.n_denoising_steps, device=observation.device)
        steps = steps.expand(rows, -1)  # (B, K)
        # The embedded steps depend on nothing that is drawn: all of them at once.
        times = self.network.time(steps) if denoise is None else None  # (B, K, time_dim)
        for step in reversed(range(config.n_denoising_steps)):
            if times is not None:
                noise = self.network.predict(x, observation, times[:, step])
            else:
                assert denoise is not None
                noise = denoise(x, observation, steps[:, step])
            scale, share, spread = self._reverse[step]
            x = scale * torch.add(x, noise, alpha=-share)
            if step > 0:
                x = torch.add(x, torch.randn_like(x), alpha=config.temperature * spread)
            x = x.clamp(-1.0, 1.0)
        return x.view(rows, config.chunk_size, config.action_width)

    def forward(self, batch: Mapping[str, Any]) -> tuple[Tensor, dict[str, float]]:
        """Return the diffusion loss of a batch, and what to log.

        Args:
            batch: Normalised features, each (B, width); `action` (B, T, A) with `action_is_pad`
                (B, T).
        """
        observation, valid = self.observe(batch), ~batch["action_is_pad"]
        parts = self.training_parts
        if parts is None:
            loss = self.loss(self.network, observation, batch[ACTION], valid)
        else:
            with noise_of_step(parts.step):
                loss = self.loss(parts.network, observation, batch[ACTION], valid)
        return loss, {"diffusion_loss": loss.item()}

    def loss(
        self,
        denoise: Denoiser,
        observation: Tensor,
        action: Tensor,
        valid: Tensor,
        weight: Tensor | None = None,
    ) -> Tensor:
        """Return the weighted diffusion loss at a random step of each sample.

        Args:
            denoise: Noise predictor.
            observation: Normalised. Shape (B, O).
            action: Normalised. Shape (B, T, A).
            valid: Shape (B, T).
            weight: Shape (B,).
        """
        clean = action.clamp(-ACTION_BOUND, ACTION_BOUND)
        step = torch.randint(len(self.alpha_bar), (len(action),), device=action.device)
        noise = torch.randn_like(clean)
        noisy = add_noise(clean, noise, self.alpha_bar[step])
        predicted = denoise(noisy.flatten(1), observation, step).view_as(noise)
        return diffusion_loss(predicted, noise, valid, weight)

    def update(self) -> None:
        """Let the average follow; LeRobot calls this after each optimiser step."""
        if self.training_parts is not None:
            self.training_parts.lead(self.network, self.config.average_rate)

    def get_optim_params(self) -> Any:
        """Return what is trained."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def wrap_with_peft(self, *args: Any, **kwargs: Any) -> Any:
        """Train an adapter of the network that acts; adapters have no average."""
        self.training_parts = None
        return super().wrap_with_peft(*args, **kwargs)

    def _get_default_peft_targets(self) -> dict[str, Any]:
        """Return every linear layer, the time encoder's included [C]."""
        names = [name for name, m in self.named_modules() if isinstance(m, nn.Linear)]
        return {"target_modules": [name for name in names if name.startswith(NETWORK)]}

    def _save_pretrained(
        self, save_directory: Path, state_dict: dict[str, Tensor] | None = None
    ) -> None:
        """Write what acts and what only training needs into two files."""
        config = self.config
        config.save_pretrained(save_directory)
        state = {key: v.contiguous() for key, v in (state_dict or self.state_dict()).items()}
        acting = {key: value for key, value in state.items() if key.startswith(NETWORK)}
        training = {key: value for key, value in state.items() if key not in acting}
        save_file(acting, save_directory / WEIGHTS, {"format": "pt"})
        if training:
            save_file(training, save_directory / TRAINING_WEIGHTS, {"format": "pt"})
        if config.robot:
            write_contract(
                save_directory,
                config.robot,
                config.dt,
                config.element_names,
                config.element_units,
                ActionKind(config.action_kind),
            )

    @classmethod
    def _load_as_safetensor(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls, model: "PsecPolicy", model_file: str, map_location: str, strict: bool
    ) -> "PsecPolicy":
        """Load strictly, whatever LeRobot asks for: a missing weight is not a warning."""
        state = load_file(model_file, map_location)
        expected = {key for key in model.state_dict() if key.startswith(NETWORK)}
        if state.keys() != expected:
            wrong = sorted(state.keys() ^ expected)
            raise CheckpointError(f"{model_file}: weights do not fit config.json at '{wrong[0]}'")
        if model.training_parts is not None:
            path = Path(model_file).parent / TRAINING_WEIGHTS
            if path.is_file():
                state |= load_file(path, map_location)
            else:  # a new run from weights that act
                model.training_parts = TrainingParts(model.network)
                model.training_parts.network.load_state_dict(
                    {key.removeprefix(NETWORK): value for key, value in state.items()}
                )
        model.load_state_dict(state, strict=False)
        return model


class TrainingParts(nn.Module):
    """What only training needs: the network that the optimiser moves, and the step."""

    step: Tensor

    def __init__(self, network: nn.Module) -> None:
        """Begin with the weights of the network that acts."""
        super().__init__()
        self.network = copy.deepcopy(network).requires_grad_(True)
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    def lead(self, average: nn.Module, rate: float) -> None:
        """Move the average towards the network, early on faster [own]."""
        rate = early_rate(rate, int(self.step))
        follow(average.parameters(), self.network.parameters(), rate)
        self.step += 1
