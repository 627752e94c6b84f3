import gc
import os
import subprocess
import sys
import weakref

import pytest
import rclpy
from ros_graph import free_domain

from robot_policies.interface import ConfigError
from robot_policies.launching.ros_command import quoted
from robot_policies.nodes.graph_node import GraphNode
from robot_policies.nodes.lifetime import exempt_from_collection
from robot_policies.nodes.settings import Setting

pytestmark = pytest.mark.smoke

SETTINGS = {
    "folder": Setting("", "where to"),
    "rate": Setting(0.0, "how often [Hz]", least=0.0),
    "seed": Setting(0, "of what is drawn"),
    "mode": Setting("fast", "how", choices=("fast", "slow")),
}


class Plain(GraphNode):
    """Settings of each kind."""

    def __init__(self):
        super().__init__("plain", SETTINGS)


@pytest.fixture
def started():
    """Return what makes a node with parameters, as a launch file gives them."""
    made = []

    def start(**values):
        words = [word for n, v in values.items() for word in ("-p", f"{n}:={quoted(v)}")]
        rclpy.init(args=["--ros-args", *words], domain_id=free_domain())
        made.append(Plain())
        return made[-1]

    yield start
    for node in made:
        node.destroy_node()
    rclpy.try_shutdown()


@pytest.mark.parametrize("text", ["1.10", "007", "yes", "a: b", "run_12:30:05", "1e3", "~"])
def test_text_is_taken_as_it_was_typed(started, text):
    assert started(folder=text, rate="50", seed="3").settings() == {
        "folder": text,
        "rate": 50.0,
        "seed": 3,
        "mode": "fast",
    }


def test_what_is_no_number_is_refused_by_name(started):
    with pytest.raises(ConfigError, match="rate is 'fast', expected float"):
        started(rate="fast").settings()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rate": "-1"}, "rate is -1.0, expected at least 0"),
        ({"rate": "nan"}, "rate is nan, expected at least 0"),
        ({"mode": "slwo"}, "mode cannot be 'slwo'. Did you mean 'slow'"),
    ],
)
def test_what_a_setting_cannot_be_is_refused_with_what_it_may_be(started, values, message):
    with pytest.raises(ConfigError, match=message):
        started(**values).settings()


def test_what_a_setting_may_be_is_told_to_whom_asks(started):
    descriptors = started().describe_parameters(["rate", "mode", "seed"])
    assert [d.description for d in descriptors] == ["how often [Hz]", "how", "of what is drawn"]
    told = [d.additional_constraints for d in descriptors]
    assert told == ["at least 0", "one of fast, slow", ""]


class Loop:
    """Garbage that only the collector finds."""

    def __init__(self):
        self.me = self


@pytest.fixture
def unfrozen():
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("unfrozen")
def test_what_is_loaded_is_not_walked_through_again():
    kept = Loop()
    exempt_from_collection()
    assert not any(thing is kept for thing in gc.get_objects())


@pytest.mark.usefixtures("unfrozen")
def test_what_an_earlier_configuration_left_behind_is_collected():
    left = weakref.ref(Loop())
    gc.freeze()
    gc.collect()
    assert left() is not None
    exempt_from_collection()
    assert left() is None


FAULTY = """
import atexit, gc, os, signal, sys, time
from robot_policies.nodes.graph_node import GraphNode
from robot_policies.nodes.process import run

def end():
    left = [line for line in open("/proc/self/maps") if "/fastdds" in line]
    print("frozen", gc.get_freeze_count() > 10_000, "segments", left)

class Faulty(GraphNode):
    def __init__(self):
        if "early" in sys.argv:
            os.kill(os.getpid(), signal.SIGINT)
        super().__init__("faulty", {})
        self.every(0.01, self.fail)

    def fail(self):
        try:
            if "unreadable" in sys.argv:
                sys.argv.remove("unreadable")
                raise SystemError("<method 'service_take_request'> returned NULL")
            if "interrupted" in sys.argv:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(1.0)
        except KeyboardInterrupt:
            time.sleep(0.1)
        raise RuntimeError("Unable to convert call argument '0' to Python object")

    def release(self):
        print("released", flush=True)

atexit.register(end)
run(Faulty)
"""


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["interrupted"], 0),
        (["alone"], 1),
        (["unreadable", "interrupted"], 0),
        (["early"], 0),
    ],
)
def test_a_signal_within_a_conversion_is_an_end_and_a_fault_is_a_fault(words, status):
    environment = {
        **os.environ,
        "ROS_DOMAIN_ID": str(free_domain()),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }
    command = [sys.executable, "-c", FAULTY, *words]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == status, done.stderr
    *released, end = done.stdout.splitlines()
    assert released == ["released"]
    if not status:
        # Its memory is given back, and torch's objects are not walked through: seconds at the end.
        assert end == "frozen True segments []"
    assert ("Unable to convert" in done.stderr) == bool(status)
    assert ("request dropped: SystemError" in done.stderr) == ("unreadable" in words)
