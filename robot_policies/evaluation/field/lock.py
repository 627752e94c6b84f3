"""The locked design: who is tried when and from where, and a digest of all of it.

For each initial state the policies run one after the other in an order drawn anew, so that what
changes over a day (light, a warm motor, a tired operator) meets all of them alike. The lock alone
says which trial was whose.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from secrets import SystemRandom
from typing import Any

from robot_policies import catalog
from robot_policies.documents import dumps, plain, read_json
from robot_policies.evaluation.field.plan import Plan
from robot_policies.evaluation.identity import differences
from robot_policies.evaluation.provenance import checkpoint_digest
from robot_policies.interface import ConfigError

NAME = "lock.json"
DIGEST = "digest"


def lock(folder: Path, plan: Plan) -> dict[str, Any]:
    """Lock a plan, or find it locked.

    Args:
        folder: Where the trials are kept.
        plan: What is to be tried.

    Returns:
        `plan`, `checkpoints` with their digests, `initial` states by seed, `trials` with `seed`
        and `policy` in their order, and the `digest` of all that.

    Raises:
        ConfigError: If the folder's lock is of another plan or other checkpoints, or was changed.
    """
    path = folder / NAME
    checkpoints = {name: checkpoint_digest(name) for name in plan.policies}
    asked = plain({"plan": asdict(plan), "checkpoints": checkpoints})
    if path.exists():
        locked = read_json(path)
        if digest_of(locked) != locked.get(DIGEST):
            raise ConfigError(f"{path}: was changed after it was locked")
        there = {name: locked[name] for name in asked}
        if found := list(differences(there, asked)):
            raise ConfigError(f"{path}: another plan is locked: {'; '.join(found)}")
        return locked
    task, chance = catalog.load_task(plan.task), SystemRandom()
    seeds = range(plan.seed, plan.seed + plan.trials)
    trials = [
        {"seed": seed, "policy": policy}
        for seed in seeds
        for policy in chance.sample(plan.policies, len(plan.policies))
    ]
    locked = plain(
        {**asked, "initial": {seed: task.initial(seed) for seed in seeds}, "trials": trials}
    )
    locked[DIGEST] = digest_of(locked)
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(dumps(locked), encoding="utf-8")
    return locked


def digest_of(locked: Mapping[str, Any]) -> str:
    """Return the SHA-256 of everything but the digest."""
    rest = {name: value for name, value in locked.items() if name != DIGEST}
    text = json.dumps(plain(rest), sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
