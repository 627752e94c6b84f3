"""A walking robot whose system clock is stepped, and whose topics others publish on."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import TwistStamped
from lifecycle_msgs.srv import GetState
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from ros_graph import Graph, mode_of
from sensor_msgs.msg import JointState
from stepped_clock import SteppedClock
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from robot_policies.data.ros_messages import to_seconds
from robot_policies.nodes.qos import CHUNKS, COMMAND

WALK = ("policy:=uni_o4/go1_walk", "backend:=mujoco", "seconds:=120")


class Walk:
    """A launched walk; its clock can be set."""

    def __init__(self, graph: Graph, clock: SteppedClock) -> None:
        self.graph, self.clock = graph, clock
        self.sent = graph.listen(JointState, "command_sent", 100)
        self._diagnostics = graph.listen(DiagnosticArray, "/diagnostics", 100)

    def said(self, node: str) -> list[str]:
        statuses = [s for _, array in self._diagnostics for s in array.status]
        return [s.message for s in statuses if s.name == node]

    def figure(self, node: str, key: str) -> float:
        """Return the newest value that a node has told."""
        statuses = [s for _, array in self._diagnostics for s in array.status if s.name == node]
        pairs = [pair for status in statuses for pair in status.values if pair.key == key]
        return float(pairs[-1].value) if pairs else 0.0

    @property
    def modes(self) -> list[str]:
        return [mode_of(message) for _, message in self.sent]

    @contextmanager
    def undisturbed(self, seconds: float = 3.0) -> Iterator[None]:
        """Assert that the robot goes on following its policy."""
        self.graph.wait(lambda: False, 0.2)
        self.sent.clear()
        begin = time.monotonic()
        yield
        self.graph.wait(lambda: False, begin + seconds - time.monotonic())
        followed = [moment for moment, message in self.sent if mode_of(message) == "policy"]
        gaps = [late - early for early, late in zip(followed, followed[1:], strict=False)]
        assert "damp" not in self.modes
        # A busy machine may delay an answer; a second without one was what a step used to cost.
        assert max(gaps) < 0.9


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    folder = tmp_path_factory.mktemp("clock")
    clock = SteppedClock(folder)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in clock.environment.items():
            patch.setenv(name, value)
        graph = Graph(*WALK)
    with graph:
        walk = Walk(graph, clock)
        # A stranger speaks before the policy does, and never stops.
        early = graph.node.create_publisher(JointTrajectory, "action_chunk", CHUNKS)
        graph.node.create_timer(0.02, lambda: early.publish(stranger(12)))
        assert graph.wait(lambda: walk.modes.count("policy") > 100, 240.0)
        yield walk


def stranger(joints: int, rows: int = 1) -> JointTrajectory:
    names = [f"joint_{k}" for k in range(joints)]
    point = JointTrajectoryPoint(positions=[0.0] * joints)
    point.time_from_start.nanosec = 20_000_000
    return JointTrajectory(joint_names=names, points=[point] * rows)


@pytest.mark.parametrize("seconds", [-1.0, 1.5, 0.0])
def test_a_clock_that_is_set_is_followed_and_costs_no_control_step(
    walk: Walk, seconds: float
) -> None:
    with walk.undisturbed():
        walk.clock.set(seconds)
    arrival, command = walk.sent[-1]
    assert abs(to_seconds(command.header.stamp) - arrival - seconds) < 0.5


def test_simulated_time_is_refused_while_a_node_runs(walk: Walk) -> None:
    value = ParameterValue(type=ParameterType.PARAMETER_BOOL, bool_value=True)
    request = SetParameters.Request(parameters=[Parameter(name="use_sim_time", value=value)])
    with walk.undisturbed():
        for node in ("backend", "policy"):
            answer = walk.graph.call(SetParameters, f"/{node}/set_parameters", request)
            assert not answer.results[0].successful
            assert "start it anew" in answer.results[0].reason


def test_a_goal_ahead_or_out_of_range_is_refused_and_costs_no_observation(walk: Walk) -> None:
    publisher = walk.graph.node.create_publisher(TwistStamped, "cmd_vel", COMMAND)
    assert walk.graph.wait(publisher.get_subscription_count)
    message = TwistStamped()
    with walk.undisturbed(2.0):
        for k in range(10):
            message.header.stamp = walk.graph.node.get_clock().now().to_msg()
            message.header.stamp.sec += 0 if k % 2 else 5
            message.twist.linear.x = 3.0 if k % 2 else 0.5
            publisher.publish(message)
            walk.graph.wait(lambda: False, 0.1)
    walk.graph.node.destroy_publisher(publisher)
    name = walk.graph.node.get_name()
    beyond = "observation.velocity_command[linear.x] = 3 m/s is above 1, range [-0.4, 1]"
    for why in ("stamped", beyond):
        assert any(f"cmd_vel of /{name} refused: {why}" in text for text in walk.said("policy"))


@pytest.mark.parametrize(
    "message",
    [stranger(12), stranger(0, 0), stranger(12, 5000)],
    ids=["other joints", "empty", "too large"],
)
def test_a_second_publisher_of_chunks_is_refused_and_the_policy_goes_on(
    walk: Walk, message: JointTrajectory
) -> None:
    publisher = walk.graph.node.create_publisher(JointTrajectory, "action_chunk", CHUNKS)
    assert walk.graph.wait(publisher.get_subscription_count)
    with walk.undisturbed():
        for _ in range(40):
            publisher.publish(message)
            walk.graph.wait(lambda: False, 0.05)
    walk.graph.node.destroy_publisher(publisher)


def test_a_flood_of_chunks_is_refused_and_the_policy_is_followed_on(walk: Walk) -> None:
    # What a flood costs is for test_chunk_intake: here it takes the processor from the robot, too.
    publisher = walk.graph.node.create_publisher(JointTrajectory, "action_chunk", CHUNKS)
    assert walk.graph.wait(publisher.get_subscription_count)
    before = walk.figure("backend", "chunks_stranger")
    for _ in range(200):
        for _ in range(10):
            publisher.publish(stranger(12))
        walk.graph.wait(lambda: False, 0.004)
    walk.graph.node.destroy_publisher(publisher)
    assert walk.graph.wait(lambda: walk.figure("backend", "chunks_stranger") > before + 1000, 60.0)
    walk.sent.clear()
    assert walk.graph.wait(lambda: walk.modes.count("policy") > 100, 60.0)


def test_the_launch_says_who_was_refused_and_why(walk: Walk) -> None:
    state = walk.graph.call(GetState, "/backend/get_state")
    assert state.current_state.label == "active"
    name = walk.graph.node.get_name()
    _, errors = walk.graph.end()
    assert f"action_chunk is for node '/policy' alone, '/{name}' is refused" in errors
