"""A GRAPE policy that answers many observations at once, and remembers what it answered.

It is a `Crowd` of `evaluation/together.py`: the checkpoint, its contract and its pipelines are
those that act on a robot (`runtime.py`), and a row is sampled from a sequence of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from robot_policies.interface import ActionChunk, Finding, Observation, Statistics
from robot_policies.interface.observation import STATE, TASK
from robot_policies.policies.grape.likelihood import known_likelihood
from robot_policies.policies.grape.steps import as_picture
from robot_policies.policies.runtime import LerobotRuntime


@dataclass
class Answers:
    """What was seen and answered in a row since its episode began."""

    picture: list[Tensor] = field(default_factory=list)
    state: list[Tensor] = field(default_factory=list)
    task: list[str] = field(default_factory=list)
    tokens: list[Tensor] = field(default_factory=list)
    action: list[Tensor] = field(default_factory=list)
    log_probability: list[Tensor] = field(default_factory=list)


class GrapeCrowd:
    """A checkpoint's policy for many episodes.

    Attributes:
        answers: Of each row, since its episode began.
    """

    statistics: Mapping[str, Statistics]
    findings: tuple[Finding, ...]

    def __init__(
        self,
        folder: Path,
        *,
        temperature: float | None = None,
        blind: bool = False,
        swap: Mapping[str, str] | None = None,
    ) -> None:
        """Load a checkpoint.

        Args:
            folder: The checkpoint.
            temperature: Of the tokens; the checkpoint's own by default.
            blind: Show it black pictures.
            swap: Words to put in place of others in every instruction.

        Raises:
            ConfigError: If it is a policy of another type.
        """
        self._runtime = LerobotRuntime(folder)
        self.policy = known_likelihood(self._runtime.checkpoint)
        self.preprocessor = self._runtime.checkpoint.preprocessor
        self._temperature = self.policy.config.temperature if temperature is None else temperature
        self._blind, self._swap = blind, dict(swap or {})
        runtime = self._runtime
        self.name, self.robot = folder.name, runtime.robot
        self.observation_spec, self.action_spec = runtime.observation_spec, runtime.action_spec
        self.statistics, self.findings = runtime.statistics, runtime.findings
        self._noise: dict[int, torch.Generator] = {}
        self.answers: dict[int, Answers] = {}

    def reset_row(self, row: int, seed: int) -> None:
        """Begin an episode in a row."""
        self._noise[row] = torch.Generator().manual_seed(seed)
        self.answers[row] = Answers()

    def act_together(
        self, rows: Sequence[int], observations: Sequence[Observation]
    ) -> list[ActionChunk]:
        """Answer one observation of each of these rows."""
        shown = [self._as_shown(observation) for observation in observations]
        with torch.no_grad():  # what is kept here is trained on
            prepared = [self._runtime.prepare(observation) for observation in shown]
            batch = {
                key: torch.cat([one[key] for one in prepared])
                for key, value in prepared[0].items()
                if isinstance(value, Tensor)
            }
            width = len(self.policy.config.varied)
            uniform = torch.cat([torch.rand(1, width, generator=self._noise[r]) for r in rows])
            tokens, scores = self.policy.decode(batch, uniform, self._temperature)
            normalised = self.policy.actions_of(tokens).unsqueeze(1)
            values = [self._runtime.finish(one.unsqueeze(0)) for one in normalised]
        for i, (row, seen) in enumerate(zip(rows, shown, strict=True)):
            kept = self.answers[row]
            kept.picture.append(as_picture(np.asarray(seen[self.policy.config.camera])))
            kept.state.append(torch.tensor(np.asarray(seen[STATE]), dtype=torch.float32))
            kept.task.append(str(seen[TASK]))
            kept.tokens.append(tokens[i].clone())
            kept.action.append(torch.tensor(values[i][0], dtype=torch.float32))
            kept.log_probability.append(scores[i].sum().clone())
        spec = self.action_spec
        return [
            ActionChunk(seen.stamp, spec.dt, value, spec.array.names, spec.kind)
            for seen, value in zip(shown, values, strict=True)
        ]

    def _as_shown(self, observation: Observation) -> Observation:
        changed: dict[str, Any] = dict(observation)
        if self._blind:
            picture = changed[self.policy.config.camera]
            changed[self.policy.config.camera] = np.zeros_like(picture)
        if self._swap:
            words = str(changed[TASK]).split()
            changed[TASK] = " ".join(self._swap.get(word, word) for word in words)
        return Observation(changed, observation.stamps)
