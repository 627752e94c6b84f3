"""What the policy's node says of itself, heard by the robot's node."""

import time

import rclpy
from ros_graph import free_domain

from robot_policies.nodes.graph_node import OK, GraphNode
from robot_policies.nodes.policy_report import PolicyReport


def test_the_figures_of_the_policy_and_of_nobody_else_are_kept():
    rclpy.init(domain_id=free_domain())
    try:
        robot, policy, other = (GraphNode(name, {}) for name in ("backend", "policy", "other"))
        report, end = PolicyReport(robot, "/policy"), time.monotonic() + 10.0
        while len(report.figures) < 2 and time.monotonic() < end:
            other.diagnose(OK, "acting", {"points_dropped": 99})
            values = {
                "points_dropped": 3,
                "inference_p50_ms": 0.25,
                "mode": "x",
                "p99": float("nan"),
            }
            policy.diagnose(OK, "acting", values)
            time.sleep(0.01)
            report.poll()
        assert report.figures == {"policy_points_dropped": 3.0, "policy_inference_p50_ms": 0.25}
        report.close()
        for node in (robot, policy, other):
            node.destroy_node()
    finally:
        rclpy.shutdown()
