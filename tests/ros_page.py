"""docs/ros.md: what the graphs of three robots offer, as anybody sees it who looks at them.

`python tests/ros_page.py` writes the page anew.
"""

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

from rcl_interfaces.srv import DescribeParameters, ListParameters
from ros_graph import Graph

PAGE = Path(__file__).parents[1] / "docs" / "ros.md"
BEGIN = "<!-- written by tests/ros_page.py -->"
GRAPHS = (
    ("robot:=so101", "task:=tabletop_place"),
    ("robot:=go1", "task:=go1_walk"),
    ("robot:=xarm7", "task:=none"),
)
# What the nodes offer last of all.
LAST = ("action_chunk", "skill_weights", "robot_description")
NODES = ("backend", "policy", "bringup")
QUIET = 3.0  # s
# What every node, or every lifecycle node, of ROS 2 has.
COMMON = ("lifecycle_msgs/", "rcl_interfaces/", "type_description_interfaces/")


def rows() -> tuple[list[str], list[str], list[str]]:
    """Return the rows of topics, services and parameters."""
    with ExitStack() as stack:
        named = (Graph("policy:=hold", "backend:=loopback", *words) for words in GRAPHS)
        graphs = [stack.enter_context(graph) for graph in named]
        for graph in graphs:
            assert graph.wait(lambda g=graph: _up(g), 90.0)
        topics = _settled(graphs)
        services = sorted({row for graph in graphs for row in _services(graph)})
        parameters = [row for node in NODES[:2] for row in _parameters(graphs[0], node)]
    return topics, services, parameters


def _up(graph: Graph) -> bool:
    """Return whether the policy's node has come as far as it comes."""
    offered = (graph.node.count_publishers(name) for name in LAST)
    joints = graph.node.count_subscribers("joint_states")
    return joints > 0 and all(offered) and "`backend/walk`" in "".join(_services(graph))


def _settled(graphs: list[Graph]) -> list[str]:
    """Return the rows of topics once no other has been discovered for some seconds."""
    rows, since = list(_topics(graphs)), time.monotonic()
    while time.monotonic() - since < QUIET:
        graphs[0].wait(lambda: False, 0.2)
        if (found := list(_topics(graphs))) != rows:
            rows, since = found, time.monotonic()
    return rows


def _topics(graphs: Iterable[Graph]) -> Iterator[str]:
    ends: dict[tuple[str, str], tuple[list, list]] = {}
    for node in (graph.node for graph in graphs):
        for topic, (kind, *_) in node.get_topic_names_and_types():
            name = re.sub(r"camera/\w+/", "camera/<camera>/", topic.lstrip("/"))
            offers, asks = ends.setdefault((name, kind), ([], []))
            offers += node.get_publishers_info_by_topic(topic)
            asks += node.get_subscriptions_info_by_topic(topic)
    for (name, kind), sides in sorted(ends.items()):
        said, heard = ([end for end in side if end.node_name in NODES] for side in sides)
        if kind.startswith(COMMON) or not said + heard:
            continue
        quality = (said + heard)[0].qos_profile
        delivery = f"{quality.reliability.name}, {quality.durability.name}".replace("_", " ")
        who = (", ".join(sorted({end.node_name for end in side})) for side in (said, heard))
        yield _row(f"`{name}`", f"`{kind}`", *who, delivery.lower())


def _services(graph: Graph) -> Iterator[str]:
    for name, (kind, *_) in graph.node.get_service_names_and_types():
        own = name.split("/")[1] in NODES
        if own and not kind.startswith(COMMON):
            yield _row(f"`{name.lstrip('/')}`", f"`{kind}`")


def _parameters(graph: Graph, node: str) -> Iterator[str]:
    listed = graph.call(ListParameters, f"/{node}/list_parameters").result.names
    names = sorted(
        name for name in listed if not name.startswith(("qos", "start_type", "use_sim"))
    )
    about = graph.call(
        DescribeParameters,
        f"/{node}/describe_parameters",
        DescribeParameters.Request(names=names),
    )
    for name, described in zip(names, about.descriptors, strict=True):
        changes = "" if described.read_only else "yes"
        what = "; ".join(filter(None, (described.description, described.additional_constraints)))
        yield _row(f"`{node}`", f"`{name}`", what, changes)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _table(heads: Iterable[str], entries: Iterable[str]) -> str:
    heads = list(heads)
    return "\n".join([_row(*heads), f"|{'---|' * len(heads)}", *entries])


def tables() -> str:
    """Return the page below its first words."""
    topics, services, parameters = rows()
    return "\n\n".join(
        [
            "## Topics",
            _table(("topic", "type", "published by", "heard by", "delivery"), topics),
            "## Services",
            _table(("service", "type"), services),
            "## Parameters",
            _table(("node", "parameter", "what it is", "changeable"), parameters),
        ]
    )


if __name__ == "__main__":
    words = PAGE.read_text(encoding="utf-8").partition(BEGIN)[0]
    PAGE.write_text(f"{words}{BEGIN}\n\n{tables()}\n", encoding="utf-8")
