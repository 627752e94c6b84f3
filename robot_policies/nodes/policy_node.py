"""The policy's node: streams in, chunks out. Configure loads the weights, activate acts."""

import time
from dataclasses import replace
from typing import Any

import numpy as np

from robot_policies.control.history import History
from robot_policies.control.inference import QUICK, InferenceWorker
from robot_policies.control.pacing import Pacing, require_fresh
from robot_policies.control.warm_up import answer_time, choose_threads
from robot_policies.interface import ActionChunk, ConfigError, Observation, Policy
from robot_policies.nodes.chunks import chunk_type, decode_chunk, encode_chunk
from robot_policies.nodes.clock_comparison import ClockComparison
from robot_policies.nodes.graph_node import ERROR, OK, GraphNode, one_line, reported
from robot_policies.nodes.policy_subscriptions import PolicySubscriptions
from robot_policies.nodes.process import run
from robot_policies.nodes.qos import CHUNKS
from robot_policies.nodes.senders import full_name
from robot_policies.nodes.settings import Setting
from robot_policies.nodes.skills import SkillParameters
from robot_policies.nodes.trial_settings import (
    NAMED,
    POLICY,
    by_name,
    contract_file,
    executor_mode,
    limits_of,
)
from robot_policies.policies.catalog import set_threads
from robot_policies.session import join

AUTO = "auto"
SETTINGS: dict[str, Setting] = {
    **NAMED,
    "device": Setting("cpu", "cpu, cuda, cuda:1, mps; auto: a GPU where there is one"),
    "dtype": Setting(AUTO, "what it computes in: float32, bfloat16, float16; auto: as trained"),
    "base": Setting("", "policy that an adapter of lerobot-train --peft is added to"),
    "threads": Setting(AUTO, "torch threads; auto: as many as answer soonest"),
}
REPORT_PERIOD = 1.0  # s; what is new is reported at once


class PolicyNode(GraphNode):
    """Acts on joint states as they come, no more often than its executor needs."""

    def __init__(self) -> None:
        """Declare the settings."""
        super().__init__("policy", SETTINGS)
        self._skills = SkillParameters(self)
        self._worker: InferenceWorker | None = None
        self._chunks: Any = None
        self._streams: PolicySubscriptions | None = None
        self._comparison: ClockComparison | None = None
        self._active = False
        self._status, self._noted = (OK, ""), 0.0

    @reported
    def on_configure(self) -> None:
        """Load the policy, refuse it if it does not fit the robot, and warm it up."""
        settings = self.settings()
        self.time.require()
        session = join(
            settings["policy"],
            by_name(settings),
            settings["device"],
            settings["dtype"],
            contract_file(settings),
            settings["base"] or None,
            settings["gains"],
        )
        session.report().require()
        policy, robot, backend = session.policy, session.robot, session.backend
        task = session.stage.task
        self._policy, self._seed = policy, settings["seed"]
        self._skills.attach(policy)
        mode = executor_mode(settings) or policy.action_spec.executor
        needs, action = policy.observation_spec, policy.action_spec
        self._pacing = Pacing(action, mode, robot.control_rate, needs.steps)
        self._history = History(needs, action, robot.control_rate)
        self._warm_up(policy, settings["threads"])
        limit = limits_of(robot, settings).plan_age
        require_fresh(self._pacing, robot, limit)
        rests = "; the robot rests while it answers" if self._pacing.waits else ""
        self.get_logger().info(
            f"answers in {1e3 * self._pacing.answer:.2g} ms, plans become at most "
            f"{self._pacing.plan_age:.2f} s old, {limit:g} s are allowed{rests}"
        )
        topic, message = chunk_type(policy.action_spec.kind)
        self._chunks = self.create_publisher(message, topic, CHUNKS)
        quick = max(QUICK, 0.5 / robot.control_rate)  # half of the time between observations
        self._worker = InferenceWorker(
            policy, self._deliver, self._fail, time.perf_counter, quick, self._pacing.answer
        )
        node = full_name(self.get_namespace(), settings["nodes"][0])
        told = (self._due, self._take, self._note)
        far = settings["only"] == POLICY
        if far and not self.time.simulated:
            self._comparison = ClockComparison(self, node)
            self._comparison.compare()
        self._streams = PolicySubscriptions(self, needs, backend, task, node, *told, far=far)

    @reported
    def on_activate(self) -> None:
        """Begin an episode."""
        assert self._worker
        assert self._streams
        self._worker.reset(self._seed)
        self._pacing.reset()
        self._history.reset()
        self._streams.want_pictures(0.0)
        self._active = True

    @reported
    def on_deactivate(self) -> None:
        """Stop acting; the robot then holds."""
        self._active = False

    @reported
    def on_cleanup(self) -> None:
        """Forget the policy."""
        self.release()

    def release(self) -> None:
        """Stop acting and let go of the policy."""
        self._active = False
        worker, streams, clock = self._worker, self._streams, self._comparison
        chunks, self._chunks = self._chunks, None
        self._worker = self._streams = self._comparison = None
        self._skills.detach()
        if clock:
            clock.close()
        if streams:
            streams.close()
        if worker:
            worker.close()
            self._policy.close()
        if chunks:
            self.destroy_publisher(chunks)

    def _warm_up(self, policy: Policy, threads: Any) -> None:
        """Let the policy answer a few times; choose its threads; find out what an answer takes."""

        def measure() -> float:
            policy.reset(self._seed)
            return answer_time(policy, self._seed, time.perf_counter)

        if threads == AUTO:
            number, took = choose_threads(measure, set_threads)
        else:
            number = _whole(threads)
            set_threads(number)
            took = measure()
        self._pacing.answered(-np.inf, took)
        policy.reset(self._seed)
        chunk = policy.act(policy.observation_spec.example(np.random.default_rng(self._seed)))
        decode_chunk(encode_chunk(chunk))
        self.get_logger().info(f"{number} torch thread{'s' if number > 1 else ''}")

    @property
    def _next_due(self) -> float:
        return min(self._pacing.next_due, self._history.next_due)

    def _due(self, stamp: float) -> bool:
        return self._active and (self._pacing.due(stamp) or self._history.due(stamp))

    def _take(self, observation: Observation) -> None:
        if self._active and self._worker and self._streams:
            observation = self._history.extend(observation)
            if asks := self._pacing.due(observation.stamp):
                self._pacing.asked(observation.stamp)
            self._streams.want_pictures(self._next_due)
            if asks:
                self._worker.submit(observation)

    def _deliver(self, chunk: ActionChunk, took: float) -> None:
        if self._active and self._streams:
            stamp = self.time.to_ros(chunk.stamp)
            self._chunks.publish(encode_chunk(replace(chunk, stamp=stamp)))
            self._skills.publish()
            self._pacing.answered(self.now(), took)
            self._streams.want_pictures(self._next_due)
        self._note(OK, "acting")

    def _fail(self, error: Exception) -> None:
        self._note(ERROR, f"inference failed: {one_line(error)}")

    def _note(self, level: bytes, text: str) -> None:
        """Report at once what is new, and at a low rate what stays."""
        since = self.now() - self._noted  # below zero if `/clock` was set back
        if (level, text) == self._status and 0.0 <= since < REPORT_PERIOD:
            return
        self._status, self._noted = (level, text), self.now()
        if level != OK:
            self.get_logger().warning(text, throttle_duration_sec=REPORT_PERIOD)
        times = 1e3 * np.array(self._pacing.times)
        p50, p99 = np.percentile(times, (50, 99)) if len(times) else (np.nan, np.nan)
        heard = self._streams.figures if self._streams else {}
        self.diagnose(level, text, {"inference_p50_ms": p50, "inference_p99_ms": p99, **heard})


def _whole(threads: Any) -> int:
    try:
        number = int(threads)
    except ValueError:
        number = 0
    if number < 1:
        raise ConfigError(f"threads '{threads}': expected a number of at least 1, or {AUTO}")
    return number


def main() -> None:
    """Run the node."""
    run(PolicyNode, hasty=True)


if __name__ == "__main__":
    main()
