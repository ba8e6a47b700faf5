"""wrk, unpatched: its command line, and exact numbers from a done() script."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from loadtest.plan import Cell, Plan
from loadtest.processes import Address, Finished, pinned, run
from loadtest.results import Latency, MeasurementError, WrkErrors, WrkResult
from loadtest.stats import percentile

SCRIPT = Path(__file__).with_name("wrk.lua")


def command(plan: Plan, cell: Cell, address: Address) -> list[str]:
    url = f"http://{address.host}:{address.port}{cell.path}"
    load = ["-t1", f"-c{plan.connections}", f"-d{plan.duration}s", "--timeout", "2s", "-s", str(SCRIPT), url]
    return pinned(plan.cpus.load, ["wrk", *load])


def measure(argv: list[str], duration: int) -> Finished:
    return run(argv, timeout=duration + 10)


def parse(stdout: str, connections: int) -> WrkResult:
    """The last line of its output. Raises MeasurementError when that is not ours."""
    try:
        report = json.loads(stdout.strip().splitlines()[-1])
    except (ValueError, IndexError) as error:
        raise MeasurementError(f"wrk did not end with our line of JSON, but with {stdout[-80:]!r}") from error
    requests, duration, errors = report["requests"], report["duration_us"], WrkErrors(**report["errors"])
    recorded = {microseconds: count for microseconds, count in report["latency_us"]}
    latencies = without_synthetic(recorded, duration, requests, connections)
    answered = requests - errors.timeout  # a latency above --timeout is counted, but not recorded
    problem = _latency_problem(latencies, answered)
    return WrkResult(requests, duration / 1e6, errors, None if problem else summarize(latencies), problem)


def without_synthetic(recorded: Mapping[int, int], duration: int, requests: int, connections: int) -> dict[int, int]:
    """The latencies that wrk observed, count by microseconds.

    At its end wrk adds, for each latency n above twice the mean interval e, synthetic ones n-e, n-2e, ... above e
    (stats_correct in its stats.c). Hence observed[m] = recorded[m] - recorded[m + e] for m > e.
    """
    per_connection = requests // connections
    if per_connection == 0:
        return dict(recorded)
    interval = duration // per_connection
    observed = {m: n - recorded.get(m + interval, 0) if m > interval else n for m, n in recorded.items()}
    return {microseconds: count for microseconds, count in observed.items() if count != 0}


def _latency_problem(latencies: Mapping[int, int], answered: int) -> str:
    if not latencies:
        return "wrk recorded no latency, or too many different ones"
    if min(latencies.values()) < 0 or sum(latencies.values()) != answered:
        return f"wrk recorded {sum(latencies.values())} latencies for {answered} answers"
    return ""


def summarize(latencies: Mapping[int, int]) -> Latency:
    return Latency(percentile(latencies, 0.5), percentile(latencies, 0.99), max(latencies))
