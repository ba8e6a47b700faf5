"""The numbers of a trial, each with its unit: for tables, cells.csv and comparisons alike. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median

from loadtest.clients.client_side import Quantiles
from loadtest.verbs.load.results import Trial

LATENCIES = ("p50", "p90", "p99", "p999", "max", "mean")


@dataclass(frozen=True)
class Metric:
    name: str
    unit: str
    better: str  # "more" or "less"
    of: Callable[[Trial], float | None]  # None: not measured


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


def system_calls(trial: Trial) -> float | None:
    return trial.system_calls


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


def quantile(times: Callable[[Trial], Quantiles | None], name: str) -> Callable[[Trial], float | None]:
    """In milliseconds."""

    def value(trial: Trial) -> float | None:
        found = times(trial)
        return getattr(found, name) / 1000 if found else None

    return value


def _latency(trial: Trial) -> Quantiles | None:
    return trial.client.latency


def _service(trial: Trial) -> Quantiles | None:
    return trial.client.service


METRICS = (
    Metric("throughput", "requests/s", "more", throughput),
    Metric("goodput", "requests/s", "more", goodput),
    Metric("cpu", "us/request", "less", cpu_per_request),
    Metric("cpu user", "us/request", "less", user_per_request),
    Metric("cpu system", "us/request", "less", system_per_request),
    Metric("voluntary switches", "1/request", "less", voluntary),
    Metric("involuntary switches", "1/request", "less", involuntary),
    Metric("system calls", "1/request", "less", system_calls),
    *(Metric(f"latency {name}", "ms", "less", quantile(_latency, name)) for name in LATENCIES),
    *(Metric(f"service {name}", "ms", "less", quantile(_service, name)) for name in LATENCIES),
    Metric("pss", "MiB", "less", pss),
    Metric("private", "MiB", "less", private),
)
BY_NAME = {metric.name: metric for metric in METRICS}


def by_round(trials: Iterable[Trial], of: Callable[[Trial], float | None]) -> dict[int, float]:
    """The values that were measured."""
    return {trial.round: value for trial in trials if (value := of(trial)) is not None}


def middle(trials: Iterable[Trial], of: Callable[[Trial], float | None]) -> float | None:
    values = by_round(trials, of).values()
    return median(values) if values else None
