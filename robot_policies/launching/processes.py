"""What a launch file says, arguments filled in: processes to start, and messages, in time."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Argument:
    """A declared argument of a launch file.

    Attributes:
        default: Its value if none is given; `None` means it must be given.
        description: For people.
        choices: The only values it may have; empty if any.
    """

    default: str | None
    description: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Process:
    """One process to start.

    Attributes:
        name: Prefix of its output.
        command: Program and arguments.
        environment: Its whole environment.
        directory: Working directory; `None` is the launcher's.
        respawn_delay: Wait before it is started again; `None` if it is not. [s]
        ends_launch: Whether everything shuts down when it exits.
        failure: Text in a line of its output that means failure, whatever its exit status.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str | None = None
    respawn_delay: float | None = None
    ends_launch: bool = False
    failure: str = ""


@dataclass(frozen=True)
class Step:
    """Something to do at a time.

    Attributes:
        after: Time since the start. [s]
        action: A process to start, or a message to print.
        shutdown: Whether to shut everything down, with the message as the reason.
    """

    after: float
    action: Process | str
    shutdown: bool = False


@dataclass
class Description:
    """What a launch file says, arguments filled in."""

    arguments: dict[str, Argument] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
