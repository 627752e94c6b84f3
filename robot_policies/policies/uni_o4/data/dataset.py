"""Transitions from recorded walks: LeRobotDataset v3 folders of any run, and of real Go1 logs.

Row k of a recording holds what was measured before step k and the target that was sent in it, so
the step's outcome is row k + 1, and the last row of an episode is an outcome only. `next.done`
does not tell a fall from a time-out; a fall is seen in the attitude and the height instead. Rows
that cannot follow each other (`data/continuity.py`) are taken for two walks.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from robot_policies.data.continuity import breaks
from robot_policies.data.parquet import EPISODE_INDEX, read_columns
from robot_policies.data.reading import Recorded, Vector, open_dataset
from robot_policies.interface import ConfigError, ContractError
from robot_policies.interface.gravity import has_fallen
from robot_policies.interface.observation import (
    IMU,
    IMU_NAMES,
    IMU_UNITS,
    STATE,
    VELOCITY_COMMAND,
    VELOCITY_COMMAND_NAMES,
    VELOCITY_COMMAND_UNITS,
)
from robot_policies.policies.uni_o4.configuration_uni_o4 import ACTION, UniO4Config
from robot_policies.policies.uni_o4.data import reward as real_reward
from robot_policies.policies.uni_o4.data.transitions import Transitions, check
from robot_policies.policies.uni_o4.memory import Memory
from robot_policies.policies.uni_o4.processor_uni_o4 import make_uni_o4_pre_post_processors
from robot_policies.policies.uni_o4.quadruped import DOWN, gravity
from robot_policies.policies.uni_o4.spaces import scaled_velocity

TRUTH, EFFORT = "truth.", "observation.effort"
POSITION, OUTLIER = "truth.base_position", "truth.velocity_outlier"
# Where a servo target beyond the end of a joint's range is a way to push harder, as in the real
# logs, it is still one: the joint stays inside.
UNLIMITED = 1e6

Columns = Mapping[str, np.ndarray]
Reward = Callable[[Columns, float], np.ndarray]
REWARDS: dict[str, Reward] = {
    "corrected": real_reward.corrected,
    "upstream": real_reward.upstream,
    "recorded": real_reward.recorded,
}


def read_walks(
    root: Path, config: UniO4Config, reward: Reward, *, limit_actions: bool = True
) -> Transitions:
    """Read all episodes of a dataset folder.

    Args:
        root: LeRobotDataset v3 with state, inertial unit, command and action, 50 rows a second.
        config: The policy that is to learn from it; its joints are looked up by name.
        reward: Returns the reward of each row but the last from an episode's columns (SI, joints
            in the policy's order) and the time between rows.
        limit_actions: Refuse targets outside the joints' ranges.

    Returns:
        Steps between two standing states; those with a tracker glitch are left out. Where the log
        knows the velocity, it stands before what the policy saw.

    Raises:
        ConfigError: In one line, if the folder is something else or its numbers cannot be.
    """
    recorded = open_dataset(root)
    recorded.require_robot(config.robot)
    recorded.require_rate(1.0 / config.dt)
    vectors = _vectors(recorded, config)
    preprocess, _ = make_uni_o4_pre_post_processors(config)
    parts: list[Transitions] = []
    for number, raw in _episodes(recorded):
        whole = _named(recorded, number, raw, vectors, config)
        position, attitude = whole["joint_position"], whole[IMU][:, :4]
        at = breaks(recorded.fps, position, np.array(config.velocity), attitude)
        for start, end in pairwise((0, *at, len(position))):
            if end - start < 2:
                continue
            columns = {name: array[start:end] for name, array in whole.items()}
            observation = _observations(columns, config, preprocess)
            rewards = reward(columns, config.dt)
            parts.append(_steps(root, number, columns, observation, rewards, config))
    if not parts:
        raise ConfigError(f"{root}: no episode of two rows or more")
    lower, upper = (
        (np.array(limit) - config.default_position) / config.action_scale
        if limit_actions
        else np.array(sign * UNLIMITED)
        for limit, sign in ((config.lower, -1.0), (config.upper, 1.0))
    )
    return check(Transitions.joined(parts), lower, upper)


def _vectors(recorded: Recorded, config: UniO4Config) -> dict[str, Vector]:
    """Return where the policy's elements stand in each column."""
    joints = config.joint_names
    n = len(joints)
    wanted = {
        STATE: (
            [f"{j}.{kind}" for kind in ("pos", "vel") for j in joints],
            ["rad"] * n + ["rad/s"] * n,
        ),
        ACTION: (joints, ["rad"] * n),
        IMU: (IMU_NAMES, IMU_UNITS),
        VELOCITY_COMMAND: (VELOCITY_COMMAND_NAMES, VELOCITY_COMMAND_UNITS),
        EFFORT: ([f"{joint}.effort" for joint in joints], ["N m"] * n),
    }
    if EFFORT not in recorded.features:
        del wanted[EFFORT]
    return {name: recorded.vector(name, *elements) for name, elements in wanted.items()}


def _episodes(recorded: Recorded) -> Iterator[tuple[int, Columns]]:
    """Yield the numeric columns of each episode, in order."""
    root, features = recorded.root, recorded.features
    kept = {
        name: feature
        for name, feature in features.items()
        if name.startswith(("observation.", TRUTH, ACTION, real_reward.RECORDED))
        and feature["dtype"] not in ("image", "video", "string")
    }
    files = sorted((root / "data").glob("*/*.parquet"))
    if not files:
        raise ConfigError(f"{root}: no data/*/*.parquet")
    number = {EPISODE_INDEX: {"dtype": "int64", "shape": [1]}}
    parts = [read_columns(path, kept | number) for path in files]
    episode = np.concatenate([part[EPISODE_INDEX] for part in parts])
    columns = {
        name: np.concatenate([part[name] for part in parts])
        .astype(np.float64)
        .reshape(len(episode), int(np.prod(feature["shape"])))
        for name, feature in kept.items()
    }
    starts = np.flatnonzero(np.diff(episode, prepend=episode[0] - 1)) if len(episode) else []
    for start, end in zip(starts, [*starts[1:], len(episode)], strict=True):
        rows = slice(int(start), int(end))
        yield int(episode[start]), {name: array[rows] for name, array in columns.items()}


def _named(
    recorded: Recorded,
    number: int,
    raw: Columns,
    vectors: Mapping[str, Vector],
    config: UniO4Config,
) -> dict[str, np.ndarray]:
    """Return an episode in SI with joints in the policy's order, and what rewards look at."""
    columns = {**raw, **{name: vector.of(raw[name]) for name, vector in vectors.items()}}
    for name in raw:
        if name.startswith(TRUTH) and (axes := recorded.axes(name)):
            columns[name] = raw[name][:, axes]
    for name in (STATE, IMU, VELOCITY_COMMAND, ACTION):
        bad = ~np.isfinite(columns[name])
        if bad.any():
            row, element = (int(i) for i in np.argwhere(bad)[0])
            raise ConfigError(
                f"{recorded.root}: episode {number}: {name}[{row}, {element}] is "
                f"{columns[name][row, element]}"
            )
    joints = len(config.joint_names)
    columns["joint_position"] = columns[STATE][:, :joints]
    columns["joint_velocity"] = columns[STATE][:, joints:]
    offset = columns[ACTION] - np.array(config.default_position)
    columns["policy_action"] = offset / config.action_scale
    return columns


def _observations(columns: Columns, config: UniO4Config, preprocess: Any) -> np.ndarray:
    """Return what the log knew before each row. Shape (n, W)."""
    count, frames = len(columns[STATE]), config.history
    index = np.arange(count)[:, None] + np.arange(1 - frames, 1)
    before = np.arange(count)[:, None] + np.arange(-frames, 1)
    raw = {
        name: torch.tensor(columns[name], dtype=torch.float32)
        for name in (STATE, IMU, VELOCITY_COMMAND)
    }
    try:
        features = preprocess(raw)
    except (ContractError, ValueError) as error:
        raise ConfigError(f"cannot normalise the recording: {error}") from None
    action = torch.tensor(columns["policy_action"], dtype=torch.float32)
    batch = {name: features[name][index.clip(min=0)] for name in raw}
    batch |= {
        ACTION: action[before.clip(min=0)],
        "action_is_pad": torch.from_numpy(before < 0),
        "frame_index": torch.arange(count),
    }
    seen = Memory(config).window(batch).numpy()
    if real_reward.VELOCITY not in columns:
        return seen
    velocity = scaled_velocity(columns[real_reward.VELOCITY][:, :3], config)
    return np.concatenate([velocity, seen], 1)


def _steps(
    root: Path,
    number: int,
    columns: Columns,
    observation: np.ndarray,
    reward: np.ndarray,
    config: UniO4Config,
) -> Transitions:
    """Return the steps of an episode that begin on four feet."""
    fallen = _fallen(columns)
    glitch = columns[OUTLIER][:, 0] > 0.5 if OUTLIER in columns else np.zeros(len(fallen), bool)
    kept = ~fallen[:-1] & ~glitch[:-1] & ~glitch[1:]
    terminal = fallen[1:]
    continued = np.append(kept[1:], False) & ~terminal
    steps = Transitions(
        source=str(root),
        observation=observation[:-1],
        action=columns["policy_action"][:-1].astype(np.float32),
        reward=reward.astype(np.float32),
        next_observation=observation[1:],
        terminal=terminal,
        last=~continued,
        episode=np.full(len(reward), number),
        privileged=observation.shape[1] - config.history * config.frame_width,
    )
    return steps.take(kept)


def _fallen(columns: Columns) -> np.ndarray:
    down = gravity(columns[IMU][:, :4], DOWN)[:, 2]
    height = columns[POSITION][:, 2] if POSITION in columns else np.full(len(down), np.inf)
    return has_fallen(down, height)
