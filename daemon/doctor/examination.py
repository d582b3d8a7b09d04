"""Runs the checks, one after the other, and keeps what they find."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from daemon.doctor.checks import CHECKS
from daemon.doctor.finding import Finding, Level, broken, install_dependencies
from daemon.doctor.machine import Machine, one_line
from pipeline.errors import LipdropError


@dataclass(frozen=True)
class Examination:
    """The findings of all checks by the checks' titles."""

    groups: dict[str, list[Finding]]

    def count(self, level: Level) -> int:
        """How many findings have a level."""
        return sum(finding.level is level for findings in self.groups.values() for finding in findings)

    def as_dict(self) -> dict[str, Any]:
        """All findings, for `--json`."""
        return {
            "ok": self.count(Level.BROKEN) == 0,
            "broken": self.count(Level.BROKEN),
            "warnings": self.count(Level.WARNING),
            "findings": [
                {"check": title, **asdict(finding)} for title, found in self.groups.items() for finding in found
            ],
        }


def examine(machine: Machine) -> Iterator[tuple[str, list[Finding]]]:
    """Run the checks; yields the findings of each as soon as it is done, if there are any."""
    for title, check in CHECKS.items():
        found = list(_findings(check(machine)))
        if found:
            yield title, found


def _findings(check: Iterable[Finding]) -> Iterator[Finding]:
    """What a check finds. One that needs a package that is missing, or a file that cannot be read, ends with that."""
    try:
        yield from check
    except ImportError as error:
        yield broken(f"cannot be checked: {error}", install_dependencies())
    except LipdropError as error:
        yield broken(one_line(error), f"lipdrop explain {error.code}")
    except OSError as error:
        yield broken(f"cannot be checked: {one_line(error)}", None)
