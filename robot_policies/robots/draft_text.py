"""A drafted robot's file as text, and the table of who says what in it."""

from collections.abc import Mapping
from typing import Any

from robot_policies.interface.robot_model import RobotModel

MODEL, ASSUMED = "model", "assumed"
CONTROL_RATE, SERVO_RATE = 50.0, 500.0  # Hz
TILT = 1.0  # rad
UNITS = "units: {length: m, angle: rad, mass: kg, time: s, force: N}"


def said_rows(
    model: RobotModel,
    joints: Mapping[str, Mapping[str, Any]],
    stiffness: list[float],
    floating: bool,
    height: float,
) -> list[tuple[str, str, str]]:
    """List what is said of each thing, and by whom.

    Args:
        model: What the model file says.
        joints: What is added to it, by joint.
        stiffness: Of all joints.
        floating: Whether the base moves freely.
        height: Of the base. [m]
    """
    rows = [
        ("joints", f"{len(model.joints)} actuated, {len(model.coupled)} coupled", MODEL),
        ("links", f"{len(model.links)}, {sum(link.mass for link in model.links):.3f} kg", MODEL),
        ("control_rate, servo_rate", f"{CONTROL_RATE:g} Hz, {SERVO_RATE:g} Hz", ASSUMED),
    ]
    for key in ("lower", "upper", "effort", "velocity", "default"):
        lacking = [name for name, said in joints.items() if key in said]
        if lacking:
            rows.append((f"{key} of {', '.join(lacking)}", _values(joints, lacking, key), ASSUMED))
        if len(lacking) < len(joints):
            rows.append((f"{key} of {len(joints) - len(lacking)} joints", "", MODEL))
    every = list(joints)
    always = ("acceleration", "jerk", "following_error")
    rows += [(key, _values(joints, every, key), ASSUMED) for key in always]
    known = len(model.stiffness)
    if known < len(stiffness):
        rows.append((f"gains of {len(stiffness) - known} joints", f"{stiffness}", ASSUMED))
    if known:
        rows.append((f"gains of {known} joints", "", MODEL))
    if floating:
        said = MODEL if model.base_height else ASSUMED
        rows += [("base_height", f"{height:.3f} m", said), ("tilt_limit", f"{TILT} rad", ASSUMED)]
        rows.append(("imu_link", model.links[0].name, ASSUMED))
    rows += [(f"camera {name}", "", MODEL) for name in model.cameras]
    rows += [("not as in the model", line, ASSUMED) for line in model.remarks]
    return rows


def _values(joints: Mapping[str, Mapping[str, Any]], names: list[str], key: str) -> str:
    values = sorted({joints[name][key] for name in names})
    if len(values) > 3:
        return f"{values[0]:g} to {values[-1]:g}"
    return ", ".join(f"{value:g}" for value in values)


def robot_text(
    name: str,
    model_file: Mapping[str, str],
    model: RobotModel,
    joints: Mapping[str, Mapping[str, Any]],
    gains: tuple[list[float], list[float]],
    floating: bool,
    height: float,
) -> str:
    """Return the YAML.

    Args:
        name: Of the robot.
        model_file: What stands under `model`.
        model: What the model file says.
        joints: What is added to it, by joint.
        gains: Stiffness and damping of all joints.
        floating: Whether the base moves freely.
        height: Of the base. [m]
    """
    (kind, path), *_ = model_file.items()
    stiffness, damping = gains
    servo = MODEL if len(model.stiffness) == len(joints) else ASSUMED
    lines = [
        f"# {name}: joints, links and shapes are the model's. Sources of the numbers here:",
        f"#   [{MODEL}] the model's servos, first pose or cameras",
        f"#   [{ASSUMED}] nothing says so; look at it before the robot moves",
        f"name: {name}",
        UNITS,
        f"model: {{{kind}: {_quoted(path)}}}",
        f"floating_base: {str(floating).lower()}",
        f"control_rate: {CONTROL_RATE}  # [{ASSUMED}]",
        f"servo_rate: {SERVO_RATE}  # [{ASSUMED}]",
    ]
    if floating:
        said = MODEL if model.base_height else ASSUMED
        lines += [
            f"base_height: {rounded(height)}  # [{said}]",
            f"tilt_limit: {TILT}  # [{ASSUMED}]",
            f"imu_link: {model.links[0].name}  # [{ASSUMED}]",
        ]
    lines += [
        "",
        f"gains:  # order as the joints [{servo}]",
        "  policy: &gains",
        f"    stiffness: {stiffness}",
        f"    damping: {damping}",
        "  hold: *gains",
        "  damp:",
        "    stiffness: 0.0",
        f"    damping: {damping}",
        "",
        f"joints:  # what the model does not say [{ASSUMED}]",
    ]
    for joint, added in joints.items():
        entries = ", ".join(f"{key}: {value}" for key, value in added.items())
        lines.append(f"  {_quoted(joint)}: {{{entries}}}")
    if model.cameras:
        lines += ["", f"cameras:  # [{MODEL}]"]
    for camera, said in model.cameras.items():
        entries = ", ".join(f"{key}: {_plain(value)}" for key, value in said.items())
        lines.append(f"  {_quoted(camera)}: {{{entries}}}")
    return "\n".join(lines) + "\n"


def _plain(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_plain(each) for each in value)}]"
    if isinstance(value, float):
        return repr(rounded(value))
    return repr(value) if isinstance(value, int) else _quoted(str(value))


def _quoted(text: str) -> str:
    return text if text.replace("_", "").isalnum() and not text[:1].isdigit() else f'"{text}"'


def rounded(value: float) -> float:
    """Return a number of four digits."""
    return float(f"{value:.4g}")
