"""What watches an episode, from what the command line and the launch file say."""

from pathlib import Path
from typing import TYPE_CHECKING

from robot_policies.interface import ConfigError, RobotBackend
from robot_policies.interface.errors import suggestion

if TYPE_CHECKING:
    from robot_policies.control.records import Observer

LIVE = "rerun"


def make_observers(
    backend: RobotBackend,
    *,
    record: Path | None = None,
    viewer: str | None = None,
    video: Path | None = None,
) -> list["Observer"]:
    """Make the observers that are asked for; empty means none, as in a launch file.

    Args:
        backend: The robot, for its view.
        record: Folder of the LeRobot dataset to append to.
        viewer: `rerun` opens the viewer, a name ending in `.rrd` is written for it.
        video: MP4 file to write.

    Raises:
        ConfigError: If the viewer or the file cannot be, or there is nothing to film.
    """
    observers: list[Observer] = []
    if viewer and viewer != LIVE and not viewer.endswith(".rrd"):
        raise ConfigError(f"no viewer '{viewer}'.{suggestion(viewer, [LIVE, 'FILE.rrd'])}")
    if record:
        from robot_policies.data.recorder import Recorder

        observers.append(Recorder(record))
    if video:
        if video.suffix != ".mp4":
            raise ConfigError(f"video '{video}': only .mp4 is written")
        from robot_policies.data.video import VideoWriter

        observers.append(VideoWriter(video, backend))
    if viewer:
        from robot_policies.data.rerun_log import RerunLog

        observers.append(RerunLog(None if viewer == LIVE else Path(viewer)))
    return observers
