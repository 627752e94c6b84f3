"""Exit status and words of the command line."""

import json
import shutil
import subprocess
import sys

import pytest

from robot_policies import shared_files
from robot_policies.cli.app import explain, main
from robot_policies.interface import BackendError, CheckpointError, ConfigError

CHECK = ["check", "--policy", "hold", "--robot", "go1", "--backend", "loopback"]


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "robot_policies.cli.app", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
    )


def replaced(arguments: list[str], option: str, value: str) -> list[str]:
    changed = list(arguments)
    changed[changed.index(option) + 1] = value
    return changed


def test_done_is_0_and_stdout_holds_the_json_alone():
    done = command(*CHECK, "--json", "-")
    assert done.returncode == 0
    document = json.loads(done.stdout)
    assert document["compatible"] is True
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("option", "wrong", "near"),
    [
        ("--policy", "hodl", "hold"),
        ("--robot", "gol1", "go1"),
        ("--backend", "lopback", "loopback"),
    ],
)
def test_a_wrong_name_is_2_and_one_line_with_the_nearest(capsys, option, wrong, near):
    assert main(replaced(CHECK, option, wrong)) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert f"'{wrong}'. Did you mean '{near}'?" in printed.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["chek"],
        ["check", "--polcy", "hold"],
        ["check"],
        ["list", "robotts"],
        ["list", "--json", "no/such/folder/x.json"],
        ["evaluate", "--policy", "hold", "--task", "x", "--backend", "mujoco", "--episodes", "0"],
        ["train", "uni_o4", "--stage", "onlin", "--out", "x", "--steps", "1"],
        ["launch", "policy.launch.xml", "backend:=mujco"],
        ["launch", "policy.launch.xml", "polcy:=hold"],
        ["launch", "policy.launch.xml", "hold"],
        ["launch", "no_such.launch.xml"],
    ],
)
def test_wrong_usage_is_2_and_one_line(capsys, arguments):
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1


def test_a_fault_is_3_in_one_line_and_debug_adds_the_traceback(capsys):
    gone = replaced(CHECK, "--policy", "./no_such_checkpoint")
    assert main(gone) == 3
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert main([*gone, "--debug"]) == 3
    assert "Traceback" in capsys.readouterr().err


def test_every_kind_of_error_has_its_status():
    assert explain(ConfigError("x")) == ("x", 2)
    assert explain(CheckpointError("x")) == ("x", 3)
    assert explain(BackendError("x")) == ("x", 3)
    assert explain(ZeroDivisionError("x"))[1] == 3
    assert explain(ModuleNotFoundError("no module", name="torch")) == (
        "the Python package 'torch' is missing; see robot-policies doctor",
        3,
    )


def test_an_interrupt_leaves_no_traceback(capsys, monkeypatch):
    def interrupted(name):
        raise KeyboardInterrupt

    monkeypatch.setattr("robot_policies.catalog.load_robot", interrupted)
    assert main(["list", "robots"]) == 130
    assert capsys.readouterr().err == ""


def test_list_names_what_the_catalogs_hold(capsys):
    from robot_policies import catalog

    assert main(["list", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["policies", "robots", "backends", "tasks", "skills", "checkpoints"]
    assert [entry["name"] for entry in found["backends"]] == catalog.backends()
    assert all(entry["description"] for entry in found["backends"])


def test_list_says_the_first_sentence_of_each_card(capsys):
    assert main(["list", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    said = {entry["name"]: entry["description"] for entry in found["checkpoints"]}
    assert said["uni_o4/go1_walk"].endswith("stands still at zero.")
    assert all(text.endswith(".") for text in said.values())
    assert all(entry["description"] for entry in found["skills"])


def test_json_goes_to_a_file_and_the_table_to_people(capsys, tmp_path):
    path = tmp_path / "robots.json"
    assert main(["list", "robots", "--json", str(path)]) == 0
    assert "go1" in capsys.readouterr().out
    assert json.loads(path.read_text())["robots"][0]["name"] == "go1"


HEAVY = (
    "torch",
    "mujoco",
    "pybullet",
    "rclpy",
    "lerobot",
    "open3d",
    "scipy",
    "rerun",
    "gymnasium",
)


@pytest.mark.parametrize(
    "code",
    [
        "import robot_policies",
        "import robot_policies.cli.app",
        "from robot_policies.cli.app import main; main(['list', '--json', '-'])",
        "from robot_policies.cli.app import main; main(['--help'])",
    ],
)
def test_what_is_not_used_is_not_imported(code):
    ending = f"import sys; print([m for m in {HEAVY} if m in sys.modules], file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; {ending}"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0
    assert done.stderr.splitlines()[-1] == "[]"


def test_one_broken_file_is_named_and_the_rest_is_listed(tmp_path, monkeypatch, capfd):
    shutil.copytree(shared_files.share_directory() / "config", tmp_path / "config")
    (tmp_path / "config" / "tasks" / "broken.yaml").write_text("description: [")
    (tmp_path / "config" / "robots" / "headless.yaml").write_text("name: headless")
    monkeypatch.setattr(shared_files, "share_directory", lambda: tmp_path)
    assert main(["list", "--json", "-"]) == 0
    listed = json.loads(capfd.readouterr().out)
    tasks = {entry["name"]: entry["description"] for entry in listed["tasks"]}
    assert "broken.yaml" in tasks["broken"]
    assert tasks["broken"].startswith("UNUSABLE")
    assert "headless.yaml" in {e["name"]: e["description"] for e in listed["robots"]}["headless"]
    assert sum(d.startswith("UNUSABLE") for d in tasks.values()) == 1
    assert len(tasks) > 5


def test_listing_is_quick_because_it_imports_no_framework():
    script = (
        "import sys; from robot_policies.cli.app import main; main(['list']);"
        "print({'torch', 'lerobot', 'mujoco', 'gymnasium'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "set()"
