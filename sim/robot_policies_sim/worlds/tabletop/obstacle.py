"""Carry the held cube past an obstacle to the named pad: success and safety are two things.

The cube is in the jaws when a trial begins, and an obstacle stands near the straight way. It gives
way, so that a trial can succeed although the robot or the cube has touched it: that is what
preferences are about. Variants ask for the same in other circumstances:

    tabletop_obstacle/anywhere   the arm begins anywhere, for demonstrations
    tabletop_obstacle/subject    another colour of obstacle
    tabletop_obstacle/physical   a thicker obstacle
    tabletop_obstacle/semantic   known words in sentences that no demonstration has
    tabletop_obstacle/visual     another table
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from robot_policies.catalog import load_robot
from robot_policies.interface import ConfigError, Simulator, Task, UnknownNameError
from robot_policies.interface.errors import suggestion
from robot_policies.interface.observation import TASK
from robot_policies_sim.scene.conditions import GOAL
from robot_policies_sim.scene.geometry import distance_from_way
from robot_policies_sim.worlds.tabletop.obstacle_expert import DetourExpert
from robot_policies_sim.worlds.tabletop.obstacle_trial import ObstacleTrial
from robot_policies_sim.worlds.tabletop.reach import Reach
from robot_policies_sim.worlds.tabletop.table import (
    CONTACT,
    CUBE_HALF,
    CUBES,
    PAD_HALF,
    PAD_TOP,
    PADS,
    VIEW,
)

VARIANTS = ("anywhere", "subject", "physical", "semantic", "visual")
SENTENCES = (
    "put the {cube} cube on the {pad} pad",
    "place the {cube} cube on the {pad} pad",
    "move the {cube} cube to the {pad} pad",
)
REWORDED = (
    "move the {cube} cube on the {pad} pad",
    "on the {pad} pad place the {cube} cube",
    "to the {pad} pad move the {cube} cube",
)


def _meanings(sentences: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    return {
        sentence.format(cube=cube, pad=pad): (f"{cube}_cube", f"{pad}_pad")
        for sentence in sentences
        for cube in CUBES
        for pad in PADS
    }


INSTRUCTIONS = _meanings(SENTENCES)
PARAPHRASES = _meanings(REWORDED)

RADIUS, HEIGHT, THICKER = 0.022, 0.07, 1.3  # m, m, 1
YELLOW, WHITE = [0.95, 0.85, 0.1, 1.0], [0.95, 0.95, 0.95, 1.0]
OTHER_FLOOR = [0.72, 0.62, 0.5, 1.0]
# Light and slippery enough to slide instead of falling over when it is pushed at half its height.
OBSTACLE = {"kind": "cylinder", "mass": 0.12, "friction": 0.25}

START = ((0.17, 0.225), (-0.135, -0.1), (0.048, 0.056))  # m, where the tip begins: x, y, z
ANYWHERE = ((0.14, 0.27), (-0.15, 0.15), (0.03, 0.065))  # m
PLACES = ((0.14, 0.265), (0.04, 0.14))  # m, where pads lie: x, y
ASIDE = ((0.13, 0.29), (-0.19, 0.19))  # m, where the other cube lies: x, y
REACH = (0.15, 0.275)  # m from the pan axis, of everything the tip has to come to
BETWEEN, BESIDE = (0.4, 0.6), 0.03  # share of the way, m to both sides: the obstacle
BLOCKED = 0.8  # of the trials have it on the way to the named pad, the others on the other way
PADS_APART, CLEAR, FREE = 0.095, 0.075, 0.07  # m between pads; of obstacle; of the other cube
GRIP = 0.31  # rad, jaws that hold the cube
HELD = (-0.011, 0.114)  # m, y and z of a held cube in the hand's frame
HAND_TO_TIP = 0.11  # m
UPRIGHT = [0.0, 0.0, 0.0, 1.0]


class TabletopObstacle(Task):
    """The task of the SO-101."""

    robot = "so101"
    goals: tuple[str, ...] = (TASK,)

    def __init__(self, name: str, variant: str = "", horizon: float = 6.0) -> None:
        """Set the scene.

        Args:
            name: Task name.
            variant: One of `VARIANTS`; the task itself if empty.
            horizon: Longest duration of a trial; the expert takes 1.5 to 3 s. [s]

        Raises:
            UnknownNameError: If there is no such variant.
        """
        if variant and variant not in VARIANTS:
            raise UnknownNameError("variant", variant, VARIANTS, "tabletop_obstacle")
        self.name, self.horizon, self._variant = name, horizon, variant
        self.instructions = PARAPHRASES if variant == "semantic" else INSTRUCTIONS
        self.radius = RADIUS * (THICKER if variant == "physical" else 1.0)
        self.scene: Mapping[str, Any] = _scene(variant, self.radius)
        self._spec = load_robot(self.robot)
        self._reach = Reach(self._spec)

    def initial(self, seed: int) -> Mapping[str, Any]:
        """Draw where the arm begins and everything lies; seeds go through the instructions."""
        rng = np.random.default_rng(seed)
        instruction = list(self.instructions)[seed % len(self.instructions)]
        cube, pad = self.instructions[instruction]
        start, places = _draw(rng, cube, pad)
        if self._variant == "anywhere":
            start = _elsewhere(rng, places)
        joints = self._reach.joints(start, 0.0)
        joints[4] = joints[0]  # the jaws close across the table, wherever the arm points
        position = dict(zip(self._spec.joint_names, [*joints.tolist(), GRIP], strict=True))
        # Hand down, turned to the front: its y is the table's y, its z points down.
        held = start + [0.0, HELD[0], HAND_TO_TIP - HELD[1]]
        poses = {
            name: [*spot.tolist(), height, *UPRIGHT] for name, (spot, height) in places.items()
        }
        return {
            GOAL: {TASK: instruction},
            "joint_position": position,
            "objects": poses | {cube: [*held.tolist(), *UPRIGHT]},
        }

    def things(self, initial: Mapping[str, Any]) -> Mapping[str, str]:
        """Return names of objects by the part they play in a trial."""
        cube, pad = (INSTRUCTIONS | PARAPHRASES)[initial[GOAL][TASK]]
        return {"cube": cube, "pad": pad, "obstacle": "obstacle"}

    def start(self, initial: Mapping[str, Any]) -> ObstacleTrial:
        """Begin a trial with the instruction of an initial condition.

        Raises:
            ConfigError: If the instruction is none of this task's.
        """
        instruction = str(initial[GOAL][TASK])
        known = INSTRUCTIONS | PARAPHRASES
        if instruction not in known:
            nearest = suggestion(instruction, known)
            raise ConfigError(f"{self.name}: no instruction '{instruction}'.{nearest}")
        period = 1.0 / self._spec.control_rate
        return ObstacleTrial(instruction, *known[instruction], self.horizon, period, self.radius)

    def expert(self, simulator: Simulator, noise: float = 0.005) -> DetourExpert:
        """Return who does it from the simulator's truth.

        Args:
            simulator: Where the trial takes place.
            noise: Standard deviation of each displacement along x and y. [m]
        """
        return DetourExpert(simulator, INSTRUCTIONS | PARAPHRASES, noise)


def _scene(variant: str, radius: float) -> dict[str, Any]:
    cube = {"kind": "box", "size": [CUBE_HALF] * 3, "mass": 0.03, "friction": 1.0}
    tracked = {"tracked": ["x", "y"]}  # recorded with demonstrations, for who learns to see
    pad = {"kind": "box", "size": [PAD_HALF, PAD_HALF, PAD_TOP], "collides": False, **tracked}
    color = WHITE if variant == "subject" else YELLOW
    objects: dict[str, Any] = {
        f"{name}_cube": {**cube, "position": [0.2, y, CUBE_HALF], "color": list(rgba)}
        for y, (name, rgba) in zip((-0.1, -0.15), CUBES.items(), strict=True)
    }
    objects |= {
        f"{name}_pad": {**pad, "position": [0.2, y, PAD_TOP], "color": list(rgba)}
        for y, (name, rgba) in zip((0.05, 0.15), PADS.items(), strict=True)
    }
    objects["obstacle"] = {
        **OBSTACLE,
        **tracked,
        "size": [radius, HEIGHT / 2.0],
        "position": [0.2, 0.0, HEIGHT / 2.0],
        "color": color,
    }
    scene: dict[str, Any] = {"contact": CONTACT, "view": VIEW, "objects": objects}
    return scene | {"floor_color": OTHER_FLOOR} if variant == "visual" else scene


def _draw(
    rng: np.random.Generator, held: str, named: str
) -> tuple[np.ndarray, dict[str, tuple[np.ndarray, float]]]:
    """Return where the tip begins, shape (3,), and by name where things lie and how high."""
    other = next(f"{color}_cube" for color in CUBES if f"{color}_cube" != held)
    pads = [f"{color}_pad" for color in PADS]
    while True:
        start = _point(rng, START)
        spots = {pad: _point(rng, PLACES) for pad in pads}
        near = np.array([start[:2], *spots.values()])
        far = np.hypot(*near.T)
        if np.hypot(*(near[1] - near[2])) < PADS_APART or far.min() < REACH[0]:
            continue
        blocked = named if rng.random() < BLOCKED else next(p for p in pads if p != named)
        way = spots[blocked] - start[:2]
        across = np.array([-way[1], way[0]]) / np.hypot(*way)
        obstacle = start[:2] + rng.uniform(*BETWEEN) * way + rng.uniform(-BESIDE, BESIDE) * across
        if far.max() < REACH[1] and np.hypot(*(near - obstacle).T).min() > CLEAR:
            break
    while True:
        aside = _point(rng, ASIDE)
        if np.hypot(*(aside - obstacle)) > FREE and all(
            distance_from_way(start[:2], spot, aside) > FREE for spot in spots.values()
        ):
            break
    places = {pad: (spot, PAD_TOP) for pad, spot in spots.items()}
    places[other] = aside, CUBE_HALF
    places["obstacle"] = obstacle, HEIGHT / 2.0
    return start, places


def _elsewhere(
    rng: np.random.Generator, places: Mapping[str, tuple[np.ndarray, float]]
) -> np.ndarray:
    """Draw p until `REACH` holds |p|, and |p - s| > `FREE` for each solid thing s. Shape (3,)."""
    solid = [spot for name, (spot, _) in places.items() if not name.endswith("pad")]
    while True:
        start = _point(rng, ANYWHERE)
        clear = all(np.linalg.norm(start[:2] - spot) > FREE for spot in solid)
        if clear and REACH[0] < np.hypot(*start[:2]) < REACH[1]:
            return start


def _point(rng: np.random.Generator, ranges: tuple[tuple[float, float], ...]) -> np.ndarray:
    low, high = np.transpose(ranges)
    return rng.uniform(low, high)
