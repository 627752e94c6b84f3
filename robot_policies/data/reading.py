"""What a data set says of itself, held against what its reader expects.

Every reader of recordings goes through here: elements are found by name, their units compared,
rate and robot too. What differs is converted where the data set says from what (`deg`, and `%` of
a joint's range), and refused otherwise: nothing is trained, replayed or commanded on a guess.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from robot_policies.calibration import calibration_for
from robot_policies.data.dataset import INFO, read_info, require_files
from robot_policies.interface import ConfigError, RobotSpec
from robot_policies.interface.errors import suggestion
from robot_policies.interface.observation import STATE
from robot_policies.interface.rates import whole_periods
from robot_policies.interface.units import to_si
from robot_policies.learning.elements import ACTION, flat_names, joint_of, units_of

FOLLOWER = "_follower"  # LeRobot's robot types end so: `so101_follower` is the robot `so101`
SAME = {"so_follower": ("so100", "so101")}  # LeRobot's class of both says no more
POSITION = ".pos"  # an element without an ending is a position
AXES = "xyzw"


@dataclass(frozen=True, eq=False)
class Vector:
    """Where the wanted elements of a feature stand, and what makes the wanted units of them.

    Attributes:
        index: Place of each wanted element in a row.
        scale: What a number is multiplied by. Shape (n,).
        offset: What is added then. Shape (n,).
    """

    index: list[int]
    scale: np.ndarray
    offset: np.ndarray

    @property
    def same(self) -> bool:
        """Whether the units are the wanted ones already."""
        return bool((self.scale == 1.0).all() and (self.offset == 0.0).all())

    def of(self, values: Any) -> np.ndarray:
        """Return the wanted elements of rows. Shape (..., width) -> (..., n), float64."""
        return np.asarray(values, np.float64)[..., self.index] * self.scale + self.offset


@dataclass(frozen=True, eq=False)
class Recorded:
    """A LeRobotDataset v3 folder that is whole.

    Attributes:
        root: The folder.
        fps: Rows per second.
        robot: Robot it was recorded on; empty if it does not say.
        features: LeRobot's description of each column.
        tasks: How many instructions there are.
        stated: Units of joints, where the data set says none; that of '' is of all others.
    """

    root: Path
    fps: float
    robot: str
    features: Mapping[str, Mapping[str, Any]]
    tasks: int = 1
    stated: Mapping[str, str] = field(default_factory=dict)

    @property
    def robots(self) -> tuple[str, ...]:
        """What its robot may be called here."""
        return (self.robot, self.robot.removesuffix(FOLLOWER), *SAME.get(self.robot, ()))

    def require_robot(self, robot: str) -> None:
        """Refuse another robot; a data set that names none is judged by its joints alone.

        Raises:
            ConfigError: If it is of another one.
        """
        if self.robot and robot not in self.robots:
            raise ConfigError(
                f"{self.root}: recorded on '{self.robot}', expected '{robot}'. If it is that "
                f"robot by another name, write it as robot_type in {INFO}"
            )

    def require_rate(self, rate: float) -> None:
        """Refuse rows that are more than 1 % from a rate. [1/s].

        Raises:
            ConfigError: If they are.
        """
        if whole_periods(1.0 / self.fps, rate) != 1:
            raise ConfigError(
                f"{self.root}: fps: {self.fps:g} rows/s, expected {rate:g} within 1 %. Record at "
                "that rate, or resample the data"
            )

    def periods_per_row(self, rate: float) -> int:
        """Return how many control periods lie between two rows.

        Args:
            rate: Control rate. [1/s]

        Raises:
            ConfigError: If rows come faster, or it is no whole number within 1 %.
        """
        periods = whole_periods(1.0 / self.fps, rate)
        if not periods:
            raise ConfigError(
                f"{self.root}: fps: {self.fps:g} rows/s, expected {rate:g} or a whole fraction of "
                "it within 1 %. Record at such a rate, or resample the data"
            )
        return periods

    def vector(
        self,
        feature: str,
        names: Sequence[str],
        units: Sequence[str],
        robot: RobotSpec | None = None,
        *,
        convert: bool = True,
    ) -> Vector:
        """Find elements of a feature by name and see to their units.

        `elbow` and `elbow.pos` are the same element: LeRobot names an action's joints as `.pos`.

        Args:
            feature: Its name.
            names: Wanted elements.
            units: Wanted unit of each.
            robot: Its table says what `%` of a joint's range is.
            convert: Whether other units are converted, or refused as unknown ones are.

        Raises:
            ConfigError: If the feature or an element is missing, or a unit is unsaid or another.
        """
        given, recorded = self.elements(feature), self.units(feature)
        where = f"{self.root}: '{feature}'"
        short = [name.removesuffix(POSITION) for name in given]
        index = []
        for name in names:
            if name in given:
                index.append(given.index(name))
            elif name.removesuffix(POSITION) in short:
                index.append(short.index(name.removesuffix(POSITION)))
            else:
                raise ConfigError(f"{where} has no '{name}'.{suggestion(name, given)}")
        if not recorded:
            raise ConfigError(
                f'{where} does not say its units, expected {_short(units)}. Write "unit": [one '
                f"for each of its {len(given)} names] beside its names in {INFO}; rad, m, deg, "
                "% of a joint's range and m100, LeRobot's -100..100, are read. LeRobot records "
                "arms in deg, in m100 with use_degrees=false, and grippers in %. --unit deg and "
                "--unit gripper=% of `data replay`, or --option unit=..., say the same for once"
            )
        rows, calibration = [], calibration_for(recorded, (self.root / INFO).parent)
        for name, unit, place in zip(names, units, index, strict=True):
            scale, offset, si = to_si(given[place], recorded[place], robot, where, calibration)
            back, zero, wanted = to_si(name, unit, robot, where, calibration)
            if si != wanted or (unit != recorded[place] and not convert):
                way = "Convert the column" if si == wanted else "It is another quantity"
                raise ConfigError(
                    f"{where}: '{given[place]}' is in {recorded[place]}, expected {unit}. {way}, "
                    f"or correct the unit in {INFO}"
                )
            same = unit == recorded[place]
            rows.append((1.0, 0.0) if same else (scale / back, (offset - zero) / back))
        scales, offsets = np.array(rows, np.float64).reshape(-1, 2).T
        return Vector(index, scales, offsets)

    def elements(self, feature: str) -> list[str]:
        """Return the names of a feature's elements.

        Raises:
            ConfigError: If there is no such feature, or a row has more or fewer elements.
        """
        if feature not in self.features:
            raise ConfigError(f"{self.root}: no '{feature}'.{suggestion(feature, self.features)}")
        names, shape = flat_names(self.features[feature]), self.features[feature]["shape"]
        if names and len(shape) == 1 and len(names) != shape[0]:
            raise ConfigError(
                f"{self.root}: '{feature}' has {len(names)} names for {shape[0]} elements"
            )
        return names

    def units(self, feature: str) -> list[str]:
        """Return the unit of each element of a feature; empty if it does not say.

        Raises:
            ConfigError: If there is no such feature, or units and names do not match.
        """
        names, recorded = self.elements(feature), self.features[feature].get("unit")
        if recorded is None:
            return self._stated(feature, names)
        recorded = [recorded] * len(names) if isinstance(recorded, str) else recorded
        if not isinstance(recorded, list) or len(recorded) != len(names):
            raise ConfigError(
                f"{self.root}: '{feature}' has unit {recorded!r}, expected one for each of {names}"
            )
        return [str(unit) for unit in recorded]

    def _stated(self, feature: str, names: list[str]) -> list[str]:
        """Return the units that a person says of joints; none if one of them is left out."""
        if feature not in (STATE, ACTION):
            return []
        units = []
        for name in names:
            unit = self.stated.get(joint_of(name), self.stated.get("", ""))
            units.append(f"{unit}/s" if unit and name.endswith(".vel") else unit)
        return units if all(units) else []

    def joint_units(self, feature: str, robot: RobotSpec, *, velocity: bool = False) -> list[str]:
        """Return the units of a feature as they stand, if those of joints can be a robot's.

        Args:
            feature: Its name.
            robot: The robot.
            velocity: Whether joints are meant as velocities, where their names do not say it.

        Raises:
            ConfigError: If a unit is unsaid, or a joint's unit is that of another quantity.
        """
        names, recorded = self.elements(feature), self.units(feature)
        known = units_of(robot, names, velocity=velocity)
        if recorded:
            known = [s if k == "1" else k for k, s in zip(known, recorded, strict=True)]
        self.vector(feature, names, known, robot)
        return recorded

    def require_same(self, feature: str, names: Sequence[str], units: Sequence[str]) -> None:
        """Refuse elements in another order or unit, for who reads rows as they stand.

        Args:
            feature: Its name.
            names: Its elements.
            units: Their units; empty if they were never said.

        Raises:
            ConfigError: If they differ.
        """
        given, recorded = self.elements(feature), self.units(feature)
        for what, mine, theirs in (("elements", given, names), ("units", recorded, units)):
            if theirs and list(mine) != list(theirs):
                raise ConfigError(
                    f"{self.root}: '{feature}' has {what} {mine or 'it does not say'}, the "
                    f"checkpoint {list(theirs)}. Convert the data, or correct {INFO}"
                )

    def axes(self, feature: str) -> list[int] | None:
        """Return the order that makes x, y, z (, w) of a feature; `None` if it names no axes."""
        names = self.elements(feature)
        return [names.index(a) for a in AXES if a in names] if set(names) <= set(AXES) else None


def recorded_of(meta: Any) -> Recorded:
    """Return what LeRobot's own metadata of a data set say."""
    return Recorded(Path(meta.root), float(meta.fps), str(meta.robot_type or ""), meta.features)


def open_dataset(root: Path, stated: Sequence[str] = ()) -> Recorded:
    """Read what a data set says of itself, and see that every file of it is there.

    Args:
        root: The folder.
        stated: Units of its joints, if it says none: `UNIT` of all, or `JOINT=UNIT` of one.

    Raises:
        ConfigError: If the folder is no LeRobotDataset v3, or a file is missing or damaged.
    """
    info = read_info(root)
    require_files(root, info)
    return replace(_recorded(root, info), stated=stated_units(stated))


def stated_units(stated: Sequence[str]) -> dict[str, str]:
    """Return units by joint from `UNIT`, whose joint is '', and `JOINT=UNIT`."""
    parts = [entry.rpartition("=") for entry in stated]
    return {joint: unit for joint, _, unit in parts}


def describe_dataset(root: Path) -> Recorded:
    """Read what a data set says of itself, whether or not its other files are there.

    Raises:
        ConfigError: If the folder is no LeRobotDataset v3.
    """
    return _recorded(root, read_info(root))


def _recorded(root: Path, info: Mapping[str, Any]) -> Recorded:
    robot, tasks = str(info.get("robot_type") or ""), int(info.get("total_tasks", 1))
    return Recorded(root, float(info["fps"]), robot, info["features"], tasks)


def _short(units: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(units))
