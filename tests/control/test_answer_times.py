"""Answers of 0.05 to 3 s with the horizons of the usual policies, on an arm."""

from dataclasses import replace

import numpy as np
import pytest

from robot_policies.catalog import load_robot, make_backend
from robot_policies.control.episode import run_episode
from robot_policies.control.pacing import Pacing
from robot_policies.control.safety_limits import SafetyLimits
from robot_policies.control.timing import LogicalClock, NetworkModel
from robot_policies.interface import (
    ActionChunk,
    ActionKind,
    ActionSpec,
    ArraySpec,
    ContractError,
    ObservationSpec,
)
from robot_policies.interface.observation import STATE
from robot_policies.interface.robot_alone import RobotAlone

SO101 = load_robot("so101")
SECONDS = 15.0
# Rows of a chunk, rows followed, their rate [Hz] and the robot's control rate [Hz].
HORIZONS = {
    "act": (100, 100, 30.0, 30.0),
    "smolvla": (50, 50, 30.0, 30.0),
    "pi0": (50, 50, 50.0, 50.0),
    "diffusion": (16, 8, 10.0, 30.0),
}


class Planner:
    """Chunks that move all joints a little round the default pose."""

    name, robot, statistics, findings = "planner", "so101", {}, ()

    def __init__(self, rows, executed, rate):
        names = SO101.joint_names
        state = ArraySpec(STATE, (1,), unit="rad", names=("gripper.pos",))
        self.observation_spec = ObservationSpec({STATE: state})
        array = ArraySpec("action", (len(names),), unit="rad", names=names)
        kind = ActionKind.JOINT_POSITION
        self.action_spec = ActionSpec(kind, array, 1.0 / rate, rows, executed)

    def reset(self, seed):
        self.asked = []

    def act(self, observation):
        self.asked.append(observation.stamp)
        spec = self.action_spec
        rows = SO101.default + 0.01 * np.sin(np.arange(spec.horizon))[:, None]
        return ActionChunk(observation.stamp, spec.dt, rows, spec.array.names)


class Watcher:
    def begin(self, robot, policy, task, initial):
        self.said = []

    def step(self, record):
        self.said.append(record.verdict.refusal.text if record.verdict.refusal else "")

    def end(self, result):
        self.result = result


def play(horizon, took, limits=None):
    rows, executed, rate, control_rate = HORIZONS[horizon]
    robot = replace(SO101, control_rate=control_rate)
    clock, watcher = LogicalClock(1.0 / control_rate), Watcher()
    backend = make_backend("loopback", robot, clock=clock.now)
    backend.connect()
    policy, task = Planner(rows, executed, rate), RobotAlone("so101", SECONDS)
    network = NetworkModel(inference=took)
    options = {"clock": clock, "network": network, "limits": limits, "observers": [watcher]}
    run_episode(backend, policy, task, seed=0, **options)
    return policy, watcher


@pytest.mark.parametrize("took", [0.05, 0.4, 1.2, 3.0])
@pytest.mark.parametrize("horizon", HORIZONS)
def test_a_plan_gets_as_old_as_was_known_before_and_the_arm_moves_for_all_of_it(horizon, took):
    rows, executed, rate, control_rate = HORIZONS[horizon]
    period = 1.0 / control_rate
    pacing = Pacing(Planner(rows, executed, rate).action_spec, "open_loop", control_rate)
    pacing.answered(-np.inf, took)
    known = SafetyLimits.of(SO101, pacing.plan_age + period)
    policy, watcher = play(horizon, took, known)
    result = watcher.result
    assert result.ended_by == "horizon"
    assert set(result.levels) == {"pass", "hold"}
    assert set(result.refusals) == {"no_action"}
    assert result.dropped == {}
    held = result.levels["hold"] * period
    if not pacing.waits:
        assert held == pytest.approx(took, abs=2 * period)  # until the first answer
    else:
        cycle = took + executed / rate
        assert np.diff(policy.asked) == pytest.approx(cycle, abs=3 * period)
        cycles = int(SECONDS / cycle)
        assert cycles * executed / rate <= SECONDS - held + 2 * period * (cycles + 1)
        assert any(text.startswith("waiting for the policy") for text in watcher.said)


def test_what_cannot_be_fresh_enough_is_refused_before_the_arm_moves():
    with pytest.raises(ContractError, match=r"8.33 s old \(answers take 5.00 s\), .* 8.00 s"):
        play("act", 5.0)
