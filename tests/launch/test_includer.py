"""A launch file of somebody's own that includes the shipped one."""

import os
import signal
from pathlib import Path

import pytest
from ros_graph import Graph, mode_of
from sensor_msgs.msg import JointState

pytestmark = pytest.mark.smoke

INCLUDER = """<launch>
  <include file="$(find-pkg-share robot_policies)/launch/policy.launch.xml">
    <arg name="policy" value="hold"/> <arg name="robot" value="so101"/>
    <arg name="backend" value="loopback"/> <arg name="seconds" value="{seconds}"/>
    <arg name="ends_launch" value="{ends}"/> <arg name="summary" value="{folder}/summary"/>
  </include>
  <executable cwd="{folder}"
    cmd="sh -c 'until [ -e summary ]; do sleep 0.2; done; sleep 3; touch own'"/>
</launch>
"""


def include(folder: Path, seconds: float, ends: str = "false") -> Graph:
    """Launch a file whose own process writes a file 3 s after the trial was summed up."""
    file = folder / "mine.launch.xml"
    file.write_text(INCLUDER.format(folder=folder, seconds=seconds, ends=ends))
    return Graph(file=str(file))


@pytest.mark.parametrize("ends", ["false", "true"])
def test_the_end_of_a_trial_ends_an_includer_where_it_asks_for_that(ends, tmp_path):
    status, errors = include(tmp_path, 1.0, ends).end(None)
    assert status == 0, errors
    assert (tmp_path / "own").exists() == (ends == "false")


def test_a_killed_bringup_stops_the_robot_and_not_the_includer(tmp_path):
    with include(tmp_path, 0.0) as graph:
        sent = graph.listen(JointState, "command_sent")
        assert graph.wait(lambda: "policy" in [mode_of(message) for _, message in sent], 60.0)
        os.kill(graph.children()["bringup_node"], signal.SIGKILL)
        status, _ = graph.end(None)
    assert status == 3
    assert (tmp_path / "own").exists()
