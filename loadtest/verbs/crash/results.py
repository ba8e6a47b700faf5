"""What a crash took down, as data. Times are in seconds from the start of the load's schedule."""

from __future__ import annotations

from dataclasses import dataclass

from loadtest.engine.run import Result
from loadtest.verbs.crash.clients import Attempt
from loadtest.verbs.crash.plan import CrashStep


@dataclass
class Survivors:
    processes_before: int
    processes_kept: int  # of those before
    processes_new: int
    connections_before: int
    connections_kept: int
    server_status: int | None  # None: the server lives


@dataclass(kw_only=True)
class Crash(Result):
    step: CrashStep
    fault_at: float  # when the fault was really asked for
    faulty: str  # what became of that request
    attempts: list[Attempt]  # all others
    survivors: Survivors
