"""A foreign policy answers what ONNX Runtime answers to terms that are built by hand."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from conformance import check_policy
from foreign_policies import ISAAC_MAP, JOINTS, STANCE, isaac_lab, write_isaac_lab, write_rl_sar

from robot_policies.catalog import load_robot
from robot_policies.interface import Observation
from robot_policies.interface.frames import to_body
from robot_policies.interface.observation import COMMAND, IMU, STATE, VELOCITY_COMMAND
from robot_policies.policies.catalog import load_policy
from robot_policies.policies.onnx_locomotion.importing import import_policy

GO2 = load_robot("go2")


def imported(folder: Path, out: Path):
    import_policy(folder, "go2", out)
    return load_policy(str(out))


def moments(count: int = 8):
    """What a robot that is shaken measures, in the order of go2's table."""
    rng = np.random.default_rng(3)
    for _ in range(count):
        turned = np.append(rng.normal(0.0, 0.2, 3), 1.0)
        yield {
            "q": rng.normal(GO2.default, 0.2).astype(np.float32),
            "qd": rng.normal(0.0, 3.0, 12).astype(np.float32),
            "orientation": (turned / np.linalg.norm(turned)).astype(np.float32),
            "turn": rng.normal(0.0, 1.0, 3).astype(np.float32),
            "command": np.float32([0.5, -0.2, 0.7]),
        }


def answers(policy, near: np.ndarray):
    """The policy's targets; the command in force lies near, so that no speed holds them back."""
    spec = policy.observation_spec
    for i, m in enumerate(moments()):
        joints = dict(zip(JOINTS, zip(m["q"], m["qd"], strict=True), strict=True))
        state = [
            joints[name.rsplit(".", 1)[0]][name.endswith(".vel")] for name in spec[STATE].names
        ]
        values = {
            STATE: np.float32(state),
            IMU: np.concatenate([m["orientation"], m["turn"]]),
            VELOCITY_COMMAND: m["command"],
            COMMAND: np.float32(near),
        }
        yield policy.act(Observation(values, dict.fromkeys(values, 0.02 * i))).values[0]


def session(path: Path):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def test_without_history_it_is_the_runtimes_answer_to_terms_of_rl_sar(tmp_path):
    policy = imported(write_rl_sar(tmp_path / "made"), tmp_path / "out")
    network, last = session(tmp_path / "made" / "policy.onnx"), np.zeros(12)
    for m, got in zip(moments(), answers(policy, np.array(STANCE)), strict=True):
        down = to_body(m["orientation"], np.array([0.0, 0.0, -1.0]))
        seen = [0.25 * m["turn"], down, m["command"] * [2.0, 2.0, 0.25], m["q"] - STANCE]
        seen = np.concatenate([*seen, 0.05 * m["qd"], last])
        last = network.run(None, {"obs": seen.astype(np.float32)[None]})[0][0]
        want = np.array(STANCE) + np.array([0.125, 0.25, 0.25] * 4) * last
        np.testing.assert_allclose(got, want, atol=1e-6)


@pytest.mark.parametrize("priority", ["time", "term"])
@pytest.mark.parametrize("history", [[0, 1, 2], [2, 0]])
def test_histories_of_rl_sar_are_stacked_as_they_are_listed(tmp_path, priority, history):
    made = write_rl_sar(
        tmp_path / "made",
        18 * len(history),
        num_observations=18,
        observations=["ang_vel", "actions", "commands"],
        observations_history=history,
        observations_history_priority=priority,
        clip_obs=0.3,
        clip_actions_lower=[-0.02] * 12,
        clip_actions_upper=[0.03] * 12,
    )
    policy, past, last = imported(made, tmp_path / "out"), [], np.zeros(12)
    network = session(made / "policy.onnx")
    for i, m in enumerate(moments()):
        terms = [0.25 * m["turn"], last, m["command"] * [2.0, 2.0, 0.25]]
        terms = [np.clip(term, -0.3, 0.3) for term in terms]
        past = [terms, *(past or [terms] * 3)]
        if priority == "time":
            seen = [past[age][term] for age in history for term in range(3)]
        else:
            seen = [past[age][term] for term in range(3) for age in history]
        last = network.run(None, {"obs": np.float32(np.concatenate(seen))[None]})[0][0]
        last = last.clip(-0.02, 0.03)
        values = {
            IMU: m["turn"],
            VELOCITY_COMMAND: m["command"],
            COMMAND: np.float32(STANCE),
        }
        values[IMU] = np.concatenate([m["orientation"], m["turn"]])
        got = policy.act(Observation(values, dict.fromkeys(values, 0.02 * i))).values[0]
        want = np.array(STANCE) + np.array([0.125, 0.25, 0.25] * 4) * last
        np.testing.assert_allclose(got, want, atol=1e-6)


@pytest.mark.parametrize("gym", [False, True])
def test_isaac_labs_terms_are_clipped_scaled_and_stacked_oldest_first(tmp_path, gym):
    terms = isaac_lab()["observations"]
    made = write_isaac_lab(tmp_path / "made", observations={**terms, "use_gym_history": gym})
    policy = imported(made, tmp_path / "out")
    order = [JOINTS[i] for i in ISAAC_MAP]
    assert [*policy.action_spec.array.names] == order
    assert policy.action_spec.gains.stiffness.tolist() == [
        (20.0, 21.0, 22.0)[i % 3] for i in ISAAC_MAP
    ]
    spec = policy.observation_spec[VELOCITY_COMMAND]
    assert spec.lower.tolist() == [-0.5, -0.3, -0.8]
    network = session(made / "exported" / "policy.onnx")
    stance, past, last = np.array(STANCE)[ISAAC_MAP], [], np.zeros(12)
    near = stance if policy.observation_spec[COMMAND].names[0] == f"{order[0]}.target" else None
    for m, got in zip(moments(), answers(policy, near), strict=True):
        down = to_body(m["orientation"], np.array([0.0, 0.0, -1.0]))
        q, qd = m["q"][ISAAC_MAP] - stance, m["qd"][ISAAC_MAP]
        terms = [m["turn"], down, m["command"], q, qd, last]
        terms = [0.5 * np.clip(term, -2.0, 2.0) for term in terms]
        past = [*(past[-2:] or [terms] * 2), terms]
        by_time = [term for moment in past for term in moment]
        by_term = [past[age][term] for term in range(6) for age in range(3)]
        seen = np.float32(np.concatenate(by_time if gym else by_term))
        last = network.run(None, {"obs": seen[None]})[0][0]
        np.testing.assert_allclose(got, stance + 0.25 * last, atol=1e-6)


def test_it_forgets_an_episode(tmp_path):
    policy = imported(write_isaac_lab(tmp_path / "made"), tmp_path / "out")
    near = np.array(STANCE)[ISAAC_MAP]
    first = [*answers(policy, near)]
    policy.reset(0)
    np.testing.assert_array_equal([*answers(policy, near)], first)


def test_targets_are_held_to_ranges_and_speeds(tmp_path):
    made = write_rl_sar(tmp_path / "made", action_scale=[40.0] * 12)
    policy = imported(made, tmp_path / "out")
    far = [*answers(policy, GO2.lower)]
    assert (np.array(far) >= GO2.lower).all()
    assert (np.abs(np.array(far) - GO2.lower) <= 0.9 * 0.02 * GO2.velocity + 1e-6).all()


def test_keeps_the_contract(tmp_path):
    check_policy(imported(write_rl_sar(tmp_path / "made"), tmp_path / "out"))
