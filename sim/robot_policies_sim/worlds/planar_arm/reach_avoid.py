"""Bring the peg of the planar arm to a goal past an obstacle; and what goes with it.

`arm_reach_avoid` puts the obstacle on the way. Its variants ask for other things in the same scene
with the same observations, so that one policy and its skills can be asked for all of them:

    arm_reach_avoid/reach, /avoid, /orbit, /push   see `trial`
    arm_reach_avoid/mixed                          obstacle on the way or anywhere, to record what
                                                   five kinds of demonstrators do
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from robot_policies.catalog import load_robot
from robot_policies.interface import RobotSpec, RobotState, Simulator, Task, UnknownNameError
from robot_policies_sim.scene.geometry import distance_from_way
from robot_policies_sim.worlds.planar_arm.expert import MIXED, ArmExpert
from robot_policies_sim.worlds.planar_arm.peg import peg_position
from robot_policies_sim.worlds.planar_arm.trial import POST, TOUCH, ArmTrial, places

DETOUR = "detour"
VARIANTS = ("reach", "avoid", "orbit", "push", "mixed")
REWARD, COST = "next.reward", "next.cost"
NEAR = TOUCH + 0.03  # m; closer counts as a cost in the recorded data, before anything touches

POST_HEIGHT, PUCK_HEIGHT = 0.2, 0.06  # m; the arm passes 7 cm above the post
PUCK_MASS = 0.2  # kg
GOAL_TOP = 0.001  # m
UPRIGHT = [0.0, 0.0, 0.0, 1.0]

# The first pose: bent evenly by a factor on the default pose's, then each joint a little off.
BENT, OFF = (1.0, 3.3), np.array([0.8, 0.15, 0.15, 0.15])  # 1, rad
FROM_LIMIT = 0.3  # rad
START = (0.3, 0.93)  # m from the shoulder
PLACES = (0.35, 0.85)  # m from the shoulder, where goals and obstacles lie
RINGS = (0.45, 0.7)  # m, where an obstacle can be gone round
ASIDE = 1.4  # rad to both sides
APART = 0.16  # m between obstacle and start, or goal
AWAY = 0.35  # m between start and goal, where the obstacle lies between them
VIEW = {"target": [0.35, 0.0, 0.1], "distance": 1.9, "azimuth": 0.0, "elevation": -62.0}


class ArmReachAvoid(Task):
    """A peg that goes where the variant says."""

    robot = "planar_arm"
    goals: tuple[str, ...] = ()
    labelled = (REWARD, COST)

    def __init__(
        self,
        name: str,
        variant: str = "",
        horizon: float = 4.0,
        conditions: Mapping[str, float] | None = None,
    ) -> None:
        """Set the scene.

        Args:
            name: Task name.
            variant: What is asked for, if not the detour.
            horizon: Longest duration of a trial; the expert takes 1 to 3 s. [s]
            conditions: What `EpisodeConditions` differ in every trial, such as `link_mass`.

        Raises:
            UnknownNameError: If there is no such variant.
        """
        if variant and variant not in VARIANTS:
            raise UnknownNameError("variant", variant, VARIANTS, "arm_reach_avoid")
        self.name, self.horizon = name, horizon
        self.scenario = variant or DETOUR
        self.aim = DETOUR if variant == MIXED else self.scenario
        self.scene: Mapping[str, Any] = _scene(self.aim)
        self._conditions = dict(conditions or {})
        self._spec = load_robot(self.robot)

    def initial(self, seed: int) -> Mapping[str, Any]:
        """Draw a pose of the arm, a goal and an obstacle."""
        rng = np.random.default_rng(seed)
        joints, goal, obstacle = _draw(rng, self._spec, self.scenario)
        height = PUCK_HEIGHT if self.aim == "push" else POST_HEIGHT
        return {
            "joint_position": dict(zip(self._spec.joint_names, joints.tolist(), strict=True)),
            "objects": {
                "goal": [*goal.tolist(), GOAL_TOP, *UPRIGHT],
                "obstacle": [*obstacle.tolist(), height / 2.0, *UPRIGHT],
            },
            **self._conditions,
        }

    def start(self, initial: Mapping[str, Any]) -> ArmTrial:
        """Begin a trial."""
        return ArmTrial(self.aim, self.horizon, 1.0 / self._spec.control_rate)

    def expert(self, simulator: Simulator, noise: float = 0.0) -> ArmExpert:
        """Return who does it from the simulator's truth.

        Args:
            simulator: Where the trial takes place.
            noise: Standard deviation of the peg's wandering. [m/s]
        """
        return ArmExpert(simulator, self.scenario, noise)

    def labels(self, states: Sequence[RobotState]) -> Mapping[str, np.ndarray]:
        """Return what each step was worth.

        Args:
            states: Measured before each step.

        Returns:
            `next.reward`, the way towards the goal [m], and `next.cost`, 1 where the step ended
            closer than `NEAR` to the obstacle. The last step, whose end nobody saw, is like none.
            Shape (steps, 1) each.
        """
        peg, goal, obstacle = (np.stack(rows) for rows in zip(*map(places, states), strict=True))
        left = np.linalg.norm(peg - goal, axis=1)
        near = (np.linalg.norm(peg - obstacle, axis=1) < NEAR).astype(float)
        return {
            REWARD: np.append(left[:-1] - left[1:], 0.0)[:, None],
            COST: np.append(near[1:], near[-1])[:, None],
        }


def _scene(aim: str) -> dict[str, Any]:
    tracked = {"tracked": ["x", "y"]}
    goal = {
        "kind": "cylinder",
        "size": [0.05, GOAL_TOP / 2.0],
        "position": [0.6, 0.3, GOAL_TOP],
        "collides": False,
        "color": [0.15, 0.65, 0.25, 1.0],
    }
    height = PUCK_HEIGHT if aim == "push" else POST_HEIGHT
    obstacle = {
        "kind": "cylinder",
        "size": [POST, height / 2.0],
        "position": [0.6, -0.3, height / 2.0],
        "color": [0.8, 0.2, 0.15, 1.0],
    }
    if aim == "push":
        obstacle |= {"mass": PUCK_MASS, "friction": 0.3}
    # Puck on table, peg on puck: enough friction to stop at once, too little to be carried along.
    contact = {"friction": 0.3, "softness": 0.01}
    objects = {"goal": goal | tracked, "obstacle": obstacle | tracked}
    return {"contact": contact, "view": VIEW, "objects": objects}


def _draw(
    rng: np.random.Generator, robot: RobotSpec, scenario: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return joints (4,), goal (2,) and obstacle (2,), drawn until they make sense.

    On a detour the obstacle lies about the middle of the way; to be avoided or gone round it
    lies near the peg in any direction, uniform in angle and distance.
    """
    if scenario == MIXED:
        scenario = DETOUR if rng.random() < 0.5 else "anywhere"
    while True:
        joints = robot.default * [1.0, *[rng.uniform(*BENT)] * 3] + rng.normal(size=4) * OFF
        peg, goal, obstacle = peg_position(robot, joints), _point(rng), _point(rng)
        if scenario == DETOUR:
            between = peg + rng.uniform(0.35, 0.65) * (goal - peg)
            obstacle = between + rng.normal(scale=0.03, size=2)
        elif scenario in ("avoid", "orbit"):
            low, high = {"avoid": (0.1, 0.2), "orbit": (0.12, 0.24)}[scenario]
            angle = rng.uniform(-np.pi, np.pi)
            offset = rng.uniform(low, high) * np.array([np.cos(angle), np.sin(angle)])
            obstacle = peg + offset
        if _makes_sense(robot, scenario, joints, peg, goal, obstacle):
            return joints, goal, obstacle


def _makes_sense(
    robot: RobotSpec,
    scenario: str,
    joints: np.ndarray,
    peg: np.ndarray,
    goal: np.ndarray,
    obstacle: np.ndarray,
) -> bool:
    """Return whether a draw asks for what the scenario is about, and for what the arm can do."""
    inside = (robot.lower + FROM_LIMIT < joints) & (joints < robot.upper - FROM_LIMIT)
    if not (inside.all() and _within(peg, START, 1.6)):
        return False
    gap, room = np.linalg.norm(peg - obstacle), np.linalg.norm(goal - obstacle)
    way = np.linalg.norm(goal - peg)
    if scenario == "avoid":
        return _within(obstacle, (0.25, 0.95), 1.6)
    if scenario == "orbit":
        return _within(obstacle, RINGS, 1.1)
    if scenario == "push":
        return bool(_within(obstacle, RINGS, 1.1) and 0.15 < room < 0.4 and gap > APART)
    if not (gap > APART and room > APART):
        return False
    if scenario == "reach":
        return bool(distance_from_way(peg, goal, obstacle) > APART and way > 0.1)
    return scenario != DETOUR or bool(way > AWAY)


def _point(rng: np.random.Generator) -> np.ndarray:
    """Return a place in front of the arm: uniform in angle, sparser near the shoulder. (2,). [m].

    The radius is low + (high - low) sqrt(u), u uniform in [0, 1).
    """
    low, high = PLACES
    radius, angle = low + (high - low) * np.sqrt(rng.random()), rng.uniform(-ASIDE, ASIDE)
    return radius * np.array([np.cos(angle), np.sin(angle)])


def _within(point: np.ndarray, radii: tuple[float, float], aside: float) -> bool:
    """Return whether a point lies in a sector: between two radii [m], within an angle [rad]."""
    radius, angle = np.hypot(*point), abs(np.arctan2(point[1], point[0]))
    return bool(radii[0] < radius < radii[1] and angle < aside)
