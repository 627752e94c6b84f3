"""XML elements that know their line, so that every complaint about a launch file names the place.

`xml.etree` forgets line numbers; the parser underneath does not.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers.expat import ExpatError, ParserCreate

from robot_policies.interface import ConfigError
from robot_policies.interface.errors import suggestion

CONDITIONS = ("if", "unless")
PROCESS = ("output", "respawn", "respawn_delay", "on_exit", *CONDITIONS)

# The subset that `ros2 launch` of Humble to Kilted reads in the same way:
# tag -> (required attributes, optional attributes, child tags).
ROOT = "launch"
ACTIONS = (
    "arg",
    "let",
    "group",
    "push_ros_namespace",
    "include",
    "node",
    "set_env",
    "set_remap",
    "executable",
    "log",
    "timer",
    "shutdown",
)
GRAMMAR: Mapping[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    ROOT: ((), ("version",), ACTIONS),
    "arg": (("name",), ("default", "description", *CONDITIONS), ("choice",)),
    "choice": (("value",), (), ()),
    "let": (("name", "value"), CONDITIONS, ()),
    "group": ((), ("scoped", *CONDITIONS), ACTIONS),
    "push_ros_namespace": (("namespace",), CONDITIONS, ()),
    "include": (("file",), CONDITIONS, ("arg", "let")),
    "node": (
        ("pkg", "exec"),
        ("name", "namespace", "args", *PROCESS),
        ("param", "remap", "env"),
    ),
    "param": ((), ("name", "value", "type", "from"), ()),
    "remap": (("from", "to"), CONDITIONS, ()),
    "env": (("name", "value"), CONDITIONS, ()),
    "set_env": (("name", "value"), CONDITIONS, ()),
    "set_remap": (("from", "to"), CONDITIONS, ()),
    "executable": (("cmd",), ("name", "cwd", "args", *PROCESS), ("env",)),
    "log": (("message",), ("level", *CONDITIONS), ()),
    "timer": (("period",), CONDITIONS, ACTIONS),
    "shutdown": ((), ("reason", *CONDITIONS), ()),
}


@dataclass
class Element:
    """One element of a launch file.

    Attributes:
        tag: Its name.
        attributes: Its attributes, substitutions not yet made.
        where: `file:line`, for messages.
        children: Elements inside it, in order.
    """

    tag: str
    attributes: Mapping[str, str]
    where: str
    children: list["Element"] = field(default_factory=list)


def read_launch_file(path: Path) -> Element:
    """Read a launch file and check every tag and attribute of it.

    Returns:
        The `launch` element.

    Raises:
        ConfigError: Naming file and line of what cannot be read.
    """
    parser = ParserCreate()
    root = Element("", {}, str(path))
    open_elements = [root]

    def start(tag: str, attributes: dict[str, str]) -> None:
        parent = open_elements[-1]
        element = Element(tag, attributes, f"{path}:{parser.CurrentLineNumber}")
        _check(element, parent.tag)
        parent.children.append(element)
        open_elements.append(element)

    def text(content: str) -> None:
        if content.strip():
            where = f"{path}:{parser.CurrentLineNumber}"
            raise ConfigError(f"{where}: text '{content.strip()}' outside of any tag")

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda tag: open_elements.pop()
    parser.CharacterDataHandler = text
    try:
        parser.Parse(path.read_bytes(), True)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except ExpatError as error:
        raise ConfigError(f"{path}:{error.lineno}: no XML: {error}") from None
    return root.children[0]


def _check(element: Element, parent: str) -> None:
    allowed = GRAMMAR[parent][2] if parent else (ROOT,)
    if element.tag not in allowed:
        inside = f" in <{parent}>" if parent else ""
        raise ConfigError(
            f"{element.where}: no tag <{element.tag}>{inside}.{suggestion(element.tag, allowed)}"
        )
    required, optional, _ = GRAMMAR[element.tag]
    if parent == "include":
        required, optional = ("name", "value"), ()
    for name in element.attributes:
        if name not in (*required, *optional):
            raise ConfigError(
                f"{element.where}: <{element.tag}> has no attribute '{name}'."
                f"{suggestion(name, (*required, *optional))}"
            )
    for name in required:
        if name not in element.attributes:
            raise ConfigError(f"{element.where}: <{element.tag}> needs the attribute '{name}'")
    if element.tag == "param":
        given = set(element.attributes) - {"type"}
        if given not in ({"name", "value"}, {"from"}):
            raise ConfigError(f"{element.where}: <param> needs name and value, or from")
        if element.attributes.get("type", "str") != "str":
            kind = element.attributes["type"]
            raise ConfigError(f"{element.where}: <param> has type '{kind}', only str is read")
