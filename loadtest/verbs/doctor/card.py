"""The machine card as data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Status(str, Enum):
    ok = "ok"
    note = "note"  # something cannot be measured here, or not well
    problem = "problem"  # nothing can


@dataclass(frozen=True)
class Finding:
    name: str
    value: str
    status: Status = Status.ok
    hinders: str = ""  # a sentence without its full stop: what cannot be measured here, and why
    fix: str = ""  # the command that mends it; "" where none does


@dataclass(frozen=True)
class Topic:
    title: str
    findings: list[Finding]


@dataclass(frozen=True)
class Card:
    topics: list[Topic]

    @property
    def findings(self) -> list[Finding]:
        return [finding for topic in self.topics for finding in topic.findings]

    @property
    def hindrances(self) -> list[Finding]:
        """The worst first."""
        return [one for status in (Status.problem, Status.note) for one in self.findings if one.status == status]

    @property
    def usable(self) -> bool:
        """Whether anything can be measured here; else exit status 5."""
        return all(finding.status != Status.problem for finding in self.findings)
