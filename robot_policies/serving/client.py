"""A client for a robot that has no ROS: three lines around its control loop.

client = PolicyClient("ws://127.0.0.1:8000", {"observation.state": ["elbow.pos", "elbow.vel"]})
client.reset(seed=0)
chunk = client.infer({"observation.state": state})["actions"]
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from websockets.sync.client import connect

from robot_policies.interface import ContractError
from robot_policies.interface.errors import suggestion
from robot_policies.serving.wire import pack, unpack


class PolicyClient:
    """A policy that a server holds.

    Attributes:
        metadata: What the server said of it.
    """

    def __init__(
        self,
        address: str,
        observes: Mapping[str, Sequence[str]] | None = None,
        moves: Sequence[str] = (),
        timeout: float = 10.0,
    ) -> None:
        """Connect, and hold the policy against what the robot has.

        Args:
            address: Such as ws://127.0.0.1:8000.
            observes: Features the robot gives, each with the names of its elements in order.
            moves: Names of what it moves, in its own order; any if empty.
            timeout: Longest wait for the server and for an answer. [s]

        Raises:
            ContractError: If the robot lacks what the policy needs, or the server refuses.
            OSError: If nobody listens there.
        """
        self._timeout, self._reset, self._left = timeout, {}, ExitStack()
        self._connection = self._left.enter_context(
            connect(address, open_timeout=timeout, compression=None, max_size=None, proxy=None)
        )
        try:
            self.metadata = self._receive()
            self._check(observes, moves)
        except BaseException:
            self.close()
            raise

    def reset(self, seed: int = 0) -> None:
        """Begin an episode with the next observation."""
        self._reset = {"reset": seed}

    def infer(self, observation: Mapping[str, Any]) -> dict[str, Any]:
        """Return `actions` (T, A), in the units of `metadata`, and with them `names` and `dt`.

        Args:
            observation: Arrays by feature, and `task` if the policy reads an instruction.

        Raises:
            ContractError: What the server says is wrong with it; the next one may be right.
        """
        self._connection.send(pack({**observation, **self._reset}))
        self._reset = {}
        return self._receive()

    def close(self) -> None:
        """Leave."""
        self._left.close()

    def __enter__(self) -> "PolicyClient":
        """Return the client."""
        return self

    def __exit__(self, *error: object) -> None:
        """Leave."""
        self.close()

    def _receive(self) -> dict[str, Any]:
        answer = self._connection.recv(self._timeout)
        if isinstance(answer, str):
            raise ContractError(answer)
        return unpack(answer)

    def _check(self, observes: Mapping[str, Sequence[str]] | None, moves: Sequence[str]) -> None:
        for name, needed in self.metadata["observation"].items():
            if observes is None:
                break
            if name not in observes:
                raise ContractError(f"the policy needs '{name}'.{suggestion(name, observes)}")
            _same(name, observes[name], needed["names"])
        if moves:
            _same("action", moves, self.metadata["action"]["names"])


def _same(what: str, given: Sequence[str], needed: Sequence[str]) -> None:
    for name in needed:
        if name not in given:
            raise ContractError(f"{what}: no element '{name}'.{suggestion(name, given)}")
    if list(given) != list(needed):
        raise ContractError(f"{what}: order {list(given)}, the policy's is {list(needed)}")
