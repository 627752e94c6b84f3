"""A log as the robot."""

from pathlib import Path

import numpy as np
import pytest
import sample_episode as sample
from conformance import check_backend

from robot_policies.catalog import load_robot, load_task, make_backend
from robot_policies.control.episode import run_episode
from robot_policies.data.convert import convert_go1_logs
from robot_policies.data.recorder import Recorder
from robot_policies.interface import BackendError, Command, ConfigError
from robot_policies.interface.errors import RecordingEnded
from robot_policies.policies.hold import HoldPolicy
from robot_policies_sim.replay_backend import ReplayBackend


@pytest.fixture(scope="module")
def waved(tmp_path_factory) -> Path:
    """Two recorded episodes of the toy robot, the second with other numbers, with a camera."""
    root = tmp_path_factory.mktemp("logs") / "wave"
    spec = sample.robot()
    recorder = Recorder(root, "png")
    for first in (0, 7):
        recorder.begin(spec, sample.policy(spec), sample.task(), {})
        for k in range(5):
            recorder.step(sample.record(first + k, camera=True))
        recorder.end(sample.result(5))
    return root


@pytest.fixture(scope="module")
def standing(tmp_path_factory) -> Path:
    """Two seconds of a Go1 that stands, in the format of the real logs."""
    folder = tmp_path_factory.mktemp("standing")
    states = np.zeros((100, 76), np.float32)
    states[:, 2] = -1.0
    actions, lengths = np.zeros((100, 12), np.float32), np.array([100])
    np.savez(folder / "logs.npz", states=states, actions=actions, lengths=lengths)
    convert_go1_logs(folder / "logs.npz", folder / "dataset")
    return folder / "dataset"


def toy(root: Path, **more) -> ReplayBackend:
    camera = {"width": 64, "height": 48, "focal_length": 50.0, "link": "base"}
    spec = sample.robot(cameras={"front": camera}, imu_link="base")
    return ReplayBackend(spec, {}, dataset=str(root), **more)


def test_it_keeps_the_contract_of_simulators(standing):
    robot = load_robot("go1")
    check_backend(lambda: make_backend("replay", robot, dataset=str(standing)))


def test_it_gives_what_was_recorded_row_by_row(waved):
    backend = toy(waved, episode=1)
    backend.connect()
    backend.reset(0, {})
    for k in range(5):
        state, recorded = backend.read(), sample.record(7 + k, camera=True).state
        np.testing.assert_allclose(state.joint_position, recorded.joint_position, atol=1e-6)
        np.testing.assert_allclose(state.joint_velocity, recorded.joint_velocity, atol=1e-6)
        for name, value in recorded.features.items():
            np.testing.assert_array_equal(state.features[name], value)
            age = recorded.stamp - recorded.stamps[name]
            assert state.stamp - state.stamps[name] == pytest.approx(age, abs=1e-6)
        np.testing.assert_allclose(
            state.truth["base_position"], [0.5 * (7 + k), 0, 0.3], atol=1e-6
        )
        np.testing.assert_allclose(state.truth["velocity_command"], [0.5, 0, 0.1 * (7 + k)])
        assert state.stamp == pytest.approx(0.02 * k)
        if k < 4:
            backend.advance(0.02)
    backend.close()


def test_joints_are_found_by_name_in_any_order(standing):
    robot = load_robot("go1")
    backend = make_backend("replay", robot, dataset=str(standing))
    backend.connect()
    state = backend.reset(0, {})  # type: ignore[attr-defined]
    np.testing.assert_allclose(state.joint_position, robot.default, atol=1e-6)


def test_a_video_is_played_frame_by_frame(tmp_path):
    spec = sample.robot()
    recorder = Recorder(tmp_path / "wave", "video")
    for _ in range(2):
        recorder.begin(spec, sample.policy(spec), sample.task(), {})
        for k in range(4):
            recorder.step(sample.record(k, camera=True))
        recorder.end(sample.result(4))
    backend = toy(tmp_path / "wave", episode=1)
    backend.connect()
    backend.reset(0, {})
    for k in range(4):
        shown = backend.read().features["observation.images.front"].astype(float)
        assert np.abs(shown - sample.image(k)).mean() < 12.0
        if k < 3:
            backend.advance(0.02)


def test_commands_are_kept_and_not_followed(standing):
    robot = load_robot("go1")
    backend = ReplayBackend(robot, {}, dataset=str(standing))
    backend.connect()
    before = backend.reset(0, {}).joint_position
    backend.write(Command(0.0, robot.default + 0.05))
    backend.advance(0.02)
    np.testing.assert_array_equal(backend.read().joint_position, before)
    np.testing.assert_array_equal(backend.commands[0].values, robot.default + 0.05)


def test_the_end_of_the_log_ends_an_episode_without_a_fault(standing):
    robot, task = load_robot("go1"), load_task("go1_walk")
    backend = make_backend("replay", robot, dataset=str(standing))
    backend.connect()
    result = run_episode(backend, HoldPolicy(robot), task, seed=3)
    assert (result.ended_by, result.reason, result.steps) == ("recording ended", "", 100)
    assert result.metrics["fall"] == 0.0
    with pytest.raises(RecordingEnded, match="episode 0 ends after 2 s"):
        backend.advance(0.02)  # type: ignore[attr-defined]


def test_the_shipped_sample_is_the_default(tmp_path):
    robot, task = load_robot("go1"), load_task("go1_walk")
    backend = make_backend("replay", robot)
    backend.connect()
    result = run_episode(backend, HoldPolicy(robot), task, seed=3)
    assert result.metrics["fall"] == 0.0
    assert 0.3 < result.metrics["distance"] < 10.0
    assert result.ended_by in ("recording ended", "failure", "horizon")


def test_a_recorded_simulation_can_be_replayed(tmp_path):
    robot, task = load_robot("go1"), load_task("go1_walk")
    task.horizon = 0.2
    simulator = make_backend("mujoco", robot, task.scene)
    simulator.connect()
    recorder = Recorder(tmp_path / "walk")
    run_episode(simulator, HoldPolicy(robot), task, seed=3, observers=(recorder,))
    simulator.close()
    backend = make_backend("replay", robot, dataset=str(tmp_path / "walk"))
    backend.connect()
    result = run_episode(backend, HoldPolicy(robot), task, seed=3)
    assert result.steps == 10
    assert result.metrics["fall"] == 0.0


def test_what_cannot_be_replayed_is_refused_in_one_line(waved, standing, tmp_path):
    go1 = load_robot("go1")
    for options, message in (
        ({"dataset": str(tmp_path)}, "no LeRobotDataset"),
        ({"dataset": "no/such/folder"}, "no dataset 'no/such/folder'"),
        ({"dataset": str(waved)}, "recorded on 'toy', the robot is 'go1'"),
    ):
        with pytest.raises(ConfigError, match=message) as error:
            make_backend("replay", go1, **options)
        assert "\n" not in str(error.value)
    with pytest.raises(ConfigError, match="no episode 5; there are 1, from 0"):
        make_backend("replay", go1, dataset=str(standing), episode=5).connect()
    other = sample.toy_robot({"left": {}, "rigth": {}})
    with pytest.raises(ConfigError, match=r"no 'rigth.pos'. Did you mean 'right.pos'"):
        ReplayBackend(other, {}, dataset=str(waved))
    slow = sample.robot(control_rate=25.0)
    with pytest.raises(BackendError, match="50 rows/s, but 'toy' is controlled at 25 Hz"):
        ReplayBackend(slow, {}, dataset=str(waved)).connect()
