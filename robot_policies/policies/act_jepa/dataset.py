"""What ACT-JEPA must know of a data set before the first step, and what it refuses.

LeRobot's configuration has widths, no names; its training neither compares joints nor looks at
statistics. All of that happens here, once, while the policy is made.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset
import torch
from lerobot.datasets import LeRobotDatasetMetadata
from torch import Tensor

from robot_policies.catalog import load_robot
from robot_policies.data.reading import recorded_of
from robot_policies.interface import ActionKind, ConfigError
from robot_policies.interface.errors import suggestion
from robot_policies.interface.observation import STATE
from robot_policies.learning.elements import flat_names, joint_of, units_of, write_contract
from robot_policies.policies.act_jepa.configuration_act_jepa import ACTION, ActJepaConfig
from robot_policies.shared_files import config_names

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}


def prepare(config: ActJepaConfig, meta: LeRobotDatasetMetadata) -> None:
    """Fill in what the configuration takes from a data set, and refuse one that does not fit.

    With unlabelled episodes, `meta.stats["action"]` becomes that of the labelled ones: what
    stands in the action column of the others must not move the scale.

    Raises:
        ConfigError: In one line, before anything is trained.
    """
    where = f"data set {meta.repo_id}"
    if STATE not in meta.features:
        observed = sorted(name for name in meta.features if name.startswith("observation."))
        raise ConfigError(f"{where}: no '{STATE}', whose future is predicted; it has {observed}")
    if ACTION not in meta.features:
        raise ConfigError(
            f"{where}: no '{ACTION}'; unlabelled episodes hold NaN there, or are left out of "
            "--policy.labelled_episodes"
        )
    if meta.stats is None:
        raise ConfigError(f"{where}: meta/stats.json is missing, so nothing can be normalised")
    if meta.episodes is None or meta.tasks is None:
        raise ConfigError(f"{where}: it holds no episode")
    _check_length(config, max(meta.episodes["length"]), where)
    _label(config, meta, where)
    _check_statistics(config, meta.stats, where)
    if config.dt:  # a checkpoint goes on
        recorded_of(meta).require_rate(1.0 / config.dt)
    config.dt = 1.0 / meta.fps
    config.tasks = _known(config.tasks, list(meta.tasks.index), "instruction", where)
    _name_elements(config, meta, where)


def read_column(meta: LeRobotDatasetMetadata, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Read a vector feature of every frame, in the order of LeRobot's `index`.

    Returns:
        Values, shape (frames, width), and the episode of each frame, shape (frames,).
    """
    folder = pyarrow.dataset.dataset(meta.root / "data", format="parquet")
    table = folder.to_table(columns=["index", "episode_index", column])
    order = np.argsort(table["index"].to_numpy())
    values = np.array(table[column].to_pylist(), dtype=np.float32).reshape(len(order), -1)
    return values[order], table["episode_index"].to_numpy()[order]


def read_goals(config: ActJepaConfig, meta: LeRobotDatasetMetadata) -> Tensor:
    """Return the hindsight goals of every frame, scaled as actions are. Shape (frames, G).

    Raises:
        ConfigError: If no element of the action is the gripper.
    """
    names = [joint_of(name) for name in flat_names(meta.features[ACTION])]
    if config.hindsight_joint not in names:
        raise ConfigError(
            f"--policy.hindsight_joint: no '{config.hindsight_joint}' in '{ACTION}'."
            f"{suggestion(config.hindsight_joint, names)}"
        )
    column = names.index(config.hindsight_joint)
    assert meta.stats is not None  # prepare has seen to it
    mean, std = (np.delete(meta.stats[ACTION][key], column) for key in ("mean", "std"))
    goals = hindsight_goals(*read_column(meta, ACTION), column)
    scaled = (goals - np.tile(mean, 2)) / (np.tile(std, 2) + 1e-8)
    return torch.from_numpy(scaled.astype(np.float32))


def hindsight_goals(actions: np.ndarray, episode: np.ndarray, column: int) -> np.ndarray:
    """Return the other joints' targets at the next closing and at the next opening of a joint.

    Read backwards off each demonstration, so that they exist for any recorded one. A closing is
    where the target falls through the middle of its range, an opening where it rises through it.

    Args:
        actions: Joint targets. Shape (frames, A).
        episode: Episode of each frame. Shape (frames,).
        column: Which of them is the gripper.

    Returns:
        Shape (frames, 2 (A - 1)): at the closing, at the opening; NaN where none follows.
    """
    gripper, arm = actions[:, column], np.delete(actions, column, axis=1)
    middle = 0.5 * (np.nanmin(gripper) + np.nanmax(gripper))
    goals = np.full((len(actions), 2 * arm.shape[1]), np.nan, np.float32)
    none = np.full(arm.shape[1], np.nan, np.float32)
    closing = opening = none
    for now in range(len(actions) - 1, 0, -1):
        if episode[now] != episode[now - 1]:
            closing = opening = none
            continue
        if gripper[now] < middle <= gripper[now - 1]:
            closing = arm[now]
        elif gripper[now - 1] < middle <= gripper[now]:
            opening = arm[now]
        goals[now - 1] = np.concatenate([closing, opening])
    return goals


def describe_elements(config: ActJepaConfig, folder: Path) -> None:
    """Write `contract.yaml`, if the robot is known."""
    if not config.robot:
        return
    names, robot = config.element_names, load_robot(config.robot)
    # Checkpoints from before units were kept are in SI.
    units = config.element_units or {name: units_of(robot, names[name]) for name in names}
    write_contract(
        folder,
        config.robot,
        config.dt,
        names,
        units,
        ActionKind.JOINT_POSITION,
        task=len(config.tasks) > 1,
        # Targets are positions, so there is a step where two chunks meet: it is smoothed.
        executor="splice" if config.temporal_ensemble_coeff is None else "ensemble",
    )


def _check_length(config: ActJepaConfig, longest: int, where: str) -> None:
    if config.chunk_size > longest:
        raise ConfigError(
            f"{where}: its longest episode has {longest} steps, but --policy.chunk_size is "
            f"{config.chunk_size}; no chunk would ever be whole"
        )


def _label(config: ActJepaConfig, meta: LeRobotDatasetMetadata, where: str) -> None:
    episodes = list(range(meta.total_episodes))
    mean = (meta.stats or {}).get(ACTION, {}).get("mean", 0.0)
    has_nan = not np.isfinite(np.asarray(mean, dtype=np.float64)).all()
    if config.labelled_episodes is None and not has_nan:
        return
    actions, episode = read_column(meta, ACTION)
    missing = np.isnan(actions.sum(axis=1))
    if config.labelled_episodes is None:
        config.labelled_episodes = [e for e in episodes if not missing[np.equal(episode, e)].all()]
    labelled = config.labelled_episodes
    if not labelled:
        if config.objective == "pretrain":
            return
        raise ConfigError(
            f"{where}: all {len(episodes)} episodes are unlabelled, so no action can be learned; "
            "only --policy.objective=pretrain needs none"
        )
    for number in labelled:
        if number not in episodes:
            raise ConfigError(
                f"{where}: labelled_episodes holds {number}, there are {len(episodes)} episodes"
            )
    chosen = np.isin(episode, labelled)
    if (missing & chosen).any():
        first = episode[missing & chosen][0]
        raise ConfigError(f"{where}: '{ACTION}' of episode {first} is NaN in some of its steps")
    values = actions[chosen]
    assert meta.stats is not None
    meta.stats[ACTION] = {
        "mean": values.mean(0),
        "std": values.std(0),
        "min": values.min(0),
        "max": values.max(0),
        "count": np.array([len(values)]),
        **{name: np.quantile(values, share, axis=0) for name, share in QUANTILES.items()},
    }


def _check_statistics(config: ActJepaConfig, stats: Mapping[str, Any], where: str) -> None:
    features = {**(config.input_features or {}), **(config.output_features or {})}
    for name, feature in features.items():
        if len(feature.shape) != 1:
            continue  # images are not normalised by statistics
        if name == ACTION and config.labelled_episodes == []:
            continue  # pre-training without any action reads none
        for statistic in ("mean", "std"):
            values = stats.get(name, {}).get(statistic)
            if values is None:
                raise ConfigError(f"{where}: meta/stats.json has no {statistic} of '{name}'")
            if not np.isfinite(np.asarray(values, dtype=np.float64)).all():
                shown = np.asarray(values).tolist()
                raise ConfigError(f"{where}: {statistic} of '{name}' is not finite: {shown}")


def _name_elements(config: ActJepaConfig, meta: LeRobotDatasetMetadata, where: str) -> None:
    recorded = recorded_of(meta)
    features = {**(config.input_features or {}), **(config.output_features or {})}
    vectors = [name for name, feature in features.items() if len(feature.shape) == 1]
    for name in vectors:
        known = config.element_names.get(name, [])
        recorded.require_same(name, known, config.element_units.get(name, []))
        config.element_names[name] = recorded.elements(name)
    if not config.robot and meta.robot_type in config_names("robots"):
        config.robot = str(meta.robot_type)
    if not config.robot:
        return
    recorded.require_robot(config.robot)
    robot = load_robot(config.robot)
    for feature in (STATE, ACTION):
        names = config.element_names.get(feature) or []
        if not names:
            raise ConfigError(f"{where}: the elements of '{feature}' have no names to compare")
        for name in names:
            if joint_of(name) not in robot.joint_names:
                raise ConfigError(
                    f"{where}: '{feature}' has '{name}', robot {config.robot} has no such joint."
                    f"{suggestion(joint_of(name), robot.joint_names)}"
                )
    config.element_units = {name: recorded.joint_units(name, robot) for name in vectors}


def _known(known: list[str], given: Iterable[str], what: str, where: str) -> list[str]:
    """Return the names of a checkpoint, which must hold those of the data set."""
    given = list(given)
    for name in given if known else ():
        if name not in known:
            raise ConfigError(
                f"{where}: no {what} '{name}' in the checkpoint.{suggestion(name, known)}"
            )
    return known or given
