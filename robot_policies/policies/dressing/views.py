"""The two clouds of a decision: the whole scene for a teacher, the camera's for the student."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from robot_policies.interface.observation import POINTS
from robot_policies.policies.dressing.arm_memory import ArmMemory
from robot_policies.policies.dressing.clouds import network_cloud, randomise
from robot_policies.policies.dressing.configuration_dressing import HEADING, DressingConfig
from robot_policies.policies.dressing.guided import Moment

SPACING = 0.03  # m between points on the arm
AROUND = 10  # points around it


def whole_view(moment: Moment, radii: Mapping[str, float], config: DressingConfig) -> np.ndarray:
    """Return what nothing hides. Shape (points, 7).

    Args:
        moment: A decision.
        radii: Of upper arm, forearm and hand, in this order. [m]
        config: Of the network.
    """
    arm = arm_surface(moment.joints, list(radii.values()))
    return network_cloud(arm, moment.vertices, moment.gripper, moment.heading, **config.view)


def arm_surface(joints: np.ndarray, radii: list[float]) -> np.ndarray:
    """Return points all around an arm's parts. Shape (n, 3). [m].

    Args:
        joints: Shoulder, elbow, wrist, fingertips. Shape (4, 3). [m]
        radii: Of the parts between them. [m]
    """
    angle = 2.0 * np.pi * np.arange(AROUND) / AROUND
    found = []
    for near, far, radius in zip(joints[:-1], joints[1:], radii, strict=True):
        length = float(np.linalg.norm(far - near))
        axis = (far - near) / length
        side = np.cross(axis, [0.0, 0.0, 1.0])
        side = side / np.linalg.norm(side)
        ring = radius * (
            np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * np.cross(axis, side)
        )
        steps = np.linspace(0.0, length, max(2, round(length / SPACING)))
        found.append((near + steps[:, None, None] * axis + ring).reshape(-1, 3))
    return np.concatenate(found)


class CameraView:
    """What the student sees in one episode: the arm it remembers, the cloth of each picture."""

    def __init__(self, config: DressingConfig) -> None:
        """Begin an episode."""
        self._config, self._arm = config, ArmMemory()

    def parts(self, moment: Moment) -> tuple[np.ndarray, np.ndarray]:
        """Return points of arm and cloth. Shapes (n, 3) and (m, 3). [m]."""
        arm, cloth = (moment.seen[moment.seen[:, 3] == c, :3] for c in self._config.classes)
        return self._arm.see(arm), cloth

    def __call__(self, moment: Moment) -> np.ndarray:
        """Return the network's cloud of the next decision. Shape (points, 7)."""
        arm, cloth = self.parts(moment)
        return network_cloud(arm, cloth, moment.gripper, moment.heading, **self._config.view)

    def faulty(self, moment: Moment, rng: np.random.Generator, number: int) -> np.ndarray:
        """Return several clouds of the next decision, each with faults of a camera of its own.

        Args:
            moment: The next decision.
            rng: Source of chance.
            number: How many.

        Returns:
            Shape (number, points, 7).
        """
        seen, config = (*self.parts(moment), moment.gripper), self._config
        clouds = [randomise(*seen, config, rng) for _ in range(number)]
        return np.array([network_cloud(*one, moment.heading, **config.view) for one in clouds])


def answer_of(policy: Any, cloud: np.ndarray, heading: float) -> np.ndarray:
    """Return the displacement a policy answers a network cloud with. Shape (6,). [m], [rad]."""
    config: DressingConfig = policy.config
    batch = {POINTS: torch.from_numpy(cloud).unsqueeze(0), HEADING: torch.tensor([[heading]])}
    row = policy.select_action(batch)[0].double().numpy()
    return row * ([config.translation] * 3 + [config.rotation] * 3)
