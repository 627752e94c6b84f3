"""One episode in one process, without ROS: the control loop, and a policy at the end of a channel.

On a simulator it runs in logical time: the same seed gives the same bytes, delays included.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from robot_policies.control.history import History
from robot_policies.control.legged import LeggedRobot
from robot_policies.control.loop import ControlLoop
from robot_policies.control.observation_buffer import ObservationBuffer
from robot_policies.control.pacing import Pacing, require_fresh
from robot_policies.control.records import Ending, EpisodeResult, Observer
from robot_policies.control.results import result_of
from robot_policies.control.safety_limits import SafetyLimits
from robot_policies.control.timing import (
    Clock,
    LogicalClock,
    NetworkChannel,
    NetworkModel,
    WallClock,
)
from robot_policies.interface import (
    ActionChunk,
    ConfigError,
    ContractError,
    ExecutorMode,
    Observation,
    Policy,
    RobotBackend,
    RobotState,
    Simulator,
    StaleObservation,
    Task,
    offered,
)
from robot_policies.interface.compatibility import check_compatible
from robot_policies.interface.errors import ImplausibleState, RecordingEnded
from robot_policies.interface.observation import is_picture

EARLY = 1e-9  # s; room for floating-point time
AFTERMATH = 1.0  # s; how long an episode goes on after a latched stop, for the task to judge it


def run_episode(
    backend: RobotBackend,
    policy: Policy,
    task: Task,
    *,
    seed: int,
    clock: Clock | None = None,
    initial: Mapping[str, Any] | None = None,
    network: NetworkModel | NetworkChannel | None = None,
    executor: ExecutorMode | None = None,
    limits: SafetyLimits | None = None,
    observers: Sequence[Observer] = (),
) -> EpisodeResult:
    """Run one trial of a task.

    Args:
        backend: A connected backend; a simulator is reset, anything else taken as it is.
        policy: The policy; it is reset.
        task: The task.
        seed: Seeds simulator, policy and network.
        clock: `LogicalClock` for a simulator and `WallClock` for anything else by default.
        initial: Initial condition; by default the task draws it from the seed.
        network: Delay, jitter and loss between observation and answer, or what carries them;
            none by default.
        executor: How chunks are merged; by default as the policy means it.
        limits: Limits of the operation; by default those of the robot's class.
        observers: Told of every step.

    Raises:
        ContractError: If the policy does not fit the robot; nothing has moved then.
        ConfigError: If the robot waits for a person to make it stand and walk.
    """
    if isinstance(backend, LeggedRobot):
        raise ConfigError(
            f"'{backend.spec.name}' waits for a person to make it stand and walk; an episode has "
            "none: use `robot-policies launch`"
        )
    check_compatible(policy, backend.spec, backend, task).require()
    limits = limits or SafetyLimits.of(backend.spec, task=task)
    loop = ControlLoop(backend, policy.action_spec, executor, limits)
    if not isinstance(network, NetworkChannel):
        network = NetworkChannel(network or NetworkModel(), seed)
    asking = _Asking(backend, policy, loop, network)
    require_fresh(asking.pacing, backend.spec, limits.plan_age)
    initial = task.initial(seed) if initial is None else initial
    simulated = isinstance(backend, Simulator)
    if simulated:
        backend.reset(seed, initial)
    clock = clock or (LogicalClock if simulated else WallClock)(loop.period)
    policy.reset(seed)
    for observer in observers:
        observer.begin(backend.spec, policy, task, initial)
    trial, start, seen = task.start(initial), clock.now(), bool(observers)
    loop.begin(trial, start)
    ending, reason, tripped = Ending.HORIZON, "", float("inf")
    try:
        while (elapsed := clock.now() - start) < task.horizon - EARLY:
            if elapsed - tripped >= AFTERMATH:
                break
            now = clock.now()
            asking.deliver(now)  # who is asked knows what has come
            state = loop.measure(now, pictures=seen or asking.due(now))
            observation, chunk = asking.ask(state, now)
            now = clock.now()
            asking.deliver(now)
            loop.handed_over(loop.decide(now), now)
            record = loop.settle()
            assert record is not None
            for observer in observers:
                observer.step(replace(record, observation=observation, chunk=chunk))
            tripped = min(tripped, elapsed) if loop.latched else tripped
            if loop.decided:
                break
            try:
                loop.advance()
            except RecordingEnded:
                ending = Ending.RECORDING
                break
            clock.tick()
    except BaseException as error:
        ending, reason = Ending.FAULT, f"{type(error).__name__}: {error}"
        raise
    finally:
        result = result_of(
            loop,
            ending,
            reason,
            policy=policy.name,
            task=task.name,
            seed=seed,
            initial=initial,
            duration=clock.now() - start,
            stale=asking.stale,
        )
        if result.reason:
            backend.stop(result.reason)
        for observer in observers:
            observer.end(result)
    return result


class _Asking:
    """The policy's side: streams to observations to chunks, and what the network makes of it."""

    def __init__(
        self, backend: RobotBackend, policy: Policy, loop: ControlLoop, channel: NetworkChannel
    ) -> None:
        needs, action = policy.observation_spec, policy.action_spec
        rate = backend.spec.control_rate
        self.pacing = Pacing(action, loop.mode, rate, needs.steps)
        self._history = History(needs, action, rate)
        self.stale, self._answered = 0, False
        self._policy, self._loop, self._channel = policy, loop, channel
        self._buffer = ObservationBuffer(needs, offered(backend), robot=backend.spec)
        self._sees = any(is_picture(name) for name in needs)
        if channel.inference:
            self.pacing.answered(float("-inf"), channel.inference)

    def due(self, now: float) -> bool:
        """Return whether pictures of this moment would be used."""
        return self._sees and (self._asks(now) or self._history.due(now))

    def _asks(self, now: float) -> bool:
        return self.pacing.due(now) and self._channel.ready(now)

    def ask(self, state: RobotState, now: float) -> tuple[Observation | None, ActionChunk | None]:
        """Show the policy what there is, if it is to be asked now."""
        for feature, value in self._loop.goal.items():
            try:
                self._buffer.push(feature, value, now)
            except ContractError:  # as the policy's node does; the goal before stays
                self.stale += 1
        try:
            self._buffer.push_state(state)
        except ImplausibleState:
            self.stale += 1
            return None, None
        asks = self._asks(now)
        if not (asks or self._history.due(now)):
            return None, None
        try:
            observation = self._history.extend(self._buffer.snapshot(now))
        except StaleObservation:
            self.stale += 1
            return None, None
        if not asks or self._channel.loses():
            return None, None
        self.pacing.asked(now)
        try:
            chunk = self._policy.act(observation)
        except ImplausibleState:
            if not self._answered:
                raise
            self.stale += 1  # as in the graph: the robot holds, and the policy is asked again
            return observation, None
        self._answered = True
        self._channel.answer(chunk, now)
        return observation, chunk

    def deliver(self, now: float) -> None:
        """Hand over the chunks that have arrived."""
        for chunk in self._channel.arrived(now):
            self._loop.take(chunk, now)
            if self._channel.inference:
                self.pacing.answered(now, self._channel.inference)
