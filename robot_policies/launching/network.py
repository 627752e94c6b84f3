"""Who can reach a graph over the network: the environment that decides it, and what it decides.

DDS asks nobody for a password, so a graph listens on this host's own interface alone unless the
launch argument `network` says otherwise. A profile that the user has set, or another middleware,
has precedence; what it lets in cannot be seen from here.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from robot_policies.launching import log_folder
from robot_policies.launching.description import describe
from robot_policies.launching.processes import Process
from robot_policies.shared_files import share_directory

PROFILE = "FASTDDS_DEFAULT_PROFILES_FILE"
PEERS = "ROS_STATIC_PEERS"
RANGE = "ROS_AUTOMATIC_DISCOVERY_RANGE"
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


@contextmanager
def membership(network: str = CLOSED) -> Iterator[None]:
    """Let nodes of this process be reached as those of a graph are, if they are made in the block.

    A tool that talks to a graph hears commands and passes them on.

    Args:
        network: The launch argument `network`.
    """
    before, own = dict(os.environ), graph_environment(network)
    names = (PROFILE, PEERS, RANGE, log_folder.VARIABLE)
    os.environ.update({name: own[name] for name in names if name in own})
    try:
        yield
    finally:
        for name in names:
            os.environ.pop(name, None)
            os.environ.update({name: before[name]} if name in before else {})


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
