"""What a checkpoint may tell each of its processor steps.

Settings have types and ranges; `make` gives the step of LeRobot's that they are for. Names of
settings are those that LeRobot 0.6.1 writes for the policies of `configuration.KINDS`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from lerobot.configs import FeatureType, NormalizationMode, PolicyFeature
from lerobot.processor import DeviceProcessorStep, ProcessorStep, ProcessorStepRegistry

MAX_EPS = 1e-6  # LeRobot writes 1e-8, openpi 1e-6; beside a larger one small deviations vanish
MAX_TOKENS = 4096
MAX_POINTS, MAX_LENGTH = 100_000, 100.0  # of a cloud; m
DEVICE = re.compile(r"(cpu|cuda|mps|xpu)(:\d{1,2})?")

Tokenizers = Callable[[str], Any]  # a tokenizer by the name that a checkpoint gives it


@dataclass(frozen=True)
class Settings:
    """What a step without settings is told."""

    def make(self, name: str, device: str, read_tokenizer: Tokenizers) -> ProcessorStep:
        """Make the step.

        Args:
            name: Its registered name.
            device: Torch device that the step works on.
            read_tokenizer: Reads the tokenizer that a step names.

        Raises:
            ValueError: If the step belongs to another policy.
        """
        return _registered(name)(**asdict(self))


@dataclass(frozen=True)
class Rename(Settings):
    """New names of observations by old ones."""

    rename_map: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse two observations under one name."""
        _check(isinstance(self.rename_map, dict), f"rename_map {self.rename_map!r} is no mapping")
        _check(_texts(list(self.rename_map.values())), "rename_map must hold names")
        _check(len(set(self.rename_map.values())) == len(self.rename_map), "a new name repeats")


@dataclass(frozen=True)
class Device(Settings):
    """Where tensors go; the device of the training gives way to the caller's."""

    device: str = "cpu"
    float_dtype: str | None = None

    def __post_init__(self) -> None:
        """Refuse what is no device, and no type of numbers."""
        _check(
            isinstance(self.device, str) and DEVICE.fullmatch(self.device) is not None,
            f"no device {self.device!r}",
        )
        types = [None, *DeviceProcessorStep.DTYPE_MAPPING]
        _check(self.float_dtype in types, f"float_dtype {self.float_dtype!r} is none of {types}")

    def make(self, name: str, device: str, read_tokenizer: Tokenizers) -> ProcessorStep:
        """Make the step."""
        return DeviceProcessorStep(device=device, float_dtype=self.float_dtype)


@dataclass(frozen=True)
class Back(Device):
    """Actions come back from the device, wherever that was in the training."""

    def make(self, name: str, device: str, read_tokenizer: Tokenizers) -> ProcessorStep:
        """Make the step."""
        return super().make(name, "cpu", read_tokenizer)


@dataclass(frozen=True)
class Normaliser(Settings):
    """Which features are scaled, and how; the statistics lie in a file of their own."""

    features: Mapping[str, Mapping[str, Any]]
    norm_map: Mapping[str, str]
    eps: float = 1e-8
    normalize_observation_keys: Sequence[str] | None = None

    def __post_init__(self) -> None:
        """Refuse a scale that hides what is measured, and what is no feature."""
        _check(
            type(self.eps) in (int, float) and 0.0 < self.eps <= MAX_EPS,
            f"eps {self.eps!r} must be in (0, {MAX_EPS:g}]",
        )
        _check(
            isinstance(self.features, dict) and isinstance(self.norm_map, dict),
            "features and norm_map must be mappings",
        )
        for key, feature in self.features.items():
            _check(
                isinstance(feature, dict) and feature.keys() == {"type", "shape"},
                f"feature '{key}' must have a type and a shape, got {feature!r}",
            )
            FeatureType(feature["type"])
            shape = feature["shape"]
            _check(
                isinstance(shape, list) and all(type(width) is int for width in shape),
                f"feature '{key}' has shape {shape!r}",
            )
        for kind, mode in self.norm_map.items():
            FeatureType(kind)
            NormalizationMode(mode)
        chosen = self.normalize_observation_keys
        _check(
            chosen is None or (_texts(chosen) and set(chosen) <= self.features.keys()),
            f"normalize_observation_keys {chosen!r} must be names of features",
        )

    def make(self, name: str, device: str, read_tokenizer: Tokenizers) -> ProcessorStep:
        """Make the step, without statistics."""
        chosen = self.normalize_observation_keys
        return _registered(name)(
            features={
                key: PolicyFeature(FeatureType(feature["type"]), tuple(feature["shape"]))
                for key, feature in self.features.items()
            },
            norm_map={
                FeatureType(kind): NormalizationMode(mode) for kind, mode in self.norm_map.items()
            },
            eps=self.eps,
            device=device,
            normalize_observation_keys=None if chosen is None else set(chosen),
        )


@dataclass(frozen=True)
class Tokenizer(Settings):
    """Which tokenizer turns the instruction into numbers, and how many."""

    tokenizer_name: str
    max_length: int = 512
    task_key: str = "task"
    padding_side: str = "right"
    padding: str = "max_length"
    truncation: bool = True

    def __post_init__(self) -> None:
        """Refuse what no tokenizer can be told."""
        _check(
            type(self.max_length) is int and 0 < self.max_length <= MAX_TOKENS,
            f"max_length {self.max_length!r} must be a number in [1, {MAX_TOKENS}]",
        )
        _check(self.task_key == "task", f"task_key {self.task_key!r} must be 'task'")
        _check(self.padding_side in ("left", "right"), f"padding_side {self.padding_side!r}")
        _check(self.padding in ("max_length", "longest"), f"padding {self.padding!r}")
        _check(isinstance(self.truncation, bool), f"truncation {self.truncation!r}")

    def make(self, name: str, device: str, read_tokenizer: Tokenizers) -> ProcessorStep:
        """Make the step with the tokenizer it names."""
        settings = {**asdict(self), "tokenizer": read_tokenizer(self.tokenizer_name)}
        return _registered(name)(**settings)


@dataclass(frozen=True)
class RelativeActions(Settings):
    """Which actions are displacements from the measured state."""

    enabled: bool = False
    exclude_joints: Sequence[str] = ()
    action_names: Sequence[str] | None = None

    def __post_init__(self) -> None:
        """Refuse what are no names."""
        _check(isinstance(self.enabled, bool), f"enabled {self.enabled!r} must be true or false")
        for names in (self.exclude_joints, self.action_names or []):
            _check(_texts(names), f"{names!r} must be a list of names")


@dataclass(frozen=True)
class AbsoluteActions(Settings):
    """Whether displacements are added to the measured state."""

    enabled: bool = False

    def __post_init__(self) -> None:
        """Refuse what is neither true nor false."""
        _check(isinstance(self.enabled, bool), f"enabled {self.enabled!r} must be true or false")


@dataclass(frozen=True)
class Tasks(Settings):
    """The instructions of a policy that knows them by index."""

    tasks: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Refuse what are no instructions."""
        _check(_texts(self.tasks), f"tasks {self.tasks!r} must be a list of texts")


@dataclass(frozen=True)
class DressingCloud(Settings):
    """How a cloud of points becomes what a dressing policy sees."""

    robot: str
    link: str
    joint_names: Sequence[str]
    classes: Sequence[int]
    points: int
    voxel: float
    crop_below: float
    reach: float

    def __post_init__(self) -> None:
        """Refuse names that are none, and a cloud of no or of too many points."""
        _check(_texts([self.robot, self.link]), "robot and link must be names")
        _check(_texts(self.joint_names), f"joint_names {self.joint_names!r} must be names")
        classes = self.classes
        _check(
            isinstance(classes, list)
            and len(classes) == 2
            and all(type(c) is int for c in classes),
            f"classes {classes!r} must be two numbers",
        )
        _check(
            type(self.points) is int and 2 <= self.points <= MAX_POINTS,
            f"points {self.points!r} must be a number in [2, {MAX_POINTS}]",
        )
        for name in ("voxel", "crop_below", "reach"):
            length = getattr(self, name)
            _check(
                type(length) in (int, float) and 0.0 < length < MAX_LENGTH,
                f"{name} {length!r} must be in (0, {MAX_LENGTH:g}) m",
            )


def _registered(name: str) -> type:
    try:
        return ProcessorStepRegistry.get(name)
    except KeyError:
        raise ValueError(f"step '{name}' is of another type of policy") from None


def _texts(values: Any) -> bool:
    return isinstance(values, list | tuple) and all(isinstance(value, str) for value in values)


def _check(fact: bool, message: str) -> None:
    if not fact:
        raise ValueError(message)
