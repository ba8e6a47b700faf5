"""What a trial gave: its numbers by the names of engine/metrics.py, why it is invalid; and all trials of a cell."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import median

from loadtest.clients.client_side import (
    ROUNDING,
    SHARES,
    ClientSide,
    Distribution,
    Newcomers,
    Quantiles,
    distribution,
    merged,
    pooled,
    quantiles,
)
from loadtest.document.figures import ceiling_percent, floor_percent
from loadtest.engine.metrics import LATENCIES
from loadtest.engine.run import Result
from loadtest.statistics.validity import DISTURBED, closed_loop, open_loop
from loadtest.system.cpus import Disturbance, taken
from loadtest.system.memory import Memory
from loadtest.system.procfs import Switches
from loadtest.verbs.load.plan import PACE, Cell, TrialStep
from loadtest.verbs.load.rounds import Rounds, middle_of

SERVER_SHARE = 0.97  # of its CPU budget, from which on the server is the bottleneck
CLIENT_SHARE = 0.90  # of a CPU, up to which the client is not
KEPT_UP = 0.95  # of the requests that can be answered within the schedule; who answers fewer is overloaded
# Times its throughput, for the CPU time that it has used, that a server may answer at most when it is asked for more.
BATCHING = 2
LATE = 0.1  # of a latency: by how much the client itself may have been late
BEYOND = 10  # requests that must be slower than a rare quantile, or it says nothing
RARE = 10_000  # requests that p999 takes: of fewer, fewer than BEYOND are slower


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
    """None: not measured. A quantile may be a bound."""
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


def bounds(trial: Trial) -> list[str]:
    """Quantiles of which nobody knows an upper limit, because of what was not answered well. Of those there may be no
    value at all."""
    client = trial.client
    asked = client.asked or client.requests + client.censored
    least = {name: SHARES.get(name, 1.0) * asked - ROUNDING for name in LATENCIES}
    names = [name for name in LATENCIES if not client.good or client.good < least[name]]
    return [f"{kind} {name}" for kind in ("latency", "service") for name in names]


def _throughput(trial: Trial) -> float:
    """At a constant rate what was answered within the schedule's time: one late answer makes no second of it longer."""
    client, rate = trial.client, trial.cell.rate
    if rate is None or not client.asked or client.in_time is None:
        return client.requests / client.seconds
    return rate * client.in_time / client.asked


def _divided(total: float | None, by: float) -> float | None:
    return total / by if total is not None and by else None


def _milliseconds(kind: str, times: Quantiles | None, late: Quantiles | None = None) -> dict[str, float | None]:
    """Those of which no more than a tenth may be the client's own lateness; p999 of RARE requests or more."""
    found = {name: getattr(times, name) if times else None for name in LATENCIES}
    if times and times.count < RARE:
        found["p999"] = None
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
        found.append(f"only {served} of {client.connections} clients were being served")
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


def tail(times: Distribution, late: Distribution, shares: Iterable[float]) -> dict[float, float | None]:
    """Milliseconds that such shares of all requests took at most; 1 is the maximum. Left out is where fewer than BEYOND
    requests are slower, and None where the client itself was so late."""
    told = [one for one in shares if times.count and (one == 1 or round(times.count * (1 - one), 6) >= BEYOND)]
    return {one: None if late.count and late.at(one) > LATE * times.at(one) else times.at(one) / 1000 for one in told}


@dataclass(frozen=True)
class Series(Rounds[Trial]):
    """Trials of one cell."""

    def values(self, one: Trial) -> Mapping[str, float | None]:
        return values(one)

    @property
    def server_share(self) -> float | None:
        """Of its CPU budget. At most 1: the errors of the readings may add up to a little more."""
        share = middle_of([one.server_share for one in self.valid if one.server_share is not None])
        return None if share is None else min(share, 1.0)

    @property
    def client_share(self) -> float | None:
        """Of the CPUs that its threads can use, which may be fewer than there are for the load."""
        threads = self.settings.load_threads(self.cell)
        return middle_of([one.client.cpu_seconds / one.client.seconds / threads for one in self.valid])

    @cached_property
    def latency(self) -> Quantiles | None:
        """Over all requests of all valid rounds together."""
        return pooled([trial.client for trial in self.valid])

    def shown_latency(self, name: str) -> float | None:
        """Milliseconds, of that quantile. None where the client's own lateness at that quantile is more than a tenth of
        it, and of p999 below RARE requests."""
        if not (found := self.latency) or (name == "p999" and found.count < RARE):
            return None
        value = float(getattr(found, name))
        late = self.lateness
        return None if late and getattr(late, name) > LATE * value else value / 1000

    def latency_of_rounds(self, name: str) -> list[float]:
        """Milliseconds, of each by itself; the client may have been late in one."""
        return [getattr(trial.client.latency, name) / 1000 for trial in self.valid if trial.client.latency]

    @cached_property
    def distribution(self) -> Distribution:
        """The same, whatever share is asked for."""
        return distribution([trial.client for trial in self.valid])

    def tail(self, shares: Iterable[float]) -> dict[float, float | None]:
        """Milliseconds that such shares of all requests took at most, by the same rules."""
        return tail(self.distribution, Distribution(merged(trial.client.lateness for trial in self.valid)), shares)

    @cached_property
    def lateness(self) -> Quantiles | None:
        """Of the client itself, over all requests of all valid rounds together. None where there is no schedule."""
        return quantiles(merged(trial.client.lateness for trial in self.valid))

    @property
    def answered(self) -> tuple[float, float] | None:
        """Requests a second, answered within the schedule's time and due in it; None in a closed loop."""
        known = [one.client for one in self.valid if one.client.asked and one.client.in_time is not None]
        if not known or self.cell.rate is None:
            return None
        share = sum(one.in_time or 0 for one in known) / sum(one.asked or 0 for one in known)
        return share * self.cell.rate, self.cell.rate

    @property
    def overloaded(self) -> str:
        """ "3,390 of 5,000/s answered", or "". What is due in the last moments cannot be answered in time; what was
        never answered has no such excuse, though where connections are the queue all answers take long."""
        if not (found := self.answered):
            return ""
        services = [one.client.service.p50 / 1e6 for one in self.valid if one.client.service]
        possible = max(0.0, 1 - (median(services) if services else 0.0) / self.settings.duration)
        unanswered = sum(one.client.censored for one in self.valid)
        if found[0] >= KEPT_UP * possible * found[1] and unanswered <= (1 - KEPT_UP) * self.asked:
            return ""
        return f"{found[0]:,.0f} of {found[1]:,.0f}/s answered"

    @property
    def asked(self) -> int:
        """Requests that were due at a constant rate, in all valid rounds; 0 in a closed loop."""
        return sum(one.client.asked or 0 for one in self.valid)

    @property
    def lost(self) -> int:
        """Of these, those that got no good answer."""
        return sum(sum(one.client.errors.values()) for one in self.valid if one.client.asked)

    @property
    def same_work(self) -> bool:
        """At a constant rate, who was overloaded or lost something answered another one."""
        return self.cell.rate is None or not (self.overloaded or self.losses)

    @property
    def losses(self) -> list[str]:
        """Of the first round that had some."""
        return next(filter(None, map(losses, self.valid)), [])

    @property
    def unranked(self) -> str:
        """Why its throughput says less than it seems to; "" when the server was the bottleneck."""
        if self.server_share is None or self.client_share is None:
            return ""
        if self.settings.budgets[self.cell.cpus].shared:
            return "shares its CPU with the load"
        if (taken([trial.disturbance for trial in self.valid]) or 0) > DISTURBED:
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
