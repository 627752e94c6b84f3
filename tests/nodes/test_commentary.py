"""What is told of `/diagnostics`, with a node whose log is a list."""

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from robot_policies.nodes.commentary import Commentary


class Listener:
    """Stands for the node: keeps what is logged."""

    def __init__(self):
        self.lines = []

    def get_logger(self):
        return self

    def get_namespace(self):
        return "/left"

    def create_subscription(self, message, topic, callback, depth):
        self.heard = callback

    def info(self, line):
        self.lines.append(("info", line))

    def warning(self, line):
        self.lines.append(("warning", line))

    def error(self, line):
        self.lines.append(("error", line))


@pytest.fixture
def node():
    listener = Listener()
    Commentary(listener, "backend", "policy")
    return listener


def say(node, name, severity, message, **values):
    pairs = [KeyValue(key=key, value=value) for key, value in values.items()]
    status = DiagnosticStatus(level=severity, name=name, message=message, values=pairs)
    node.heard(DiagnosticArray(status=[status]))


def test_each_change_of_level_is_told_with_its_cause_and_what_stays_is_not(node):
    for _ in range(3):
        say(node, "left/backend", DiagnosticStatus.OK, "pass: following", level="pass")
    say(node, "left/backend", DiagnosticStatus.WARN, "hold: no valid action", level="hold")
    say(node, "right/backend", DiagnosticStatus.ERROR, "estop: tilt", level="estop")
    assert node.lines == [
        ("info", "safety: pass: following"),
        ("warning", "safety: hold: no valid action"),
    ]


def test_a_level_that_comes_and_goes_does_not_flood_the_log(node):
    for _ in range(50):
        say(node, "left/backend", DiagnosticStatus.OK, "pass: following", level="pass")
        say(node, "left/backend", DiagnosticStatus.WARN, "hold: late", level="hold")
    assert len(node.lines) == 2


def test_a_stop_says_how_it_is_released(node):
    say(node, "left/backend", DiagnosticStatus.ERROR, "estop: tilt", level="estop", mode="estop")
    assert node.lines[0] == ("error", "safety: estop: tilt")
    (line,) = node.lines[1:]
    assert "robot-policies reset" in line[1]


def test_what_is_waited_for_is_told_once_with_how_to_give_it(node):
    for _ in range(3):
        say(node, "left/policy", DiagnosticStatus.WARN, "no instruction yet")
        say(node, "left/backend", DiagnosticStatus.OK, "hold: busy", level="hold", mode="passive")
    told = [line for _, line in node.lines if "wait" in line]
    assert len(told) == 2
    assert "robot-policies say" in told[0]
    assert "robot-policies drive" in told[1]
