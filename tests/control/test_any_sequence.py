"""Whatever a policy, its network and the machine do, commands keep the rules in true time."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_robot import toy_robot

from robot_policies.control.loop import ControlLoop
from robot_policies.control.operations import emergency_stop, go, release
from robot_policies.control.safety import SafetyGate
from robot_policies.control.safety_limits import SafetyLimits
from robot_policies.interface import (
    Action,
    ActionChunk,
    ActionKind,
    ActionSpec,
    ArraySpec,
    CommandMode,
    JointLimit,
    RobotState,
)

PERIOD = 0.02
JOINTS = {"shoulder": {}, "slide": {"sliding": True, "velocity": 1.0}}
BOX = {"link": "slide_link", "lower": [-9.0, -9.0, -0.5], "upper": [9.0, 9.0, 0.5]}
ROBOT = toy_robot(JOINTS, workspace=BOX)
LEGGED = toy_robot(JOINTS, workspace=BOX, floating_base=True)
SPEC = ActionSpec(
    ActionKind.JOINT_POSITION,
    ArraySpec("action", (2,), unit=("rad", "m"), names=ROBOT.joint_names),
    PERIOD,
    3,
)
LIMITS = SafetyLimits(hold_time=0.3, plan_age=2.0)


class Arm:
    """Joints that follow their targets with a lag, and sag without stiffness."""

    accepts = frozenset({ActionKind.JOINT_POSITION})

    def __init__(self, robot, start):
        self.spec, self.provides = robot, robot.streams
        self.joints, self.now, self.age = np.array(start), 0.0, 0.0

    def read(self, pictures=True):
        return RobotState(self.now - self.age, self.joints.copy(), np.zeros(2))

    def write(self, command):
        damped = command.mode is CommandMode.DAMP
        self.joints = self.joints + (-0.002 if damped else 0.5 * (command.values - self.joints))
        return command


class Sequence:
    """A loop, what it sent, and what that must keep to."""

    def __init__(self, robot, start):
        self.robot, self.arm = robot, Arm(robot, start)
        self.loop = ControlLoop(self.arm, SPEC, limits=LIMITS)
        self.loop.begin(None, 0.0)
        self.sent, self.valid = [], -np.inf  # since the pose found; time of the last valid action

    def slot(self, event):
        """Run one control slot: measure, decide, and take what comes, by then or in between."""
        self.arm.now += event["gap"] * PERIOD
        self.arm.age = event["age"]
        if event["operator"] == "stop":
            emergency_stop(self.loop, "button", self.arm.now)
        elif event["operator"] == "release" and release(self.loop, self.arm.now) is None:
            go(self.loop)
        self.loop.measure(self.arm.now)
        self.slot_before = self.sent[-1][1] if self.sent else self.loop.state.joint_position
        self.offer(event["first"], take=True)
        self.note(self.loop.decide(self.arm.now))
        if event["second"]:
            self.arm.now += 0.5 * PERIOD
            self.note(self.offer(event["second"], take=False))
        self.loop.settle()

    def offer(self, answer, take):
        """Hand over a chunk that begins at the command in force, or far from it."""
        if answer is None:
            return None
        near, values, old, limits = answer
        here = self.sent[-1][1] if self.sent and near else np.zeros(2)
        rows = here + np.array(values) * (0.03 if near else 1.3)
        stamp = self.arm.now - old
        chunk = ActionChunk(stamp, PERIOD, np.tile(rows, (3, 1)), ROBOT.joint_names, limits=limits)
        return (self.loop.take if take else self.loop.accept)(chunk, self.arm.now)

    def note(self, decision):
        """Check what was sent against everything since the robot was last found somewhere."""
        now, command, verdict = self.arm.now, decision.sent, decision.verdict
        if command.mode is CommandMode.DAMP:
            self.sent = []
            return
        if not self.sent:
            self.sent = [(now, self.loop.state.joint_position)]
        before = self.sent[-1][1]
        if verdict.level in ("pass", "approach") and verdict.refusal is None:
            self.valid = now
        if verdict.level == "approach":
            self.valid = now
        holds = command.mode is CommandMode.HOLD
        if verdict.level == "hold" and not (holds and self.robot.floating_base):
            np.testing.assert_array_equal(command.values, before)
        elif not np.array_equal(command.values, before) and not holds:
            assert now - self.valid <= LIMITS.command_timeout
        self.keeps_the_rules(now, command.values)
        if not np.array_equal(command.values, before):
            self.sent.append((now, command.values))

    def keeps_the_rules(self, now, values):
        assert np.isfinite(values).all()
        found = self.sent[0][1]
        assert (values >= np.minimum(ROBOT.lower, found) - 1e-9).all()
        assert (values <= np.maximum(ROBOT.upper, found) + 1e-9).all()
        # A command replaces the one before it in its slot, and is judged from the slot before.
        out = abs(self.slot_before[1])
        assert abs(values[1]) <= max(0.5, out) + 1e-9, "further out of its workspace"
        times = np.array([time for time, _ in self.sent])
        ways = np.abs(values - np.array([sent for _, sent in self.sent]))
        allowed = ROBOT.velocity * (now - times + PERIOD)[:, None]
        assert (ways <= allowed * (1.0 + 1e-6)).all(), "faster than a joint may be"


answers = st.tuples(
    st.booleans(),
    st.tuples(st.floats(-1.0, 1.0), st.sampled_from([None] * 9 + [np.nan, np.inf]))
    .map(lambda drawn: drawn[0] if drawn[1] is None else drawn[1])
    .flatmap(lambda slide: st.tuples(st.floats(-1.0, 1.0), st.just(slide))),
    st.sampled_from([0.0, 0.0, 0.0, 0.03, 3.0]),  # s; how old the observation is
    st.sampled_from([{}, {}, {"slide": JointLimit(velocity=0.3)}]),
)
events = st.fixed_dictionaries(
    {
        # Periods since the last slot: jitter, lost slots, stalls.
        "gap": st.one_of(st.just(1.0), st.floats(0.5, 1.5), st.floats(2.0, 80.0)),
        "age": st.sampled_from([0.0] * 8 + [0.01, 0.3]),  # s; of the measurement
        "first": st.none() | answers,
        "second": st.none() | answers,  # half a period later
        "operator": st.sampled_from([""] * 20 + ["release"] * 5 + ["stop"]),
    }
)


@given(
    robot=st.sampled_from([ROBOT, LEGGED]),
    start=st.tuples(st.floats(-1.0, 1.0), st.floats(-0.8, 0.8)),
    sequence=st.lists(events, min_size=10, max_size=50),
)
@settings(max_examples=60, deadline=None)
def test_no_sequence_makes_a_command_outside_the_rules(robot, start, sequence):
    run = Sequence(robot, start)
    for event in sequence:
        run.slot(event)


steps = st.none() | st.tuples(st.floats(-0.05, 0.05), st.floats(-0.03, 0.03))


@given(sequence=st.lists(steps, min_size=5, max_size=60))
@settings(max_examples=100, deadline=None)
def test_no_losses_make_a_command_steeper_than_a_joint_may_be(sequence):
    gate, here = SafetyGate(ROBOT, LIMITS), np.zeros(2)
    speed, given = np.zeros(2), None
    for k, step in enumerate(sequence):
        now = k * PERIOD
        state = RobotState(now, here, np.zeros(2))
        names, kind = ROBOT.joint_names, ActionKind.JOINT_POSITION
        action = None if step is None else Action(here + np.array(step), names, kind, now)
        verdict = gate.check(action, state, now)
        if action is None or verdict.level not in ("pass", "approach"):
            np.testing.assert_array_equal(verdict.command.values, here)
            continue
        served = PERIOD if given is None else (k - given) * PERIOD
        span = min(served, LIMITS.command_timeout)
        before = speed if given == k - 1 else np.zeros(2)
        speed, given = (verdict.command.values - here) / span, k
        assert (np.abs(speed - before) / span <= ROBOT.acceleration * (1.0 + 1e-6)).all()
        here = verdict.command.values


@given(heard=st.lists(st.booleans(), min_size=10, max_size=40))
@settings(max_examples=50, deadline=None)
def test_a_policy_at_a_steady_speed_is_not_refused_for_answers_that_were_lost(heard):
    brisk = {"velocity": 2.0, "acceleration": 100.0}  # full speed within one control period
    robot = toy_robot({"shoulder": brisk, "elbow": {}})
    gate, speed, silent = SafetyGate(robot), np.array([1.8, 0.0]), 0
    for k, is_heard in enumerate(heard):
        now, target = k * PERIOD, np.array([-0.9, 0.0]) + k * PERIOD * speed
        silent = 0 if k == 0 or is_heard or silent == 3 else silent + 1
        state = RobotState(now, target, np.zeros(2))
        names, kind = robot.joint_names, ActionKind.JOINT_POSITION
        action = None if silent else Action(target, names, kind, now)
        verdict = gate.check(action, state, now)
        assert verdict.refusal is None, verdict.refusal.text
