"""Carrying past an obstacle: what is drawn, what is measured, and who demonstrates it."""

import numpy as np
import pytest
from conformance import check_task

from robot_policies.catalog import load_robot, load_task, make_backend
from robot_policies.control.episode import run_episode
from robot_policies.interface import ConfigError, RobotState, Simulator, UnknownNameError
from robot_policies.interface.observation import TASK
from robot_policies_sim.worlds.tabletop.obstacle import (
    CLEAR,
    INSTRUCTIONS,
    PADS_APART,
    PARAPHRASES,
    RADIUS,
    THICKER,
    TabletopObstacle,
)
from robot_policies_sim.worlds.tabletop.obstacle_trial import REST, ObstacleTrial
from robot_policies_sim.worlds.tabletop.table import CUBE_HALF

SO101 = load_robot("so101")
UPRIGHT = [0.0, 0.0, 0.0, 1.0]
ASKED = "put the red cube on the pink pad"


def task_of(variant: str = "") -> TabletopObstacle:
    task = load_task(f"tabletop_obstacle{variant}")
    assert isinstance(task, TabletopObstacle)
    return task


OBSTACLE = task_of()


@pytest.mark.parametrize("engine", ["mujoco", "pybullet"])
def test_keeps_the_contract(engine):
    check_task(OBSTACLE, lambda: make_backend(engine, SO101, OBSTACLE.scene, cameras=False))


def test_other_circumstances_change_what_they_say():
    assert task_of("/physical").radius == pytest.approx(THICKER * RADIUS)
    assert set(task_of("/semantic").instructions) == set(PARAPHRASES)
    assert not set(PARAPHRASES) & set(INSTRUCTIONS)
    known = {word for sentence in INSTRUCTIONS for word in sentence.split()}
    assert {word for sentence in PARAPHRASES for word in sentence.split()} <= known
    scenes = [task_of(variant).scene for variant in ("", "/subject", "/visual")]
    assert scenes[0]["objects"]["obstacle"] != scenes[1]["objects"]["obstacle"]
    assert "floor_color" in scenes[2]
    with pytest.raises(UnknownNameError, match="physical"):
        task_of("/physicl")


def test_the_obstacle_is_near_a_way_and_nothing_overlaps():
    blocked = 0
    for seed in range(100):
        drawn = OBSTACLE.initial(seed)
        spot = {name: np.array(pose[:2]) for name, pose in drawn["objects"].items()}
        cube, pad = INSTRUCTIONS[drawn["goal"][TASK]]
        assert np.linalg.norm(spot["blue_pad"] - spot["pink_pad"]) > PADS_APART
        for name in ("blue_pad", "pink_pad", cube):
            assert np.linalg.norm(spot[name] - spot["obstacle"]) > CLEAR - 0.012
        way = spot[pad] - spot[cube]
        across = np.array([-way[1], way[0]]) / np.linalg.norm(way)
        blocked += abs((spot["obstacle"] - spot[cube]) @ across) < 0.045
    assert 75 < blocked <= 100


def table(time: float, cube: list[float], touched: float = 5.0, hit: float = 0.0) -> RobotState:
    truth = {
        "object.red_cube": np.array([*cube, *UPRIGHT]),
        "object.pink_pad": np.array([0.2, 0.1, 0.0005, *UPRIGHT]),
        "object.blue_pad": np.array([0.2, -0.1, 0.0005, *UPRIGHT]),
        "object.obstacle": np.array([0.2, 0.0, 0.035, *UPRIGHT]),
        "end_effector": np.array([*cube[:2], cube[2] + 0.004, *UPRIGHT]),
        "robot_contact.red_cube": np.array([touched]),
        "robot_contact.obstacle": np.array([0.0]),
        "contact.red_cube.obstacle": np.array([hit]),
    }
    return RobotState(time, SO101.default, np.zeros(6), truth=truth)


def trial() -> ObstacleTrial:
    return OBSTACLE.start({"goal": {TASK: ASKED}})


def test_a_placed_cube_is_a_success_and_a_touch_of_the_cube_a_collision():
    one = trial()
    one.observe(table(0.0, [0.2, -0.1, 0.05]), None)
    one.observe(table(0.1, [0.2, -0.04, 0.05], hit=1.0), None)
    for i in range(REST):
        assert not one.done()
        one.observe(table(0.2 + 0.1 * i, [0.21, 0.1, CUBE_HALF], touched=0.0), None)
    measured = one.metrics()
    assert measured["success"] == measured["collision"] == measured["progress"] == 1.0
    assert measured["clearance"] == pytest.approx(0.04 - RADIUS)
    assert measured["steps"] == 2 + REST
    assert measured["wrong_pad"] == 0.0


@pytest.mark.parametrize(
    ("cube", "wrong"), [([0.2, -0.1, CUBE_HALF], 1.0), ([0.2, 0.06, CUBE_HALF], 0.0)]
)
def test_a_cube_that_was_put_elsewhere_ends_the_trial(cube, wrong):
    one = trial()
    for i in range(REST):
        one.observe(table(0.1 * i, cube, touched=0.0), None)
    assert one.done()
    assert (one.metrics()["success"], one.metrics()["wrong_pad"]) == (0.0, wrong)
    assert one.metrics()["collision"] == 0.0


def test_a_held_cube_is_not_placed():
    one = trial()
    for i in range(3 * REST):
        one.observe(table(0.1 * i, [0.2, 0.1, CUBE_HALF]), None)
    assert not one.done()


def test_a_robot_without_truth_measures_time_only():
    one = trial()
    one.observe(RobotState(0.0, SO101.default, np.zeros(6)), None)
    assert one.metrics().keys() == {"success", "progress", "time", "steps"}


def test_an_unknown_instruction_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'put the red cube on the pink pad'"):
        OBSTACLE.start({"goal": {TASK: "put the red cube on the pnk pad"}})


@pytest.mark.parametrize("engine", ["mujoco", "pybullet"])
def test_the_demonstrators_place_the_cube_and_differ_in_worth(engine):
    backend = make_backend(engine, SO101, OBSTACLE.scene, cameras=False)
    assert isinstance(backend, Simulator)
    backend.connect()
    expert = OBSTACLE.expert(backend, 0.004)
    results = [run_episode(backend, expert, OBSTACLE, seed=seed) for seed in range(8)]
    backend.close()
    measured = [result.metrics for result in results]
    assert sum(m["success"] for m in measured) >= 7
    assert 1 <= sum(m["collision"] for m in measured) <= 4  # seeds 2 and 11 go straight
    assert max(m["clearance"] for m in measured) > 0.04
