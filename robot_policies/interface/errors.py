"""Every error the package raises on purpose, and the one place that words "did you mean".

An error says what is wrong, where, the value, what was expected and the nearest valid name, so
that the reader's next step is in the message. Errors are raised where the fact is known and are
caught only in nodes and in the command line.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class RobotPoliciesError(Exception):
    """Base of all errors that are the user's to fix; printed as one line, without a traceback."""


class ContractError(RobotPoliciesError):
    """An array, a message or a call does not keep what its specification promises."""


class ImplausibleState(ContractError):
    """A measurement that cannot be true."""


class ConfigError(RobotPoliciesError):
    """A configuration file or an argument says something that cannot be."""


class UnknownNameError(ConfigError):
    """A name that is not in the catalog; the message lists the nearest and all valid names."""

    def __init__(self, kind: str, name: str, available: Iterable[str], where: str = "") -> None:
        """Word the message.

        Args:
            kind: What the name should have named, such as "policy".
            name: The name that was given.
            available: All valid names.
            where: File or argument the name came from.
        """
        self.name, self.available = name, sorted(available)
        prefix = f"{where}: " if where else ""
        super().__init__(f"{prefix}no {kind} '{name}'.{suggestion(name, self.available)}")


class CheckpointError(RobotPoliciesError):
    """A checkpoint is missing, damaged, or does not fit the contract it is used under."""


class StaleObservation(RobotPoliciesError):
    """No observation can be made now, because a stream is missing, too old, or out of step."""


class BackendError(RobotPoliciesError):
    """A simulator or a device cannot do what was asked."""


class RecordingEnded(BackendError):
    """A recorded log has no further step; it ends an episode without a fault."""


def suggestion(name: str, available: Iterable[str]) -> str:
    """Return ` Did you mean 'x'? Available: [...]` for a wrong name."""
    names = sorted(available)
    near = get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"{hint} Available: {names}"
