"""What a data set says of itself is believed, converted, or refused; never guessed."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from robot_policies.catalog import load_robot, make_backend
from robot_policies.cli.app import main
from robot_policies.data.continuity import breaks, longest_stretch
from robot_policies.data.reading import open_dataset
from robot_policies.data.writer import DatasetFolder
from robot_policies.interface import ConfigError, offered
from robot_policies.interface.observation import EFFORT
from robot_policies.policies.drafting import draft_contract

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
SO101 = load_robot("so101")
JOINTS = SO101.joint_names
RAD = ("rad",) * 6
DEGREES = np.array([10.0, -1.0, -23.0, 91.0, 0.0, 50.0])


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Two episodes of an SO-101 at rest as LeRobot names them: positions, no word about units."""
    root = tmp_path_factory.mktemp("reading") / "rest"
    names = [f"{joint}.pos" for joint in JOINTS]
    vector = {"dtype": "float32", "shape": [6], "names": names}
    features = {"observation.state": vector, "action": vector}
    folder = DatasetFolder(root, 30, "so101_follower", features)
    for _ in range(2):
        folder.add_columns({name: np.tile(DEGREES, (5, 1)) for name in features}, "rest", {})
    folder.close()
    return root


@pytest.fixture
def edited(written, tmp_path):
    """Return a function that copies the data set with an `info.json` that says something else."""

    def copy(change=lambda info: None, unit=None):
        root = tmp_path / "copy"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(written, root)
        path = root / "meta" / "info.json"
        info = json.loads(path.read_text())
        for name in ("observation.state", "action") if unit is not None else ():
            info["features"][name]["unit"] = unit
        change(info)
        path.write_text(json.dumps(info))
        return root

    return copy


def test_what_says_degrees_and_percent_becomes_radians(edited):
    recorded = open_dataset(edited(unit=["deg"] * 5 + ["%"]))
    recorded.require_robot("so101")  # LeRobot's so101_follower, and since 0.6 so_follower
    replace(recorded, robot="so_follower").require_robot("so101")
    vector = recorded.vector("action", JOINTS[::-1], RAD, SO101)
    gripper = SO101.joints[-1]
    expected = np.array([(gripper.lower + gripper.upper) / 2, *np.radians(DEGREES[4::-1])])
    np.testing.assert_allclose(vector.of(DEGREES), expected, atol=1e-9)
    assert not vector.same
    back = recorded.vector("action", JOINTS, ["deg"] * 5 + ["%"], SO101)
    assert back.same


def test_lerobots_shares_of_a_range_need_its_calibration(edited, tmp_path):
    root = edited(unit=["m100"] * 5 + ["%"])
    with pytest.raises(ConfigError, match=r"meta/calibration\.json is missing"):
        open_dataset(root).vector("action", JOINTS, RAD, SO101)
    entry = {"id": 1, "drive_mode": 0, "homing_offset": 0, "range_min": 1000, "range_max": 3000}
    file = root / "meta" / "calibration.json"
    file.write_text(json.dumps(dict.fromkeys(JOINTS, entry)))
    vector = open_dataset(root).vector("action", JOINTS[:5], RAD[:5], SO101)
    np.testing.assert_allclose(vector.of(DEGREES), DEGREES[:5] * 10 * 2 * np.pi / 4095)
    config = {
        "input_features": {"observation.state": {"shape": [6]}},
        "output_features": {"action": {"shape": [6]}},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    draft_contract(tmp_path, root, "", ())
    assert (tmp_path / "calibration.json").read_text() == file.read_text()


def test_units_may_be_stated_where_the_data_set_says_none(edited):
    gripper = SO101.joints[-1]
    expected = [*np.radians(DEGREES[:5]), (gripper.lower + gripper.upper) / 2]
    recorded = open_dataset(edited(), ["deg", "gripper=%"])
    np.testing.assert_allclose(recorded.vector("action", JOINTS, RAD, SO101).of(DEGREES), expected)
    # What the data set says itself is believed, and a unit that is left out is asked for.
    said = open_dataset(edited(unit="rad"), ["deg"])
    assert said.vector("action", JOINTS, RAD, SO101).same
    with pytest.raises(ConfigError, match="does not say its units"):
        open_dataset(edited(), ["gripper=%"]).vector("action", JOINTS, RAD, SO101)
    with pytest.raises(ConfigError, match="no unit 'degrees'"):
        open_dataset(edited(), ["degrees"]).vector("action", JOINTS, RAD, SO101)


def test_a_data_set_of_lerobot_plays_and_is_the_robot(edited, capfd):
    root, task = edited(), "tabletop_place"
    play = ["data", "replay", str(root), "--task", task, "--backend", "mujoco", "--json", "-"]
    assert main(play) == 2  # nothing moves on a guess
    assert "does not say its units" in capfd.readouterr().err
    assert main([*play, "--unit", "deg", "--unit", "gripper=%"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert document["refusals"] == {}
    assert document["initial"]["joint_position"]["elbow_flex"] == pytest.approx(np.radians(-23))
    assert "joints start as in row 0" in document["notes"][0]
    assert max(document["rms_deviation"].values()) < 0.02  # rad
    log = make_backend("replay", SO101, {}, dataset=str(root), unit=["deg", "gripper=%"])
    log.connect()
    state = log.reset(0, {})
    np.testing.assert_allclose(state.joint_position[:5], np.radians(DEGREES[:5]), atol=1e-6)
    assert not log.measures_effort
    assert EFFORT not in offered(log)


@pytest.mark.parametrize(
    ("unit", "message"),
    [
        (None, "'action' does not say its units, expected rad. Write \"unit\""),
        ("m", "'shoulder_pan.pos' is in m, expected rad. It is another quantity"),
        ("rad/s", "'shoulder_pan.pos' is in rad/s, expected rad"),
        ("furlong", "no unit 'furlong'"),
        (["rad"], "expected one for each of"),
        (3, "expected one for each of"),
    ],
)
def test_a_unit_that_is_unsaid_or_another_is_refused_in_one_line(edited, unit, message):
    recorded = open_dataset(edited(unit=unit))
    with pytest.raises(ConfigError, match=message) as error:
        recorded.vector("action", JOINTS, RAD, SO101)
    assert "\n" not in str(error.value)


def test_degrees_are_refused_where_nothing_can_convert_them(edited):
    recorded = open_dataset(edited(unit="deg"))
    with pytest.raises(ConfigError, match="is in deg, expected rad. Convert the column"):
        recorded.vector("action", JOINTS[:5], RAD[:5], convert=False)


def test_names_rate_and_robot_are_compared(edited):
    recorded = open_dataset(edited(unit="rad"))
    with pytest.raises(ConfigError, match="has no 'elbow'. Did you mean 'elbow_flex.pos'"):
        recorded.vector("action", ["elbow"], ["rad"])
    with pytest.raises(ConfigError, match="recorded on 'so101_follower', expected 'go1'"):
        recorded.require_robot("go1")
    for rate in (29.97, 30.2):
        recorded.require_rate(rate)
    with pytest.raises(ConfigError, match=r"fps: 30 rows/s, expected 50 within 1 %"):
        recorded.require_rate(50.0)
    assert [recorded.periods_per_row(rate) for rate in (30.0, 59.94, 240.0)] == [1, 2, 8]
    for rate in (20.0, 50.0):
        with pytest.raises(ConfigError, match="a whole fraction"):
            recorded.periods_per_row(rate)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda info: info.update(fps=0), "fps is 0, expected a number > 0"),
        (lambda info: info.pop("features"), "features is None, expected a mapping"),
        (lambda info: info.update(data_path="../{chunk_index}"), "leads out of the folder"),
        (lambda info: info.update(data_path="{nothing}"), "path '{nothing}'"),
        (lambda info: info.update(total_tasks="x"), "total_tasks is 'x', expected a count"),
        (lambda info: info.update(total_frames=-1), "total_frames is -1, expected a count"),
        (lambda info: info.update(total_episodes=3), "lists 2 episodes, .* counts 3"),
    ],
)
def test_a_description_that_cannot_be_is_refused(edited, change, message):
    with pytest.raises(ConfigError, match=message):
        open_dataset(edited(change))


FILES = [
    "meta/info.json",
    "meta/tasks.parquet",
    "meta/stats.json",
    "meta/episodes/chunk-000/file-000.parquet",
    "data/chunk-000/file-000.parquet",
]


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_missing_is_named_and_no_hub_is_asked(edited, name, capfd):
    """Also by who appends: LeRobot would write over what is left."""
    root = edited(unit="rad")
    (root / name).unlink()
    told = "meta/episodes" if "episodes" in name else name
    with pytest.raises(ConfigError, match=told):
        open_dataset(root)
    with pytest.raises(ConfigError, match=told):
        DatasetFolder(root, 30, "so101_follower", {})
    assert main(["data", "show", str(root)]) == 2
    assert told in capfd.readouterr().err


def test_a_damaged_file_is_named(edited):
    root = edited(unit="rad")
    path = root / "data/chunk-000/file-000.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ConfigError, match="data/chunk-000/file-000.parquet cannot be read"):
        open_dataset(root)


def test_what_no_robot_can_do_between_two_rows_is_a_break():
    upright, fallen = [0.0, 0.0, 0.0, 1.0], [np.sin(0.8), 0.0, 0.0, np.cos(0.8)]  # 1.6 rad
    position, limit = np.zeros((6, 2)), np.array([20.0, 30.0])
    turned = np.array([fallen, *[upright] * 5])
    assert breaks(50.0, position, limit, turned).tolist() == [1]
    assert breaks(1.0, position, limit, turned).tolist() == []
    position[4:, 0] = 0.9  # 45 rad/s, of a joint of 20
    assert breaks(50.0, position, limit, turned).tolist() == [1, 4]
    position[4:] = [0.0, 0.9]  # of a joint of 30
    assert breaks(50.0, position, limit).tolist() == []
    half = np.sqrt(0.5)
    spun = np.array([upright, [0.0, 0.0, half, half]] * 3)  # heading alone, which is not measured
    assert breaks(50.0, position, limit, spun).tolist() == []
    assert longest_stretch(6, np.array([1, 4])) == range(1, 4)
    assert longest_stretch(1, np.empty(0, int)) == range(1)
