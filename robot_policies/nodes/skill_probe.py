"""Changes the skills of a running policy node, and sees how long it takes and what is missed.

`python -m robot_policies.nodes.skill_probe RATE FOLDER...` prints one JSON line. The skills are
loaded one after the other, each beside those that act already, so that the last change reads and
stacks all of them. Between two changes the node acts for as long undisturbed, for comparison.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import rclpy
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from robot_policies.data.ros_messages import to_seconds
from robot_policies.interface import BackendError
from robot_policies.nodes.qos import LATCHED
from robot_policies.nodes.skill_values import skill_parameters

PATIENCE = 90.0  # s; for a busy machine to start the graph
WINDOW = 1.0  # s; in which steps that are missed count to a change
# Deep enough that no answer is lost because this node is late: it would look like a missed step.
EVERY_CHUNK = QoSProfile(depth=500, reliability=ReliabilityPolicy.RELIABLE)


class SkillProbe:
    """A node beside the policy's."""

    def __init__(self, rate: float) -> None:
        """Listen.

        Args:
            rate: Control steps of the policy node. [Hz]
        """
        rclpy.init()
        self._rate = rate
        self._node = rclpy.create_node("skill_probe")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._stamps: list[float] = []
        self._weights: list[dict[str, float]] = []
        self._weighed: list[float] = []  # stamps of the chunks that these weights came with
        self._node.create_subscription(
            JointTrajectory, "/action_chunk", self._on_chunk, EVERY_CHUNK
        )
        self._node.create_subscription(
            Float64MultiArray, "/skill_weights", self._on_weights, LATCHED
        )
        self._client = self._node.create_client(
            SetParametersAtomically, "/policy/set_parameters_atomically"
        )

    def measure(self, folders: Sequence[str]) -> dict[str, list[float]]:
        """Load skill after skill, then change their weights as often.

        Returns:
            `answered` and `acting` [s] from each request; `weights`, the steps observed after
            each answer up to the first with other weights; `missed` and `missed_undisturbed`
            steps in the window of each.

        Raises:
            BackendError: If the node is not there, or refuses.
        """
        if not self._spin(lambda: len(self._stamps) > 2 * self._rate, PATIENCE):
            raise BackendError(f"the policy node did not act within {PATIENCE:g} s")
        found: dict[str, list[float]] = {
            key: [] for key in ("answered", "acting", "weights", "missed", "missed_undisturbed")
        }
        for count in range(1, len(folders) + 1):
            found["missed_undisturbed"].append(self._watch(time.monotonic()))
            begin = time.monotonic()
            self._set(folders[:count], [0.5] * count)
            found["answered"].append(time.monotonic() - begin)
            self._wait_for(lambda latest, count=count: sum(map(bool, latest.values())) == count)
            found["acting"].append(time.monotonic() - begin)
            found["missed"].append(self._watch(begin))
        for count in range(len(folders)):
            before = self._weights[-1]
            begin = time.monotonic()
            self._set(folders, [0.4 + 0.2 * (count % 2)] * len(folders))
            answered = self._node.get_clock().now().nanoseconds / 1e9
            self._wait_for(lambda latest, before=before: latest != before)
            found["weights"].append(float(sum(stamp > answered for stamp in self._weighed)))
            found["missed"].append(self._watch(begin))
        return found

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        rclpy.shutdown()

    def _set(self, folders: Sequence[str], weights: Sequence[float]) -> None:
        parameters = [p.to_parameter_msg() for p in skill_parameters(folders, weights)]
        future = self._client.call_async(SetParametersAtomically.Request(parameters=parameters))
        if not self._spin(future.done, PATIENCE):
            raise BackendError("the policy node did not answer")
        answer: Any = future.result()
        if not answer.result.successful:
            raise BackendError(answer.result.reason)

    def _wait_for(self, holds: Callable[[dict[str, float]], bool]) -> None:
        def came() -> bool:
            return bool(self._weights) and holds(self._weights[-1])

        if not self._spin(came, PATIENCE):
            raise BackendError(f"the skills do not act: {self._weights[-1:]}")

    def _watch(self, begin: float) -> float:
        """Spin to the end of a window; return the steps that were missed in it."""
        first = max(len(self._stamps) - 1 - round((time.monotonic() - begin) * self._rate), 0)
        self._spin(lambda: False, begin + WINDOW - time.monotonic())
        stamps = self._stamps[first:]
        gaps = [after - before for before, after in zip(stamps, stamps[1:], strict=False)]
        return float(sum(max(round(gap * self._rate) - 1, 0) for gap in gaps))

    def _spin(self, holds: Callable[[], object], seconds: float) -> bool:
        end = time.monotonic() + seconds
        while not holds() and time.monotonic() < end:
            self._executor.spin_once(timeout_sec=max(end - time.monotonic(), 0.0))
        return bool(holds())

    def _on_chunk(self, message: JointTrajectory) -> None:
        self._stamps.append(to_seconds(message.header.stamp))

    def _on_weights(self, message: Float64MultiArray) -> None:
        layout: Any = message.layout
        names = layout.dim[0].label
        values = zip(names.split(",") if names else (), message.data, strict=True)
        self._weights.append(dict(values))
        self._weighed.append(self._stamps[-1] if self._stamps else 0.0)


def main() -> None:
    """Measure and print."""
    rate, folders = float(sys.argv[1]), sys.argv[2:]
    probe = SkillProbe(rate)
    try:
        print(json.dumps(probe.measure(folders)))
    finally:
        probe.close()


if __name__ == "__main__":
    main()
