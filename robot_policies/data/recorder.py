"""Records episodes: first to a spool that survives a crash, then into a LeRobotDataset v3.

Columns: `observation.*` as the robot gives them (`observation.state` with `<joint>.pos` and
`<joint>.vel`, SI), `action` (the command that was really sent, after the safety gate, by joint
name), `observation.velocity_command` and the task string, `truth.*` (what only a simulator or a
log knows), `next.*`, `safety.level`, `safety.refusal`, and `capture_stamp.<feature>` (float64
seconds, clock of the robot). Row k holds what was measured before step k and what was sent in it.
"""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from robot_policies.data.element_names import ACTION, element_names
from robot_policies.data.lock import FolderLock
from robot_policies.data.spool import Value
from robot_policies.data.spool_writer import SpoolWriter
from robot_policies.data.watchers import say
from robot_policies.interface import (
    BackendError,
    ConfigError,
    Policy,
    RobotPoliciesError,
    RobotSpec,
    RobotState,
    Task,
)
from robot_policies.interface.observation import (
    EFFORT,
    STATE,
)

if TYPE_CHECKING:
    from robot_policies.control.records import EpisodeResult, StepRecord

TRUTH = "truth"
LEVEL, REFUSAL = "safety.level", "safety.refusal"
LONG = 5000  # steps; a conversion of more is announced
PROBE = ".probe"


class Recorder:
    """Observer that records each episode.

    While an episode runs its spool lies in `<root>.spool/`; when it ends it becomes an episode of
    the dataset and the spool is deleted. Spools of interrupted episodes stay there for
    `robot-policies data convert`, and so do those that hold more than a dataset can.

    Attributes:
        name: What people call it.
        lacks: What it did not get in this episode, by stream.
        notes: What people should know of what it wrote.
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
        self.name = f"recording {root}"
        self.lacks: Counter[str] = Counter()
        self.notes: list[str] = []
        self._lock: FolderLock | None = None
        self._spool: SpoolWriter | None = None

    def begin(
        self, robot: RobotSpec, policy: Policy, task: Task, initial: Mapping[str, Any]
    ) -> None:
        """Open the spool, and do once what every step and the end will do.

        The folder belongs to this process from here until `close`.

        Raises:
            ConfigError: If the folder cannot be written, is another process's, or holds something
                that this episode cannot be appended to.
        """
        from robot_policies.data.appending import check_appendable
        from robot_policies.data.episodes import load_lerobot

        if self._lock is None:
            self._lock = FolderLock(self.root)
        check_appendable(self.root, robot, (STATE, ACTION, LEVEL, REFUSAL))
        self._robot, self._steps = robot, 0
        about = {
            "robot": robot.name,
            "policy": policy.name,
            "task": task.name,
            "initial": initial,
            "fps": robot.control_rate,
            "images": self._images,
        }
        folder = self.root.with_name(f"{self.root.name}.spool")
        try:
            _exercise(folder / PROBE, robot)
            self._spool = SpoolWriter(_free_path(folder), about)
        except BackendError as error:
            raise ConfigError(f"recording: {error}") from None
        # Seconds, which nobody waits for while the episode runs; rows wait in the queue.
        self._loading = threading.Thread(target=load_lerobot, daemon=True)
        self._loading.start()

    def step(self, record: "StepRecord") -> None:
        """Append one control step."""
        assert self._spool is not None
        if not self._steps:
            self._spool.note({"names": element_names(self._robot, record.sent.kind)})
        self._steps += 1
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
        try:
            self._spool.write(now, values, stamps)
        except BackendError as error:
            kept = f"{self._steps - 1} steps are kept: {self._rescue(self._spool)}"
            raise BackendError(f"{error}; {kept}") from None

    def end(self, result: "EpisodeResult") -> None:
        """Turn the spool into an episode of the dataset, and say so if that takes a while."""
        from robot_policies.data.convert import append_spools

        if self._spool is None:
            return
        spool, self._spool = self._spool, None
        spool.close({**asdict(result), "lacks": dict(self.lacks)})
        if not self._steps:
            self.notes.append("an episode without a step was not recorded")
            _discard(spool.path)
            return
        self._loading.join()
        try:
            left_out = append_spools([spool.path], self.root, self._tell).notes
        except RobotPoliciesError as error:
            kind = ConfigError if isinstance(error, ConfigError) else BackendError
            raise kind(f"{error}; the episode is kept: {self._rescue(spool)}") from None
        if left_out:
            self.notes += (*left_out, f"{spool.path}: kept, because the dataset lacks this")
        else:
            _discard(spool.path)

    def _tell(self, done: int, total: int) -> None:
        """Say how far the conversion is; a short one needs no words."""
        if total >= LONG and done % (total // 10) == 0:
            after = "" if done else "; it is finished also if the launch ends before"
            say(f"{self.root}: converting the recording, {done} of {total} steps{after}")

    def _rescue(self, spool: SpoolWriter) -> str:
        return f"robot-policies data convert {spool.path} {self.root}"

    def close(self) -> None:
        """Leave an episode that did not end in its spool, and the folder to others."""
        spool, self._spool = self._spool, None
        try:
            if spool is not None:
                spool.close()
        finally:
            if spool is not None and not self._steps:
                _discard(spool.path)
            if self._lock is not None:
                self._lock.release()
                self._lock = None


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


def _exercise(path: Path, robot: RobotSpec) -> None:
    """Write a row that is thrown away: the code is loaded, and there is room."""
    rng = np.random.default_rng(0)
    values: dict[str, Value] = {name: spec.example(rng) for name, spec in robot.streams.items()}
    path.unlink(missing_ok=True)
    try:
        writer = SpoolWriter(path, {})
        writer.write(0.0, values, dict.fromkeys(values, 0.0))
        writer.close({})
    finally:
        path.unlink(missing_ok=True)


def _discard(path: Path) -> None:
    path.unlink(missing_ok=True)
    if not any(path.parent.iterdir()):
        path.parent.rmdir()


def _free_path(folder: Path) -> Path:
    taken = {path.name for path in folder.glob("episode-*.mcap")}
    number = 0
    while f"episode-{number:06d}.mcap" in taken:
        number += 1
    return folder / f"episode-{number:06d}.mcap"
