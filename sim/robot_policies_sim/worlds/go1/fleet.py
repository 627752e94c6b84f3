"""Physics of many quadrupeds side by side, in the threads of `mujoco.rollout`."""

from collections.abc import Mapping
from typing import Any

import mujoco
import numpy as np
from mujoco import rollout

from robot_policies.interface import RobotSpec
from robot_policies.interface.frames import to_body
from robot_policies.interface.gravity import DOWN, GRAVITY, UP
from robot_policies.interface.observation import COMMAND, IMU, STATE
from robot_policies_sim.scene.randomization import Randomization
from robot_policies_sim.worlds.go1 import sensors
from robot_policies_sim.worlds.go1.reward import CONTACT_FORCE, WalkStep
from robot_policies_sim.worlds.go1.robots import randomized
from robot_policies_sim.worlds.go1.state import StateLayout

JOINT_SPREAD = 0.1  # rad, of the first joint positions about the default pose
VELOCITY_SPREAD = 0.2  # m/s and rad/s, of the first velocities of the base


class Fleet:
    """`N` quadrupeds with `J` joints and the servos that hold them.

    Attributes:
        changing: Names of the attributes that change over time.
        state: Rows of the simulator. Shape (N, width).
        target: Joint targets given last. Shape (N, J). [rad]
        latency: Age of a target when the servo takes it up. Shape (N,). [servo steps]
        force: Specific force, what an accelerometer measures. Shape (N, 3). [m/s^2]
    """

    changing = ("state", "target", "latency", "force")

    def __init__(
        self,
        robot: RobotSpec,
        count: int,
        scene: Mapping[str, Any],
        ranges: Randomization,
        rng: np.random.Generator,
        threads: int,
    ) -> None:
        """Make the models; each robot keeps its physical parameters for life.

        Args:
            robot: A quadruped.
            count: How many.
            scene: World description.
            ranges: How far the robots differ from their table, and how noisy their sensors are.
            rng: Source of chance for the models.
            threads: Physics threads.
        """
        self.robots = randomized(robot, scene, ranges, count, rng)
        self._default, self._ranges = robot.default, ranges
        self._dt = 1.0 / robot.control_rate
        self._substeps = round(robot.servo_rate / robot.control_rate)
        self._datas = [mujoco.MjData(self.robots.nominal) for _ in range(threads)]
        self._pool = rollout.Rollout(nthread=threads)
        self._at = StateLayout.of(len(robot.joints))
        self._start = self._at.start(robot, self.robots.nominal)
        self.state = np.tile(self._start, (count, 1))
        self.target = np.zeros((count, len(robot.joints)))
        self.latency = np.zeros(count, dtype=np.int64)
        self.force = np.zeros((count, 3))

    def place(self, which: np.ndarray, rng: np.random.Generator) -> None:
        """Put some robots where episodes start, each in a slightly different pose.

        Args:
            which: Which of them, boolean. Shape (N,).
            rng: Source of chance.
        """
        state = np.tile(self._start, (int(which.sum()), 1))
        joints = state[:, self._at.joint_position]
        joints += rng.uniform(-JOINT_SPREAD, JOINT_SPREAD, joints.shape)
        base = state[:, self._at.base_velocity]
        base += rng.uniform(-VELOCITY_SPREAD, VELOCITY_SPREAD, base.shape)
        self.state[which] = state
        self.target[which] = joints
        self.force[which] = GRAVITY * UP

    def push(self, velocity: np.ndarray) -> None:
        """Add to the velocity of the bases in the plane, world frame. Shape (N, 2). [m/s]."""
        linear = self.state[:, self._at.linear]
        linear[:, :2] += velocity

    def step(
        self, targets: np.ndarray, command: np.ndarray, time: np.ndarray
    ) -> tuple[WalkStep, np.ndarray]:
        """Run the physics of one control step.

        An accelerometer measures the specific force: acceleration minus gravity, in the body
        frame. The torque is the servo's, k (target - q) - d dq, within the effort limit.

        Args:
            targets: Shape (N, J). [rad]
            command: What is asked of the robots. Shape (N, 3). [m/s, m/s, rad/s]
            time: Of the gait's clock after the step. Shape (N,). [s]

        Returns:
            The step as the reward sees it. Whose physics diverged, shape (N,): they stand where
            robots start.
        """
        at, robots = self._at, self.robots
        before, measured, broken = self._simulate(targets)
        acceleration = (self.state[:, at.velocity] - before[:, at.velocity]) / self._dt
        orientation = at.orientation(self.state)
        self.force = to_body(orientation, acceleration[:, :3] + GRAVITY * UP)
        position = self.state[:, at.joint_position]
        speed = self.state[:, at.joint_velocity]
        torque = robots.stiffness * (targets - position) - robots.damping * speed
        change, self.target = targets - self.target, targets
        step = WalkStep(
            command=command,
            velocity=to_body(orientation, self.state[:, at.linear]),
            turn=self.state[:, at.turn],
            gravity=to_body(orientation, DOWN),
            height=self.state[:, at.position][:, 2],
            joint_offset=position - self._default,
            joint_velocity=speed,
            joint_acceleration=acceleration[:, 6:],
            torque=np.clip(torque, -robots.effort, robots.effort),
            target_change=change,
            contact=measured[:, robots.contact] > CONTACT_FORCE,
            lift=measured[:, robots.foot_height] - robots.foot_radius,
            time=time,
        )
        return step, broken

    def read(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return what the sensors say, with noise, by feature name. Shape (N, width) each."""
        read = sensors.read(self.state, self._at, self._ranges, rng)
        joints = [read.joint_position, read.joint_velocity]
        imu = [read.orientation, read.turn, self.force]
        return {
            STATE: np.concatenate(joints, 1, dtype=np.float32),
            IMU: np.concatenate(imu, 1, dtype=np.float32),
            COMMAND: self.target.astype(np.float32),
        }

    def close(self) -> None:
        """End the physics threads."""
        self._pool.close()

    def _simulate(self, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the states before the step, the sensors after it, and who diverged in it."""
        late = np.arange(self._substeps) < self.latency[:, None]
        control = np.where(late[..., None], self.target[:, None], targets[:, None])
        before = self.state
        states, measured = self._pool.rollout(self.robots.models, self._datas, before, control)
        self.state, measured = states[:, -1].copy(), measured[:, -1]
        broken = ~np.isfinite(self.state).all(1) | ~np.isfinite(measured).all(1)
        self.state[broken] = before[broken] = self._start
        measured[broken] = 0.0
        return before, measured, broken
