"""The robot's node: whatever moves, behind the safety gate. Activating it starts a trial."""

from typing import Any

from robot_policies.interface import ActionKind, ContractError, RobotPoliciesError
from robot_policies.nodes.chunks import chunk_type, decode_chunk
from robot_policies.nodes.graph_node import COMMAND, GraphNode, one_line, reported, run
from robot_policies.nodes.operator_services import OperatorServices
from robot_policies.nodes.outlet import Outlet
from robot_policies.nodes.trial import SETTINGS, TrialRun

REPORT_PERIOD = 1.0  # s; a change of level is reported at once


class BackendNode(GraphNode):
    """Measures and publishes at the control rate, acts on each chunk when it comes."""

    def __init__(self) -> None:
        """Declare settings and services, and listen for chunks."""
        super().__init__("backend", SETTINGS)
        self._trial: TrialRun | None = None
        self._moving, self._reason = False, ""
        OperatorServices(
            self,
            lambda: self._trial and self._trial.loop,
            lambda decision: self._outlet.decided(decision),
        )
        for kind in (ActionKind.JOINT_POSITION, ActionKind.CARTESIAN_DELTA):
            topic, message = chunk_type(kind)
            self.create_subscription(message, topic, self._on_chunk, COMMAND)

    @reported
    def on_configure(self) -> None:
        """Make robot, task and backend by name and connect; nothing moves."""
        self._trial = TrialRun(self.settings(), self.now)
        self._outlet = Outlet(self, self._trial.loop)

    @reported
    def on_activate(self) -> None:
        """Put a simulator in the task's initial state and begin."""
        assert self._trial
        self._trial.start()
        self._moving = True
        self.every(self._trial.loop.period, self._tick)
        self.every(REPORT_PERIOD, self._outlet.report)

    @reported
    def on_deactivate(self) -> None:
        """Stop the robot and write down how the trial went."""
        self._stop("deactivated")
        if self._trial:
            self._trial.end(self._reason)

    @reported
    def on_cleanup(self) -> None:
        """Let go of the robot."""
        self.release()

    def release(self) -> None:
        """Stop the robot, write down what there is, and let go."""
        self._stop("the node was shut down")
        trial, self._trial = self._trial, None
        if trial:
            self._outlet.close()
            trial.close()
            trial.end(self._reason)

    def _tick(self) -> None:
        if self._trial is None:
            return
        try:
            if state := self._trial.measure():
                self._outlet.measured(state, self._trial.loop.goal())
                self._outlet.decided(self._trial.loop.command())
            if over := self._trial.over():
                self._stop(over)
                # Closing a recording takes seconds, and silence would read as death.
                self._trial.end_beside(over)
                self.every(self._trial.loop.period, self._await_end)
        except Exception as error:  # whatever it is, the robot must not go on
            self._fail(error)

    def _on_chunk(self, message: Any) -> None:
        if self._trial is None or not self._moving:
            return
        try:
            if decision := self._trial.loop.accept(decode_chunk(message)):
                self._outlet.decided(decision)
        except ContractError as error:
            self._trial.loop.refused["malformed"] += 1
            self.get_logger().error(f"chunk refused: {error}", throttle_duration_sec=1.0)
        except RobotPoliciesError as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """Give up: the robot is stopped, and `bringup` sees the node unconfigured."""
        self._stop(one_line(error))
        self.get_logger().error(f"trial broken off: {self._reason}")
        self.trigger_deactivate()
        self.trigger_cleanup()

    def _stop(self, reason: str) -> None:
        self.stop_clocks()
        moving, self._moving = self._moving, False
        if moving and self._trial:
            self._reason = reason
            self._trial.loop.backend.stop(reason)

    def _await_end(self) -> None:
        if self._trial and self._trial.ended:
            self.trigger_deactivate()


def main() -> None:
    """Run the node."""
    run(BackendNode)


if __name__ == "__main__":
    main()
