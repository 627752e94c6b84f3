"""Records episodes: first to a spool that survives a crash, then into a LeRobotDataset v3.

Columns: `observation.*` as the robot gives them (`observation.state` with `<joint>.pos` and
`<joint>.vel`, SI), `action` (the command that was really sent, after the safety gate, by joint
name), `observation.velocity_command` and the task string, `truth.*` (what only a simulator or a
log knows), `next.*`, `safety.level`, `safety.refusal`, and `capture_stamp.<feature>` (float64
seconds, clock of the robot). Row k holds what was measured before step k and what was sent in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from robot_policies.data.spool import SpoolWriter, Value
from robot_policies.interface import (
    ActionKind,
    ConfigError,
    Policy,
    RobotSpec,
    RobotState,
    Task,
)
from robot_policies.interface.observation import (
    IMU,
    IMU_NAMES,
    IMU_UNITS,
    STATE,
    VELOCITY_COMMAND,
    VELOCITY_COMMAND_NAMES,
    VELOCITY_COMMAND_UNITS,
)

if TYPE_CHECKING:
    from robot_policies.control.records import EpisodeResult, StepRecord

ACTION = "action"
EFFORT = "observation.effort"
TRUTH = "truth"
LEVEL, REFUSAL = "safety.level", "safety.refusal"


class Recorder:
    """Observer that records each episode.

    While an episode runs its spool lies in `<root>.spool/`; when it ends it becomes an episode of
    the dataset and the spool is deleted. Spools of interrupted episodes stay there for
    `robot-policies data convert`, and so do those that hold more than a dataset can.
    """

    def __init__(self, root: Path, images: str = "video") -> None:
        """Name the dataset.

        Args:
            root: Dataset folder; appended to if it exists.
            images: `video` (MP4, lossy) or `png` (inside the Parquet files, exact).
        """
        if images not in ("video", "png"):
            raise ConfigError(f"images '{images}': expected 'video' or 'png'")
        self.root, self._images = Path(root), images
        self.notes: list[str] = []
        self._spool: SpoolWriter | None = None

    def begin(
        self, robot: RobotSpec, policy: Policy, task: Task, initial: Mapping[str, Any]
    ) -> None:
        """Note the episode; its spool is made by the first step.

        The spool of an episode that did not end is left where it is.
        """
        self._robot, self._spool = robot, None
        self._about = {
            "robot": robot.name,
            "policy": policy.name,
            "task": task.name,
            "initial": initial,
            "fps": robot.control_rate,
            "images": self._images,
        }

    def step(self, record: "StepRecord") -> None:
        """Append one control step."""
        if self._spool is None:
            folder = self.root.with_name(f"{self.root.name}.spool")
            names = _names(self._robot, record.sent.kind)
            self._spool = SpoolWriter(_free_path(folder), {**self._about, "names": names})
        values, stamps = streams(self._robot, record.state)
        # On the clock of the robot's stamps, which `record.time` need not be.
        now = record.verdict.command.stamp
        for name, value in record.goal.items():
            values[name], stamps[name] = value, now
        values[ACTION], stamps[ACTION] = record.sent.values, record.sent.stamp
        refusal = record.verdict.refusal
        for name, text in (
            (LEVEL, str(record.verdict.level)),
            (REFUSAL, "" if refusal is None else f"{refusal.cause}: {refusal.text}"),
        ):
            values[name], stamps[name] = text, now
        self._spool.write(now, values, stamps)

    def end(self, result: "EpisodeResult") -> None:
        """Turn the spool into an episode of the dataset; takes seconds the first time."""
        from robot_policies.data.convert import convert_spool

        if self._spool is None:
            self.notes.append("an episode without a step was not recorded")
            return
        spool, self._spool = self._spool, None
        spool.close(asdict(result))
        left_out = convert_spool(spool.path, self.root).notes
        if left_out:
            self.notes += (*left_out, f"{spool.path}: kept, because the dataset lacks this")
            return
        spool.path.unlink()
        if not any(spool.path.parent.iterdir()):
            spool.path.parent.rmdir()


def streams(robot: RobotSpec, state: RobotState) -> tuple[dict[str, Value], dict[str, float]]:
    """Return a robot's streams by feature name, and their capture times. [s]."""
    joints = np.concatenate((state.joint_position, state.joint_velocity))
    values: dict[str, Value] = {STATE: joints.astype(np.float32)}
    stamps = {STATE: state.stamp}
    if len(state.joint_effort):
        values[EFFORT], stamps[EFFORT] = state.joint_effort.astype(np.float32), state.stamp
    for name, value in state.features.items():
        values[name], stamps[name] = value, state.stamps[name]
    for name, value in state.truth.items():
        truth = np.atleast_1d(np.asarray(value, np.float32))
        values[f"{TRUTH}.{name}"], stamps[f"{TRUTH}.{name}"] = truth, state.stamp
    return values, stamps


def _names(robot: RobotSpec, kind: ActionKind) -> dict[str, dict[str, Sequence[str]]]:
    """Element names and units by feature."""
    position = tuple("m" if joint.sliding else "rad" for joint in robot.joints)
    effort = tuple("N" if joint.sliding else "N m" for joint in robot.joints)
    command = VELOCITY_COMMAND_NAMES, VELOCITY_COMMAND_UNITS
    actions = {
        ActionKind.BASE_VELOCITY: command,
        ActionKind.JOINT_VELOCITY: (robot.joint_names, tuple(f"{unit}/s" for unit in position)),
    }
    table = {
        **{name: (spec.names, spec.units) for name, spec in robot.streams.items() if spec.names},
        EFFORT: (tuple(f"{name}.effort" for name in robot.joint_names), effort),
        ACTION: actions.get(kind, (robot.joint_names, position)),
        IMU: (IMU_NAMES, IMU_UNITS),
        VELOCITY_COMMAND: command,
    }
    return {name: {"names": names, "unit": unit} for name, (names, unit) in table.items()}


def _free_path(folder: Path) -> Path:
    taken = {path.name for path in folder.glob("episode-*.mcap")}
    number = 0
    while f"episode-{number:06d}.mcap" in taken:
        number += 1
    return folder / f"episode-{number:06d}.mcap"
