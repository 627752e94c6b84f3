"""A walking policy that was trained elsewhere, as this package's `Policy`.

    Observation (SI, by name) -> terms -> scaled, clipped, with their past -> ONNX Runtime
    ActionChunk (SI, by name) <- offset + scale * answer                   <- its answer

torch and LeRobot are not needed. `layout.py` says what the contract's numbers mean.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from robot_policies.catalog import load_robot
from robot_policies.interface import (
    ActionChunk,
    ActionKind,
    CheckpointError,
    ConfigError,
    Observation,
    ObservationSpec,
    Statistics,
)
from robot_policies.interface.errors import suggestion
from robot_policies.learning.elements import ACTION
from robot_policies.policies.actions import action_spec
from robot_policies.policies.contract import FILE, Contract
from robot_policies.policies.contract_file import read_contract
from robot_policies.policies.files import CheckpointFiles
from robot_policies.policies.locate import CONFIG
from robot_policies.policies.onnx_locomotion.layout import Layout, read_layout
from robot_policies.policies.onnx_locomotion.terms import KINDS, Moment, elements
from robot_policies.policies.onnx_session import OnnxSession

NETWORK = "policy.onnx"
DEVICES = ("cpu", "auto")
FULL = ("auto", "float32")


class OnnxLocomotion:
    """A checkpoint of type `onnx_locomotion`, as a `Policy`.

    Attributes:
        layout: What its network sees and answers.
    """

    statistics: Mapping[str, Statistics] = {}

    def __init__(
        self,
        folder: Path,
        *,
        name: str = "",
        device: str = "cpu",
        dtype: str = "auto",
        threads: int = 1,
        contract: Path | None = None,
        base: Path | None = None,
    ) -> None:
        """Load and check everything; arguments as of `LerobotRuntime`.

        Raises:
            CheckpointError: If a file is missing, damaged, or does not fit the others.
            ConfigError: If the device is not the CPU, half precision is wanted, or the contract
                says what cannot be.
        """
        if device not in DEVICES:
            raise ConfigError(f"{folder}: ONNX Runtime computes on the CPU, not on '{device}'")
        if dtype not in FULL:
            raise ConfigError(f"{folder}: its graph computes as it was written, not in '{dtype}'")
        if base:
            raise CheckpointError(f"{folder} is a policy by itself: leave out the base {base}")
        files = CheckpointFiles(folder)
        config = files.json(CONFIG)
        vectors, width = _widths(config, folder)
        path = contract or (files.path(FILE) if FILE in files else folder / FILE)
        said = read_contract(path, vectors, width)
        if said.kind is not ActionKind.JOINT_POSITION:
            raise ConfigError(f"{path}: action: a walking policy targets joint_position")
        self.name, self.robot, self.findings = name or folder.name, said.robot, said.findings
        imu = load_robot(said.robot).imu_link
        self.layout = read_layout(said.network, said.action.names, imu, str(path))
        self._places = _find(self.layout, said, path)
        self._network = OnnxSession(files.path(NETWORK), threads)
        _require_widths(self._network, self.layout, folder / NETWORK)
        self.observation_spec = ObservationSpec(
            {key: elements.spec(key) for key, elements in said.observation.items()},
            max_age=said.max_age,
            max_skew=said.max_skew,
        )
        self.action_spec = action_spec(said, config)
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Forget the episode; nothing is sampled."""
        self._frames: np.ndarray | None = None
        self._answer = np.zeros(len(self.layout.default), np.float32)

    def act(self, observation: Observation) -> ActionChunk:
        """Return one row of joint targets. Shape (1, J). [rad]

        Before the first step the past is filled with the first moment, as in training.

        Raises:
            ContractError: If the observation breaks `observation_spec`.
        """  # noqa: D415
        self.observation_spec.validate(observation)
        layout, moment = self.layout, self._moment(observation)
        values = [KINDS[term.term].value(moment) for term in layout.terms]
        frame = (np.concatenate(values) * layout.scale).clip(*layout.clip)
        past = np.tile(frame, (layout.steps, 1)) if self._frames is None else self._frames[:-1]
        self._frames = np.concatenate([frame[None], past])[: layout.steps]
        seen = self._frames.ravel()[layout.pick].astype(np.float32)
        (answer,) = self._network({self._network.inputs[0].name: seen[None]})
        self._answer = answer[0].clip(*layout.action_clip)
        target = layout.target(self._answer, moment, self.action_spec.dt)
        return ActionChunk(
            stamp=observation.stamp,
            dt=self.action_spec.dt,
            values=target[None],
            names=self.action_spec.array.names,
            kind=self.action_spec.kind,
        )

    def close(self) -> None:
        """Nothing is held open."""

    def _moment(self, observation: Observation) -> Moment:
        """Return what is measured now, in the policy's order."""
        measured = {
            field: np.asarray(observation[feature], np.float64)[places]
            for field, (feature, places) in self._places.items()
        }
        return Moment(**measured, answer=self._answer, default=self.layout.default)


def _widths(config: Mapping[str, Any], folder: Path) -> tuple[dict[str, int], int]:
    """Return the width of each feature and of an action, as `config.json` has it."""
    try:
        features = {**config["input_features"], ACTION: config["output_features"][ACTION]}
        widths = {name: int(feature["shape"][0]) for name, feature in features.items()}
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder / CONFIG}: no features with shapes: {error!r}") from None
    return widths, widths.pop(ACTION)


def _find(layout: Layout, contract: Contract, path: Path) -> dict[str, tuple[str, np.ndarray]]:
    """Return for each field of a moment the feature and the places of its elements there.

    Raises:
        CheckpointError: If the contract names no such feature or element.
    """
    found = {}
    for field in layout.fields:
        feature, names, _ = elements(field, contract.action.names)
        if feature not in contract.observation:
            known = contract.observation
            raise CheckpointError(
                f"{path}: its terms need '{feature}'.{suggestion(feature, known)}"
            )
        known = contract.observation[feature].names
        for name in names:
            if name not in known:
                raise CheckpointError(f"{path}: {feature}: no '{name}'.{suggestion(name, known)}")
        found[field] = feature, np.array([known.index(name) for name in names])
    return found


def _require_widths(network: OnnxSession, layout: Layout, path: Path) -> None:
    """Refuse a network of other widths than its layout.

    Raises:
        CheckpointError: Naming the input or output, its shape and the terms.
    """
    ports = {"input": network.inputs, "output": network.outputs}
    for what, width in (("input", len(layout.pick)), ("output", len(layout.default))):
        for port in ports[what]:
            if len(ports[what]) > 1 or not port.fits((1, width)):
                terms = "; ".join(f"{t.term} x {len(t.history)}" for t in layout.terms)
                of = f" of {terms}" if what == "input" else ", one of each joint"
                raise CheckpointError(
                    f"{path}: {what} '{port.name}' has shape {port.shape}, expected one alone of "
                    f"(1, {width}){of}"
                )


RUNTIME = OnnxLocomotion
