"""The shipped arm in the launched graph, and skills that come and go while it moves."""

import json

import pytest
import torch
from ros_graph import Graph, free_domain
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

from robot_policies.cli.app import main
from robot_policies.nodes.skill_client import use_skills
from robot_policies.policies.locate import find_checkpoint
from robot_policies.skills.mixing.layers import LowRank
from robot_policies.skills.package.base import read_base
from robot_policies.skills.package.skill import pack

BASE = "psec/arm"


@pytest.fixture
def own_skill(tmp_path):
    """A skill of somebody's own, not yet in the library."""
    base = read_base(find_checkpoint(BASE), BASE)
    generator = torch.Generator().manual_seed(0)
    adapter = {
        layer: LowRank(
            torch.randn(4, inputs, generator=generator) / 20,
            torch.randn(outputs, 4, generator=generator) / 20,
            1.0,
        )
        for layer, (outputs, inputs) in base.layers.items()
    }
    return pack(tmp_path / "own", base, "own", "1.0.0", adapter=adapter).folder


def test_skills_are_added_and_used_while_the_arm_moves(own_skill, tmp_path, monkeypatch):
    monkeypatch.setenv("ROBOT_POLICIES_SKILLS", str(tmp_path / "library"))
    domain = free_domain()
    monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    summary = tmp_path / "summary.json"
    # Nobody orbits by chance, so that the trial lasts until it is ended.
    task = ("task:=arm_reach_avoid/orbit", "seconds:=300", f"summary:={summary}")
    with Graph(f"policy:={BASE}", *task, domain=domain) as graph:
        sent = graph.listen(JointState, "/command_sent")
        said = graph.listen(Float64MultiArray, "/skill_weights")
        # Speeds of four joints, and the mode beside them.
        assert graph.wait(lambda: any(len(m.velocity) == 5 for _, m in sent), 90.0)

        assert main(["skill", "add", str(own_skill), "--base", BASE]) == 0
        assert use_skills("/policy", ["own"], [0.5]) == ""

        def acting():
            newest = said[-1][1] if said else Float64MultiArray()
            label = newest.layout.dim[0].label if newest.layout.dim else ""
            return dict(zip(label.split(",") if label else [], newest.data, strict=True))

        assert graph.wait(lambda: acting() == {"own": 0.5}), acting()
        assert use_skills("/policy", ["careful", "detour"], [0.25, 0.75]) == ""
        assert graph.wait(lambda: acting() == {"careful": 0.25, "detour": 0.75}), acting()
        assert "Did you mean 'detour'" in use_skills("/policy", ["detuor"], [1.0])
        assert use_skills("/policy", [], []) == ""
        assert graph.wait(lambda: not acting()), acting()
        graph.end()
    document = json.loads(summary.read_text())
    assert document["robot"] == "planar_arm"
    assert set(document["refusals"]) <= {"no_action"}  # before the first answer, or a busy machine
