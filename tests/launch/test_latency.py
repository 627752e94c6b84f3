from ros_graph import free_domain

from robot_policies.launching.latency import measure_commands, measure_images


def test_no_image_is_lost_best_effort_with_the_shipped_profile():
    # With DDS's own settings none of them arrives.
    row = measure_images(45, domain=free_domain())
    assert row["lost"] == 0
    assert row["count"] == 45


def test_every_step_of_the_graph_is_measured():
    names = {"policy": "hold", "robot": "go1", "backend": "loopback", "task": ""}
    row = measure_commands(names, seconds=2.0, domain=free_domain())
    assert row["count"] > 50
    assert 0.0 < row["p50_ms"] <= row["p99_ms"] <= row["max_ms"]
