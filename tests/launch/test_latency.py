import sys

import pytest
from lerobot_checkpoints import TINY, write_act
from ros_graph import free_domain

from robot_policies.interface import BackendError
from robot_policies.launching import latency
from robot_policies.launching.latency import measure_images, measure_latency
from robot_policies.launching.trial import run_process


def test_no_image_is_lost_best_effort_with_the_shipped_profile():
    # With DDS's own settings none of them arrives.
    row = measure_images(45, domain=free_domain())
    assert row["lost"] == 0
    assert row["count"] == 45


def test_every_step_of_the_graph_is_measured_beside_the_messages_alone():
    names = {"policy": "hold", "robot": "go1", "backend": "loopback", "task": "none"}
    found = measure_latency(names, seconds=2.0, images=2, domain=free_domain())
    graph, floor, _ = found["results"]
    assert graph["count"] > 50
    assert floor == found["floor"]
    assert floor["count"] == 100
    assert floor["lost"] < 50
    for row in found["results"]:
        assert 0.0 < row["p50_ms"] <= row["p99_ms"] <= row["max_ms"]
        assert row["load"] >= 0.0
    for key in ("p50", "p99"):
        expected = graph[f"{key}_ms"] / floor[f"{key}_ms"]
        assert found["ratio"][key] == pytest.approx(expected, abs=1e-3)
    assert found["answer_ratio"] is None, "no checkpoint, nothing of LeRobot's to compare with"


@pytest.mark.slow
def test_an_answer_is_compared_with_lerobots_own(tmp_path, monkeypatch):
    monkeypatch.setattr(latency, "HEAVY", 0.0)
    policy = write_act(tmp_path / "act", "so101", 10, **TINY)
    names = {"policy": str(policy), "robot": "so101", "backend": "loopback", "task": "none"}
    found = measure_latency(names, seconds=2.0, images=2, domain=free_domain())
    graph, answer = found["results"][0], found["answer"]
    assert answer in found["results"]
    assert answer["p50_ms"] > 0.0
    ratio = graph["p50_ms"] / answer["p50_ms"]
    assert found["answer_ratio"] == pytest.approx(ratio, rel=1e-2)
    assert ratio > 1.0, "messages and the judgement of the gate cost something"


def test_a_process_that_fails_is_one_line():
    names = {"policy": "hold", "robot": "go1", "backend": "loopbak", "task": "none"}
    with pytest.raises(BackendError, match="the graph broke off: .*loopback"):
        latency.measure_commands(names, seconds=1.0, domain=free_domain())


def test_the_last_words_of_a_process_are_whole_lines():
    long = "why " * 200
    script = f"import sys; sys.exit('before ' * 60 + '\\n{long}\\n')"
    with pytest.raises(BackendError) as caught:
        run_process([sys.executable, "-c", script], 1.0, {}, "it failed")
    assert str(caught.value) == f"it failed: {long.strip()}"
