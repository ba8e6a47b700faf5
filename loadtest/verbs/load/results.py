"""What a trial gave, as data. Times are in seconds, latencies in microseconds."""

from __future__ import annotations

from dataclasses import dataclass

from loadtest.clients.client_side import ClientSide, Newcomers
from loadtest.engine.run import Result
from loadtest.system.cpus import Disturbance
from loadtest.system.memory import Memory
from loadtest.system.tree import Switches
from loadtest.verbs.load.plan import Cell, TrialStep


@dataclass(kw_only=True)
class Trial(Result):
    step: TrialStep
    client: ClientSide
    server_cpu_seconds: float  # of the whole process tree, dead children included
    system_share: float | None  # of that time, spent in the kernel
    switches: Switches | None  # None: nobody counted those of dead processes
    system_calls: float | None = None  # per request, of a short run of its own: counting them takes time
    system_calls_problem: str = ""  # why there are none, where they were counted
    clients_served: int | None  # None: the server cannot tell
    newcomers: Newcomers
    memory: Memory | None  # amid the load
    disturbance: Disturbance

    @property
    def cell(self) -> Cell:
        return self.step.cell

    @property
    def round(self) -> int:
        return self.step.round

    @property
    def answered(self) -> int:
        """Requests that the server answered: the load's and the newcomers'."""
        return self.client.requests + self.newcomers.served
