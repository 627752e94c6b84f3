"""What is different about the episodes of a cell: the network, or how the world begins."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from robot_policies.control.timing import NetworkModel
from robot_policies.interface import ConfigError, ExecutorMode, UnknownNameError
from robot_policies.interface.action import EXECUTOR_MODES
from robot_policies.stage import GAINS, ROBOT, GainsOf


@dataclass(frozen=True)
class Condition:
    """One way in which all episodes of a cell differ from the plain ones.

    Attributes:
        name: What results call it; empty for the only condition of an evaluation.
        delay: Time from an observation to its chunk. [s]
        jitter: That time varies evenly by this much in both directions. [s]
        loss: Share of observations that never reach the policy.
        inference: Time the policy needs for an answer; it takes no observation meanwhile. [s]
        executor: How chunks are merged, of `ExecutorMode`; by default as the policy means it.
        nodes: Whether the episode runs through the launched graph, in real time.
        device: That the policy answers on, as `load_policy` takes it.
        dtype: That its network computes in, as `load_policy` takes it.
        contract: File in place of the policy's `contract.yaml`; empty for its own.
        base: The policy that an adapter is added to; empty for none.
        gains: Whose gains track the policy, as `Stage.with_gains` takes it.
        initial: Fields of an episode's initial condition, instead of what the task draws.
    """

    name: str = ""
    delay: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0
    inference: float = 0.0
    executor: ExecutorMode | None = None
    nodes: bool = False
    device: str = "cpu"
    dtype: str = "auto"
    contract: str = ""
    base: str = ""
    gains: GainsOf = ROBOT
    initial: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what no network does, an unknown way to merge, and a network between nodes.

        Raises:
            ConfigError: Naming the values.
        """
        self.network()
        if self.executor not in (None, *EXECUTOR_MODES):
            raise UnknownNameError("executor", str(self.executor), EXECUTOR_MODES)
        if self.gains not in GAINS:
            raise UnknownNameError("gains", self.gains, GAINS)
        if self.nodes and self.network() != NetworkModel():
            raise ConfigError(
                "nodes: true goes with no delay, jitter, loss or inference: "
                "these are of the logical clock"
            )

    @property
    def loading(self) -> dict[str, Any]:
        """Return how the policy is loaded, as arguments of `load_policy`."""
        contract = Path(self.contract) if self.contract else None
        given = {"device": self.device, "dtype": self.dtype}
        return {**given, "contract": contract, "base": self.base or None}

    def network(self) -> NetworkModel:
        """Return what lies between an observation and its answer."""
        return NetworkModel(self.delay, self.jitter, self.loss, self.inference)

    def to_json(self) -> dict[str, Any]:
        """Return the fields but for the name."""
        return {key: value for key, value in asdict(self).items() if key != "name"}
