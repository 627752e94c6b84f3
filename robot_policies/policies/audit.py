"""Whether what `contract.yaml` says can be true of the numbers the checkpoint was trained on.

The contract is written by people, and a wrong unit loads as well as a right one. Its words are
held against the normaliser's statistics and, where the checkpoint names a data set that lies on
this machine, against what that says of itself.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from robot_policies.data.reading import Recorded, describe_dataset
from robot_policies.interface import ConfigError, Finding, Statistics
from robot_policies.interface.normalization_audit import ENDS
from robot_policies.interface.rates import whole_periods
from robot_policies.interface.units import CALIBRATED, PERCENT
from robot_policies.learning.elements import ACTION, joint_of
from robot_policies.policies.contract import FILE, Contract
from robot_policies.policies.elements import Elements
from robot_policies.policies.files import CheckpointFiles
from robot_policies.policies.training_data import TRAINING, dataset_of

TURN = 2.0 * np.pi  # no joint's radians exceed it; the degrees of a moving arm do
RANGE = (-10.0, 110.0)  # %; measured joints lie a little outside of their range
GRIPPER = "gripper"  # as LeRobot's arms call it


def audit_units(
    contract: Contract, statistics: Mapping[str, Statistics], sources: Mapping[str, str]
) -> Iterator[Finding]:
    """Find units that the numbers contradict.

    Args:
        contract: What the checkpoint says.
        statistics: By the features' names in `config.json`, in the units of the training data.
        sources: Names in the contract of features that are renamed.
    """
    vectors = {**contract.observation, ACTION: contract.action}
    for key, entry in statistics.items():
        name = sources.get(key, key)
        if name in vectors and (ends := _ends(entry)):
            yield from _units(name, vectors[name], *ends)


def _ends(entry: Statistics) -> tuple[np.ndarray, np.ndarray] | None:
    """Return two numbers between which data certainly lies; one deviation from the mean."""
    values = entry.values
    if entry.mode == "MEAN_STD":
        return values["mean"] - values["std"], values["mean"] + values["std"]
    if entry.mode in ENDS:
        low, high = ENDS[entry.mode]
        return values[low], values[high]
    return None


def _units(
    name: str, elements: Elements, lower: np.ndarray, upper: np.ndarray
) -> Iterator[Finding]:
    unit = np.array(elements.written)
    greatest = np.maximum(np.abs(lower), np.abs(upper))
    degrees, share = unit == "deg", unit == PERCENT
    if degrees.any() and (greatest[degrees] < TURN).all():
        text = f"{name}: {FILE} says deg, but no number exceeds {greatest[degrees].max():.3g}"
        yield Finding("error", "contract_unit", f"{text}: these are radians")
    for i in np.flatnonzero(degrees):
        if joint_of(elements.names[i]) == GRIPPER:
            text = f"{name}[{elements.names[i]}]: {FILE} says deg, but LeRobot's drivers count a "
            text += f"gripper in {PERCENT}, and other joints in -100..100 (m100) where "
            text += "use_degrees is false: which of them was this trained on?"
            yield Finding("warning", "contract_unit", text)
    for i in np.flatnonzero(share & ((lower < RANGE[0]) | (upper > RANGE[1]))):
        text = f"{FILE} says %, but the numbers reach from {lower[i]:.4g} to {upper[i]:.4g}"
        yield Finding("error", "contract_unit", f"{name}[{elements.names[i]}]: {text}")
    for i in np.flatnonzero(np.isin(unit, CALIBRATED)):
        if max(-lower[i], upper[i]) > RANGE[1]:
            ends = f"from {lower[i]:.4g} to {upper[i]:.4g}"
            text = f"{FILE} says {unit[i]}, but the numbers reach {ends}"
            yield Finding("error", "contract_unit", f"{name}[{elements.names[i]}]: {text}")
    if share.any() and (upper[share] - lower[share] < TURN).all():
        text = f"{name}: {FILE} says %, but the numbers span {(upper - lower)[share].max():.3g}"
        yield Finding("warning", "contract_unit", f"{text}; are these radians?")


def audit_dataset(files: CheckpointFiles, contract: Contract) -> Iterator[Finding]:
    """Compare a contract with the data set that the checkpoint names, where it is on this machine.

    Args:
        files: Of the checkpoint.
        contract: What it says.
    """
    root = dataset_of(files)
    if root is None:
        return
    try:
        yield from _compare(describe_dataset(root), contract)
    except ConfigError as error:
        text = f"the data set of {TRAINING} cannot be read: {error}"
        yield Finding("warning", "dataset", text)


def _compare(recorded: Recorded, contract: Contract) -> Iterator[Finding]:
    if recorded.robot and contract.robot not in recorded.robots:
        text = f"{recorded.root}: recorded on '{recorded.robot}', {FILE} says '{contract.robot}'"
        yield Finding("error", "dataset_robot", text)
    if whole_periods(contract.dt, recorded.fps) != 1:
        text = f"{recorded.root}: {recorded.fps:g} rows/s, {FILE} says dt {contract.dt:g} s"
        yield Finding("error", "dataset_rate", text)
    for name, elements in {**contract.observation, ACTION: contract.action}.items():
        if name not in recorded.features:
            continue
        given, units = recorded.elements(name), recorded.units(name)
        where = f"{name}: {recorded.root}"
        if given and list(map(joint_of, given)) != list(map(joint_of, elements.names)):
            text = f"{where} has the elements {given}, {FILE} names {[*elements.names]}"
            yield Finding("error", "dataset_names", text)
        elif units and units != [*elements.written]:
            i = next(i for i, unit in enumerate(units) if unit != elements.written[i])
            text = f"{where} has '{given[i]}' in {units[i]}, {FILE} says {elements.written[i]}"
            yield Finding("error", "dataset_unit", text)
