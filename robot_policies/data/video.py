"""MP4 of an episode: the robot drawn from its measurements, or what one of its cameras saw."""

from collections import Counter
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from robot_policies.interface import BackendError, ConfigError, Policy, RobotSpec, RobotState, Task
from robot_policies.interface.observation import IMAGES

if TYPE_CHECKING:
    from robot_policies.control.records import EpisodeResult, StepRecord

FRAGMENT = 2.0  # s; what a killed process may lose
PATIENCE = 10.0  # s; how old a step may be before it is not drawn any more
FPS = 25.0  # as near as the control rate allows
SIZE = 960, 720  # width and height [px]; even numbers, as the codec wants them


class Figure(Protocol):
    """Draws a robot in the pose that was measured."""

    def draw(self, state: RobotState, width: int, height: int) -> np.ndarray:
        """Return a picture. Shape (height, width, 3), uint8 RGB."""
        ...

    def close(self) -> None:
        """Release what draws."""
        ...


class VideoWriter:
    """Observer that films an episode; a second episode replaces the film of the first.

    The file is written in fragments of two seconds, so that a killed process loses only the last.

    Attributes:
        name: What people call it.
        patience: How old a step may be before it is passed over. [s]
        lacks: Frames it did not draw in this episode.
        notes: What people should know of what it wrote.
        faults: Nothing: it raises what goes wrong.
        figures: Nothing: where it films in the control thread, it is never behind.
    """

    figures: Mapping[str, float] = {}

    def __init__(
        self,
        path: Path,
        camera: str = "",
        look: Callable[[int, int], np.ndarray] | None = None,
        fps: float = FPS,
        size: tuple[int, int] = SIZE,
    ) -> None:
        """Choose what is filmed; the robot's figure, if nothing else is.

        Args:
            path: File to write.
            camera: One of the robot's cameras, filmed in its own size.
            look: Draws in a given width and height, for what no figure is known of.
            fps: Frames per second, as near as the control rate allows.
            size: Width and height of a drawn picture, even numbers. [px]

        Raises:
            ConfigError: If the file's name has another ending.
        """
        if path.suffix != ".mp4":
            raise ConfigError(f"video '{path}': only .mp4 is written")
        self.path, self._camera, self._look = path, camera, look
        self._fps, self._size = fps, size
        self.name, self.patience = f"film {path}", PATIENCE
        self.lacks: Counter[str] = Counter()
        self.notes: list[str] = []
        self.faults: list[str] = []
        self._figure: Figure | None = None
        self._film: _Film | None = None

    def begin(
        self, robot: RobotSpec, policy: Policy, task: Task, initial: Mapping[str, Any]
    ) -> None:
        """Open the file, and draw and encode a picture that is thrown away.

        Raises:
            ConfigError: If the file cannot be written.
            BackendError: If the machine cannot draw.
        """
        self.close()
        self._every = max(1, round(robot.control_rate / self._fps))
        rate = Fraction(robot.control_rate / self._every).limit_denominator(1000)
        self._steps = 0
        self._task = task.name
        if not (self._camera or self._look):
            from robot_policies.catalog import make_figure

            figure: Figure = make_figure(robot, task.scene)
            standing = RobotState(0.0, robot.default, np.zeros(len(robot.joints)))
            figure.draw(standing, *self._size)
            self._figure = figure
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            _Film(self.path, rate).add(np.zeros((*self._size[::-1], 3), np.uint8), 0).close()
            self._film = _Film(self.path, rate)
        except OSError as error:
            raise ConfigError(f"{self.path}: {error.strerror or error}") from None

    def step(self, record: "StepRecord") -> None:
        """Film every few control steps.

        Raises:
            BackendError: If the disk is full.
        """
        frame = self._due()
        if frame is None or self._film is None:
            return
        picture = self._picture(record)
        if picture is None:  # the camera has not started
            return
        try:
            self._film.add(picture, frame)
        except OSError as error:
            raise BackendError(f"{self.path}: {error.strerror or error}") from None

    def skip(self, record: "StepRecord") -> bool:
        """Pass over a step; the picture before it stays."""
        due = self._due() is not None
        self.lacks["frames"] += due
        return due

    def _due(self) -> int | None:
        """Count a step; return the number of the frame that belongs to it."""
        frame, rest = divmod(self._steps, self._every)
        self._steps += 1
        return None if rest else frame

    def _picture(self, record: "StepRecord") -> np.ndarray | None:
        if self._camera:
            return record.state.features.get(f"{IMAGES}.{self._camera}")
        from robot_policies.data.caption import captioned

        if self._figure is not None:
            picture = self._figure.draw(record.state, *self._size)
        else:
            assert self._look is not None
            picture = self._look(*self._size)
        return captioned(picture, record, self._task)

    def end(self, result: "EpisodeResult") -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file and release what draws."""
        figure, self._figure = self._figure, None
        film, self._film = self._film, None
        try:
            if film is not None:
                film.close()
        except OSError as error:
            raise BackendError(f"{self.path}: {error.strerror or error}") from None
        finally:
            if figure is not None:
                figure.close()


class _Film:
    """A file that is being filmed; its frames have numbers, and one that is missing shows."""

    def __init__(self, path: Path, rate: Fraction) -> None:
        import av

        self._sink, self._rate = _Sink(path), rate
        options = {"movflags": "frag_keyframe+empty_moov", "flush_packets": "1"}
        self._container = av.open(self._sink, "w", format="mp4", options=options)
        self._stream: Any = None

    def add(self, picture: np.ndarray, number: int) -> "_Film":
        import av

        if self._stream is None:
            height, width = picture.shape[:2]
            self._stream = self._container.add_stream("libx264", rate=self._rate)
            self._stream.width, self._stream.height = width - width % 2, height - height % 2
            self._stream.pix_fmt = "yuv420p"
            self._stream.options = {"preset": "veryfast", "crf": "23"}
            self._stream.codec_context.gop_size = round(FRAGMENT * self._rate)
            self._stream.codec_context.thread_count = 1
            self._stream.codec_context.time_base = 1 / self._rate
        picture = picture[: self._stream.height, : self._stream.width]
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame.pts, frame.time_base = number, 1 / self._rate
        self._container.mux(self._stream.encode(frame))
        self._sink.check()
        return self

    def close(self) -> None:
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))
        self._container.close()
        self._sink.close()


class _Sink:
    """A file whose faults wait for `check`: FFmpeg crashes where writing raises an error."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self._error: OSError | None = None

    def write(self, data: bytes) -> int:
        rest = memoryview(data)
        try:
            while rest and self._error is None:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._error = error
        return len(data)

    def check(self) -> None:
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        self._file.close()
        self.check()
