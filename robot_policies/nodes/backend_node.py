"""The robot's node: whatever moves, behind the safety gate. Activating it starts a trial."""

from dataclasses import replace

from robot_policies.control.records import Ending
from robot_policies.interface import ActionChunk, ContractError, RobotPoliciesError
from robot_policies.nodes.chunk_intake import ChunkIntake, Unfit
from robot_policies.nodes.clock_comparison import ClockAnswers
from robot_policies.nodes.graph_node import GraphNode, NotYet, one_line, reported
from robot_policies.nodes.lifetime import FAULT
from robot_policies.nodes.operator_services import OperatorServices
from robot_policies.nodes.policy_report import PolicyReport
from robot_policies.nodes.priority import raise_priority
from robot_policies.nodes.process import run
from robot_policies.nodes.robot_publishers import RobotPublishers
from robot_policies.nodes.senders import full_name
from robot_policies.nodes.trial import TrialRun
from robot_policies.nodes.trial_settings import ROBOT, SETTINGS

REPORT_PERIOD = 1.0  # s; a change of level is reported at once


class BackendNode(GraphNode):
    """Measures and publishes at the control rate, acts on each chunk when it comes."""

    def __init__(self) -> None:
        """Declare settings and services."""
        super().__init__("backend", SETTINGS)
        self._trial: TrialRun | None = None
        self._chunks: ChunkIntake | None = None
        self._clock_answers: ClockAnswers | None = None
        self._moving = self._stopping = False
        self._ending, self._reason = Ending.INTERRUPTED, ""
        self._told = set[str]()  # faults of this trial
        OperatorServices(
            self,
            lambda: self._trial and self._trial.loop,
            lambda decision: self._robot_publishers.decided(decision),
        )

    @reported
    def on_configure(self) -> None:
        """Make robot, task and backend by name, connect, exercise everything; nothing moves."""
        settings = self.settings()
        clocks = self.time.of_driver(settings["backend"])
        self.time.require()
        self.get_logger().info("making the robot ready")
        policy = full_name(self.get_namespace(), settings["nodes"][1])
        nodes = self.get_fully_qualified_name(), policy
        self._trial = trial = TrialRun(settings, self.now(), clocks, nodes)
        self.hardware = f"{trial.loop.robot.name} on {settings['backend']}"
        far = settings["only"] == ROBOT
        self._clock_answers = ClockAnswers(self) if far else None
        self._robot_publishers = RobotPublishers(self, trial, policy, far=far)
        self._robot_publishers.rehearse()
        if trial.makes_bag:
            self._robot_publishers.await_listeners()
        self._policy_report = PolicyReport(self, policy)
        trial.policy_figures = self._policy_report.figures
        self._chunks = ChunkIntake(self, trial.loop.action, policy, self._on_chunk, self._refuse)
        raise_priority(settings["realtime"])

    @reported
    def on_activate(self) -> None:
        """Start the clocks of the trial that was prepared."""
        assert self._trial
        self._trial.start(self.now())
        self._moving, self._ending, self._told = True, Ending.INTERRUPTED, set()
        self.every(self._trial.loop.period, self._tick)
        self.every(REPORT_PERIOD, self._report)

    @reported
    def on_deactivate(self) -> None:
        """Stop the robot and write down how the trial went."""
        if self._begin_stop(Ending.INTERRUPTED, "deactivated"):
            raise NotYet("the robot comes to rest first")
        self._stop(Ending.INTERRUPTED, "deactivated")
        if self._trial:
            self._trial.end(self._ending, self._reason)
            self._report_faults(self._trial)

    @reported
    def on_cleanup(self) -> None:
        """Let go of the robot."""
        self.release()

    def interrupt(self) -> bool:
        """Let the robot come to rest; return whether it still does."""
        return self._begin_stop(Ending.INTERRUPTED, "the node was interrupted")

    def release(self) -> None:
        """Stop the robot, write down what there is, and let go."""
        self._stop(Ending.INTERRUPTED, "the node was shut down")
        trial, self._trial = self._trial, None
        if self._chunks:
            self._chunks.close()
            self._chunks = None
        if trial:
            self._robot_publishers.close()
            self._policy_report.close()
            if self._clock_answers:
                self._clock_answers.close()
            trial.end(self._ending, self._reason)
            trial.close()
            self._report_faults(trial)

    def _report(self) -> None:
        self._robot_publishers.report()
        self._policy_report.poll()

    def _report_faults(self, trial: TrialRun) -> None:
        for line in trial.faults:
            if line not in self._told:
                self.status = FAULT
                self._told.add(line)
                self.get_logger().error(line)

    def _tick(self) -> None:
        if self._trial is None or self._chunks is None:
            return
        try:
            if self._trial.advance():
                now = self.now()
                self._trial.measure(now, self._robot_publishers.wants_pictures(now))
                self._robot_publishers.measured()
                self._robot_publishers.decided(self._trial.decide(self.now()))
            self._chunks.next_slot()
            if (over := self._trial.over()) and not self._stopping:
                self._begin_stop(Ending.HORIZON, over)
            if self._stopping or not self._moving:
                self._await_rest()
        except Exception as error:  # whatever it is, the robot must not go on
            self._fail(error)

    def _on_chunk(self, chunk: ActionChunk) -> None:
        if self._trial is None or not self._moving:
            return
        loop = self._trial.loop
        chunk = replace(chunk, stamp=self.time.from_ros(chunk.stamp))
        try:
            if decision := loop.accept(chunk, self.now()):
                loop.handed_over(decision, self.now())
                self._robot_publishers.decided(decision)
        except ContractError as error:
            self._refuse(Unfit.MISMATCHED, str(error))
        except RobotPoliciesError as error:
            self._fail(error)

    def _refuse(self, reason: Unfit, text: str) -> None:
        if self._trial:
            self._trial.loop.counts.refused[reason] += 1
        self.get_logger().error(f"chunk refused: {text}", throttle_duration_sec=1.0)

    def _fail(self, error: Exception) -> None:
        """Give up: the robot is stopped, and `bringup` sees the node unconfigured."""
        self._stop(Ending.FAULT, one_line(error))
        self.get_logger().error(f"trial broken off: {self._reason}")
        self.trigger_deactivate()
        self.trigger_cleanup()

    def _stop(self, ending: Ending, reason: str) -> None:
        self.stop_clocks()
        if self._moving:
            self._ending, self._reason = ending, reason
        if (self._moving or self._stopping) and self._trial:
            self._trial.loop.backend.stop(reason)
        self._moving = self._stopping = False

    def _begin_stop(self, ending: Ending, reason: str) -> bool:
        """Let the robot come to rest while the loop goes on; return whether that takes time."""
        if self._moving and self._trial:
            self._moving, self._ending, self._reason = False, ending, reason
            self._trial.loop.begin_stop(reason, self.now())
            self._stopping = True
        return self._stopping and self._trial is not None and self._trial.loop.stopping(self.now())

    def _await_rest(self) -> None:
        """Stop the robot for good once it has come to rest, and write down how the trial went."""
        assert self._trial
        if self._trial.loop.stopping(self.now()):
            return
        self._stop(self._ending, self._reason)
        # Closing a recording takes seconds, and silence would read as death.
        self._trial.end_beside(self._ending, self._reason)
        self.every(self._trial.loop.period, self._await_end)

    def _await_end(self) -> None:
        if self._trial and self._trial.ended:
            self.trigger_deactivate()


def main() -> None:
    """Run the node."""
    run(BackendNode)


if __name__ == "__main__":
    main()
