"""A node's settings: parameters that are read when it is configured, each checked by itself."""

import math
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import ParameterDescriptor

from robot_policies.interface import ConfigError
from robot_policies.interface.errors import suggestion


@dataclass(frozen=True)
class Setting:
    """One parameter.

    Attributes:
        default: Its default, whose type it has.
        text: What it is, for people, with its unit.
        least: Smallest value; `None`: any.
        choices: What it may be; empty: anything of its type.
    """

    default: Any
    text: str
    least: float | None = None
    choices: tuple[str, ...] = ()

    @property
    def constraint(self) -> str:
        """What it may be, for people; empty: anything of its type."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        return "" if self.least is None else f"at least {self.least:g}"

    @property
    def descriptor(self) -> ParameterDescriptor:
        """What `ros2 param describe` says."""
        # Launch files cannot say 50.0 where somebody writes 50; the type follows the default.
        return ParameterDescriptor(
            description=self.text,
            additional_constraints=self.constraint,
            read_only=True,
            dynamic_typing=True,
        )

    def read(self, name: str, value: Any) -> Any:
        """Return a value as the type of the default; `none` is the empty text.

        `ros2 launch` takes no argument without a value.

        Args:
            name: Name of the parameter.
            value: What it was given.

        Raises:
            ConfigError: If it is no such value, with what it may be.
        """
        kind, value = type(self.default), "" if value == "none" else value
        try:
            read = kind(value)
        except (TypeError, ValueError):
            raise ConfigError(f"{name} is '{value}', expected {kind.__name__}") from None
        if self.choices and read not in self.choices:
            raise ConfigError(f"{name} cannot be '{read}'.{suggestion(read, self.choices)}")
        if self.least is not None and not self.least <= read < math.inf:
            raise ConfigError(f"{name} is {read}, expected {self.constraint}")
        return read
