"""A scripted expert that puts cubes on pads, looking at the simulator's truth.

What it asks for passes the safety gate like anybody's actions.
"""

from collections.abc import Callable

import numpy as np

from robot_policies.interface import (
    ActionChunk,
    ActionKind,
    ActionSpec,
    ArraySpec,
    Observation,
    ObservationSpec,
    Simulator,
)
from robot_policies.interface.observation import STATE, TASK
from robot_policies_sim.worlds.scripted import ScriptedExpert, measured_joints
from robot_policies_sim.worlds.tabletop.place_motion import PlaceMotion
from robot_policies_sim.worlds.tabletop.pulses import pulses

NOISY_SHARE = 0.5  # of the episodes


class TabletopExpert(ScriptedExpert):
    """A `Policy` that follows the instruction with the truth of the simulator it acts in.

    Attributes:
        intended: What it meant by its last answer, without noise. Shape (6,). [rad]
    """

    def __init__(
        self,
        simulator: Simulator,
        objects_of: Callable[[str], tuple[str, str]],
        noise: float = 0.0,
    ) -> None:
        """Take joint names and the control rate from the robot's table.

        Args:
            simulator: Where it acts; its truth is read, nothing is written.
            objects_of: Tells the names of cube and pad from an instruction.
            noise: Standard deviation of the pulses that push the tip aside in half of the
                episodes. [m]
        """
        self._simulator, self._objects_of, self._noise = simulator, objects_of, noise
        robot = simulator.spec
        self.robot = robot.name
        joints, wide = robot.joint_names, np.dtype(np.float64)
        self.observation_spec = ObservationSpec({STATE: measured_joints(robot)}, needs_task=True)
        action = ArraySpec("action", (len(joints),), wide, "rad", joints)
        self.action_spec = ActionSpec(
            ActionKind.JOINT_POSITION, action, dt=1.0 / robot.control_rate, horizon=1
        )
        self.intended = robot.default
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Forget the episode and draw its pushes."""
        rng = np.random.default_rng([seed, 1])
        noisy = self._noise > 0.0 and rng.random() < NOISY_SHARE
        self._pulses = pulses(rng, self._noise if noisy else 0.0)
        self._motion: PlaceMotion | None = None
        self._step = 0

    def act(self, observation: Observation) -> ActionChunk:
        """Return one row. Shape (1, 6). [rad]."""
        self.observation_spec.validate(observation)
        state = self._simulator.read()
        if self._motion is None:
            names = self._objects_of(str(observation[TASK]))
            self._motion = PlaceMotion(self._simulator.spec, state, *names)
        push = self._pulses[min(self._step, len(self._pulses) - 1)]
        self.intended, pushed = self._motion.step(state, push)
        self._step += 1
        return self.answer(observation, pushed)
