"""What a check found: one line per difference, each with a level and a stable code."""

from dataclasses import dataclass
from typing import Literal

from robot_policies.interface.errors import ContractError


@dataclass(frozen=True)
class Finding:
    """One difference.

    Attributes:
        level: `error` forbids to run; `warning` and `info` do not.
        code: Stable name of the check.
        message: One line: where, what, expected.
    """

    level: Literal["error", "warning", "info"]
    code: str
    message: str


@dataclass(frozen=True)
class Report:
    """All findings about one policy on one robot.

    Attributes:
        findings: Errors first.
    """

    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Those that forbid to run."""
        return tuple(finding for finding in self.findings if finding.level == "error")

    def require(self) -> None:
        """Refuse to go on if there is an error.

        Raises:
            ContractError: Listing all errors in one line.
        """
        if self.errors:
            raise ContractError("; ".join(f"[{e.code}] {e.message}" for e in self.errors))
