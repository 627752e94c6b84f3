"""What a checkpoint answers with, from its texts alone; torch is not needed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from robot_policies.documents import read_json
from robot_policies.interface import ActionSpec, CheckpointError
from robot_policies.policies.contract import FILE, Contract
from robot_policies.policies.contract_file import read_contract_of_actions


def action_spec(contract: Contract, config: Mapping[str, Any]) -> ActionSpec:
    """Return the actions of a checkpoint.

    Args:
        contract: What `contract.yaml` says.
        config: What `config.json` says; of its fields, those that make chunks.
    """
    chunks = answers_in_chunks(config)
    return ActionSpec(
        kind=contract.kind,
        array=contract.action.spec("action", np.float64),
        dt=contract.dt,
        horizon=config["chunk_size"] if chunks else 1,
        executed=config.get("n_action_steps") or 0 if chunks else 1,
        executor=contract.executor,
    )


def answers_in_chunks(config: Mapping[str, Any]) -> bool:
    """Return whether a policy of LeRobot answers one observation with a whole chunk.

    Policies that look back (diffusion, VQ-BeT) keep their history in `select_action`.
    """
    return "chunk_size" in config and config.get("n_obs_steps") == 1


def read_action_spec(folder: Path) -> ActionSpec:
    """Read the actions of a checkpoint without loading it.

    Raises:
        CheckpointError: If a text is missing or they contradict each other.
        ConfigError: If one has an unknown key or unit.
    """
    config = read_json(folder / "config.json")
    try:
        width = int(config["output_features"]["action"]["shape"][0])
    except (KeyError, IndexError, TypeError, ValueError):
        raise CheckpointError(f"{folder}/config.json: no width of 'action'") from None
    return action_spec(read_contract_of_actions(folder / FILE, width), config)
