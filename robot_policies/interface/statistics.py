"""Whether a checkpoint's normalisation statistics can be those of this robot.

Statistics that are missing, broken or in another unit are what most often makes a policy that
worked elsewhere throw a robot about.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from robot_policies.interface.errors import suggestion
from robot_policies.interface.observation import IMAGES
from robot_policies.interface.policy import Policy, Statistics
from robot_policies.interface.report import Finding
from robot_policies.interface.robot import RobotSpec
from robot_policies.interface.spec import ArraySpec

CONSTANT = 1e-6  # a spread below this makes the normaliser divide by rounding noise
TURN = 2.0 * np.pi  # rad; no joint angle spreads over more: degrees, most likely
SLACK = 0.1  # share of a joint's range by which measured data may lie outside it
NEEDED = {"MEAN_STD": ("mean", "std"), "MIN_MAX": ("min", "max")}


def audit_statistics(policy: Policy, robot: RobotSpec) -> Iterator[Finding]:
    """Compare what a policy was normalised with to the robot's ranges.

    Args:
        policy: The policy; one without any statistics has nothing to audit.
        robot: The robot it is to drive.
    """
    if not policy.statistics:
        return
    specs = {**policy.observation_spec, "action": policy.action_spec.array}
    for name, spec in specs.items():
        if name in policy.statistics:
            yield from _statistic(name, spec, policy.statistics[name], robot)
        elif not name.startswith(IMAGES):
            text = f"no statistics for '{name}'.{suggestion(name, policy.statistics)}"
            yield Finding("error", "statistics_missing", text)


def _statistic(
    name: str, spec: ArraySpec, statistics: Statistics, robot: RobotSpec
) -> Iterator[Finding]:
    values = {key: np.asarray(value, float) for key, value in statistics.values.items()}
    for key in NEEDED.get(statistics.mode, ()):
        if key not in values:
            text = f"{name}: {statistics.mode} normalisation without '{key}'"
            yield Finding("error", "statistics_missing", text)
    for key, value in values.items():
        if spec.names and value.size not in (1, len(spec.names)):
            text = f"{name}: {value.size} values of '{key}' for {len(spec.names)} elements"
            yield Finding("error", "statistics_shape", text)
            return
        if not np.isfinite(value).all():
            text = f"{name}{_element(spec, ~np.isfinite(value))}: '{key}' is not finite"
            yield Finding("error", "statistics_finite", text)
            return
    yield from _spread(name, spec, statistics.mode, values)
    if spec.names:
        width = len(spec.names)
        wide = {key: np.broadcast_to(value.ravel(), (width,)) for key, value in values.items()}
        for i, (element, unit) in enumerate(zip(spec.names, spec.units, strict=True)):
            here = {key: float(value[i]) for key, value in wide.items()}
            yield from _range(f"{name}[{element}]", element, unit, here, robot)


def _spread(
    name: str, spec: ArraySpec, mode: str, values: Mapping[str, np.ndarray]
) -> Iterator[Finding]:
    low, high = ("q01", "q99") if mode == "QUANTILES" else ("min", "max")
    if mode == "MEAN_STD" and "std" in values:
        spread = values["std"]
    elif mode in ("MIN_MAX", "QUANTILES") and low in values and high in values:
        spread = values[high] - values[low]
    else:
        return
    if (spread < CONSTANT).any():
        # A constant target is harmless; a constant input is divided by next to nothing.
        level = "warning" if name == "action" else "error"
        text = f"{name}{_element(spec, spread < CONSTANT)}: never varied in training"
        yield Finding(level, "statistics_constant", text)


def _range(
    where: str, element: str, unit: str, values: Mapping[str, float], robot: RobotSpec
) -> Iterator[Finding]:
    joint = element if element in robot.joint_names else element.rpartition(".")[0]
    if joint not in robot.joint_names:
        return
    entry = robot.joints[robot.joint_names.index(joint)]
    low, high = entry.lower, entry.upper
    if unit.endswith("/s"):
        low, high = -entry.velocity, entry.velocity
    slack = SLACK * (high - low)
    limits = f"the robot's range is [{low:.4g}, {high:.4g}] {unit}; wrong unit or zero?"
    mean, std = values.get("mean", low), values.get("std", 0.0)
    least, most = values.get("min", low), values.get("max", high)
    beyond = max(low - least, most - high)
    if not low - slack <= mean <= high + slack:
        text = f"{where}: mean {mean:.4g} in training, {limits}"
        yield Finding("error", "statistics_range", text)
    elif unit == "rad" and std > TURN:
        text = f"{where}: standard deviation {std:.4g} in training, {limits}"
        yield Finding("error", "statistics_range", text)
    elif beyond > slack:
        level = "error" if beyond > high - low else "warning"
        text = f"{where}: {least:.4g} to {most:.4g} in training, {limits}"
        yield Finding(level, "statistics_range", text)


def _element(spec: ArraySpec, wrong: np.ndarray) -> str:
    index = int(np.argmax(np.atleast_1d(wrong).ravel()))
    return f"[{spec.names[index]}]" if index < len(spec.names) else ""
