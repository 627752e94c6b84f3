"""The one adapter: any LeRobot policy, ours or not, runs as this package's `Policy`.

    Observation (SI, by name)  ->  checkpoint's units  ->  preprocessor  ->  network
    ActionChunk (SI, by name)  <-  checkpoint's units  <-  postprocessor <-

Names, units and time come from `contract.yaml` (`policies/contract.py`), everything else from the
checkpoint itself (`policies/checkpoint.py`).
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.processor import RenameObservationsProcessorStep, TokenizerProcessorStep
from lerobot.utils.constants import ACTION
from torch import Tensor

from robot_policies.interface import (
    ActionChunk,
    ArraySpec,
    CheckpointError,
    ConfigError,
    ContractError,
    Observation,
    ObservationSpec,
    Statistics,
)
from robot_policies.interface.clouds import NAMES as CLOUD_NAMES
from robot_policies.interface.clouds import cloud_spec
from robot_policies.interface.observation import TASK
from robot_policies.policies.audit import audit_dataset, audit_units
from robot_policies.policies.checkpoint import Checkpoint, read_checkpoint
from robot_policies.policies.contract import (
    FILE,
    Contract,
    Elements,
    action_spec,
    answers_in_chunks,
    read_contract,
)
from robot_policies.policies.files import own_file
from robot_policies.policies.pipelines import is_linear, without_idle_steps
from robot_policies.policies.random_state import RandomState
from robot_policies.policies.single import OnArrays, Single
from robot_policies.skills.live.skills import LiveSkills
from robot_policies.skills.package.base import describe_base

UINT8_MAX = 255.0  # LeRobot's images are floats in [0, 1]


class LerobotRuntime:
    """A checkpoint in LeRobot's layout, as a `Policy`.

    Attributes:
        checkpoint: Its parts, the network among them.
        skills: What is added to its weights, and may change while it acts.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str = "",
        device: str = "cpu",
        threads: int = 1,
        contract: Path | None = None,
    ) -> None:
        """Load and check everything; of the policy, nothing is read from disk afterwards.

        Args:
            folder: The checkpoint.
            name: What it was loaded as.
            device: Torch device.
            threads: Torch threads of this process.
            contract: The contract, if it does not lie in the checkpoint.

        Raises:
            CheckpointError: If the checkpoint is damaged or contradicts its contract.
            ConfigError: If the device is not there.
        """
        _check_device(device)
        torch.set_num_threads(threads)
        checkpoint = self.checkpoint = read_checkpoint(folder, device)
        self.name = name or folder.name
        self._config = checkpoint.config
        self._network = checkpoint.policy
        self._preprocess = without_idle_steps(checkpoint.preprocessor)
        self._postprocess = without_idle_steps(checkpoint.postprocessor)
        self._source = _sources(checkpoint)
        inputs = {
            self._source.get(key, key): feature
            for key, feature in (checkpoint.config.input_features or {}).items()
        }
        vectors = {
            key: feature.shape[0] for key, feature in inputs.items() if len(feature.shape) == 1
        }
        width = (checkpoint.config.output_features or {})[ACTION].shape[0]
        clouds = tuple(key for key, feature in inputs.items() if _is_cloud(feature))
        path = own_file(folder, FILE) if (folder / FILE).exists() else folder / FILE
        said = read_contract(contract or path, vectors, width, clouds)
        self.robot = said.robot
        self.findings = (
            *said.findings,
            *audit_units(said, checkpoint.statistics, self._source),
            *audit_dataset(folder, said),
        )
        self._elements = said.observation
        self._action = said.action
        self._chunks = answers_in_chunks(vars(self._config))
        needs_task = said.task or _reads_language(checkpoint)
        known = getattr(checkpoint.config, "tasks", ()) if needs_task else ()
        self.observation_spec = ObservationSpec(
            {
                key: said.observation[key].spec(key)
                if key in vectors
                else _array_spec(key, feature, said, folder)
                for key, feature in inputs.items()
            },
            needs_task=needs_task,
            tasks=tuple(known),
            vocabulary=said.vocabulary,
            max_age=said.max_age,
            max_skew=said.max_skew,
        )
        self.action_spec = action_spec(said, vars(self._config))
        self.statistics: Mapping[str, Statistics] = _in_si(
            checkpoint.statistics, self._source, said
        )
        describe = partial(describe_base, checkpoint, folder, self.name)
        self.skills = LiveSkills(checkpoint, describe, said.dt)
        self._random = RandomState(torch.device(device))
        self._single = self._without_torch() if device == "cpu" else None
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Forget the episode; what the network samples depends on `seed` alone."""
        self._network.reset()
        self._preprocess.reset()
        self._postprocess.reset()
        self._random.seed(seed)
        self.skills.restart()

    def act(self, observation: Observation) -> ActionChunk:
        """Answer an observation with a chunk in SI.

        Raises:
            ContractError: If the observation breaks `observation_spec`, or the network answers
                with another width than the contract's.
        """
        self.observation_spec.validate(observation)
        batch = Batch(partial(self.prepare, observation))
        with torch.inference_mode():
            self.skills.step(batch)
            if self._single and not self.skills.weights:  # skills are added to torch's layers
                values = self._single(observation)
            else:
                values = self._infer(batch)
        return ActionChunk(
            stamp=observation.stamp,
            dt=self.action_spec.dt,
            values=values,
            names=self._action.names,
            kind=self.action_spec.kind,
            limits=self.skills.limits,
        )

    def close(self) -> None:
        """Nothing is held open; memory goes with the object."""

    def _without_torch(self) -> Single | None:
        """Return how one observation is answered without torch; `None` if that is not possible."""
        answer = self._network.on_arrays() if isinstance(self._network, OnArrays) else None
        pipelines, spec = (self._preprocess, self._postprocess), self.observation_spec
        if (
            answer is None
            or set(spec) != set(self._elements)
            or not all(map(is_linear, pipelines))
        ):
            return None
        return Single(answer, spec, self.prepare, self.finish, len(self._action.names))

    def _infer(self, batch: Mapping[str, Any]) -> np.ndarray:
        with self._random:
            if self._chunks:
                return self.finish(self._network.predict_action_chunk(dict(batch)))  # (1, T, A)
            return self.finish(self._network.select_action(dict(batch)).unsqueeze(1))  # (1, 1, A)

    def finish(self, action: Tensor) -> np.ndarray:
        """Return what the network says in SI. (1, T, A) -> (T, A)."""
        values = self._postprocess(action)[0].double().cpu().numpy()
        if values.ndim != 2 or values.shape[1] != len(self._action.names):
            raise ContractError(
                f"{self.name}: the network answered with shape {values.shape}, expected "
                f"(rows, {len(self._action.names)})"
            )
        return self._action.to_si(values[: self.action_spec.horizon])

    def prepare(self, observation: Observation) -> dict[str, Any]:
        """Return what the network takes."""
        return self._preprocess(self._batch(observation))

    def _batch(self, observation: Observation) -> dict[str, Tensor | list[str]]:
        """Return LeRobot's batch of one: vectors (1, n), images (1, 3, H, W) in [0, 1]."""
        batch: dict[str, Tensor | list[str]] = {}
        for name in self.observation_spec:
            array = np.asarray(observation[name])
            if name in self._elements:
                array = self._elements[name].from_si(array)
                batch[name] = torch.tensor(array, dtype=torch.float32).unsqueeze(0)
            elif array.dtype == np.uint8:
                pixels = torch.tensor(array).permute(2, 0, 1).contiguous()
                batch[name] = pixels.unsqueeze(0).float().div_(UINT8_MAX)
            else:
                batch[name] = torch.tensor(array, dtype=torch.float32).unsqueeze(0)
        if self.observation_spec.needs_task:
            batch[TASK] = [str(observation[TASK])]
        return batch


class Batch(Mapping[str, Any]):
    """What a network takes, made when somebody looks."""

    def __init__(self, make: Callable[[], dict[str, Any]]) -> None:
        """Remember how."""
        self._make = make

    @cached_property
    def _made(self) -> dict[str, Any]:
        return self._make()

    def __getitem__(self, name: str) -> Any:
        """Return one entry."""
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over names."""
        return iter(self._made)

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._made)


def _check_device(device: str) -> None:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"device '{device}' cannot be used: {reason}") from None


def _sources(checkpoint: Checkpoint) -> dict[str, str]:
    """Return, for features the preprocessor renames, what they are called before."""
    return {
        new: old
        for step in checkpoint.preprocessor.steps
        if isinstance(step, RenameObservationsProcessorStep)
        for old, new in step.rename_map.items()
    }


def _reads_language(checkpoint: Checkpoint) -> bool:
    return any(isinstance(step, TokenizerProcessorStep) for step in checkpoint.preprocessor.steps)


def _is_cloud(feature: PolicyFeature) -> bool:
    return feature.type is not FeatureType.VISUAL and len(feature.shape) == 2


def _array_spec(name: str, feature: PolicyFeature, said: Contract, folder: Path) -> ArraySpec:
    if name in said.frames:
        points, width = feature.shape
        if width != len(CLOUD_NAMES):
            raise CheckpointError(
                f"{folder}: {name} has {width} numbers a point; only {CLOUD_NAMES} is supported"
            )
        return cloud_spec(points, said.frames[name], name=name)
    if feature.type is not FeatureType.VISUAL:
        raise CheckpointError(f"{folder}: {name} of shape {feature.shape} is not supported")
    channels, height, width = feature.shape
    if channels != 3:
        raise CheckpointError(f"{folder}: {name} has {channels} channels; only RGB is supported")
    return ArraySpec(name, (height, width, channels), np.dtype(np.uint8))


def _in_si(
    statistics: Mapping[str, Statistics], sources: Mapping[str, str], contract: Contract
) -> dict[str, Statistics]:
    elements: dict[str, Elements] = {**contract.observation, ACTION: contract.action}
    converted = {}
    for key, entry in statistics.items():
        name = sources.get(key, key)
        values = dict(entry.values)
        if name in elements:
            for statistic, value in values.items():
                is_width = statistic == "std"
                scale = elements[name].scale
                values[statistic] = value * scale if is_width else elements[name].to_si(value)
        converted[name] = Statistics(entry.mode, values)
    return converted
