"""wrk, unpatched: its command line, exact numbers from a done() script, and its latencies as it observed them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtest.clients.client_side import ClientSide, Histogram, quantiles
from loadtest.system import MeasurementError, sockets
from loadtest.system.processes import Address, Finished, pinned, run

EXECUTABLE = "wrk"
SCRIPT = Path(__file__).with_name("wrk.lua")


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


def version(printed: str) -> str:
    """Of what `wrk -v` prints."""
    return printed.removeprefix("wrk ").split(" ")[0]


def command(load: WrkLoad, cpus: Sequence[int], address: Address) -> list[str]:
    size = [f"-t{load.threads}", f"-c{load.connections}", f"-d{load.seconds}s", "--timeout", f"{load.timeout}s"]
    fresh = [] if load.keep_alive else ["--", "close"]
    pipeline = ["--", f"pipeline={load.pipeline}"] if load.pipeline > 1 else []
    return pinned(cpus, [EXECUTABLE, *size, "-s", str(SCRIPT), f"http://{address}{load.path}", *fresh, *pipeline])


def measure(argv: Sequence[str], load: WrkLoad) -> Finished:
    """Runs that command. Raises MeasurementError when it cannot, or when it may not open as many connections."""
    sockets.require_descriptors(load.connections)
    return run(argv, timeout=load.seconds + 10)


def client_side(finished: Finished, load: WrkLoad) -> ClientSide:
    """From the last line of its output. Raises MeasurementError when that is not ours.

    Of its errors, `connect` also gives up a connection for the rest of the run. `read`, `write`: the connection was
    lost and replaced. `status`: answers of 400 and above. `timeout`: answers that came after the timeout; one that
    never came is counted nowhere. Goodput leaves the last two out, of a pipeline the batch as a whole. What was both
    late and an error is taken off twice, so that this errs on the low side. wrk does not look at the bytes.

    An answer after the timeout is `censored`: it took that long at least. No quantile has what was in hand at the end.
    """
    try:
        report = json.loads(finished.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError) as error:
        raise MeasurementError(f"wrk did not end with our line of JSON, but with {finished.stdout[-80:]!r}") from error
    requests, duration, errors = report["requests"], report["duration_us"], report["errors"]
    observed = without_synthetic(dict(report["latency_us"]), duration, requests, load.connections)
    problem = latency_problem(observed, requests, errors["timeout"], load.pipeline)
    late = 0 if problem else errors["timeout"]
    latencies = {} if problem else {microseconds * 1000: count for microseconds, count in observed.items()}
    return ClientSide(
        command=finished.command,
        seconds=duration / 1e6,
        requests=requests,
        good=max(0, requests - errors["status"] - errors["timeout"] * load.pipeline),
        bytes=report["bytes"],  # heads and bodies, of incomplete answers too
        errors={kind: count for kind, count in sorted(errors.items()) if count},
        latency=quantiles(latencies, late, load.timeout),
        cpu_seconds=finished.cpu_seconds,
        connections=load.threads * (load.connections // load.threads),  # wrk opens equally many in each thread
        latency_problem=problem,
        latencies=latencies,
        censored=late,
        patience=float(load.timeout),
    )


def without_synthetic(recorded: Histogram, duration_us: int, requests: int, connections: int) -> Histogram:
    """The latencies that wrk observed, here in microseconds; of a pipeline one for each batch.

    At its end wrk adds, for each latency n of at least twice the mean interval e, synthetic ones n-e, n-2e, ... above e
    (stats_correct in its stats.c). Hence observed[m] = recorded[m] - recorded[m + e] for m > e. The mean interval is
    that of the connections asked for, over all threads, not of those that wrk opened.
    """
    per_connection = requests // connections
    if per_connection == 0:
        return recorded
    interval = duration_us // per_connection
    observed = {m: n - recorded.get(m + interval, 0) if m > interval else n for m, n in recorded.items()}
    return {microseconds: count for microseconds, count in observed.items() if count != 0}


def latency_problem(observed: Histogram, answered: int, late: int, pipeline: int) -> str:
    """Why the latencies say nothing of the `answered` requests, of which wrk timed all but the `late`; mostly "" """
    if pipeline > 1:
        return f"wrk times {pipeline} pipelined requests as one"
    if not observed and not late:
        return "wrk recorded no latency"
    if any(count < 0 for count in observed.values()) or sum(observed.values()) != answered - late:
        return f"wrk recorded {sum(observed.values())} latencies for {answered - late} answers"
    return ""
