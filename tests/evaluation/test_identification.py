"""Parameters found in recorded motion that was made with other ones than the table's."""

import numpy as np
import pytest

from robot_policies.catalog import load_robot, make_backend
from robot_policies.evaluation.identification import identify
from robot_policies.evaluation.page.identification import identification_page
from robot_policies.interface import Command, ConfigError, RobotSpec, UnknownNameError
from robot_policies_sim.engines.mujoco.replayed_motion import Motion, Replay, Window
from robot_policies_sim.scene.parameters import condition, ranges

pytest.importorskip("colorama", reason="mujoco[sysid] is not installed")

ARM = load_robot("so101")
HIDDEN = {
    "motor_strength": 0.8,
    "joint_friction": 2.0,
    "joint_damping": 1.5,
    "armature": 1.4,
    "latency": 1.0 / 30.0,
}


def recorded(robot: RobotSpec, seed: int, rows: int = 60) -> Motion:
    """Let an arm whose parameters are hidden follow slow and fast waves."""
    backend = make_backend("mujoco", robot, {})
    backend.connect()
    rng, n = np.random.default_rng(seed), len(robot.joints)
    rate, phase = rng.uniform(1.0, 8.0, (3, n)), rng.uniform(0.0, 6.0, (3, n))
    reach = 0.12 * np.minimum(robot.upper - robot.default, robot.default - robot.lower)
    state = backend.reset(0, condition(HIDDEN, robot))
    kept = []
    for row in range(rows):
        now = row / robot.control_rate
        target = robot.default + (reach * np.sin(rate * now + phase)).sum(axis=0)
        kept.append((state.joint_position, state.joint_velocity, target))
        backend.write(Command(now, target))
        backend.advance(1.0 / robot.control_rate)
        state = backend.read()
    backend.close()
    position, velocity, target = (np.array(each) for each in zip(*kept, strict=True))
    return Motion(position, velocity, target, None, np.ones(rows, bool))


def test_hidden_parameters_are_recovered_within_10_percent():
    replay = Replay(ARM, 8, {})
    found = identify(replay, [recorded(ARM, seed) for seed in range(2)], most=6)
    for name, hidden in HIDDEN.items():
        assert found.parameters[name].value == pytest.approx(hidden, rel=0.1), name
        low, high = found.parameters[name].range
        assert low <= found.parameters[name].value <= high
    assert found.after < 0.1 * found.before
    document = {"robot": "so101", "horizon": 8, **found.to_json(), "provenance": {"seed": 0}}
    page = identification_page(document)
    assert "motor_strength" in page
    assert "shoulder_pan, found" in page


def test_what_was_recorded_is_predicted_with_the_parameters_it_was_made_with():
    motion = recorded(ARM, 5)
    replay = Replay(ARM, 20, {})
    windows = [Window(motion, int(start)) for start in motion.starts(20, replay.before)]
    predicted, velocity = replay.predict(windows, HIDDEN)
    measured = replay.measured(windows)
    np.testing.assert_allclose(predicted, measured[0], atol=1e-9)
    np.testing.assert_allclose(velocity, measured[1], atol=1e-7)


def test_a_window_holds_no_row_that_cannot_be_used():
    motion = recorded(ARM, 0)
    motion.usable[30] = False
    for start in motion.starts(8, 4):
        assert not start - 4 <= 30 <= start + 8


def test_what_joints_cannot_tell_is_refused():
    with pytest.raises(ConfigError, match="'payload' cannot be told from the motion of joints"):
        identify(Replay(ARM, 8, {}), [], ["payload"])
    with pytest.raises(UnknownNameError, match="Did you mean 'armature'"):
        identify(Replay(ARM, 8, {}), [], ["armture"])
    with pytest.raises(ConfigError, match="1 episodes have 12 rows without a break"):
        identify(Replay(ARM, 8, {}), [recorded(ARM, 0, 20)], ["armature"])


def test_what_is_found_is_what_training_draws():
    go1 = load_robot("go1")
    found = {"motor_strength": (0.8, 0.9), "latency": (0.004, 0.021)}
    assert ranges(found, go1) == {
        "gain": (0.8, 0.9),
        "strength": (0.8, 0.9),
        "latency": (1, 4),
    }
