"""What a checkpoint answers with, from its texts alone; torch is not needed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from robot_policies.documents import read_json
from robot_policies.interface import ActionSpec, CheckpointError, ExecutorMode
from robot_policies.policies.contract import FILE, Contract
from robot_policies.policies.contract_file import read_contract_of_actions
from robot_policies.policies.plan_form import plan_form


def action_spec(contract: Contract, config: Mapping[str, Any]) -> ActionSpec:
    """Return the actions of a checkpoint.

    Args:
        contract: What `contract.yaml` says.
        config: What `config.json` says; of its fields, those that make plans. A coefficient of a
            temporal ensemble says that chunks are averaged, where the contract says nothing.
    """
    form, decay = plan_form(config), config.get("temporal_ensemble_coeff")
    merged: ExecutorMode = "open_loop" if decay is None else "ensemble"
    return ActionSpec(
        kind=contract.kind,
        array=contract.action.spec("action", np.float64),
        dt=contract.dt,
        horizon=form.rows,
        executed=form.executed,
        executor=contract.executor or merged,
        gains=contract.gains,
        **({} if decay is None else {"decay": float(decay)}),
    )


def read_action_spec(folder: Path, contract: Path | None = None) -> ActionSpec:
    """Read the actions of a checkpoint without loading it.

    Args:
        folder: The checkpoint.
        contract: The contract, if it does not lie in the checkpoint.

    Raises:
        CheckpointError: If a text is missing or they contradict each other.
        ConfigError: If one has an unknown key or unit.
    """
    config = read_json(folder / "config.json")
    try:
        width = int(config["output_features"]["action"]["shape"][0])
    except (KeyError, IndexError, TypeError, ValueError):
        raise CheckpointError(f"{folder}/config.json: no width of 'action'") from None
    return action_spec(read_contract_of_actions(contract or folder / FILE, width), config)
