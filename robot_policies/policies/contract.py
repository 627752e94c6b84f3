"""`contract.yaml`: which joints, units and moments a checkpoint speaks of.

LeRobot's `config.json` says how wide a feature is, and not what its elements are. This file says
it, beside the checkpoint:

    version: 2
    robot: go1
    dt: 0.02                      # s between two actions
    task: false                   # whether the policy reads an instruction; may be left out
    vocabulary: [put, the, cube]  # words of its instructions; any if left out
    executor: splice              # how its chunks are merged: as `config.json` has it if left out
    max_age: {observation.points: 0.3}   # s, of a sample it acts on; 0.15 where nothing is said
    max_skew: {observation.points: 0.3}  # s, behind the newest sensor; 0.1 where nothing is said
    observation:                  # one entry per feature but images, depth and labels
      observation.state: {names: [FR_hip_joint.pos, FR_hip_joint.vel], unit: [rad, rad/s]}
      observation.velocity_command:        # what it was trained with; what is beyond is refused
        {names: [linear.x, linear.y, angular.z], unit: [m/s, m/s, rad/s],
         lower: [-0.4, -0.3, -0.8], upper: [1.0, 0.3, 0.8]}
      observation.points: {frame: base}    # a cloud: the link whose frame it is in
    action: {kind: joint_position, names: [FR_hip_joint], unit: rad}
    gains: {stiffness: 20.0, damping: 0.5}  # of the servo it was trained with: N m/rad, N m s/rad
    network: {...}                # what a network without LeRobot sees: `onnx_locomotion/terms.py`

Units are those of the training data. `deg` and `deg/s` are converted to SI, and `%` of a joint's
range (LeRobot's gripper) to the joint's unit by the robot's table: once, here, both ways.

A file without `version` is of version 1, which has no `vocabulary`, `max_age`, `max_skew`, `gains`
and `network`, no `lower` and `upper`, and names no frame. It means what it always meant.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from robot_policies.interface import ActionKind, ExecutorMode, Finding, Gains
from robot_policies.learning.elements import CONTRACT_VERSION
from robot_policies.policies.elements import Elements

FILE = "contract.yaml"
ROUNDING = 1e-6  # share by which a time step may differ without being worth a line


@dataclass(frozen=True, eq=False)
class Contract:
    """What `contract.yaml` says.

    Attributes:
        version: Of the file's form.
        robot: Robot the checkpoint was trained for.
        written_dt: Time between two actions, as the file has it. [s]
        dt: The same; a whole number of the robot's control periods where it is one within 1 %. [s]
        kind: What the elements of an action are.
        action: Elements of an action.
        observation: Elements of each feature that is a vector.
        frames: Frame of each feature that is a cloud.
        task: Whether the policy reads an instruction.
        vocabulary: Words its instructions are made of; empty if it takes any.
        executor: How its chunks are merged; `None` if the file does not say.
        max_age: Oldest sample to act on, by feature. [s]
        max_skew: Largest time behind the newest sensor, by feature. [s]
        gains: Of the servo it was trained with, in the order of the action; `None` if unsaid.
        network: What its network sees and answers, as the file has it.
    """

    version: int
    robot: str
    written_dt: float
    dt: float
    kind: ActionKind
    action: Elements
    observation: Mapping[str, Elements]
    frames: Mapping[str, str]
    task: bool
    vocabulary: tuple[str, ...]
    executor: ExecutorMode | None
    max_age: Mapping[str, float]
    max_skew: Mapping[str, float]
    gains: Gains | None = None
    network: Mapping[str, Any] = field(default_factory=dict)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What there is to say of the file itself."""
        found = []
        if self.version != CONTRACT_VERSION:
            frames = "".join(f", and 'frame: LINK' to {name}" for name in self.frames)
            text = (
                f"{FILE} is of version {self.version}: add 'version: {CONTRACT_VERSION}'{frames}"
            )
            found.append(Finding("info", "contract_version", text))
        if abs(self.dt / self.written_dt - 1.0) > ROUNDING:
            text = f"{FILE}: dt {self.written_dt:g} s is taken as {self.dt:.6g} s of {self.robot}"
            found.append(Finding("info", "rate", text))
        return tuple(found)
