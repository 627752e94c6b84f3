"""Which messages of a driver are believed; without a middleware."""

import numpy as np
import pytest
from sensor_msgs.msg import JointState
from toy_robot import toy_robot

from robot_policies_hardware.ros2_states import DriverStates

pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")
ROBOT = toy_robot({"shoulder": {}, "elbow": {}})  # [-1, 1] rad, 2 rad/s
NAMES = ROBOT.joint_names
DRIVER, OTHER = b"driver", b"other"


class Topic:
    """Messages by hand, 10 ms apart."""

    def __init__(self):
        self.there = {DRIVER: "/driver", OTHER: "/joint_state_publisher"}
        self.said: list[str] = []
        self.states = DriverStates(ROBOT, NAMES, 0.2, lambda: self.there, self.said.append)
        self.now = 100.0

    def send(self, *position, names=NAMES, publisher=DRIVER, late=0.0):
        self.now += 0.01
        message, stamp = JointState(name=names, position=position), self.now - late
        message.header.stamp.sec = int(stamp)
        message.header.stamp.nanosec = int(stamp % 1.0 * 1e9)
        self.states.take(message, publisher, self.now)

    @property
    def positions(self):
        return [self.states.measured[name].position for name in NAMES]


def test_zeros_a_turn_nan_and_a_name_twice_are_left_aside_and_named():
    topic = Topic()
    topic.send(0.6, 0.1)
    topic.send(0.0, 0.0)
    assert topic.states.reasons["shoulder"].startswith("joint shoulder measured at 0, 10 ms after")
    topic.send(0.6, 0.1 + 2.0 * np.pi)
    assert "outside [-1, 1]" in topic.states.reasons["elbow"]
    topic.send(np.nan, 0.1)
    assert topic.states.reasons["shoulder"] == "'shoulder' has position nan"
    topic.send(0.6, 0.1, 0.9, names=(*NAMES, "shoulder"))
    assert topic.states.reasons["shoulder"] == "'shoulder' is named twice in one message"
    topic.send(0.6, 0.1, late=3.0)
    assert topic.states.reasons["elbow"] == "stamped 3.00 s away from this machine's clock"
    topic.send(0.6, 0.1, late=-3.0)
    assert topic.states.reasons["elbow"] == "stamped 3.00 s away from this machine's clock"
    assert topic.positions == [0.6, 0.1]
    assert topic.states.refused == len(topic.said) == 6
    topic.send(0.61, 0.11)
    assert topic.positions == [0.61, 0.11]
    assert topic.states.reasons == {}


def test_broadcasters_that_share_the_topic_each_have_their_joints():
    topic = Topic()
    for k in range(50):
        topic.send(0.6 - 0.01 * k, names=NAMES[:1])
        topic.send(0.1, names=NAMES[1:], publisher=OTHER)
    assert topic.positions == pytest.approx([0.11, 0.1])
    assert (topic.states.refused, topic.states.contested) == (0, "")


def test_one_joint_has_one_publisher():
    topic = Topic()
    topic.send(0.6, 0.1)
    topic.send(0.6, 0.1, publisher=OTHER)
    assert topic.states.contested == (
        "'shoulder' is published by /driver and by /joint_state_publisher; end one of them"
    )
    assert topic.said == [f"joint states left aside: {topic.states.contested}"]


def test_a_driver_that_comes_again_has_its_joints_again():
    topic = Topic()
    topic.send(0.6, 0.1)
    del topic.there[DRIVER]
    topic.there[b"again"] = "/driver"
    topic.send(0.61, 0.1, publisher=b"again")
    assert topic.positions == [0.61, 0.1]
    topic.send(0.6, 0.1, publisher=OTHER)
    assert "by /driver and by /joint_state_publisher" in topic.states.contested


def test_other_joints_and_repeated_stamps_are_nothing_new():
    topic = Topic()
    topic.send(0.6, 0.1)
    topic.send(9.0, 9.0, names=("wheel_left", "wheel_right"))
    topic.send(0.0, 0.0, late=0.02)  # an echo: the stamp of the last one
    assert topic.positions == [0.6, 0.1]
    assert topic.states.refused == 0
