"""What a Gymnasium environment shows, as streams of the contract."""

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np

from robot_policies.interface import ArraySpec, ConfigError
from robot_policies.interface.observation import ENVIRONMENT_STATE, IMAGES, STATE


def features(
    space: gym.Space, name: str, key: tuple[str, ...] = ()
) -> list[tuple[str, tuple[tuple[str, ...], ArraySpec]]]:
    """Return feature names with the path into the observation and the spec.

    Args:
        space: Of the environment's observation, or a part of it.
        name: The environment, for messages.
        key: Path to the part.

    Raises:
        ConfigError: If a part is neither a box nor a dictionary of them.
    """
    if isinstance(space, gym.spaces.Dict):
        return [
            entry
            for part, inner in space.spaces.items()
            for entry in features(inner, name, (*key, str(part)))
        ]
    if not isinstance(space, gym.spaces.Box):
        where = ".".join(key) or "observation"
        raise ConfigError(f"gym/{name}: {where} is {space}; only Box and Dict can be read")
    label = "_".join(key)
    if space.dtype == np.uint8 and len(space.shape) == 3:
        feature = f"{IMAGES}.{label or 'camera'}"
        return [(feature, (key, ArraySpec(feature, space.shape, np.dtype(np.uint8))))]
    feature = f"observation.{label}" if label else ENVIRONMENT_STATE
    feature = f"{ENVIRONMENT_STATE}.{label}" if feature == STATE else feature
    width = int(np.prod(space.shape))
    names = tuple(f"{label or 'state'}.{i}" for i in range(width))
    return [(feature, (key, ArraySpec(feature, (width,), names=names)))]


def read(observed: Any, keys: Mapping[str, tuple[str, ...]]) -> dict[str, np.ndarray]:
    """Return an observation by feature name: images as they are, all else as float32 vectors.

    Args:
        observed: What the environment returned.
        keys: Path into it by feature name.
    """
    seen = {}
    for feature, key in keys.items():
        value = observed
        for part in key:
            value = value[part]
        value = np.asarray(value)
        image = feature.startswith(IMAGES)
        seen[feature] = value.copy() if image else value.ravel().astype(np.float32)
    return seen
