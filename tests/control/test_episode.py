import numpy as np
import pytest
from toy_robot import toy_robot

from robot_policies.catalog import load_robot, make_backend
from robot_policies.control.episode import run_episode
from robot_policies.control.timing import LogicalClock, NetworkChannel, NetworkModel, WallClock
from robot_policies.interface import (
    ActionChunk,
    ActionKind,
    ActionSpec,
    ArraySpec,
    BackendError,
    CommandMode,
    ConfigError,
    ContractError,
    ObservationSpec,
    RobotState,
)
from robot_policies.interface.action import CARTESIAN_DELTA_NAMES
from robot_policies.interface.errors import ImplausibleState
from robot_policies.interface.kinematics import Kinematics
from robot_policies.interface.observation import (
    STATE,
    VELOCITY_COMMAND,
    VELOCITY_COMMAND_NAMES,
    VELOCITY_COMMAND_UNITS,
)
from robot_policies.interface.robot_alone import RobotAlone

ROBOT = toy_robot({"shoulder": {"jerk": 2000.0}, "elbow": {}})
PERIOD = 0.02


class PointSimulator:
    """Joints that are where they were told to be, in a time of their own."""

    accepts = frozenset({ActionKind.JOINT_POSITION})

    def __init__(self):
        self.spec, self.provides = ROBOT, ROBOT.streams
        self.stopped = ""

    def connect(self):
        pass

    def reset(self, seed, options):
        self.time, self.position, self.written = 0.0, np.array(options["start"]), []
        return self.read()

    def read(self, pictures=True):
        return RobotState(self.time, self.position.copy(), np.zeros(2))

    def write(self, command):
        self.position = command.values.copy()
        self.written.append(command)
        return command

    def advance(self, dt):
        self.time += dt

    def render(self, width, height):
        return np.zeros((height, width, 3), np.uint8)

    def stop(self, reason):
        self.stopped = reason

    def close(self):
        pass

    def bytes(self):
        return b"".join(command.values.tobytes() for command in self.written)


class Wave:
    """Rows of a slow wave plus seeded noise; counts its calls."""

    name, robot, statistics, findings = "wave", "toy", {}, ()

    def __init__(self, horizon=10, noise=1e-3, fault_at=None, size=0.1, **means):
        names, array = ROBOT.joint_names, ArraySpec
        self.observation_spec = ObservationSpec(
            {STATE: array(STATE, (1,), unit="rad", names=("elbow.pos",))}
        )
        array = array("action", (2,), unit="rad", names=names)
        self.action_spec = ActionSpec("joint_position", array, PERIOD, horizon, **means)
        self.noise, self.fault_at, self.size, self.asked = noise, fault_at, size, []

    def reset(self, seed):
        self.rng, self.asked = np.random.default_rng(seed), []

    def act(self, observation):
        if self.fault_at is not None and len(self.asked) == self.fault_at:
            raise ContractError("weights went bad")
        self.asked.append(observation.stamp)
        times = observation.stamp + PERIOD * np.arange(self.action_spec.horizon)
        rows = self.size * np.sin(times)[:, None] + self.rng.normal(0, self.noise, (len(times), 2))
        return ActionChunk(observation.stamp, PERIOD, rows, ROBOT.joint_names)

    def close(self):
        pass


class Stay:
    """A task of half a second that is a success when it is over."""

    name, robot, horizon, goals, scene = "stay", "toy", 0.5, (), {}

    def __init__(self, done_after=np.inf):
        self.done_after = done_after

    def initial(self, seed):
        return {"start": [0.0, 0.0]}

    def start(self, initial):
        self.seen = 0
        return self

    def goal(self, now):
        return {VELOCITY_COMMAND: np.zeros(3)}

    def observe(self, state, command):
        self.seen += 1

    def done(self):
        return self.seen >= self.done_after

    def progress(self):
        return min(1.0, self.seen / 25)

    def metrics(self):
        return {"success": float(self.done())}


class Watcher:
    def __init__(self):
        self.calls, self.records, self.result = [], [], None

    def begin(self, robot, policy, task, initial):
        self.calls.append("begin")

    def step(self, record):
        self.records.append(record)

    def end(self, result):
        self.calls.append("end")
        self.result = result


def play(policy=None, task=None, **options):
    backend = PointSimulator()
    options = {"seed": 3, **options}
    return run_episode(backend, policy or Wave(), task or Stay(), **options), backend


NETWORKS = [
    NetworkModel(),
    NetworkModel(delay=0.06, jitter=0.05, loss=0.2),
    NetworkModel(inference=0.05, jitter=0.03),
]


@pytest.mark.parametrize("mode", ["open_loop", "ensemble", "splice"])
@pytest.mark.parametrize("network", NETWORKS)
def test_the_same_seed_gives_the_same_bytes(mode, network):
    runs = [play(executor=mode, network=network, seed=seed) for seed in (3, 3, 4)]
    (first, one), (again, two), (other, three) = runs
    assert first == again
    assert one.bytes() == two.bytes() != three.bytes()
    assert other.seed == 4


def test_an_episode_lasts_its_horizon_and_tells_its_observers():
    watcher = Watcher()
    result, backend = play(observers=[watcher])
    assert (result.steps, result.ended_by, result.reason) == (25, "horizon", "")
    assert result.duration == pytest.approx(0.5)
    assert watcher.calls == ["begin", "end"]
    assert watcher.result == result
    assert len(watcher.records) == 25
    assert [r.time for r in watcher.records] == pytest.approx(PERIOD * np.arange(25))
    assert watcher.records[0].chunk is not None
    assert watcher.records[1].chunk is None
    assert backend.stopped == ""


def test_a_decided_trial_ends_at_once():
    result, _ = play(task=Stay(done_after=5))
    assert (result.steps, result.ended_by, result.metrics) == (5, "success", {"success": 1.0})


@pytest.mark.parametrize(
    ("mode", "horizon", "times"),
    [
        ("open_loop", 10, [0.0, 0.2, 0.4]),
        ("splice", 10, [0.0, 0.1, 0.2, 0.3, 0.4]),
        ("open_loop", 1, PERIOD * np.arange(25)),
        ("ensemble", 10, PERIOD * np.arange(25)),
    ],
)
def test_when_the_policy_is_asked(mode, horizon, times):
    policy = Wave(horizon)
    play(policy, executor=mode)
    assert policy.asked == pytest.approx(times)


@pytest.mark.parametrize(
    ("means", "options", "times"),
    [
        ({"executed": 6}, {}, [0.0, 0.12, 0.24, 0.36, 0.48]),
        ({"executor": "splice"}, {}, [0.0, 0.1, 0.2, 0.3, 0.4]),
        ({"executor": "splice", "executed": 4}, {}, 0.08 * np.arange(7)),
        ({"executor": "ensemble"}, {}, PERIOD * np.arange(25)),
        ({"executor": "ensemble"}, {"executor": "open_loop"}, [0.0, 0.2, 0.4]),
    ],
)
def test_a_policy_is_asked_as_it_means_to_be_unless_told_otherwise(means, options, times):
    policy = Wave(10, **means)
    play(policy, **options)
    assert policy.asked == pytest.approx(times)


def test_a_delayed_answer_is_merged_by_its_stamp():
    policy, network = Wave(20, noise=0.0, size=0.05), NetworkModel(delay=0.06)
    result, backend = play(policy, network=network)
    assert result.latency == pytest.approx({"p50": 0.06, "p95": 0.06, "p99": 0.06, "max": 0.06})
    moved = [command.values[0] for command in backend.written[3:]]
    rest = 0.05 * np.sin(PERIOD * np.arange(20))  # the first plan begins when it arrives
    assert moved == pytest.approx([*rest, *0.05 * np.sin(PERIOD * np.arange(23, 25))])


def test_a_reactive_policy_survives_a_delay_of_some_steps():
    slow = NetworkModel(delay=0.05, jitter=0.02)
    result, _ = play(Wave(1, noise=0.0), network=slow)
    assert sum(result.refusals.values()) <= 5  # before the first answer
    assert result.dropped.get("late", 0) == 0


def test_an_answer_that_is_too_old_moves_only_a_robot_that_has_rested_since_it_was_seen():
    result, backend = play(Wave(1), network=NetworkModel(delay=0.2))
    assert result.dropped["late"] > 0
    times = [0.0, *(command.stamp for command in backend.written)]
    values = np.array([[0.0, 0.0], *(command.values for command in backend.written)])
    moved = [times[k + 1] for k in np.flatnonzero(np.diff(values, axis=0).any(axis=1))]
    assert moved == pytest.approx([0.2, 0.44])


def test_a_busy_policy_takes_no_observation():
    policy = Wave(10)
    play(policy, executor="ensemble", network=NetworkModel(inference=0.1))
    assert policy.asked == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])


class Faster(Stay):
    """Asks for more speed than the policy knows from 0.2 s on."""

    goals = (VELOCITY_COMMAND,)

    def goal(self, now):
        return {VELOCITY_COMMAND: np.array([0.3 if now < 0.19 else 0.9, 0.0, 0.0])}


class Careful(Wave):
    """Knows speeds up to 0.5 m/s and notes those it is asked for."""

    def __init__(self):
        super().__init__(horizon=1)
        command = ArraySpec(
            VELOCITY_COMMAND,
            (3,),
            names=VELOCITY_COMMAND_NAMES,
            unit=VELOCITY_COMMAND_UNITS,
            lower=np.full(3, -0.5),
            upper=np.full(3, 0.5),
        )
        known = {**self.observation_spec, VELOCITY_COMMAND: command}
        self.observation_spec, self.speeds = ObservationSpec(known), []

    def act(self, observation):
        self.speeds.append(observation[VELOCITY_COMMAND][0])
        return super().act(observation)


def test_a_goal_beyond_what_the_policy_knows_leaves_the_one_before():
    policy = Careful()
    result, _ = play(policy, Faster())
    assert policy.speeds == [0.3] * 25
    assert result.stale == 15


def test_lost_observations_are_asked_again():
    policy = Wave(10)
    play(policy, network=NetworkModel(loss=0.5))
    assert len(policy.asked) >= 2
    play(policy, network=NetworkModel(loss=1.0))
    assert policy.asked == []


def test_answers_may_overtake_one_another():
    link = NetworkChannel(NetworkModel(delay=0.1, jitter=0.1), seed=0)
    for k in range(20):
        link.answer(ActionChunk(0.01 * k, PERIOD, np.zeros((1, 2)), ROBOT.joint_names), 0.01 * k)
    stamps = [chunk.stamp for chunk in link.arrived(1.0)]
    assert sorted(stamps) == pytest.approx(0.01 * np.arange(20))
    assert stamps != sorted(stamps)
    assert link.arrived(1.0) == []


def test_a_stop_ends_the_episode_with_its_cause():
    task = Stay()
    task.horizon = 5.0
    result, backend = play(Wave(1, noise=50.0), task)
    assert result.ended_by == "refusals"
    assert "outside" in result.reason
    assert backend.stopped == result.reason
    assert result.duration < 2.0


def test_a_fault_stops_the_robot_and_is_told():
    backend, watcher = PointSimulator(), Watcher()
    with pytest.raises(ContractError, match="weights went bad"):
        run_episode(backend, Wave(1, fault_at=3), Stay(), seed=0, observers=[watcher])
    assert backend.stopped == "ContractError: weights went bad"
    assert (watcher.result.ended_by, watcher.result.steps) == ("fault", 3)


class Blind(Wave):
    """Cannot use some of what it sees: its answers by number."""

    def __init__(self, unusable):
        super().__init__(1)
        self.unusable, self.calls = unusable, 0

    def act(self, observation):
        self.calls += 1
        if self.calls - 1 in self.unusable:
            raise ImplausibleState("no point of the arm")
        return super().act(observation)


def test_what_a_policy_cannot_use_is_refused_before_the_first_move_and_holds_later():
    with pytest.raises(ImplausibleState, match="no point of the arm"):
        play(Blind({0}))
    result, backend = play(Blind(set(range(5, 15))))
    assert result.ended_by == "horizon"
    assert {"no_action"} == set(result.refusals)
    assert any(command.mode is CommandMode.HOLD for command in backend.written)
    assert backend.written[-1].mode is CommandMode.POLICY  # and goes on when it can


def test_an_incompatible_policy_never_moves_the_robot():
    backend, policy = PointSimulator(), Wave()
    policy.robot = "another"
    with pytest.raises(ContractError, match="trained for 'another', not 'toy'"):
        run_episode(backend, policy, Stay(), seed=0)
    assert not hasattr(backend, "written")


def test_what_is_no_simulator_runs_on_the_walls_clock():
    time = [1000.0]

    def sleep(seconds):
        time[0] += seconds

    clock = WallClock(PERIOD, read=lambda: time[0], sleep=sleep)
    backend = PointSimulator()
    backend.reset(0, {"start": [0.0, 0.0]})
    real = _without_time(backend, clock)
    result = run_episode(real, Wave(size=0.0), Stay(), seed=0, clock=clock)
    assert (result.steps, result.ended_by) == (25, "horizon")
    assert result.refusals == {}


def _without_time(backend, clock):
    class Robot:
        spec, provides, accepts = backend.spec, backend.provides, backend.accepts
        connect, write, stop, close = backend.connect, backend.write, backend.stop, backend.close

        def read(self, pictures=True):
            return RobotState(clock.now(), backend.position.copy(), np.zeros(2))

    return Robot()


def test_the_wall_clock_does_not_make_up_for_missed_steps():
    time, slept = [0.0], []
    clock = WallClock(PERIOD, read=lambda: time[0], sleep=slept.append)
    time[0] = 0.1
    clock.tick()
    clock.tick()
    assert slept == pytest.approx([0.0, 0.02])


def test_a_network_that_cannot_be_is_refused():
    with pytest.raises(ConfigError, match="loss in"):
        NetworkModel(loss=1.5)
    with pytest.raises(ConfigError, match="times must be"):
        NetworkModel(delay=-0.1)


def test_a_diverging_simulation_is_a_fault():
    class Broken(PointSimulator):
        def advance(self, dt):
            raise BackendError("physics diverged")

    backend = Broken()
    with pytest.raises(BackendError, match="diverged"):
        run_episode(backend, Wave(), Stay(), seed=0)
    assert "diverged" in backend.stopped


class Displaces:
    """A gripper that goes one way at one speed."""

    name, robot, statistics, findings = "displaces", "so101", {}, ()

    def __init__(self, velocity, dt):
        names, units = CARTESIAN_DELTA_NAMES, ("m",) * 3 + ("rad",) * 3
        self.observation_spec = ObservationSpec(
            {STATE: ArraySpec(STATE, (1,), unit="rad", names=("gripper.pos",))}
        )
        array = ArraySpec("action", (6,), unit=units, names=names)
        self.action_spec = ActionSpec(ActionKind.CARTESIAN_DELTA, array, dt, 1)
        self.row = np.array([*(velocity * dt), 0.0, 0.0, 0.0])

    def reset(self, seed):
        pass

    def act(self, observation):
        spec, row = self.action_spec, self.row[None]
        return ActionChunk(observation.stamp, spec.dt, row, spec.array.names, spec.kind)


@pytest.mark.parametrize("periods", [1, 3])
@pytest.mark.parametrize("way", np.vstack([np.eye(3), -np.eye(3)]), ids=str)
def test_a_gripper_goes_as_far_as_it_is_told(way, periods):
    robot = load_robot("so101")
    clock, watcher = LogicalClock(1.0 / robot.control_rate), Watcher()
    backend = make_backend("loopback", robot, clock=clock.now)
    backend.connect()
    policy, task = Displaces(0.1 * way, periods / robot.control_rate), RobotAlone("so101", 1.0)
    run_episode(backend, policy, task, seed=0, clock=clock, observers=[watcher])
    tip, sent = Kinematics(robot, robot.workspace.link), watcher.records[-1].sent.values
    moved = tip.pose(sent)[1] - tip.pose(robot.default)[1]
    np.testing.assert_allclose(moved, 0.1 * way, atol=0.005 * 0.1)
