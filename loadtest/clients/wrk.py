"""wrk, unpatched: its command line, and exact numbers from a done() script."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from loadtest.clients.wrk_result import WrkErrors, WrkLoad, WrkResult, latency_problem, without_synthetic
from loadtest.system import sockets
from loadtest.system.errors import MeasurementError
from loadtest.system.processes import Address, Finished, pinned, run

SCRIPT = Path(__file__).with_name("wrk.lua")


def command(load: WrkLoad, cpus: Sequence[int], address: Address) -> list[str]:
    host = f"[{address.host}]" if ":" in address.host else address.host
    size = [f"-t{load.threads}", f"-c{load.connections}", f"-d{load.seconds:.0f}s", "--timeout", f"{load.timeout:.0f}s"]
    url = f"http://{host}:{address.port}{load.path}"
    return pinned(cpus, ["wrk", *size, "-s", str(SCRIPT), url, *_script_arguments(load)])


def _script_arguments(load: WrkLoad) -> list[str]:
    if not load.keep_alive:
        return ["--", "close"]
    return ["--", f"pipeline={load.pipeline}"] if load.pipeline > 1 else []


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
