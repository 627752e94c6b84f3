"""Pull a sleeve over a person's arm, from the fingertips to the shoulder.

Seeds 0 to 269 are every one of 27 pose regions with each of two held-out poses and five garments,
once. The robot holds the cuff from above, the hand is inside it already.

    dress_arm          the poses and the garment that are kept from training, and the others
    dress_arm/train    training poses, and the garments that are learned from
    dress_arm/drift    the first, with a person who moves meanwhile: to the side,
    dress_arm/lift     with the upper arm upwards,
    dress_arm/both     or both
    dress_arm/raised   the first, with an arm that is raised into a gripper that stands still
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from robot_policies.catalog import load_robot
from robot_policies.interface import ConfigError, PersonLimits, Simulator, Task, UnknownNameError
from robot_policies.interface.frames import matrix, quaternion
from robot_policies.interface.kinematics import Kinematics
from robot_policies.interface.schema import build
from robot_policies_sim.scene.cloth import Cloth
from robot_policies_sim.worlds.dressing.expert import DressingExpert
from robot_policies_sim.worlds.dressing.person import (
    RADII,
    REGIONS,
    Pose,
    arm_courses,
    arm_objects,
    arm_poses,
    group_of_seed,
    region_poses,
)
from robot_policies_sim.worlds.dressing.trial import DressingTrial

TRAIN, HELD_OUT = "train", "held_out"
SLEEVE, HOLDER = "sleeve", "gripper"
INSIDE, INSIDE_SPREAD = 0.05, 0.01  # m of the hand that is in the sleeve already
CONTACT = {"friction": 0.3, "softness": 0.01}  # of skin on cotton; softer than the edges' 10 ms
VIEW = {"target": [0.4, 0.0, 0.58], "distance": 1.25, "azimuth": 60.0, "elevation": -28.0}


class DressArm(Task):
    """A sleeve over an arm in one of 27 kinds of poses, for the xArm 7."""

    robot = "xarm7"
    goals: tuple[str, ...] = ()
    arm_radii = RADII  # m, of upper arm, forearm and hand
    group_of_seed = staticmethod(group_of_seed)
    regions = len(REGIONS)

    def __init__(
        self,
        name: str,
        garments: Mapping[str, Mapping[str, Any]],
        kept: Sequence[str] = (),
        motions: Mapping[str, Sequence[Sequence[float]]] | None = None,
        variant: str = "",
        horizon: float = 15.0,
        person: Mapping[str, float] | None = None,
    ) -> None:
        """Set the scene.

        Args:
            name: Task name.
            garments: Fields of `Cloth` by garment name.
            kept: Garments that are kept from training.
            motions: How a person moves, by variant: rows of time [s], x, y and z of the shoulder
                from its place [m], and how much the upper arm is raised [deg].
            variant: `train`, one of the motions, or none.
            horizon: Longest duration of a trial; 150 decisions, as in the paper. [s]
            person: Fields of `PersonLimits` that differ from its defaults.

        Raises:
            ConfigError: If there is no such variant or garment, or none to learn from.
        """
        motions = motions or {}
        if variant and variant not in (variants := (TRAIN, *motions)):
            raise UnknownNameError("variant", variant, variants, "dress_arm")
        self._motion = motions.get(variant, ())
        for garment in kept:
            if garment not in garments:
                raise UnknownNameError("garment", garment, garments, "dress_arm: kept")
        if len(garments) <= len(kept):
            raise ConfigError("dress_arm: no garments to learn from")
        self.name, self.horizon, self.garments, self._variant = name, horizon, garments, variant
        self.learned = [garment for garment in garments if garment not in kept]
        cloths = {SLEEVE: {"holder": HOLDER, "position": [0.4, 0.2, 0.6], **_first(garments)}}
        self.scene: Mapping[str, Any] = {
            "contact": CONTACT,
            "view": VIEW,
            "objects": arm_objects(),
            "cloths": cloths,
        }
        self.person = build(PersonLimits, person or {}, f"{name}: person")
        self._spec = load_robot(self.robot)
        self._kinematics = Kinematics(self._spec, "tip")

    def initial(self, seed: int) -> Mapping[str, Any]:
        """Draw a pose of the arm, a garment, and how far the hand is in it."""
        rng, region = np.random.default_rng(seed), seed % len(REGIONS)
        inside = INSIDE + rng.uniform(-INSIDE_SPREAD, INSIDE_SPREAD)
        if self._variant == TRAIN:
            poses, garment = (
                region_poses(region, TRAIN),
                self.learned[rng.integers(len(self.learned))],
            )
            pose = poses[rng.integers(len(poses))]
        else:
            poses, garment = (
                region_poses(region, HELD_OUT),
                list(self.garments)[seed % len(self.garments)],
            )
            pose = poses[seed // len(REGIONS) % len(poses)]
        return {
            **self.conditions(pose, garment, inside),
            "goal": {"region": region, "garment": garment},
        }

    def conditions(self, pose: Pose, garment: str, inside: float = INSIDE) -> dict[str, Any]:
        """Return an initial condition.

        Args:
            pose: Of the arm.
            garment: Name of a garment.
            inside: How much of the hand is in it. [m]
        """
        cloth = {**self.scene["cloths"][SLEEVE], **self.garments[garment]}
        joints = pose.joints
        forward = (joints[3] - joints[2]) / np.linalg.norm(joints[3] - joints[2])
        yaw, pitch = np.arctan2(forward[1], forward[0]), -np.arcsin(forward[2])
        middle = joints[3] - inside * forward
        turn = [0.0, float(pitch), float(yaw)]
        top = middle + matrix(quaternion(turn)) @ [0.0, 0.0, cloth["radius"]]
        reached = self._kinematics.reach(self._spec.default, downwards(yaw + np.pi), top)
        return {
            "joint_position": dict(zip(self._spec.joint_names, reached.tolist(), strict=True)),
            "objects": arm_poses(joints),
            "courses": arm_courses(pose, self._motion),
            "cloths": {
                SLEEVE: {**cloth, "position": middle.tolist(), "rotation": turn},
            },
        }

    def start(self, initial: Mapping[str, Any]) -> DressingTrial:
        """Begin a trial."""
        cloth = build(Cloth, initial["cloths"][SLEEVE], self.name, name=SLEEVE)
        return DressingTrial(cloth, self.horizon)

    def expert(self, simulator: Simulator, noise: float = 0.0) -> DressingExpert:
        """Return who does it from the simulator's truth.

        Args:
            simulator: Where the trial takes place.
            noise: Not used: it asks for the same in the same state.
        """
        return DressingExpert(simulator)


def downwards(heading: float) -> np.ndarray:
    """Return the rotation of a gripper that points down, its x axis along a heading. (3, 3)."""
    x, down = np.array([np.cos(heading), np.sin(heading), 0.0]), np.array([0.0, 0.0, -1.0])
    return np.stack([x, np.cross(down, x), down], axis=1)


def _first(garments: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    return next(iter(garments.values()))
