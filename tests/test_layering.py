"""Who may import whom: the table of the design, enforced on every module and every function."""

import re
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from imports import imported, modules_by_name

from robot_policies_sim.engines.gymnasium.robot import BENCHMARKS

ROOT = Path(__file__).resolve().parents[1]
SIM, HARDWARE = "robot_policies_sim", "robot_policies_hardware"
ENGINES, WORLDS = f"{SIM}.engines", f"{SIM}.worlds"
POLICIES, NODES, CONTROL = (f"robot_policies.{part}" for part in ("policies", "nodes", "control"))

# These may import nothing but the standard library and what is named.
ONLY = {
    "robot_policies/interface": {"numpy", "robot_policies.interface"},
    "robot_policies/control": {"numpy", "robot_policies.interface", CONTROL},
}
# These may import anything but what is named.
NEVER = {
    "robot_policies/learning": {"rclpy", CONTROL, NODES, SIM, HARDWARE},
    "robot_policies/policies": {"rclpy", CONTROL, NODES, SIM, HARDWARE, "mujoco", "pybullet"},
    "robot_policies/skills": {"rclpy", CONTROL, NODES, SIM, HARDWARE},
    "robot_policies/lerobot_plugin": {"rclpy", "torch", NODES, POLICIES, SIM, "mujoco"},
    "robot_policies/data": {"rclpy", NODES, SIM, HARDWARE, "mujoco", "pybullet"},
    "robot_policies/robots": {"torch", "rclpy", CONTROL, NODES, POLICIES, SIM, HARDWARE},
    "robot_policies/serving": {"rclpy", "torch", "mujoco", NODES, POLICIES, SIM, HARDWARE},
    "robot_policies/nodes": {"torch", "lerobot", "mujoco", "pybullet", SIM, HARDWARE},
    "sim/robot_policies_sim": {"torch", "rclpy", CONTROL, NODES, POLICIES, HARDWARE},
    "sim/robot_policies_sim/scene": {"mujoco", "pybullet", "gymnasium", ENGINES, WORLDS},
    "sim/robot_policies_sim/engines": {WORLDS},
    "sim/robot_policies_sim/worlds": set(),
    "hardware/robot_policies_hardware": {"torch", "rclpy", CONTROL, NODES, POLICIES, SIM},
}
# Where ROS is met, besides the nodes.
DRIVERS = "hardware/robot_policies_hardware"
EXCEPT = {
    f"{DRIVERS}/{name}.py": {"rclpy"}
    for name in ("ros2_control_backend", "emulators/ros2_control")
}
# Of the policies, nodes know the catalog only.
CATALOG = f"{POLICIES}.catalog"
# No folder in these knows the folder beside it.
STRANGERS = {
    "robot_policies/policies": POLICIES,
    "sim/robot_policies_sim/engines": ENGINES,
    "sim/robot_policies_sim/worlds": WORLDS,
}


def within(name: str, packages: set[str]) -> bool:
    return any(f"{name}.".startswith(f"{package}.") for package in packages)


def standard(name: str) -> bool:
    return name.partition(".")[0] in sys.stdlib_module_names


def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def forbidden(folder: str, path: Path, source: str) -> list[str]:
    """Return the imports of a module that its folder's rule does not allow."""
    names = list(imported(source))
    if folder in ONLY:
        return [name for name in names if not standard(name) and not within(name, ONLY[folder])]
    never = NEVER[folder] - EXCEPT.get(path.relative_to(ROOT).as_posix(), set())
    found = [name for name in names if within(name, never)]
    if folder == "robot_policies/nodes":
        found += [
            name for name in names if within(name, {POLICIES}) and not within(name, {CATALOG})
        ]
    if folder in STRANGERS:
        own = path.relative_to(ROOT / folder).parts[0]
        others = {entry.name for entry in (ROOT / folder).iterdir() if entry.is_dir()} - {own}
        strangers = {f"{STRANGERS[folder]}.{other}" for other in others}
        found += [name for name in names if within(name, strangers)]
    return found


CASES = [(folder, path) for folder in (*ONLY, *NEVER) for path in modules(folder)]


@pytest.mark.parametrize(
    ("folder", "path"), CASES, ids=[path.relative_to(ROOT).as_posix() for _, path in CASES]
)
def test_imports_follow_the_table(folder, path):
    assert forbidden(folder, path, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("folder", "source"),
    [
        ("robot_policies/interface", "import yaml"),
        ("robot_policies/control", "from robot_policies.policies import catalog"),
        ("robot_policies/control", "def f():\n    import torch"),
        ("robot_policies/nodes", "from robot_policies.policies.runtime import LerobotRuntime"),
        ("robot_policies/policies", "from robot_policies import control"),
        ("sim/robot_policies_sim", "import torch.nn"),
        ("sim/robot_policies_sim/scene", "import mujoco"),
        ("sim/robot_policies_sim/scene", "from robot_policies_sim.engines import stepped"),
        ("sim/robot_policies_sim/engines", "from robot_policies_sim.worlds.go1 import walk"),
        ("sim/robot_policies_sim/engines", "from robot_policies_sim.engines.mujoco import model"),
        ("sim/robot_policies_sim/worlds", "from robot_policies_sim.worlds import tabletop"),
        ("hardware/robot_policies_hardware", "import rclpy"),
    ],
)
def test_a_forbidden_import_is_found(folder, source):
    assert forbidden(folder, ROOT / folder / "somewhere.py", source)


def test_ros_is_imported_in_three_places_only():
    places = [*modules("robot_policies"), *modules("sim"), *modules("hardware")]
    users = {
        path.relative_to(ROOT).as_posix()
        for path in places
        if any(within(name, {"rclpy"}) for name in imported(path.read_text(encoding="utf-8")))
    }
    assert {u for u in users if not u.startswith("robot_policies/nodes/")} <= set(EXCEPT)


def test_every_package_of_the_tree_has_a_rule():
    free = {"evaluation", "cli", "launching"}  # they know everything, by name
    found = {
        path.name
        for path in (ROOT / "robot_policies").iterdir()
        if path.is_dir() and (path / "__init__.py").exists()
    }
    assert {f"robot_policies/{name}" for name in found - free} <= {*ONLY, *NEVER}


def circle(sources: Mapping[str, str]) -> list[str]:
    """Return modules that import each other in a circle, in any function too; empty if none do.

    Args:
        sources: Text by module name.
    """
    graph = {
        module: {
            known
            for name in imported(source)
            for known in (name, name.rpartition(".")[0])  # a module, or what one has in it
            if known in sources and known != module
        }
        for module, source in sources.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_no_modules_import_each_other_in_a_circle():
    paths = modules_by_name()
    assert {"robot_policies.interface", f"{ENGINES}.stepped"} <= set(paths)
    assert circle({name: path.read_text(encoding="utf-8") for name, path in paths.items()}) == []


def named_in_the_catalog() -> Iterator[str]:
    for path in sorted((ROOT / "config").rglob("*.yaml")):
        found = re.search(r"^implementation: (\S+):", path.read_text(encoding="utf-8"), re.M)
        if found:
            yield found[1]
    yield BENCHMARKS["metaworld"]


def test_what_is_named_and_not_imported_is_there():
    names = set(named_in_the_catalog())
    assert len(names) > 10
    assert names <= set(modules_by_name())


def test_a_circle_is_found_even_where_one_import_waits_in_a_function():
    sources = {"a": "import b", "b": "def f():\n    from c import thing", "c": "import a"}
    assert set(circle(sources)) == {"a", "b", "c"}
