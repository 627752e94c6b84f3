import gc
import os
import subprocess
import sys
import weakref

import pytest
from ros_graph import free_domain

from robot_policies.nodes.graph_node import exempt_from_collection


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
import os, signal, sys, time
from robot_policies.nodes.graph_node import GraphNode, run

class Faulty(GraphNode):
    def __init__(self):
        super().__init__("faulty", {})
        self.every(0.01, self.fail)

    def fail(self):
        try:
            if "interrupted" in sys.argv:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(1.0)
        except KeyboardInterrupt:
            time.sleep(0.1)
        raise RuntimeError("Unable to convert call argument '0' to Python object")

    def release(self):
        print("released", flush=True)

run(Faulty)
"""


@pytest.mark.parametrize(("word", "status"), [("interrupted", 0), ("alone", 1)])
def test_a_signal_within_a_conversion_is_an_end_and_a_fault_is_a_fault(word, status):
    environment = {
        **os.environ,
        "ROS_DOMAIN_ID": str(free_domain()),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }
    command = [sys.executable, "-c", FAULTY, word]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == status, done.stderr
    assert done.stdout == "released\n"
    assert ("Unable to convert" in done.stderr) == bool(status)
