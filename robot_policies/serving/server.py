"""A policy that answers over a WebSocket, as openpi's clients speak.

    server: metadata, once, when a client has connected: what is observed and what is answered
    client: a map of features by name, and if it likes `task` or `prompt`, `stamp` [s], `reset`
    server: `actions` (T, A), `names`, `dt`, `stamp`, `server_timing`; or a text that says why not

One client at a time: what a policy remembers belongs to one robot. A wrong observation is told in
one line, and the connection goes on.
"""

import time
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

import numpy as np
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

from robot_policies.control.history import History
from robot_policies.interface import (
    ArraySpec,
    ContractError,
    Observation,
    Policy,
    RobotPoliciesError,
)
from robot_policies.interface.errors import suggestion
from robot_policies.interface.observation import TASK
from robot_policies.serving.wire import pack, unpack

PROTOCOL = 1
PROMPT, STAMP, RESET = "prompt", "stamp", "reset"  # prompt: what openpi calls an instruction
ROOM = 1 << 16  # bytes of a message beside its arrays
LEAVING = 1.0  # s; a client that has closed is gone by then
DOUBLE = 8  # bytes; an array may come as float64


class PolicyServer:
    """One policy, one client.

    Attributes:
        metadata: What a client is told when it connects.
    """

    def __init__(
        self, policy: Policy, seed: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take a policy.

        Args:
            policy: The policy, loaded.
            seed: Of what it samples, for a client that names none.
            clock: Stamps an observation that has no stamp. [s]
        """
        self._policy, self._seed, self._clock = policy, seed, clock
        self.metadata = _metadata(policy)
        needs, action = policy.observation_spec, policy.action_spec
        self._history = History(needs, action, 1.0 / action.dt)
        self._busy = Lock()

    def open(self, host: str, port: int) -> Server:
        """Listen; `serve_forever` of what is returned answers.

        Args:
            host: Address to listen at; 127.0.0.1 is this computer alone.
            port: Port, 0 for any that is free.
        """
        sizes = (_size(spec) for spec in self._policy.observation_spec.values())
        return serve(self._attend, host, port, compression=None, max_size=ROOM + sum(sizes))

    def restart(self, seed: int | None = None) -> None:
        """Begin an episode."""
        self._policy.reset(self._seed if seed is None else seed)
        self._history.reset()

    def answer(self, message: bytes | str) -> bytes:
        """Return the answer to a message.

        Raises:
            RobotPoliciesError: In one line: what is wrong with the observation.
        """
        begin = time.perf_counter()
        if isinstance(message, str):
            raise ContractError(
                f"expected an observation as msgpack, got the text {message[:80]!r}"
            )
        said = unpack(message)
        if not isinstance(said, dict):
            raise ContractError(f"expected a map of features, got {type(said).__name__}")
        if RESET in said:
            self.restart(_seed(said.pop(RESET)))
        chunk = self._policy.act(self._history.extend(self._observation(said)))
        took = 1e3 * (time.perf_counter() - begin)
        return pack(
            {
                "actions": chunk.values,
                "names": list(chunk.names),
                "dt": chunk.dt,
                "stamp": chunk.stamp,
                "server_timing": {"infer_ms": took},
            }
        )

    def _observation(self, said: dict[Any, Any]) -> Observation:
        needs, stamp = self._policy.observation_spec, said.pop(STAMP, None)
        if PROMPT in said and TASK not in said:
            said[TASK] = said.pop(PROMPT)
        for name in said:
            if name not in needs and name != TASK:
                known = [*needs, *([TASK] if needs.needs_task else [])]
                raise ContractError(f"no feature '{name}'.{suggestion(str(name), known)}")
        for name, value in said.items():
            if name != TASK and not isinstance(value, np.ndarray):
                raise ContractError(f"{name}: expected an array, got {type(value).__name__}")
        if not said:
            raise ContractError(f"an observation without a feature; needed are {[*needs]}")
        stamp = self._clock() if stamp is None else stamp
        if isinstance(stamp, bool) or not isinstance(stamp, int | float) or not np.isfinite(stamp):
            raise ContractError(f"stamp {stamp!r} must be a number of seconds")
        return Observation(said, dict.fromkeys(said, float(stamp)))

    def _attend(self, connection: ServerConnection) -> None:
        """Serve a client until it leaves."""
        if not self._busy.acquire(timeout=LEAVING):
            connection.send("another client is served: a policy remembers one robot at a time")
            return
        try:
            self.restart()
            connection.send(pack(self.metadata))
            for message in connection:
                try:
                    answer: bytes | str = self.answer(message)
                except RobotPoliciesError as error:
                    answer = " ".join(str(error).split())
                connection.send(answer)
        except ConnectionClosed:
            pass  # it has left
        finally:
            self._busy.release()


def _metadata(policy: Policy) -> dict[str, Any]:
    needs, action = policy.observation_spec, policy.action_spec
    return {
        "protocol": PROTOCOL,
        "policy": policy.name,
        "robot": policy.robot,
        "observation": {name: _described(spec) for name, spec in needs.items()},
        "task": needs.needs_task,
        "tasks": list(needs.tasks),
        "action": {
            **_described(action.array),
            "kind": str(action.kind),
            "dt": action.dt,
            "horizon": action.horizon,
            "executed": action.executed,
        },
    }


def _described(spec: ArraySpec) -> Mapping[str, Any]:
    bounds = {key: getattr(spec, key) for key in ("lower", "upper")}
    return {
        "shape": list(spec.shape),
        "dtype": spec.dtype.str,
        "names": list(spec.names),
        "unit": spec.unit if isinstance(spec.unit, str) else list(spec.unit),
        "frame": spec.frame,
        **{key: value for key, value in bounds.items() if value is not None},
    }


def _size(spec: ArraySpec) -> int:
    """Return the bytes of an array, where an open axis may be long."""
    each = spec.dtype.itemsize if spec.dtype.kind in "iu" else DOUBLE
    return each * int(np.prod([ROOM if size is None else size for size in spec.shape]))


def _seed(value: Any) -> int | None:
    """Return the seed of a reset: a number, or none of `true`."""
    if value is True:
        return None
    if type(value) is not int or value < 0:
        raise ContractError(f"reset {value!r}: expected true, or a seed >= 0")
    return value
