"""Who can reach a graph over the network: the environment that decides it, and what it decides.

DDS asks nobody for a password, so a graph listens on this host's own interface alone unless the
launch argument `network` says otherwise. A profile that the user has set, or another middleware,
has precedence; what it lets in cannot be seen from here.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from robot_policies.launching.description import Process, describe
from robot_policies.share import share_directory

PROFILE = "FASTDDS_DEFAULT_PROFILES_FILE"
PEERS = "ROS_STATIC_PEERS"
MIDDLEWARE = "RMW_IMPLEMENTATION"
FAST_DDS = "rmw_fastrtps_cpp"
CLOSED = "none"


@dataclass(frozen=True)
class Reach:
    """Who can call the nodes of a graph.

    Attributes:
        text: Who it is, for people.
        local: Whether it is this host only.
        fix: What to type to make it so.
    """

    text: str
    local: bool = False
    fix: str = ""


def graph_environment(network: str = CLOSED) -> dict[str, str]:
    """Return the environment that the shipped launch file gives its nodes.

    Args:
        network: The launch argument `network`: `none`, `open`, or peers with `;` between them.
    """
    path = share_directory() / "launch" / "policy.launch.xml"
    steps = describe(path, {"network": network}).steps
    process = next(step.action for step in steps if isinstance(step.action, Process))
    return dict(process.environment)


def join(network: str = CLOSED) -> None:
    """Let this process be reached as the nodes of a graph are, before it makes its first node.

    A tool that talks to a graph hears commands and passes them on.

    Args:
        network: The launch argument `network`.
    """
    environment = graph_environment(network)
    os.environ.update({n: environment[n] for n in (PROFILE, PEERS) if n in environment})


def reach(environment: Mapping[str, str], middleware: str = "") -> Reach:
    """Return who can call nodes that are started with an environment.

    Args:
        environment: The nodes' environment.
        middleware: Name of their RMW implementation, where it is known.
    """
    middleware = middleware or environment.get(MIDDLEWARE) or FAST_DDS
    profile, peers = environment.get(PROFILE, ""), environment.get(PEERS, "")
    shipped = share_directory() / "config"
    if middleware != FAST_DDS:
        return Reach(f"other hosts, as {middleware} lets them in", fix=f"unset {MIDDLEWARE}")
    if _same(profile, shipped / "fastdds_local.xml"):
        return Reach("this host only", local=True)
    if _same(profile, shipped / "fastdds_network.xml"):
        told = f"; the peers {peers} are told of it" if peers else ""
        return Reach(f"every host that can send to this one{told}", fix="network:=none")
    if profile:
        return Reach(f"other hosts, as {profile} lets them in", fix=f"unset {PROFILE}")
    return Reach("every host that can send to this one: no DDS profile is set")


def _same(text: str, path: Path) -> bool:
    return bool(text) and Path(text).resolve() == path.resolve()
