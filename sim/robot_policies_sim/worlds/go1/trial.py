"""How a walk is judged: where it goes, what it costs, and whether it falls.

A walking trunk sways with every step, so its velocity is first averaged over one stride, and
errors are counted from the end of the start-up on: what is judged is where the robot goes, not how
it sways. Falls and power count from the first moment.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np

from robot_policies.interface import Command, RobotSpec, RobotState
from robot_policies.interface.frames import to_body
from robot_policies.interface.gravity import DOWN, FALL_HEIGHT, has_fallen
from robot_policies.interface.observation import IMU, VELOCITY_COMMAND
from robot_policies_sim.worlds.go1.reward import (
    CONTACT_FORCE,
    FEET,
    GAIT_FREQUENCY,
    WalkStep,
    reward,
)

START_UP = 2.0  # s before errors count: from standing to the commanded speed
STRIDE = 1.0 / GAIT_FREQUENCY  # s, window of the velocity average
TOLERANCE = 0.2  # m/s and rad/s, largest mean error of a successful trial
RISE = 1.0  # s in which a recorded walk may rise from the crouch that it begins in


class Mean:
    """A mean whose values are not kept, since a walk may last for hours.

    Attributes:
        count: Number of values.
    """

    def __init__(self) -> None:
        """Begin without a value."""
        self.count = 0
        self._sum: np.ndarray | float = 0.0

    def add(self, value: np.ndarray | float) -> None:
        """Take one value."""
        self.count += 1
        self._sum = self._sum + value

    @property
    def value(self) -> Any:
        """The mean of at least one value, of its shape."""
        return self._sum / self.count


class Go1WalkTrial:
    """One walk. On a robot without truth only what its sensors tell is measured."""

    def __init__(self, command: np.ndarray, horizon: float, spec: RobotSpec) -> None:
        """Start with nothing seen.

        Args:
            command: Forward, left, turn. Shape (3,). [m/s, m/s, rad/s]
            horizon: Duration. [s]
            spec: The robot.
        """
        self._command, self._horizon, self._spec = command, horizon, spec
        self._foot_radius = next(
            shape.size[0] for link in spec.links for shape in link.shapes if shape.name in FEET
        )
        self._start: float | None = None
        self._elapsed = self._period = 0.0
        self._fallen = self._risen = False
        self._stride: deque[np.ndarray] = deque()
        self._errors, self._rewards, self._power = Mean(), Mean(), Mean()
        self._places, self._distance = 0, 0.0
        self._place = np.zeros(2)
        self._before: RobotState | None = None
        self._targets: deque[np.ndarray] = deque(maxlen=2)

    def goal(self, now: float) -> Mapping[str, np.ndarray | str]:
        """Return the velocity command. Shape (3,). [m/s, m/s, rad/s]"""  # noqa: D415
        return {VELOCITY_COMMAND: self._command.astype(np.float32)}

    def observe(self, state: RobotState, command: Command | None) -> None:
        """Take note of one control step."""
        self._start = state.stamp if self._start is None else self._start
        # A recorded walk is judged by what it was told then.
        self._command = state.truth.get("velocity_command", self._command)
        if self._before is not None:
            self._period = state.stamp - self._before.stamp
        self._elapsed = state.stamp - self._start
        self._judge_fall(state)
        self._judge_velocity(state)
        if state.joint_effort.size:
            self._power.add(np.abs(state.joint_effort * state.joint_velocity).sum())
        if "base_position" in state.truth:
            self._follow(state.truth["base_position"][:2])
        if self._before is not None and len(self._targets) == 2:
            step = self._walk_step(state, self._before)
            if step is not None:
                self._rewards.add(reward(step))
        if command is not None:
            self._targets.append(np.array(command.values))
        self._before = state

    def done(self) -> bool:
        """Return whether the robot fell or the time is up."""
        return self._fallen or self._is_complete()

    def progress(self) -> float:
        """Return the share of the time it stayed up."""
        return min(self._elapsed / self._horizon, 1.0)

    def metrics(self) -> Mapping[str, float]:
        """Return `success`, `fall` and what could be measured.

        `speed_error` is the mean length of (velocity averaged over the last stride - command) in
        the plane [m/s], `yaw_rate_error` the same of the turn [rad/s], both from `START_UP` on;
        `power` the mean of the summed |torque x speed| [W]; `distance` the length of the path,
        sampled once a stride [m].
        """
        measured: dict[str, float] = {"fall": float(self._fallen)}
        if self._errors.count:
            speed, turn = self._errors.value
            measured["yaw_rate_error"] = float(turn)
            if np.isfinite(speed):
                measured["speed_error"] = float(speed)
        if self._rewards.count:
            measured["reward_per_step"] = float(self._rewards.value)
        if self._power.count:
            measured["power"] = float(self._power.value)
        if self._places > 1:
            measured["distance"] = self._distance
        tracked = all(
            measured.get(error, np.inf) <= TOLERANCE for error in ("speed_error", "yaw_rate_error")
        )
        return {"success": float(tracked and self._is_complete() and not self._fallen)} | measured

    def _is_complete(self) -> bool:
        """Return whether the next step would end beyond the horizon."""
        # The last step begins one period before the end.
        return self._period > 0.0 and self._elapsed + 1.5 * self._period > self._horizon

    def _judge_fall(self, state: RobotState) -> None:
        """Note a fall; a recorded walk may begin in a crouch and rise within `RISE`."""
        orientation = state.truth.get("base_orientation", state.features[IMU][:4])
        height = state.truth.get("base_position", np.full(3, np.inf))[2]
        gravity = to_body(orientation, DOWN)
        self._risen |= bool(height >= FALL_HEIGHT)
        rising = not self._risen and self._elapsed < RISE and height < FALL_HEIGHT
        self._fallen |= bool(has_fallen(gravity[2], np.inf if rising else height))

    def _follow(self, place: np.ndarray) -> None:
        """Add the way since the last stride to the distance. Shape (2,). [m]"""  # noqa: D415
        if self._places == 0:
            self._place = place.copy()
        elif self._places % max(1, round(STRIDE / self._period)) == 0:
            self._distance += float(np.linalg.norm(place - self._place))
            self._place = place.copy()
        self._places += 1

    def _judge_velocity(self, state: RobotState) -> None:
        """Note the error of the velocity, averaged over the last stride, from `START_UP` on.

        In the plane it is the length of (mean velocity - command), of the turn its magnitude.
        """
        linear = state.truth.get("base_velocity", np.full(3, np.nan))
        turn = state.truth.get("base_angular_velocity", state.features[IMU][4:7])
        self._stride.append(np.array([linear[0], linear[1], turn[2]]))
        # After a pause longer than a stride the newest measurement is all there is.
        while len(self._stride) > 1 and len(self._stride) * self._period > STRIDE + 1e-9:
            self._stride.popleft()
        if self._elapsed >= START_UP:
            error = np.mean(self._stride, axis=0) - self._command
            self._errors.add(np.array([np.hypot(error[0], error[1]), abs(error[2])]))

    def _walk_step(self, state: RobotState, before: RobotState) -> WalkStep | None:
        """Return the step that ended with this state; `None` where the truth is not known.

        The acceleration of the joints is the difference of their velocities over the period.
        """
        truth, feet = state.truth, [f"position.{foot}" for foot in FEET]
        if self._period <= 0.0 or not {"base_velocity", *feet} <= truth.keys():
            return None
        acceleration = (state.joint_velocity - before.joint_velocity) / self._period
        return WalkStep(
            command=self._command,
            velocity=truth["base_velocity"],
            turn=truth["base_angular_velocity"],
            gravity=to_body(truth["base_orientation"], DOWN),
            height=truth["base_position"][2],
            joint_offset=state.joint_position - self._spec.default,
            joint_velocity=state.joint_velocity,
            joint_acceleration=acceleration,
            torque=state.joint_effort,
            target_change=self._targets[1] - self._targets[0],
            contact=np.array([truth[f"contact.{foot}"][0] > CONTACT_FORCE for foot in FEET]),
            lift=np.array([truth[foot][2] - self._foot_radius for foot in feet]),
            time=np.array(self._elapsed),
        )
