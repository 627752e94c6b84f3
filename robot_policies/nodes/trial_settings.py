"""Settings of a trial by name, as both nodes declare them, and what is made of them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from robot_policies.control.safety_limits import SafetyLimits
from robot_policies.documents import parse_yaml
from robot_policies.interface import ConfigError, ExecutorMode, RobotSpec, Task
from robot_policies.interface.action import EXECUTOR_MODES
from robot_policies.nodes.settings import Setting
from robot_policies.stage import GAINS, Stage, open_stage
from robot_policies.stage import ROBOT as ROBOT_GAINS

CONTRACT = "contract"
BOTH, ROBOT, POLICY = "both", "robot", "policy"  # which half of a graph runs on a computer
PROBE = 65536  # bytes; more than a summary has

NAMED: dict[str, Setting] = {
    "robot": Setting("", "robot, as in config/robots; empty: the task's"),
    "backend": Setting("mujoco", "what moves, as in config/backends"),
    "options": Setting("", "options of the backend, as a YAML mapping"),
    "task": Setting("", "world, goals and measure; empty: none"),
    "rate": Setting(0.0, "control rate, 0 is the robot's own [Hz]", least=0.0),
    "seed": Setting(0, "seed of the initial condition and of the policy", least=0),
    "policy": Setting("hold", "shipped id, folder or hub id of the policy"),
    "contract": Setting("", "file in place of the policy's contract.yaml"),
    "executor": Setting(
        CONTRACT,
        "how chunks are merged; contract: as the policy's says",
        choices=(CONTRACT, *EXECUTOR_MODES),
    ),
    "gains": Setting(
        ROBOT_GAINS, "whose gains track the policy: the robot's or the contract's", choices=GAINS
    ),
    "plan_age": Setting(
        0.0, "oldest observation whose plan is followed, 0 is the robot class's [s]", least=0.0
    ),
    "only": Setting(BOTH, "the half of the graph on this computer", choices=(BOTH, ROBOT, POLICY)),
    "nodes": Setting(["backend", "policy"], "names of the robot's node and of the policy's"),
}

SETTINGS: dict[str, Setting] = {
    **NAMED,
    "initial": Setting(
        "", "JSON file with fields of the initial condition, instead of the drawn ones"
    ),
    "seconds": Setting(0.0, "length of a trial; 0: until the task is decided [s]", least=0.0),
    "record": Setting(
        "", "LeRobot dataset folder to record to; bag or bag:FOLDER: a bag of rosbag2"
    ),
    "video": Setting("", "MP4 file to write"),
    "summary": Setting("", "JSON file to write metrics, loop rate and latency to"),
    "realtime": Setting(
        "0", "priority of the control thread, 1 to 99, and its core: 10@3; 0: ordinary"
    ),
    "viewer": Setting("", "rerun, or an .rrd file to write"),
}


def by_name(
    settings: Mapping[str, Any], clocks: Mapping[str, Callable[[], float]] | None = None
) -> Stage:
    """Return robot, task and backend; nothing is connected.

    Args:
        settings: Values of `NAMED`.
        clocks: Those the backend is to use instead of its own.

    Raises:
        ConfigError: If a name or an option is wrong.
    """
    try:
        options = parse_yaml(settings["options"] or "{}")
    except ValueError as error:
        raise ConfigError(f"options '{settings['options'][:80]}': {error}") from None
    if not isinstance(options, dict):
        raise ConfigError(f"options '{settings['options']}': expected a YAML mapping")
    named = [settings[name] for name in ("backend", "task", "robot")]
    return open_stage(*named, rate=settings["rate"], options={**options, **(clocks or {})})


def contract_file(settings: Mapping[str, Any]) -> Path | None:
    """Return the file that stands for the policy's contract; `None` is the policy's own."""
    return Path(settings["contract"]) if settings["contract"] else None


def executor_mode(settings: Mapping[str, Any]) -> ExecutorMode | None:
    """Return how chunks are merged; `None` is as the policy means it."""
    chosen = settings["executor"]
    return None if chosen == CONTRACT else chosen


def limits_of(
    robot: RobotSpec, settings: Mapping[str, Any], task: Task | None = None
) -> SafetyLimits:
    """Return the operation's limits, whose `plan_age` both ends of the graph must agree about."""
    return SafetyLimits.of(robot, settings["plan_age"], task)


def require_writable(path: Path) -> None:
    """Refuse a file that could not be written at the end of a trial, and make its folder.

    Raises:
        ConfigError: Naming the file and the reason.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=path.parent) as probe:
            probe.write(bytes(PROBE))
            probe.flush()
    except OSError as error:
        raise ConfigError(f"summary {path} cannot be written: {error.strerror}") from None
