"""`robot-policies say|estop|reset|go`: a running graph is told without ROS's own tools."""

from typing import Annotated

import typer

from robot_policies.cli.options import Namespace, Network


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("say")(say)
    app.command("estop")(estop)
    app.command("reset")(reset)
    app.command("go")(go)


def say(
    instruction: Annotated[str, typer.Argument(help="What to do, in words.")],
    namespace: Namespace = "/",
    network: Network = "none",
) -> None:
    """Give the policy of a running graph an instruction; it holds until the next one."""
    from std_msgs.msg import String

    from robot_policies.nodes.visitor import visit

    topic = f"{namespace.rstrip('/')}/task"
    with visit("say", network) as visitor:
        visitor.tell(topic, String(data=instruction))
    print(f"{topic}: {instruction}")


def estop(namespace: Namespace = "/", network: Network = "none") -> None:
    """Stop the robot of a running graph; it stays stopped until `reset`."""
    _ask(f"{namespace.rstrip('/')}/backend/estop", network)


def reset(namespace: Namespace = "/", network: Network = "none") -> None:
    """Release a stopped robot, which then holds; exit status 1 if it stays stopped, and why."""
    _ask(f"{namespace.rstrip('/')}/backend/reset_estop", network)


def go(namespace: Namespace = "/", network: Network = "none") -> None:
    """Let a robot that was released follow its policy again."""
    _ask(f"{namespace.rstrip('/')}/backend/go", network)


def _ask(service: str, network: str) -> None:
    from std_srvs.srv import Trigger

    from robot_policies.nodes.visitor import visit

    with visit("operator_command", network) as visitor:
        answer = visitor.call(Trigger, service, Trigger.Request())
    print(f"{service}: {answer.message}")
    if not answer.success:
        raise typer.Exit(1)
