"""wrk, unpatched: its command line, exact numbers from a done() script, and its latencies as it observed them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtest.system import MeasurementError, sockets
from loadtest.system.processes import Address, Finished, pinned, run

SCRIPT = Path(__file__).with_name("wrk.lua")
Histogram = dict[int, int]  # how many, by microseconds


@dataclass(frozen=True)
class WrkLoad:
    """What wrk is asked for."""

    path: str
    connections: int
    seconds: int
    threads: int = 1
    keep_alive: bool = True  # otherwise each request asks for `Connection: close`
    pipeline: int = 1  # requests that leave at once, on a kept connection; those behind its rotation are lost
    timeout: int = 2  # seconds; an answer that takes longer is counted, its latency is not recorded

    @property
    def effective_connections(self) -> int:
        """That wrk opens: the same number in each thread."""
        return self.threads * (self.connections // self.threads)


@dataclass
class WrkErrors:
    """`connect`: each one also gives up a connection for the rest of the run. `read`, `write`: the connection was
    lost and replaced. `status`: answers of 400 and above. `timeout`: answers that came after the timeout; one that
    never came is counted nowhere."""

    connect: int = 0
    read: int = 0
    write: int = 0
    status: int = 0
    timeout: int = 0


@dataclass
class WrkResult:
    requests: int  # complete answers, whatever they say
    duration_us: int
    errors: WrkErrors
    latency_problem: str  # why the observed ones say nothing
    bytes: int  # heads and bodies, of incomplete answers too
    connections: int  # that wrk opened
    pipeline: int
    recorded: Histogram  # what wrk's own percentiles are made of: with synthetic samples
    observed: Histogram  # without; one sample for each batch of a pipeline

    @property
    def duration(self) -> float:
        return self.duration_us / 1e6

    @property
    def good(self) -> int:
        """Goodput: complete answers below 400 that came within the timeout, a pipelined batch as a whole. wrk does not
        look at the bytes. What was both late and an error is taken off twice, so that this errs on the low side."""
        return max(0, self.requests - self.errors.status - self.errors.timeout * self.pipeline)


def command(load: WrkLoad, cpus: Sequence[int], address: Address) -> list[str]:
    size = [f"-t{load.threads}", f"-c{load.connections}", f"-d{load.seconds}s", "--timeout", f"{load.timeout}s"]
    fresh = [] if load.keep_alive else ["--", "close"]
    pipeline = ["--", f"pipeline={load.pipeline}"] if load.pipeline > 1 else []
    return pinned(cpus, ["wrk", *size, "-s", str(SCRIPT), f"http://{address}{load.path}", *fresh, *pipeline])


def measure(argv: Sequence[str], load: WrkLoad) -> Finished:
    """Runs that command. Raises MeasurementError when it cannot, or when it may not open as many connections."""
    sockets.require_descriptors(load.connections)
    return run(argv, timeout=load.seconds + 10)


def parse(stdout: str, load: WrkLoad) -> WrkResult:
    """The last line of its output. Raises MeasurementError when that is not ours."""
    try:
        report = json.loads(stdout.strip().splitlines()[-1])
    except (ValueError, IndexError) as error:
        raise MeasurementError(f"wrk did not end with our line of JSON, but with {stdout[-80:]!r}") from error
    requests, duration, errors = report["requests"], report["duration_us"], WrkErrors(**report["errors"])
    recorded = {microseconds: count for microseconds, count in report["latency_us"]}
    observed = without_synthetic(recorded, duration, requests, load.connections)
    return WrkResult(
        requests=requests,
        duration_us=duration,
        errors=errors,
        latency_problem=latency_problem(observed, requests - errors.timeout, load.pipeline),
        bytes=report["bytes"],
        connections=load.effective_connections,
        pipeline=load.pipeline,
        recorded=recorded,
        observed=observed,
    )


def without_synthetic(recorded: Mapping[int, int], duration_us: int, requests: int, connections: int) -> Histogram:
    """The latencies that wrk observed.

    At its end wrk adds, for each latency n of at least twice the mean interval e, synthetic ones n-e, n-2e, ... above e
    (stats_correct in its stats.c). Hence observed[m] = recorded[m] - recorded[m + e] for m > e. The mean interval is
    that of the connections asked for, over all threads, not of those that wrk opened.
    """
    per_connection = requests // connections
    if per_connection == 0:
        return dict(recorded)
    interval = duration_us // per_connection
    observed = {m: n - recorded.get(m + interval, 0) if m > interval else n for m, n in recorded.items()}
    return {microseconds: count for microseconds, count in observed.items() if count != 0}


def latency_problem(observed: Mapping[int, int], answered: int, pipeline: int) -> str:
    """Why the latencies say nothing of the `answered` requests; mostly "" """
    if pipeline > 1:
        return f"wrk times {pipeline} pipelined requests as one"
    if not observed:
        return "wrk recorded no latency"
    if min(observed.values()) < 0 or sum(observed.values()) != answered:
        return f"wrk recorded {sum(observed.values())} latencies for {answered} answers"
    return ""
