"""The numbers of a trial, by the name that they have in engine/metrics.py. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from statistics import median

from loadtest.clients.client_side import Quantiles
from loadtest.engine.metrics import LATENCIES
from loadtest.verbs.load.results import Trial

Value = Callable[[Trial], float | None]  # None: not measured


def throughput(trial: Trial) -> float:
    """Answers a second, good or bad."""
    return trial.client.requests / trial.client.seconds


def goodput(trial: Trial) -> float:
    """Good answers a second."""
    return trial.client.good / trial.client.seconds


def cpu_per_request(trial: Trial) -> float | None:
    """Microseconds, user and system time together."""
    return _each(trial, trial.server_cpu_seconds * 1e6)


def user_per_request(trial: Trial) -> float | None:
    return None if trial.system_share is None else _times(cpu_per_request(trial), 1 - trial.system_share)


def system_per_request(trial: Trial) -> float | None:
    return None if trial.system_share is None else _times(cpu_per_request(trial), trial.system_share)


def voluntary(trial: Trial) -> float | None:
    return None if trial.switches is None else _each(trial, trial.switches.voluntary)


def involuntary(trial: Trial) -> float | None:
    return None if trial.switches is None else _each(trial, trial.switches.involuntary)


def pss(trial: Trial) -> float | None:
    """MiB, of the process tree amid the load."""
    known = trial.memory is not None and trial.memory.pss is not None
    return trial.memory.pss / 2**20 if known else None  # type: ignore[union-attr, operator]


def private(trial: Trial) -> float | None:
    known = trial.memory is not None and trial.memory.private is not None
    return trial.memory.private / 2**20 if known else None  # type: ignore[union-attr, operator]


def server_share(trial: Trial) -> float:
    """Of its CPU budget."""
    return trial.server_cpu_seconds / trial.client.seconds / trial.cell.cpus


def _each(trial: Trial, sum_of_all: float) -> float | None:
    return sum_of_all / trial.answered if trial.answered else None


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def quantile(times: Callable[[Trial], Quantiles | None], name: str) -> Value:
    """In milliseconds."""

    def value(trial: Trial) -> float | None:
        found = times(trial)
        return getattr(found, name) / 1000 if found else None

    return value


BY_NAME: dict[str, Value] = {
    "throughput": throughput,
    "goodput": goodput,
    "cpu": cpu_per_request,
    "cpu user": user_per_request,
    "cpu system": system_per_request,
    "voluntary switches": voluntary,
    "involuntary switches": involuntary,
    "system calls": lambda trial: trial.system_calls,
    **{f"latency {name}": quantile(lambda trial: trial.client.latency, name) for name in LATENCIES},
    **{f"service {name}": quantile(lambda trial: trial.client.service, name) for name in LATENCIES},
    "pss": pss,
    "private": private,
}


def values(trial: Trial) -> dict[str, float | None]:
    return {name: of(trial) for name, of in BY_NAME.items()}


def by_round(trials: Iterable[Trial], of: Value) -> dict[int, float]:
    """The values that were measured."""
    return {trial.round: value for trial in trials if (value := of(trial)) is not None}


def middle(trials: Iterable[Trial], of: Value) -> float | None:
    values = by_round(trials, of).values()
    return median(values) if values else None
