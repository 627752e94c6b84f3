"""The robot's node: whatever moves, behind the safety gate. Activating it starts a trial."""

from typing import Any

from std_srvs.srv import Trigger

from robot_policies.interface import ActionKind, ContractError, RobotPoliciesError
from robot_policies.nodes.chunks import chunk_type, decode_chunk
from robot_policies.nodes.graph_node import COMMAND, GraphNode, one_line, reported, run
from robot_policies.nodes.outlet import Outlet
from robot_policies.nodes.trial import SETTINGS, TrialRun

REPORT_PERIOD = 1.0  # s; a change of level is reported at once


class BackendNode(GraphNode):
    """Measures and publishes at the control rate, acts on each chunk when it comes."""

    def __init__(self) -> None:
        """Declare settings and services, and listen for chunks."""
        super().__init__("backend", SETTINGS)
        self._trial: TrialRun | None = None
        self._timers_running: list[Any] = []
        self._reason = ""
        self.create_service(Trigger, "~/estop", self._on_estop)
        self.create_service(Trigger, "~/reset_estop", self._on_reset_estop)
        for kind in (ActionKind.JOINT_POSITION, ActionKind.CARTESIAN_DELTA):
            topic, message = chunk_type(kind)
            self.create_subscription(message, topic, self._on_chunk, COMMAND)

    @reported
    def on_configure(self) -> None:
        """Make robot, task and backend by name and connect; nothing moves."""
        self._trial = TrialRun({name: self.setting(name) for name in SETTINGS}, self.now)
        self._outlet = Outlet(self, self._trial.loop)

    @reported
    def on_activate(self) -> None:
        """Put a simulator in the task's initial state and begin."""
        assert self._trial is not None
        self._trial.start()
        self._reason = "deactivated"
        self._timers_running = [
            self.create_timer(self._trial.loop.period, self._tick),
            self.create_timer(REPORT_PERIOD, self._outlet.report),
        ]

    @reported
    def on_deactivate(self) -> None:
        """Stop the robot and write down how the trial went."""
        self._end(self._reason)

    @reported
    def on_cleanup(self) -> None:
        """Let go of the robot."""
        self.release()

    def release(self) -> None:
        """Stop the robot and let go of it."""
        self._end("the node was shut down")
        trial, self._trial = self._trial, None
        if trial:
            self._outlet.close()
            trial.close()

    def _tick(self) -> None:
        if self._trial is None:
            return
        try:
            state = self._trial.measure()
            self._outlet.measured(state, self._trial.loop.goal())
            self._outlet.decided(self._trial.loop.command())
            if reason := self._trial.over():
                self._reason = reason
                self.trigger_deactivate()
        except RobotPoliciesError as error:
            self._fail(error)

    def _on_chunk(self, message: Any) -> None:
        if self._trial is None or not self._timers_running:
            return
        try:
            if decision := self._trial.loop.accept(decode_chunk(message)):
                self._outlet.decided(decision)
        except ContractError as error:
            self._trial.loop.refused["malformed"] += 1
            self.get_logger().error(f"chunk refused: {error}", throttle_duration_sec=1.0)
        except RobotPoliciesError as error:
            self._fail(error)

    def _fail(self, error: RobotPoliciesError) -> None:
        """Give up: the robot is stopped, and `bringup` sees the node unconfigured."""
        self._reason = one_line(error)
        self.get_logger().error(f"trial broken off: {self._reason}")
        self.trigger_deactivate()
        self.trigger_cleanup()

    def _end(self, reason: str) -> None:
        timers, self._timers_running = self._timers_running, []
        for timer in timers:
            self.destroy_timer(timer)
        if timers and self._trial:
            self._trial.end(reason)

    def _on_estop(self, request: Any, response: Trigger.Response) -> Trigger.Response:
        response.success = self._trial is not None
        response.message = "stopped" if self._trial else "there is no robot: not configured"
        if self._trial and (decision := self._trial.loop.emergency_stop("~/estop was called")):
            self._outlet.decided(decision)
        return response

    def _on_reset_estop(self, request: Any, response: Trigger.Response) -> Trigger.Response:
        refusal = self._trial.loop.release() if self._trial else None
        response.success = refusal is None
        response.message = f"stays stopped: {refusal.text}" if refusal else "released"
        return response


def main() -> None:
    """Run the node."""
    run(BackendNode)


if __name__ == "__main__":
    main()
