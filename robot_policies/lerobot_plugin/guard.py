"""A robot of LeRobot behind the safety gate: every command is judged, and silence is noticed.

LeRobot's loops observe and act when they come to it, and not at all while a policy computes or an
episode is stored. In between, `watch` measures and holds. Time is passed in.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np

from robot_policies.control.safety import SafetyGate
from robot_policies.control.safety_limits import SafetyLimits
from robot_policies.control.verdict import Level, Verdict
from robot_policies.interface import (
    Action,
    ActionKind,
    BackendError,
    ContractError,
    RobotPoliciesError,
    RobotState,
)
from robot_policies.interface.errors import suggestion
from robot_policies_hardware.lerobot_backend import LerobotBackend

log = logging.getLogger(__name__)


class Guard:
    """One robot; may be asked from several threads."""

    def __init__(self, backend: LerobotBackend, stop_file: Path | None = None) -> None:
        """Take a connected robot.

        Args:
            backend: The robot.
            stop_file: While it exists, the robot is stopped.
        """
        self._backend, self._stop_file = backend, stop_file
        self.period = 1.0 / backend.spec.control_rate
        self._gate = SafetyGate(backend.spec, SafetyLimits.of(backend.spec))
        self._lock, self._state = RLock(), None
        self._told: tuple[Level, str] = Level.HOLD, ""
        self._failure: RobotPoliciesError | None = None

    def look(self, now: float) -> dict[str, Any]:
        """Return LeRobot's observation.

        Args:
            now: Time. [s]

        Raises:
            BackendError: If the robot does not answer, or did not while nobody looked.
        """
        with self._lock:
            self._complain()
            observed = self._backend.observe()
            self._state = self._backend.state(observed, now, pictures=False)
            return observed

    def act(self, action: Mapping[str, float], now: float) -> dict[str, float]:
        """Judge an action and return what was sent, both in LeRobot's units.

        Args:
            action: A target of each motor.
            now: Time. [s]

        Raises:
            ContractError: If it is not one number of each motor.
            BackendError: If the robot does not answer.
        """
        with self._lock:
            self._complain()
            spec = self._backend.spec
            values = self._targets(action)
            wish = Action(values, spec.joint_names, ActionKind.JOINT_POSITION, now)
            sent = self._decide(wish, self._measured(now), now)
            return self._backend.units.action(sent)

    def watch(self, now: float) -> None:
        """Hold, where LeRobot has not looked for a control period; stop, where a file says so.

        Args:
            now: Time. [s]
        """
        with self._lock:
            stopped = self._gate.latched is not None
            if not stopped and self._stop_file and self._stop_file.exists():
                self._gate.trip(f"{self._stop_file} exists", now)
            idle = self._state is None or now - self._state.stamp > self.period
            if self._failure or not (idle or stopped != (self._gate.latched is not None)):
                return
            try:
                self._decide(None, self._measured(now), now)
            except RobotPoliciesError as error:
                self._failure = error
                log.error("%s", error)

    def stop(self, reason: str, now: float) -> None:
        """Stop the robot until it is released.

        Args:
            reason: One line for people.
            now: Time. [s]
        """
        with self._lock:
            self._gate.trip(reason, now)
            self.watch(now)

    def release(self, now: float) -> None:
        """End a stop, unless its cause lasts; the robot holds. Once more, and it follows.

        Args:
            now: Time. [s]
        """
        with self._lock:
            if self._gate.latched is None:
                self._gate.go()
                log.info("gate: follows again")
                return
            if self._stop_file and self._stop_file.exists():
                log.warning("gate: stays stopped: %s exists", self._stop_file)
                return
            try:
                refusal = self._gate.reset(self._measured(now), now)
            except BackendError as error:
                log.warning("gate: stays stopped: %s", error)
                return
            if refusal:
                log.warning("gate: stays stopped: %s", refusal.text)
            else:
                log.info("gate: released, it holds; release it once more, and it follows")

    def _measured(self, now: float) -> RobotState:
        """Return the newest measurement; a new one, if that is older than a control period."""
        if self._state is None or now - self._state.stamp > self.period:
            observed = self._backend.observe(pictures=False)
            self._state = self._backend.state(observed, now, pictures=False)
        return self._state

    def _decide(self, action: Action | None, state: RobotState, now: float) -> np.ndarray:
        verdict = self._gate.check(action, state, now)
        self._tell(verdict)
        return self._backend.write(verdict.command).values

    def _targets(self, action: Mapping[str, float]) -> np.ndarray:
        known = [f"{motor}.pos" for motor in self._backend.units.motors]
        for name in known:
            if name not in action:
                raise ContractError(f"action: '{name}' is missing.{suggestion(name, action)}")
        for name in action:
            if name not in known:
                raise ContractError(f"action: no motor '{name}'.{suggestion(name, known)}")
        return self._backend.units.positions(action)

    def _tell(self, verdict: Verdict) -> None:
        """Say when the gate begins to go otherwise than asked, and why."""
        why = verdict.refusal
        now = verdict.level, why.cause if why else ""
        if now == self._told:
            return
        self._told = now
        if why and verdict.level is not Level.APPROACH:
            log.warning("gate: %s: %s", verdict.level, why.text)
        else:
            log.info("gate: %s%s", verdict.level, f": {why.text}" if why else "")

    def _complain(self) -> None:
        if self._failure:
            raise self._failure
