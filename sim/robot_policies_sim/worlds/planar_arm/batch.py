"""Many planar arms at once, judged as one arm is: hundreds of trials in seconds.

The same model, initial conditions, servo and judgement as in a trial of its own, stepped by
`mujoco.rollout`. What it leaves out is the safety gate, which refuses nothing that stays within
the limits of speed, and the time between observation and answer.
"""

from collections.abc import Callable, Mapping, Sequence

import mujoco
import numpy as np
from mujoco import rollout

from robot_policies.interface import RobotSpec, RobotState, Trial
from robot_policies.interface.observation import ENVIRONMENT_STATE, STATE
from robot_policies_sim.engines.mujoco.model import mjcf
from robot_policies_sim.engines.servo import within_reach
from robot_policies_sim.scene.conditions import EpisodeConditions
from robot_policies_sim.scene.world import World
from robot_policies_sim.worlds.planar_arm.peg import peg_position
from robot_policies_sim.worlds.planar_arm.reach_avoid import ArmReachAvoid

PHYSICS = mujoco.mjtState.mjSTATE_FULLPHYSICS  # time, position, velocity
INPUT = mujoco.mjtState.mjSTATE_CTRL | mujoco.mjtState.mjSTATE_MOCAP_POS

Features = dict[str, np.ndarray]
Act = Callable[[Features], np.ndarray]


def run_trials(task: ArmReachAvoid, robot: RobotSpec, act: Act, seeds: Sequence[int]) -> Features:
    """Run one trial for each seed.

    Args:
        task: The task.
        robot: The planar arm.
        act: Answers features, (N, width) each, with joint velocities. (N, 4) [rad/s]
        seeds: Of the initial conditions. (N,)

    Returns:
        The task's metrics by name. Shape (N,) each.
    """
    initials = [task.initial(seed) for seed in seeds]
    arms = ArmBatch(task, robot, initials)
    trials = [task.start(initial) for initial in initials]
    for _ in range(round(task.horizon * robot.control_rate)):
        arms.judge(trials)
        if all(trial.done() for trial in trials):
            break
        arms.step(act(arms.features()))
    metrics = [trial.metrics() for trial in trials]
    return {name: np.array([each[name] for each in metrics]) for name in metrics[0]}


class ArmBatch:
    """`N` arms, each with its own goal and obstacle.

    Attributes:
        time: Since the start. [s]
    """

    def __init__(
        self, task: ArmReachAvoid, robot: RobotSpec, initials: Sequence[Mapping[str, object]]
    ) -> None:
        """Put every arm where its trial begins.

        Args:
            task: Gives the scene.
            robot: The planar arm.
            initials: One for each arm, alike but for poses.
        """
        world = World.from_mapping(task.scene)
        given = [EpisodeConditions.from_mapping(initial, robot, world) for initial in initials]
        self._robot = given[0].robot(robot)
        self._model = mujoco.MjModel.from_xml_string(mjcf(self._robot, task.scene))
        self._data = mujoco.MjData(self._model)
        self._joints = [self._model.joint(name).qposadr[0] for name in robot.joint_names]
        self._speeds = [self._model.joint(name).dofadr[0] for name in robot.joint_names]
        self._names = [item.name for item in world.objects]
        self._state = np.stack([self._place(conditions) for conditions in given])
        self._fixed = np.stack(
            [
                np.concatenate(
                    [conditions.objects[name][:3] for name in self._names if self._is_fixed(name)]
                )
                for conditions in given
            ]
        )
        self._target = self._position.copy()
        self.time = 0.0

    def features(self) -> Features:
        """Return what the arms measure and are told. Shape (N, width) each."""
        where = [self._object(name)[:, :2] for name in self._names]
        speed = self._state[:, 1 + self._model.nq :][:, self._speeds]
        return {
            STATE: np.concatenate([self._position, speed], 1, dtype=np.float32),
            ENVIRONMENT_STATE: np.concatenate(where, 1, dtype=np.float32),
        }

    def step(self, speed: np.ndarray) -> None:
        """Move all arms for a control step.

        Args:
            speed: Joint velocities. Shape (N, 4). [rad/s]
        """
        robot, count = self._robot, len(self._state)
        substeps = round(robot.servo_rate / robot.control_rate)
        gains = robot.gains["policy"]
        start = within_reach(robot, gains, self._position, self._target)
        share = np.arange(1, substeps + 1)[:, None] / robot.servo_rate
        target = start[:, None] + share * np.asarray(speed, float)[:, None]
        target = np.clip(target, robot.lower, robot.upper)  # (N, substeps, 4)
        fixed = np.broadcast_to(self._fixed[:, None], (count, substeps, self._fixed.shape[1]))
        states, _ = rollout.rollout(
            self._model,
            self._data,
            initial_state=self._state,
            control=np.concatenate([target, fixed], 2),
            control_spec=int(INPUT),
        )
        self._state, self._target = states[:, -1].copy(), target[:, -1]
        self.time += 1.0 / robot.control_rate

    def judge(self, trials: Sequence[Trial]) -> None:
        """Let each trial take note."""
        truth = {f"object.{name}": self._object(name) for name in self._names}
        truth["end_effector"] = peg_position(self._robot, self._position)
        joints = self._position
        for i, trial in enumerate(trials):
            mine = {name: values[i] for name, values in truth.items()}
            trial.observe(RobotState(self.time, joints[i], joints[i], truth=mine), None)

    @property
    def _position(self) -> np.ndarray:
        return self._state[:, 1 : 1 + self._model.nq][:, self._joints]

    def _is_fixed(self, name: str) -> bool:
        return self._model.body(name).mocapid[0] >= 0

    def _object(self, name: str) -> np.ndarray:
        """Return where an object is. Shape (N, 3). [m]."""
        if self._is_fixed(name):
            first = 3 * [n for n in self._names if self._is_fixed(n)].index(name)
            return self._fixed[:, first : first + 3]
        first = 1 + self._model.joint(name).qposadr[0]
        return self._state[:, first : first + 3]

    def _place(self, conditions: EpisodeConditions) -> np.ndarray:
        data = self._data
        mujoco.mj_resetData(self._model, data)
        data.qpos[self._joints] = conditions.positions(self._robot)
        for name in self._names:
            if not self._is_fixed(name):
                data.joint(name).qpos[:3] = conditions.objects[name][:3]
        state = np.zeros(mujoco.mj_stateSize(self._model, PHYSICS))
        mujoco.mj_getState(self._model, data, state, PHYSICS)
        return state
