"""From the options of `config/backends/lerobot.yaml` to LeRobot's configuration classes."""

import pkgutil
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from importlib import import_module
from typing import Any, cast

import draccus
import lerobot.cameras
import lerobot.robots
import numpy as np
from lerobot.cameras import CameraConfig
from lerobot.motors.motors_bus import MotorNormMode
from lerobot.robots import RobotConfig
from lerobot.utils.import_utils import register_third_party_plugins

from robot_policies.interface import ArraySpec, ConfigError
from robot_policies.interface.errors import suggestion
from robot_policies.interface.observation import IMAGES
from robot_policies.interface.robot_parts import Joint
from robot_policies.interface.schema import build, check_keys
from robot_policies.interface.units import CALIBRATED, CalibratedJoint, to_si
from robot_policies_hardware.pictures import PictureSize, check_shrinks

PERCENT = "%"
PORT = "/dev/ttyACM0"  # of a robot on one bus
# What this package means where a type, or an arm of it, has such an option and nothing is said.
PREFERRED = {
    "use_degrees": True,  # a share of a range is another angle after each calibration
    "disable_torque_on_disconnect": False,  # an arm without torque falls
}
UNITS = {
    MotorNormMode.DEGREES: "deg",
    MotorNormMode.RANGE_0_100: PERCENT,
    MotorNormMode.RANGE_M100_100: "m100",
}
SCALES = {"deg": np.pi / 180.0, "rad": 1.0, "m": 1.0}  # SI value of one unit


def config_class(kind: str) -> type[RobotConfig]:
    """Return LeRobot's configuration class of a robot type, its plugins' included.

    Raises:
        ConfigError: If the type is unknown, naming the nearest one.
    """
    for module in pkgutil.iter_modules(lerobot.robots.__path__):
        if module.ispkg:
            import_module(f"lerobot.robots.{module.name}")
    if kind not in RobotConfig.get_known_choices():
        register_third_party_plugins()
    known = RobotConfig.get_known_choices()
    if kind not in known:
        raise ConfigError(f"lerobot: no robot type '{kind}'.{suggestion(kind, known)}")
    return RobotConfig.get_choice_class(kind)


def robot_config(kind: str, options: Mapping[str, Any]) -> RobotConfig:
    """Return LeRobot's configuration of a robot.

    Args:
        kind: LeRobot's robot type.
        options: Fields of its configuration class.

    Raises:
        ConfigError: If the type or an option is unknown, naming the nearest one.
    """
    cls = config_class(kind)
    check_keys(options, [field.name for field in fields(cls)], f"lerobot.yaml: {kind}")
    options = _preferred(cls, options)
    if any(field.name == "port" and field.default is MISSING for field in fields(cls)):
        options.setdefault("port", PORT)
    for camera in (options.get("cameras") or {}).values():
        _register_camera(str(camera.get("type")))
    try:
        config = draccus.decode(cls, options)
    except Exception as error:  # draccus raises a different class for each kind of mistake
        raise ConfigError(f"lerobot.yaml: {kind}: {' '.join(str(error).split())}") from None
    return config


def _preferred(cls: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with this package's preferences, those of the arms it consists of too."""
    made = dict(options)
    for field in fields(cls):
        if field.name in PREFERRED:
            made.setdefault(field.name, PREFERRED[field.name])
        elif is_dataclass(field.type) and isinstance(made.get(field.name), Mapping):
            made[field.name] = _preferred(cast(type, field.type), made[field.name])
    return made


def _register_camera(kind: str) -> None:
    for module in pkgutil.iter_modules(lerobot.cameras.__path__):
        if module.ispkg and module.name.removesuffix("_camera") in kind:
            import_module(f"lerobot.cameras.{module.name}")
    if kind not in CameraConfig.get_known_choices():
        register_third_party_plugins()


def picture_sizes(
    config: RobotConfig, wanted: Mapping[str, Mapping[str, Any]]
) -> dict[str, PictureSize]:
    """Return the sizes to which pictures are shrunk, by camera.

    Args:
        config: LeRobot's configuration of the robot.
        wanted: `width` and `height` by camera.

    Raises:
        ConfigError: If there is no such camera, or its pictures would have to be enlarged.
    """
    cameras, sizes = getattr(config, "cameras", {}), {}
    check_keys(wanted, cameras, "lerobot.yaml: pictures")
    for name, size in wanted.items():
        where = f"lerobot.yaml: pictures.{name}"
        sizes[name] = build(PictureSize, size, where)
        check_shrinks(cameras[name].width, cameras[name].height, sizes[name], where)
    return sizes


def camera_streams(config: RobotConfig, shrunk: Mapping[str, PictureSize]) -> dict[str, ArraySpec]:
    """Return the stream of each configured camera: its own size, or that to which it is shrunk."""
    specs = {}
    for name, camera in getattr(config, "cameras", {}).items():
        feature, size = f"{IMAGES}.{name}", shrunk.get(name, camera)
        specs[feature] = ArraySpec(feature, (size.height, size.width, 3), np.dtype(np.uint8))
    return specs


def unit_of(joint: str, given: str | None, mode: MotorNormMode | None) -> str:
    """Return the unit in which LeRobot counts a joint.

    Args:
        joint: The joint.
        given: What the options say; `None` if nothing.
        mode: What LeRobot's driver says; `None` if it says nothing.

    Raises:
        ConfigError: If the driver counts otherwise than the options say.
    """
    if mode is None:
        return given or "deg"
    if given not in (None, UNITS[mode]):
        raise ConfigError(
            f"lerobot.yaml: units.{joint}: '{given}', expected '{UNITS[mode]}': LeRobot's driver "
            f"counts in {mode.value}"
        )
    return UNITS[mode]


def unit_scale(
    joint: Joint, unit: str, calibrated: CalibratedJoint | None = None
) -> tuple[float, float]:
    """Return the SI value of one of LeRobot's units, and of its zero.

    Args:
        joint: The joint.
        unit: The unit.
        calibrated: Its calibrated range, where LeRobot's driver counts in -100..100.

    Raises:
        ConfigError: If there is no such unit, or the joint is not calibrated.
    """
    if unit in CALIBRATED:
        known = {joint.name: calibrated} if calibrated else {}
        return to_si(joint.name, unit, None, "lerobot.yaml: units", known)[:2]
    if unit == PERCENT:
        return (joint.upper - joint.lower) / 100.0, joint.lower
    if unit not in SCALES:
        raise ConfigError(
            f"lerobot.yaml: units.{joint.name}: no unit '{unit}'."
            f"{suggestion(str(unit), [*SCALES, PERCENT, *CALIBRATED])}"
        )
    return SCALES[unit], 0.0
