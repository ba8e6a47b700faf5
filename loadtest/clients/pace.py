"""quartet-pace, our constant-rate client: its command line, and its summary as a client's side of a trial."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from loadtest.clients.client_side import ClientSide, Quantiles
from loadtest.system.errors import MeasurementError
from loadtest.system.processes import Address, Finished, pinned, run

EXECUTABLE = "quartet-pace"
NOT_VALID = 4  # its exit status when it could not keep the schedule; the summary says why
NOTHING_ANSWERED = 1


@dataclass(frozen=True)
class PaceLoad:
    """What it is asked for."""

    path: str
    connections: int
    rate: float  # requests a second
    seconds: int
    keep_alive: bool = True  # otherwise each request has a connection of its own


def command(executable: str, load: PaceLoad, cpus: Sequence[int], address: Address) -> list[str]:
    host = f"[{address.host}]" if ":" in address.host else address.host
    size = ["--rate", f"{load.rate:g}", "-c", str(load.connections), "-d", f"{load.seconds}s"]
    fresh = [] if load.keep_alive else ["--fresh"]
    words = [executable, f"{host}:{address.port}", load.path, *size, *fresh]
    one = cpus[:1]  # it has one thread
    return pinned(one, [*words, "--timeout", "2s", "--grace", "2s", "--json", "-"])


def measure(argv: list[str], duration: int) -> Finished:
    return run(argv, timeout=duration + 15, good=(0, NOTHING_ANSWERED, NOT_VALID))


def parse(finished: Finished) -> ClientSide:
    """Raises MeasurementError when it printed no summary."""
    try:
        summary = json.loads(finished.stdout)
        return _client_side(summary, finished)
    except (ValueError, KeyError, IndexError) as error:
        words = finished.stderr.strip() or finished.stdout[-80:]
        raise MeasurementError(f"quartet-pace gave no summary, but {words!r}") from error


def _client_side(summary: dict[str, Any], finished: Finished) -> ClientSide:
    lane = summary["lanes"][0]
    outcomes: dict[str, int] = {kind.replace("_", " "): count for kind, count in lane["outcomes"].items()}
    answered = sum(outcomes.get(kind, 0) for kind in ("ok", "error status", "wrong content"))
    latency = _quantiles(lane["latency"])
    return ClientSide(
        command=finished.command,
        seconds=max(summary["duration_s"], summary["elapsed_s"]),  # overloaded servers answer after the schedule
        requests=answered,
        good=outcomes["ok"],
        bytes=0,
        errors={kind: count for kind, count in outcomes.items() if count and kind != "ok"},
        latency=latency,
        cpu_seconds=finished.cpu_seconds,
        connections=lane["connections"],
        service=_quantiles(lane["service"]),
        latency_problem="" if latency else "nothing was answered",
        problems=list(summary["problems"]),
    )


def _quantiles(times: dict[str, float]) -> Quantiles | None:
    """From milliseconds."""
    if not times["count"]:
        return None
    names = {"p50": "p50_ms", "p90": "p90_ms", "p99": "p99_ms", "p999": "p99_9_ms", "max": "max_ms", "mean": "mean_ms"}
    return Quantiles(count=int(times["count"]), **{name: times[key] * 1000 for name, key in names.items()})
