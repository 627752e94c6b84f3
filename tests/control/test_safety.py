import numpy as np
import pytest
from toy_robot import toy_robot

from robot_policies.control import rules_in_force
from robot_policies.control.bounds import Bound
from robot_policies.control.refusal import Cause
from robot_policies.control.rules import Rules
from robot_policies.control.safety import SafetyGate
from robot_policies.control.safety_limits import SafetyLimits
from robot_policies.control.verdict import Level
from robot_policies.interface import Action, ActionKind, CommandMode, ConfigError, RobotState
from robot_policies.interface.observation import IMU, VELOCITY_COMMAND_NAMES

PERIOD = 0.02
ROBOT = toy_robot({"shoulder": {}, "elbow": {}})  # +-1 rad, 2 rad/s, 50 rad/s^2, 5 N m
LYING = (np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5))  # rolled by a quarter turn
REST = np.array([0.1, 0.1])


def state(now=0.0, position=REST, velocity=(0.0, 0.0), up=(0.0, 0.0, 0.0, 1.0), imu_at=None):
    imu = np.array([*up, *np.zeros(6)])
    stamps = {IMU: now if imu_at is None else imu_at}
    return RobotState(
        now,
        np.array(position, float),
        np.array(velocity, float),
        features={IMU: imu},
        stamps=stamps,
    )


def action(values, now=0.0, names=ROBOT.joint_names, kind=ActionKind.JOINT_POSITION):
    return Action(np.array(values, float), names, kind, now)


def offer(gate, values, now=0.0, **measured):
    return gate.check(action(values, now), state(now, **measured), now)


def legged(**more):
    return toy_robot({"shoulder": {}}, imu_link="base", tilt_limit=0.8, **more)


def test_a_valid_action_passes_unchanged():
    verdict = offer(SafetyGate(ROBOT), (0.11, 0.1))
    assert (verdict.level, verdict.refusal) == (Level.PASS, None)
    assert verdict.command.mode is CommandMode.POLICY
    np.testing.assert_array_equal(verdict.command.values, [0.11, 0.1])


def test_joints_are_matched_by_name():
    gate = SafetyGate(ROBOT)
    verdict = gate.check(action((0.1, 0.11), names=("elbow", "shoulder")), state(), 0.0)
    np.testing.assert_array_equal(verdict.command.values, [0.11, 0.1])


LIMITS = [
    # action, measured, cause, joint, value, limit
    ((np.nan, 0.1), {}, Cause.NOT_FINITE, "shoulder", np.nan, np.nan),
    ((0.1, -np.inf), {}, Cause.NOT_FINITE, "elbow", -np.inf, np.nan),
    ((0.1, 1.01), {"position": (0.1, 1.0)}, Cause.POSITION, "elbow", 1.01, 1.0),
    ((-1e308, 1e308), {}, Cause.POSITION, "shoulder", -1e308, -1.0),
    ((0.1, 0.15), {}, Cause.VELOCITY, "elbow", 2.5, 2.0),
    ((0.1, 0.13), {}, Cause.ACCELERATION, "elbow", 75.0, 50.0),
    ((0.1, 0.1), {"velocity": (0.0, 60.0)}, Cause.EFFORT, "elbow", -6.0, -5.0),
]


@pytest.mark.parametrize(("values", "measured", "cause", "joint", "value", "limit"), LIMITS)
def test_each_limit_refuses_and_says_why(values, measured, cause, joint, value, limit):
    gate = SafetyGate(ROBOT, SafetyLimits(approach_time=0.0))
    verdict = offer(gate, values, **measured)
    refusal = verdict.refusal
    assert (refusal.cause, refusal.joint, verdict.level) == (cause, joint, Level.HOLD)
    assert refusal.value == pytest.approx(value, nan_ok=True)
    assert refusal.limit == pytest.approx(limit, nan_ok=True)
    assert joint in refusal.text
    if np.isfinite(limit):
        assert refusal.margin == pytest.approx(-abs(value - limit))
    np.testing.assert_array_equal(verdict.command.values, state(**measured).joint_position)


def test_exactly_at_the_limits_passes():
    gate = SafetyGate(ROBOT)
    step = 50.0 * PERIOD**2  # the largest acceleration
    assert offer(gate, (0.1 + step, 0.1 - step)).refusal is None
    still = {"position": (1.0, -1.0), "velocity": (0.0, 0.0)}
    assert offer(SafetyGate(ROBOT), (1.0, -1.0), **still).refusal is None
    assert offer(SafetyGate(ROBOT), REST, velocity=(50.0, -50.0)).refusal is None


def test_a_bound_with_one_end_holds_there_and_lets_no_infinity_pass_the_other():
    one_sided = Bound(
        Cause.POSITION, "target", ("elbow",), ("rad",), np.array([-1.0]), np.array([np.inf])
    )
    assert one_sided.judge(np.array([-1.0 - 1e-10])) is None
    assert one_sided.judge(np.array([1e6])) is None
    for wrong in (-1.001, np.inf, np.nan):
        assert one_sided.judge(np.array([wrong])).joint == "elbow"


def test_margins_tighten_every_limit():
    tight = SafetyLimits(position_margin=0.1, velocity_margin=0.5, effort_margin=0.5)
    edge = {"position": (0.1, 0.9)}
    refusal = offer(SafetyGate(ROBOT, tight), (0.1, 0.91), **edge).refusal
    assert (refusal.cause, refusal.limit) == (Cause.POSITION, 0.9)
    assert offer(SafetyGate(ROBOT, tight), (0.1, 0.13)).refusal.limit == pytest.approx(1.0)
    refusal = offer(SafetyGate(ROBOT, tight), REST, velocity=(0.0, 30.0)).refusal
    assert refusal.cause is Cause.EFFORT


def test_a_refused_action_keeps_the_last_safe_command():
    gate = SafetyGate(ROBOT)
    offer(gate, (0.11, 0.1))
    verdict = offer(gate, (9.0, 0.1), PERIOD)
    np.testing.assert_array_equal(verdict.command.values, [0.11, 0.1])
    assert (verdict.level, verdict.command.mode) == (Level.HOLD, CommandMode.POLICY)


def test_the_step_is_measured_from_what_was_sent_and_not_from_what_was_refused():
    gate = SafetyGate(ROBOT)
    offer(gate, (0.1, 0.1))
    offer(gate, (0.5, 0.1), PERIOD)
    assert offer(gate, (0.52, 0.1), 2 * PERIOD).refusal.cause is Cause.VELOCITY


def test_a_burst_of_commands_counts_as_one_step():
    gate = SafetyGate(ROBOT)
    steps = [0.1 + 0.015 * k for k in range(1, 6)]
    measured = state()
    verdicts = [
        gate.check(action((step, 0.1), 1e-3 * k), measured, 1e-3 * k)
        for k, step in enumerate(steps)
    ]
    refusals = [verdict.refusal for verdict in verdicts]
    assert refusals[0] is None
    assert all(refusal is not None for refusal in refusals[1:])


def test_a_command_repeated_between_two_ticks_changes_nothing():
    gate = SafetyGate(ROBOT)
    for k in range(5):
        assert offer(gate, (0.1 + 0.01 * k, 0.1), k * PERIOD).refusal is None
        assert offer(gate, (0.1 + 0.01 * k, 0.1), k * PERIOD + 0.003).refusal is None


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        (action(REST, names=("shoulder", "elbov")), Cause.NAMES),
        (action((0.1,), names=("shoulder",)), Cause.NAMES),
        (action(REST, kind=ActionKind.JOINT_VELOCITY), Cause.KIND),
        (action(REST, now=-2.1), Cause.STALE_ACTION),
        (action(REST, now=1.0), Cause.CLOCK),
    ],
)
def test_what_cannot_be_judged_is_refused(given, cause):
    assert SafetyGate(ROBOT).check(given, state(), 0.0).refusal.cause is cause


# Silence: hold, then damp.


def silence(gate, start, end):
    """Check without an action at every control step; return time and verdict of each."""
    times = start + PERIOD * np.arange(1, int((end - start) / PERIOD) + 1)
    return [(float(t), gate.check(None, state(t), t)) for t in times]


def test_before_the_first_action_the_pose_found_is_held():
    gate = SafetyGate(ROBOT)
    first = gate.check(None, state(position=(0.3, 0.4)), 0.0).command
    later = gate.check(None, state(5.0, position=(0.2, 0.4)), 5.0)
    assert (later.level, later.refusal.cause) == (Level.HOLD, Cause.NO_ACTION)
    assert later.command.mode is CommandMode.HOLD
    np.testing.assert_array_equal(first.values, [0.3, 0.4])
    np.testing.assert_array_equal(later.command.values, [0.3, 0.4])


@pytest.mark.parametrize("offset", [0.0, 0.001, 0.007, 0.019])
def test_without_actions_the_robot_holds_within_100_ms_and_then_damps(offset):
    gate = SafetyGate(ROBOT)
    offer(gate, (0.11, 0.1))
    verdicts = silence(gate, offset, 2.0)
    holding = [t for t, v in verdicts if v.command.mode is CommandMode.HOLD]
    damping = [t for t, v in verdicts if v.command.mode is CommandMode.DAMP]
    assert holding[0] <= 0.1 + 1e-9
    assert damping[0] == pytest.approx(1.1, abs=PERIOD)
    assert all(v.level is Level.DAMP for t, v in verdicts if t >= damping[0])
    for _, verdict in verdicts:
        if verdict.command.mode is not CommandMode.DAMP:
            np.testing.assert_array_equal(verdict.command.values, [0.11, 0.1])
    assert verdicts[-1][1].refusal.cause is Cause.NO_ACTION


def test_after_damping_motion_starts_from_the_measured_pose():
    gate = SafetyGate(ROBOT)
    offer(gate, (0.11, 0.1))
    silence(gate, 0.0, 2.0)
    sagged = {"position": (-0.5, 0.1)}
    assert offer(gate, (0.11, 0.1), 2.5, **sagged).refusal.cause is Cause.VELOCITY
    assert offer(gate, (-0.47, 0.1), 2.52, **sagged).refusal is None


# The robot's measurements.


def test_stale_measurements_are_refused_and_end_in_damping():
    gate = SafetyGate(ROBOT)
    offer(gate, REST)
    verdict = gate.check(action(REST, 0.12), state(0.0), 0.12)
    assert verdict.refusal.cause is Cause.STALE_STATE
    assert verdict.refusal.text == "joint states 120 ms old, limit 100 ms"
    assert all(
        gate.check(None, state(0.0), 0.14 + k * PERIOD).level is Level.HOLD for k in range(47)
    )
    assert [gate.check(None, state(0.0), t).level for t in (5.0, 5.1)][-1] is Level.DAMP


def test_without_any_valid_measurement_nothing_is_held():
    gate = SafetyGate(ROBOT)
    verdict = gate.check(action(REST, 9.0), state(0.0), 9.0)
    assert (verdict.level, verdict.command.mode) == (Level.DAMP, CommandMode.DAMP)


def test_a_measurement_that_is_no_number_stops_the_robot():
    gate = SafetyGate(ROBOT)
    verdict = offer(gate, REST, position=(0.1, np.nan))
    assert (verdict.level, verdict.refusal.cause) == (Level.ESTOP, Cause.STATE)
    assert verdict.refusal.joint == "elbow"
    assert np.isfinite(verdict.command.values).all()


def test_a_measurement_of_the_wrong_width_stops_the_robot():
    assert offer(SafetyGate(ROBOT), REST, position=(0.1,)).level is Level.ESTOP


def test_tilt_stops_the_robot_until_it_stands_again_and_is_reset():
    gate = SafetyGate(legged())
    one = {"position": (0.1,), "velocity": (0.0,)}
    go = action((0.1,), names=("shoulder",))
    fallen = gate.check(go, state(0.0, up=LYING, **one), 0.0)
    assert (fallen.level, fallen.refusal.cause) == (Level.ESTOP, Cause.TILT)
    assert fallen.refusal.value == pytest.approx(np.pi / 2)
    assert gate.reset(state(1.0, up=LYING, **one), 1.0).cause is Cause.TILT
    assert gate.check(go, state(1.0, **one), 1.0).level is Level.ESTOP
    assert gate.reset(state(2.0, **one), 2.0) is None
    gate.go()
    assert gate.check(go, state(2.0, **one), 2.0).level is Level.PASS


def test_a_robot_that_may_tip_over_needs_its_imu():
    gate = SafetyGate(legged())
    blind = RobotState(0.0, np.array([0.1]), np.zeros(1))
    go = action((0.1,), names=("shoulder",))
    assert gate.check(go, blind, 0.0).refusal.text == "no imu measurement, tilt cannot be judged"
    old = state(1.0, position=(0.1,), velocity=(0.0,), imu_at=0.5)
    assert gate.check(go, old, 1.0).refusal.text == "imu 500 ms old, limit 100 ms"
    broken = state(1.1, position=(0.1,), velocity=(0.0,), up=(0.0, 0.0, 0.0, 0.0))
    assert gate.check(go, broken, 1.1).refusal.cause is Cause.STATE


# Clocks.


def test_a_clock_that_jumps_back_moves_nothing_and_recovers_with_fresh_stamps():
    gate = SafetyGate(ROBOT)
    offer(gate, (0.11, 0.1), 100.0)
    jumped = gate.check(action((0.12, 0.1), 100.02), state(100.02), 7.0)
    assert jumped.refusal.text == "clock jumped back from 100.000 s to 7.000 s"
    np.testing.assert_array_equal(jumped.command.values, [0.11, 0.1])
    assert offer(gate, (0.12, 0.1), 7.02).refusal is None


def test_a_clock_jump_gives_no_extra_time():
    gate = SafetyGate(ROBOT)
    offer(gate, (0.11, 0.1), 100.0)
    assert gate.check(None, state(100.08), 100.08).level is Level.PASS
    gate.check(None, state(7.0), 7.0)
    assert gate.check(None, state(7.02), 7.02).level is Level.HOLD


def test_measurements_that_jump_back_are_refused_once():
    gate = SafetyGate(ROBOT)
    offer(gate, REST, 1.0)
    back = gate.check(action(REST, 1.02), state(0.95), 1.02)
    assert back.refusal.text == "joint states jumped back from 1.000 s to 0.950 s"
    assert gate.check(action(REST, 1.03), state(0.97), 1.04).refusal is None


# The latched stop.


def test_an_operators_stop_stays_until_it_is_reset():
    gate = SafetyGate(ROBOT)
    offer(gate, REST)
    gate.trip("button", 0.01)
    for k in range(1, 200):
        verdict = offer(gate, REST, k * PERIOD)
        assert (verdict.level, verdict.command.mode) == (Level.ESTOP, CommandMode.DAMP)
    assert verdict.refusal.cause is Cause.OPERATOR
    assert verdict.refusal.text == "stopped at 0.010 s: button"
    assert gate.reset(state(5.0), 5.0) is None
    gate.go()
    assert gate.check(None, state(5.1, position=(0.4, 0.1)), 5.1).level is Level.HOLD
    assert offer(gate, (0.4, 0.1), 5.12, position=(0.4, 0.1)).level is Level.PASS


def test_the_first_cause_of_a_stop_is_kept():
    gate = SafetyGate(ROBOT)
    gate.trip("first", 0.0)
    gate.trip("second", 0.1)
    assert "first" in gate.latched.text


def test_a_policy_that_keeps_asking_for_too_much_is_stopped():
    gate = SafetyGate(ROBOT)
    offer(gate, REST)
    levels = [offer(gate, (9.0, 0.1), k * PERIOD).level for k in range(1, 40)]
    assert levels.index(Level.ESTOP) * PERIOD == pytest.approx(0.5)
    assert gate.latched.cause is Cause.REFUSALS
    assert "shoulder = 9 rad is outside [-1, 1]" in gate.latched.text


def test_refusals_with_a_long_silence_between_them_are_no_run_of_refusals():
    gate = SafetyGate(ROBOT)
    for now in (0.0, 1.0, 2.0):
        assert offer(gate, (9.0, 0.1), now).level is Level.HOLD
    assert gate.latched is None


# Other kinds of command.


def test_joint_velocities_have_their_limits_and_stop_when_they_cease():
    gate = SafetyGate(ROBOT, kind=ActionKind.JOINT_VELOCITY)
    kind = {"kind": ActionKind.JOINT_VELOCITY}
    assert gate.check(action((0.9, 0.0), **kind), state(), 0.0).refusal is None
    fast = gate.check(action((2.1, 0.0), 0.02, **kind), state(0.02), 0.02)
    assert fast.refusal.cause is Cause.VELOCITY
    steep = gate.check(action((-0.2, 0.0), 0.04, **kind), state(0.04), 0.04)
    assert steep.refusal.cause is Cause.ACCELERATION
    held = gate.check(None, state(0.5), 0.5).command
    assert (held.kind, held.mode) == (ActionKind.JOINT_VELOCITY, CommandMode.HOLD)
    np.testing.assert_array_equal(held.values, [0.0, 0.0])


def test_a_joint_at_its_end_may_only_move_back():
    kind = {"kind": ActionKind.JOINT_VELOCITY}
    for direction, cause in ((0.5, Cause.POSITION), (-0.5, None)):
        gate = SafetyGate(ROBOT, kind=ActionKind.JOINT_VELOCITY)
        given = action((direction, 0.0), **kind)
        refusal = gate.check(given, state(position=(1.05, 0.1)), 0.0).refusal
        assert (refusal.cause if refusal else None) is cause


def test_base_velocities_have_their_limits():
    kind = ActionKind.BASE_VELOCITY
    gate = SafetyGate(ROBOT, kind=kind)
    drive = {"names": VELOCITY_COMMAND_NAMES, "kind": kind}
    assert gate.check(action((0.08, 0.0, 0.1), **drive), state(), 0.0).refusal is None
    refusal = gate.check(action((1.2, 0.0, 0.1), 0.02, **drive), state(0.02), 0.02).refusal
    assert (refusal.cause, refusal.joint) == (Cause.VELOCITY, "linear.x")
    np.testing.assert_array_equal(gate.check(None, state(0.5), 0.5).command.values, np.zeros(3))


def test_there_are_no_rules_for_cartesian_actions():
    with pytest.raises(ConfigError, match="no safety rules for 'cartesian_delta'"):
        SafetyGate(ROBOT, kind=ActionKind.CARTESIAN_DELTA)


def test_the_workspace_box_bounds_the_hand():
    robot = toy_robot(
        {"slide": {"sliding": True}},
        workspace={"link": "slide_link", "lower": [-1, -1, -0.5], "upper": [1, 1, 0.5]},
    )
    gate = SafetyGate(robot)
    near = {"position": (0.495,), "velocity": (0.0,)}
    inside = gate.check(action((0.5,), names=("slide",)), state(**near), 0.0)
    assert inside.refusal is None
    outside = gate.check(action((0.51,), 0.02, names=("slide",)), state(0.02, **near), 0.02)
    assert (outside.refusal.cause, outside.refusal.joint) == (Cause.WORKSPACE, "z")


def test_these_tests_would_notice_a_gate_without_rules(monkeypatch):
    nothing = dict.fromkeys(rules_in_force.ROBOT_RULES, lambda robot, limits: Rules())
    monkeypatch.setattr(rules_in_force, "ROBOT_RULES", nothing)
    for values, measured, *_ in LIMITS[2:]:
        assert offer(SafetyGate(ROBOT), values, **measured).refusal is None


def test_after_lost_answers_the_step_may_be_as_long_as_the_command_had_to_serve():
    gate, fast = SafetyGate(ROBOT), ROBOT.velocity[0] * PERIOD
    assert offer(gate, REST).refusal is None
    for tick in (1, 2):
        assert gate.check(None, state(tick * PERIOD), tick * PERIOD).refusal is None
    two = (REST[0] + 2.0 * fast, REST[1])
    assert gate.check(action(two, 2 * PERIOD), state(2 * PERIOD), 2 * PERIOD).refusal is None
    again = (two[0] + 1.01 * fast, REST[1])
    refusal = gate.check(action(again, 3 * PERIOD), state(3 * PERIOD), 3 * PERIOD).refusal
    assert refusal.cause in (Cause.VELOCITY, Cause.ACCELERATION)


def test_a_long_silence_does_not_buy_a_long_step():
    gate = SafetyGate(ROBOT, SafetyLimits(command_timeout=2 * PERIOD))
    assert offer(gate, REST).refusal is None
    for tick in range(1, 10):
        gate.check(None, state(tick * PERIOD), tick * PERIOD)
    far = (REST[0] + 2.01 * ROBOT.velocity[0] * PERIOD, REST[1])
    refusal = gate.check(action(far, 10 * PERIOD), state(10 * PERIOD), 10 * PERIOD).refusal
    assert refusal.cause is Cause.VELOCITY


def test_a_servo_that_limits_its_own_effort_is_judged_by_its_following_error():
    robot = toy_robot({"shoulder": {"following_error": 0.3, "velocity": 100.0}, "elbow": {}})
    for ahead, refused in ((0.29, None), (0.31, Cause.FOLLOWING_ERROR)):
        behind = state(position=(0.1 - ahead, 0.1), velocity=(60.0, 0.0))
        gate = SafetyGate(robot, SafetyLimits(velocity_margin=1e6, acceleration_margin=1e6))
        refusal = gate.check(action(REST), behind, 0.0).refusal
        assert (refusal.cause if refusal else None) is refused


def test_to_release_a_robot_that_is_not_stopped_changes_nothing():
    gate, lagging = SafetyGate(ROBOT), {"position": (0.05, 0.1)}
    offer(gate, (0.11, 0.1))
    assert gate.reset(state(PERIOD, **lagging), PERIOD) is None
    verdict = gate.check(None, state(2 * PERIOD, **lagging), 2 * PERIOD)
    assert (verdict.level, verdict.command.mode) == (Level.PASS, CommandMode.POLICY)
    np.testing.assert_array_equal(verdict.command.values, [0.11, 0.1])
