"""The contract: what policies, robots, backends and tasks are to each other."""

from robot_policies.interface.action import (
    EXECUTOR_MODES,
    Action,
    ActionChunk,
    ActionKind,
    ActionSpec,
    ExecutorMode,
)
from robot_policies.interface.backend import (
    Command,
    CommandMode,
    LettingGo,
    OrderlyBackend,
    PublishedBackend,
    RecordedBackend,
    RobotBackend,
    RobotState,
    ServoBackend,
    Simulator,
    Supervisor,
    check_command,
    offered,
    without_pictures,
)
from robot_policies.interface.errors import (
    BackendError,
    CheckpointError,
    ConfigError,
    ContractError,
    RobotPoliciesError,
    StaleObservation,
    UnknownNameError,
)
from robot_policies.interface.findings import Finding
from robot_policies.interface.limits import JointLimit, JointLimits
from robot_policies.interface.observation import Observation, ObservationSpec
from robot_policies.interface.person import PersonLimits
from robot_policies.interface.policy import Policy, SkilledPolicy, Skills, Statistics
from robot_policies.interface.robot import RobotSpec
from robot_policies.interface.robot_parts import Gains
from robot_policies.interface.spec import ArraySpec
from robot_policies.interface.task import Task, Trial, goals_of
from robot_policies.interface.training import TrainingEnvironment

__all__ = [
    "EXECUTOR_MODES",
    "Action",
    "ActionChunk",
    "ActionKind",
    "ActionSpec",
    "ArraySpec",
    "BackendError",
    "CheckpointError",
    "Command",
    "CommandMode",
    "ConfigError",
    "ContractError",
    "Finding",
    "Gains",
    "ExecutorMode",
    "JointLimit",
    "JointLimits",
    "Observation",
    "ObservationSpec",
    "LettingGo",
    "OrderlyBackend",
    "PersonLimits",
    "Policy",
    "PublishedBackend",
    "RecordedBackend",
    "RobotBackend",
    "RobotPoliciesError",
    "RobotSpec",
    "RobotState",
    "ServoBackend",
    "Simulator",
    "SkilledPolicy",
    "Skills",
    "StaleObservation",
    "Statistics",
    "Supervisor",
    "Task",
    "TrainingEnvironment",
    "Trial",
    "UnknownNameError",
    "check_command",
    "goals_of",
    "offered",
    "without_pictures",
]
