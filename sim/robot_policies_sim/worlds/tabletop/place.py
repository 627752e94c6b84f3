"""Put the named cube on the named pad: two cubes, two pads, and an instruction that tells which.

Everything lies anew in every trial, close enough to be reached and far enough apart for the jaws.
Success is a cube that rests on its pad while nothing of the robot touches it.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from robot_policies.catalog import load_robot
from robot_policies.interface import (
    ConfigError,
    ContractError,
    Simulator,
    Task,
)
from robot_policies.interface.errors import suggestion
from robot_policies.interface.observation import TASK
from robot_policies_sim.scene.conditions import GOAL
from robot_policies_sim.worlds.tabletop.expert import TabletopExpert
from robot_policies_sim.worlds.tabletop.place_trial import TabletopTrial
from robot_policies_sim.worlds.tabletop.reach import ARM, GRIPPER, Reach
from robot_policies_sim.worlds.tabletop.table import (
    CONTACT,
    CUBE_HALF,
    CUBES,
    PAD_HALF,
    PAD_TOP,
    PADS,
    VIEW,
)

INSTRUCTIONS = {
    f"put the {cube} cube on the {pad} pad": (f"{cube}_cube", f"{pad}_pad")
    for cube in CUBES
    for pad in PADS
}

AHEAD, SIDE = (0.14, 0.235), 0.14  # m, where things lie: x from and to, y to both sides
REACH = (0.15, 0.26)  # m from the pan axis; jaws straight down, or nearly so
CUBE_TURN = 0.6  # rad to both sides
PAD_TURN = 0.4  # rad to both sides
# Least distance between centres. The open jaws reach 46 mm to one side and a cube 20 mm.
SPACING = {("cube", "cube"): 0.075, ("cube", "pad"): 0.075, ("pad", "pad"): 0.1}  # m
START = (0.17, 0.0, 0.11)  # m, where the tip begins
START_SPREAD = (0.015, 0.03, 0.015)  # m
START_JAW = 0.5  # rad


class TabletopPlace(Task):
    """One cube and one pad of four things on a table, for the SO-101."""

    robot = "so101"
    goals = (TASK,)

    def __init__(self, name: str, horizon: float = 8.0) -> None:
        """Set the scene.

        Args:
            name: Task name.
            horizon: Longest duration of a trial; the expert takes 3 to 4 s. [s]
        """
        self.name, self.horizon = name, horizon
        cube = {"kind": "box", "size": [CUBE_HALF] * 3, "mass": 0.03, "friction": 1.0}
        pad = {"kind": "box", "size": [PAD_HALF, PAD_HALF, PAD_TOP], "collides": False}
        objects = {
            f"{color}_cube": {**cube, "position": [0.2, y, CUBE_HALF], "color": list(rgba)}
            for y, (color, rgba) in zip((-0.05, 0.05), CUBES.items(), strict=True)
        } | {
            f"{color}_pad": {**pad, "position": [0.2, y, PAD_TOP], "color": list(rgba)}
            for y, (color, rgba) in zip((-0.15, 0.15), PADS.items(), strict=True)
        }
        self.scene: Mapping[str, Any] = {"contact": CONTACT, "view": VIEW, "objects": objects}
        self._spec = load_robot(self.robot)
        self._reach = Reach(self._spec)

    def initial(self, seed: int) -> Mapping[str, Any]:
        """Draw where everything lies and the arm begins; seeds go through the instructions."""
        rng = np.random.default_rng(seed)
        tip = np.array(START) + rng.uniform(-1.0, 1.0, 3) * START_SPREAD
        joints = dict(zip(ARM, self._reach.joints(tip, 0.0).tolist(), strict=True))
        instruction = list(INSTRUCTIONS)[seed % len(INSTRUCTIONS)]
        return {
            GOAL: {TASK: instruction},
            "joint_position": joints | {GRIPPER: START_JAW},
            "objects": _lay(rng),
        }

    def start(self, initial: Mapping[str, Any]) -> TabletopTrial:
        """Begin a trial with the instruction of an initial condition.

        Raises:
            ConfigError: If the instruction is none of this task's.
        """
        instruction = initial[GOAL][TASK]
        if instruction not in INSTRUCTIONS:
            raise ConfigError(
                f"{self.name}: no instruction '{instruction}'."
                f"{suggestion(str(instruction), INSTRUCTIONS)}"
            )
        period = 1.0 / self._spec.control_rate
        return TabletopTrial(instruction, *INSTRUCTIONS[instruction], self.horizon, period)

    def expert(self, simulator: Simulator, noise: float = 0.0) -> TabletopExpert:
        """Return who does it from the simulator's truth.

        Args:
            simulator: Where the trial takes place.
            noise: Standard deviation of the pulses that push the tip aside. [m]
        """
        return TabletopExpert(simulator, objects_of, noise)


def objects_of(instruction: str) -> tuple[str, str]:
    """Return the names of cube and pad an instruction is about.

    Raises:
        ContractError: If it is none of `INSTRUCTIONS`.
    """
    if instruction not in INSTRUCTIONS:
        raise ContractError(
            f"no instruction '{instruction}'.{suggestion(instruction, INSTRUCTIONS)}"
        )
    return INSTRUCTIONS[instruction]


def _lay(rng: np.random.Generator) -> dict[str, list[float]]:
    """Draw poses until nothing overlaps. Position [m] and quaternion x, y, z, w by object.

    A turn by an angle a about z is the quaternion (0, 0, sin(a / 2), cos(a / 2)).
    """
    kinds = [(f"{color}_cube", "cube") for color in CUBES]
    kinds += [(f"{color}_pad", "pad") for color in PADS]
    while True:
        spots = rng.uniform((AHEAD[0], -SIDE), (AHEAD[1], SIDE), (len(kinds), 2))
        far = np.hypot(*spots.T)
        apart = all(
            np.linalg.norm(spots[i] - spots[j]) >= SPACING[kinds[i][1], kinds[j][1]]
            for i in range(len(kinds))
            for j in range(i + 1, len(kinds))
        )
        if apart and (far >= REACH[0]).all() and (far <= REACH[1]).all():
            break
    poses = {}
    for (name, kind), spot in zip(kinds, spots, strict=True):
        height, turn = (CUBE_HALF, CUBE_TURN) if kind == "cube" else (PAD_TOP, PAD_TURN)
        half = rng.uniform(-turn, turn) / 2.0
        poses[name] = [*spot.tolist(), height, 0.0, 0.0, float(np.sin(half)), float(np.cos(half))]
    return poses
