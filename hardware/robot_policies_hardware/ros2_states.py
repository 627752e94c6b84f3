"""What a driver's `joint_states` say of each joint, as far as it can be true; no node is needed.

Several broadcasters may share the topic, each with its own joints. Who spoke of a joint first is
believed about it for as long as it is there; a second one that speaks of the same joint, such as a
`joint_state_publisher` that sends zeros, is refused by name.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sensor_msgs.msg import JointState

from robot_policies.interface import BackendError, RobotSpec
from robot_policies.interface.plausibility import Plausibility
from robot_policies_hardware.ros2_messages import Measured, joint_measurements

RESOLUTION = 1e-6  # s; a stamp that went through a float is this good


class DriverStates:
    """The newest measurement of every joint that can be true.

    Attributes:
        measured: By the driver's name of the joint.
        seen: Every joint name that came by.
        contested: Who publishes a joint that somebody else publishes already; empty if nobody.
        refused: Messages that were left aside.
        reasons: Why the last one about a joint was, by joint; without those that were not.
    """

    def __init__(
        self,
        robot: RobotSpec,
        names: Sequence[str],
        timeout: float,
        publishers: Callable[[], Mapping[bytes, str]],
        complain: Callable[[str], object],
    ) -> None:
        """Begin with nothing measured.

        Args:
            robot: The robot.
            names: The driver's names of its joints, in order.
            timeout: By how much a stamp may differ from the time at which it arrives. [s]
            publishers: Returns who publishes now: node names by publisher id.
            complain: Told why a message is left aside.
        """
        self._names, self._timeout = names, timeout
        self._publishers, self._complain = publishers, complain
        self._plausible = Plausibility(robot)
        self._sources: dict[str, bytes] = {}
        self.measured: dict[str, Measured] = {}
        self.seen: set[str] = set()
        self.contested, self.refused = "", 0
        self.reasons: dict[str, str] = {}

    def take(self, message: JointState, publisher: bytes, now: float) -> None:
        """Believe a message, or leave it aside and say why.

        Args:
            message: From the driver.
            publisher: Id of who sent it; empty where the middleware does not say.
            now: Time on the driver's clock. [s]
        """
        self.seen.update(message.name)
        try:
            self._believe(joint_measurements(message, self._names), publisher, now)
        except BackendError as error:
            self.refused += 1
            self.reasons |= dict.fromkeys(message.name, str(error))
            self._complain(f"joint states left aside: {error}")

    def shift(self, time: float) -> None:
        """Move what was measured in time, when the driver's clock was set. [s]."""
        self._plausible.shift(time)
        self.measured = {
            name: replace(joint, stamp=joint.stamp + time) for name, joint in self.measured.items()
        }

    def _believe(self, measured: Mapping[str, Measured], publisher: bytes, now: float) -> None:
        for name in measured:
            self._check_source(name, publisher)
        if not measured:
            return
        stamp = next(iter(measured.values())).stamp  # a message has one
        if abs(now - stamp) > self._timeout:
            raise BackendError(f"stamped {abs(now - stamp):.2f} s away from this machine's clock")
        known = {name: joint.stamp + RESOLUTION for name, joint in self.measured.items()}
        new = {name: joint for name, joint in measured.items() if stamp > known.get(name, -np.inf)}
        position = [new[name].position if name in new else np.nan for name in self._names]
        if found := self._plausible.judge(np.array(position), stamp):
            raise BackendError(found[1])
        self.measured |= new
        for name in new:
            self.reasons.pop(name, None)

    def _check_source(self, name: str, publisher: bytes) -> None:
        first = self._sources.setdefault(name, publisher)
        if publisher == first:
            return
        there = self._publishers()
        if first not in there:  # the driver was started anew
            self._sources[name] = publisher
            return
        second = there.get(publisher, "somebody who is gone")
        self.contested = (
            f"'{name}' is published by {there[first]} and by {second}; end one of them"
        )
        raise BackendError(self.contested)


def publisher_names(node: Any, topic: str) -> dict[bytes, str]:
    """Return the full names of the nodes that publish a topic now, by publisher id."""
    return {
        bytes(one.endpoint_gid): f"{one.node_namespace.rstrip('/')}/{one.node_name}"
        for one in node.get_publishers_info_by_topic(topic)
    }
