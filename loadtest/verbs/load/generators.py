"""The load of a cell: wrk where clients ask again when they are answered, quartet-pace at a constant rate."""

from __future__ import annotations

import dataclasses

from loadtest.clients import pace, wrk
from loadtest.clients.client_side import ClientSide, Quantiles
from loadtest.clients.pace import PaceLoad
from loadtest.clients.wrk_result import Histogram, WrkLoad
from loadtest.statistics.stats import percentile
from loadtest.system.processes import Address, Finished
from loadtest.verbs.load.plan import Cell, Settings


def argv(address: Address, settings: Settings, cell: Cell) -> list[str]:
    if cell.rate is None:
        return wrk.command(wrk_load(settings, cell), settings.budgets[cell.cpus].load, address)
    load = PaceLoad(
        path=settings.workload(cell.workload).path,
        connections=cell.connections,
        rate=cell.rate,
        seconds=settings.duration,
        keep_alive=cell.keep_alive,
    )
    return pace.command(settings.pace, load, settings.budgets[cell.cpus].load, address)


def generate(address: Address, settings: Settings, cell: Cell) -> Finished:
    """Raises MeasurementError."""
    if cell.rate is None:
        return wrk.measure(argv(address, settings, cell), wrk_load(settings, cell))
    return pace.measure(argv(address, settings, cell), settings.duration)


def wrk_load(settings: Settings, cell: Cell) -> WrkLoad:
    return WrkLoad(
        path=settings.workload(cell.workload).path,
        connections=cell.connections,
        seconds=settings.duration,
        threads=settings.load_threads(cell),
        keep_alive=cell.keep_alive,
        pipeline=cell.pipeline,
    )


def client_side(settings: Settings, cell: Cell, finished: Finished) -> ClientSide:
    """From what it printed. Raises MeasurementError."""
    return pace.parse(finished) if cell.rate is not None else _wrk_side(settings, cell, finished)


def _wrk_side(settings: Settings, cell: Cell, finished: Finished) -> ClientSide:
    result = wrk.parse(finished.stdout, wrk_load(settings, cell))
    errors = {kind: count for kind, count in dataclasses.asdict(result.errors).items() if count}
    return ClientSide(
        command=finished.command,
        seconds=result.duration,
        requests=result.requests,
        good=result.good,
        bytes=result.bytes,
        errors=errors,
        latency=None if result.latency_problem else quantiles(result.observed),
        cpu_seconds=finished.cpu_seconds,
        connections=result.connections,
        latency_problem=result.latency_problem,
    )


def quantiles(histogram: Histogram) -> Quantiles:
    """Of counts by microseconds."""
    count = sum(histogram.values())
    ranks = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
    return Quantiles(
        count=count,
        mean=sum(value * number for value, number in histogram.items()) / count,
        max=max(histogram),
        **{name: percentile(histogram, share) for name, share in ranks.items()},
    )
