"""`robot-policies check`: does this policy fit this robot, before anything moves."""

from typing import TYPE_CHECKING, Annotated

import typer

from robot_policies.cli.options import (
    Backend,
    Base,
    Contract,
    Device,
    Dtype,
    Gains,
    Json,
    Policy,
)
from robot_policies.cli.output import results, table

if TYPE_CHECKING:
    from robot_policies.interface.findings import Finding
    from robot_policies.session import Session


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
    device: Device = "cpu",
    dtype: Dtype = "auto",
    contract: Contract = None,
    base: Base = None,
    gains: Gains = "robot",
    json: Json = None,
) -> None:
    """Compare names, units, shapes, rates, limits and statistics; exit status 1 if they clash.

    The policy is asked a few times, which shows how long an answer takes and how old its plans
    become, and whether it looks at its pictures.
    """
    from robot_policies.policies.eyes import audit_eyes
    from robot_policies.session import open_session

    with results(json) as output:
        session = open_session(
            policy,
            backend,
            task,
            robot,
            device=device,
            dtype=dtype,
            contract=contract,
            base=base,
            gains=gains,
        )
        try:
            report = session.report()
            answer, refusals = _ask(session)
            blind = list(audit_eyes(session.policy))
        finally:
            session.policy.close()
        compatible = not (report.errors or refusals)
        findings = [
            {"level": found.level, "code": found.code, "message": found.message}
            for found in (*refusals, *report.findings, *blind)
        ]
        verdict = f"{policy} on {robot} in {backend}: {'' if compatible else 'NOT '}compatible"
        if answer:
            verdict += (
                f"; answers in {1e3 * answer['time']:.2g} ms, plans become at most "
                f"{answer['plan_age']:.2f} s old, {answer['plan_age_limit']:g} s are allowed"
            )
        rows = [tuple(finding.values()) for finding in findings]
        output.finish(
            {
                "policy": policy,
                "robot": robot,
                "backend": backend,
                "compatible": compatible,
                "answer": answer,
                "findings": findings,
            },
            table(verdict, ("level", "code", "finding"), rows) if rows else verdict,
        )
    if not compatible:
        raise typer.Exit(1)


def _ask(session: "Session") -> "tuple[dict[str, float], list[Finding]]":
    """Ask the policy a few times, as its node does before a trial.

    Returns:
        Threads, the answer's time [s], how old a plan becomes and may become [s], all of it only
        where the answers are numbers; what forbids to run.
    """
    from time import perf_counter

    from robot_policies.control.pacing import Pacing, require_fresh
    from robot_policies.control.safety_limits import SafetyLimits
    from robot_policies.control.warm_up import answer_time, choose_threads
    from robot_policies.interface import ContractError
    from robot_policies.interface.findings import Finding
    from robot_policies.policies.catalog import set_threads

    policy, robot = session.policy, session.robot
    refusals, spec = [], policy.action_spec
    policy.reset(0)
    try:
        threads, took = choose_threads(lambda: answer_time(policy, 0, perf_counter), set_threads)
    except ContractError as error:
        return {}, [Finding("error", "answer", str(error))]
    steps, limit = policy.observation_spec.steps, SafetyLimits.of(robot)
    pacing = Pacing(spec, spec.executor, robot.control_rate, steps)
    pacing.answered(0.0, took)
    try:
        require_fresh(pacing, robot, limit.plan_age)
    except ContractError as error:
        refusals.append(Finding("error", "plan_age", str(error)))
    answer = {"threads": threads, "time": took, "plan_age": pacing.plan_age}
    return {**answer, "plan_age_limit": limit.plan_age}, refusals
