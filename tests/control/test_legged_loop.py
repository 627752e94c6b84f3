"""One robot with modes, in both engines, driven through the control loop.

Gate, modes and servo stand in front of the simulator as they stand in front of the robot.
"""

from collections.abc import Iterator

import numpy as np
import pytest

from robot_policies.catalog import load_robot, load_task, make_backend
from robot_policies.control.episode import run_episode
from robot_policies.control.legged import LeggedRobot
from robot_policies.control.loop import ControlLoop
from robot_policies.control.mode_table import LeggedMode
from robot_policies.control.observation_buffer import ObservationBuffer
from robot_policies.control.operations import emergency_stop, release, request
from robot_policies.control.refusal import Cause
from robot_policies.interface import CommandMode, ConfigError, offered
from robot_policies.interface.observation import VELOCITY_COMMAND
from robot_policies.policies.catalog import load_policy

ROBOT = load_robot("go1")
PERIOD = 1.0 / ROBOT.control_rate
LYING = dict(zip(ROBOT.joint_names, ROBOT.lying.tolist(), strict=True))
STANDING = 0.28  # m; height of the trunk
LOW = 0.12


class Walker:
    """Robot and policy without transport, in simulated time."""

    def __init__(self, backend: LeggedRobot, policy) -> None:
        backend.connect()
        self.backend, self.policy, self.now = backend, policy, 0.0
        self.loop = ControlLoop(backend, policy.action_spec)
        self.loop.begin(None, self.now)
        backend.reset(0, {"base_position": [0.0, 0.0, 0.1], "joint_position": LYING})
        self.command, self.acting = (0.0, 0.0, 0.0), True
        policy.reset(0)
        self._buffer = ObservationBuffer(policy.observation_spec, offered(backend))

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / PERIOD)):
            self.now += PERIOD
            if self.loop.settle():
                self.loop.advance()
            state = self.loop.measure(self.now)
            self._buffer.push_state(state)
            self._buffer.push(VELOCITY_COMMAND, np.float32(self.command), self.now)
            if self.acting:
                self.loop.accept(self.policy.act(self._buffer.snapshot(self.now)), self.now)
            self.loop.decide(self.now)

    def walk(self) -> None:
        self.run(0.2)
        assert request(self.loop, LeggedMode.STAND) == ""
        self.run(2.1)
        assert request(self.loop, LeggedMode.POLICY) == ""
        self.command = (0.5, 0.0, 0.0)
        self.run(1.0)

    @property
    def mode(self) -> LeggedMode:
        return self.backend.modes.mode

    @property
    def base(self) -> np.ndarray:
        return self.loop.state.truth["base_position"]


@pytest.fixture(scope="module")
def policy():
    loaded = load_policy("uni_o4/go1_walk", robot=ROBOT)
    yield loaded
    loaded.close()


@pytest.fixture
def engine() -> str:
    return "mujoco"


@pytest.fixture
def walker(engine, policy) -> Iterator[Walker]:
    walker = Walker(make_backend(engine, ROBOT, modes=True), policy)
    yield walker
    walker.backend.close()


@pytest.mark.parametrize("engine", ["mujoco", "pybullet"])
def test_go1_stands_up_walks_stands_and_lies_down(walker):
    walker.run(0.2)
    assert walker.mode is LeggedMode.PASSIVE
    assert walker.base[2] < LOW
    counts = walker.loop.counts
    assert counts.refusals[Cause.BUSY] == counts.levels.total(), "nothing is judged yet"
    assert request(walker.loop, LeggedMode.STAND) == ""
    walker.run(2.1)
    assert walker.mode is LeggedMode.STAND
    assert walker.base[2] > STANDING
    assert request(walker.loop, LeggedMode.POLICY) == ""
    walker.command = (0.5, 0.0, 0.0)
    walker.run(2.0)
    assert walker.loop.decision.sent.mode is CommandMode.POLICY
    assert walker.base[0] > 0.6, "at 0.5 m/s"
    assert request(walker.loop, LeggedMode.STAND) == ""
    walker.run(0.8)
    assert walker.mode is LeggedMode.STAND
    assert walker.base[2] > STANDING
    assert request(walker.loop, LeggedMode.LIE_DOWN) == ""
    walker.run(2.2)
    assert walker.mode is LeggedMode.PASSIVE
    assert walker.base[2] < LOW
    assert walker.loop.latched is None
    assert set(walker.loop.counts.refusals) == {Cause.BUSY}, "no action was refused"


def test_go1_stands_when_its_policy_falls_silent(walker):
    walker.walk()
    assert walker.mode is LeggedMode.POLICY
    walker.acting = False
    walker.run(1.0)
    assert walker.mode is LeggedMode.STAND
    assert "no target" in walker.loop.decision.verdict.refusal.text
    assert walker.base[2] > STANDING


def test_a_stop_is_seen_by_gate_and_modes_and_released_in_both(walker):
    walker.run(0.2)
    request(walker.loop, LeggedMode.STAND)
    walker.run(2.1)
    emergency_stop(walker.loop, "the button", walker.now)
    walker.run(1.0)
    assert walker.mode is LeggedMode.ESTOP
    assert walker.loop.latched.cause is Cause.OPERATOR
    assert walker.base[2] < 0.2, "damped, the legs give way"
    assert "estop" in request(walker.loop, LeggedMode.STAND)
    assert release(walker.loop, walker.now) is None
    assert walker.mode is LeggedMode.PASSIVE
    walker.run(0.1)
    assert request(walker.loop, LeggedMode.STAND) == ""
    walker.run(2.1)
    assert walker.base[2] > STANDING


def test_a_stop_of_the_modes_latches_the_gate(walker):
    walker.walk()
    walker.backend.modes.trip("motor FL_calf_joint at 81 deg C, limit 80")
    walker.run(0.04)
    assert walker.loop.latched.cause is Cause.FAULT
    assert "FL_calf_joint" in walker.loop.decision.verdict.refusal.text
    assert walker.loop.decision.sent.mode is CommandMode.DAMP


@pytest.mark.parametrize("engine", ["mujoco", "pybullet"])
def test_go2_stands_up_and_lies_down(engine):
    robot = load_robot("go2")
    backend = make_backend(engine, robot, modes=True)
    backend.connect()
    lying = dict(zip(robot.joint_names, robot.lying.tolist(), strict=True))
    backend.reset(0, {"base_position": [0.0, 0.0, 0.1], "joint_position": lying})
    heights = []
    for mode, seconds in ((None, 0.2), (LeggedMode.STAND, 2.5), (LeggedMode.LIE_DOWN, 2.2)):
        if mode:
            assert backend.modes.request(mode) == ""
        backend.advance(seconds)
        heights.append(backend.read().truth["base_position"][2])
    backend.close()
    assert backend.modes.mode is LeggedMode.PASSIVE
    assert heights[1] > STANDING
    assert max(heights[0], heights[2]) < LOW


def test_modes_need_a_servo_that_takes_gains():
    with pytest.raises(ConfigError, match="backend 'loopback': no modes"):
        make_backend("loopback", ROBOT, modes=True)


def test_an_episode_has_nobody_who_makes_the_robot_stand():
    with pytest.raises(ConfigError, match="robot-policies launch"):
        run_episode(make_backend("mujoco", ROBOT, modes=True), None, load_task("go1_walk"), seed=0)
