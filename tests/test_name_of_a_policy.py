"""The name of a policy goes from the command line to its network and enters no module twice.

What is followed is the name, the folder that it stands for, and whatever holds one of them, from
call to call of this package, until the network is made. A module that it enters again after it has
been elsewhere does something that belongs to where the name came from, or the other way round.
"""

import sys
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import rclpy  # noqa: TID251
from ros_graph import free_domain

from robot_policies.cli.app import main
from robot_policies.nodes.policy_node import PolicyNode
from robot_policies.policies.locate import find_checkpoint
from robot_policies.session import open_session

NAME = "uni_o4/go1_walk"
FOLDER = find_checkpoint(NAME)
OWN = ("robot_policies", "robot_policies_sim", "robot_policies_hardware")
OPENED = ("robot_policies.session", "robot_policies.policies.catalog")
NETWORK = "robot_policies.policies.network"
# Plans many episodes by name, and notes digests; followed is what it does to open a policy.
BESIDE = "robot_policies.evaluation."


@pytest.fixture(scope="module", autouse=True)
def imported() -> None:
    """Import what the commands need: being followed makes an import take ten times as long."""
    open_session(NAME, "mujoco", "go1_walk")


class Arrived(BaseException):
    """The network is made: nobody needs to wait for the rest of the command."""


def holds(value: Any, depth: int = 2) -> bool:
    """Return whether a value is the name or its folder, or has one of them inside."""
    if isinstance(value, str | Path):
        return str(value) in (NAME, str(FOLDER))
    if not depth:
        return False
    if is_dataclass(value) and not isinstance(value, type):
        return any(holds(getattr(value, f.name, None), depth - 1) for f in fields(value))
    parts = value.values() if type(value) is dict else value
    return type(value) in (dict, list, tuple) and any(holds(part, depth - 1) for part in parts)


def module_of(frame: FrameType | None) -> str:
    """Return the module of this package that a frame belongs to, or was called from."""
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name.partition(".")[0] in OWN:
            return name
        frame = frame.f_back
    return ""


def given(frame: FrameType) -> list[Any]:
    """Return what a function is called with; that a method belongs to an object is no argument."""
    code = frame.f_code
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return [frame.f_locals.get(name) for name in names if name != "self"]


def followed(command: Callable[[], Any]) -> list[str]:
    """Return the modules that the name enters, one after the other."""
    entered: list[str] = []

    def look(frame: FrameType, event: str, argument: object) -> None:
        name = frame.f_globals.get("__name__", "")
        if event == "return" and (name, frame.f_code.co_name) == (NETWORK, "read_network"):
            raise Arrived
        if event != "call" or name.partition(".")[0] not in OWN:
            return
        before = module_of(frame.f_back)
        if name == before or name.startswith(BESIDE):
            return
        if before.startswith(BESIDE) and name not in OPENED:
            return
        if any(map(holds, given(frame))) and entered[-1:] != [name]:
            entered.append(name)

    sys.setprofile(look)
    try:
        with pytest.raises(Arrived):
            command()
    finally:
        sys.setprofile(None)
    return entered


def returns(entered: list[str]) -> list[str]:
    """Return the modules that are entered again, in order."""
    return [name for i, name in enumerate(entered) if name in entered[:i]]


WORDS = ["--policy", NAME, "--backend", "mujoco", "--task", "go1_walk"]
COMMANDS = {
    "run": ["run", *WORDS],
    "evaluate": ["evaluate", *WORDS, "--episodes", "2", "--workers", "1"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_name_in_a_command_enters_no_module_twice(name):
    entered = followed(lambda: main(COMMANDS[name]))
    assert entered[:2] == ["robot_policies.cli.app", f"robot_policies.cli.{name}"]
    assert entered[2] in OPENED
    assert entered[-1] == NETWORK
    assert returns(entered) == []


def test_the_name_in_a_node_enters_no_module_twice(monkeypatch):
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    settings = {"policy": NAME, "robot": "go1", "backend": "loopback"}
    words = [word for key, value in settings.items() for word in ("-p", f"{key}:={value}")]
    rclpy.init(args=["--ros-args", *words], domain_id=free_domain())
    try:
        node = PolicyNode()
        entered = followed(node.trigger_configure)
        node.destroy_node()
    finally:
        rclpy.try_shutdown()
    assert entered[-1] == NETWORK
    assert returns(entered) == []


def test_a_return_is_found():
    assert returns(["a", "b", "a", "c", "b"]) == ["a", "b"]
