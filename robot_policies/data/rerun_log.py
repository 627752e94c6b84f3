"""An episode in the Rerun viewer, live or as an `.rrd` file."""

from collections import Counter, deque
from collections.abc import Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

import numpy as np

from robot_policies.data.viewer import Viewer, open_viewer
from robot_policies.interface import (
    ActionKind,
    BackendError,
    Command,
    ConfigError,
    Policy,
    RobotSpec,
    RobotState,
    Task,
)
from robot_policies.interface.clouds import present
from robot_policies.interface.observation import (
    IMAGES,
    IMU,
    IMU_NAMES,
    POINTS,
    VELOCITY_COMMAND,
    VELOCITY_COMMAND_NAMES,
)

if TYPE_CHECKING:
    from robot_policies.control.records import EpisodeResult, StepRecord

TIMELINE = "time"
LEVELS = {"pass": "INFO", "hold": "WARN", "damp": "ERROR", "estop": "CRITICAL"}
JPEG_QUALITY = 80
TRAIL_EVERY = 10  # steps between two points of the base's trail
TRAIL = 300  # points; a minute of a walking robot
ROOM = 4096  # bytes that a new file must have room for
PATIENCE = 2.0  # s; how old a step may be before it is not shown any more
FLUSH = 5.0  # s; for a viewer to take what was logged


class RerunLog:
    """Observer that shows joints, inertial unit, images, base and the safety gate's decisions.

    Attributes:
        name: What people call it.
        patience: How old a step may be before it is passed over. [s]
        lacks: Steps it did not show in this episode.
        notes: What people should know of what it wrote.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Choose where to.

        Args:
            path: An `.rrd` file; `None` opens the viewer.
        """
        self.path = path
        self.name = "viewer" if path is None else f"log {path}"
        self.patience = PATIENCE
        self.lacks: Counter[str] = Counter()
        self.notes: list[str] = []
        self._stream: Any = None
        self._viewer: Viewer | None = None

    def begin(
        self, robot: RobotSpec, policy: Policy, task: Task, initial: Mapping[str, Any]
    ) -> None:
        """Open the file or the viewer, and name the curves.

        Raises:
            ConfigError: If the file cannot be written.
            BackendError: If the viewer cannot be started.
        """
        import rerun as rr

        self.close()
        self._robot, self._said, self._steps = robot, ("", ""), 0
        self._trail: deque[np.ndarray] = deque(maxlen=TRAIL)
        stream = rr.RecordingStream("robot_policies", make_default=False)
        if self.path is not None:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self.path.write_bytes(bytes(ROOM))
            except OSError as error:
                raise ConfigError(f"{self.path}: {error.strerror}") from None
            stream.save(self.path)
        else:
            self._viewer = open_viewer()
            stream.connect_grpc(self._viewer.address)
        self._stream = stream
        text = f"policy {policy.name}, task {task.name}, robot {robot.name}"
        stream.log("episode", rr.TextDocument(text), static=True)
        axes, joints = list("xyz"), list(robot.joint_names)
        curves = {
            "joints/position": joints,
            "joints/command": joints,
            "joints/velocity": joints,
            "joints/effort": joints,
            "imu/orientation": list("xyzw"),
            "imu/angular_velocity": axes,
            "imu/linear_acceleration": axes,
            "base/velocity": axes,
            "base/command": list(VELOCITY_COMMAND_NAMES),
        }
        for path, names in curves.items():
            stream.log(path, rr.SeriesLines(names=names), static=True)
        stream.log("world", rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
        self._flush()

    def step(self, record: "StepRecord") -> None:
        """Log one control step."""
        import rerun as rr

        stream = self._stream
        stream.set_time(TIMELINE, duration=record.time)
        self._log_state(record.state)
        self._log_command(record.sent)
        command = record.goal.get(VELOCITY_COMMAND)
        if command is not None:
            stream.log("base/command", rr.Scalars(command))
        stream.log("task/progress", rr.Scalars(record.progress))
        refusal = record.verdict.refusal
        level, text = str(record.verdict.level), "" if refusal is None else refusal.text
        cause = "" if refusal is None else str(refusal.cause)
        if (level, cause) != self._said:  # the same decision again is no news
            said = rr.TextLog(f"{level}: {text}" if text else level, level=LEVELS[level])
            stream.log("safety", said)
            self._said = level, cause
        self._steps += 1

    def _log_state(self, state: RobotState) -> None:
        import rerun as rr

        stream = self._stream
        stream.log("joints/position", rr.Scalars(state.joint_position))
        stream.log("joints/velocity", rr.Scalars(state.joint_velocity))
        if len(state.joint_effort):
            stream.log("joints/effort", rr.Scalars(state.joint_effort))
        for name, value in state.features.items():
            if name == IMU:
                for part in ("orientation", "angular_velocity", "linear_acceleration"):
                    which = [i for i, element in enumerate(IMU_NAMES) if element.startswith(part)]
                    stream.log(f"imu/{part}", rr.Scalars(value[which]))
            elif name.startswith(IMAGES):
                image = rr.Image(value).compress(jpeg_quality=JPEG_QUALITY)
                stream.log(f"cameras/{name.removeprefix(f'{IMAGES}.')}", image)
            elif name == POINTS:
                stream.log("world/points", rr.Points3D(present(value)[:, :3]))
        if "base_velocity" in state.truth:
            stream.log("base/velocity", rr.Scalars(state.truth["base_velocity"][:3]))
        if "base_position" in state.truth:
            self._log_base(state)

    def _log_base(self, state: RobotState) -> None:
        import rerun as rr

        position = np.asarray(state.truth["base_position"], np.float64)
        orientation = state.truth.get("base_orientation", np.array([0.0, 0.0, 0.0, 1.0]))
        turned = rr.Quaternion(xyzw=orientation)
        axes = rr.TransformAxes3D(0.2)
        placed = rr.Transform3D(translation=position, quaternion=turned)
        self._stream.log("world/base", placed, axes)
        if self._steps % TRAIL_EVERY == 0:
            self._trail.append(position)
            self._stream.log("world/trail", rr.LineStrips3D([np.array(self._trail)]))

    def _log_command(self, sent: Command) -> None:
        import rerun as rr

        if sent.kind is ActionKind.JOINT_POSITION:
            self._stream.log("joints/command", rr.Scalars(sent.values))
        else:
            self._stream.log(f"command/{sent.kind}", rr.Scalars(sent.values))

    def skip(self, record: "StepRecord") -> bool:
        """Pass over a step."""
        self.lacks["steps"] += 1
        return True

    def end(self, result: "EpisodeResult") -> None:
        """Write the result and let go of the file or the viewer."""
        import rerun as rr

        if self._stream is None:
            return
        metrics = ", ".join(f"{name} {value:.3g}" for name, value in result.metrics.items())
        text = " ".join(filter(None, (f"ended by {result.ended_by}", result.reason, metrics)))
        self._stream.log("safety", rr.TextLog(text, level="INFO"))
        self._flush()
        self.close()

    def close(self) -> None:
        """Let go of the file or the viewer."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.disconnect()

    def _flush(self) -> None:
        try:
            self._stream.flush(timeout_sec=FLUSH)
        except (RuntimeError, ValueError, OSError) as error:
            # Rerun says only that its writer has ended.
            cause = _fault_beside(self.path) if self.path else ""
            cause = self._viewer.ended(PATIENCE) if self._viewer else cause
            reason = cause or " ".join(str(error).split())
            raise BackendError(f"{self.path or 'viewer'}: {reason}") from None


def _fault_beside(path: Path) -> str:
    """Return why nothing can be written beside a file; empty if it can."""
    try:
        with NamedTemporaryFile(dir=path.parent) as probe:
            probe.write(bytes(ROOM))
            probe.flush()
    except OSError as error:
        return str(error.strerror)
    return ""
