"""What a trial gave: its numbers by the names of engine/metrics.py, why it is invalid; and all trials of a cell."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from statistics import median
from typing import Self

from loadtest.clients.client_side import ClientSide, Newcomers, Quantiles, merged, pooled, quantiles
from loadtest.contestants.contestants import Contestant
from loadtest.document.figures import ceiling_percent, floor_percent
from loadtest.engine.metrics import LATENCIES
from loadtest.engine.run import Part, Result
from loadtest.statistics.differences import Ratio, paired
from loadtest.statistics.validity import DISTURBED, closed_loop, open_loop
from loadtest.system.cpus import Disturbance, taken
from loadtest.system.memory import Memory
from loadtest.system.procfs import Switches
from loadtest.verbs.load.plan import PACE, Cell, Settings, TrialStep, cells

SERVER_SHARE = 0.97  # of its CPU budget, from which on the server is the bottleneck
CLIENT_SHARE = 0.90  # of a CPU, up to which the client is not
KEPT_UP = 0.95  # of the requests that can be answered within the schedule; who answers fewer is overloaded
# Times its throughput, for the CPU time that it has used, that a server may answer at most when it is asked for more.
BATCHING = 2
LATE = 0.1  # of a latency: by how much the client itself may have been late


@dataclass(kw_only=True)
class Trial(Result):
    """Times are in seconds, latencies in microseconds."""

    step: TrialStep
    client: ClientSide
    server_cpu_seconds: float | None  # in the window, of the whole process tree, dead children included; None: not read
    window_seconds: float | None  # amid the load: the window's length
    answers: float | None = None  # in the window, as ours count them; None: at the clients' rate over the whole load
    system_share: float | None  # of that time, spent in the kernel; None: cannot be told
    switches: Switches | None
    switches_answers: float | None = None  # that they are for; None: those in the window
    switches_problem: str = ""  # why there are none
    system_calls: float | None = None  # per request, of a short run of its own: counting them takes time
    system_calls_problem: str = ""  # why there are none, where they were counted
    clients_served: int | None  # None: the server cannot tell
    newcomers: Newcomers
    memory: Memory | None  # amid the load
    misread: bool = False  # the window could not be read as it should: this machine was too busy
    disturbance: Disturbance

    @property
    def cell(self) -> Cell:
        return self.step.cell

    @property
    def spoiled(self) -> bool:
        return self.disturbed or self.misread or bool(self.client.problems)

    @property
    def answers_in_window(self) -> float:
        """Newcomers' included, for whom the server works, too."""
        if self.answers is not None:
            return self.answers
        rate = (self.client.requests + self.newcomers.served) / self.client.seconds
        return rate * (self.window_seconds or 0)

    @property
    def server_share(self) -> float | None:
        """Of its CPU budget, in the window."""
        if self.server_cpu_seconds is None or not self.window_seconds:
            return None
        return self.server_cpu_seconds / self.window_seconds / self.cell.cpus


def values(trial: Trial) -> dict[str, float | None]:
    """None: not measured."""
    client, switches, memory, system = trial.client, trial.switches, trial.memory, trial.system_share
    throughput = _throughput(trial)
    answers = trial.answers_in_window
    cpu = _divided(None if trial.server_cpu_seconds is None else trial.server_cpu_seconds * 1e6, answers)
    share = {"cpu user": None if system is None else 1 - system, "cpu system": system}
    switched = answers if trial.switches_answers is None else trial.switches_answers
    return {
        "throughput": throughput,
        "goodput": throughput * client.good / client.requests if client.requests else 0.0,
        "cpu": cpu,
        **{name: None if cpu is None or part is None else cpu * part for name, part in share.items()},
        "voluntary switches": _divided(switches.voluntary if switches else None, switched),
        "involuntary switches": _divided(switches.involuntary if switches else None, switched),
        "system calls": trial.system_calls,
        **_milliseconds("latency", client.latency, quantiles(client.lateness)),
        **_milliseconds("service", client.service),
        "pss": _divided(memory.pss if memory else None, 2**20),
        "private": _divided(memory.private if memory else None, 2**20),
        "anonymous": _divided(memory.anonymous if memory else None, 2**20),
        "unanswered": _divided(client.censored, client.asked or 0),
    }


def _throughput(trial: Trial) -> float:
    """At a constant rate what was answered within the schedule's time: one late answer makes no second of it longer."""
    client, rate = trial.client, trial.cell.rate
    if rate is None or not client.asked or client.in_time is None:
        return client.requests / client.seconds
    return rate * client.in_time / client.asked


def _divided(total: float | None, by: float) -> float | None:
    return total / by if total is not None and by else None


def _milliseconds(kind: str, times: Quantiles | None, late: Quantiles | None = None) -> dict[str, float | None]:
    """Those of which no more than a tenth may be the client's own lateness."""
    found = {name: getattr(times, name) if times else None for name in LATENCIES}
    shown = {
        name: value for name, value in found.items() if value and not (late and getattr(late, name) > LATE * value)
    }
    return {f"{kind} {name}": shown[name] / 1000 if name in shown else None for name in LATENCIES}


def problems(trial: Trial) -> list[str]:
    """Why it is invalid: what the instrument broke; mostly there is nothing. What the server did not do is a loss."""
    return [*trial.client.problems, *filter(None, [_little(trial)])]


def losses(trial: Trial) -> list[str]:
    """What the server did not do for its clients, in half a sentence each: a result, which hides no number."""
    client, served, found = trial.client, trial.clients_served, list[str]()
    if client.errors:
        found.append(
            "the clients met errors: " + ", ".join(f"{count:,} {kind}" for kind, count in client.errors.items())
        )
    if served is not None and served < client.connections:
        found.append(f"only {served} of {client.connections} clients got a worker")
    return found or ([] if client.requests else ["no request was answered"])


def _little(trial: Trial) -> str:
    """Throughput and latency belong together, or one of them is wrong. Where something was lost, nobody knows how long
    that was under way."""
    cell, client, latency, service = trial.cell, trial.client, trial.client.latency, trial.client.service
    if latency is None or losses(trial) or cell.pipeline > 1 or (cell.rate is None and not cell.keep_alive):
        return ""
    rate, mean = latency.count / client.seconds, latency.mean / 1e6
    window = {"duration": client.seconds, "longest": latency.max / 1e6}
    if service:
        return open_loop(cell.connections, rate, service.mean / 1e6, mean, **window)
    steal, away = trial.disturbance.steal, trial.disturbance.load_cpu
    busy = 1.0
    if steal is not None and away is not None:  # as if the client's CPU was the worst
        busy = client.cpu_seconds / client.seconds + away + steal
    # quartet-pace counts the answers that it still waits for, behind its window; wrk does not
    beyond = window["longest"] / client.seconds if cell.client == PACE else 0.0
    return closed_loop(client.connections, rate, mean, **window, client_share=busy, beyond=beyond)


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
        return _median([one.server_share for one in self.trials if one.server_share is not None])

    @property
    def client_share(self) -> float | None:
        """Of the CPUs that its threads can use, which may be fewer than there are for the load."""
        threads = self.settings.load_threads(self.cell)
        return _median([one.client.cpu_seconds / one.client.seconds / threads for one in self.trials])

    @cached_property
    def latency(self) -> Quantiles | None:
        """Over all requests of all valid rounds together."""
        return pooled([trial.client for trial in self.trials])

    def shown_latency(self, name: str) -> float | None:
        """Milliseconds, of that quantile. None where the client's own lateness at that quantile is more than a tenth of
        it, and of p999 below 10,000 requests, of which fewer than ten are beyond it."""
        if not (found := self.latency) or (name == "p999" and found.count < 10_000):
            return None
        value = float(getattr(found, name))
        late = self.lateness
        return None if late and getattr(late, name) > LATE * value else value / 1000

    @cached_property
    def lateness(self) -> Quantiles | None:
        """Of the client itself, over all requests of all valid rounds together. None where there is no schedule."""
        return quantiles(merged(trial.client.lateness for trial in self.trials))

    @property
    def answered(self) -> tuple[float, float] | None:
        """Requests a second, answered within the schedule's time and due in it; None in a closed loop."""
        known = [one.client for one in self.trials if one.client.asked and one.client.in_time is not None]
        if not known or self.cell.rate is None:
            return None
        share = sum(one.in_time or 0 for one in known) / sum(one.asked or 0 for one in known)
        return share * self.cell.rate, self.cell.rate

    @property
    def overloaded(self) -> str:
        """ "3,390 of 5,000/s answered", or "". What is due in the last moments cannot be answered in time."""
        if not (found := self.answered):
            return ""
        services = [one.client.service.p50 / 1e6 for one in self.trials if one.client.service]
        possible = max(0.0, 1 - (median(services) if services else 0.0) / self.settings.duration)
        if found[0] >= KEPT_UP * possible * found[1]:
            return ""
        return f"{found[0]:,.0f} of {found[1]:,.0f}/s answered"

    @property
    def losses(self) -> list[str]:
        """Of the first round that had some."""
        return next(filter(None, map(losses, self.trials)), [])

    @property
    def unranked(self) -> str:
        """Why its throughput says less than it seems to; "" when the server was the bottleneck."""
        if self.server_share is None or self.client_share is None:
            return ""
        if self.settings.budgets[self.cell.cpus].shared:
            return "shares its CPU with the load"
        if (taken([trial.disturbance for trial in self.trials]) or 0) > DISTURBED:
            return "shared its CPU with others"
        if not self.client_share <= CLIENT_SHARE:  # also when it is not a number
            used = ceiling_percent(self.client_share, 1)
            return f"{self.cell.client} used {used} of a CPU, more than {CLIENT_SHARE:.0%}"
        if not self.server_share >= SERVER_SHARE:
            return f"used {floor_percent(self.server_share, 1)} of its CPU, less than {SERVER_SHARE:.0%}"
        return ""

    @property
    def is_bound(self) -> bool:
        """The server could have answered more: its requests a second are a lower bound."""
        return bool(self.unranked)

    @property
    def ceiling(self) -> float:
        """Requests a second that a server whose figure is a lower bound cannot reach."""
        return BATCHING * (self.middle("throughput") or 0.0) / max(self.server_share or 0.0, 0.01)


def _median(numbers: Sequence[float]) -> float | None:
    return median(numbers) if numbers else None


def everybody(part: Part) -> list[Series]:
    """In the settings' order; what was tried at least once."""
    tried = {cell: [trial for trial in part.results if trial.cell == cell] for cell in cells(part.settings)}
    return [Series(part.settings, cell, trials) for cell, trials in tried.items() if trials]


def by_load(part: Part) -> dict[str, list[Series]]:
    return {load: list(series) for load, series in groupby(everybody(part), key=lambda one: one.cell.load)}
