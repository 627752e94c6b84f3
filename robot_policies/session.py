"""A policy on the stage it is to act on: opened by name, and held against it.

Every way to run a policy begins here, so that names, options and checks are the same everywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robot_policies.interface import Policy, RobotBackend, RobotSpec, Task
from robot_policies.interface.compatibility import check_compatible
from robot_policies.interface.findings import Report
from robot_policies.policies.catalog import load_policy
from robot_policies.stage import ROBOT, GainsOf, Stage, open_stage


@dataclass(frozen=True, eq=False)
class Session:
    """A policy and its stage; nothing is connected and nothing moves.

    Attributes:
        policy: The policy.
        stage: Task, robot and backend.
    """

    policy: Policy
    stage: Stage

    @property
    def robot(self) -> RobotSpec:
        """The robot."""
        return self.stage.robot

    @property
    def backend(self) -> RobotBackend:
        """What moves it, not connected."""
        return self.stage.backend

    @property
    def task(self) -> Task:
        """What is asked of the robot."""
        return self.stage.asked

    def report(self) -> Report:
        """Compare the policy with robot and backend, and with the task if there is one."""
        return check_compatible(self.policy, self.robot, self.backend, self.stage.task)

    def require(self) -> "Session":
        """Return the session, if the policy fits and the task alone gives all its goals.

        Raises:
            ContractError: With every error that was found.
        """
        check_compatible(self.policy, self.robot, self.backend, self.task).require()
        return self


def open_session(
    policy: str,
    backend: str,
    task: str | None = None,
    robot: str | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    seconds: float | None = None,
    device: str = "cpu",
    dtype: str = "auto",
    contract: Path | None = None,
    base: str | None = None,
    gains: GainsOf = ROBOT,
) -> Session:
    """Open a policy on a stage; arguments as of `load_policy`, `open_stage` and `with_gains`.

    Raises:
        ConfigError: If a name or an option is unknown, or names contradict each other.
        CheckpointError: If the policy cannot be read.
    """
    stage = open_stage(backend, task, robot, options=options, seconds=seconds)
    return join(policy, stage, device, dtype, contract, base, gains)


def join(
    policy: str,
    stage: Stage,
    device: str = "cpu",
    dtype: str = "auto",
    contract: Path | None = None,
    base: str | None = None,
    gains: GainsOf = ROBOT,
) -> Session:
    """Load a policy for a stage that is open; arguments as of `load_policy` and `with_gains`.

    Raises:
        ConfigError: If the name is unknown, the device is not there, or the contract lacks gains.
        CheckpointError: If the policy cannot be read.
    """
    given = {"device": device, "dtype": dtype, "contract": contract, "base": base}
    loaded = load_policy(policy, robot=stage.robot, **given)
    return Session(loaded, stage.with_gains(gains, loaded.action_spec))
