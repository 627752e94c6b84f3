"""The shipped dressing policy through the launch file: clouds to displacements beside a person."""

import json

import pytest
from ros_graph import Graph, mode_of
from sensor_msgs.msg import JointState

DRESS = ("policy:=dressing/sleeve", "task:=dress_arm", "backend:=mujoco")


def test_clouds_become_displacements_that_are_followed():
    with Graph(*DRESS) as graph:
        sent = graph.listen(JointState, "command_sent")
        obeyed = lambda: [m for _, m in sent if mode_of(m) == "policy"]  # noqa: E731
        assert graph.wait(lambda: len(obeyed()) > 10, 90.0)
    assert obeyed()[-1].position != obeyed()[0].position


@pytest.mark.slow
def test_a_launched_robot_pulls_the_sleeve_over_the_elbow(tmp_path):
    summary = tmp_path / "summary.json"
    status, errors = Graph(*DRESS, f"summary:={summary}").end(None)
    assert status == 0, errors
    assert json.loads(summary.read_text())["metrics"]["whole_arm_ratio"] > 0.6
