"""Robots, backends, tasks and checkpoints of others: installed packages and a user's folders."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from robot_policies import catalog, places
from robot_policies.cli.app import main
from robot_policies.interface import ConfigError
from robot_policies.policies.locate import checkpoints, find_checkpoint
from robot_policies.shared_files import share_directory

BACKEND = '''"""A backend of somebody else."""
from robot_policies_hardware.loopback_backend import LoopbackBackend


class TheirBackend(LoopbackBackend):
    """As the loopback robot."""
'''


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "own"
    for kind in ("robots", "tasks", "backends", "checkpoints/mine"):
        (folder / kind).mkdir(parents=True)
    monkeypatch.setenv("ROBOT_POLICIES_PATH", str(folder))
    return folder


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Install a package with a robot and two backends, as pip leaves it."""
    site = tmp_path / "site"
    folder, about = site / "their_package", site / "their_package-1.0.dist-info"
    for made in (folder / "robots", folder / "backends", about):
        made.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "driver.py").write_text(BACKEND)
    (folder / "broken.py").write_text("import no_such_module\n")
    shutil.copy(share_directory() / "config/robots/planar_arm.yaml", folder / "robots/theirs.yaml")
    for name in ("driver", "broken"):
        (folder / "backends" / f"{name}.yaml").write_text(
            f"implementation: their_package.{name}:TheirBackend\ndescription: theirs\n"
        )
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[robot_policies.robots]\ntheirs = their_package\nabsent = their_package\n"
        "[robot_policies.backends]\ndriver = their_package\nbroken = their_package\n"
    )
    monkeypatch.syspath_prepend(str(site))
    places._packages.cache_clear()
    yield folder
    places._packages.cache_clear()
    for name in [name for name in sys.modules if name.startswith("their_package")]:
        del sys.modules[name]


def robot(path: Path) -> None:
    shutil.copy(share_directory() / "config/robots/planar_arm.yaml", path)


def test_a_robot_in_a_folder_of_the_user(own, capfd):
    robot(own / "robots/mine.yaml")
    assert catalog.load_robot("mine").joint_names == catalog.load_robot("planar_arm").joint_names
    assert main(["list", "robots", "--json", "-"]) == 0
    listed = {row["name"]: row for row in json.loads(capfd.readouterr().out)["robots"]}
    assert listed["mine"]["from"] == f"yours, {own}"
    assert listed["go1"]["from"] == "shipped"


def test_two_of_one_name_are_refused_and_both_are_named(own, capfd):
    robot(own / "robots/go1.yaml")
    with pytest.raises(ConfigError, match="robot 'go1' is there twice") as refusal:
        catalog.load_robot("go1")
    assert str(own / "robots/go1.yaml") in str(refusal.value)
    assert "config/robots/go1.yaml (shipped)" in str(refusal.value)
    assert catalog.load_robot("go2").name == "go2"
    assert main(["list", "robots", "--json", "-"]) == 0
    listed = {row["name"]: row for row in json.loads(capfd.readouterr().out)["robots"]}
    assert listed["go1"]["description"].startswith("UNUSABLE: robot 'go1' is there twice")


def test_a_task_of_a_user_is_another_one_with_other_options(own):
    (own / "tasks/far.yaml").write_text(
        "of: go1_walk\ndescription: longer\noptions: {horizon: 33.0}\n"
    )
    made, other = catalog.load_task("far"), catalog.load_task("go1_walk")
    assert type(made) is type(other)
    assert made.horizon == 33.0 != other.horizon


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("implementation: os:system\ndescription: x\n", "only an installed package names a class"),
        ("of: go1_wlak\ndescription: x\n", "Did you mean 'go1_walk'"),
        ("of: bad\ndescription: x\n", "is of itself"),
        ("of: go1_walk\n", "'description' is missing"),
    ],
)
def test_a_file_of_a_user_names_no_code(own, text, said):
    (own / "tasks/bad.yaml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        catalog.load_task("bad")


def test_a_checkpoint_in_a_folder_of_the_user(own):
    shipped = find_checkpoint("uni_o4/go1_walk")
    shutil.copytree(shipped, own / "checkpoints/mine/walk")
    assert "mine/walk" in checkpoints()
    assert find_checkpoint("mine/walk") == own / "checkpoints/mine/walk"
    shutil.copytree(shipped, own / "checkpoints/uni_o4/go1_walk")
    with pytest.raises(ConfigError, match="policy 'uni_o4/go1_walk' is there twice"):
        find_checkpoint("uni_o4/go1_walk")


def test_an_installed_package_brings_a_robot_and_a_backend(package):
    spec = catalog.load_robot("theirs")
    backend = catalog.make_backend("driver", spec)
    assert type(backend).__module__ == "their_package.driver"


def test_a_package_that_cannot_be_imported_is_named_and_the_rest_works(package, capfd):
    spec = catalog.load_robot("theirs")
    with pytest.raises(ConfigError, match="their_package.broken:TheirBackend") as refusal:
        catalog.make_backend("broken", spec)
    assert "no_such_module" in str(refusal.value)
    assert main(["list", "robots", "--json", "-"]) == 0
    listed = {row["name"]: row for row in json.loads(capfd.readouterr().out)["robots"]}
    assert "UNUSABLE" in listed["absent"]["description"]
    assert listed["theirs"]["from"] == "package their-package"


def test_a_package_names_no_code_of_others(package):
    path = package / "backends/driver.yaml"
    path.write_text("implementation: os:system\ndescription: x\n")
    with pytest.raises(ConfigError, match="module:Class inside their_package"):
        catalog.entry("backends", "driver")


def test_a_ros_package_brings_a_robot(tmp_path, monkeypatch):
    folder = tmp_path / "share/my_robot/robot_policies/robots"
    folder.mkdir(parents=True)
    robot(folder / "ours.yaml")
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    assert catalog.load_robot("ours").joint_names
    assert catalog.entry("backends", "mujoco").description
