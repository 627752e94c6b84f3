"""The policy's node with a policy that turns every joint at one speed to a pose."""

import numpy as np

from robot_policies.interface import ActionChunk, Observation, RobotSpec
from robot_policies.interface.observation import STATE
from robot_policies.nodes.policy_node import main
from robot_policies.policies import hold

SPEED = 0.1  # rad/s on the clock of the stamps
WAY = 0.6  # rad


def goal_of(robot: RobotSpec) -> np.ndarray:
    """Return the pose that is reached. Shape (n,). [rad]."""
    return np.clip(robot.default + WAY, robot.lower, robot.upper)


class ReachingPolicy(hold.HoldPolicy):
    """Begins anew, from where the robot is, when the clock is set back."""

    def __init__(self, robot: RobotSpec) -> None:
        super().__init__(robot)
        self._goal, self._begin = goal_of(robot), np.inf

    def act(self, observation: Observation) -> ActionChunk:
        if observation.stamp < self._begin or self._target is None:
            self._begin, self._start = observation.stamp, np.array(observation[STATE])
        due = SPEED * (observation.stamp - self._begin + self.action_spec.dt)
        self._target = self._start + np.clip(self._goal - self._start, -due, due)
        return super().act(observation)


if __name__ == "__main__":
    hold.HoldPolicy = ReachingPolicy  # which a catalog makes that needs no weights
    main()
