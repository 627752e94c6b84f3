"""What makes two evaluations the same one, so that their episodes may be counted together."""

from collections.abc import Iterator, Mapping
from typing import Any

from robot_policies.evaluation.provenance import checkpoint_digest, installed
from robot_policies.evaluation.suite import Suite

DECIDES = ("robot_policies", "numpy", "torch", "lerobot", "mujoco", "pybullet", "gymnasium")


def identity(suite: Suite) -> dict[str, Any]:
    """Return what every episode of a suite depends on, but for its own initial state.

    The number of episodes is no part of it: a longer evaluation goes on where a shorter ended.
    """
    return {
        "policies": {name: checkpoint_digest(name) for name in sorted(suite.policies)},
        "tasks": sorted(suite.tasks),
        "backends": sorted(suite.backends),
        "conditions": {c.name: c.to_json() for c in sorted(suite.conditions, key=_name)},
        "seed": suite.seed,
        "versions": {package: installed(package) for package in DECIDES},
    }


def differences(there: Any, here: Any, where: str = "") -> Iterator[str]:
    """Yield in what two identities differ, one text per entry.

    Args:
        there: What a file says.
        here: What is asked for.
        where: Path of the entry.
    """
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        for key in sorted({*there, *here}):
            path = f"{where}.{key}" if where else str(key)
            yield from differences(there.get(key), here.get(key), path)
    elif there != here:
        yield f"{where}: {there!r} there, {here!r} here"


def _name(condition: Any) -> str:
    return condition.name
