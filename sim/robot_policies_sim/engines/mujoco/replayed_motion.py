"""Recorded commands replayed in the simulator from recorded states.

What a base does is no question here: a log has no forces on it, and its pose drifts. So the base
is led along the recorded motion, as something so heavy that no leg can move it, and the joints
are what is predicted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import Any

import mujoco
import numpy as np

from robot_policies.interface import BackendError, RobotSpec
from robot_policies.interface.frames import to_world
from robot_policies.interface.gravity import DOWN, GRAVITY
from robot_policies_sim.engines.mujoco.model import mjcf
from robot_policies_sim.scene.conditions import EpisodeConditions
from robot_policies_sim.scene.parameters import LATENCY, PARAMETERS

WXYZ = [3, 0, 1, 2]
HEAVY = 1e4  # times the base's own mass: legs move it by 1e-4 of what they would


@dataclass(frozen=True, eq=False)
class Motion:
    """A stretch of a recording without a break; `n` joints in the robot's order.

    Attributes:
        joint_position: Measured in each row. Shape (rows, n). [rad], [m]
        joint_velocity: Shape (rows, n). [rad/s], [m/s]
        target: Sent in each row. Shape (rows, n). [rad], [m]
        base: Of a floating base: position [m], quaternion x, y, z, w, velocity [m/s] and angular
            velocity [rad/s] in the body frame. Shape (rows, 13).
        usable: Rows that may be part of a window. Shape (rows,).
    """

    joint_position: np.ndarray
    joint_velocity: np.ndarray
    target: np.ndarray
    base: np.ndarray | None
    usable: np.ndarray

    def starts(self, horizon: int, before: int) -> np.ndarray:
        """Return the rows from which windows may begin, one after the other without overlap.

        Args:
            horizon: Control periods of a window.
            before: Rows whose commands may still be in effect at its start.
        """
        rows = range(before, len(self.target) - horizon, horizon)
        return np.array([r for r in rows if self.usable[r - before : r + horizon + 1].all()], int)


@dataclass(frozen=True, eq=False)
class Window:
    """Where a prediction begins.

    Attributes:
        motion: Of which stretch.
        start: Its row.
    """

    motion: Motion
    start: int


class Replay:
    """Predicts the joints in windows of recorded motion, for a robot whose parameters differ.

    Attributes:
        period: Control period. [s]
        horizon: Control periods that are predicted.
        joint_names: In the robot's order.
        before: Rows before a window whose commands may still be in effect at its start.
    """

    def __init__(self, robot: RobotSpec, horizon: int, scene: Mapping[str, object]) -> None:
        """Prepare.

        Args:
            robot: Its table.
            horizon: Control periods that are predicted.
            scene: World description.
        """
        self._robot, self._scene, self.horizon = robot, scene, horizon
        self._substeps = round(robot.servo_rate / robot.control_rate)
        self.period, self.joint_names = 1.0 / robot.control_rate, robot.joint_names
        self.before = ceil(PARAMETERS[LATENCY].bounds[1] * robot.control_rate) + 1

    def predict(
        self, windows: Sequence[Window], values: Mapping[str, float]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return joint positions and velocities after each control period.

        Args:
            windows: Where to begin.
            values: Parameters by name that differ from the table.

        Returns:
            Shape (windows, horizon, n) each. [rad], [m]; [rad/s], [m/s]

        Raises:
            BackendError: If the physics diverges.
        """
        changed: dict[str, Any] = {n: value for n, value in values.items() if n != LATENCY}
        conditions = EpisodeConditions(**changed)
        robot = conditions.robot(self._robot)
        model = mujoco.MjModel.from_xml_string(
            mjcf(robot, conditions.scene(self._scene), imu=False, display=False)
        )
        if robot.floating_base:
            body = model.body(robot.links[0].name).id
            model.body_mass[body] *= HEAVY
            model.body_inertia[body] *= HEAVY
            mujoco.mj_setConst(model, mujoco.MjData(model))
        late = values.get(LATENCY, 0.0) * robot.servo_rate
        found = [self._window(model, robot, window, late) for window in windows]
        positions, velocities = (np.array(each) for each in zip(*found, strict=True))
        if not (np.isfinite(positions).all() and np.isfinite(velocities).all()):
            raise BackendError(f"the physics of '{robot.name}' diverged with {dict(values)}")
        return positions, velocities

    def measured(self, windows: Sequence[Window]) -> tuple[np.ndarray, np.ndarray]:
        """Return what was recorded where `predict` predicts."""
        rows = [(w.motion, slice(w.start + 1, w.start + 1 + self.horizon)) for w in windows]
        return (
            np.array([motion.joint_position[row] for motion, row in rows]),
            np.array([motion.joint_velocity[row] for motion, row in rows]),
        )

    def _window(
        self, model: mujoco.MjModel, robot: RobotSpec, window: Window, late: float
    ) -> tuple[np.ndarray, np.ndarray]:
        data = mujoco.MjData(model)
        joints = [model.joint(name) for name in robot.joint_names]
        qpos = np.array([joint.qposadr[0] for joint in joints])
        qvel = np.array([joint.dofadr[0] for joint in joints])
        motion, start = window.motion, window.start
        data.qpos[qpos] = motion.joint_position[start]
        data.qvel[qvel] = motion.joint_velocity[start]
        targets = self._targets(motion.target[start - self.before :], late)
        led = self._led(model, motion, start) if motion.base is not None else None
        positions, velocities = [], []
        for step in range(self.horizon * self._substeps):
            if led is not None:
                data.qpos[:7], data.qvel[:6], data.qfrc_applied[:6] = (e[step] for e in led)
            data.ctrl[:] = targets[step]
            mujoco.mj_step(model, data)
            if (step + 1) % self._substeps == 0:
                positions.append(data.qpos[qpos])
                velocities.append(data.qvel[qvel])
        return np.array(positions), np.array(velocities)

    def _targets(self, sent: np.ndarray, late: float) -> np.ndarray:
        """Return the mean of the late command over each servo step. Shape (steps, n).

        A step in which one command gives way to the next has a part of both, so that the
        prediction is a continuous function of the latency.

        Args:
            sent: Targets of the rows, from `before` rows before the window.
            late: Latency. [servo steps]
        """
        steps = np.arange(self.horizon * self._substeps) + self.before * self._substeps - late
        whole = np.floor(steps).astype(int)
        share = (steps - whole)[:, None]
        rows = sent[whole // self._substeps], sent[(whole + 1) // self._substeps]
        return (1.0 - share) * rows[0] + share * rows[1]

    def _led(
        self, model: mujoco.MjModel, motion: Motion, start: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return pose, velocity and force of the base in each servo step.

        Between two rows pose and velocity go straight; the force is what gives the heavy base that
        acceleration, gravity held up: m (a - g), and I alpha for its turning.
        """
        assert motion.base is not None
        rows = motion.base[start : start + self.horizon + 1]
        world = to_world(rows[:, 3:7], rows[:, 7:10])
        signs = np.sign(np.einsum("ij,ij->i", rows[1:, 3:7], rows[:-1, 3:7]))
        quaternions = rows[:, 3:7] * np.cumprod([1.0, *np.where(signs < 0.0, -1.0, 1.0)])[:, None]
        pose = _between(np.hstack([rows[:, :3], quaternions[:, WXYZ]]), self._substeps)
        pose[:, 3:] /= np.linalg.norm(pose[:, 3:], axis=1, keepdims=True)
        velocity = np.hstack([world, rows[:, 10:13]])
        rate = self._robot.control_rate
        acceleration = np.repeat(np.diff(velocity, axis=0) * rate, self._substeps, axis=0)
        body = model.body(self._robot.links[0].name).id
        force = np.hstack([
            model.body_mass[body] * (acceleration[:, :3] - GRAVITY * DOWN),
            model.body_inertia[body] * acceleration[:, 3:],
        ])  # fmt: skip
        return pose, _between(velocity, self._substeps), force


def _between(rows: np.ndarray, steps: int) -> np.ndarray:
    """Return `steps` rows on the line from each row to the next, beginning with it."""
    shares = np.arange(steps)[:, None] / steps
    return np.vstack([a + shares * (b - a) for a, b in pairwise(rows)])
