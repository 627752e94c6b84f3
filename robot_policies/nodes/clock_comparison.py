"""By how much the clock of the robot's computer leads this one, where they are two computers.

The policy's node says its time on `clock_question`, the robot's node answers with both times on
`clock_answer`. With t0 when it was asked, T on the robot's computer and t1 when the answer came,

    lead = T - (t0 + t1) / 2,    uncertain by (t1 - t0) / 2,

as in RFC 5905 (NTP), section 8. Of the newest answers the quickest one counts.
"""

import time
from collections import deque
from typing import Any

from builtin_interfaces.msg import Time
from sensor_msgs.msg import TimeReference

from robot_policies.data.ros_messages import to_seconds
from robot_policies.interface import ConfigError
from robot_policies.nodes.graph_node import GraphNode
from robot_policies.nodes.message_fields import to_time
from robot_policies.nodes.polled import next_message
from robot_policies.nodes.qos import RECENT
from robot_policies.nodes.senders import OneSource, Senders, sender_of

QUESTION, ANSWER = "clock_question", "clock_answer"
NEWEST = 8  # answers of which the quickest counts, as in RFC 5905, section 10
PERIOD = 1.0  # s; between two questions while the policy acts
PATIENCE = 10.0  # s; for the first answers
BETWEEN = 0.05  # s; between the first questions
LOOK = 0.001  # s; how often an answer is looked for
DRIFT = 1e-3  # s; by which the clocks may drift apart while eight answers come
UNCERTAIN = 0.05  # s; a comparison that is less certain is refused: three periods of a camera


class ClockAnswers:
    """The robot's side."""

    def __init__(self, node: GraphNode) -> None:
        """Answer each question at once."""
        self._node = node
        self._publisher = node.create_publisher(TimeReference, ANSWER, RECENT)
        self._subscription = node.create_subscription(Time, QUESTION, self._answer, RECENT)

    def close(self) -> None:
        """Answer no more."""
        self._node.destroy_subscription(self._subscription)
        self._node.destroy_publisher(self._publisher)

    def _answer(self, question: Time) -> None:
        message = TimeReference(time_ref=question, source=self._node.get_fully_qualified_name())
        message.header.stamp = to_time(time.time())
        self._publisher.publish(message)


class ClockComparison:
    """The policy's side; it has the node's time follow the robot's clock."""

    def __init__(self, node: GraphNode, robot: str) -> None:
        """Begin to ask.

        Args:
            node: The policy's node.
            robot: Full name of the robot's node, which alone is believed.
        """
        self._node, self._robot = node, robot
        self._publisher = node.create_publisher(Time, QUESTION, RECENT)
        self._subscription = node.create_subscription(TimeReference, ANSWER, self._hear, RECENT)
        self._source = OneSource(Senders(node, self._subscription.topic_name), robot)
        self._asked: deque[float] = deque(maxlen=NEWEST)
        self._heard: deque[tuple[float, float]] = deque(maxlen=NEWEST)
        self._timer = node.create_timer(PERIOD, self._ask, clock=node.time.timer_clock)

    @property
    def uncertainty(self) -> float:
        """By how much the comparison may be wrong. [s]."""
        return min(self._heard)[0] if self._heard else float("inf")

    def compare(self) -> None:
        """Compare the clocks before anything moves, in the middle of a callback.

        Raises:
            ConfigError: If the robot's computer does not answer, or the link is too slow to tell.
        """
        end = time.monotonic() + PATIENCE
        while len(self._heard) < NEWEST and time.monotonic() < end:
            self._ask()
            until = time.monotonic() + BETWEEN
            while time.monotonic() < until:
                while received := next_message(self._subscription):
                    self._hear(*received)
                time.sleep(LOOK)
        if not self._heard:
            raise ConfigError(
                f"'{self._robot}' has not told its clock for {PATIENCE:g} s; it answers where it "
                "was started with only:=robot"
            )
        if self.uncertainty > UNCERTAIN:
            raise ConfigError(
                f"the clock of '{self._robot}' is known to within {1e3 * self.uncertainty:.0f} "
                f"ms, {1e3 * UNCERTAIN:.0f} ms are needed: the link is too slow"
            )
        lead = self._node.time.lead
        self._node.get_logger().info(
            f"the robot's clock is {abs(lead):.4f} s {'ahead' if lead > 0.0 else 'behind'}, to "
            f"within {1e3 * self.uncertainty:.2g} ms; it is followed"
        )

    def close(self) -> None:
        """Ask no more."""
        self._node.destroy_timer(self._timer)
        self._node.destroy_subscription(self._subscription)
        self._node.destroy_publisher(self._publisher)

    def _ask(self) -> None:
        question = to_time(time.time())
        self._asked.append(to_seconds(question))
        self._publisher.publish(question)

    def _hear(self, message: TimeReference, info: Any) -> None:
        heard, asked = time.time(), to_seconds(message.time_ref)
        self._source.look_anew()
        if asked not in self._asked or not self._source.believes(sender_of(info)):
            return
        self._asked.remove(asked)
        lead = to_seconds(message.header.stamp) - 0.5 * (asked + heard)
        uncertainty = 0.5 * (heard - asked)
        if self._heard:
            least, before = min(self._heard)
            if abs(lead - before) > uncertainty + least + DRIFT:
                self._heard.clear()  # one of the two clocks was set
        self._heard.append((uncertainty, lead))
        self._node.time.lead = min(self._heard)[1]
