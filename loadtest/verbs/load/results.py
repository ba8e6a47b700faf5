"""What a trial gave: its numbers by the names of engine/metrics.py, why it is invalid; and all trials of a cell."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from statistics import median
from typing import Self

from loadtest.clients.client_side import ClientSide, Newcomers, Quantiles
from loadtest.contestants.contestants import Contestant
from loadtest.engine.metrics import LATENCIES
from loadtest.engine.run import Part, Result
from loadtest.statistics.differences import Ratio, paired
from loadtest.statistics.validity import DISTURBED, closed_loop, open_loop
from loadtest.system.cpus import Disturbance, taken
from loadtest.system.memory import Memory
from loadtest.system.procfs import Switches
from loadtest.verbs.load.plan import Cell, Settings, TrialStep, cells

SERVER_SHARE = 0.97  # of its CPU budget, from which on the server is the bottleneck
WRK_SHARE = 0.90  # of a CPU, up to which wrk is not


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


def values(trial: Trial) -> dict[str, float | None]:
    """None: not measured."""
    client, switches, memory, system = trial.client, trial.switches, trial.memory, trial.system_share
    cpu, answered = trial.server_cpu_seconds * 1e6, client.requests + trial.newcomers.served
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
        **{name: _divided(total, answered) for name, total in sums.items()},
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


def problems(trial: Trial) -> list[str]:
    """Why it is invalid; mostly there is nothing."""
    client, found = trial.client, list(trial.client.problems)
    if client.requests == 0:
        return [*found, "no request was answered"]
    if client.errors:
        kinds = ", ".join(f"{count} {kind}" for kind, count in client.errors.items())
        found.append(f"the clients met errors: {kinds}")
    if trial.clients_served is not None and trial.clients_served < client.connections:
        found.append(f"only {trial.clients_served} of {client.connections} clients got a worker")
    return found + ([sentence] if (sentence := _little(trial)) else [])


def _little(trial: Trial) -> str:
    """Throughput and latency belong together, or one of them is wrong."""
    cell, client, latency, service = trial.cell, trial.client, trial.client.latency, trial.client.service
    if latency is None or (cell.rate is None and not cell.keep_alive):
        return ""
    rate, mean = latency.count / client.seconds, latency.mean / 1e6
    window = {"duration": client.seconds, "longest": latency.max / 1e6}
    if service:
        return open_loop(cell.connections, rate, service.mean / 1e6, mean, **window)
    steal, away = trial.disturbance.steal, trial.disturbance.load_cpu
    busy = 1.0
    if steal is not None and away is not None:  # as if all that was stolen was of the client's CPU
        busy = client.cpu_seconds / client.seconds + away + (cell.cpus + 1) * steal
    return closed_loop(client.connections, rate, mean, **window, client_share=busy)


@dataclass(frozen=True)
class Series:
    """One cell, over all rounds."""

    settings: Settings
    cell: Cell
    tried: Sequence[Trial]  # at least one

    @property
    def name(self) -> str:
        return self.cell.contestant

    @property
    def contestant(self) -> Contestant:
        return self.settings.contestant(self.name)

    @cached_property
    def trials(self) -> list[Trial]:
        """The valid ones."""
        return [trial for trial in self.tried if not trial.problems]

    def by_round(self, metric: str) -> dict[int, float]:
        """What was measured validly."""
        found = {trial.step.round: values(trial)[metric] for trial in self.trials}
        return {number: value for number, value in found.items() if value is not None}

    def middle(self, metric: str) -> float | None:
        return _median([*self.by_round(metric).values()])

    def ratio(self, other: Self, metric: str) -> Ratio | None:
        """Of the rounds that both have."""
        both = (one.by_round(metric) for one in (self, other))
        mine, its = ({number: value for number, value in rounds.items() if value > 0} for rounds in both)
        return paired(mine, its) if mine.keys() & its.keys() else None

    @property
    def server_share(self) -> float | None:
        """Of its CPU budget."""
        return _median([one.server_cpu_seconds / one.client.seconds / self.cell.cpus for one in self.trials])

    @property
    def client_share(self) -> float | None:
        """Of the CPUs that its threads can use, which may be fewer than there are for the load."""
        threads = self.settings.load_threads(self.cell)
        return _median([one.client.cpu_seconds / one.client.seconds / threads for one in self.trials])

    @property
    def unranked(self) -> str:
        """Why its throughput says nothing about the server; "" when the server was the bottleneck."""
        if self.server_share is None or self.client_share is None:
            return ""
        if self.settings.budgets[self.cell.cpus].shared:
            return "shares its CPU with the load"
        if (taken([trial.disturbance for trial in self.trials]) or 0) > DISTURBED:
            return "shared its CPU with others"
        if not self.server_share >= SERVER_SHARE:  # also when it is not a number
            return f"used less than {SERVER_SHARE:.0%} of its CPU"
        return "" if self.client_share <= WRK_SHARE else f"wrk used more than {WRK_SHARE:.0%} of a CPU"


def _median(numbers: Sequence[float]) -> float | None:
    return median(numbers) if numbers else None


def everybody(part: Part) -> list[Series]:
    """In the settings' order; what was tried at least once."""
    tried = {cell: [trial for trial in part.results if trial.cell == cell] for cell in cells(part.settings)}
    return [Series(part.settings, cell, trials) for cell, trials in tried.items() if trials]


def by_load(part: Part) -> dict[str, list[Series]]:
    return {load: list(series) for load, series in groupby(everybody(part), key=lambda one: one.cell.load)}
