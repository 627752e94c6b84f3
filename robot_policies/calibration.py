"""LeRobot's calibration of an arm: what its -100..100 and 0..100 mean in radians.

LeRobot scales what a motor counts by the range that a person swept when the arm was calibrated. So
numbers in these units say nothing without the file that `lerobot-calibrate` wrote. A copy of it
lies as `calibration.json` beside a `contract.yaml`, or in a data set's `meta`. An entry may name
the `model` of its motor; without, it is an STS3215, as in SO-100 and SO-101.

References: `SerialMotorsBus._normalize`, `feetech/tables.py` and `dynamixel/tables.py` of LeRobot
0.6.1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robot_policies.documents import read_json
from robot_policies.interface import ConfigError
from robot_policies.interface.errors import suggestion
from robot_policies.interface.schema import build
from robot_policies.interface.units import CALIBRATED, CalibratedJoint

FILE = "calibration.json"
FEETECH = {  # steps of a turn
    **dict.fromkeys(("sts_series", "sms_series", "sts3215", "sts3250", "sm8512bl"), 4096),
    **dict.fromkeys(("scs_series", "scs0009"), 1024),
}
DYNAMIXEL = dict.fromkeys(
    (
        "x_series",
        *("xl330-m077", "xl330-m288", "xl430-w250", "xm430-w350", "xm540-w270"),
        *("xc430-w150", "xh540-w150", "xc330-t288", "xc330-t181"),
    ),
    4096,
)
MODELS = {**FEETECH, **DYNAMIXEL}


@dataclass(frozen=True)
class _Motor:
    id: int
    drive_mode: int
    homing_offset: int
    range_min: int
    range_max: int
    model: str = "sts3215"

    def __post_init__(self) -> None:
        """Refuse a range that is none, and one that the motor does not have."""
        if self.model not in MODELS:
            raise ValueError(f"no motor model '{self.model}'.{suggestion(self.model, MODELS)}")
        for key in ("range_min", "range_max", "drive_mode"):
            if type(getattr(self, key)) is not int:
                raise ValueError(f"{key} {getattr(self, key)!r} must be a whole number")
        if not self.range_min < self.range_max:
            raise ValueError(f"range_min {self.range_min} must be below {self.range_max}")
        if self.range_max - self.range_min >= MODELS[self.model]:
            raise ValueError(
                f"range {self.range_min} to {self.range_max}: a {self.model} has "
                f"{MODELS[self.model]} steps. Is it the calibration of another motor?"
            )
        if self.drive_mode not in (0, 1):
            raise ValueError(f"drive_mode {self.drive_mode} must be 0 or 1")

    @property
    def joint(self) -> CalibratedJoint:
        """The range as an angle; LeRobot turns a Feetech's direction by its drive mode."""
        steps = self.range_max - self.range_min
        span = steps * 2.0 * np.pi / (MODELS[self.model] - 1)
        return CalibratedJoint(span, self.model in FEETECH and self.drive_mode == 1)


def calibration_for(units: object, folder: Path) -> Mapping[str, CalibratedJoint]:
    """Return the calibrated joints of a folder, where one of some units needs them.

    Args:
        units: Units, one a text.
        folder: Where `calibration.json` lies.

    Raises:
        ConfigError: If a unit needs the file and it is missing, damaged or of another motor.
    """
    if not isinstance(units, list | tuple) or not set(map(str, units)) & set(CALIBRATED):
        return {}
    return read_calibration(folder / FILE)


def read_calibration(
    path: Path, models: Mapping[str, str] | None = None
) -> Mapping[str, CalibratedJoint]:
    """Read what LeRobot wrote, by the names of its motors.

    Args:
        path: The file.
        models: Model of each motor, where a driver knows them; the file's own if not given.

    Raises:
        ConfigError: If it is missing, damaged or of another motor.
    """
    if not path.is_file():
        raise ConfigError(
            f"{path} is missing: {' and '.join(CALIBRATED)} are shares of one arm's range. Put "
            "a copy of LeRobot's calibration file of that arm there"
        )
    entries = read_json(path)
    for name, model in (models or {}).items():
        if name not in entries:
            raise ConfigError(f"{path}: no motor '{name}'.{suggestion(name, entries)}")
        entries[name] = {**entries[name], "model": model}
    return {name: build(_Motor, entry, f"{path}: {name}").joint for name, entry in entries.items()}
