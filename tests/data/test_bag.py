"""Bags of rosbag2: ours as an independent library reads them, and others' as a robot's log."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from robot_policies.catalog import load_robot
from robot_policies.data.bag_episode import read_bag
from robot_policies.data.bag_writer import BagWriter
from robot_policies.data.convert import convert_bag, describe
from robot_policies.interface import ConfigError
from robot_policies.interface.observation import IMAGES, STATE, VELOCITY_COMMAND

TYPES = get_typestore(Stores.LATEST)
SO101 = load_robot("so101")
RATE = SO101.control_rate
JOINTS, IMAGE = "sensor_msgs/msg/JointState", "sensor_msgs/msg/Image"
FOREVER = {"sec": 9223372036, "nsec": 854775807}
QUALITIES = [
    {
        "history": "unknown",
        "depth": 0,
        "reliability": "reliable",
        "durability": "volatile",
        "liveliness": "automatic",
        **dict.fromkeys(("deadline", "lifespan", "liveliness_lease_duration"), FOREVER),
        "avoid_ros_namespace_conventions": False,
    }
]
T = TYPES.types


def header(stamp: float):
    nanoseconds = round(stamp * 1e9)
    time = T["builtin_interfaces/msg/Time"](nanoseconds // 10**9, nanoseconds % 10**9)
    return T["std_msgs/msg/Header"](time, "")


def joint_state(stamp: float, names=SO101.joint_names, first: float = 0.0):
    position = np.linspace(first, first + 0.1, len(names))
    return T[JOINTS](header(stamp), list(names), position, np.zeros(len(names)), np.empty(0))


def twist(stamp: float, forward: float):
    vector = T["geometry_msgs/msg/Vector3"]
    speed = T["geometry_msgs/msg/Twist"](vector(forward, 0.0, 0.0), vector(0.0, 0.0, 0.0))
    return T["geometry_msgs/msg/TwistStamped"](header(stamp), speed)


def picture(stamp: float, shade: int):
    return T[IMAGE](header(stamp), 4, 6, "rgb8", 0, 18, np.full(72, shade, np.uint8))


def write(path: Path, messages, plugin=StoragePlugin.MCAP) -> Path:
    """Write (topic, type, log time, message) with the independent library."""
    with Writer(path, version=9, storage_plugin=plugin) as bag:
        topics = {}
        for topic, kind, time, message in messages:
            if topic not in topics:
                topics[topic] = bag.add_connection(topic, kind, typestore=TYPES)
            bag.write(topics[topic], round(time * 1e9), TYPES.serialize_cdr(message, kind))
    return path


def reaching(rows: int = 30, namespace: str = ""):
    """Yield what an arm's graph says: pictures at a third of the rate, commands 10 ms after."""
    for k in range(rows):
        now = 100.0 + k / RATE
        if k % 3 == 0:
            yield f"{namespace}/camera/top/image_raw", IMAGE, now, picture(now, k)
        yield f"{namespace}/joint_states", JOINTS, now, joint_state(now, first=0.01 * k)
        command = joint_state(now + 0.01, [*SO101.joint_names, "mode"], 0.02 * k)
        yield f"{namespace}/command_sent", JOINTS, now + 0.01, command


def test_a_bag_of_others_becomes_rows_at_the_robots_rate(tmp_path):
    episode = read_bag(write(tmp_path / "bag", reaching(namespace="/left")), SO101)
    steps = list(episode.steps())
    assert len(steps) == 30
    assert episode.notes == ()
    for k, step in enumerate(steps):
        assert step.time == pytest.approx(100.0 + k / RATE)
        assert step.values[STATE][0] == pytest.approx(0.01 * k)
        assert step.values["action"][0] == pytest.approx(0.02 * k)
        assert step.values[f"{IMAGES}.top"][0, 0, 0] == k - k % 3
        assert step.stamps[f"{IMAGES}.top"] == pytest.approx(100.0 + (k - k % 3) / RATE)


def test_joints_in_another_order_and_at_four_times_the_rate_are_the_same_rows(tmp_path):
    def fast():
        for k in range(120):
            now = 100.0 + k / (4 * RATE)
            message = joint_state(now, first=0.0025 * k)
            message.name.reverse()
            message.position = message.position[::-1].copy()
            yield "/joint_states", JOINTS, now, message

    steps = list(read_bag(write(tmp_path / "bag", fast()), SO101).steps())
    assert len(steps) == 31
    assert steps[10].values[STATE][0] == pytest.approx(0.105)  # within half a period of row 10
    assert np.diff(steps[10].values[STATE][: len(SO101.joints)]).min() > 0.0


def test_a_message_that_was_lost_leaves_a_row_as_before(tmp_path):
    messages = [
        m for m in reaching() if not (m[0] == "/joint_states" and m[2] == 100.0 + 7 / RATE)
    ]
    steps = list(read_bag(write(tmp_path / "bag", messages), SO101).steps())
    assert len(steps) == 30
    np.testing.assert_array_equal(steps[7].values[STATE], steps[6].values[STATE])


def test_a_bag_becomes_an_episode_of_a_dataset(tmp_path):
    bag = write(tmp_path / "bag", reaching())
    made = convert_bag(bag, tmp_path / "dataset", SO101)
    about = describe(made.dataset)
    assert (made.episodes, made.frames, about["robot"]) == (1, 30, "so101")
    assert about["features"]["action"]["names"] == list(SO101.joint_names)
    with pytest.raises(ConfigError, match="a bag, no LeRobotDataset; `robot-policies"):
        describe(bag)


def test_a_goal_is_read_and_a_topic_of_its_name_but_another_type_is_not(tmp_path):
    messages = [
        *reaching(),
        ("/cmd_vel", "geometry_msgs/msg/TwistStamped", 99.0, twist(99.0, 0.3)),
    ]
    episode = read_bag(write(tmp_path / "bag", messages), SO101)
    assert next(episode.steps()).values[VELOCITY_COMMAND][0] == pytest.approx(0.3)
    messages[-1] = "/cmd_vel", "geometry_msgs/msg/Twist", 99.0, twist(99.0, 0.3).twist
    assert VELOCITY_COMMAND not in read_bag(write(tmp_path / "other", messages), SO101).streams


def of_another_robot():
    joints = load_robot("xarm7").joint_names
    return [("/joint_states", JOINTS, k / RATE, joint_state(k / RATE, joints)) for k in range(9)]


WRONG = {
    "no joint states on a topic 'joint_states'": [m for m in reaching() if "joint" not in m[0]],
    "/joint_states has no joint 'shoulder_pan'": of_another_robot(),
    "joint state 30 is older than the one before it": [*reaching(), *reaching()],
    "a second, expected": [m for m in reaching(90) if round((m[2] - 100.0) * RATE) % 3 == 0],
    "image_raw may both be 'observation.images.top'": [*reaching(4, "/left"), *reaching(4)],
}


@pytest.mark.parametrize("text", WRONG)
def test_what_cannot_be_a_log_of_the_robot_is_refused_in_one_line(tmp_path, text):
    bag = write(tmp_path / "bag", WRONG[text])
    with pytest.raises(ConfigError, match=text) as refusal:
        read_bag(bag, SO101)
    assert str(bag) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_rows_without_a_command_train_nothing(tmp_path):
    bag = write(tmp_path / "bag", [m for m in reaching() if "command" not in m[0]])
    with pytest.raises(ConfigError, match="no commands on a topic 'command_sent' or 'base_"):
        convert_bag(bag, tmp_path / "dataset", SO101)
    assert not (tmp_path / "dataset").exists()
    assert convert_bag(bag, tmp_path / "dataset", SO101, acted=False).frames == 30


def test_a_bag_that_is_no_mcap_is_refused_with_the_way_out(tmp_path):
    bag = write(tmp_path / "bag", reaching(), StoragePlugin.SQLITE3)
    with pytest.raises(ConfigError, match="stored as 'sqlite3', expected mcap. `ros2"):
        read_bag(bag, SO101)


def test_a_message_that_cannot_be_read_is_left_out_and_named(tmp_path):
    bag = ours(tmp_path / "bag", rows=20, broken=(5,))
    episode = read_bag(bag, SO101)
    assert episode.length == 20
    assert episode.notes[0].startswith(
        "/joint_states: 1 messages left out, such as: /joint_states"
    )


def ours(path: Path, rows: int, broken=(), killed: Path | None = None) -> Path:
    writer = BagWriter(path, {"robot": "so101"})
    writer.add("/joint_states", JOINTS, QUALITIES, TYPES.hash_rihs01(JOINTS))
    for k in range(rows):
        time = 100.0 + k / RATE
        data = TYPES.serialize_cdr(joint_state(time, first=0.01 * k), JOINTS)
        data = bytes(data[:40]) if k in broken else bytes(data)
        writer.write("/joint_states", data, round(time * 1e9), round(time * 1e9))
        if k % 10 == 9:
            writer._flush()
    if killed:  # what is there when its writer is killed
        shutil.copytree(path, killed)
    writer.close()
    return path


def test_an_independent_library_reads_our_bag(tmp_path):
    with Reader(ours(tmp_path / "bag", rows=25)) as bag:
        (connection,) = bag.connections
        read = [(time, bag_read(data)) for _, time, data in bag.messages()]
        assert (bag.message_count, connection.topic) == (25, "/joint_states")
        assert connection.digest == TYPES.hash_rihs01(JOINTS)
        assert "float64[] position" in connection.msgdef.data
    assert [round(state.position[0], 2) for _, state in read] == [0.01 * k for k in range(25)]
    assert read[3][0] == round((100.0 + 3 / RATE) * 1e9)


def bag_read(data):
    return TYPES.deserialize_cdr(data, JOINTS)


@pytest.mark.parametrize("cut", [1, 100])
def test_of_a_bag_that_was_cut_off_all_whole_chunks_are_read(tmp_path, cut):
    bag = tmp_path / "killed" / "bag"
    ours(tmp_path / "bag", rows=20, killed=bag)
    assert read_bag(bag, SO101).length == 20
    (file,) = bag.glob("*.mcap")
    with file.open("r+b") as open_file:
        open_file.truncate(file.stat().st_size - cut)
    assert read_bag(bag, SO101).length == 10


def test_a_damaged_file_is_named(tmp_path):
    bag = ours(tmp_path / "bag", rows=20)
    (file,) = bag.glob("*.mcap")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=f"{file}: damaged"):
        read_bag(bag, SO101)


@pytest.mark.parametrize("name", ["../secret.mcap", "/etc/passwd", 7])
def test_a_bag_names_files_of_its_own_folder_only(tmp_path, name):
    bag = ours(tmp_path / "bag", rows=20)
    metadata = bag / "metadata.yaml"
    metadata.write_text(metadata.read_text().replace("- bag_0.mcap", f"- {name}"))
    with pytest.raises(ConfigError, match="is no file of this folder"):
        read_bag(bag, SO101)


def test_the_recorded_robot_is_compared(tmp_path):
    bag = ours(tmp_path / "bag", rows=20)
    metadata = bag / "metadata.yaml"
    metadata.write_text(metadata.read_text().replace("robot: so101", "robot: go1"))
    with pytest.raises(ConfigError, match="recorded on 'go1', expected 'so101'"):
        read_bag(bag, SO101)
