"""Scripted demonstrators of the planar arm: velocity fields of its peg.

They say where the peg goes in the plane and how the hand turns (`cartesian_delta`); the control
loop resolves that to joints by damped least squares. The hand's direction follows from where the
peg is, so that what the joints do is a function of the place and can be imitated.

Fields after the potential-field avoidance of Khatib 1986, with a tangent instead of a repulsion
alone, so that the peg goes round and does not stop.
"""

from collections.abc import Callable, Mapping

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
from robot_policies.interface.observation import STATE
from robot_policies_sim.worlds.planar_arm.trial import PEG, POST, places
from robot_policies_sim.worlds.scripted import ScriptedExpert, measured_joints

MIXED = "mixed"
SPEED = 0.5  # m/s, of the peg; no joint then comes near its limit of speed
EASING = 8.0  # 1/s, towards a point
FIELD = (0.14, 0.24)  # m from the obstacle: fully felt, and not at all
SHY = (0.2, 0.36)  # m, likewise, of who keeps well away
ORBIT = 0.17  # m
TURNING = (2.0, 0.6)  # 1/s and rad/s, of the hand towards its direction
BEND = (0.8, 2.3, 0.88)  # rad, rad/m, m: the hand's direction from the peg's, bent evenly
MEMORY = 0.8  # of the wandering, per control step
NOISY = 0.35  # m/s, of a clumsy demonstrator

ELEMENTS = tuple(f"{part}.{axis}" for part in ("position", "rotation") for axis in "xyz")

Field = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


class ArmExpert(ScriptedExpert):
    """A `Policy` that does what its field says, from the truth of the simulator it acts in.

    Attributes:
        style: What it does in this episode.
    """

    def __init__(self, simulator: Simulator, scenario: str, noise: float = 0.0) -> None:
        """Choose the field.

        Args:
            simulator: Where it acts; its truth is read, nothing is written.
            scenario: Name of a field; `mixed` draws another one for each episode.
            noise: Standard deviation of the peg's wandering. [m/s]
        """
        self._simulator, self._noise = simulator, noise
        self._crowd = STYLES if scenario == MIXED else {scenario: (FIELDS[scenario], 0.0)}
        robot = simulator.spec
        self.robot = robot.name
        self.observation_spec = ObservationSpec({STATE: measured_joints(robot)})
        units = ("m",) * 3 + ("rad",) * 3
        action = ArraySpec("action", (6,), np.dtype(np.float64), units, ELEMENTS)
        dt = 1.0 / robot.control_rate
        self.action_spec = ActionSpec(ActionKind.CARTESIAN_DELTA, action, dt, horizon=1)
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Forget the episode; a mixed crowd sends its next one."""
        self._rng = np.random.default_rng([seed, 1])
        self.style = list(self._crowd)[seed % len(self._crowd)]
        self._field, clumsy = self._crowd[self.style]
        self._wander, self._spread = np.zeros(2), max(self._noise, clumsy)

    def act(self, observation: Observation) -> ActionChunk:
        """Return one row. Shape (1, 6). [m, rad]."""
        self.observation_spec.validate(observation)
        state, dt = self._simulator.read(), self.action_spec.dt
        peg, goal, obstacle = places(state)
        fresh = np.sqrt(1.0 - MEMORY**2) * self._spread * self._rng.normal(size=2)
        self._wander = MEMORY * self._wander + fresh
        velocity = _at_most(self._field(peg, goal, obstacle) + self._wander, SPEED)
        gain, fastest = TURNING
        turn = _hand(peg) - state.joint_position.sum()
        turn = np.clip(gain * ((turn + np.pi) % (2.0 * np.pi) - np.pi), -fastest, fastest)
        return self.answer(observation, dt * np.array([*velocity, 0.0, 0.0, 0.0, turn]))


def reach(peg: np.ndarray, goal: np.ndarray, obstacle: np.ndarray) -> np.ndarray:
    """Go straight to the goal, whatever lies between. Velocity, shape (2,). [m/s]."""
    return _at_most(EASING * (goal - peg), SPEED)


def detour(
    peg: np.ndarray,
    goal: np.ndarray,
    obstacle: np.ndarray,
    side: float = 0.0,
    field: tuple[float, float] = FIELD,
) -> np.ndarray:
    """Go to the goal, round the obstacle where it is in the way.

    Args:
        peg: Shape (2,). [m]
        goal: Shape (2,). [m]
        obstacle: Shape (2,). [m]
        side: 1 keeps it to the left hand, -1 to the right, 0 takes the shorter way.
        field: Distances from the obstacle where it is fully felt, and not at all. [m]

    Returns:
        Velocity. Shape (2,). [m/s]
    """
    straight, away = reach(peg, goal, obstacle), peg - obstacle
    gap = max(float(np.linalg.norm(away)), 1e-6)
    normal = away / gap
    ahead = normal @ (goal - peg) < 0.0
    felt = float(np.clip((field[1] - gap) / (field[1] - field[0]), 0.0, 1.0))
    if not ahead:
        return straight + 0.3 * felt * SPEED * normal
    tangent = np.array([-normal[1], normal[0]])
    side = side or (1.0 if tangent @ (goal - peg) >= 0.0 else -1.0)
    round_it = SPEED * (side * tangent + 0.7 * normal * np.clip((FIELD[0] - gap) / 0.03, -0.3, 1))
    return (1.0 - felt) * straight + felt * round_it


def shy(peg: np.ndarray, goal: np.ndarray, obstacle: np.ndarray) -> np.ndarray:
    """Go to the goal slowly, and round the obstacle in a wide bow. Velocity, shape (2,). [m/s]."""
    return 0.6 * detour(peg, goal, obstacle, field=SHY)


def avoid(
    peg: np.ndarray,
    goal: np.ndarray,
    obstacle: np.ndarray,
    field: tuple[float, float] = (0.27, 0.33),
) -> np.ndarray:
    """Get away from the obstacle. Velocity, shape (2,). [m/s]."""
    away = peg - obstacle
    gap = max(float(np.linalg.norm(away)), 1e-6)
    return SPEED * np.clip((field[1] - gap) / (field[1] - field[0]), 0.0, 1.0) * away / gap


def orbit(peg: np.ndarray, goal: np.ndarray, obstacle: np.ndarray) -> np.ndarray:
    """Go round the obstacle, counter-clockwise. Velocity, shape (2,). [m/s]."""
    away = peg - obstacle
    gap = max(float(np.linalg.norm(away)), 1e-6)
    normal = away / gap
    return SPEED * np.array([-normal[1], normal[0]]) + 4.0 * (ORBIT - gap) * normal


def push(peg: np.ndarray, goal: np.ndarray, obstacle: np.ndarray) -> np.ndarray:
    """Get behind the puck, then push it to the goal. Velocity, shape (2,). [m/s]."""
    way = goal - obstacle
    ahead = way / max(float(np.linalg.norm(way)), 1e-6)
    across = np.array([-ahead[1], ahead[0]])
    along, beside = (peg - obstacle) @ ahead, (peg - obstacle) @ across
    contact = PEG + POST
    if along < 0.0 and abs(beside) < 0.5 * contact:
        return 0.35 * ahead - 5.0 * beside * across
    behind = obstacle - (contact + 0.03) * ahead
    return detour(peg, behind, obstacle, field=(contact + 0.015, contact + 0.07))


FIELDS: Mapping[str, Field] = {
    "detour": detour,
    "reach": reach,
    "avoid": avoid,
    "orbit": orbit,
    "push": push,
}
# The crowd of `mixed`: what they do, and how much they wander. [m/s]
STYLES: Mapping[str, tuple[Field, float]] = {
    "straight": (reach, 0.0),
    "left": (lambda *at: detour(*at, side=1.0), 0.0),
    "right": (lambda *at: detour(*at, side=-1.0), 0.0),
    "shy": (shy, 0.0),
    "noisy": (reach, NOISY),
}


def _hand(peg: np.ndarray) -> float:
    """Return the direction of the hand where the arm is bent evenly. [rad].

    It is a straight line in the peg's distance r, about its direction: atan2(y, x) + b0 +
    b1 (b2 - r), with the numbers of `BEND`.
    """
    offset, slope, radius = BEND
    return float(np.arctan2(peg[1], peg[0]) + offset + slope * (radius - np.hypot(*peg)))


def _at_most(velocity: np.ndarray, speed: float) -> np.ndarray:
    """Return a velocity, shortened to a speed if it is longer. Shape (2,). [m/s]."""
    return velocity * min(1.0, speed / max(float(np.linalg.norm(velocity)), 1e-9))
