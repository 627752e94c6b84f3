"""Episodes through the launched graph, beside the same on the logical clock."""

import pytest

from robot_policies.evaluation import films, through_nodes
from robot_policies.evaluation.condition import Condition
from robot_policies.evaluation.episode import Job, Outcome
from robot_policies.evaluation.run_suite import run_suite
from robot_policies.evaluation.suite import Suite
from robot_policies.interface import RobotPoliciesError

NODES = Condition("through nodes", nodes=True)
SUITE = Suite(("psec/arm",), ("arm_reach_avoid",), ("mujoco",), 1, 0, (Condition("plain"), NODES))


def test_an_episode_through_nodes_begins_and_ends_as_on_the_logical_clock(monkeypatch):
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    logical, launched = run_suite(SUITE).outcomes
    assert launched.error == ""
    assert launched.job.initial == logical.job.initial
    assert launched.metrics.keys() == logical.metrics.keys()
    assert launched.ended.partition(":")[0] == logical.ended
    assert launched.success == logical.success
    assert launched.metrics["time"] == pytest.approx(logical.metrics["time"], abs=0.5)


def test_what_breaks_in_the_graph_is_an_outcome(monkeypatch):
    def never(*_):
        return {"latency": {}, "refusals": {"policy_dead": 3}}

    monkeypatch.setattr(through_nodes, "run_trial", never)
    (outcome,) = run_suite(Suite(("hold",), ("go1_walk",), ("mujoco",), 1, 0, (NODES,))).outcomes
    assert outcome.error == "'hold' never acted: {'policy_dead': 3}"


def test_without_ros_it_is_refused_before_an_episode(monkeypatch):
    monkeypatch.setattr(through_nodes, "find_spec", lambda name: None)
    with pytest.raises(RobotPoliciesError, match="needs ROS 2: 'rclpy' is missing"):
        run_suite(SUITE)


def test_what_is_not_the_same_again_is_not_filmed():
    jobs = [Job("p", "t", "b", 0, {}, condition) for condition in (Condition("plain"), NODES)]
    failures = [Outcome(job, success=False, ended="failure") for job in jobs]
    assert films.worst(failures, 2) == failures[:1]
