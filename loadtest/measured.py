"""What a trial gave, as data. Times are in seconds, latencies in microseconds."""

from __future__ import annotations

from dataclasses import dataclass, field

from loadtest.results import Disturbance, Environment, Failure, Memory, Newcomers
from loadtest.tree import Switches
from loadtest.trials import Cell, Settings


@dataclass
class Quantiles:
    count: int
    mean: float
    p50: float
    p90: float
    p99: float
    p999: float
    max: float


@dataclass
class ClientSide:
    """What the load generator saw."""

    command: str
    seconds: float
    requests: int  # answered, well or badly
    good: int  # answered with what was asked for
    bytes: int
    errors: dict[str, int]
    latency: Quantiles | None  # closed loop: from the send; constant rate: from when the request was due
    cpu_seconds: float
    connections: int  # that it really had
    service: Quantiles | None = None  # constant rate: from the send
    latency_problem: str = ""  # why there is none
    problems: list[str] = field(default_factory=list)  # its own: the run says nothing about the server


@dataclass
class Trial:
    cell: Cell
    round: int
    server_command: str
    client: ClientSide
    server_cpu_seconds: float  # of the whole process tree, dead children included
    system_share: float | None  # of that time, spent in the kernel
    switches: Switches | None  # None: nobody counted those of dead processes
    system_calls: float | None  # per request, of a short run of its own: counting them takes time
    system_calls_problem: str  # why there are none
    clients_served: int | None  # None: the server cannot tell
    newcomers: Newcomers
    memory: Memory | None  # amid the load
    disturbance: Disturbance
    repeats: int = 0  # earlier attempts, thrown away because other load disturbed them
    problems: list[str] = field(default_factory=list)  # an invalid trial has some

    @property
    def answered(self) -> int:
        """Requests that the server answered: the load's and the newcomers'."""
        return self.client.requests + self.newcomers.served


@dataclass
class TrialResults:
    verb: str
    environment: Environment
    settings: Settings
    trials: list[Trial] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    state: str = "running"  # then: complete, interrupted, failed
    seconds: float = 0
