"""The contract of a checkpoint, from what the data set it was trained on says of itself."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from robot_policies.calibration import FILE as CALIBRATION
from robot_policies.calibration import calibration_for
from robot_policies.catalog import load_robot, robots
from robot_policies.data.dataset import INFO
from robot_policies.data.reading import Recorded, open_dataset, stated_units
from robot_policies.documents import read_json
from robot_policies.interface import ActionKind, CheckpointError, ConfigError, RobotSpec
from robot_policies.interface.units import CALIBRATED, to_si
from robot_policies.learning.elements import ACTION, joint_of, write_contract
from robot_policies.policies.contract import FILE
from robot_policies.policies.files import CheckpointFiles
from robot_policies.policies.training_data import TRAINING, dataset_of

CONFIG = "config.json"


def draft_contract(folder: Path, dataset: Path | None, robot: str, stated: Sequence[str]) -> Path:
    """Write `contract.yaml` beside a checkpoint's `config.json`.

    Args:
        folder: The checkpoint.
        dataset: What it was trained on; `None` for the one that `train_config.json` names.
        robot: Its robot; that of the data set if empty.
        stated: Units the data set does not say: `UNIT` of all elements, or `JOINT=UNIT` of one.

    Returns:
        The file.

    Raises:
        CheckpointError: If there is no `config.json`, or a contract already.
        ConfigError: If the data set is not found or lacks a feature of the checkpoint, or nothing
            says a unit.
    """
    path = folder / FILE
    if path.exists():
        raise CheckpointError(f"{path} is there already; remove it to write it anew")
    widths = _widths(folder)
    dataset = dataset or dataset_of(CheckpointFiles(folder))
    if dataset is None:
        raise ConfigError(
            f"{folder}: no {TRAINING} there names a data set that is on this machine: say what it "
            "was trained on with --from DATASET"
        )
    recorded = open_dataset(dataset)
    if not (robot or recorded.robot):
        raise ConfigError(f"{dataset} does not say its robot: add --robot NAME")
    known = [name for name in recorded.robots if name in robots()]
    table = load_robot(robot or next(iter(known), recorded.robot))
    names = {name: recorded.elements(name) for name in widths}
    for name, width in widths.items():
        if len(names[name]) != width:
            raise CheckpointError(
                f"{folder}: {name} has {width} elements, {dataset} names {names[name]}"
            )
    units = {name: _units(recorded, name, stated, table) for name in names}
    speeds = all(unit.endswith("/s") for unit in units[ACTION])
    kind = ActionKind.JOINT_VELOCITY if speeds else ActionKind.JOINT_POSITION
    write_contract(
        folder, table.name, 1.0 / recorded.fps, names, units, kind, task=recorded.tasks > 1
    )
    if any(set(each) & set(CALIBRATED) for each in units.values()):
        shutil.copy(recorded.root / Path(INFO).parent / CALIBRATION, folder / CALIBRATION)
    return path


def _widths(folder: Path) -> dict[str, int]:
    """Return the width of each vector in `config.json`, the action's last."""
    config = read_json(folder / CONFIG)
    try:
        features = {**config["input_features"], ACTION: config["output_features"][ACTION]}
        shapes = {name: feature["shape"] for name, feature in features.items()}
        return {name: int(shape[0]) for name, shape in shapes.items() if len(shape) == 1}
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder / CONFIG}: no features with shapes: {error!r}") from None


def _units(recorded: Recorded, feature: str, stated: Sequence[str], robot: RobotSpec) -> list[str]:
    where, names = f"{recorded.root}: {feature}", recorded.elements(feature)
    units = recorded.units(feature)
    if not units:
        given = stated_units(stated)
        for name in given:
            if name and name not in robot.joint_names:
                raise ConfigError(f"--unit {name}=: {robot.name} has no such joint")
        units = [given.get(joint_of(name), given.get("", "")) for name in names]
    calibration = calibration_for(units, (recorded.root / INFO).parent)
    for name, unit in zip(names, units, strict=True):
        if not unit:
            raise ConfigError(
                f"{where} does not say the unit of '{name}'. LeRobot records arms in deg and "
                "grippers in %: add --unit deg --unit gripper=%, if that is so; m100 is -100..100"
            )
        to_si(joint_of(name), unit, robot, where, calibration)
    return units
