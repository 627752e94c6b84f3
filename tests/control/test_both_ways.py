"""An episode's way of driving the loop, and a node's: the same commands for the same inputs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_policies.catalog import load_robot, make_backend
from robot_policies.control.loop import ControlLoop
from robot_policies.interface import ActionChunk, ActionKind, ActionSpec, ArraySpec, CommandMode
from robot_policies.interface.action import CARTESIAN_DELTA_NAMES
from robot_policies.interface.kinematics import Kinematics
from robot_policies.policies.catalog import action_spec_of

ROBOTS = ("go1", "go2", "so101", "planar_arm")


class Robot:
    """A loop over a robot that is where it was told to be, on a clock of the test's."""

    def __init__(self, name: str, action: ActionSpec | None = None) -> None:
        robot = load_robot(name)
        self.now, self.period = 1000.0, 1.0 / robot.control_rate
        backend = make_backend("loopback", robot, clock=lambda: self.now)
        backend.connect()
        self.loop = ControlLoop(backend, action or action_spec_of("hold", robot))
        self.loop.begin(None, self.now)

    def chunk(self, stamp: float, offset: float) -> ActionChunk:
        spec, robot = self.loop.action, self.loop.robot
        rows = np.tile(robot.default + offset, (1, 1))
        return ActionChunk(stamp, spec.dt, rows, robot.joint_names)

    def episode(self, chunks: list[ActionChunk]) -> list:
        """Measure, take what came, decide: one command a slot."""
        self.loop.measure(self.now)
        for chunk in chunks:
            self.loop.take(chunk, self.now)
        return self._settled([self.loop.decide(self.now)])

    def node(self, chunks: list[ActionChunk]) -> list:
        """Measure, decide, accept what comes: the last command of the slot counts."""
        self.loop.measure(self.now)
        decisions = [self.loop.decide(self.now)]
        decisions += [self.loop.accept(chunk, self.now) for chunk in chunks]
        return self._settled(decisions)

    def _settled(self, decisions: list) -> list:
        self.loop.settle()
        self.now += self.period
        return [(d.verdict.level, d.sent.mode, d.sent.values) for d in decisions]


@pytest.mark.parametrize("name", ROBOTS)
@settings(max_examples=25, deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats(-0.004, 0.004)), min_size=5, max_size=30))
def test_the_same_chunks_give_the_same_commands(name: str, offsets: list[float | None]) -> None:
    one, other = Robot(name), Robot(name)
    for offset in offsets:
        chunks = [] if offset is None else [one.chunk(one.now, offset)]
        level, mode, values = one.episode(chunks)[-1]
        its_level, its_mode, its_values = other.node(chunks)[-1]
        assert (level, mode) == (its_level, its_mode)
        np.testing.assert_array_equal(values, its_values)


@pytest.mark.parametrize("name", ROBOTS)
def test_silence_is_held_at_the_same_age(name: str) -> None:
    ages = []
    for way in (Robot.episode, Robot.node):
        robot = Robot(name)
        for _ in range(3):
            way(robot, [robot.chunk(robot.now, 0.0)])
        last = robot.now - robot.period
        while way(robot, [])[-1][1] is not CommandMode.HOLD:
            assert robot.now - last < 0.2
        ages.append(round(robot.now - robot.period - last, 9))
    assert ages[0] == ages[1] <= 0.1


@pytest.mark.parametrize("periods", [1, 3])
@pytest.mark.parametrize("drive", [Robot.episode, Robot.node])
@pytest.mark.parametrize("way", np.vstack([np.eye(3), -np.eye(3)]), ids=str)
def test_a_displacement_is_followed_once(way, drive, periods: int) -> None:
    names = CARTESIAN_DELTA_NAMES
    units = ("m",) * 3 + ("rad",) * 3
    dt = periods / load_robot("so101").control_rate
    array = ArraySpec("action", (6,), unit=units, names=names)
    robot = Robot("so101", ActionSpec(ActionKind.CARTESIAN_DELTA, array, dt, 1))
    so101 = robot.loop.robot
    assert so101.workspace
    kinematics = Kinematics(so101, so101.workspace.link)
    values = np.array([[*(0.10 * dt * way), 0.0, 0.0, 0.0]])
    for k in range(30):
        due = [ActionChunk(robot.now, dt, values, names, ActionKind.CARTESIAN_DELTA)]
        sent = drive(robot, due if k % periods == 0 else [])[-1]
    moved = kinematics.pose(sent[2])[1] - kinematics.pose(so101.default)[1]
    np.testing.assert_allclose(moved, 0.10 * way, atol=0.005 * 0.10)
