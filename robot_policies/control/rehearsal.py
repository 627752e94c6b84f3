"""A few control steps that reach no robot, so that the first real one takes no longer."""

import numpy as np

from robot_policies.control.loop import ControlLoop
from robot_policies.control.results import figures_of
from robot_policies.interface import ActionChunk, Command, RobotState

STEPS = 20


class _Echo:
    """Stands for a backend: always in one state, whatever is written."""

    def __init__(self, loop: ControlLoop, state: RobotState) -> None:
        backend = loop.backend
        self.spec, self.provides, self.accepts = backend.spec, backend.provides, backend.accepts
        self._state = state

    def connect(self) -> None:
        """Nothing to open."""

    def read(self, pictures: bool = True) -> RobotState:
        """Return the state."""
        return self._state

    def write(self, command: Command) -> Command:
        """Send nothing."""
        return command

    def stop(self, reason: str) -> None:
        """Nothing moves."""

    def close(self) -> None:
        """Nothing is open."""


def rehearse(loop: ControlLoop, state: RobotState, now: float) -> None:
    """Run the code of a control loop on a measurement, without its robot.

    Args:
        loop: The loop; it is not changed.
        state: A measurement of its robot.
        now: Time. [s]
    """
    action = loop.action
    double = ControlLoop(_Echo(loop, state), action, loop.mode)
    double.begin(None, now)
    rows = np.zeros((action.horizon, len(action.array.names)))
    for k in range(STEPS):
        moment = now + k * loop.period
        double.measure(moment)
        double.decide(moment)
        chunk = ActionChunk(moment, action.dt, rows, action.array.names, action.kind)
        double.accept(chunk, moment)
        double.settle()
    figures_of(double)
