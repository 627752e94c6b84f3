"""Gymnasium environments as robots."""

import os

import gymnasium as gym
import numpy as np
import pytest
from conformance import check_backend, check_task

from robot_policies.catalog import load_robot, load_task, make_backend
from robot_policies.control.episode import run_episode
from robot_policies.interface import BackendError, Command, ConfigError
from robot_policies.policies.hold import HoldPolicy


class Pusher(gym.Env):
    """A point that is pushed to the right; past 1 it is there."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}
    action_space = gym.spaces.Box(-0.5, 0.5, (2,), np.float32)
    observation_space = gym.spaces.Dict(
        {
            "point": gym.spaces.Box(-np.inf, np.inf, (2,), np.float64),
            "pixels": gym.spaces.Dict({"top": gym.spaces.Box(0, 255, (8, 8, 3), np.uint8)}),
        }
    )

    def __init__(self, render_mode=None, drift: float = 0.0) -> None:
        self.render_mode, self._drift = render_mode, drift

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._point = self.np_random.uniform(-0.1, 0.1, 2)
        return self._see(), {}

    def step(self, action):
        self._point = self._point + np.asarray(action, float) + self._drift
        there = bool(self._point[0] > 1.0)
        return self._see(), float(self._point[0]), there, False, {"is_success": there}

    def _see(self):
        image = np.zeros((8, 8, 3), np.uint8)
        image[:4] = 200
        return {"point": self._point.copy(), "pixels": {"top": image}}

    def render(self):
        return np.kron(self._see()["pixels"]["top"], np.ones((8, 8, 1), np.uint8))


class Timeless(Pusher):
    metadata = {"render_modes": ["rgb_array"]}


class Words(Pusher):
    observation_space = gym.spaces.Dict({"text": gym.spaces.Text(8)})


@pytest.fixture(scope="module", autouse=True)
def _environments():
    for name, made in (("Pusher", Pusher), ("Timeless", Timeless), ("Words", Words)):
        gym.register(f"robot_policies/{name}-v0", made, max_episode_steps=30)
    gym.register("PointPusher-v0", Pusher, max_episode_steps=30)
    yield
    for name in ("robot_policies/Pusher-v0", "robot_policies/Timeless-v0", "PointPusher-v0"):
        gym.registry.pop(name)
    gym.registry.pop("robot_policies/Words-v0")


def backend(name: str = "PointPusher-v0", **options):
    return make_backend("gymnasium", load_robot(f"gymnasium/{name}"), **options)


def test_it_keeps_the_contract_of_simulators_and_tasks():
    check_backend(backend)
    check_task(load_task("gym/PointPusher-v0"), backend)  # type: ignore[arg-type]


def test_a_machine_without_a_screen_draws_off_screen(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "MUJOCO_GL"):
        monkeypatch.delenv(name, raising=False)
    backend()
    assert os.environ["MUJOCO_GL"] == "egl"
    monkeypatch.setenv("MUJOCO_GL", "osmesa")
    backend()
    assert os.environ["MUJOCO_GL"] == "osmesa"  # what the user says, wins
    monkeypatch.delenv("MUJOCO_GL")
    monkeypatch.setenv("DISPLAY", ":0")
    backend()
    assert "MUJOCO_GL" not in os.environ


def test_spaces_become_a_robot():
    robot = load_robot("gymnasium/Pendulum-v1")
    assert robot.joint_names == ("action.0",)
    assert (robot.lower[0], robot.upper[0], robot.control_rate) == (-2.0, 2.0, 20.0)
    pusher = backend()
    assert set(pusher.provides) == {
        "observation.state",
        "observation.point",
        "observation.images.pixels_top",
    }
    assert pusher.provides["observation.point"].names == ("point.0", "point.1")


def test_steps_are_the_environments_own():
    ours, theirs = backend("Pendulum-v1"), gym.make("Pendulum-v1")
    ours.connect()
    state, (seen, _) = ours.reset(4, {}), theirs.reset(seed=4)
    for k in range(20):
        np.testing.assert_array_equal(state.features["observation.environment_state"], seen)
        ours.write(Command(state.stamp, np.array([np.sin(k)])))
        ours.advance(0.05)
        state = ours.read()
        seen, reward, *_ = theirs.step(np.array([np.sin(k)], np.float32))
        assert state.truth["reward"][0] == pytest.approx(reward)
    assert state.stamp == pytest.approx(1.0)
    assert state.joint_position[0] == pytest.approx(np.sin(19))
    theirs.close()


def test_an_episode_ends_as_the_environment_says():
    pusher = backend(environment={"drift": 0.25})
    task = load_task("gym/PointPusher-v0")
    pusher.connect()
    result = run_episode(pusher, HoldPolicy(pusher.spec), task, seed=0)
    assert (result.ended_by, result.metrics["success"]) == ("success", 1.0)
    assert result.metrics["length"] in (4.0, 5.0)
    with pytest.raises(BackendError, match="ended after"):
        pusher.advance(0.05)
    still = backend()
    still.connect()
    result = run_episode(still, HoldPolicy(still.spec), task, seed=0)
    assert (result.ended_by, result.metrics["length"], result.steps) == ("failure", 30.0, 31)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("CartPole-v1", "only a Box of floats can be a robot"),
        ("Pendulun-v1", "Pendulun"),
        ("robot_policies/Timeless-v0", "neither 'dt' nor"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning:gymnasium")
def test_what_cannot_be_a_robot_is_refused_in_one_line(name, message):
    with pytest.raises(ConfigError, match=message) as error:
        load_robot(f"gymnasium/{name}")
    assert "\n" not in str(error.value)


@pytest.mark.filterwarnings("ignore::UserWarning:gymnasium")
def test_text_observations_and_robots_are_refused():
    with pytest.raises(ConfigError, match="text is Text"):
        backend("robot_policies/Words-v0")
    with pytest.raises(ConfigError, match="'go1' is no environment; use a task gym/<EnvId>"):
        make_backend("gymnasium", load_robot("go1"))
    with pytest.raises(ConfigError, match="name the environment"):
        load_task("gym")
