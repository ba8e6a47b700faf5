"""What was measured, as data, and its way to JSON and back. Times are in seconds unless the name says otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field

from loadtest.clients.outcomes import Newcomers, Outcome
from loadtest.clients.wrk_result import WrkResult
from loadtest.engine.run import Environment, Failure
from loadtest.system.cpus import Disturbance
from loadtest.system.memory import Memory
from loadtest.verbs.tour.plan import Plan


@dataclass
class LoadRun:
    contestant: str
    round: int
    cell: str
    server_command: str
    wrk_command: str
    wrk: WrkResult
    server_cpu_seconds: float  # of the whole process tree, dead children included
    wrk_cpu_seconds: float
    clients_asked: int
    clients_served: int | None  # None: /stats was not answered during the load
    newcomers: Newcomers
    disturbance: Disturbance
    repeats: int = 0  # earlier attempts, thrown away because other load disturbed them
    problems: list[str] = field(default_factory=list)  # an invalid run has some

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.wrk.requests / self.wrk.duration

    @property
    def cpu_per_request(self) -> float:
        return self.server_cpu_seconds / self.wrk.requests

    @property
    def wrk_share(self) -> float:
        return self.wrk_cpu_seconds / self.wrk.duration

    def server_share(self, cpus: int) -> float:
        """Of its CPU budget."""
        return self.server_cpu_seconds / self.wrk.duration / cpus


@dataclass
class MemoryRun:
    contestant: str
    server_command: str
    connections: int
    at_start: Memory
    in_hand: Memory  # every connection has a request in hand
    idle: Memory  # the same connections, answered


@dataclass
class CrowdRun:
    contestant: str
    server_command: str
    workers: int | None  # of a pool
    rotation: int | None
    clients_asked: int
    clients_served: int
    newcomers: Newcomers


@dataclass
class Attempt:
    """One request of the light load, in seconds from the start of the schedule."""

    client: int
    due: float
    done: float
    outcome: Outcome


@dataclass
class Survivors:
    processes_before: int
    processes_kept: int  # of those before
    processes_new: int
    connections_before: int
    connections_kept: int
    server_status: int | None  # None: the server lives


@dataclass
class CrashRun:
    contestant: str
    server_command: str
    fault_at: float
    end: float
    rate: int
    faulty: Outcome
    attempts: list[Attempt]
    survivors: Survivors


@dataclass
class TourResults:
    verb: str
    environment: Environment
    settings: Plan
    loads: list[LoadRun] = field(default_factory=list)
    memory: list[MemoryRun] = field(default_factory=list)
    crowds: list[CrowdRun] = field(default_factory=list)
    crashes: list[CrashRun] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    state: str = "running"  # then: complete, interrupted, failed
    seconds: float = 0
