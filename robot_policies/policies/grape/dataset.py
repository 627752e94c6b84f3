"""What GRAPE must know of a data set before the first step, and what it refuses."""

from pathlib import Path

import numpy as np
import pyarrow.dataset
from lerobot.datasets import LeRobotDatasetMetadata

from robot_policies.catalog import load_robot
from robot_policies.data.reading import recorded_of
from robot_policies.interface import ActionKind, ConfigError
from robot_policies.interface.action import CARTESIAN_DELTA_NAMES
from robot_policies.interface.errors import suggestion
from robot_policies.interface.observation import ENVIRONMENT_STATE, STATE
from robot_policies.learning.elements import ACTION, units_of, write_contract
from robot_policies.policies.grape.configuration_grape import GrapeConfig
from robot_policies.policies.grape.words import known_words
from robot_policies.shared_files import config_names

QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}


def prepare(config: GrapeConfig, meta: LeRobotDatasetMetadata) -> None:
    """Fill in what the configuration takes from a data set.

    The quantiles of the actions become those of all frames: LeRobot's are means over episodes.

    Raises:
        ConfigError: In one line, before anything is trained.
    """
    where = f"data set {meta.repo_id}"
    for name in (STATE, ACTION, config.camera):
        if name not in meta.features:
            known = [*meta.features]
            raise ConfigError(f"{where}: no '{name}'.{suggestion(name, known)}")
    if meta.tasks is None or not len(meta.tasks) or meta.stats is None:
        raise ConfigError(f"{where}: it holds no episode with an instruction")
    recorded = recorded_of(meta)
    config.input_features = {
        name: feature
        for name, feature in (config.input_features or {}).items()
        if name in (STATE, config.camera)
    }
    words = known_words(map(str, meta.tasks.index))
    if config.words:
        for word in words:
            if word not in config.words:
                raise ConfigError(
                    f"{where}: no word '{word}' in the checkpoint.{suggestion(word, config.words)}"
                )
    if not config.vlm_source:  # a language model knows more words than the data set
        config.words = config.words or words
    for name in (STATE, ACTION):
        known, units = config.element_names.get(name, []), config.element_units.get(name, [])
        recorded.require_same(name, known, units)
        config.element_names[name] = recorded.elements(name)
    if config.dt:
        recorded.require_rate(1.0 / config.dt)
    config.dt = 1.0 / meta.fps
    _describe_robot(config, meta.robot_type, where)
    actions = read_column(meta, ACTION)
    if not np.isfinite(actions).all():
        raise ConfigError(f"{where}: '{ACTION}' is not finite in some step")
    quantiles = {key: np.quantile(actions, share, axis=0) for key, share in QUANTILES.items()}
    meta.stats[ACTION] = {**meta.stats[ACTION], **quantiles}
    varied = np.flatnonzero(quantiles["q99"] > quantiles["q01"]).tolist()
    config.varied = config.varied or varied
    config.keypoints = []
    if config.keypoint_weight and ENVIRONMENT_STATE in meta.features:
        config.keypoints = recorded.elements(ENVIRONMENT_STATE)


def read_column(meta: LeRobotDatasetMetadata, column: str) -> np.ndarray:
    """Read a vector feature of every frame. Shape (frames, width)."""
    folder = pyarrow.dataset.dataset(meta.root / "data", format="parquet")
    return np.array(folder.to_table(columns=[column])[column].to_pylist(), dtype=np.float64)


def describe_elements(config: GrapeConfig, folder: Path) -> None:
    """Write `contract.yaml`, if the robot is known."""
    if not config.robot:
        return
    write_contract(
        folder,
        config.robot,
        config.dt,
        {name: list(names) for name, names in config.element_names.items()},
        config.element_units,
        ActionKind(config.action_kind),
        task=True,
        vocabulary=config.words,
    )


def _describe_robot(config: GrapeConfig, robot_type: str | None, where: str) -> None:
    names = config.element_names[ACTION]
    hand = tuple(names[:6]) == CARTESIAN_DELTA_NAMES
    config.action_kind = str(ActionKind.CARTESIAN_DELTA if hand else ActionKind.JOINT_POSITION)
    if not config.robot and robot_type in config_names("robots"):
        config.robot = str(robot_type)
    if not config.robot:
        return
    robot = load_robot(config.robot)
    config.element_units = {
        name: units_of(robot, elements) for name, elements in config.element_names.items()
    }
    if hand:
        joints = units_of(robot, names[6:])
        config.element_units[ACTION] = [*("m",) * 3, *("rad",) * 3, *joints]
