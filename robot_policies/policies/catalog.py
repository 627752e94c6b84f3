"""Policies by name, ready to act; `policies/locate.py` says where they lie.

Importing this module is cheap; torch and LeRobot are imported when a checkpoint is loaded.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from robot_policies.interface import ActionSpec, ConfigError, Policy, RobotSpec
from robot_policies.policies.locate import BUILT_IN, find_checkpoint, own_runtime


def load_policy(
    name: str,
    *,
    robot: RobotSpec | None = None,
    device: str = "cpu",
    dtype: str = "auto",
    threads: int = 1,
    contract: Path | None = None,
    base: str | None = None,
) -> Policy:
    """Make a policy ready to act.

    Args:
        name: A built-in policy, a shipped id such as `uni_o4/go1_walk`, a folder in LeRobot's
            layout, or a hub repository as `owner/name` or `owner/name@revision`.
        robot: The robot; built-in policies take their joints from it.
        device: Of a checkpoint: cpu, cuda, cuda:1, mps, or auto, a GPU where there is one.
        dtype: What its network computes in: float32, bfloat16 or float16; auto, as it was trained.
        threads: Torch threads of the process; more than the free cores make it slower.
        contract: File that says which joints and units a checkpoint speaks of, in place of the
            `contract.yaml` in its folder.
        base: Name of the policy that an adapter of `lerobot-train --peft...` is added to.

    Raises:
        UnknownNameError: If nothing has that name; lists the nearest and all known ones.
        CheckpointError: If the checkpoint is missing, damaged or contradicts its contract.
        ConfigError: If the policy needs a robot and none is given.
    """
    if name in BUILT_IN:
        return _built_in(name, robot)
    folder = find_checkpoint(name)
    below = find_checkpoint(base) if base else None
    given = {
        "device": device,
        "dtype": dtype,
        "threads": threads,
        "contract": contract,
        "base": below,
    }
    return _runtime(folder)(folder, name=name, **given)


def set_threads(number: int) -> None:
    """Set torch's threads in this process, where torch is loaded."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(number)


def action_spec_of(name: str, robot: RobotSpec, contract: Path | None = None) -> ActionSpec:
    """Return the actions of a policy, without loading it.

    Args:
        name: As `load_policy` takes it.
        robot: The robot; built-in policies take their joints from it.
        contract: As `load_policy` takes it.

    Raises:
        ConfigError: If there is no such policy.
        CheckpointError: If its texts are missing or contradict each other.
    """
    if name in BUILT_IN:
        return _built_in(name, robot).action_spec
    from robot_policies.policies.actions import read_action_spec

    return read_action_spec(find_checkpoint(name), contract)


def _runtime(folder: Path) -> Callable[..., Policy]:
    """Return what runs a checkpoint: LeRobot, or what its type brings along."""
    if kind := own_runtime(folder):
        module = import_module(f"robot_policies.policies.{kind}.runtime_{kind}")
        return module.RUNTIME
    from robot_policies.policies.runtime import LerobotRuntime

    return LerobotRuntime


def _built_in(name: str, robot: RobotSpec | None) -> Policy:
    if robot is None:
        raise ConfigError(f"policy '{name}' has no checkpoint to name its joints: give a robot")
    from robot_policies.policies.hold import HoldPolicy

    return HoldPolicy(robot)
