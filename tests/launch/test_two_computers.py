"""The robot on one host and the policy on another, with a clock of its own and a poor link."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from other_host import HERE, THERE, other_host
from ros_graph import Graph, free_domain, mode_of
from sensor_msgs.msg import JointState
from stepped_clock import SteppedClock

from robot_policies.launching.network import PEERS, PROFILE, graph_environment

STAND = ("policy:=hold", "robot:=so101", "backend:=loopback", "task:=none")
SKEW = -7.5  # s; of the policy's computer


@contextmanager
def policy_half(
    command: tuple[str, ...], domain: int, log: Path, *arguments: str, **environment: str
) -> Iterator[None]:
    """Run the policy's half by some command that runs programs elsewhere."""
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, sys.executable, "-m", "robot_policies.launching", "policy.launch.xml"]
            + ["only:=policy", *arguments],
            env={**os.environ, "ROS_DOMAIN_ID": str(domain), **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield
            assert process.poll() is None, log.read_text()
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def follows(graph: Graph, sent: list, seconds: float = 60.0) -> bool:
    """Return whether the robot soon follows its policy for ten commands in a row."""
    return graph.wait(
        lambda: len(sent) >= 10 and {mode_of(m) for _, m in sent[-10:]} == {"policy"}, seconds
    )


def test_a_policy_on_another_computer_moves_the_robot_over_a_poor_link(tmp_path, monkeypatch):
    with other_host() as (there, link):
        link.set(delay=0.004, jitter=0.002, loss=0.02)
        clock, log = SteppedClock(tmp_path, SKEW), tmp_path / "policy.log"
        domain = free_domain()
        names = (*STAND, f"network:={HERE}")
        with policy_half(there, domain, log, *names, **clock.environment):
            # The test listens as a node of this computer does.
            own = graph_environment(THERE)
            for name in (PROFILE, PEERS):
                monkeypatch.setenv(name, own[name])
            robot = Graph(*STAND, "only:=robot", f"network:={THERE}", domain=domain)
            with robot:
                sent = robot.listen(JointState, "command_sent", 100)
                assert follows(robot, sent, 90.0), log.read_text()
                said = re.search(r"clock is (.*) s ahead, to within (.*) ms", log.read_text())
                assert said
                lead, uncertainty = float(said[1]), 1e-3 * float(said[2])
                assert abs(lead + SKEW) < uncertainty + 1e-3

                link.set(loss=1.0)
                sent.clear()
                robot.wait(lambda: False, 4.0)
                modes = [mode_of(message) for _, message in sent]
                assert modes[-1] in ("hold", "damp")
                assert len(modes) > 60  # the robot's own loop goes on

                link.set(delay=0.004, jitter=0.002, loss=0.02)
                sent.clear()
                assert follows(robot, sent), log.read_text()
                status, _ = robot.end()
                assert status == 0


def test_halves_that_were_started_differently_are_refused_and_a_half_serves_again(tmp_path):
    domain, log = free_domain(), tmp_path / "policy.log"
    with policy_half((), domain, log, *STAND, "seed:=3"):
        with Graph(*STAND, "only:=robot", domain=domain) as other:
            status, said = other.end(number=None)
        assert status == 3
        assert "'policy' was started with seed:=3 and 'backend' with seed:=0" in said
        for _ in range(2):
            with Graph(*STAND, "only:=robot", "seed:=3", domain=domain) as robot:
                sent = robot.listen(JointState, "command_sent", 100)
                assert follows(robot, sent), log.read_text()


def test_pictures_travel_compressed_to_another_computer(tmp_path):
    place = ("policy:=act_jepa/tabletop_place", "task:=tabletop_place")
    domain, log = free_domain(), tmp_path / "policy.log"
    with (
        policy_half((), domain, log, *place),
        Graph(*place, "only:=robot", domain=domain) as robot,
    ):
        sent = robot.listen(JointState, "command_sent", 100)
        assert follows(robot, sent, 120.0), log.read_text()
        assert robot.node.count_subscribers("camera/top/image_raw/compressed") == 1
        assert robot.node.count_subscribers("camera/top/image_raw") == 0
