"""Meta-World and the other public benchmarks: in `.bench-venv`; elsewhere, how to get there."""

from importlib.util import find_spec

import numpy as np
import pytest
from conformance import check_backend, check_policy, check_task

from robot_policies import catalog
from robot_policies.control.episode import run_episode
from robot_policies.interface import ConfigError, Simulator
from robot_policies_sim.worlds.benchmarks.metaworld import LINGER, MetaWorldTask

installed = find_spec("metaworld") is not None
with_benchmarks = pytest.mark.skipif(
    not installed,
    reason="Meta-World needs MuJoCo 3.8: `make bench-env`, then .bench-venv/bin/pytest",
)
TASK = "metaworld/push-v3"


def stage(name: str = TASK) -> tuple[MetaWorldTask, Simulator]:
    task = catalog.load_task(name)
    backend = catalog.make_backend("gymnasium", catalog.load_robot(task.robot), task.scene)
    assert isinstance(backend, Simulator)
    return task, backend  # pyright: ignore[reportReturnType]


@pytest.mark.skipif(installed, reason="Meta-World is installed here")
@pytest.mark.parametrize("name", [TASK, "aloha/AlohaInsertion-v0", "pusht/PushT-v0"])
def test_without_the_benchmarks_one_line_says_how_to_get_them(name):
    with pytest.raises(ConfigError, match=r"is not installed here.*'make bench-env'") as error:
        catalog.load_task(name)
    assert "\n" not in str(error.value)


@with_benchmarks
def test_it_keeps_the_contract():
    check_backend(lambda: stage()[1])
    check_task(catalog.load_task(TASK), lambda: stage()[1])


@with_benchmarks
def test_the_goal_is_seen_and_the_seed_decides_where_everything_lies():
    task, simulator = stage()
    simulator.connect()
    seen = [
        simulator.reset(seed, task.initial(seed)).features["observation.environment_state"].copy()
        for seed in (0, 1, 0)
    ]
    puck, goal = slice(4, 7), slice(36, 39)
    for part in (puck, goal):
        assert np.abs(seen[0][part] - seen[1][part]).max() > 0.01
    np.testing.assert_array_equal(seen[0], seen[2])


@with_benchmarks
@pytest.mark.parametrize("variant", ["push", "pick-place", "door-open", "coffee-pull"])
def test_its_expert_succeeds_and_goes_on_for_a_while(variant):
    task, simulator = stage(f"metaworld/{variant}-v3")
    simulator.connect()
    expert = task.expert(simulator)
    seen = []

    class Watch:
        def begin(self, *_): ...
        def end(self, *_): ...
        def step(self, record):
            seen.append(record.state.truth["success"][0])

    for seed in range(1, 3):
        seen.clear()
        result = run_episode(simulator, expert, task, seed=seed, observers=(Watch(),))
        assert result.metrics["success"] == 1.0
        assert not result.refusals
        assert sum(seen) == LINGER + 1


@with_benchmarks
def test_noise_moves_what_is_done_and_not_what_is_meant():
    task, simulator = stage()
    check_policy(task.expert(simulator, noise=0.1))
    clean, noisy = task.expert(simulator), task.expert(simulator, noise=0.1)
    example = clean.observation_spec.example(np.random.default_rng(0))
    apart = []
    for seed in range(8):
        noisy.reset(seed)
        done = noisy.act(example).values[0]
        np.testing.assert_array_equal(clean.act(example).values[0], noisy.intended)
        apart.append(not np.array_equal(done, noisy.intended))
    assert 0 < sum(apart) < 8


@with_benchmarks
def test_its_demonstrations_are_what_an_imitator_trains_on(tmp_path):
    from lerobot.datasets import LeRobotDataset

    from robot_policies.data.demonstrations import Order, generate

    for name in (TASK, "metaworld/door-open-v3"):
        made = generate(Order(name, "gymnasium", 0.1), tmp_path / "demos", episodes=2, seed=1)
        assert made.episodes == 2
    data = LeRobotDataset("local/demos", root=tmp_path / "demos")
    assert (data.fps, data.num_episodes) == (80, 4)
    assert list(data.meta.tasks.index) == ["push", "door open"]
    table = data.hf_dataset.with_format("numpy")
    whole, state = (
        np.stack(table["observation.environment_state"]),
        np.stack(table["observation.state"]),
    )
    np.testing.assert_array_equal(whole[:, :4], state)
    assert np.abs(np.stack(table["action"])).max() <= 1.0


@with_benchmarks
@pytest.mark.parametrize(
    ("name", "rate"), [("pusht/PushT-v0", 10.0), ("aloha/AlohaTransferCube-v0", 50.0)]
)
@pytest.mark.filterwarnings("ignore")
def test_the_other_benchmarks_run(name, rate):
    task, simulator = stage(name)
    assert simulator.spec.control_rate == rate
    simulator.connect()
    simulator.reset(0, task.initial(0))
    simulator.advance(1.0 / rate)
    assert simulator.read().truth["success"][0] == 0.0
    assert simulator.render(64, 64).std() > 1.0
