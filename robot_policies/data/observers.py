"""What watches an episode, from what the command line and the launch file say."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from robot_policies.control.records import Observer
from robot_policies.interface import ConfigError, RobotBackend, Simulator
from robot_policies.interface.errors import suggestion
from robot_policies.interface.observation import IMAGES

if TYPE_CHECKING:
    from robot_policies.data.video import VideoWriter
    from robot_policies.data.watchers import Watcher

LIVE = "rerun"
ITSELF = 480, 480  # pixels of the picture that an environment draws of itself


class RecordingObserver(Observer, Protocol):
    """An observer that writes or shows an episode.

    Attributes:
        faults: What went wrong since `begin`, one line each; the robot went on.
        notes: What people should know of what was written, one line each.
    """

    faults: list[str]
    notes: list[str]

    @property
    def figures(self) -> Mapping[str, float]:
        """How well it keeps up, by name."""
        ...

    def close(self) -> None:
        """Let go of files and processes; may be called twice."""
        ...


def make_observers(
    backend: RobotBackend,
    *,
    record: Path | None = None,
    viewer: str | None = None,
    video: Path | None = None,
    images: str = "video",
    real_time: bool = True,
    others: "Sequence[Watcher]" = (),
) -> list[RecordingObserver]:
    """Make the observers that are asked for; empty means none, as in a launch file.

    They share one process of their own. Only an environment that nobody else can draw is filmed
    where it runs.

    Args:
        backend: The robot, for its view.
        record: Folder of the LeRobot dataset to append to.
        viewer: `rerun` opens the viewer, a name ending in `.rrd` is written for it.
        video: MP4 file to write.
        images: What `record` keeps of pictures: `video` (MP4, lossy) or `png` (exact).
        real_time: Whether steps come at their time, see `Background`.
        others: What watches besides.

    Raises:
        ConfigError: If the viewer or the file cannot be, or there is nothing to film.
    """
    from robot_policies.data.background import Background

    watchers: list[Watcher] = [*others]
    beside: list[RecordingObserver] = []
    if viewer and viewer != LIVE and not viewer.endswith(".rrd"):
        raise ConfigError(f"no viewer '{viewer}'.{suggestion(viewer, [LIVE, 'FILE.rrd'])}")
    if record:
        from robot_policies.data.recorder import Recorder

        watchers.append(Recorder(record, images))
    if video:
        film, by_itself = _film(video, backend)
        (beside if by_itself else watchers).append(film)
    if viewer:
        from robot_policies.data.rerun_log import RerunLog

        watchers.append(RerunLog(None if viewer == LIVE else Path(viewer)))
    if watchers:
        beside.insert(0, Background(watchers, backend.provides, real_time=real_time))
    return beside


def _film(path: Path, backend: RobotBackend) -> tuple["VideoWriter", bool]:
    """Return what films a robot, and whether it must be where the robot is."""
    from robot_policies.data.video import VideoWriter

    cameras = [f.removeprefix(f"{IMAGES}.") for f in backend.provides if f.startswith(IMAGES)]
    if cameras and not isinstance(backend, Simulator):
        return VideoWriter(path, camera=cameras[0]), False
    if backend.spec.links:
        return VideoWriter(path), False
    if isinstance(backend, Simulator):
        return VideoWriter(path, look=backend.render, size=ITSELF), True
    raise ConfigError("video: this robot has neither a camera nor a figure")
