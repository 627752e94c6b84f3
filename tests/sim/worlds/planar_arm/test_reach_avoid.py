"""The planar arm's task: what it draws, what it measures, and the demonstrators."""

import numpy as np
import pytest
from conformance import check_task

from robot_policies.catalog import load_robot, load_task, make_backend
from robot_policies.control.episode import run_episode
from robot_policies.interface import ConfigError, RobotState
from robot_policies.interface.kinematics import Kinematics
from robot_policies_sim.worlds.planar_arm.expert import STYLES
from robot_policies_sim.worlds.planar_arm.peg import peg_position
from robot_policies_sim.worlds.planar_arm.reach_avoid import (
    COST,
    NEAR,
    REWARD,
    VARIANTS,
    ArmReachAvoid,
)
from robot_policies_sim.worlds.planar_arm.trial import CLEAR, REACHED, TOUCH, ArmTrial

ARM = load_robot("planar_arm")
NAMES = ["arm_reach_avoid", *(f"arm_reach_avoid/{variant}" for variant in VARIANTS)]
SHIFTS = {"mass": "link_mass", "damping": "joint_damping", "gain": "motor_strength"}


@pytest.mark.parametrize("engine", ["mujoco", "pybullet"])
@pytest.mark.parametrize("name", ["arm_reach_avoid", "arm_reach_avoid/push", "arm_shifted"])
def test_keeps_the_contract(engine, name):
    task = load_task(name)
    check_task(task, lambda: make_backend(engine, ARM, task.scene))


@pytest.mark.parametrize("name", NAMES)
def test_draws_what_can_be_done(name):
    task, inside = load_task(name), 0
    for seed in range(50):
        initial = task.initial(seed)
        peg = peg_position(ARM, np.array(list(initial["joint_position"].values())))
        goal, obstacle = (np.array(initial["objects"][n][:2]) for n in ("goal", "obstacle"))
        assert np.linalg.norm(peg - obstacle) > TOUCH
        assert np.hypot(*goal) < 0.9
        way = np.linalg.norm(goal - peg)
        line = peg + np.linspace(0.0, 1.0, 50)[:, None] * (goal - peg)
        on_the_way = np.linalg.norm(line - obstacle, axis=1).min() < TOUCH
        inside += on_the_way and way > 0.3
    if name == "arm_reach_avoid":
        assert inside > 40
    if name.endswith("/reach"):
        assert inside == 0


def test_the_peg_is_where_the_links_say():
    for joints in np.random.default_rng(0).uniform(-1.0, 1.0, (5, 4)):
        where = Kinematics(ARM, "tip").pose(joints)[1]
        np.testing.assert_allclose(peg_position(ARM, joints), where[:2], atol=1e-9)


def test_a_shift_changes_the_arm_and_nothing_else():
    plain = load_task("arm_reach_avoid").initial(5)
    for shift, key in SHIFTS.items():
        shifted = dict(load_task(f"arm_shifted/{shift}").initial(5))
        assert shifted.pop(key) != 1.0
        assert shifted == plain
    assert load_task("arm_shifted").initial(5).keys() - plain.keys() == set(SHIFTS.values())
    for name in ("arm_shifted/mas", "arm_reach_avoid/rech"):
        with pytest.raises(ConfigError, match="Did you mean"):
            load_task(name)


def seen(time: float, peg, goal=(0.6, 0.0), obstacle=(0.4, 0.0)) -> RobotState:
    pairs = (("end_effector", peg), ("object.goal", goal), ("object.obstacle", obstacle))
    truth = {name: np.array([*at, *[0.0] * 5]) for name, at in pairs}
    return RobotState(time, ARM.default, ARM.default, truth=truth)


def judged(aim: str, *states: RobotState) -> dict[str, float]:
    trial = ArmTrial(aim, 4.0, 0.05)
    for state in states:
        trial.observe(state, None)
    return dict(trial.metrics())


def test_who_reaches_the_goal_without_touching_succeeds():
    there = (0.6, 0.9 * REACHED)
    clean = judged("detour", seen(0.0, (0.3, 0.1)), seen(0.05, there))
    assert clean == {"success": 1.0, "progress": 1.0, "time": 0.1, "collision": 0.0}
    touched = seen(0.05, (0.4, 0.9 * TOUCH))
    late = judged("detour", seen(0.0, (0.3, 0.1)), touched, seen(0.1, there))
    assert (late["success"], late["collision"], late["progress"]) == (0.0, 1.0, 1.0)
    after = judged("detour", seen(0.0, there), seen(0.05, (0.4, 0.0)))
    assert after["collision"] == 0.0  # what comes after the end does not count


def test_each_aim_has_its_own_measure():
    assert judged("avoid", seen(0.0, (0.3, 0.1)), seen(0.1, (0.4, CLEAR)))["success"] == 1.0
    near, moved = seen(0.0, (0.3, 0.0)), seen(0.1, (0.5, 0.0), obstacle=(0.6, 0.01))
    pushed = judged("push", near, moved)
    assert pushed["success"] == 1.0
    assert "collision" not in pushed
    circle = 0.15 * np.array([(np.cos(a), np.sin(a)) for a in np.linspace(0.0, 6.4, 60)])
    ring = [seen(0.05 * i, at + [0.4, 0.0]) for i, at in enumerate(circle)]
    assert judged("orbit", *ring)["success"] == 1.0
    assert judged("orbit", *ring[:40])["success"] == 0.0
    assert (
        judged(
            "orbit", *[seen(s.stamp, 2 * c + [0.4, 0]) for s, c in zip(ring, circle, strict=True)]
        )["progress"]
        == 0.0
    )
    backwards = [seen(0.05 * i, at + [0.4, 0.0]) for i, at in enumerate(circle[::-1])]
    assert judged("orbit", *backwards)["success"] == 0.0


def test_labels_say_progress_and_closeness():
    task = load_task("arm_reach_avoid/mixed")
    assert isinstance(task, ArmReachAvoid)
    states = [seen(0.0, (0.2, 0.0)), seen(0.1, (0.3, 0.0)), seen(0.2, (0.4, NEAR + 0.01))]
    labels = task.labels(states)
    np.testing.assert_allclose(labels[REWARD][:, 0], [0.1, 0.3 - np.hypot(0.2, NEAR + 0.01), 0.0])
    np.testing.assert_array_equal(labels[COST][:, 0], [1.0, 0.0, 0.0])


def attempts(engine: str, name: str, seeds: range):
    task = load_task(name)
    backend = make_backend(engine, ARM, task.scene)
    backend.connect()
    assert isinstance(task, ArmReachAvoid)
    expert = task.expert(backend)
    results = [run_episode(backend, expert, task, seed=seed) for seed in seeds]
    backend.close()
    return results


@pytest.mark.parametrize(
    ("engine", "name", "count"),
    [("mujoco", name, 8) for name in NAMES if not name.endswith("/mixed")]
    + [("pybullet", "arm_reach_avoid", 2), ("pybullet", "arm_shifted", 2)],
)
def test_the_demonstrator_succeeds_and_the_gate_refuses_nothing(engine, name, count):
    results = attempts(engine, name, range(100, 100 + count))
    assert sum(result.metrics["success"] for result in results) >= 0.75 * count
    assert not any(result.refusals for result in results)


def test_a_mixed_crowd_does_different_things():
    results = attempts("mujoco", "arm_reach_avoid/mixed", range(30))
    by_style = {
        style: [r.metrics for r in results[i :: len(STYLES)]] for i, style in enumerate(STYLES)
    }
    rates = {
        s: [np.mean([m[k] for m in ms]) for k in ("success", "collision")]
        for s, ms in by_style.items()
    }
    assert rates["straight"][1] > 0.2  # half of the obstacles are in the way
    assert rates["left"][0] > 0.6
    assert rates["shy"][1] == rates["left"][1] == 0.0
