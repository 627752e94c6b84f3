"""Many simulated quadrupeds at once, for training; physics runs in `mujoco.rollout`'s threads.

Observations are the contract's features in SI units, batched, so that what a policy sees in
training, in `run_episode` and on a robot is made of the same numbers. No base velocity among them.

Episodes end by a fall (`terminated`) or a time limit (`truncated`) and restart within the same
step; `info["final_obs"]` holds the features before the restart.
"""

import json
from collections.abc import Mapping
from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from mujoco import rollout

from robot_policies.interface import ConfigError, RobotSpec
from robot_policies.interface.frames import to_body
from robot_policies.interface.gravity import DOWN, GRAVITY, UP, has_fallen
from robot_policies.interface.observation import COMMAND, IMU, STATE, VELOCITY_COMMAND
from robot_policies_sim.engines.mujoco.model import mjcf
from robot_policies_sim.scene.randomization import Randomization, randomize
from robot_policies_sim.worlds.go1.reward import (
    CONTACT_FORCE,
    FEET,
    TRACK,
    WALK,
    WalkStep,
    Weights,
    blend,
    terms,
)

PHYSICS = mujoco.mjtState.mjSTATE_FULLPHYSICS  # time, position, velocity
COMMAND_RANGE = np.array([[-0.4, 1.0], [-0.3, 0.3], [-0.8, 0.8]])  # vx, vy, yaw [m/s, rad/s]
STANDING_SHARE = 0.1  # of commands that ask to stand
COMMAND_STEPS = 250  # 5 s between two commands
EPISODE_STEPS = 1000  # 20 s

Features = dict[str, np.ndarray]


class Go1VectorEnv(VectorEnv):
    """`num_envs` quadrupeds that follow velocity commands; letters: `N` of them, `J` joints."""

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}

    def __init__(
        self,
        robot: RobotSpec,
        num_envs: int = 192,
        *,
        seed: int = 0,
        scene: Mapping[str, Any] | None = None,
        randomization: Randomization | None = None,
        command: np.ndarray | None = None,
        threads: int = 2,
    ) -> None:
        """Make the models; each robot keeps its physical parameters for life.

        Args:
            robot: A quadruped.
            num_envs: Robots simulated.
            seed: Seeds everything that is drawn.
            scene: World description, see `robot_policies_sim.scene.world.World`.
            randomization: Ranges drawn from; default ranges if not given.
            command: Fixed commands instead of drawn ones. Shape (N, 3) or (3,). [m/s, rad/s]
            threads: Physics threads.
        """
        if num_envs < 1 or threads < 1:
            raise ConfigError(f"num_envs {num_envs} and threads {threads} must be > 0")
        self.robot, self.num_envs, self.threads = robot, num_envs, threads
        self.ranges = randomization or Randomization()
        self.weights: Weights = WALK
        self._limit = EPISODE_STEPS
        self._command = command
        self._rng = np.random.default_rng(seed)
        self._substeps = round(robot.servo_rate / robot.control_rate)
        self._dt = 1.0 / robot.control_rate
        spec = mujoco.MjSpec.from_string(
            mjcf(robot, scene or {}, iterations=4, ls_iterations=6, imu=False, display=False)
        )
        for foot in FEET:
            spec.add_sensor(
                name=f"{foot}_position",
                type=mujoco.mjtSensor.mjSENS_FRAMEPOS,
                objtype=mujoco.mjtObj.mjOBJ_SITE,
                objname=foot,
            )
        nominal = spec.compile()
        self._models = []
        for _ in range(num_envs):
            model = nominal.__copy__()
            randomize(model, robot.links[0].name, self.ranges, self._rng)
            self._models.append(model)
        self._datas = [mujoco.MjData(nominal) for _ in range(threads)]
        self._pool = rollout.Rollout(nthread=threads)
        self._touch = [nominal.sensor(name).adr[0] for name in FEET]
        self._foot_height = [nominal.sensor(f"{foot}_position").adr[0] + 2 for foot in FEET]
        radius = {shape.name: shape.size[0] for link in robot.links for shape in link.shapes}
        self._foot_radius = np.array([radius[foot] for foot in FEET])
        self._start = _start(robot, nominal)
        self._effort = np.array([model.actuator_forcerange[:, 1] for model in self._models])
        self._gain = np.array([model.actuator_gainprm[:, 0] for model in self._models])
        self._damping = np.array([-model.actuator_biasprm[:, 2] for model in self._models])
        self.single_observation_space = gymnasium.spaces.Dict(
            {
                name: gymnasium.spaces.Box(-np.inf, np.inf, (width,), np.float32)
                for name, width in (
                    (STATE, 2 * len(robot.joints)),
                    (IMU, 10),
                    (VELOCITY_COMMAND, 3),
                    (COMMAND, len(robot.joints)),
                )
            }
        )
        self.single_action_space = gymnasium.spaces.Box(
            robot.lower.astype(np.float32), robot.upper.astype(np.float32)
        )
        self.observation_space = gymnasium.vector.utils.batch_space(
            self.single_observation_space, num_envs
        )
        self.action_space = gymnasium.vector.utils.batch_space(self.single_action_space, num_envs)
        self._allocate()

    def set_difficulty(self, share: float) -> None:
        """Move the reward from learning to walk (0) to walking at the commanded speed (1)."""
        self.weights = blend(WALK, TRACK, share)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Features, dict[str, Any]]:
        """Restart every robot at a random time before its time limit, so that they do not agree.

        Args:
            seed: Restarts the source of chance if given.
            options: `steps`: the time limit of all episodes from now on, the first ones whole.

        Returns:
            Features, each (N, width), and an empty mapping.
        """
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        steps = (options or {}).get("steps")
        self._limit = EPISODE_STEPS if steps is None else steps
        self._restart(np.ones(self.num_envs, dtype=bool))
        if steps is None:
            self._steps_left[:] = self._rng.integers(1, self._limit + 1, self.num_envs)
        return self._features(), {}

    def step(
        self, actions: np.ndarray
    ) -> tuple[Features, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Move all robots by one control step.

        Args:
            actions: Joint targets. Shape (N, J). [rad]

        Returns:
            Features (N, width); reward, terminated and truncated (N,); info with `final_obs` if
            an episode ended, the mean of each reward term, `speed_error` [m/s] and the
            `walk_step`.
        """
        targets = np.asarray(actions, dtype=np.float64)
        late = np.arange(self._substeps) < self._latency[:, None]
        control = np.where(late[..., None], self._target[:, None], targets[:, None])
        before = self._state
        states, sensors = self._pool.rollout(self._models, self._datas, before, control)
        self._state, sensors = states[:, -1].copy(), sensors[:, -1]
        broken = ~np.isfinite(self._state).all(1) | ~np.isfinite(sensors).all(1)
        self._state[broken] = before[broken] = self._start
        sensors[broken] = 0.0
        self._time += 1
        self._steps_left -= 1
        step = self._walk_step(before, sensors, targets)
        parts = terms(step, self.weights)
        reward = np.maximum(sum(parts.values()), 0.0)
        self._target = targets
        fallen = broken | has_fallen(step.gravity[:, 2], step.height)
        timeout = (self._steps_left <= 0) & ~fallen
        info: dict[str, Any] = {
            "terms": {name: float(part.mean()) for name, part in parts.items()},
            "speed_error": float(
                np.linalg.norm(step.command[:, :2] - step.velocity[:, :2], axis=1).mean()
            ),
            "walk_step": step,
        }
        done = fallen | timeout
        if done.any():
            info["final_obs"] = self._features()
            self._restart(done)
        self._disturb(done)
        return self._features(), reward, fallen, timeout, info

    def snapshot(self) -> tuple[Features, str]:
        """Return all that changes over time, as arrays and as JSON of the source of chance."""
        arrays = {name: getattr(self, f"_{name}").copy() for name in self._changing}
        return arrays, json.dumps(self._rng.bit_generator.state)

    def restore(self, arrays: Mapping[str, np.ndarray], chance: str) -> Features:
        """Continue where `snapshot` was taken and return the features of that moment.

        Sensor noise is drawn anew for these features; give the ones seen then to a policy.

        Raises:
            ConfigError: If the snapshot is of another number of robots.
        """
        count = len(arrays["time"])
        if count != self.num_envs:
            raise ConfigError(f"snapshot of {count} robots, this environment has {self.num_envs}")
        for name in self._changing:
            setattr(self, f"_{name}", arrays[name].copy())
        features = self._features()
        self._rng.bit_generator.state = json.loads(chance)
        return features

    def close_extras(self, **kwargs: Any) -> None:
        """End the physics threads."""
        self._pool.close()

    _changing = ("state", "goal", "time", "steps_left", "target", "latency", "force")

    def _allocate(self) -> None:
        size, joints = self.num_envs, len(self.robot.joints)
        self._state = np.tile(self._start, (size, 1))
        self._goal = np.zeros((size, 3))
        self._time = np.zeros(size, dtype=np.int64)  # control steps since the restart
        self._steps_left = np.full(size, EPISODE_STEPS)
        self._target = np.zeros((size, joints))
        self._latency = np.zeros(size, dtype=np.int64)
        self._force = np.zeros((size, 3))  # specific force, what an accelerometer measures

    def _restart(self, which: np.ndarray) -> None:
        count, joints = int(which.sum()), len(self.robot.joints)
        state = np.tile(self._start, (count, 1))
        state[:, 8 : 8 + joints] += self._rng.uniform(-0.1, 0.1, (count, joints))
        state[:, 8 + joints : 14 + joints] += self._rng.uniform(-0.2, 0.2, (count, 6))
        self._state[which] = state
        self._target[which] = state[:, 8 : 8 + joints]
        self._force[which] = GRAVITY * UP
        self._time[which] = 0
        self._steps_left[which] = self._limit
        self._draw_command(which)

    def _disturb(self, restarted: np.ndarray) -> None:
        """Push some robots, and give those whose time has come another command."""
        due = (self._time % COMMAND_STEPS == 0) & ~restarted
        if due.any():
            self._draw_command(due)
        kicked = self._rng.random(self.num_envs) < self._dt / self.ranges.push_interval
        velocity = 8 + len(self.robot.joints)
        kick = self._rng.uniform(-self.ranges.push, self.ranges.push, (self.num_envs, 2))
        self._state[:, velocity : velocity + 2] += kick * (kicked & ~restarted)[:, None]

    def _draw_command(self, which: np.ndarray) -> None:
        count = int(which.sum())
        low, high = self.ranges.latency
        self._latency[which] = self._rng.integers(low, high + 1, count)
        drawn = self._rng.uniform(COMMAND_RANGE[:, 0], COMMAND_RANGE[:, 1], (count, 3))
        drawn[self._rng.random(count) < STANDING_SHARE] = 0.0
        if self._command is None:
            self._goal[which] = drawn
        else:
            self._goal[which] = np.broadcast_to(self._command, self._goal.shape)[which]

    def _walk_step(self, before: np.ndarray, sensors: np.ndarray, targets: np.ndarray) -> WalkStep:
        position, velocity = self._split(self._state)
        _, velocity_before = self._split(before)
        orientation = position[:, [4, 5, 6, 3]]  # MuJoCo's are w, x, y, z
        acceleration = (velocity - velocity_before) / self._dt
        self._force = to_body(orientation, acceleration[:, :3] + GRAVITY * UP)
        torque = self._gain * (targets - position[:, 7:]) - self._damping * velocity[:, 6:]
        return WalkStep(
            command=self._goal.copy(),
            velocity=to_body(orientation, velocity[:, :3]),
            turn=velocity[:, 3:6],
            gravity=to_body(orientation, DOWN),
            height=position[:, 2],
            joint_offset=position[:, 7:] - self.robot.default,
            joint_velocity=velocity[:, 6:],
            joint_acceleration=acceleration[:, 6:],
            torque=np.clip(torque, -self._effort, self._effort),
            target_change=targets - self._target,
            contact=sensors[:, self._touch] > CONTACT_FORCE,
            lift=sensors[:, self._foot_height] - self._foot_radius,
            time=self._time * self._dt,
        )

    def _features(self) -> Features:
        """Return what the sensors say, with their noise. Shape (N, width) each."""
        position, velocity = self._split(self._state)
        ranges, count = self.ranges, self.num_envs
        joints = len(self.robot.joints)
        noise = self._rng.uniform(-1.0, 1.0, (count, 6 + 2 * joints))
        w, x, y, z = np.moveaxis(position[:, 3:7], 1, 0)
        # A small rotation r turns the quaternion q to q (1, r / 2).
        a, b, c = np.moveaxis(noise[:, :3] * ranges.orientation_noise / 2.0, 1, 0)
        orientation = np.stack(
            [
                x + w * a + y * c - z * b,
                y + w * b + z * a - x * c,
                z + w * c + x * b - y * a,
                w - x * a - y * b - z * c,
            ],
            1,
        )
        orientation /= np.linalg.norm(orientation, axis=1, keepdims=True)
        turn = velocity[:, 3:6] + noise[:, 3:6] * ranges.turn_noise
        measured = [
            position[:, 7:] + noise[:, 6 : 6 + joints] * ranges.position_noise,
            velocity[:, 6:] + noise[:, 6 + joints :] * ranges.velocity_noise,
        ]
        return {
            STATE: np.concatenate(measured, 1, dtype=np.float32),
            IMU: np.concatenate([orientation, turn, self._force], 1, dtype=np.float32),
            VELOCITY_COMMAND: self._goal.astype(np.float32),
            COMMAND: self._target.astype(np.float32),
        }

    def _split(self, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return generalised position (N, 7 + J) and velocity (N, 6 + J)."""
        joints = len(self.robot.joints)
        return state[:, 1 : 8 + joints], state[:, 8 + joints :]


def _start(robot: RobotSpec, model: mujoco.MjModel) -> np.ndarray:
    """Return the state of a robot in its default pose with its feet on the ground."""
    data = mujoco.MjData(model)
    data.qpos[7:] = robot.default
    state = np.zeros(mujoco.mj_stateSize(model, PHYSICS))
    mujoco.mj_getState(model, data, state, PHYSICS)
    if len(state) != 1 + model.nq + model.nv:
        raise ConfigError(f"{robot.name}: state of {len(state)} numbers, expected time, q, dq")
    return state
