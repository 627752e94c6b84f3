"""What a person asks of the node that has the robot is done, or answered with what is missing."""

from types import SimpleNamespace
from typing import Any

import pytest
from std_srvs.srv import Trigger

from robot_policies.catalog import load_robot
from robot_policies.control.mode_table import ModeTimes
from robot_policies.control.modes import ModeMachine
from robot_policies.control.safety_limits import SafetyLimits
from robot_policies.nodes.operator_services import MODES, OperatorServices


def ask(loop: Any, wish: str) -> tuple[bool, str]:
    """Return what the robot's node answers."""
    services = {}
    node: Any = SimpleNamespace(
        create_service=lambda kind, name, callback: services.update({name: callback}),
        create_subscription=lambda *arguments: None,
        now=lambda: 0.0,
    )
    OperatorServices(node, lambda: loop, lambda decision: None)
    answer = services[f"~/{wish}"](Trigger.Request(), Trigger.Response())
    return answer.success, answer.message


@pytest.mark.parametrize("wish", ["estop", "go", *MODES])
def test_without_a_robot_the_answer_says_so(wish):
    success, message = ask(None, wish)
    assert not success
    assert "there is no robot: not configured" in message


@pytest.mark.parametrize("wish", MODES)
def test_a_mode_is_asked_of_the_robot(wish):
    robot = load_robot("go1")
    arm = SimpleNamespace(robot=load_robot("so101"), modes=None)
    assert ask(arm, wish) == (False, "refused: 'so101' has no modes here")
    modes = ModeMachine(robot, ModeTimes(), SafetyLimits.of(robot))
    success, message = ask(SimpleNamespace(robot=robot, modes=modes), wish)
    assert not success
    assert message.startswith("refused: n")


def test_before_the_first_measurement_nobody_stands_up():
    robot = load_robot("go1")
    modes = ModeMachine(robot, ModeTimes(), SafetyLimits.of(robot))
    asked = ask(SimpleNamespace(robot=robot, modes=modes), "stand")
    assert asked == (False, "refused: nothing has been measured yet")
