"""A scripted expert that puts cubes on pads, looking at the simulator's truth.

It moves a reference of the tip from phase to phase and never waits: a demonstration in which the
arm stands still before the jaws have closed teaches an imitator to stand still for ever. What it
asks for passes the safety gate like anybody's actions.
"""

from collections.abc import Callable, Mapping

import numpy as np

from robot_policies.interface import (
    ActionChunk,
    ActionKind,
    ActionSpec,
    ArraySpec,
    Finding,
    Observation,
    ObservationSpec,
    RobotSpec,
    RobotState,
    Simulator,
    Statistics,
)
from robot_policies.interface.frames import matrix
from robot_policies.interface.observation import STATE, TASK
from robot_policies_sim.worlds.tabletop.reach import Reach

HOVER = 0.065  # m, height of the tip on the way; a carried cube clears a lying one by 17 mm
GRASP = 0.018  # m, height of the tip to grasp: jaws 10 mm above the table
DROP = 0.003  # m higher to let go
OPEN, CLOSED = 0.7, 0.1  # rad; closed is inside the cube, which is how the jaw presses
JAW_STEP = 0.08  # rad per control step; an imitator a step late still passes the gate
ROLL_STEP = 0.09  # rad per control step
SPEED = {"above": 0.3, "down": 0.22, "lift": 0.26, "over": 0.3, "lower": 0.22, "retreat": 0.3}
EASING = 0.25  # share of the remaining way per control step, up to the speed
SPEED_CHANGE = 0.005  # m per control step, change of the reference's step
# Share of the table's speed and acceleration limits that is used; the gate allows all of them.
SHARE = 0.6
STALLED = 0.4  # rad/s, jaws that have met the cube
ARRIVED, FOLLOWED = 0.004, 0.009  # m, of the reference and of the tip
PATIENCE = 60  # control steps a phase lasts at most
LOST = 0.02  # m the cube may be off the grasp before it is fetched again
TOUCH = 0.01  # N

NOISE_LOW, NOISE_FULL = 0.022, 0.052  # m, heights between which the pulses fade in
NOISE_FLOOR = 0.05  # m; pulses push no lower, so that nothing is knocked over
ROLL_NOISE = 7.0  # rad/m, of the wrist beside the tip's
NOISY_SHARE = 0.5  # of the episodes


class TabletopExpert:
    """A `Policy` that follows the instruction with the truth of the simulator it acts in.

    Attributes:
        intended: What it meant by its last answer, without noise. Shape (6,). [rad]
    """

    name = "expert"
    statistics: Mapping[str, Statistics] = {}
    findings: tuple[Finding, ...] = ()

    def __init__(
        self,
        simulator: Simulator,
        objects_of: Callable[[str], tuple[str, str]],
        noise: float = 0.0,
    ) -> None:
        """Take joint names and the control rate from the robot's table.

        Args:
            simulator: Where it acts; its truth is read, nothing is written.
            objects_of: Tells the names of cube and pad from an instruction.
            noise: Standard deviation of the pulses that push the tip aside in half of the
                episodes. [m]
        """
        self._simulator, self._objects_of, self._noise = simulator, objects_of, noise
        robot = simulator.spec
        self.robot = robot.name
        joints, wide = robot.joint_names, np.dtype(np.float64)
        measured = tuple(f"{joint}.pos" for joint in joints)
        state = ArraySpec(STATE, (len(joints),), wide, "rad", measured)
        self.observation_spec = ObservationSpec({STATE: state}, needs_task=True)
        action = ArraySpec("action", (len(joints),), wide, "rad", joints)
        self.action_spec = ActionSpec(
            ActionKind.JOINT_POSITION, action, dt=1.0 / robot.control_rate, horizon=1
        )
        self.intended = robot.default
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Forget the episode and draw its pushes."""
        rng = np.random.default_rng([seed, 1])
        noisy = self._noise > 0.0 and rng.random() < NOISY_SHARE
        self._pulses = pulses(rng, self._noise if noisy else 0.0)
        self._motion: PlaceMotion | None = None
        self._step = 0

    def act(self, observation: Observation) -> ActionChunk:
        """Return one row. Shape (1, 6). [rad]."""
        self.observation_spec.validate(observation)
        state = self._simulator.read()
        if self._motion is None:
            names = self._objects_of(str(observation[TASK]))
            self._motion = PlaceMotion(self._simulator.spec, state, *names)
        push = self._pulses[min(self._step, len(self._pulses) - 1)]
        self.intended, pushed = self._motion.step(state, push)
        self._step += 1
        spec = self.action_spec
        return ActionChunk(observation.stamp, spec.dt, pushed[None], spec.array.names, spec.kind)

    def close(self) -> None:
        """Nothing is held open; the simulator is its owner's."""


class PlaceMotion:
    """Fetches one cube and puts it on one pad: the phases, and the reference that is followed."""

    def __init__(self, robot: RobotSpec, state: RobotState, cube: str, pad: str) -> None:
        """Begin where the arm is.

        Args:
            robot: The SO-101's table.
            state: The first one.
            cube: Name of the cube.
            pad: Name of the pad.
        """
        self._robot, self._reach, self._rate = robot, Reach(robot), robot.control_rate
        self._cube, self._pad = f"object.{cube}", f"object.{pad}"
        self._contact = f"robot_contact.{cube}"
        self._tip = state.truth["end_effector"][:3].copy()  # reference
        self._velocity = np.zeros(3)  # of the reference, per control step
        self._roll, self._jaw = state.joint_position[4], state.joint_position[5]
        self._fastest = SHARE * robot.velocity / self._rate  # per control step
        self._steepest = SHARE * robot.acceleration / self._rate**2
        self._joints, self._moved = state.joint_position.copy(), np.zeros(len(robot.joints))
        self._carry = np.zeros(2)
        self.phase, self._clock = "above", 0

    def step(self, state: RobotState, push: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Move the reference on by one control step.

        Args:
            state: What there is now.
            push: Displacement x, y, z [m] and roll [rad] of what is done against what is meant.

        Returns:
            Joint targets as meant and with the push. Shape (6,) each. [rad]
        """
        self._clock += 1
        getattr(self, f"_{self.phase}")(state)
        if self._clock > PATIENCE:
            self._next("above")
        meant = np.append(self._reach.joints(self._tip, self._roll), self._jaw)
        return meant, self._pushed(meant, push)

    def _pushed(self, meant: np.ndarray, push: np.ndarray) -> np.ndarray:
        """Return what is done instead: the tip aside, but no faster than the joints may go."""
        share = np.clip((self._tip[2] - NOISE_LOW) / (NOISE_FULL - NOISE_LOW), 0.0, 1.0)
        tip = self._tip + share * push[:3]
        tip[2] = max(tip[2], min(self._tip[2], NOISE_FLOOR))
        aside = self._reach.joints(tip, self._roll + share * push[3]) - meant[:5]
        step = meant + np.append(aside, 0.0) - self._joints
        step = self._moved + _within(step - self._moved, self._steepest)
        self._moved = _within(step, self._fastest)
        self._joints = np.clip(self._joints + self._moved, self._robot.lower, self._robot.upper)
        return self._joints

    def _above(self, state: RobotState) -> None:
        self._jaw = min(OPEN, self._jaw + JAW_STEP)
        if self._go(state, self._over_cube(state, HOVER), self._grasp_roll(state)):
            self._next("down")

    def _down(self, state: RobotState) -> None:
        if self._go(state, self._over_cube(state, GRASP), self._grasp_roll(state)):
            self._next("close")

    def _close(self, state: RobotState) -> None:
        self._jaw = max(CLOSED, self._jaw - JAW_STEP)
        if self._clock > 5 and abs(state.joint_velocity[5]) < STALLED:
            self._next("lift")

    def _lift(self, state: RobotState) -> None:
        if self._go(state, np.append(self._tip[:2], HOVER), self._roll):
            # The closing jaw has pushed the cube across to the other one.
            turn = state.truth["end_effector"][:2] - state.truth[self._cube][:2]
            self._carry = _rotation(-self._heading(state)) @ turn
            lost = np.linalg.norm(turn) > LOST or state.truth[self._cube][2] < HOVER / 2.0
            self._next("above" if lost else "over")

    def _over(self, state: RobotState) -> None:
        if state.truth[self._cube][2] < HOVER / 2.0:
            self._next("above")
        elif self._go(state, self._over_pad(state, HOVER), self._roll):
            self._next("lower")

    def _lower(self, state: RobotState) -> None:
        if self._go(state, self._over_pad(state, GRASP + DROP), self._roll):
            self._next("open")

    def _open(self, state: RobotState) -> None:
        self._jaw = min(OPEN, self._jaw + JAW_STEP)
        if self._clock > 3 and (state.truth[self._contact][0] < TOUCH or self._jaw == OPEN):
            self._next("retreat")

    def _retreat(self, state: RobotState) -> None:
        self._jaw = min(OPEN, self._jaw + JAW_STEP)
        if self._go(state, np.append(self._tip[:2], HOVER), self._roll):
            self._clock = 0  # nothing is left to do; the task decides whether it is done

    def _next(self, phase: str) -> None:
        self.phase, self._clock = phase, 0

    def _over_cube(self, state: RobotState, height: float) -> np.ndarray:
        return np.append(state.truth[self._cube][:2], height)

    def _over_pad(self, state: RobotState, height: float) -> np.ndarray:
        """Return where the tip has to be for the cube to be over the pad's centre."""
        pad = state.truth[self._pad][:2]
        heading = np.arctan2(pad[1], pad[0]) - self._roll
        return np.append(pad + _rotation(heading) @ self._carry, height)

    def _heading(self, state: RobotState) -> float:
        return state.joint_position[0] - state.joint_position[4]

    def _grasp_roll(self, state: RobotState) -> float:
        """Return the wrist's roll that squares the jaws with the cube, a quarter turn or less."""
        pose = state.truth[self._cube]
        ahead = matrix(pose[3:])[:, 0]
        turn = np.arctan2(ahead[1], ahead[0]) - np.arctan2(pose[1], pose[0])
        return -((turn + np.pi / 4.0) % (np.pi / 2.0) - np.pi / 4.0)

    def _go(self, state: RobotState, goal: np.ndarray, roll: float) -> bool:
        """Move the reference towards a goal; return whether reference and tip are there."""
        step = EASING * (goal - self._tip)
        step *= min(1.0, SPEED[self.phase] / self._rate / max(np.linalg.norm(step), 1e-9))
        change = step - self._velocity
        change *= min(1.0, SPEED_CHANGE / max(np.linalg.norm(change), 1e-9))
        self._velocity = self._velocity + change
        here = self._reach.joints(self._tip, self._roll)
        there = self._reach.joints(self._tip + self._velocity, self._roll)
        slower = _within(there - here, self._fastest[:5])
        self._velocity *= np.linalg.norm(slower) / max(np.linalg.norm(there - here), 1e-9)
        self._tip = self._tip + self._velocity
        self._roll += np.clip(EASING * (roll - self._roll), -ROLL_STEP, ROLL_STEP)
        far = np.linalg.norm(state.truth["end_effector"][:3] - goal)
        return bool(np.linalg.norm(goal - self._tip) < ARRIVED and far < FOLLOWED)


def pulses(rng: np.random.Generator, noise: float, steps: int = 300) -> np.ndarray:
    """Draw smooth pushes of random size with pauses between them.

    Args:
        rng: Source of randomness.
        noise: Standard deviation of a push at its peak. [m]
        steps: Control steps.

    Returns:
        Displacement x, y, z [m] and roll [rad]. Shape (steps, 4).
    """
    pushes = np.zeros((steps, 4))
    begin = int(rng.integers(3, 12))
    while begin < steps:
        length = int(rng.integers(10, 19))
        bump = np.sin(np.linspace(0.0, np.pi, length + 2)[1:-1]) ** 2
        size = noise * np.clip(rng.normal(size=4), -2.0, 2.0) * [1.0, 1.0, 1.0, ROLL_NOISE]
        pushes[begin : begin + length] = (bump[:, None] * size)[: steps - begin]
        begin += length + int(rng.integers(4, 16))
    return pushes


def _within(values: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Return values scaled down together until each is within its limit."""
    return values * min(1.0, 1.0 / max((np.abs(values) / limits).max(), 1e-9))


def _rotation(angle: float) -> np.ndarray:
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, -sine], [sine, cosine]])
