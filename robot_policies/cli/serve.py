"""`robot-policies serve`: a policy for a robot without ROS."""

from typing import Annotated

import typer

from robot_policies.cli.options import Base, Contract, Device, Policy, Seed

LOOPBACK = "127.0.0.1"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("serve")(serve)


def serve(
    policy: Policy,
    robot: Annotated[
        str | None, typer.Option("--robot", help="For a built-in policy; see `list robots`.")
    ] = None,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen at; whoever reaches it may ask.")
    ] = LOOPBACK,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any free one.")] = 8000,
    seed: Seed = 0,
    device: Device = "cpu",
    contract: Contract = None,
    base: Base = None,
) -> None:
    """Answer observations over a WebSocket, as openpi's clients ask; see docs/serve.md."""
    from robot_policies.catalog import load_robot
    from robot_policies.interface import ConfigError
    from robot_policies.policies.catalog import load_policy
    from robot_policies.serving.server import PolicyServer

    spec = load_robot(robot) if robot else None
    loaded = load_policy(policy, robot=spec, device=device, contract=contract, base=base)
    try:
        server = PolicyServer(loaded, seed).open(host, port)
    except OSError as error:
        raise ConfigError(f"--host {host} --port {port}: {error.strerror or error}") from None
    with server:
        where = "{}:{}".format(*server.socket.getsockname()[:2])
        print(f"serving {policy} at ws://{where}", flush=True)
        try:
            server.serve_forever()
        finally:
            loaded.close()
