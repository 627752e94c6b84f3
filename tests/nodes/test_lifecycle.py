"""Every lifecycle transition twice round, and in the wrong order, as `ros2 lifecycle set` asks."""

import time
from collections.abc import Iterator

import pytest
import rclpy
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.executors import SingleThreadedExecutor
from ros_graph import free_domain

from robot_policies.nodes.backend_node import BackendNode
from robot_policies.nodes.policy_node import PolicyNode

WORDS = {"policy": "hold", "robot": "so101", "backend": "loopback"}
CONFIGURE, CLEANUP = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_CLEANUP
ACTIVATE, DEACTIVATE = Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_DEACTIVATE
UNCONFIGURED, INACTIVE = State.PRIMARY_STATE_UNCONFIGURED, State.PRIMARY_STATE_INACTIVE
ACTIVE = State.PRIMARY_STATE_ACTIVE
ALLOWED = {UNCONFIGURED: {CONFIGURE}, INACTIVE: {ACTIVATE, CLEANUP}, ACTIVE: {DEACTIVATE}}
ROUND = (
    (CONFIGURE, INACTIVE),
    (ACTIVATE, ACTIVE),
    (DEACTIVATE, INACTIVE),
    (CLEANUP, UNCONFIGURED),
)


class Asked:
    """A node, and a client that asks it to change."""

    def __init__(self, kind: type[BackendNode | PolicyNode]) -> None:
        self.node, self._executor = kind(), SingleThreadedExecutor()
        self._asking = rclpy.create_node("operator")
        for node in (self.node, self._asking):
            self._executor.add_node(node)
        name = f"{self.node.get_name()}/change_state"
        self._client = self._asking.create_client(ChangeState, name)
        assert self._client.wait_for_service(timeout_sec=10.0)

    def change(self, number: int) -> bool:
        request = ChangeState.Request(transition=Transition(id=number))
        future = self._client.call_async(request)
        self._executor.spin_until_future_complete(future, timeout_sec=60.0)
        return future.result().success

    @property
    def state(self) -> int:
        return self.node._state_machine.current_state[0]

    def spin(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.05)

    def close(self) -> None:
        self._executor.shutdown()
        self.node.release()
        for node in (self.node, self._asking):
            node.destroy_node()


@pytest.fixture(params=[BackendNode, PolicyNode])
def asked(request, monkeypatch) -> Iterator[Asked]:
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    words = [word for name, value in WORDS.items() for word in ("-p", f"{name}:={value}")]
    rclpy.init(args=["--ros-args", *words], domain_id=free_domain())
    made = Asked(request.param)
    yield made
    made.close()
    rclpy.try_shutdown()


def test_every_transition_twice_round_and_what_is_out_of_order_is_refused(asked):
    for _ in range(2):
        for number, after in ROUND:
            before = asked.state
            for wrong in {n for n, _ in ROUND} - ALLOWED[before]:
                assert not asked.change(wrong)
                assert asked.state == before
            assert asked.change(number)
            asked.spin(0.2)
            assert asked.state == after


def test_parameters_come_from_a_file_of_any_namespace(tmp_path, monkeypatch):
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    file = tmp_path / "robot.yaml"
    file.write_text(
        "/**:\n  ros__parameters: {robot: so101, backend: loopback, policy: hold, rate: 15}\n"
        "/left/backend:\n  ros__parameters: {seed: 7, executor: splice}\n"
    )
    words = ["--ros-args", "--params-file", str(file), "-r", "__ns:=/left"]
    rclpy.init(args=words, domain_id=free_domain())
    node = BackendNode()
    try:
        settings = node.settings()
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    named = ("robot", "backend", "rate", "seed", "executor")
    assert [settings[name] for name in named] == ["so101", "loopback", 15.0, 7, "splice"]
