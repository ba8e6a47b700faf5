"""What a trial gave, as data. Times are in seconds, latencies in microseconds."""

from __future__ import annotations

from dataclasses import dataclass, field

from loadtest.clients.client_side import ClientSide
from loadtest.clients.outcomes import Newcomers
from loadtest.engine.run import Environment, Failure
from loadtest.system.cpus import Disturbance
from loadtest.system.memory import Memory
from loadtest.system.tree import Switches
from loadtest.verbs.load.plan import Cell, Settings


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
