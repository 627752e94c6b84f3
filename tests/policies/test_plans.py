"""Whole plans and histories: what LeRobot's own loop would have done, and nothing is lost."""

from dataclasses import replace
from importlib.util import find_spec

import huggingface_hub
import numpy as np
import pytest
from lerobot_checkpoints import FORMS, write
from lerobot_language_model import write_language_model
from lerobot_loops import lerobot_loop, our_loop, seen

from robot_policies.catalog import load_robot
from robot_policies.control.history import History
from robot_policies.control.pacing import Pacing
from robot_policies.interface import (
    ActionKind,
    ActionSpec,
    ArraySpec,
    CheckpointError,
    ContractError,
    Observation,
    ObservationSpec,
)
from robot_policies.interface.observation import STATE
from robot_policies.policies.catalog import load_policy
from robot_policies.policies.plan_form import PlanForm, plan_form

ROBOT = load_robot("so101")
STEPS = 40
ACTION = ActionSpec(ActionKind.JOINT_POSITION, ArraySpec("action", (1,), names=("knee",)), 0.1, 8)


# The others are resnets of 45 MB; benchmarks/lerobot_conformance.py runs them.
@pytest.mark.parametrize("form", sorted(FORMS.keys() - {"act", "diffusion"}))
def test_actions_are_those_of_lerobots_own_loop(form, tmp_path, monkeypatch):
    kind = FORMS[form][0]
    if kind == "smolvla":
        if not find_spec("num2words"):
            pytest.skip("needs robot_policies[smolvla]")
        write_language_model(tmp_path / "hub")
        for name, value in {"HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": True}.items():
            monkeypatch.setattr(huggingface_hub.constants, name, value)
    if kind == "diffusion" and not find_spec("diffusers"):
        pytest.skip("needs robot_policies[diffusion]")
    folder = write(tmp_path / kind, form, ROBOT.joint_names, "so101")
    policy = load_policy(str(folder), robot=ROBOT)
    assert "error" not in {finding.level for finding in policy.findings}
    rng = np.random.default_rng(0)
    sequence = [seen(policy.observation_spec, rng) for _ in range(STEPS)]
    expected = lerobot_loop(folder, kind, sequence)
    assert expected.std(axis=0).min() > 1e-3  # each joint says something
    np.testing.assert_allclose(our_loop(policy, ROBOT, sequence), expected, rtol=0.0, atol=1e-3)
    chunk = policy.act(Observation(sequence[0], dict.fromkeys(sequence[0], 0.0)))
    assert len(chunk.values) == policy.action_spec.horizon


def test_a_tdmpc_has_one_picture_and_one_name_for_it(tmp_path):
    folder = write(tmp_path / "one", "tdmpc", ROBOT.joint_names, "so101", looks=True)
    policy, rng = load_policy(str(folder), robot=ROBOT), np.random.default_rng(0)
    assert "observation.images.top" in policy.observation_spec
    sequence = [seen(policy.observation_spec, rng) for _ in range(10)]
    expected = lerobot_loop(folder, "tdmpc", sequence)
    np.testing.assert_allclose(our_loop(policy, ROBOT, sequence), expected, rtol=0.0, atol=1e-3)
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace("observation.image", "observation.images.a"))
    with pytest.raises(CheckpointError, match=r"'observation.images.a': .* 'observation.image'"):
        load_policy(str(folder), robot=ROBOT)


def at(stamp):
    values = {STATE: np.array([stamp])}
    return Observation(values, {STATE: stamp})


def history(steps=3, dt=0.1, rate=10.0):
    needs, action = ObservationSpec({}, steps=steps), replace(ACTION, dt=dt)
    return History(needs, action, rate)


def stamps(observation):
    return [round(before.stamp, 3) for before in observation.earlier]


def test_a_history_is_found_by_stamps():
    kept = history()
    assert stamps(kept.extend(at(0.0))) == []  # the network repeats what there is
    assert stamps(kept.extend(at(0.1))) == [0.0, 0.0]
    assert stamps(kept.extend(at(0.2))) == [0.0, 0.1]
    assert stamps(kept.extend(at(0.3))) == [0.1, 0.2]
    assert all(not before.earlier for before in kept.extend(at(0.4)).earlier)
    # One observation is missing: the one before it stands for it.
    assert stamps(kept.extend(at(0.6))) == [0.4, 0.4]


def test_a_history_of_a_robot_that_was_not_seen_for_long_begins_anew():
    kept = history()
    kept.extend(at(0.0))
    assert stamps(kept.extend(at(5.0))) == []


def test_an_observation_is_kept_every_step_and_no_more_often():
    kept, due = history(dt=0.1, rate=50.0), []
    for step in range(26):
        if kept.due(now := 0.02 * step):
            kept.extend(at(now))
            due.append(step)
    assert due == [0, 5, 10, 15, 20, 25]
    assert kept.due(0.1)  # the clock jumped back
    assert kept.due(-3.0)


def test_a_policy_of_one_observation_keeps_none():
    kept = history(steps=1)
    assert not kept.due(0.0)
    assert kept.next_due == np.inf
    assert kept.extend(at(0.0)).earlier == ()


def test_a_policy_that_looks_back_is_asked_a_whole_number_of_steps_apart():
    action = replace(ACTION, dt=0.04, horizon=8, executed=4)
    for steps, expected in ((1, 0.10), (2, 0.07)):  # 0.16 s less 0.05 s, less half a period
        pacing = Pacing(action, "open_loop", 50.0, steps)
        pacing.asked(0.0)
        pacing.answered(0.03, 0.03)
        assert pacing.next_due == pytest.approx(expected)


def test_an_earlier_observation_that_breaks_the_spec_is_refused(tmp_path):
    policy = load_policy(str(write(tmp_path / "act", "act ensemble", ROBOT.joint_names, "so101")))
    spec = policy.observation_spec
    values = seen(spec, np.random.default_rng(0))
    stamps = dict.fromkeys(values, 0.0)
    broken = Observation({**values, STATE: np.full(6, np.nan, np.float32)}, stamps)
    with pytest.raises(ContractError, match="not finite"):
        policy.act(Observation(values, stamps, [broken]))


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"type": "act", "chunk_size": 20, "n_obs_steps": 1, "n_action_steps": 5}, (20, 5, 1)),
        ({"type": "new", "chunk_size": 20, "n_obs_steps": 2}, (1, 1, 1)),
        ({"type": "vqbet", "action_chunk_size": 5, "n_obs_steps": 4}, (5, 5, 4)),
        (
            {"type": "diffusion", "horizon": 64, "n_action_steps": 32, "n_obs_steps": 2},
            (63, 32, 2),
        ),
        ({"type": "tdmpc", "n_action_repeats": 2}, (2, 2, 1)),
        (
            {"type": "tdmpc", "n_action_repeats": 1, "use_mpc": False},
            (1, 1, 1),
        ),
        (
            {
                "type": "tdmpc",
                "n_action_repeats": 1,
                "use_mpc": True,
                "horizon": 5,
                "n_action_steps": 2,
            },
            (5, 2, 1),
        ),
    ],
)
def test_each_type_says_its_plan_with_settings_of_its_own(config, expected):
    assert plan_form(config) == PlanForm(*expected)


def test_a_configuration_without_the_length_of_its_plan_is_refused():
    with pytest.raises(CheckpointError, match="type 'vqbet' needs 'action_chunk_size'"):
        plan_form({"type": "vqbet"})


def test_a_contract_may_say_that_an_ensemble_is_not_to_be_averaged(tmp_path):
    folder = write(tmp_path / "act", "act ensemble", ROBOT.joint_names, "so101")
    spec = load_policy(str(folder)).action_spec
    assert (spec.executor, spec.decay) == ("ensemble", 0.2)
    contract = folder / "contract.yaml"
    contract.write_text(contract.read_text() + "executor: open_loop\n")
    assert load_policy(str(folder)).action_spec.executor == "open_loop"
