"""A log as the robot."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import sample_episode as sample
from conformance import check_backend

from robot_policies.catalog import load_robot, load_task, make_backend
from robot_policies.control.episode import run_episode
from robot_policies.data.convert import convert_go1_logs
from robot_policies.data.dataset import read_episodes
from robot_policies.data.demonstrations import Order, generate
from robot_policies.data.recorder import Recorder
from robot_policies.interface import Command, ConfigError
from robot_policies.interface.errors import RecordingEnded
from robot_policies.policies.hold import HoldPolicy
from robot_policies_sim.engines.replay.backend import ReplayBackend


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


def test_a_recorded_robot_decides_nothing(standing, tmp_path):
    """It stands where it was told to walk: the task measures that, and calls nobody a failure."""
    robot, task = load_robot("go1"), load_task("go1_walk")
    task.horizon = 1.0
    backend = make_backend("replay", robot, dataset=str(standing))
    backend.connect()
    result = run_episode(backend, HoldPolicy(robot), task, seed=3)
    assert (result.ended_by, result.reason, result.steps) == ("horizon", "", 50)
    states = np.zeros((100, 76), np.float32)
    states[:, 2] = -1.0
    states[40:, 1:3] = [-np.sin(1.3), -np.cos(1.3)]
    states[30:40, 1] = -np.sin(np.linspace(0.0, 1.3, 10))
    states[30:40, 2] = -np.cos(np.linspace(0.0, 1.3, 10))
    actions, lengths = np.zeros((100, 12), np.float32), np.array([100])
    np.savez(tmp_path / "logs.npz", states=states, actions=actions, lengths=lengths)
    convert_go1_logs(tmp_path / "logs.npz", tmp_path / "fall")
    backend = make_backend("replay", robot, dataset=str(tmp_path / "fall"))
    backend.connect()
    result = run_episode(backend, HoldPolicy(robot), task, seed=3)
    assert result.metrics["fall"] == 1.0
    assert result.ended_by in ("tilt", "horizon")
    assert result.steps > 41


def test_the_shipped_sample_is_the_default(tmp_path):
    robot, task = load_robot("go1"), load_task("go1_walk")
    backend = make_backend("replay", robot)
    backend.connect()
    result = run_episode(backend, HoldPolicy(robot), task, seed=3)
    assert result.metrics["fall"] == 0.0
    assert 0.3 < result.metrics["distance"] < 10.0
    assert result.ended_by in ("recording ended", "horizon")


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


def test_a_row_that_is_left_over_from_a_fall_is_left_out(tmp_path, caplog):
    """As 14 real logs begin: tilted by 1.6 rad, and upright one row later."""
    states = np.zeros((20, 76), np.float32)
    states[:, 2] = -1.0
    states[0, :3] = [0.0, -1.0, 0.0]
    actions, lengths = np.zeros((20, 12), np.float32), np.array([20])
    np.savez(tmp_path / "logs.npz", states=states, actions=actions, lengths=lengths)
    made = convert_go1_logs(tmp_path / "logs.npz", tmp_path / "walk")
    assert made.notes[1] == "1 of 20 rows cannot follow the row before, in 1 of 1 episodes, marked"
    assert read_episodes(tmp_path / "walk")[0]["breaks"] == [1]
    robot, task = load_robot("go1"), load_task("go1_walk")
    backend = make_backend("replay", robot, dataset=str(tmp_path / "walk"))
    backend.connect()
    assert "rows 1 to 19 (1 of 20 rows are left out)" in caplog.text
    result = run_episode(backend, HoldPolicy(robot), task, seed=3)
    assert (result.ended_by, result.steps) == ("recording ended", 19)


def test_demonstrations_are_replayed_with_the_slope_as_velocity(tmp_path):
    root = generate(Order("arm_reach_avoid/reach", "mujoco", 0.0), tmp_path / "d", 1, 0).dataset
    robot = load_robot(load_task("arm_reach_avoid/reach").robot)
    backend = make_backend("replay", robot, dataset=str(root))
    backend.connect()
    states = [backend.reset(0, {})]  # type: ignore[attr-defined]
    for _ in range(5):
        backend.advance(1 / robot.control_rate)  # type: ignore[attr-defined]
        states.append(backend.read())
    position = np.array([state.joint_position for state in states])
    velocity = np.array([state.joint_velocity for state in states])
    slope = np.diff(position, axis=0) * robot.control_rate
    assert abs(slope).max() > 0.1
    np.testing.assert_allclose(velocity, slope[[0, *range(5)]], atol=1e-9)


def test_the_recorded_inertial_unit_is_found_by_name_in_any_order(standing, tmp_path):
    shutil.copytree(standing, tmp_path / "turned")
    path = tmp_path / "turned" / "meta" / "info.json"
    info = json.loads(path.read_text())
    names = info["features"]["observation.imu"]["names"]
    names[:4] = ["orientation.w", *names[:3]]
    path.write_text(json.dumps(info))
    backend = make_backend("replay", load_robot("go1"), dataset=str(tmp_path / "turned"))
    backend.connect()
    imu = backend.reset(0, {}).features["observation.imu"]  # type: ignore[attr-defined]
    np.testing.assert_allclose(imu[:4], [0.0, 0.0, 1.0, 0.0], atol=1e-6)  # as the names say


def test_what_cannot_be_replayed_is_refused_in_one_line(waved, standing, tmp_path):
    go1 = load_robot("go1")
    for options, message in (
        ({"dataset": str(tmp_path)}, "no LeRobotDataset"),
        ({"dataset": "no/such/folder"}, "no dataset 'no/such/folder'"),
        ({"dataset": str(waved)}, "recorded on 'toy', expected 'go1'"),
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
    with pytest.raises(ConfigError, match="fps: 50 rows/s, expected 25 within 1 %"):
        ReplayBackend(slow, {}, dataset=str(waved))
