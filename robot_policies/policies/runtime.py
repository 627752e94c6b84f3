"""The one adapter: any LeRobot policy, ours or not, runs as this package's `Policy`.

    Observation (SI, by name)  ->  checkpoint's units  ->  preprocessor  ->  network
    ActionChunk (SI, by name)  <-  checkpoint's units  <-  postprocessor <-

Names, units and time come from `contract.yaml` (`policies/contract.py`), everything else from the
checkpoint itself (`policies/checkpoint.py`). What follows from both is in `policies/specs.py`.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lerobot.processor import AbsoluteActionsProcessorStep
from lerobot.utils.constants import ACTION
from torch import Tensor

from robot_policies.interface import (
    ActionChunk,
    CheckpointError,
    ConfigError,
    Observation,
    Statistics,
)
from robot_policies.policies.asking import asking
from robot_policies.policies.audit import audit_dataset, audit_units
from robot_policies.policies.checkpoint import Checkpoint, read_checkpoint
from robot_policies.policies.contract import FILE, Contract
from robot_policies.policies.contract_file import read_contract
from robot_policies.policies.device import find_device, room_on
from robot_policies.policies.numpy_inference import NumpyInference, OnArrays
from robot_policies.policies.onnx_graph import GRAPH, graph_of, put_in_place, require_same
from robot_policies.policies.onnx_session import OnnxSession
from robot_policies.policies.plan_form import plan_form
from robot_policies.policies.precision import AUTO, computing, find_half, refusing
from robot_policies.policies.random_state import RandomState
from robot_policies.policies.specs import action_width, inputs_of, settings_of, specs_of
from robot_policies.policies.training_data import described
from robot_policies.policies.translation import Batch, Translation
from robot_policies.skills.live.skills import LiveSkills
from robot_policies.skills.package.base import describe_base


class LerobotRuntime:
    """A checkpoint in LeRobot's layout, as a `Policy`.

    Attributes:
        checkpoint: Its parts, the network among them.
        skills: What is added to its weights, and may change while it acts.
        device: Torch device it answers on.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str = "",
        device: str = "cpu",
        dtype: str = AUTO,
        threads: int = 1,
        contract: Path | None = None,
        base: Path | None = None,
    ) -> None:
        """Load and check everything; of the policy, nothing is read from disk afterwards.

        Args:
            folder: The checkpoint.
            name: What it was loaded as.
            device: As `find_device` takes it.
            dtype: What it computes in, as `find_half` takes it.
            threads: Torch threads of this process.
            contract: The contract, if it does not lie in the checkpoint.
            base: The base, if the checkpoint is an adapter.

        Raises:
            CheckpointError: If the checkpoint is damaged or contradicts its contract.
            ConfigError: If the device is not there, is full, or does not compute in `dtype`.
        """
        device = self.device = find_device(device)
        torch.set_num_threads(threads)
        with room_on(device):
            checkpoint = self.checkpoint = read_checkpoint(folder, device, base)
        metadata = _read_contract(checkpoint, contract)
        specs = specs_of(checkpoint, metadata)
        self.name, self.robot = name or folder.name, metadata.robot
        self.observation_spec, self.action_spec = specs.observation, specs.action
        self.statistics = specs.statistics
        self.findings = (
            *metadata.findings,
            *audit_units(metadata, _of_places(checkpoint), inputs_of(checkpoint).observed),
            *audit_dataset(checkpoint.files, metadata),
        )
        describe = partial(describe_base, checkpoint, self.name)
        self.skills = LiveSkills(checkpoint, describe, metadata.dt)
        self._translation = Translation(checkpoint, metadata, specs, self.name, device)
        self._network = checkpoint.policy
        if GRAPH in checkpoint.files:
            self._compute_by_graph(threads)
        self._ask = asking(self._network, plan_form(settings_of(checkpoint.config)))
        self._random = RandomState(torch.device(device))
        self._half = find_half(dtype, device, checkpoint.config.use_amp)
        if self._half and GRAPH in checkpoint.files:
            raise ConfigError(f"{folder}: {GRAPH} computes as it was written, not in '{dtype}'")
        self._numpy = self._without_torch() if device == "cpu" and not self._half else None
        self.reset(0)
        if self._half:
            self._rehearse(self._half)

    def reset(self, seed: int) -> None:
        """Forget the episode; what the network samples depends on `seed` alone."""
        self._network.reset()
        self._translation.reset()
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
            earlier = [self.prepare(before) for before in observation.earlier]
            self.skills.step(batch)
            if self._numpy and not self.skills.weights:  # skills are added to torch's layers
                values = self._numpy(observation)
            else:
                with self._random, room_on(self.device), computing(self._half, self.device):
                    plan = self._ask([*earlier, batch])
                values = self.finish(plan.float() if self._half else plan)
        return ActionChunk(
            stamp=observation.stamp,
            dt=self.action_spec.dt,
            values=values,
            names=self.action_spec.array.names,
            kind=self.action_spec.kind,
            limits=self.skills.limits,
        )

    def close(self) -> None:
        """Nothing is held open; memory goes with the object."""

    def prepare(self, observation: Observation) -> dict[str, Any]:
        """Return what the network takes."""
        return self._translation.prepare(observation)

    def finish(self, action: Tensor) -> np.ndarray:
        """Return what the network says in SI. (1, T, A) -> (T, A)."""
        return self._translation.finish(action)

    def _compute_by_graph(self, threads: int) -> None:
        """Let ONNX Runtime answer in place of torch, with the graph in the checkpoint.

        Raises:
            CheckpointError: If it is of other weights, or the policy answers on another device.
        """
        path = self.checkpoint.files.path(GRAPH)
        if self.device != "cpu":
            raise CheckpointError(f"{path} computes on the CPU, not on '{self.device}'")
        session = OnnxSession(path, threads)
        example = self.observation_spec.example(np.random.default_rng(0))
        graph = graph_of(self._network, self.prepare(example), str(path))
        require_same(graph, session, str(path))
        put_in_place(self._network, session)
        self.skills.refused = f"{path} has fixed weights: skills go with the policy without it"

    def _rehearse(self, half: torch.dtype) -> None:
        """Refuse a network that does not answer an example in half precision."""
        with refusing(self.name, half):
            answer = self.act(self.observation_spec.example(np.random.default_rng(0)))
            if not np.isfinite(answer.values).all():
                raise ArithmeticError("its answer to an example is not finite")
        self.reset(0)

    def _without_torch(self) -> NumpyInference | None:
        """Return how one observation is answered without torch; `None` if that is not possible."""
        answer = self._network.on_arrays() if isinstance(self._network, OnArrays) else None
        if answer is None or not self._translation.is_linear:
            return None
        width = len(self.action_spec.array.names)
        return NumpyInference(answer, self.observation_spec, self.prepare, self.finish, width)


def _of_places(checkpoint: Checkpoint) -> dict[str, Statistics]:
    """Return the statistics without those of displacements, which are small in any unit."""
    steps = checkpoint.postprocessor.steps
    relative = any(isinstance(s, AbsoluteActionsProcessorStep) and s.enabled for s in steps)
    return {
        name: entry
        for name, entry in checkpoint.statistics.items()
        if not (relative and name == ACTION)
    }


def _read_contract(checkpoint: Checkpoint, elsewhere: Path | None) -> Contract:
    inputs, files = inputs_of(checkpoint), checkpoint.files
    own = files.path(FILE) if FILE in files else files.folder / FILE
    path, width = elsewhere or own, action_width(checkpoint)
    described_by = described(files, inputs.vectors)
    contract = read_contract(path, inputs.vectors, width, inputs.clouds, described_by)
    if contract.network:
        raise CheckpointError(f"{path}: 'network' is of policies that LeRobot does not run")
    return contract
