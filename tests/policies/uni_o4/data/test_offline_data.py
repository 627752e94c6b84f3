"""What the offline phase accepts as data, and what it makes of it."""

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch

from robot_policies.catalog import load_robot
from robot_policies.data.go1_logs import features, to_columns
from robot_policies.data.writer import DatasetFolder
from robot_policies.interface import ConfigError
from robot_policies.interface.observation import COMMAND, IMU, STATE, VELOCITY_COMMAND
from robot_policies.policies.uni_o4.configuration_uni_o4 import UniO4Config
from robot_policies.policies.uni_o4.data import transitions
from robot_policies.policies.uni_o4.data.dataset import REWARDS, read_walks
from robot_policies.policies.uni_o4.data.hdf5 import read_hdf5
from robot_policies.policies.uni_o4.data.transitions import Transitions, check
from robot_policies.policies.uni_o4.memory import Memory
from robot_policies.policies.uni_o4.processor_uni_o4 import make_uni_o4_pre_post_processors
from robot_policies.policies.uni_o4.spaces import TERMINATION, BoxSpace, WalkSpace

GO1 = load_robot("go1")
ROWS = 12


@pytest.fixture
def config():
    return UniO4Config.for_robot(GO1, hidden=[8])


def columns(seed=0, rows=ROWS):
    """An episode in the layout of the converted Go1 logs, on its feet."""
    rng = np.random.default_rng(seed)
    states = rng.uniform(-0.1, 0.1, (rows, 76))
    states[:, :3] = [0.0, 0.0, -1.0]
    states[:, 3:6] = [1.0, 0.2, 0.1]
    return to_columns(states, rng.uniform(-0.3, 0.3, (rows, 12)))


def write(root, *episodes):
    folder = DatasetFolder(root, 50, "go1", features())
    for episode in episodes:
        folder.add_columns(episode, "walk", {})
    folder.close()
    return root


def read(root, config, reward="corrected", **options):
    return read_walks(root, config, REWARDS[reward], **options)


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "walks", columns(0), columns(1))


def test_rows_are_what_the_policy_would_have_seen(folder, config):
    """The observations are those of deployment, with the logged actions in force."""
    data = read(folder, config)
    logged, memory = columns(0), Memory(config)
    preprocess, _ = make_uni_o4_pre_post_processors(config)
    names = features()[STATE]["names"]
    order = [names.index(f"{j}.{kind}") for kind in ("pos", "vel") for j in GO1.joint_names]
    joints = [features()["action"]["names"].index(joint) for joint in GO1.joint_names]
    action = torch.tensor((logged["action"][:, joints] - GO1.default) / 0.25).float()
    seen, target = [], logged[STATE][:1, order][:, :12]
    for k in range(ROWS):
        raw = {COMMAND: target, STATE: logged[STATE][k : k + 1, order]}
        raw |= {name: logged[name][k : k + 1] for name in (IMU, VELOCITY_COMMAND)}
        batch = preprocess({name: torch.tensor(v).float() for name, v in raw.items()})
        seen.append(memory.observe(batch)[0])
        target, memory.steps = logged["action"][k : k + 1, joints], memory.steps + 1.0
    seen = torch.stack(seen).numpy()
    velocity = logged["truth.base_velocity"][:, :3] / 0.5  # which only the log knows
    known = np.concatenate([velocity, seen], 1)
    assert data.privileged == 3
    np.testing.assert_allclose(data.observation[: ROWS - 1], known[:-1], atol=1e-5)
    np.testing.assert_allclose(data.next_observation[: ROWS - 1], known[1:], atol=1e-5)
    np.testing.assert_allclose(data.action[: ROWS - 1], action[:-1], atol=1e-5)
    assert len(data) == 2 * (ROWS - 1)
    assert data.last.nonzero()[0].tolist() == [ROWS - 2, 2 * ROWS - 3]
    assert not data.terminal.any()


def test_a_log_that_does_not_know_the_velocity_holds_what_the_policy_saw(folder, config):
    known = read(folder, config)
    edited(folder, lambda info: info["features"].pop("truth.base_velocity"))
    blind = read_walks(folder, config, lambda columns, dt: np.zeros(ROWS - 1))
    assert blind.privileged == 0
    np.testing.assert_array_equal(blind.observation, known.observation[:, 3:])


def test_a_fall_is_a_terminal_and_what_follows_is_left_out(tmp_path, config):
    episode = columns()
    half = np.zeros(ROWS)
    half[4:10] = [0.2, 0.4, 0.7, 0.7, 0.4, 0.2]  # it tips, and comes up again
    none = np.zeros(ROWS)
    episode["observation.imu"][:, :4] = np.stack([np.sin(half), none, none, np.cos(half)], 1)
    data = read(write(tmp_path / "walks", episode), config)
    assert data.terminal.nonzero()[0].tolist() == [5]
    assert data.last.nonzero()[0].tolist() == [5, 8]
    assert len(data) == ROWS - 1 - 2


def test_steps_with_a_tracker_glitch_are_left_out(tmp_path, config):
    episode = columns()
    episode["truth.velocity_outlier"][4] = True
    data = read(write(tmp_path / "walks", episode), config)
    assert len(data) == ROWS - 1 - 2
    assert data.last.nonzero()[0].tolist() == [2, 8]


def test_the_corrected_reward_pays_for_moving_as_commanded(tmp_path, config):
    still, moving = columns(), columns()
    for episode, velocity in ((still, [0.0, 0.0, 0.0]), (moving, [0.5, 0.1, 0.0])):
        episode["truth.base_velocity"][:] = velocity
        episode["truth.base_angular_velocity"][:] = [0.0, 0.0, 0.4]
        # turned by 90 degrees, so that the world frame is another one
        half = np.sqrt(0.5)
        episode["truth.base_orientation"][:] = [0.0, 0.0, half, half]
    first, second = (
        read(write(tmp_path / name, e), config) for name, e in (("a", still), ("b", moving))
    )
    assert (second.reward > 1.5 * first.reward).all()
    assert second.reward.max() <= 0.15
    theirs = read(tmp_path / "b", config, "upstream")
    assert (theirs.reward < second.reward).all()


def test_the_digest_follows_the_numbers(folder, config):
    data = read(folder, config)
    assert data.digest == read(folder, config).digest
    assert data.digest != replace(data, reward=data.reward + 1e-6).digest


def test_episodes_are_held_out_whole(folder, config):
    kept, held = read(folder, config).split(0.2)
    assert len(np.unique(kept.episode)) == len(np.unique(held.episode)) == 1
    assert kept.episode[0] != held.episode[0]


def edited(root, change):
    path = root / "meta" / "info.json"
    info = json.loads(path.read_text())
    change(info)
    path.write_text(json.dumps(info))
    return root


def test_wrong_folders_are_refused_in_one_line(folder, config, tmp_path):
    with pytest.raises(ConfigError, match="no LeRobotDataset"):
        read(tmp_path, config)

    def rename(info):
        names = info["features"]["action"]["names"]
        names[names.index("FR_calf_joint")] = "FR_knee_joint"

    with pytest.raises(ConfigError, match="'action' has no 'FR_calf_joint'. Did you mean"):
        read(edited(folder, rename), config)
    with pytest.raises(ConfigError, match="fps: 25 rows/s, expected 50 within 1 %"):
        read(edited(folder, lambda info: info.update(fps=25)), config)
    with pytest.raises(ConfigError, match="LeRobotDataset v2.1"):
        read(edited(folder, lambda info: info.update(codebase_version="v2.1")), config)


def test_elements_are_found_by_name_in_any_order(folder, config, tmp_path):
    """The inertial unit as w, x, y, z, as accelerations first; commands and truth turned round."""
    expected = read(folder, config)
    order = {
        IMU: [7, 8, 9, 3, 0, 1, 2, 4, 5, 6],
        VELOCITY_COMMAND: [2, 0, 1],
        "truth.base_velocity": [2, 1, 0],
        "truth.base_orientation": [3, 0, 1, 2],
    }
    turned = features()
    for name, places in order.items():
        turned[name] |= {k: [turned[name][k][i] for i in places] for k in ("names", "unit")}
    out = DatasetFolder(tmp_path / "turned", 50, "go1", turned)
    for seed in (0, 1):
        episode = columns(seed)
        turns = {name: episode[name][:, places] for name, places in order.items()}
        out.add_columns({**episode, **turns}, "walk", {})
    out.close()
    assert read(tmp_path / "turned", config).digest == replace(expected, source="").digest


def test_another_robot_or_unit_is_refused(folder, config):
    with pytest.raises(ConfigError, match="recorded on 'go2', expected 'go1'"):
        read(edited(folder, lambda info: info.update(robot_type="go2")), config)
    edited(folder, lambda info: info.update(robot_type="go1"))
    edited(folder, lambda info: info["features"]["observation.imu"].pop("unit"))
    with pytest.raises(ConfigError, match="'observation.imu' does not say its units"):
        read(folder, config)


def test_a_row_left_over_from_a_fall_is_no_part_of_the_walk(tmp_path, config):
    """What follows it begins as a walk does, without the row in its memory."""
    episode, rest = columns(), {name: array[1:] for name, array in columns().items()}
    episode[IMU][0, :4] = [np.sin(1.0), 0.0, 0.0, np.cos(1.0)]  # tilted by 2 rad, then upright
    walk, clean = (read(write(tmp_path / n, e), config) for n, e in (("a", episode), ("b", rest)))
    assert walk.digest == clean.digest
    assert len(walk) == ROWS - 2


def test_a_missing_column_is_named(folder, config):
    edited(folder, lambda info: info["features"].pop("observation.velocity_command"))
    with pytest.raises(ConfigError, match="no 'observation.velocity_command'"):
        read(folder, config)


def test_no_reward_without_knowing_how_the_robot_moved(folder, config):
    edited(folder, lambda info: info["features"].pop("truth.base_velocity"))
    with pytest.raises(ConfigError, match="no reward without .'truth.base_velocity'"):
        read(folder, config)


def test_rows_of_unequal_length_are_refused(folder, config):
    edited(folder, lambda info: info["features"]["truth.base_velocity"].update(shape=[4]))
    with pytest.raises(
        ConfigError, match="column 'truth.base_velocity' holds 36 values in 12 rows, expected 4"
    ):
        read(folder, config)


def test_not_a_number_is_named_by_episode_and_place(tmp_path, config):
    episode = columns()
    episode["observation.imu"][3, 5] = np.nan
    with pytest.raises(ConfigError, match=r"episode 1: observation.imu\[3, 5\] is nan"):
        read(write(tmp_path / "walks", columns(), episode), config)


def test_targets_beyond_a_joints_range_are_refused_unless_they_are_wanted(tmp_path, config):
    episode = columns()
    episode["action"][2, 2] = 0.0  # a calf bends from -2.818 to -0.888
    root = write(tmp_path / "walks", episode)
    with pytest.raises(ConfigError, match=r"action\[2, 5\] = .* is outside"):
        read(root, config)
    assert len(read(root, config, limit_actions=False)) == ROWS - 1


def test_many_rows_without_a_terminal_are_refused(folder, config, monkeypatch):
    monkeypatch.setattr(transitions, "NO_TERMINAL_ROWS", 20)
    with pytest.raises(ConfigError, match="no terminal in 22 rows"):
        read(folder, config)


def test_columns_of_unequal_length_are_refused(folder, config):
    data = read(folder, config)
    with pytest.raises(ConfigError, match="unequal length"):
        check(replace(data, reward=data.reward[:-1]), -1.0, 1.0)
    with pytest.raises(ConfigError, match="no transition"):
        check(data.take(np.zeros(len(data), bool)), -1.0, 1.0)


def test_the_model_advances_a_walk_as_it_was_logged(folder, config):
    data, space = read(folder, config).tensors(), WalkSpace(config, privileged=3)
    observation, following = data["observation"], data["next_observation"]
    change = space.change(observation, following)
    assert change.shape == (len(observation), space.change_width)
    made = space.advance(observation, data["action"], change)
    torch.testing.assert_close(made, following, rtol=0.0, atol=1e-5)
    assert not space.terminated(observation).any()
    fallen = observation.clone()
    fallen[:, space.width - config.frame_width + 5] = 0.5
    assert space.terminated(fallen).all()


def test_the_model_executes_what_the_robot_would(folder, config):
    data, space = read(folder, config).tensors(), WalkSpace(config, privileged=3)
    wild = 100.0 * torch.ones_like(data["action"])
    upper = (torch.tensor(config.upper) - torch.tensor(config.default_position)) / 0.25
    assert (space.execute(data["observation"], wild) < upper).all()
    torch.testing.assert_close(space.execute(data["observation"], data["action"]), data["action"])


def test_gym_terminations_by_hand():
    hopper, walker = TERMINATION["Hopper"], TERMINATION["Walker2d"]
    stand = torch.zeros(1, 11)
    stand[:, 0] = 1.2
    low, tilted = stand.clone(), stand.clone()
    low[:, 0], tilted[:, 1] = 0.6, 0.3
    assert [bool(hopper(o)) for o in (stand, low, tilted)] == [False, True, True]
    assert [bool(walker(o)) for o in (stand, low, tilted)] == [False, True, False]
    space = BoxSpace(11, 3, hopper, mean=1.0, std=2.0)
    assert not space.terminated((stand - 1.0) / 2.0)


def d4rl(path, count=6, **changed):
    rng = np.random.default_rng(0)
    arrays = {
        "observations": rng.normal(size=(count, 3)),
        "actions": rng.uniform(-1, 1, (count, 2)),
        "rewards": np.arange(count, dtype=float),
        "terminals": np.array([0, 0, 1, 0, 0, 0], bool),
        "timeouts": np.array([0, 0, 0, 0, 1, 0], bool),
    } | changed
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return path


def test_d4rl_files_carry_over_time_outs_only(tmp_path):
    data = read_hdf5(d4rl(tmp_path / "walker.hdf5"))
    assert data.reward.tolist() == [0, 1, 2, 3]  # 4 was cut off, 5 has nothing after it
    assert data.terminal.tolist() == [False, False, True, False]
    assert data.last.tolist() == [False, False, True, True]
    np.testing.assert_array_equal(data.next_observation[0], data.observation[1])


def minari(path, observations=None):
    with h5py.File(path, "w") as file:
        for number in (0, 1):
            group = file.create_group(f"episode_{number}")
            group["actions"] = np.zeros((3, 2))
            group["rewards"] = np.ones(3)
            group["terminations"] = np.array([0, 0, number], bool)
            group["truncations"] = np.array([0, 0, 1 - number], bool)
            group["observations"] = np.ones((4, 3)) if observations is None else observations
    return path


def test_minari_files_and_folders_are_read(tmp_path):
    (tmp_path / "data").mkdir()
    minari(tmp_path / "data" / "main_data.hdf5")
    data = read_hdf5(tmp_path)
    assert len(data) == 6
    assert data.terminal.tolist() == [False] * 5 + [True]
    assert data.last.tolist() == [False, False, True] * 2


EMPTY = dict.fromkeys(("observations", "actions"), np.zeros((6, 3))) | dict.fromkeys(
    ("rewards", "terminals", "timeouts"), np.zeros(6)
)


def elsewhere(path):
    """Return a link to the rewards of another file."""
    other = d4rl(path.with_name("other.hdf5"))
    return h5py.ExternalLink(str(other), "/rewards")


def claiming(path):
    """Write a small file that says it has 10^11 rows."""
    d4rl(path)
    with h5py.File(path, "a") as file:
        del file["observations"]
        file.create_dataset("observations", (10**11, 3), "f4", chunks=(1000, 3))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: d4rl(p, actions=np.full((6, 2), 1.5)), r"action\[0, 0\] = 1.5 is outside"),
        (lambda p: d4rl(p, rewards=np.zeros(5)), "unequal length"),
        (lambda p: d4rl(p, observations=np.full((6, 3), np.nan)), r"observation\[0, 0\] is nan"),
        (lambda p: minari(p, np.ones((3, 3))), "expected one observation more"),
        (lambda p: minari(p, np.ones(4)), "expected one vector per row"),
        (lambda p: d4rl(p, rewards=np.zeros((6, 7))), r"rewards has shape \(6, 7\)"),
        (lambda p: d4rl(p, terminals=np.array([b"x"] * 6)), "terminals is no array of numbers"),
        (lambda p: d4rl(p, rewards=1.0), "rewards is no array of numbers"),
        (lambda p: d4rl(p, rewards=h5py.SoftLink("/actions/..")), "cannot be read as HDF5"),
        (lambda p: d4rl(p, rewards=elsewhere(p)), "rewards lies in another file"),
        (lambda p: d4rl(p, **{n: a[:0] for n, a in EMPTY.items()}), "holds no rows"),
        (claiming, "observations claims 1200000000000 bytes"),
        (lambda p: p.write_bytes(b"nothing"), "cannot be read as HDF5"),
        (lambda p: h5py.File(p, "w").close(), "neither Minari"),
    ],
)
def test_wrong_files_are_refused_in_one_line(tmp_path, make, message):
    path = tmp_path / "data.hdf5"
    make(path)
    with pytest.raises(ConfigError, match=message) as error:
        read_hdf5(path)
    assert "\n" not in str(error.value)


def test_hdf5_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(ConfigError, match="pip install h5py"):
        read_hdf5(tmp_path)


def test_transitions_name_their_source(folder, config):
    assert isinstance(read(folder, config), Transitions)
    assert read(folder, config).source == str(folder)
