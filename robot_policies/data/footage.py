"""What the cameras saw in an episode, on its way into a dataset.

LeRobot writes each picture into a file and reads it again for the statistics and for the film,
which takes several times as long as encoding alone. Here a picture is encoded when it comes, and a
few are kept small for the statistics.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from robot_policies.interface import ConfigError

CODEC = "h264"  # every player reads it, and it encodes faster than LeRobot's AV1
PRESET = "veryfast"
SAMPLES = 100  # pictures that statistics are of, at least, as LeRobot has it


def encoder() -> Any:
    """Return LeRobot's description of how films are encoded: its own quality and key frames."""
    from lerobot.configs import RGBEncoderConfig

    return RGBEncoderConfig(vcodec=CODEC, preset=PRESET)


class Footage:
    """Films and pictures of one episode; the films are complete at the end, or gone."""

    def __init__(
        self, features: Mapping[str, Mapping[str, Any]], films: Mapping[str, Path], fps: int
    ) -> None:
        """Name the files.

        Args:
            features: LeRobot's description of each column.
            films: File of each column that is a video.
            fps: Frames per second.
        """
        kinds = {name: feature["dtype"] for name, feature in features.items()}
        self._shapes = {
            name: tuple(features[name]["shape"])
            for name, kind in kinds.items()
            if kind in ("video", "image")
        }
        self._paths, self._fps = films, fps
        self._films: dict[str, Film] = {}
        self._samples = {name: Samples() for name in self._shapes}

    def __enter__(self) -> "Footage":
        """Open the films."""
        try:
            for name, path in self._paths.items():
                self._films[name] = Film(path, self._fps, self._shapes[name])
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Complete the films, or remove them."""
        try:
            for film in self._films.values() if kind is None else ():
                film.close()
        except BaseException:
            self._discard()
            raise
        if kind is not None:
            self._discard()

    def _discard(self) -> None:
        for film in self._films.values():
            with suppress(OSError, ValueError):
                film.discard()

    def taken(self, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the rows without what is filmed, and with a PNG file in place of a picture.

        Raises:
            ConfigError: If a picture is none, or of another size.
        """
        for number, row in enumerate(rows):
            kept = dict(row)
            for name, shape in self._shapes.items():
                picture = np.asarray(kept.pop(name))
                if picture.shape != shape or picture.dtype != np.uint8:
                    got = f"{picture.dtype} of shape {picture.shape}"
                    raise ConfigError(f"{name}: expected uint8 of shape {shape}, got {got}")
                self._samples[name].add(picture)
                if name in self._films:
                    self._films[name].add(picture)
                else:
                    kept[name] = {"bytes": as_png(picture), "path": f"frame-{number:06d}.png"}
            yield kept

    def statistics(self) -> dict[str, dict[str, np.ndarray]]:
        """Return LeRobot's statistics of each camera."""
        return {name: samples.statistics() for name, samples in self._samples.items()}


class Film:
    """The MP4 file of one camera."""

    def __init__(self, path: Path, fps: int, shape: tuple[int, ...]) -> None:
        """Create the file.

        Args:
            path: Where; absolute, because FFmpeg takes what stands before a colon for a protocol.
            fps: Frames per second.
            shape: Height, width and 3.

        Raises:
            ConfigError: If the codec cannot encode such pictures.
        """
        import av

        height, width, _ = shape
        if height % 2 or width % 2:
            raise ConfigError(
                f"{path}: {CODEC} needs an even height and width, got {height} x {width}; "
                "record such pictures as png"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, settings = path, encoder()
        self._container = av.open(str(path), "w", format="mp4")
        options = settings.get_codec_options(as_strings=True)
        self._stream: Any = self._container.add_stream(CODEC, fps, options=options)
        self._stream.pix_fmt = settings.pix_fmt
        self._stream.width, self._stream.height = width, height

    def add(self, picture: np.ndarray) -> None:
        """Append a picture. Shape (height, width, 3), uint8 RGB."""
        import av

        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Complete the file."""
        self._container.mux(self._stream.encode(None))
        self._container.close()

    def discard(self) -> None:
        """Remove the file."""
        try:
            self._container.close()
        finally:
            self._path.unlink(missing_ok=True)


class Samples:
    """A few of a camera's pictures, evenly spread over an episode of any length."""

    def __init__(self) -> None:
        """Begin with none."""
        self._kept: list[np.ndarray] = []
        self._every, self._seen = 1, 0

    def add(self, picture: np.ndarray) -> None:
        """Look at a picture, and keep it if its turn has come. Shape (height, width, 3)."""
        from lerobot.datasets.compute_stats import auto_downsample_height_width

        if self._seen % self._every == 0:
            # A copy: the whole picture would be kept otherwise.
            self._kept.append(auto_downsample_height_width(picture.transpose(2, 0, 1)).copy())
        self._seen += 1
        if len(self._kept) == 2 * SAMPLES:
            self._kept = self._kept[::2]
            self._every *= 2

    def statistics(self) -> dict[str, np.ndarray]:
        """Return LeRobot's statistics by channel, of values in [0, 1]. Shape (3, 1, 1) each."""
        from lerobot.datasets.compute_stats import get_feature_stats

        found = get_feature_stats(np.stack(self._kept), axis=(0, 2, 3), keepdims=True)
        return {
            name: value if name == "count" else value[0] / 255.0 for name, value in found.items()
        }


def as_png(picture: np.ndarray) -> bytes:
    """Return a picture as the bytes of a PNG file. Shape (height, width, 3), uint8 RGB."""
    from PIL import Image

    file = BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=1)
    return file.getvalue()
