"""`metaworld/<name>`: an episode of Meta-World, with its own scripted expert as demonstrator."""

import warnings

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
from robot_policies.interface.observation import ENVIRONMENT_STATE, TASK
from robot_policies_sim.engines.gymnasium.robot import FAMILY
from robot_policies_sim.worlds.benchmarks.gym import GymTask
from robot_policies_sim.worlds.scripted import ScriptedExpert

NAMESPACE = "metaworld"
LONGEST = 200  # steps [ACT-JEPA, arXiv 2501.14622 v4, evaluates as long]; Meta-World allows 500
LINGER = 10  # steps an episode goes on after the first success
LIMIT = 1.0  # of an action, which is a hundredth of a metre, or the effort of the gripper
NOISY_SHARE = 0.5  # of the episodes


class MetaWorldTask(GymTask):
    """What Meta-World asks of its arm; the instruction is the environment's name in words."""

    goals = (TASK,)

    def __init__(self, name: str, variant: str = "", horizon: float | None = None) -> None:
        """Ask the environment what it is.

        Args:
            name: Task name.
            variant: Name of the environment, such as `push-v3`.
            horizon: Longest duration; 200 steps by default. [s]
        """
        super().__init__(name, variant, horizon, namespace=NAMESPACE)
        self.robot = f"{FAMILY}/{NAMESPACE}"
        self.scene = {"environment": f"{NAMESPACE}/{variant}"}
        self.instruction = variant.rpartition("-")[0].replace("-", " ")
        self._variant = variant

    def expert(self, simulator: Simulator, noise: float = 0.0) -> "MetaWorldExpert":
        """Return Meta-World's own expert.

        Args:
            simulator: Where the trial takes place.
            noise: Standard deviation of what is added to the action in half of the episodes.
        """
        return MetaWorldExpert(simulator, self._variant, noise)


class MetaWorldExpert(ScriptedExpert):
    """A `Policy` around one of Meta-World's scripted policies, which read the observation alone.

    Attributes:
        intended: Its last answer without noise. Shape (4,).
    """

    def __init__(self, simulator: Simulator, variant: str, noise: float = 0.0) -> None:
        """Find the expert.

        Args:
            simulator: Says what there is to see; nothing else is asked of it.
            variant: Name of the environment.
            noise: Standard deviation of what is added to the action in half of the episodes.
        """
        from metaworld.policies import (  # pyright: ignore[reportMissingModuleSource]
            ENV_POLICY_MAP,
        )

        robot = simulator.spec
        self.robot, self._noise = robot.name, noise
        self._script = ENV_POLICY_MAP[variant]()
        self.observation_spec = ObservationSpec(
            {ENVIRONMENT_STATE: simulator.provides[ENVIRONMENT_STATE]}
        )
        action = ArraySpec(
            "action", robot.lower.shape, np.dtype(np.float64), "rad", robot.joint_names
        )
        self.action_spec = ActionSpec(
            ActionKind.JOINT_POSITION, action, dt=1.0 / robot.control_rate, horizon=1
        )
        self.intended = robot.default
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Forget the episode and draw whether it is a noisy one."""
        self._rng = np.random.default_rng([seed, 1])
        self._scale = self._noise if self._rng.random() < NOISY_SHARE else 0.0

    def act(self, observation: Observation) -> ActionChunk:
        """Return one row. Shape (1, 4)."""
        self.observation_spec.validate(observation)
        with warnings.catch_warnings():
            # "Environments clip response to [-1, 1]", which is what is done below.
            warnings.simplefilter("ignore", UserWarning)
            meant = self._script.get_action(np.float64(observation[ENVIRONMENT_STATE]))
        self.intended = np.clip(meant.astype(np.float64), -LIMIT, LIMIT)
        done = self.intended + self._scale * self._rng.standard_normal(len(self.intended))
        done = np.clip(done, -LIMIT, LIMIT)
        return self.answer(observation, done)
