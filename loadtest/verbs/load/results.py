"""What a trial gave, and its numbers by the names of engine/metrics.py. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from loadtest.clients.client_side import ClientSide, Newcomers, Quantiles
from loadtest.engine.metrics import LATENCIES
from loadtest.engine.run import Result
from loadtest.system.cpus import Disturbance
from loadtest.system.memory import Memory
from loadtest.system.tree import Switches
from loadtest.verbs.load.plan import Cell, TrialStep


@dataclass(kw_only=True)
class Trial(Result):
    """Times are in seconds, latencies in microseconds."""

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


def values(trial: Trial) -> dict[str, float | None]:
    """None: not measured."""
    client, switches, memory, system = trial.client, trial.switches, trial.memory, trial.system_share
    cpu = trial.server_cpu_seconds * 1e6
    sums = {
        "cpu": cpu,
        "cpu user": None if system is None else cpu * (1 - system),
        "cpu system": None if system is None else cpu * system,
        "voluntary switches": switches.voluntary if switches else None,
        "involuntary switches": switches.involuntary if switches else None,
    }
    return {
        "throughput": client.requests / client.seconds,
        "goodput": client.good / client.seconds,
        **{name: _divided(total, trial.answered) for name, total in sums.items()},
        "system calls": trial.system_calls,
        **_milliseconds("latency", client.latency),
        **_milliseconds("service", client.service),
        "pss": _divided(memory.pss if memory else None, 2**20),
        "private": _divided(memory.private if memory else None, 2**20),
    }


def _divided(total: float | None, by: int) -> float | None:
    return total / by if total is not None and by else None


def _milliseconds(kind: str, times: Quantiles | None) -> dict[str, float | None]:
    return {f"{kind} {name}": getattr(times, name) / 1000 if times else None for name in LATENCIES}
