"""`robot-policies check`: does this policy fit this robot, before anything moves."""

from typing import Annotated

import typer

from robot_policies.cli.options import Backend, Json, Policy
from robot_policies.cli.output import results, table


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check")(check)


def check(
    policy: Policy,
    robot: Annotated[str, typer.Option("--robot", help="See `list robots`.")],
    backend: Backend,
    task: Annotated[
        str | None,
        typer.Option(
            "--task", help="Whose scene and instructions are compared; see `list tasks`."
        ),
    ] = None,
    json: Json = None,
) -> None:
    """Compare names, units, shapes, rates, limits and statistics; exit status 1 if they clash."""
    from robot_policies import catalog
    from robot_policies.interface.compatibility import check_compatible
    from robot_policies.policies.catalog import load_policy
    from robot_policies.policies.eyes import audit_eyes

    with results(json) as output:
        spec = catalog.load_robot(robot)
        chosen = catalog.load_task(task) if task else None
        scene = chosen.scene if chosen else None
        device = catalog.make_backend(backend, spec, scene)  # not connected: nothing is opened
        loaded = load_policy(policy, robot=spec)
        try:
            report = check_compatible(loaded, spec, device, chosen)
            found = [*report.findings, *audit_eyes(loaded)]
        finally:
            loaded.close()
        compatible = not report.errors
        findings = [
            {"level": entry.level, "code": entry.code, "message": entry.message} for entry in found
        ]
        verdict = f"{policy} on {robot} in {backend}: {'' if compatible else 'NOT '}compatible"
        rows = [tuple(finding.values()) for finding in findings]
        output.finish(
            {
                "policy": policy,
                "robot": robot,
                "backend": backend,
                "compatible": compatible,
                "findings": findings,
            },
            table(verdict, ("level", "code", "finding"), rows) if rows else verdict,
        )
    if not compatible:
        raise typer.Exit(1)
