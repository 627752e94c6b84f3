import os
from pathlib import Path

import pytest

from robot_policies.launching.description import describe
from robot_policies.launching.log_folder import VARIABLE, log_folder


def test_a_home_that_can_be_written_needs_nothing(tmp_path):
    assert log_folder({"HOME": str(tmp_path)}) == {}


@pytest.mark.parametrize("home", [{}, {"HOME": "/dev/null/nobody"}])
def test_without_one_logs_go_where_everybody_may_write(home):
    folder = Path(log_folder(home)[VARIABLE])
    assert os.access(folder.parent, os.W_OK)


def test_what_the_user_has_set_is_kept():
    assert log_folder({VARIABLE: "/logs"}) == {}
    assert log_folder({"ROS_HOME": "/ros"}) == {}


def test_the_processes_of_a_launch_are_told(tmp_path, monkeypatch):
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("ROS_HOME", raising=False)
    monkeypatch.delenv(VARIABLE, raising=False)
    path = tmp_path / "a.launch.xml"
    path.write_text("<launch><executable cmd='true'/></launch>")
    (step,) = describe(path, {}).steps
    assert VARIABLE in step.action.environment
