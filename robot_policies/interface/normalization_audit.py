"""Whether a checkpoint's normalisation statistics can be those of this robot.

Statistics that are missing, broken or in another unit are what most often makes a policy that
worked elsewhere throw a robot about. LeRobot has four ways to normalise; each is held to the same
rules.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from robot_policies.interface.action import CARTESIAN_DELTA_NAMES
from robot_policies.interface.errors import suggestion
from robot_policies.interface.findings import Finding
from robot_policies.interface.observation import IMAGES
from robot_policies.interface.policy import Policy, Statistics
from robot_policies.interface.robot import RobotSpec
from robot_policies.interface.spec import ArraySpec

ENDS = {"MIN_MAX": ("min", "max"), "QUANTILES": ("q01", "q99"), "QUANTILE10": ("q10", "q90")}
NEEDED = {"MEAN_STD": ("mean", "std"), **ENDS}
CONSTANT = 1e-6  # a spread below this makes the normaliser divide by rounding noise
STILL = 1e-4  # share of a joint's range; a spread below it is its encoder's noise
SLACK = 0.1  # share of a joint's range by which measured data may lie outside it


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
    needed = NEEDED.get(statistics.mode, ())
    for key in needed:
        if key not in values:
            text = f"{name}: {statistics.mode} normalisation without '{key}'"
            yield Finding("error", "statistics_missing", text)
            return
    for key, value in values.items():
        if spec.names and value.size not in (1, len(spec.names)):
            text = f"{name}: {value.size} values of '{key}' for {len(spec.names)} elements"
            yield Finding("error", "statistics_shape", text)
            return
        if not np.isfinite(value).all():
            text = f"{name}{_element(spec, ~np.isfinite(value))}: '{key}' is not finite"
            yield Finding("error", "statistics_finite", text)
            return
    if not needed:
        return
    ranges = [_range(element, unit, robot) for element, unit in _elements(spec)]
    yield from _spread(name, spec, statistics.mode, values, ranges)
    if not spec.names:
        return
    wide = {key: np.broadcast_to(value.ravel(), (len(ranges),)) for key, value in values.items()}
    for i, (element, unit) in enumerate(_elements(spec)):
        if (limits := ranges[i]) is not None:
            here = {key: float(value[i]) for key, value in wide.items()}
            where = f"{name}[{element}]"
            yield from _against_range(where, unit, statistics.mode, here, *limits)


def _elements(spec: ArraySpec) -> Iterator[tuple[str, str]]:
    return zip(spec.names, spec.units, strict=True)


def _range(element: str, unit: str, robot: RobotSpec) -> tuple[float, float] | None:
    """Return the bounds of a joint's quantity or of a hand's step; `None` if unknown."""
    if element in CARTESIAN_DELTA_NAMES and robot.workspace is not None:
        reach = float(np.linalg.norm(robot.workspace.upper - robot.workspace.lower))
        most = reach if element in CARTESIAN_DELTA_NAMES[:3] else np.pi
        return -most, most
    joint = element if element in robot.joint_names else element.rpartition(".")[0]
    if joint not in robot.joint_names:
        return None
    entry = robot.joints[robot.joint_names.index(joint)]
    if element.endswith(".effort"):
        return -entry.effort, entry.effort
    return (-entry.velocity, entry.velocity) if unit.endswith("/s") else (entry.lower, entry.upper)


def _spread(
    name: str,
    spec: ArraySpec,
    mode: str,
    values: Mapping[str, np.ndarray],
    ranges: list[tuple[float, float] | None],
) -> Iterator[Finding]:
    """Find spreads that are negative, or that are 0 beside the range: max - min, or one deviation.

    A spread counts as none below `CONSTANT`, or below `STILL` times the width of the range [own].
    """
    low, high = ENDS.get(mode, ("", "std"))
    spread = (values[high] - values[low] if low else values[high]).ravel()
    if (spread < 0.0).any():
        text = f"{name}{_element(spec, spread < 0.0)}: '{high}' is below '{low or 0}'"
        yield Finding("error", "statistics_reversed", text)
        return
    least = np.array([max(CONSTANT, STILL * (r[1] - r[0])) if r else CONSTANT for r in ranges])
    still = spread < (least if len(least) else CONSTANT)
    if still.any():
        # A constant target is harmless; a constant input is divided by next to nothing.
        level = "warning" if name == "action" else "error"
        text = f"{name}{_element(spec, still)}: never varied in training"
        yield Finding(level, "statistics_constant", text)


def _against_range(
    where: str, unit: str, mode: str, values: Mapping[str, float], low: float, high: float
) -> Iterator[Finding]:
    """Find statistics outside the robot's range by more than `SLACK` of its width w [own].

    A mean has to lie within [low - SLACK w, high + SLACK w], a deviation to be at most w, and of
    ends (a, b) the distance beyond is max(low - a, b - high).
    """
    width = high - low
    limits = f"the robot's range is [{low:.4g}, {high:.4g}] {unit}; wrong unit or zero?"
    if mode == "MEAN_STD":
        mean, std = values["mean"], values["std"]
        if not low - SLACK * width <= mean <= high + SLACK * width:
            text = f"{where}: mean {mean:.4g} in training, {limits}"
            yield Finding("error", "statistics_range", text)
            return
        if std > width:
            text = f"{where}: standard deviation {std:.4g} in training, {limits}"
            yield Finding("error", "statistics_range", text)
            return
    ends = ENDS.get(mode, ENDS["MIN_MAX"])
    least, most = (values.get(key, end) for key, end in zip(ends, (low, high), strict=True))
    beyond = max(low - least, most - high)
    if beyond > SLACK * width:
        level = "error" if beyond > width else "warning"
        text = f"{where}: {least:.4g} to {most:.4g} in training, {limits}"
        yield Finding(level, "statistics_range", text)


def _element(spec: ArraySpec, wrong: np.ndarray) -> str:
    index = int(np.argmax(np.atleast_1d(wrong).ravel()))
    return f"[{spec.names[index]}]" if index < len(spec.names) else ""
