"""What became of requests, as their clients saw it."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Outcome(str, enum.Enum):
    """What became of one request, as its client saw it."""

    ok = "ok"
    error_status = "error status"
    wrong_content = "wrong content"
    eof = "EOF before response"
    truncated = "truncated"
    reset = "reset"
    refused = "refused"
    timed_out = "timed out"


@dataclass
class Newcomers:
    """Fresh connections beside a load. A newcomer whom the end of the load left waiting is not counted as asked."""

    outcomes: dict[Outcome, int]
    waits: list[float]  # of those who were answered, from the moment each was due

    @property
    def asked(self) -> int:
        return sum(self.outcomes.values())

    @property
    def served(self) -> int:
        return self.outcomes.get(Outcome.ok, 0)
