"""LeRobot's own commands move a robot behind the gate, and a simulated arm without hardware."""

import json
import logging
import os
import signal
import sys
import threading
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from fake_arm import fake
from lerobot.robots import make_robot_from_config

from robot_policies.catalog import load_robot
from robot_policies.control.safety_limits import SafetyLimits
from robot_policies.data.reading import open_dataset
from robot_policies.interface import BackendError, ConfigError, ContractError
from robot_policies.lerobot_plugin import (
    Demonstrator,
    DemonstratorConfig,
    Gated,
    GatedConfig,
    Keys,
    KeysConfig,
    Simulated,
    SimulatedConfig,
)
from robot_policies.lerobot_plugin.guard import Guard
from robot_policies.lerobot_plugin.watch import Watch
from robot_policies_hardware.emulators import arms
from robot_policies_hardware.emulators.motion import AT_ONCE
from robot_policies_hardware.emulators.serial_bus import SerialBus

DEGREE = np.pi / 180.0
PERIOD = 0.02  # s; of the toy robot
ROBOT = ("--robot.discover_packages_path=robot_policies.lerobot_plugin", "--robot.type=gated")


def wish(backend, *values):
    return backend.units.action(np.array(values))


@pytest.fixture
def arm(tmp_path):
    """A guarded arm of three joints that obeys at once, and the times at which it is asked."""
    now = [100.0]
    backend = fake(tmp_path, clock=lambda: now[0])
    backend.connect()
    robot = backend.robot
    send = robot.send_action

    def obey(action):
        robot.present.update(send(action))
        return dict(robot.present)

    robot.send_action = obey
    guard = Guard(backend, tmp_path / "stop")
    guard.look(now[0])

    def step(*values, by=PERIOD):
        now[0] += by
        guard.look(now[0])
        return guard.act(wish(backend, *values), now[0])

    return backend, guard, now, step


def test_what_is_within_the_limits_passes_in_lerobots_units(arm):
    backend, _, _, step = arm
    start = backend.read().joint_position
    sent = step(*(start + 0.01))
    assert sent == pytest.approx(wish(backend, *(start + 0.01)))


@pytest.mark.parametrize("values", [(2.0, 0.0, 0.0), (np.nan, 0.0, 0.0)])
def test_what_no_motor_should_get_is_not_sent(arm, values):
    backend, _, _, step = arm
    here = backend.read().joint_position
    sent = step(*values)
    assert sent == pytest.approx(wish(backend, *here))
    assert all(np.isfinite(list(sent.values())))


def test_a_far_target_is_approached_no_faster_than_the_joints_may_move(arm):
    backend, _, _, step = arm
    before = backend.read().joint_position
    for _ in range(5):
        step(0.8, *before[1:])
        after = backend.read().joint_position
        assert abs(after[0] - before[0]) <= 2.0 * PERIOD * 1.001  # 2 rad/s
        before = after
    assert before[0] > -20 * DEGREE


def test_another_set_of_motors_is_refused_by_name(arm):
    backend, guard, now, _ = arm
    with pytest.raises(ContractError, match=r"'elbow\.pos' is missing"):
        guard.act({"shoulder.pos": 0.0, "elbo.pos": 0.0, "gripper.pos": 0.0}, now[0])
    with pytest.raises(ContractError, match=r"no motor 'base\.pos'"):
        guard.act({**wish(backend, 0.0, 0.0, 0.0), "base.pos": 0.0}, now[0])


def test_a_silent_loop_is_noticed_and_the_arm_holds(arm, caplog):
    backend, guard, now, step = arm
    step(*backend.read().joint_position)
    held = dict(backend.robot.present)
    with caplog.at_level(logging.WARNING):
        for _ in range(10):
            now[0] += PERIOD + 1e-3
            guard.watch(now[0])
    assert backend.robot.present == pytest.approx(held)
    assert "gate: hold: waiting for the policy" in caplog.text


def test_an_arm_that_answers_no_more_is_told_to_who_asks_next(arm):
    backend, guard, now, _ = arm
    backend.robot.broken = True
    now[0] += 1.0
    guard.watch(now[0])
    with pytest.raises(BackendError, match="no answer from the bus"):
        guard.look(now[0])


def test_a_file_stops_and_a_release_waits_until_it_is_gone(arm, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    backend, guard, now, step = arm
    here = backend.read().joint_position
    (tmp_path / "stop").touch()
    guard.watch(now[0])
    assert "estop: stopped" in caplog.text
    assert step(*(here + 0.01)) == pytest.approx(wish(backend, *here))
    guard.release(now[0])
    assert "stays stopped" in caplog.text
    (tmp_path / "stop").unlink()
    assert step(*(here + 0.01)) == pytest.approx(wish(backend, *here)), "stops until released"
    guard.release(now[0])
    assert step(*(here + 0.01)) == pytest.approx(wish(backend, *here)), "holds until it may follow"
    guard.release(now[0])
    assert step(*(here + 0.01)) == pytest.approx(wish(backend, *(here + 0.01)))


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2])
def test_a_signal_is_heard_while_the_main_thread_is_busy(number):
    class Heard:
        period = 60.0
        event, what = threading.Event(), None

        def stop(self, reason, now):
            self.what = "stop"
            self.event.set()

        def release(self, now):
            self.what = "release"
            self.event.set()

        def watch(self, now):
            pass

    before, heard = signal.getsignal(number), Heard()
    watch = Watch(heard)
    heard.period = 0.01
    os.kill(os.getpid(), number)
    assert heard.event.wait(30.0)
    assert heard.what == ("release" if number == signal.SIGUSR2 else "stop")
    watch.close()
    assert signal.getsignal(number) is before


def test_only_the_main_thread_can_connect():
    found = []

    def connect():
        with pytest.raises(BackendError, match="main thread"):
            Watch(None)
        found.append(True)

    thread = threading.Thread(target=connect)
    thread.start()
    thread.join()
    assert found


def test_an_unknown_robot_behind_the_gate_is_named(tmp_path):
    with pytest.raises(ConfigError, match="'so101_folower'.*so101_follower"):
        Gated(GatedConfig(behind="so101_folower", calibration_dir=tmp_path))


def test_a_key_moves_a_joint_and_ends_at_its_range(tmp_path):
    keys, robot = Keys(KeysConfig(calibration_dir=tmp_path)), load_robot("so101")
    first = keys.get_action()
    assert first["gripper.pos"] == pytest.approx(100 * (0.5 + 0.17) / 1.92)
    keys.press("w")
    keys.press("left")  # LeRobot's own
    moved = keys.get_action()
    assert moved["shoulder_pan.pos"] - first["shoulder_pan.pos"] == pytest.approx(0.03 / DEGREE)
    for _ in range(100):
        keys.press("s")
    assert keys.get_action()["shoulder_pan.pos"] == pytest.approx(robot.lower[0] / DEGREE)


def test_the_expert_places_the_cube_and_the_table_is_laid_anew(tmp_path):
    now = [0.0]
    robot = Simulated(SimulatedConfig(calibration_dir=tmp_path), clock=lambda: now[0])
    robot.cameras = {}
    expert = Demonstrator(DemonstratorConfig(calibration_dir=tmp_path))
    with pytest.raises(BackendError, match="no robot of type 'simulated'"):
        expert.get_action()
    robot.connect()
    first, told = robot.trial, robot.trial.goal(0.0)
    for _ in range(300):
        now[0] += 1.0 / 30.0
        robot.get_observation()
        before = robot.backend.read().joint_position
        robot.send_action(expert.get_action())
        if robot.trial is not first:
            break
    assert first.done()
    assert robot.trial.goal(0.0) == told, "the instruction is the same"
    np.testing.assert_allclose(robot.backend.read().joint_position, before, atol=0.05)
    robot.disconnect()


def run(name, *arguments):
    """Run one of LeRobot's commands here."""
    module = import_module(f"lerobot.scripts.lerobot_{name}")
    sys.argv = [f"lerobot-{name}", *arguments]
    getattr(module, name)()


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Options of a simulated arm behind the gate, and of who shows what to do."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(sys, "argv", [])
    robot = (*ROBOT, "--robot.behind=simulated", f"--robot.calibration_dir={tmp_path}")
    return robot, ("--teleop.type=demonstrator", f"--teleop.calibration_dir={tmp_path}")


@pytest.fixture
def sent(monkeypatch):
    """What the gate let pass."""
    found, act = [], Guard.act
    monkeypatch.setattr(Guard, "act", lambda *a: found.append(act(*a)) or found[-1])
    return found


def test_lerobots_command_teleoperates(commands, sent):
    robot, teleop = commands
    run("teleoperate", *robot, *teleop, "--fps=30", "--teleop_time_s=0.2")
    assert sent


@pytest.fixture
def servos(tmp_path):
    """Return how an arm of emulated servos is made, calibrated and in the robot's default pose."""
    made = []

    def make(name):
        spec = load_robot("so101")
        motors = arms.motors_of("so101_follower")[0]
        calibration = arms.read_calibration(tmp_path / f"{name}.json", motors, spec)
        bus = SerialBus(arms.servos_of(motors, calibration, AT_ONCE), baudrate=np.inf)
        made.append(bus)
        for joint in spec.joints:  # where a test begins matters to the workspace
            row, share = (
                calibration[joint.name],
                (joint.default - joint.lower) / (joint.upper - joint.lower),
            )
            middle = MIDDLE + joint.default / arms.TICK
            grip = row.range_min + share * (row.range_max - row.range_min)
            place = round(grip if joint.name == "gripper" else middle)
            for register in ("Present_Position", "Goal_Position"):
                bus.put(motors[joint.name].id, register, place)
        return bus

    yield make
    for bus in made:
        bus.close()


WRIST_ROLL = 5  # id of its servo
MIDDLE = 4095 / 2  # ticks; zero of LeRobot's degrees in a range round it
ROLLED = 90.0  # degrees by which the leader is away from the follower


def test_a_gated_arm_on_its_bus_gets_no_goal_beyond_its_speed(tmp_path, servos):
    bus, spec = servos("one"), load_robot("so101")
    options = {"port": bus.port, "id": "one", "calibration_dir": str(tmp_path)}
    robot = Gated(GatedConfig(behind="so101_follower", options=options, calibration_dir=tmp_path))
    try:
        robot.connect()
        start = robot.get_observation()
        sent = robot.send_action(start | {"wrist_roll.pos": ROLLED})
        assert 0.0 < sent["wrist_roll.pos"] - start["wrist_roll.pos"] < ROLLED - 10.0
        robot.get_observation()  # what was sent before has reached the servos then
        assert 0 < max(bus.furthest.values()) <= most(spec)
    finally:
        robot.disconnect()


def most(spec):
    """Return the longest way that the gate lets a servo go at once. [ticks]."""
    return spec.velocity[4] * SafetyLimits().command_timeout / arms.TICK + 1.0


@pytest.fixture
def pair(servos, tmp_path, monkeypatch):
    """A follower behind the gate and a leader that is far from it, as LeRobot's options."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(sys, "argv", [])
    follower, leader = servos("follower"), servos("leader")
    leader.put(WRIST_ROLL, "Present_Position", round(MIDDLE + np.deg2rad(ROLLED) / arms.TICK))
    behind = f"{{port: {follower.port}, id: follower, calibration_dir: {tmp_path}}}"
    options = (*ROBOT, "--robot.behind=so101_follower", f"--robot.options={behind}")
    teleop = ("--teleop.type=so101_leader", f"--teleop.port={leader.port}", "--teleop.id=leader")
    places = (f"--robot.calibration_dir={tmp_path}", f"--teleop.calibration_dir={tmp_path}")
    return follower, leader, (*options, *teleop, *places)


def test_lerobots_command_moves_servos_towards_a_far_leader_within_the_limits(pair):
    follower, leader, options = pair
    before = follower.get(WRIST_ROLL, "Present_Position")
    run("teleoperate", *options, "--fps=30", "--teleop_time_s=1")
    assert set(leader.torque.values()) == {0}
    assert set(follower.torque.values()) == {1}
    assert follower.get(WRIST_ROLL, "Present_Position") > before + 100
    assert 0 < max(follower.furthest.values()) <= most(load_robot("so101"))


def test_lerobots_command_records_what_the_gate_let_pass(pair, tmp_path, sent):
    follower, _, options = pair
    run(
        "record",
        *options,
        "--dataset.repo_id=me/roll",
        f"--dataset.root={tmp_path / 'data'}",
        "--dataset.single_task=roll the wrist",
        "--dataset.episode_time_s=1",
        "--dataset.num_episodes=1",
        "--dataset.video=false",
        "--dataset.push_to_hub=false",
        "--play_sounds=false",
    )
    recorded = open_dataset(tmp_path / "data")
    recorded.require_robot("so101")
    info = json.loads((tmp_path / "data/meta/info.json").read_text())
    assert 0 < info["total_frames"] <= len(sent)
    assert 0 < max(follower.furthest.values()) <= most(load_robot("so101"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_lerobots_commands_record_train_and_roll_out(tmp_path, commands, sent):
    robot, teleop = commands
    data, trained = tmp_path / "data", tmp_path / "trained"
    run(
        "record",
        *robot,
        *teleop,
        "--dataset.repo_id=me/cubes",
        f"--dataset.root={data}",
        "--dataset.single_task=put the red cube on the blue pad",
        "--dataset.episode_time_s=1",
        "--dataset.num_episodes=1",
        "--dataset.video=false",
        "--dataset.push_to_hub=false",
        "--play_sounds=false",
    )
    info = json.loads((data / "meta/info.json").read_text())
    assert info["robot_type"] == "simulated"
    assert info["total_frames"] > 5
    run(
        "train",
        "--policy.type=act",
        "--policy.push_to_hub=false",
        "--policy.device=cpu",
        "--policy.pretrained_backbone_weights=null",
        "--policy.dim_model=16",
        "--policy.n_heads=2",
        "--policy.dim_feedforward=16",
        "--policy.n_encoder_layers=1",
        "--policy.n_vae_encoder_layers=1",
        "--policy.latent_dim=4",
        "--policy.chunk_size=5",
        "--policy.n_action_steps=5",
        "--dataset.repo_id=me/cubes",
        f"--dataset.root={data}",
        f"--output_dir={trained}",
        "--steps=1",
        "--batch_size=2",
        "--num_workers=0",
        "--save_freq=1",
        "--wandb.enable=false",
    )
    policy = trained / "checkpoints/last/pretrained_model"
    sent.clear()
    run("rollout", *robot, f"--policy.path={policy}", "--duration=1", "--task=put it there")
    assert sent
    assert all(np.isfinite(list(action.values())).all() for action in sent)


def test_lerobot_finds_the_class_of_each_configuration(tmp_path):
    made = make_robot_from_config(GatedConfig(behind="simulated", calibration_dir=tmp_path))
    assert isinstance(made, Gated)
    assert made.name == "simulated"
    assert set(made.observation_features) == {*made.action_features, "top", "wrist"}
    assert Path(made.calibration_fpath).suffix == ".json"
