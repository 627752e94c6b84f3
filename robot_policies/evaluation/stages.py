"""Which cells can run at all: each is opened once before the first command."""

from collections.abc import Iterable, Mapping

from robot_policies import catalog
from robot_policies.evaluation.episode import Opened, open_cell
from robot_policies.interface import ContractError, RobotPoliciesError
from robot_policies.policies.locate import BUILT_IN


def refusals(stages: Iterable[Opened]) -> dict[Opened, str]:
    """Return why some cells cannot run: damaged checkpoints, a policy of another robot, and so on.

    Args:
        stages: What to open. Those of one policy are opened together, since it loads once.
    """
    found = {}
    for stage in sorted(stages, key=lambda stage: stage[:3]):
        try:
            open_cell(*stage)
        except RobotPoliciesError as error:
            found[stage] = " ".join(str(error).split())
    return found


def require_all(refused: Mapping[Opened, str]) -> None:
    """Refuse an evaluation in which a cell cannot run.

    Raises:
        ContractError: With all of them.
    """
    if refused:
        named = (f"{p} on {t} in {b}: {reason}" for (p, t, b, *_), reason in refused.items())
        raise ContractError("; ".join(named))


def modules_of(stages: Iterable[Opened]) -> list[str]:
    """Return the modules that opening cells imports; importing them begins nothing."""
    stages = list(stages)
    modules = {
        catalog.entry(kind, name).implementation.partition(":")[0]
        for _, task, backend, *_ in stages
        for kind, name in (("tasks", task.partition("/")[0]), ("backends", backend))
    }
    if any(policy not in BUILT_IN for policy, *_ in stages):
        modules.add("robot_policies.policies.runtime")
    return ["robot_policies.control.episode", *sorted(modules)]
