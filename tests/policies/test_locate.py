"""A name finds its policy, or the nearest name."""

from pathlib import Path

import pytest

from robot_policies.interface import CheckpointError, ConfigError, UnknownNameError
from robot_policies.policies import locate
from robot_policies.policies.catalog import load_policy


@pytest.fixture
def share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "checkpoints" / "uni_o4" / "go1_walk"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    monkeypatch.setattr(locate, "share_directory", lambda: tmp_path)
    return tmp_path


def test_a_folder_called_as_a_launch_file_says_nothing_is_refused(tmp_path, monkeypatch):
    (tmp_path / "none").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"call it ./none"):
        locate.find_checkpoint("none")
    assert locate.find_checkpoint("./none") == Path("none")


def test_lists_what_is_shipped(share):
    assert locate.checkpoints() == ["uni_o4/go1_walk"]
    assert locate.policies() == ["hold", "uni_o4/go1_walk"]
    assert locate.find_checkpoint("uni_o4/go1_walk") == share / "checkpoints/uni_o4/go1_walk"


@pytest.mark.parametrize(
    ("name", "nearest"), [("hodl", "hold"), ("uni_o4/go1_wlak", "uni_o4/go1_walk")]
)
@pytest.mark.usefixtures("share")
def test_wrong_name_gets_the_nearest(name, nearest):
    with pytest.raises(UnknownNameError, match=f"Did you mean '{nearest}'"):
        load_policy(name)


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="no such folder"):
        load_policy(str(tmp_path / "nowhere"))


@pytest.mark.usefixtures("share")
def test_hub_is_not_asked_when_offline(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConfigError, match=r"(?s)no policy 'someone/act'.*cannot be reached"):
        load_policy("someone/act")
