"""The arm that is dressed: three capsules, and the poses it is held in.

The person sits beside the robot, the shoulder stays where it is. Angles are those of "One Policy
to Dress Them All" (arXiv 2306.12372, Appendix B.3): how far the shoulder is raised, how far the
elbow is bent about the seated 90 degrees, and how far the forearm points up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from typing import Any

import numpy as np

from robot_policies.interface import ConfigError
from robot_policies.shared_files import read_config

# m; radii and lengths of a small adult's arm, rounded. The hand is a fist.
UPPER_ARM, FOREARM, HAND = 0.28, 0.25, 0.10
RADII = {"upper_arm": 0.045, "forearm": 0.036, "hand": 0.03}
LENGTHS = {"upper_arm": UPPER_ARM, "forearm": FOREARM, "hand": HAND}
SHOULDER = np.array([0.36, -0.2, 0.56])  # m, in the robot's base frame
HEADING = np.radians(45.0)  # of the upper arm, from x; the elbow points away from the robot
# Region edges [deg], Appendix B.3; the second is 90 + (-20, -8, 8, 20).
EDGES = ((-20.0, -8.0, 18.0, 30.0), (70.0, 82.0, 98.0, 110.0), (-20.0, -3.0, 14.0, 30.0))
REGIONS = tuple(product(range(3), repeat=3))
SPLITS = ("train", "held_out")


@dataclass(frozen=True)
class Pose:
    """How the arm is held.

    Attributes:
        raised: Upper arm above the horizontal. [deg]
        bent: Elbow, 0 is stretched out. [deg]
        up: Forearm above the horizontal. [deg]
    """

    raised: float
    bent: float
    up: float

    @property
    def joints(self) -> np.ndarray:
        """Shoulder, elbow, wrist and fingertips. Shape (4, 3). [m]."""
        raised, bent, up = np.radians([self.raised, self.bent, self.up])
        upper = _direction(HEADING, raised)
        lower = _direction(HEADING + bent, up)
        steps = [UPPER_ARM * upper, FOREARM * lower, HAND * lower]
        return SHOULDER + np.vstack([np.zeros(3), np.cumsum(steps, axis=0)])


def _direction(heading: float, elevation: float) -> np.ndarray:
    """Return (cos e cos h, cos e sin h, sin e): spherical coordinates as a unit vector. (3,)."""
    flat = np.cos(elevation)
    return np.array([flat * np.cos(heading), flat * np.sin(heading), np.sin(elevation)])


def region_poses(region: int, split: str) -> tuple[Pose, ...]:
    """Return the stored poses of a region.

    Args:
        region: 0 to 26; the shoulder's third counts 9, the bend's 3, the forearm's 1.
        split: `train` or `held_out`.

    Raises:
        ConfigError: If a stored pose lies outside its region.
    """
    rows = _stored()[split][region]
    poses = tuple(Pose(*(float(angle) for angle in row)) for row in rows)
    for pose in poses:
        angles = (pose.raised, pose.bent, pose.up)
        for angle, edges, third in zip(angles, EDGES, REGIONS[region], strict=True):
            if not edges[third] <= angle <= edges[third + 1]:
                raise ConfigError(f"dress_arm.yaml: {split}[{region}]: {angle} deg is outside it")
    return poses


@cache
def _stored() -> dict[str, Any]:
    return read_config("poses", "dress_arm")


def draw_poses(seed: int, train: int, held_out: int) -> dict[str, list[list[list[float]]]]:
    """Draw poses evenly from every region, as `config/poses/dress_arm.yaml` stores them."""
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[list[list[float]]]] = {split: [] for split in SPLITS}
    for region in REGIONS:
        low = [edges[third] for edges, third in zip(EDGES, region, strict=True)]
        high = [edges[third + 1] for edges, third in zip(EDGES, region, strict=True)]
        poses = rng.uniform(low, high, (train + held_out, 3)).round(1).tolist()
        drawn["train"].append(poses[:train])
        drawn["held_out"].append(poses[train:])
    return drawn


def arm_objects() -> dict[str, Mapping[str, Any]]:
    """Return the arm as entries of a scene's `objects`; an episode says where they lie."""
    skin = [0.88, 0.68, 0.56, 1.0]
    return {
        name: {
            "kind": "capsule",
            "size": [RADII[name], length / 2.0],
            "position": SHOULDER.tolist(),
            "label": "arm",
            "color": skin,
        }
        for name, length in LENGTHS.items()
    }


def arm_poses(joints: np.ndarray) -> dict[str, list[float]]:
    """Return position [m] and quaternion x, y, z, w of each capsule.

    Args:
        joints: Shoulder, elbow, wrist and fingertips. Shape (4, 3). [m]
    """
    poses = {}
    for name, near, far in zip(LENGTHS, joints[:-1], joints[1:], strict=True):
        x, y, z = (far - near) / np.linalg.norm(far - near)
        turn = np.array([-y, x, 0.0, 1.0 + z])  # the shortest that brings z along the capsule
        turn /= np.linalg.norm(turn)
        poses[name] = [*((near + far) / 2.0).tolist(), *turn.tolist()]
    return poses


def arm_courses(pose: Pose, motion: Sequence[Sequence[float]]) -> dict[str, list[list[float]]]:
    """Return how each capsule moves: rows of time [s], position [m] and quaternion x, y, z, w.

    Args:
        pose: Where it begins.
        motion: Rows of time [s], shift of the shoulder [m] and raise of the upper arm [deg].
    """
    courses: dict[str, list[list[float]]] = {name: [] for name in LENGTHS} if motion else {}
    for time, x, y, z, raised in motion:
        joints = replace(pose, raised=pose.raised + raised).joints + [x, y, z]
        for name, where in arm_poses(joints).items():
            courses[name].append([time, *where])
    return courses


def arm_joints(truth: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return shoulder, elbow, wrist and fingertips from the capsules' poses. Shape (4, 3). [m]."""
    ends = []
    for name, length in LENGTHS.items():
        x, y, z, w = truth[f"object.{name}"][3:]
        axis = np.array([2 * (x * z + y * w), 2 * (y * z - x * w), 1 - 2 * (x * x + y * y)])
        center = truth[f"object.{name}"][:3]
        ends += [center - length / 2.0 * axis, center + length / 2.0 * axis]
    return np.array([ends[0], ends[1], ends[3], ends[5]])


def group_of_seed(seed: int) -> int:
    """Return the third of the shoulder's range that a seed's region is of: 0, 1 or 2."""
    return seed % len(REGIONS) // 9
