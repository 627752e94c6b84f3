"""The page about the architecture shows the folders that are there and imports that go down."""

import re
import subprocess
from functools import cache
from statistics import median

import pytest
from imports import ROOT, imported, modules_by_name

PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
SOURCES = ("robot_policies", "sim/robot_policies_sim", "hardware/robot_policies_hardware")
LOOSE = {
    f"robot_policies/{name}.py"
    for name in ("catalog", "documents", "places", "session", "shared_files", "stage")
}


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@cache
def table() -> list[tuple[list[str], list[str]]]:
    """Return each row's rooms and the folders in them."""
    lines = PAGE.partition("## Rooms")[2].partition("\nBeside the code")[0].splitlines()
    rows = [line.strip("|").split("|") for line in lines if line.startswith("| `")]
    return [(names(rooms), names(folders)) for rooms, _, folders in rows]


def packages(folder: str) -> set[str]:
    return {path.parent.name for path in (ROOT / folder).glob("*/__init__.py")}


def module(room: str) -> str:
    path = room.removesuffix(".py").split("/")
    return ".".join(path[1:] if path[0] in ("sim", "hardware") else path)


@cache
def room_of(name: str) -> str:
    rooms = [room for row, _ in table() for room in row]
    within = [room for room in rooms if f"{name}.".startswith(f"{module(room)}.")]
    return max(within, key=len, default="")


def test_every_room_is_shown_with_its_folders():
    shown = {room: folders for rooms, folders in table() for room in rooms}
    there = {f"robot_policies/{name}" for name in packages("robot_policies")} | LOOSE
    there |= {f"{SOURCES[1]}/{name}" for name in packages(SOURCES[1])} | {SOURCES[2]}
    assert set(shown) == there
    for rooms, folders in table():
        inside = [set(packages(room)) for room in rooms if (ROOT / room).is_dir()]
        assert set(folders) == set().union(*inside), rooms


def test_every_top_folder_is_shown():
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if tracked.returncode:
        pytest.skip("no git checkout")
    folders = {path.partition("/")[0] for path in tracked.stdout.split("\0") if "/" in path}
    beside = set(names(PAGE.partition("\nBeside the code")[2].partition("## ")[0]))
    assert {name for name in folders if not name.startswith(".")} == beside | {
        source.partition("/")[0] for source in SOURCES
    }


def test_the_picture_shows_rooms_and_leaves_out_none_that_data_flows_through():
    picture = PAGE.partition("```mermaid")[2].partition("```")[0]
    drawn = set(re.findall(r'\["([^"]+)"\]', picture))
    rooms = {room for row, _ in table() for room in row}
    assert drawn <= rooms | {"config", "checkpoints"}
    # All know the contract, learning is torch code, and files are read everywhere.
    assert rooms - drawn == {"robot_policies/interface", "robot_policies/learning"} | (
        LOOSE - {"robot_policies/catalog.py"}
    )
    for line in picture.splitlines():
        if "-->" in line:
            ends = re.findall(r"(?:^|[>|]) *(\w+)", line)
            assert all(re.search(rf'\b{end}\["', picture) for end in (ends[0], ends[-1])), line


def test_half_of_the_modules_have_at_most_120_lines():
    texts = [path.read_text(encoding="utf-8") for path in modules_by_name().values()]
    assert median(len(text.splitlines()) for text in texts if text.count("\n") > 1) <= 120


def test_rooms_import_from_rooms_below():
    height = {room: -i for i, (rooms, _) in enumerate(table()) for room in rooms}
    paths = modules_by_name()
    upward = []
    for name, path in paths.items():
        for target in imported(path.read_text(encoding="utf-8")):
            here, there = room_of(name), room_of(target)
            if there and here and height[there] > height[here]:
                upward.append((name, target))
    assert upward == []


def test_no_process_that_is_started_imports_what_lies_in_the_working_folder():
    for folder in SOURCES:
        for path in (ROOT / folder).rglob("*.py"):
            lines = path.read_text(encoding="utf-8").splitlines()
            found = [line for line in lines if re.search(r"sys\.executable(?!, \"-P\")", line)]
            assert not found, f"{path}: without -P, {found} looks for modules here first"
