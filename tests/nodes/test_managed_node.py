"""What is known of a node that answers late."""

import threading
from collections.abc import Iterator

import pytest
import rclpy
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from ros_graph import free_domain

from robot_policies.launching.exit_log import VARIABLE, ExitLog
from robot_policies.nodes.managed_node import ManagedNode

pytestmark = pytest.mark.smoke


class Late(Node):
    """Answers each question when it is allowed to."""

    def __init__(self) -> None:
        super().__init__("late", start_parameter_services=False)
        self.allowed = threading.Semaphore(0)
        self.create_service(GetState, "late/get_state", self._answer)
        self.create_service(ChangeState, "late/change_state", lambda request, answer: answer)

    def _answer(self, request: GetState.Request, answer: GetState.Response) -> GetState.Response:
        self.allowed.acquire()
        answer.current_state.id = State.PRIMARY_STATE_ACTIVE
        return answer


@pytest.fixture
def late() -> Iterator[Late]:
    rclpy.init(domain_id=free_domain())
    node = Late()
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin)
    thread.start()
    yield node
    node.allowed.release(100)
    executor.shutdown()
    thread.join()
    node.destroy_node()
    rclpy.shutdown()


def test_an_answer_that_came_late_counts_for_the_next_question(late):
    asking = rclpy.create_node("asking", start_parameter_services=False)
    node = ManagedNode(asking, "late")
    assert node._ask.wait_for_service(timeout_sec=30.0)
    assert node.state(0.05) is None
    late.allowed.release()  # one answer only: the next question has none of its own
    assert node.state(30.0) == State.PRIMARY_STATE_ACTIVE
    assert node.state(0.05) is None
    asking.destroy_node()


def test_nobody_waits_for_one_node_when_another_has_died(late, tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "exits"))
    asking = rclpy.create_node("asking", start_parameter_services=False)
    node, other = ManagedNode(asking, "late"), ManagedNode(asking, "other")
    assert node.appears(30.0)
    assert node.state(0.05) is None  # it is busy, and answers nothing
    ExitLog().tell("other", "SIGSEGV")
    assert not node.change(Transition.TRANSITION_CONFIGURE, 1e9, [node, other])
    asking.destroy_node()
