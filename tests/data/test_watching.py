"""Films and Rerun logs of an episode."""

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import sample_episode as sample

from robot_policies.data.rerun_log import RerunLog
from robot_policies.data.video import VideoWriter
from robot_policies.interface import ArraySpec, ConfigError, RobotBackend, RobotState

CAMERA = "observation.images.front"


class Filmed:
    """A simulator that shows how often it was looked at."""

    spec = sample.robot()
    provides = {CAMERA: ArraySpec(CAMERA, sample.SHAPE, np.dtype(np.uint8))}
    accepts = frozenset()
    looks = 0

    def connect(self) -> None: ...
    def write(self, command): ...
    def stop(self, reason): ...
    def close(self) -> None: ...
    def reset(self, seed, options): ...
    def advance(self, dt): ...

    def read(self, pictures: bool = True) -> RobotState: ...

    def render(self, width: int, height: int) -> np.ndarray:
        self.looks += 1
        return np.full((height, width, 3), 4 * self.looks % 255, np.uint8)


def watch(observer, steps: int = 20, **how) -> None:
    spec = sample.robot()
    observer.begin(spec, sample.policy(spec), sample.task(), {})
    for k in range(steps):
        observer.step(sample.record(k, **how))
    observer.end(sample.result(steps))


def frames(path) -> list[np.ndarray]:
    import av

    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_a_film_has_one_frame_for_every_second_step_at_half_the_rate(tmp_path):
    import av

    backend = Filmed()
    watch(VideoWriter(tmp_path / "new" / "a.mp4", backend, size=(64, 48)))
    film = frames(tmp_path / "new" / "a.mp4")
    assert len(film) == backend.looks == 10
    assert film[0].shape == (48, 64, 3)
    np.testing.assert_allclose([f.mean() for f in film], [4 * k for k in range(1, 11)], atol=3)
    with av.open(str(tmp_path / "new" / "a.mp4")) as container:
        assert container.streams.video[0].average_rate == 25


def test_a_camera_of_the_robot_is_filmed_in_its_own_size(tmp_path):
    watch(VideoWriter(tmp_path / "a.mp4", Filmed(), camera="front", fps=50.0), camera=True)
    film = frames(tmp_path / "a.mp4")
    assert len(film) == 20
    assert film[3].shape == sample.SHAPE
    assert np.abs(film[3].astype(float) - sample.image(3)).mean() < 12.0


def test_an_odd_size_loses_a_column_rather_than_the_film(tmp_path):
    watch(VideoWriter(tmp_path / "a.mp4", Filmed(), size=(65, 49)), steps=2)
    assert frames(tmp_path / "a.mp4")[0].shape == (48, 64, 3)


def test_an_unfinished_film_can_be_played(tmp_path):
    spec, video = sample.robot(), VideoWriter(tmp_path / "a.mp4", Filmed(), size=(64, 48), fps=50)
    video.begin(spec, sample.policy(spec), sample.task(), {})
    for k in range(550):
        video.step(sample.record(k))
    copy = tmp_path / "copy.mp4"
    copy.write_bytes((tmp_path / "a.mp4").read_bytes())
    assert len(frames(copy)) >= 400
    video.end(sample.result(550))


def test_what_cannot_be_filmed_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"no camera 'frnt'. Did you mean 'front'"):
        VideoWriter(tmp_path / "a.mp4", Filmed(), camera="frnt")
    blind = cast(RobotBackend, SimpleNamespace(provides={}))
    with pytest.raises(ConfigError, match="neither a camera nor"):
        VideoWriter(tmp_path / "a.mp4", blind)
    spec, video = sample.robot(), VideoWriter(tmp_path, Filmed())
    with pytest.raises(ConfigError, match=str(tmp_path)):
        video.begin(spec, sample.policy(spec), sample.task(), {})


def test_a_rerun_file_holds_every_stream(tmp_path):
    path = tmp_path / "new" / "a.rrd"
    watch(RerunLog(path), camera=True)
    content = path.read_bytes()
    assert content[:3] == b"RRF"
    for entity in (b"joints/position", b"joints/command", b"imu/angular_velocity", b"world/trail"):
        assert entity in content
    assert b"cameras/front" in content
    short = tmp_path / "short.rrd"
    watch(RerunLog(short), steps=2)
    assert path.stat().st_size > short.stat().st_size + 10_000
