"""MP4 of an episode, from a simulator's view for people or from one of the robot's cameras."""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from robot_policies.interface import ConfigError, Policy, RobotBackend, RobotSpec, Simulator, Task
from robot_policies.interface.errors import suggestion
from robot_policies.interface.observation import IMAGES

if TYPE_CHECKING:
    from robot_policies.control.records import EpisodeResult, StepRecord

FRAGMENT = 2.0  # s; what a killed process may lose


class VideoWriter:
    """Observer that films an episode; a second episode replaces the film of the first.

    The file is written in fragments of two seconds, so that a killed process loses only the last.
    """

    def __init__(
        self,
        path: Path,
        backend: RobotBackend,
        camera: str = "",
        fps: float = 25.0,
        size: tuple[int, int] = (480, 270),
    ) -> None:
        """Choose what is filmed.

        Args:
            path: File to write.
            backend: The robot.
            camera: One of its cameras, filmed in its own size; the simulator's view if empty.
            fps: Frames per second, as near as the control rate allows.
            size: Width and height of the simulator's view, even numbers; without a GPU, drawing
                480x270 takes half a control step at 50 Hz, 640x360 nearly all of it. [px]

        Raises:
            ConfigError: If the backend has no such camera, or no view.
        """
        cameras = [f.removeprefix(f"{IMAGES}.") for f in backend.provides if f.startswith(IMAGES)]
        if camera and camera not in cameras:
            raise ConfigError(f"video: no camera '{camera}'.{suggestion(camera, cameras)}")
        if not camera and not isinstance(backend, Simulator):
            if not cameras:
                raise ConfigError("video: this robot has neither a camera nor a simulator's view")
            camera = cameras[0]
        self.path, self._backend, self._camera = Path(path), backend, camera
        self._fps, self._size = fps, size
        self._container: Any = None

    def begin(
        self, robot: RobotSpec, policy: Policy, task: Task, initial: Mapping[str, Any]
    ) -> None:
        """Open the file."""
        import av

        self._every = max(1, round(robot.control_rate / self._fps))
        self._rate = Fraction(robot.control_rate / self._every).limit_denominator(1000)
        self._steps = 0
        self._stream: Any = None
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._file = self.path.open("wb", buffering=0)
        except OSError as error:
            raise ConfigError(f"{self.path}: {error.strerror}") from None
        options = {"movflags": "frag_keyframe+empty_moov", "flush_packets": "1"}
        self._container = av.open(self._file, "w", format="mp4", options=options)

    def step(self, record: "StepRecord") -> None:
        """Film every few control steps."""
        import av

        due = self._steps % self._every == 0
        self._steps += 1
        if not due:
            return
        picture = self._picture(record)
        if picture is None:  # the camera has not started
            return
        if self._stream is None:
            height, width = picture.shape[:2]
            self._stream = self._container.add_stream("libx264", rate=self._rate)
            self._stream.width, self._stream.height = width - width % 2, height - height % 2
            self._stream.pix_fmt = "yuv420p"
            self._stream.options = {"preset": "veryfast", "crf": "23"}
            self._stream.codec_context.gop_size = round(FRAGMENT * self._rate)
            self._stream.codec_context.thread_count = 1
        picture = picture[: self._stream.height, : self._stream.width]
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        self._container.mux(self._stream.encode(frame))

    def _picture(self, record: "StepRecord") -> np.ndarray | None:
        if self._camera:
            return record.state.features.get(f"{IMAGES}.{self._camera}")
        assert isinstance(self._backend, Simulator)
        return self._backend.render(*self._size)

    def end(self, result: "EpisodeResult") -> None:
        """Close the file."""
        if self._container is None:
            return
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))
            self._container.close()
        self._file.close()
        self._container = None
