"""`skill.json`: what a skill says of itself, strictly typed.

{"format": 1, "name": "avoid", "version": "1.0.0", "description": "...", "licence": "...",
 "base": {"policy": "psec", "hash": "sha256:...", "normaliser": "sha256:..."},
 "robot": "...", "dt": 0.05, "observation": {...}, "action": {...},
 "limits": {"elbow": {"lower": -1.0, "upper": 1.0, "velocity": 0.5}},      may be left out; SI
 "training": {"objective": "imitation", "data": "sha256:...", ...}, "metrics": {...},
 "files": {"adapter_config.json": "sha256:...", "adapter_model.safetensors": "sha256:..."},
 "signature": {"algorithm": "ed25519", "key": "...", "value": "..."}}
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from robot_policies import documents
from robot_policies.interface import CheckpointError, ConfigError, JointLimits
from robot_policies.interface.limits import limits_from_json, limits_to_json
from robot_policies.interface.schema import build
from robot_policies.skills.package.digest import json_digest

FILE = "skill.json"
FILES = ("adapter_config.json", "adapter_model.safetensors")  # as peft names them
TEXTS = ("README.md", "LICENSE")  # may lie in the folder too
FORMAT = 1
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
VERSION = re.compile(r"(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class BaseReference:
    """The base a skill was trained on: type of policy, and two digests."""

    policy: str
    hash: str
    normaliser: str


@dataclass(frozen=True)
class Training:
    """How a skill came about.

    Attributes:
        objective: `imitation`, `reward`, `safety`, or what another tool calls it.
        data: Digest of the training data; empty if unknown.
        episodes: How many there were.
        steps: Optimiser steps.
        state_mean: Mean of the normalised observations. Shape (O,).
        state_std: Their standard deviation. Shape (O,).
        state_distance: Distance, in those deviations, that 99 % of them lie within; 0 if unknown.
    """

    objective: str = ""
    data: str = ""
    episodes: int = 0
    steps: int = 0
    state_mean: list[float] = field(default_factory=list)
    state_std: list[float] = field(default_factory=list)
    state_distance: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a summary of states that no distance can be computed from."""
        mean, std, distance = self.state_mean, self.state_std, self.state_distance
        if len(mean) != len(std) or not all(map(_finite, (*mean, *std, distance))):
            raise ConfigError("state_mean and state_std must be as many numbers, finite all")
        if distance < 0.0 or any(value <= 0.0 for value in std) or (distance and not mean):
            raise ConfigError("state_distance must be >= 0, and > 0 only with mean and std > 0")


@dataclass(frozen=True)
class Signature:
    """An Ed25519 signature of the card's digest, in hexadecimal."""

    algorithm: str
    key: str
    value: str


@dataclass(frozen=True)
class SkillCard:
    """A skill's card.

    Attributes:
        format: Of the card.
        name: Lower-case letters, digits, `_` and `-`.
        version: Three numbers.
        description: One sentence.
        licence: SPDX identifier.
        base: What it fits.
        robot: Robot; empty if the base drives none.
        dt: Time between two actions. [s]
        observation: Names and units, as the base's.
        action: Kind, names and units, as the base's.
        training: How it came about.
        metrics: Measured results.
        files: Digest of each file.
        signature: Of all the rest.
        limits: What the robot is held to while the skill has a weight, beside its own limits.
    """

    format: int
    name: str
    version: str
    description: str
    licence: str
    base: BaseReference
    robot: str
    dt: float
    observation: Mapping[str, Any]
    action: Mapping[str, Any]
    training: Training
    metrics: Mapping[str, Any]
    files: Mapping[str, str]
    signature: Signature | None = None
    limits: JointLimits = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what no card may say."""
        if self.format != FORMAT:
            raise ConfigError(f"format {self.format!r}, this package reads {FORMAT}")
        check_name(self.name, self.version)
        for name, digest in self.files.items():
            if Path(name).name != name or "\\" in name or name in ("", ".", ".."):
                raise ConfigError(f"file '{name}' lies outside the skill's folder")
            if not DIGEST.fullmatch(str(digest)):
                raise ConfigError(f"files: '{name}' has no sha256 digest: {digest!r}")

    @property
    def digest(self) -> str:
        """Digest of all but the signature; through the file digests, of the weights too."""
        return json_digest({**self.document(), "signature": None})

    def document(self) -> dict[str, Any]:
        """Return the card as JSON types."""
        document = {**asdict(self), "limits": limits_to_json(self.limits)}
        if not self.limits:
            del document["limits"]
        return document

    def write(self, folder: Path) -> None:
        """Write `skill.json`."""
        text = json.dumps(self.document(), indent=2, ensure_ascii=False, allow_nan=False)
        (folder / FILE).write_text(f"{text}\n", encoding="utf-8")


def check_name(name: Any, version: Any) -> None:
    """Refuse a name or a version that could not be a folder.

    Raises:
        ConfigError: Saying what is allowed.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ConfigError(
            f"name {name!r:.100} must be 1 to 64 lower-case letters, digits, '_' or '-', "
            "and begin with a letter or a digit"
        )
    if not isinstance(version, str) or not VERSION.fullmatch(version):
        raise ConfigError(f"version {version!r:.100} must be three numbers, such as '1.0.0'")


def read_card(folder: Path) -> SkillCard:
    """Read `skill.json`.

    Raises:
        CheckpointError: In one line, whatever is wrong with it.
    """
    path = folder / FILE
    data = dict(read_json(path))
    try:
        nested = {
            "base": build(BaseReference, data.pop("base", None), "base"),
            "training": build(Training, data.pop("training", {}), "training"),
            "limits": limits_from_json(data.pop("limits", {}), "limits"),
        }
        signature = data.pop("signature", None)
        if signature is not None:
            nested["signature"] = build(Signature, signature, "signature")
        for key in ("observation", "action", "metrics", "files"):
            if key in data and not isinstance(data[key], dict):
                raise ConfigError(f"'{key}' must be a JSON object, got {data[key]!r}")
        return build(SkillCard, data, "card", **nested)
    except ConfigError as error:
        raise CheckpointError(f"{path}: {error}") from None


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file that lies in a skill's own folder.

    Raises:
        CheckpointError: In one line.
    """
    check_file(path, documents.MAX_BYTES)
    try:
        return documents.read_json(path)
    except ConfigError as error:
        raise CheckpointError(str(error)) from None


def check_file(path: Path, limit: int) -> None:
    """Refuse a file that is missing, a link, or larger than it may be.

    Raises:
        CheckpointError: Naming the file.
    """
    if path.is_symlink():
        raise CheckpointError(f"{path} is a link; a skill holds its own files")
    if not path.is_file():
        raise CheckpointError(f"{path} is missing")
    if path.stat().st_size > limit:
        raise CheckpointError(
            f"{path} has {path.stat().st_size} bytes, at most {limit} make sense"
        )


def _finite(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)
