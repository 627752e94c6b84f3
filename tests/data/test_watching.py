"""Films and Rerun logs of an episode."""

import socket
import sys
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import sample_episode as sample

from robot_policies.data import viewer
from robot_policies.data.caption import captioned
from robot_policies.data.observers import make_observers
from robot_policies.data.rerun_log import TRAIL, RerunLog
from robot_policies.data.video import VideoWriter
from robot_policies.interface import BackendError, ConfigError, RobotBackend


class Filmed:
    """Counts how often it was looked at, and shows it."""

    looks = 0

    def look(self, width: int, height: int) -> np.ndarray:
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

    filmed = Filmed()
    watch(VideoWriter(tmp_path / "new" / "a.mp4", look=filmed.look, size=(64, 48)))
    film = frames(tmp_path / "new" / "a.mp4")
    assert len(film) == filmed.looks == 10
    assert film[0].shape == (48, 64, 3)
    means = [frame[:40].mean() for frame in film]
    np.testing.assert_allclose(means, [4 * k for k in range(1, 11)], atol=3)
    with av.open(str(tmp_path / "new" / "a.mp4")) as container:
        assert container.streams.video[0].average_rate == 25


def test_a_camera_of_the_robot_is_filmed_in_its_own_size(tmp_path):
    watch(VideoWriter(tmp_path / "a.mp4", camera="front", fps=50.0), camera=True)
    film = frames(tmp_path / "a.mp4")
    assert len(film) == 20
    assert film[3].shape == sample.SHAPE
    assert np.abs(film[3].astype(float) - sample.image(3)).mean() < 12.0


def test_an_odd_size_loses_a_column_rather_than_the_film(tmp_path):
    watch(VideoWriter(tmp_path / "a.mp4", look=Filmed().look, size=(65, 49)), steps=2)
    assert frames(tmp_path / "a.mp4")[0].shape == (48, 64, 3)


def test_an_unfinished_film_can_be_played(tmp_path):
    spec = sample.robot()
    video = VideoWriter(tmp_path / "a.mp4", look=Filmed().look, size=(64, 48), fps=50)
    video.begin(spec, sample.policy(spec), sample.task(), {})
    for k in range(550):
        video.step(sample.record(k))
    copy = tmp_path / "copy.mp4"
    copy.write_bytes((tmp_path / "a.mp4").read_bytes())
    assert len(frames(copy)) >= 400
    video.end(sample.result(550))


def test_steps_that_are_passed_over_leave_the_others_at_their_time(tmp_path):
    import av

    spec = sample.robot()
    video = VideoWriter(tmp_path / "a.mp4", look=Filmed().look, size=(64, 48))
    video.begin(spec, sample.policy(spec), sample.task(), {})
    for k in range(20):
        (video.skip if 4 <= k < 10 else video.step)(sample.record(k))
    assert video.lacks == {"frames": 3}
    video.end(sample.result(20))
    with av.open(str(tmp_path / "a.mp4")) as container:
        times = np.array([frame.time for frame in container.decode(video=0)])
    since_first = times - times[0]
    np.testing.assert_allclose(since_first, [0.0, 0.04, *np.arange(5, 10) * 0.04], atol=1e-3)


def test_what_cannot_be_filmed_is_refused(tmp_path):
    robot = cast(RobotBackend, SimpleNamespace(provides={}, spec=SimpleNamespace(links=())))
    with pytest.raises(ConfigError, match="neither a camera nor a figure"):
        make_observers(robot, video=tmp_path / "a.mp4")
    with pytest.raises(ConfigError, match="only .mp4 is written"):
        VideoWriter(tmp_path / "a.gif")
    (tmp_path / "b.mp4").mkdir()
    spec, video = sample.robot(), VideoWriter(tmp_path / "b.mp4", look=Filmed().look)
    with pytest.raises(ConfigError, match=str(tmp_path)):
        video.begin(spec, sample.policy(spec), sample.task(), {})


def test_a_caption_says_what_was_asked_for_and_the_safety_level():
    paper = np.full((720, 960, 3), 255, np.uint8)
    lines = [captioned(paper, sample.record(k), "reach") for k in (1, 2)]
    for line in lines:
        np.testing.assert_array_equal(line[:676], 255)
        assert (line[677:] < 50).mean() > 0.8
    # Only the clock and the level differ: green "pass", and amber "hold: position".
    differs = np.argwhere((lines[0] != lines[1]).any(axis=(0, 2)))[:, 0]
    assert not ((differs > 130) & (differs < 700)).any()
    assert lines[0][677:, 800:, 1].max() > lines[0][677:, 800:, 0].max()
    assert lines[1][677:, 800:, 0].max() > lines[1][677:, 800:, 1].max()


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


def test_the_trail_is_bounded(tmp_path):
    log = RerunLog(tmp_path / "a.rrd")
    spec = sample.robot()
    log.begin(spec, sample.policy(spec), sample.task(), {})
    for k in range(10 * TRAIL + 100):
        log.step(sample.record(k))
    assert len(log._trail) == TRAIL
    log.close()


def test_a_viewer_without_a_screen_is_refused_at_once(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(viewer, "PORT", 1)  # nobody listens there
    spec = sample.robot()
    with pytest.raises(BackendError, match=r"no screen .*episode.rrd"):
        RerunLog().begin(spec, sample.policy(spec), sample.task(), {})


FAKE = """import socket, sys
host, port = (sys.argv[sys.argv.index(name) + 1] for name in ("--bind", "--port"))
opened = socket.create_server((host, int(port)))
opened.accept()
sys.exit(f"Error: app creation error: the graphics driver of {host} lacks some abilities")
"""


def test_a_viewer_that_cannot_draw_says_why_before_the_start(tmp_path, monkeypatch):
    """It opens its port first, which only this host can reach, and finds out then."""
    program = tmp_path / "python"
    program.write_text(f"#!{sys.executable}\n{FAKE}")
    program.chmod(0o700)
    with socket.create_server(("127.0.0.1", 0)) as free:
        monkeypatch.setattr(viewer, "PORT", free.getsockname()[1])
    monkeypatch.setattr(viewer.sys, "executable", str(program))
    monkeypatch.setenv("DISPLAY", ":99")
    spec = sample.robot()
    with pytest.raises(BackendError, match=r"'rerun': app creation error: .* of 127\.0\.0\.1"):
        RerunLog().begin(spec, sample.policy(spec), sample.task(), {})


def test_a_log_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    spec, log = sample.robot(), RerunLog(tmp_path / "file" / "a.rrd")
    with pytest.raises(ConfigError, match="file"):
        log.begin(spec, sample.policy(spec), sample.task(), {})
