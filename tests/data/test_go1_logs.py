"""The real Go1 logs: by hand on made-up rows, and spot-checked where the file is at hand."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from robot_policies.catalog import load_robot
from robot_policies.data.convert import convert_go1_logs, describe
from robot_policies.data.go1_logs import DEFAULT_POSE, JOINTS, height, to_columns
from robot_policies.interface import ConfigError

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "go1_real" / "go1_real.npz"
here = pytest.mark.skipif(not REAL.exists(), reason=f"the real logs are not at {REAL}")


def logs(path: Path, trajectories=(4, 3), **change) -> Path:
    rows = sum(trajectories)
    states = np.zeros((rows, 76), np.float32)
    states[:, 2] = -1.0  # upright
    arrays = {
        "states": states,
        "actions": np.zeros((rows, 12), np.float32),
        "lengths": np.array(trajectories),
        **change,
    }
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


def table(root: Path) -> list[dict]:
    paths = sorted(root.glob("data/*/*.parquet"))
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


def test_a_row_is_unscaled_and_turned_into_the_body_by_hand():
    states, actions = np.zeros((2, 76), np.float32), np.zeros((2, 12), np.float32)
    states[:, 2] = -1.0
    states[1, 3:6] = (1.0, -0.5, 0.1)  # vx x2, vy x2, yaw rate x0.25
    states[1, 18] = 0.2  # FL hip, from its default 0.1
    states[1, 29] = -0.3  # RR calf, from its default -1.5
    states[1, 30] = 0.05  # FL hip speed x0.05
    states[1, 69] = np.pi / 2  # looking along the tracker's y
    states[1, 61:64] = (0.0, 3.0, 0.1)  # moving along it, too fast to be true
    states[1, 70:73] = (0.0, 0.4, 0.5)
    states[1, 64:67] = (0.0, 2.0, 0.0)
    actions[1, :3] = (1.0, 2.0, 20.0)  # hip x0.125, thigh x0.25, clipped to 10
    row = {name: column[1] for name, column in to_columns(states, actions).items()}
    np.testing.assert_allclose(row["observation.velocity_command"], [0.5, -0.25, 0.4], atol=1e-7)
    np.testing.assert_allclose(row["observation.state"][[0, 11, 12]], [0.3, -1.8, 1.0], atol=1e-6)
    np.testing.assert_allclose(row["action"][:3], [0.1 + 0.125, 0.8 + 0.5, -1.5 + 2.5], atol=1e-6)
    half = np.sqrt(0.5)
    np.testing.assert_allclose(row["observation.imu"][:4], [0, 0, half, half], atol=1e-6)
    np.testing.assert_allclose(row["truth.base_velocity"], [3.0, 0.0, 0.1], atol=1e-6)
    np.testing.assert_allclose(row["truth.base_angular_velocity"], [0.4, 0.0, 0.5], atol=1e-6)
    np.testing.assert_allclose(row["observation.imu"][7:], [2.0, 0.0, 9.81], atol=1e-6)
    assert row["truth.velocity_outlier"][0]
    assert row["next.done"][0]
    assert row["capture_stamp.action"][0] == 0.02


@pytest.mark.parametrize(
    ("gravity", "roll", "pitch"),
    [((0, -np.sin(0.3), -np.cos(0.3)), 0.3, 0.0), ((np.sin(0.2), 0, -np.cos(0.2)), 0.0, 0.2)],
)
def test_orientation_follows_the_gravity_direction(gravity, roll, pitch):
    states = np.zeros((1, 76))
    states[:, :3] = gravity
    imu = to_columns(states, np.zeros((1, 12)))["observation.imu"][0]
    np.testing.assert_allclose(imu[:3], [np.sin(roll / 2), np.sin(pitch / 2), 0], atol=1e-9)


def test_height_is_the_tables_in_the_default_pose():
    robot = load_robot("go1")
    assert [robot.default[robot.joint_names.index(name)] for name in JOINTS] == list(DEFAULT_POSE)
    up = np.array([[0.0, 0.0, -1.0]])
    assert height(DEFAULT_POSE[None], up)[0] == pytest.approx(robot.base_height, abs=1e-3)


def test_one_episode_per_trajectory_loads_in_lerobot(tmp_path):
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    seen = []
    report = lambda done, total: seen.append((done, total))  # noqa: E731
    made = convert_go1_logs(logs(tmp_path / "a.npz"), tmp_path / "out", progress=report)
    assert (made.episodes, made.frames, seen) == (2, 7, [(1, 2), (2, 2)])
    dataset = LeRobotDataset("local/go1", root=tmp_path / "out", video_backend="pyav")
    assert (dataset.num_episodes, dataset.num_frames, dataset.fps) == (2, 7, 50)
    assert dataset.meta.features["action"]["names"] == list(JOINTS)
    about = describe(tmp_path / "out")
    assert about["features"]["observation.state"]["unit"] == ["rad"] * 12 + ["rad/s"] * 12
    assert about["features"]["action"]["mean"] == pytest.approx(list(DEFAULT_POSE), abs=1e-6)
    assert "MIT" in about["recordings"][1]["source"]


def test_chosen_trajectories_only(tmp_path):
    source = logs(tmp_path / "a.npz", trajectories=(4, 3, 2))
    assert convert_go1_logs(source, tmp_path / "out", episodes=[2, 0]).frames == 6
    with pytest.raises(ConfigError, match="no trajectory 3; there are 3, from 0"):
        convert_go1_logs(source, tmp_path / "other", episodes=[3])
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"actions": None}, "'actions' is missing; it has"),
        ({"states": np.zeros((7, 75), np.float32)}, r"states has shape \(7, 75\)"),
        ({"states": np.zeros((7, 76), np.int32)}, "expected .* of floats"),
        ({"lengths": np.array([4, 4])}, "7 rows, but lengths sum to 8"),
        (
            {"lengths": np.array([2**63 + 1, 2**63 + 6], np.uint64)},
            "7 rows, but lengths sum to 1844",
        ),
        ({"lengths": np.array([7, 0])}, "whole numbers >= 1"),
        ({"actions": np.full((7, 12), np.nan, np.float32)}, r"actions\[0, 0\] = nan"),
        ({"states": np.array([{"pickled": 1}])}, "cannot be read as npz"),
    ],
)
def test_what_is_no_such_log_is_refused_in_one_line(tmp_path, change, message):
    with pytest.raises(ConfigError, match=message) as error:
        convert_go1_logs(logs(tmp_path / "a.npz", **change), tmp_path / "out")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"text"])
def test_a_damaged_file_is_refused(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ConfigError, match="cannot be read as npz"):
        convert_go1_logs(tmp_path / "a.npz", tmp_path / "out")


@here
def test_real_rows_agree_with_the_file(tmp_path):
    convert_go1_logs(REAL, tmp_path / "out", episodes=[101])
    rows = table(tmp_path / "out")
    with np.load(REAL) as file:
        first = int(file["lengths"][:101].sum())
        assert len(rows) == file["lengths"][101]
        states, actions = file["states"], file["actions"]
    for k in (0, 300, len(rows) - 1):
        state, action, row = states[first + k], actions[first + k], rows[k]
        index = JOINTS.index("RL_thigh_joint")
        joints = row["observation.state"]
        assert joints[index] == pytest.approx(state[18 + index] + 1.0, abs=1e-6)
        assert joints[12 + index] == pytest.approx(20 * state[30 + index], abs=1e-4)
        assert row["action"][index] == pytest.approx(1.0 + 0.25 * action[index], abs=1e-6)
        assert row["observation.velocity_command"][2] == pytest.approx(4 * state[5], abs=1e-6)
        speed = np.linalg.norm(row["truth.base_velocity"])
        assert speed == pytest.approx(np.linalg.norm(state[61:64]), abs=1e-5)
    assert 0.25 < np.median([row["truth.base_position"][2] for row in rows]) < 0.36
