import re

import pytest
import rclpy
from rclpy.lifecycle import TransitionCallbackReturn
from ros_graph import free_domain

from robot_policies.nodes.policy_node import PolicyNode

HOLD = {"policy": "hold", "robot": "go1", "backend": "loopback"}


@pytest.fixture
def configured(monkeypatch):
    """Return what configures a policy's node and says how that went."""
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    made = []

    def configure(**values):
        settings = (HOLD | values).items()
        words = [word for name, value in settings for word in ("-p", f"{name}:={value}")]
        rclpy.init(args=["--ros-args", *words], domain_id=free_domain())
        made.append(PolicyNode())
        return made[-1].trigger_configure()

    yield configure
    for node in made:
        node.release()
        node.destroy_node()
    rclpy.try_shutdown()


def test_plans_that_become_too_old_are_refused_at_configure_with_both_times(configured, capfd):
    assert configured(plan_age=0.01) is not TransitionCallbackReturn.SUCCESS
    said = capfd.readouterr().err
    assert re.search(
        r"cannot configure: plans become 0\.\d\d s old \(answers take 0\.\d\d s\)", said
    )
    assert "'go1' follows none older than 0.01 s" in said


def test_how_old_plans_become_and_may_be_is_said_at_configure(configured, capfd):
    assert configured(plan_age=0.4) is TransitionCallbackReturn.SUCCESS
    said = capfd.readouterr().err
    assert re.search(r"plans become at most 0\.\d\d s old, 0\.4 s are allowed", said)


DEEP = "[" * 5000 + "]" * 5000


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"skill_weights": "'[a]'"}, r"skill_weights must be a list of numbers, got '\[a\]'"),
        ({"skills": f"'{DEEP}'"}, "nested deeper than 64"),
        ({"skills": "'[1, 2'"}, r"'\[1, 2'"),
        ({"options": f"'{DEEP}'"}, "options .* nested deeper than 64"),
        ({"options": "'{a: 1, a: 2}'"}, "key 'a' stands there twice"),
    ],
)
def test_a_parameter_that_is_no_list_is_refused_at_configure(configured, capfd, values, message):
    assert configured(**values) is not TransitionCallbackReturn.SUCCESS
    said = capfd.readouterr().err
    assert re.search(f"cannot configure: .*{message}", said)
    assert "Traceback" not in said
