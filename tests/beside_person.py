"""A robot of one joint beside a person whose bent arm hangs above it, and a gate that is asked."""

import numpy as np
from toy_robot import toy_robot

from robot_policies.control.safety import SafetyGate
from robot_policies.control.safety_limits import SafetyLimits
from robot_policies.interface import Action, ActionKind, PersonLimits, RobotState
from robot_policies.interface.clouds import pad
from robot_policies.interface.gravity import GRAVITY
from robot_policies.interface.observation import POINTS, WRENCH

PERIOD, STEP = 0.02, 0.001  # s, m; 0.05 m/s
CAMERA = {"width": 8, "height": 8, "focal_length": 8.0, "link": "base", "rate": 10.0}
# One joint that slides along z; its link weighs 1 kg.
ROBOT = toy_robot(
    {"slide": {"sliding": True, "velocity": 1.0, "default": 0.0}},
    workspace={"link": "slide_link", "lower": [-9.0] * 3, "upper": [9.0] * 3},
    wrench_link="slide_link",
    cameras={"stand": {**CAMERA, "depth": True, "labels": True}},
    cloud={"camera": "stand", "points": 700, "frame": "base", "reach": 3.0},
)
PERSON = PersonLimits()
LIMITS = SafetyLimits(hold_time=60.0, plan_age=2.0, person=PERSON)
NAMES = ROBOT.joint_names


def arm(middle: tuple[float, float, float] = (0.0, 0.0, 0.2)) -> np.ndarray:
    """Return the near half of a bent arm of 40 mm radius, 0.2 m above the link. Shape (n, 3)."""
    angle, along = np.meshgrid(np.linspace(np.pi, 2 * np.pi, 12), np.linspace(-0.15, 0.15, 25))
    ring = 0.04 * np.stack([np.cos(angle), np.sin(angle)], -1).reshape(-1, 2)
    way, zero = along.reshape(-1), np.zeros(angle.size)
    upper = np.stack([way, ring[:, 0], ring[:, 1]], -1)
    lower = np.stack([ring[:, 0] + 0.15, way + 0.15, ring[:, 1] + zero], -1)
    return np.concatenate([upper, lower]) + middle


def seen(points: np.ndarray, kind: float = 2.0) -> np.ndarray:
    return pad(np.column_stack([points, np.full(len(points), kind)]), 700)


def state(now, slide=0.0, load=0.0, points=None, cloud_at=None, lift=0.0):
    """Return a measurement with a load [N] along x, and one along z beside the weight there."""
    wrench = np.array([load, 0.0, lift - GRAVITY, 0.0, 0.0, 0.0])
    features, stamps = {WRENCH: wrench}, {WRENCH: now}
    if points is not None:
        features[POINTS] = seen(points)
        stamps[POINTS] = now if cloud_at is None else cloud_at
    return RobotState(now, np.array([slide]), np.zeros(1), features=features, stamps=stamps)


class Run:
    """A gate that is asked every period, and the command that is followed exactly."""

    def __init__(self, limits=LIMITS, robot=ROBOT):
        self.gate, self.now, self.slide = SafetyGate(robot, limits), 0.0, 0.0
        self.points, self.cloud_at, self.steps = arm(), None, 0

    def step(self, way=STEP, load=0.0, lift=0.0):
        seen_now = self.points if self.steps % 5 == 0 else None  # ten times a second
        self.steps += 1
        found = state(self.now, self.slide, load, seen_now, self.cloud_at, lift)
        target = np.array([self.slide + way])
        action = Action(target, NAMES, ActionKind.JOINT_POSITION, self.now)
        verdict = self.gate.check(action, found, self.now)
        self.slide = float(verdict.command.values[0])
        self.now += PERIOD
        return verdict


class Holder:
    """A robot that holds something, and stays where it is told to be."""

    accepts = frozenset({ActionKind.JOINT_POSITION})
    spec, provides = ROBOT, ROBOT.streams

    def __init__(self):
        self.now, self.load, self.lift, self.slide, self.holds = 0.0, 0.0, 0.0, 0.0, True

    def read(self, pictures=True):
        assert pictures, "where the person is has to be seen"
        return state(self.now, self.slide, self.load, arm(), lift=self.lift)

    def write(self, command):
        self.slide = float(command.values[0])
        return command

    def let_go(self):
        self.holds = False

    def connect(self): ...

    def stop(self, reason): ...

    def close(self): ...
