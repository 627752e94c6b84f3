"""A plain pip install, in which nothing lies beside the package any more."""

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[1]
# Names that ROS's rosdep has for packages of PyPI: rosdep/python.yaml of ros/rosdistro.
ROSDEP = {
    "numpy": "python3-numpy",
    "opencv-python-headless": "python3-opencv",
    "pyyaml": "python3-yaml",
    "rich": "python3-rich",
    "scipy": "python3-scipy",
    "typer": "python3-typer",
}
SOURCES = ("robot_policies", "sim", "hardware", "config", "launch", "checkpoints", "samples")
FILES = ("setup.py", "setup.cfg", "pyproject.toml", "package.xml", "README.md")


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    source, prefix = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("prefix")
    for folder in (*SOURCES, "libexec", "resource"):
        shutil.copytree(
            ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in FILES:
        shutil.copy(ROOT / name, source)
    # Without --ignore-installed pip would remove the package these tests run from.
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--ignore-installed"]
    where = ["--quiet", "--prefix", str(prefix), str(source)]
    command = [sys.executable, "-m", "pip", "install", *options, *where]
    subprocess.run(command, check=True, capture_output=True, cwd=source)
    return prefix


NODES = ["backend_node", "bringup_node", "operator_node", "policy_node"]


def site_packages(prefix):
    return prefix / f"lib/python3.{sys.version_info.minor}/site-packages"


def test_only_our_names_land_in_site_packages(prefix):
    names = {path.name.split("-")[0] for path in site_packages(prefix).iterdir()}
    assert names == {"robot_policies", "robot_policies_sim", "robot_policies_hardware"}


def test_ros_finds_marker_manifest_and_executables(prefix):
    share = prefix / "share"
    assert (share / "ament_index/resource_index/packages/robot_policies").is_file()
    assert (share / "robot_policies/package.xml").is_file()
    assert (share / "robot_policies/launch/policy.launch.xml").is_file()
    nodes = sorted((prefix / "lib/robot_policies").iterdir())
    assert [path.name for path in nodes] == NODES
    assert all(os.access(path, os.X_OK) for path in nodes)


@pytest.mark.parametrize("node", NODES)
def test_a_node_runs_in_the_interpreter_it_was_installed_for(prefix, node):
    interpreter = prefix / "bin/python3"
    interpreter.write_text("#!/bin/sh\necho ours: $*\n")
    interpreter.chmod(0o755)
    try:
        command = [prefix / "lib/robot_policies" / node, "--ros-args", "-r", "__node:=left"]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
    finally:
        interpreter.unlink()
    assert run.stdout == f"ours: -P -m robot_policies.nodes {node} --ros-args -r __node:=left\n"


def test_a_build_through_links_needs_nothing_beside_what_is_installed(tmp_path):
    for name in ("setup.py", "package.xml", "setup.cfg", *SOURCES, "libexec", "resource"):
        (tmp_path / name).symlink_to(ROOT / name)  # as `colcon build --symlink-install` does
    command = [sys.executable, "setup.py", "--quiet", "--name"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout.split()) == (0, ["robot_policies"]), run.stderr


def test_the_demo_needs_nothing_beyond_everything_and_nothing_that_is_compiled(prefix):
    (package,) = distributions(path=[str(site_packages(prefix))])
    requirements = [(re.split("[^a-z0-9-]", line)[0], line) for line in package.requires]
    names = {
        extra: {name for name, line in requirements if f'extra == "{extra}"' in line}
        for extra in ("demo", "all")
    }
    assert "ros-rclpy" in names["demo"]
    assert names["demo"] < names["all"] - {"pybullet", "open3d"}


def test_the_manifest_names_every_dependency_of_the_nodes_for_rosdep(prefix):
    (package,) = distributions(path=[str(site_packages(prefix))])
    lines = [line for line in package.requires if 'extra == "ros"' in line or ";" not in line]
    names = [re.split("[^a-z0-9-]", line)[0] for line in lines]
    keys = {ROSDEP.get(n) or n.removeprefix("ros-").replace("-", "_") for n in names}
    manifest = ElementTree.parse(ROOT / "package.xml")
    declared = {str(element.text) for element in manifest.iter("exec_depend")}
    assert declared == keys
    files = [*ROOT.glob("robot_policies/**/*.py"), *ROOT.glob("hardware/**/*.py")]
    pattern = r"^\s*(?:from|import) (rclpy|std_srvs|\w+_(?:msgs|interfaces))\b"
    imported = {name for f in files for name in re.findall(pattern, f.read_text(), re.MULTILINE)}
    assert imported <= declared


def test_the_installed_package_finds_what_it_ships(prefix, tmp_path):
    code = (
        "from robot_policies import catalog, shared_files\n"
        "from robot_policies.policies.locate import policies\n"
        "catalog.load_robot('go1'); print(shared_files.share_directory(), *policies())"
    )
    environment = {**os.environ, "PYTHONPATH": str(site_packages(prefix))}
    environment.pop("AMENT_PREFIX_PATH", None)
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    where, *names = run.stdout.split()
    assert Path(where) == prefix / "share/robot_policies"
    assert "uni_o4/go1_walk" in names


def test_versions_agree():
    from robot_policies import __version__

    assert f"<version>{__version__}</version>" in (ROOT / "package.xml").read_text()
    assert f'version="{__version__}"' in (ROOT / "setup.py").read_text()
