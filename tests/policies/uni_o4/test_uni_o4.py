import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from lerobot.policies import get_policy_class, make_pre_post_processors

from robot_policies.catalog import load_robot
from robot_policies.interface import CheckpointError, ConfigError
from robot_policies.interface.observation import COMMAND, IMU, STATE, VELOCITY_COMMAND
from robot_policies.learning.run_state import read_state, write_state
from robot_policies.policies.uni_o4.configuration_uni_o4 import (
    ACTION,
    UniO4Config,
    mirror_map,
)
from robot_policies.policies.uni_o4.export import export
from robot_policies.policies.uni_o4.frame import FrameLayout
from robot_policies.policies.uni_o4.memory import Memory
from robot_policies.policies.uni_o4.modeling_uni_o4 import (
    SymmetricActor,
    UniO4Policy,
)
from robot_policies.policies.uni_o4.online.body import WalkBody
from robot_policies.policies.uni_o4.online.ppo import OnlineSettings, Trainer
from robot_policies.policies.uni_o4.online.state import load_state, save_state
from robot_policies.policies.uni_o4.online.train import LOG, run_online
from robot_policies.policies.uni_o4.processor_uni_o4 import make_uni_o4_pre_post_processors
from robot_policies.policies.uni_o4.quadruped import DOWN, Quadruped, gravity

GO1 = load_robot("go1")
SMALL = OnlineSettings(rollout=8, epochs=4, minibatches=2)


@pytest.fixture
def config():
    torch.manual_seed(0)
    return UniO4Config.for_robot(GO1, hidden=[16])


def features(rng, count=1):
    """Features of robots near the default pose, some of them moving."""
    orientation = np.array([0.0, 0.0, 0.0, 1.0]) + rng.uniform(-0.1, 0.1, (count, 4))
    orientation /= np.linalg.norm(orientation, axis=1, keepdims=True)
    return {
        STATE: np.concatenate(
            [GO1.default + rng.uniform(-0.2, 0.2, (count, 12)), rng.uniform(-2, 2, (count, 12))], 1
        ),
        IMU: np.concatenate([orientation, rng.uniform(-1, 1, (count, 6))], 1),
        VELOCITY_COMMAND: rng.uniform(0.2, 0.5, (count, 3)),
        COMMAND: GO1.default + rng.uniform(-0.2, 0.2, (count, 12)),
    }


def tensors(values):
    return {name: torch.tensor(value, dtype=torch.float32) for name, value in values.items()}


def mirrored(values):
    """The same robots in a mirror along the x-z plane, from the joint names."""
    index, sign = mirror_map(list(GO1.joint_names))
    index, sign = np.array(index), np.array(sign)
    state, imu, command = values[STATE], values[IMU], values[VELOCITY_COMMAND]
    return {
        STATE: np.concatenate([state[:, index] * sign, state[:, 12 + index] * sign], 1),
        IMU: imu * [-1, 1, -1, 1, -1, 1, -1, 1, -1, 1],
        VELOCITY_COMMAND: command * [1, -1, -1],
        COMMAND: values[COMMAND][:, index] * sign,
    }


class Toy:
    """Reward for holding thighs 0.1 rad above the default pose; joints go where they are told."""

    num_envs = 16

    def __init__(self):
        self._rng = np.random.default_rng(0)
        self._position = np.zeros((self.num_envs, 12))
        self._time = np.zeros(self.num_envs, dtype=np.int64)

    def reset(self, *, seed=None):
        self._rng = np.random.default_rng(seed)
        self._position = np.tile(GO1.default, (self.num_envs, 1))
        self._time = np.arange(self.num_envs)
        return self._features(), {}

    def step(self, actions):
        self._position = np.array(actions, dtype=np.float64)
        self._time = self._time + 1
        offset = self._position - GO1.default
        reward = 1.0 - np.abs(offset[:, 1::3] - 0.1).sum(1)
        timeout = self._time >= 20
        info = {"final_obs": self._features()} if timeout.any() else {}
        self._position[timeout], self._time[timeout] = GO1.default, 0
        return self._features(), reward, np.zeros(self.num_envs, dtype=bool), timeout, info

    def set_difficulty(self, share):
        self.difficulty = share

    def snapshot(self):
        arrays = {"position": self._position.copy(), "time": self._time.copy()}
        return arrays, json.dumps(self._rng.bit_generator.state)

    def restore(self, arrays, chance):
        self._position, self._time = arrays["position"].copy(), arrays["time"].copy()
        self._rng.bit_generator.state = json.loads(chance)

    def _features(self):
        noise = self._rng.uniform(-0.01, 0.01, (self.num_envs, 12))
        zeros = np.zeros((self.num_envs, 12))
        return {
            STATE: np.concatenate([self._position + noise, zeros], 1).astype(np.float32),
            IMU: np.tile(np.float32([0, 0, 0, 1, 0, 0, 0, 0, 0, 9.81]), (self.num_envs, 1)),
            VELOCITY_COMMAND: np.zeros((self.num_envs, 3), np.float32),
            COMMAND: self._position.astype(np.float32),
        }


def trainer_of(config):
    policy = UniO4Policy(config)
    return Trainer(Toy(), policy, WalkBody(policy), SMALL)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"dt": 0.0}, "dt must be > 0"),
        ({"history": 0}, "history must be > 0"),
        ({"limit_fraction": 1.5}, "limit_fraction"),
        ({"exploration": -1.0}, "exploration must be >= 0"),
        ({"chunk_size": 4}, "one action"),
        ({"position_margin": 5.0}, "FR_hip_joint: default"),
    ],
)
def test_refuses_numbers_that_cannot_be(config, wrong, message):
    with pytest.raises(ConfigError, match=message):
        replace(config, **wrong)


def test_refuses_limits_of_another_width(config):
    with pytest.raises(ConfigError, match="effort must hold 12 finite numbers"):
        replace(config, effort=[1.0])


def test_refuses_to_make_a_policy_without_joints():
    with pytest.raises(ConfigError, match="for_robot"):
        UniO4Policy(UniO4Config())


def test_refuses_a_leg_without_a_partner():
    with pytest.raises(ConfigError, match="'FR_hip_joint' has no mirror image 'FL_hip_joint'"):
        mirror_map(["FR_hip_joint", "RR_hip_joint"])


def test_mirror_map_follows_the_names_and_not_the_order():
    index, sign = mirror_map(["RL_calf", "FR_hip", "RR_calf", "FL_hip"])
    assert index == [2, 3, 0, 1]
    assert sign == [1.0, -1.0, 1.0, -1.0]


def test_down_is_down_for_a_level_and_a_rolled_robot():
    half = float(np.sqrt(0.5))
    quaternions = torch.tensor([[0.0, 0.0, 0.0, 1.0], [half, 0.0, 0.0, half]])
    # Rolled by 90 degrees onto its right side; y points to the left.
    expected = torch.tensor([[0.0, 0.0, -1.0], [0.0, -1.0, 0.0]])
    torch.testing.assert_close(gravity(quaternions, torch.from_numpy(DOWN)), expected)


def test_a_mirrored_robot_moves_mirrored(config):
    """Through the whole policy, memory and limits included, half a gait period apart."""
    policy = UniO4Policy(config)
    with torch.no_grad():
        policy.actor.net[-1].weight.mul_(30.0)  # so that the limits bite
    preprocess, _ = make_uni_o4_pre_post_processors(config)
    index, sign = mirror_map(list(GO1.joint_names))
    one, other = Memory(config), Memory(config)
    rng = np.random.default_rng(0)
    half_a_period = 0.5 / config.gait_frequency / config.dt
    for step in range(8):
        seen = features(rng, 3)
        if step == 1:
            other.steps = other.steps + half_a_period
            other.frames[..., -2:] *= -1.0
        observation = one.observe(preprocess(tensors(seen)))
        reflection = other.observe(preprocess(tensors(mirrored(seen))))
        if step == 0:  # the clocks still agree, which no mirror would show
            one.act(torch.zeros(3, 12))
            other.act(torch.zeros(3, 12))
        else:
            action = one.act(policy.actor(observation))
            reflected = other.act(policy.actor(reflection))
            torch.testing.assert_close(
                reflected, action[:, index] * torch.tensor(sign), atol=1e-4, rtol=1e-4
            )


def test_actor_is_equivariant_for_any_observation(config):
    actor = SymmetricActor(config)
    index, sign = mirror_map(list(GO1.joint_names))
    frame_index, frame_sign = FrameLayout(len(index)).mirror(index, sign)
    frames = torch.randn(7, config.history, config.frame_width)
    reflected = frames[..., frame_index] * torch.tensor(frame_sign)
    torch.testing.assert_close(
        actor(reflected.flatten(1)), actor(frames.flatten(1))[:, index] * torch.tensor(sign)
    )


def test_a_frame_is_laid_out_once():
    layout = FrameLayout(joints=2)
    assert layout.width == 3 + 3 + 3 + 4 + 2 + 2
    assert (layout.state, layout.target, layout.clock) == (
        slice(9, 13),
        slice(13, 15),
        slice(15, 17),
    )
    assert layout.in_order(
        clock="c", target="t", state="s", command="v", gravity="g", turn="w"
    ) == list("wgvstc")
    order, sign = layout.mirror([1, 0], [-1.0, -1.0])
    assert order[9:15] == [10, 9, 12, 11, 14, 13]
    assert sign[layout.down] == 1.0
    assert sign[layout.turn] == [-1.0, 1.0, -1.0]


def test_targets_keep_every_limit_of_the_robot(config):
    policy = UniO4Policy(config)
    preprocess, postprocess = make_uni_o4_pre_post_processors(config)
    rng = np.random.default_rng(0)
    gains, dt = GO1.gains["policy"], 1.0 / GO1.control_rate
    previous = earlier = None
    position = np.tile(GO1.default, (64, 1))
    for _ in range(30):
        seen = features(rng, 64)
        seen[STATE][:, :12] = position + rng.uniform(-0.05, 0.05, position.shape)
        seen[COMMAND] = position
        policy.memory.observe(preprocess(tensors(seen)))
        target = postprocess(policy.memory.act(20.0 * torch.randn(64, 12))).double().numpy()
        assert (target > GO1.lower).all()
        assert (target < GO1.upper).all()
        torque = gains.stiffness * (target - seen[STATE][:, :12])
        torque = torque - gains.damping * seen[STATE][:, 12:]
        assert (np.abs(torque) <= GO1.effort).all()
        if previous is not None:
            assert (np.abs(target - previous) / dt <= GO1.velocity).all()
        if earlier is not None:
            change = np.abs(target - 2.0 * previous + earlier) / dt**2
            assert (change <= GO1.acceleration).all()
        earlier, previous = previous, target
        position = target


def test_history_begins_as_copies_of_the_first_frame(config):
    memory = Memory(config)
    preprocess, _ = make_uni_o4_pre_post_processors(config)
    rng = np.random.default_rng(0)
    frames = memory.observe(preprocess(tensors(features(rng, 2)))).unflatten(1, (5, -1))
    assert (frames == frames[:, :1]).all()
    memory.act(torch.zeros(2, 12))
    moved = memory.observe(preprocess(tensors(features(rng, 2)))).unflatten(1, (5, -1))
    assert (moved[:, :-1] == frames[:, 1:]).all()
    assert (moved[:, -1] != frames[:, -1]).any()


def test_reset_of_one_robot_leaves_the_other(config):
    memory = Memory(config)
    preprocess, _ = make_uni_o4_pre_post_processors(config)
    rng = np.random.default_rng(0)
    for _ in range(3):
        memory.observe(preprocess(tensors(features(rng, 2))))
        memory.act(torch.zeros(2, 12))
    memory.reset(torch.tensor([True, False]))
    frames = memory.observe(preprocess(tensors(features(rng, 2)))).unflatten(1, (5, -1))
    assert (frames[0] == frames[0, :1]).all()
    assert (frames[1] != frames[1, :1]).any()
    assert memory.steps.tolist() == [0.0, 3.0]


def test_after_reset_the_policy_does_the_same_again(config):
    policy = UniO4Policy(config)
    preprocess, _ = make_uni_o4_pre_post_processors(config)
    episode = [preprocess(tensors(features(np.random.default_rng(i)))) for i in range(4)]
    first = [policy.select_action(batch) for batch in episode]
    policy.reset()
    second = [policy.predict_action_chunk(batch)[:, 0] for batch in episode]
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one, other)


def test_a_recorded_window_gives_the_observation_of_deployment(config):
    memory = Memory(config)
    preprocess, _ = make_uni_o4_pre_post_processors(config)
    rng = np.random.default_rng(0)
    for length in (2, 7):  # shorter and longer than the history
        memory.reset()
        seen, actions = [], []
        for _ in range(length):
            batch = preprocess(tensors(features(rng)))
            pose = Quadruped(config, batch[STATE]).pose(batch[STATE])
            batch[COMMAND] = actions[-1] if actions else pose
            seen.append(batch)
            observation = memory.observe(batch)
            actions.append(memory.act(torch.randn(1, 12)))
        rows = [max(length - 5 + i, 0) for i in range(5)]
        before = [length - 6 + i for i in range(6)]  # the last is the one to imitate
        window = {
            name: torch.stack([seen[i][name] for i in rows], 1)
            for name in (STATE, IMU, VELOCITY_COMMAND)
        }
        window[ACTION] = torch.stack([actions[max(i, 0)] for i in before], 1)
        window["action_is_pad"] = torch.tensor([[i < 0 for i in before]])
        window["frame_index"] = torch.tensor([length - 1])
        torch.testing.assert_close(memory.window(window), observation)


def test_behaviour_cloning_overfits_a_batch(config):
    policy = UniO4Policy(config)
    rng = np.random.default_rng(0)
    preprocess, _ = make_uni_o4_pre_post_processors(config)
    frames = [preprocess(tensors(features(rng, 16))) for _ in range(5)]
    batch = {
        name: torch.stack([frame[name] for frame in frames], 1)
        for name in (STATE, IMU, VELOCITY_COMMAND)
    }
    batch[ACTION] = torch.randn(16, 6, 12)
    batch["action_is_pad"] = torch.zeros(16, 6, dtype=torch.bool)
    batch["frame_index"] = torch.full((16,), 9)
    optimizer = torch.optim.Adam(policy.get_optim_params()["params"], lr=1e-2)
    first, _ = policy.forward(batch)
    for _ in range(100):
        loss, _ = policy.forward(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < float(first.detach()) - 5.0


def test_a_saved_policy_acts_bit_for_bit_alike(config, tmp_path):
    policy = UniO4Policy(config)
    export(policy, tmp_path)
    loaded = get_policy_class("uni_o4").from_pretrained(tmp_path)
    preprocess, postprocess = make_pre_post_processors(loaded.config, str(tmp_path))
    own_preprocess, own_postprocess = make_uni_o4_pre_post_processors(config)
    for i in range(6):
        seen = tensors(features(np.random.default_rng(i)))
        action = own_postprocess(policy.select_action(own_preprocess(dict(seen))))
        assert torch.equal(postprocess(loaded.select_action(preprocess(dict(seen)))), action)


def test_training_improves_on_a_toy(config):
    torch.manual_seed(0)
    trainer = trainer_of(config)
    trainer.begin(seed=0)
    rewards = [trainer.iterate()["reward"] for _ in range(25)]
    assert np.mean(rewards[-3:]) > np.mean(rewards[:3]) + 0.2
    assert trainer.progress.steps == 25 * 8 * 16


def test_a_resumed_run_goes_on_as_if_never_stopped(config, tmp_path):
    torch.manual_seed(0)
    trainer = trainer_of(config)
    trainer.begin(seed=0)
    for _ in range(3):
        trainer.iterate()
    save_state(trainer, tmp_path / "state.safetensors")
    expected = [trainer.iterate() for _ in range(3)]
    torch.manual_seed(99)
    resumed = trainer_of(config)
    load_state(resumed, tmp_path / "state.safetensors")
    for before in expected:
        after = resumed.iterate()
        for key in ("policy_loss", "value_loss", "kl", "reward", "steps", "lr", "std"):
            assert after[key] == before[key], key


def test_run_online_writes_log_checkpoint_and_state(config, tmp_path):
    out = tmp_path / "run"
    run_online(Toy(), config, out, steps=256, settings=SMALL)
    run_online(Toy(), config, out, steps=512, settings=SMALL, resume=True)
    records = [json.loads(line) for line in (out / LOG).read_text().splitlines()]
    assert [record["steps"] for record in records] == [128, 256, 384, 512]
    names = {path.name for path in out.iterdir()}
    assert {"config.json", "model.safetensors", "contract.yaml"} <= names
    with pytest.raises(CheckpointError, match="already holds a training state"):
        run_online(Toy(), config, out, steps=512, settings=SMALL)


def test_run_online_needs_an_end_and_something_to_resume(config, tmp_path):
    with pytest.raises(ConfigError, match="minutes or steps"):
        run_online(Toy(), config, tmp_path)
    with pytest.raises(CheckpointError, match="nothing to resume"):
        run_online(Toy(), config, tmp_path, steps=1, resume=True)


def test_a_run_is_resumed_with_its_own_seed(config, tmp_path):
    run_online(Toy(), config, tmp_path / "run", steps=128, settings=SMALL, seed=1)
    with pytest.raises(CheckpointError, match="begun with seed 1, not 0"):
        run_online(Toy(), config, tmp_path / "run", steps=256, settings=SMALL, resume=True)


def test_a_damaged_state_is_refused(config, tmp_path):
    path = tmp_path / "state.safetensors"
    path.write_bytes(b"\x00" * 100)
    with pytest.raises(CheckpointError, match="cannot resume"):
        load_state(trainer_of(config), path)


@pytest.mark.parametrize(
    "name",
    ["observation", "environment.time", "environment.position", "memory.", "adam.0.exp_avg"],
)
def test_a_state_of_other_shapes_is_refused(config, tmp_path, name):
    trainer, path = trainer_of(config), tmp_path / "state.safetensors"
    trainer.begin(0)
    trainer.iterate()
    save_state(trainer, path)
    tensors, texts = read_state(path)
    name = next(each for each in tensors if each.startswith(name))
    write_state(path, {**tensors, name: tensors[name][:1]}, texts)
    with pytest.raises(CheckpointError, match=r"cannot resume: '.*' has shape \(1,"):
        load_state(trainer_of(config), path)


@pytest.mark.parametrize(
    ("progress", "message"),
    [
        ("[" * 100_000, "nested deeper than 64"),
        (f"[{'0,' * 200_000}0]", "more than 200000 values"),
        ("[]", "must be a mapping"),
        ('{"steps": "many"}', "steps = 'many' cannot be"),
        ('{"lr": NaN}', "NaN is no JSON number"),
        ('{"lr": -1.0}', "lr = -1.0 cannot be"),
        ('{"hours": 1}', "unexpected keyword"),
    ],
)
def test_progress_that_cannot_be_is_refused(config, tmp_path, progress, message):
    trainer, path = trainer_of(config), tmp_path / "state.safetensors"
    trainer.begin(0)
    save_state(trainer, path)
    tensors, texts = read_state(path)
    write_state(path, tensors, {**texts, "progress": progress})
    with pytest.raises(CheckpointError, match=message) as caught:
        load_state(trainer_of(config), path)
    assert "\n" not in str(caught.value)
