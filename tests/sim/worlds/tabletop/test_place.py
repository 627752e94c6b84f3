"""The placing task: what it draws, what it measures, and the expert that does it."""

import numpy as np
import pytest
from conformance import check_task

from robot_policies.catalog import load_robot, load_task, make_backend
from robot_policies.control.episode import run_episode
from robot_policies.interface import ConfigError, ContractError, RobotState, Simulator
from robot_policies.interface.observation import TASK
from robot_policies_sim.worlds.tabletop.place import (
    INSTRUCTIONS,
    SPACING,
    TabletopPlace,
    objects_of,
)
from robot_policies_sim.worlds.tabletop.place_trial import REST
from robot_policies_sim.worlds.tabletop.pulses import pulses
from robot_policies_sim.worlds.tabletop.table import CUBE_HALF, PAD_HALF

SO101 = load_robot("so101")
PLACE = load_task("tabletop_place")
PERIOD = 1.0 / SO101.control_rate
ASKED = "put the red cube on the pink pad"
UPRIGHT = [0.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize("engine", ["mujoco", "pybullet"])
def test_keeps_the_contract(engine):
    check_task(PLACE, lambda: make_backend(engine, SO101, PLACE.scene))


@pytest.mark.parametrize("seed", [0, 1])
def test_both_engines_show_the_same_picture(seed):
    """Things lie on the same pixels in the same colours; half a pixel aside is too much."""
    pictures = []
    for engine in ("mujoco", "pybullet"):
        simulator = make_backend(engine, SO101, PLACE.scene)
        simulator.connect()
        pictures.append(simulator.reset(0, PLACE.initial(seed)).features)
        simulator.close()
    for name in ("observation.images.top", "observation.images.wrist"):
        one, other = (picture[name].astype(int) for picture in pictures)
        apart = np.abs(one - other).max(axis=-1)
        assert np.mean(apart <= 10) > 0.95, name
        vivid = np.ptp(one, axis=-1) > 60  # cubes, pads and jaws
        assert vivid.sum() > 500
        assert np.mean(apart[vivid] <= 10) > 0.95, name


@pytest.mark.parametrize("weight", [0.03, 1.1])  # of the cube; about what the jaws press with
def test_a_cube_gives_way_alike_in_both_engines(weight):
    cube = {"kind": "box", "size": [CUBE_HALF] * 3}
    objects = {
        name: {**cube, "mass": mass, "position": [0.4, 0.0, height * CUBE_HALF]}
        for name, mass, height in (("below", 0.03, 1), ("above", weight, 3))
    }
    sunk = []
    for engine in ("mujoco", "pybullet"):
        simulator = make_backend(engine, SO101, {**PLACE.scene, "objects": objects})
        assert isinstance(simulator, Simulator)
        simulator.connect()
        simulator.reset(0, {})
        simulator.advance(1.0)
        sunk.append(3 * CUBE_HALF - simulator.read().truth["object.above"][2])
        simulator.close()
    assert sunk[1] == pytest.approx(sunk[0], rel=0.3)


def test_seeds_go_through_the_instructions():
    asked = [PLACE.initial(seed)["goal"][TASK] for seed in range(8)]
    assert asked == [*INSTRUCTIONS, *INSTRUCTIONS]
    assert len({objects_of(instruction) for instruction in asked}) == 4


def test_nothing_overlaps_and_everything_is_within_reach():
    for seed in range(100):
        poses = PLACE.initial(seed)["objects"]
        names = list(poses)
        spots = np.array([poses[name][:2] for name in names])
        assert np.hypot(*spots.T).max() < 0.26
        for i, one in enumerate(names):
            for j in range(i):
                kinds = tuple(sorted((one.split("_")[1], names[j].split("_")[1])))
                assert np.linalg.norm(spots[i] - spots[j]) >= SPACING[kinds]
    assert min(SPACING.values()) > np.sqrt(2.0) * (PAD_HALF + CUBE_HALF)  # corner to corner


def table(
    time: float, cube: list[float], force: float = 0.0, pad: list[float] | None = None
) -> RobotState:
    far = [0.2, 0.1, CUBE_HALF, *UPRIGHT]
    truth = {
        "object.red_cube": np.array([*cube, *UPRIGHT]),
        "object.pink_pad": np.array(pad or [0.2, 0.0, 0.0005, *UPRIGHT]),
        "object.green_cube": np.array(far),
        "object.blue_pad": np.array(far),
        "robot_contact.red_cube": np.array([force]),
    }
    return RobotState(time, SO101.default, np.zeros(6), truth=truth)


def trial():
    return PLACE.start({"goal": {TASK: ASKED}})


def test_a_trial_goes_from_touch_to_rest():
    one = trial()
    steps = [
        (table(0.0, [0.15, 0.1, CUBE_HALF]), 0.0),
        (table(0.1, [0.15, 0.1, CUBE_HALF], force=2.0), 0.25),
        (table(0.2, [0.15, 0.1, 0.06], force=2.0), 0.5),
        (table(0.3, [0.2, 0.01, 0.06], force=2.0), 0.75),
        (table(0.4, [0.2, 0.01, CUBE_HALF], force=2.0), 0.75),  # not let go
    ]
    for state, progress in steps:
        one.observe(state, None)
        assert one.progress() == progress
    for i in range(REST):
        assert not one.done()
        one.observe(table(0.5 + 0.1 * i, [0.2, 0.01, CUBE_HALF]), None)
    assert one.done()
    assert one.metrics() == {"success": 1.0, "progress": 1.0, "time": pytest.approx(1.2)}


@pytest.mark.parametrize(
    ("cube", "force"),
    [
        ([0.2 + 1.1 * PAD_HALF, 0.0, CUBE_HALF], 0.0),  # beside the pad
        ([0.2, 0.0, CUBE_HALF + 0.01], 0.0),  # on something
        ([0.2, 0.0, CUBE_HALF], 0.5),  # held
        ([0.2, 0.1, CUBE_HALF], 0.0),  # on the other pad
    ],
)
def test_what_is_not_placed_is_no_success(cube, force):
    one = trial()
    for i in range(2 * REST):
        one.observe(table(0.1 * i, cube, force), None)
    assert one.metrics()["success"] == 0.0


def test_a_cube_that_still_slides_does_not_rest():
    one = trial()
    for i in range(2 * REST):
        one.observe(table(0.1 * i, [0.19 + 0.0012 * i, 0.0, CUBE_HALF]), None)
    assert not one.done()


def test_a_turned_pad_is_judged_in_its_own_frame():
    corner = [0.2 + 1.3 * PAD_HALF, 0.0, CUBE_HALF]
    turned = [0.2, 0.0, 0.0005, 0.0, 0.0, np.sin(np.pi / 8), np.cos(np.pi / 8)]
    for pad, placed in ((turned, True), ([0.2, 0.0, 0.0005, *UPRIGHT], False)):
        one = trial()
        for i in range(REST + 1):
            one.observe(table(0.1 * i, corner, pad=pad), None)
        assert one.done() == placed


def test_a_robot_without_truth_measures_time_only():
    one = trial()
    for i in range(3):
        one.observe(RobotState(i * PERIOD, SO101.default, np.zeros(6)), None)
    assert one.metrics() == {"success": 0.0, "progress": 0.0, "time": pytest.approx(3 * PERIOD)}


def test_an_unknown_instruction_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'put the red cube on the pink pad'"):
        PLACE.start({"goal": {TASK: "put the red cube on the pnk pad"}})
    with pytest.raises(ContractError, match="no instruction 'dance'"):
        objects_of("dance")


class Watch:
    """Keeps what an expert meant and what was sent."""

    def __init__(self, expert) -> None:
        self.expert, self.meant, self.sent, self.speed = expert, [], [], []

    def begin(self, robot, policy, task, initial) -> None:
        """Nothing to prepare."""

    def step(self, record) -> None:
        self.meant.append(self.expert.intended)
        self.sent.append(record.sent.values)
        self.speed.append(np.abs(record.state.joint_velocity[:5]).max())

    def end(self, result) -> None:
        """Nothing to finish."""


def attempt(engine: str, seeds: range, noise: float):
    backend = make_backend(engine, SO101, PLACE.scene, cameras=False)
    backend.connect()
    assert isinstance(PLACE, TabletopPlace)
    assert isinstance(backend, Simulator)
    expert = PLACE.expert(backend, noise)
    for seed in seeds:
        watch = Watch(expert)
        yield run_episode(backend, expert, PLACE, seed=seed, observers=(watch,)), watch
    backend.close()


@pytest.mark.parametrize(
    ("engine", "seeds", "noise"),
    [("mujoco", range(16), 0.0), ("mujoco", range(500, 512), 0.02), ("pybullet", range(4), 0.0)],
)
def test_the_expert_succeeds_and_the_gate_refuses_nothing(engine, seeds, noise):
    for result, watch in attempt(engine, seeds, noise):
        assert result.metrics["success"] == 1.0, f"seed {result.seed}"
        assert not result.refusals, f"seed {result.seed}"
        assert 1.5 < result.metrics["time"] < 5.0
        # What an imitator learns to ask for has to pass the gate too.
        assert (np.abs(np.diff(watch.meant, axis=0)) <= SO101.velocity * PERIOD).all()


def test_the_expert_never_waits():
    for _, watch in attempt("mujoco", range(20, 24), 0.0):
        steps = np.abs(np.diff(watch.meant, axis=0)).max(axis=1)
        still = (steps < 1e-3) & (np.array(watch.speed[1:]) < 0.02)
        assert still[:-REST].sum() <= 3


def test_pushes_change_what_is_done_and_not_what_is_meant():
    quiet, pushed = ([w for _, w in attempt("mujoco", range(44, 47), n)] for n in (0.0, 0.02))
    apart = [np.abs(np.subtract(w.sent, w.meant)).max() for w in pushed]
    assert max(apart) > 0.05
    assert min(apart) < 1e-6  # half of the episodes are left alone
    for before, after in zip(quiet, pushed, strict=True):
        np.testing.assert_array_equal(before.meant[:3], after.meant[:3])


def test_pushes_are_smooth_and_those_of_the_seed():
    drawn = pulses(np.random.default_rng(0), 0.02)
    np.testing.assert_array_equal(drawn, pulses(np.random.default_rng(0), 0.02))
    assert np.abs(drawn[:, :3]).max() <= 0.04
    assert np.abs(np.diff(drawn[:, :3], 2, axis=0)).max() < 0.01
    assert not pulses(np.random.default_rng(0), 0.0).any()
