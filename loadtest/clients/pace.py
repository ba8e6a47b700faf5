"""quartet-pace, the client of every load that is not wrk's: its command line, its summary and its records. It runs in
the load container, too, where Python has its standard library alone."""

import json
import signal
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtest.clients.client_side import ClientSide, Newcomers, Quantiles
from loadtest.system import MeasurementError
from loadtest.system.processes import Address, Dialogue, Finished, pinned, run

EXECUTABLE = "quartet-pace"
NOTHING_ANSWERED, NOT_VALID = 1, 4  # exit statuses with which there is a summary all the same
PATIENCE = 15.0  # seconds beside a load's own
NEVER = "never answered"  # the run ended first
OUTCOMES = (  # as records number them
    *("ok", "error status", "EOF before response", "truncated", "reset"),
    *("refused", "timed out", NEVER, "wrong content"),
)


@dataclass(frozen=True)
class Schedule:
    """Of newcomers: a fresh connection at a time, as somebody new would open it."""

    interval: float = 0.1  # seconds
    patience: float = 0.5  # seconds until a newcomer gives up
    path: str = "/plaintext"


def command(executable: str, address: Address, cpus: Sequence[int], *arguments: str) -> list[str]:
    """With a summary on stdout."""
    return pinned(cpus[:1], [executable, str(address), *arguments, "--json", "-"])  # it has one thread


def measure(argv: Sequence[str], duration: float) -> Finished:
    """Raises MeasurementError when it leaves without a summary."""
    return run(argv, timeout=duration + PATIENCE, good=(0, NOTHING_ANSWERED, NOT_VALID))


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f}ms"


def summary(finished: Finished) -> dict[str, Any]:
    """Raises MeasurementError when it printed none."""
    try:
        found: dict[str, Any] = json.loads(finished.stdout)
        return found
    except ValueError as error:
        words = finished.stderr.strip() or finished.stdout[-80:]
        raise MeasurementError(f"quartet-pace gave no summary, but {words!r}") from error


def outcomes(lane: dict[str, Any]) -> dict[str, int]:
    """Those that there were, by name."""
    named = {name.replace(" ", "_"): name for name in OUTCOMES}
    return {named[key]: count for key, count in lane["outcomes"].items() if count}


def client_side(finished: Finished) -> ClientSide:
    """Of its first class of requests. Raises MeasurementError."""
    found = summary(finished)
    lane = found["lanes"][0]
    ended, latency = outcomes(lane), quantiles(lane["latency"])
    return ClientSide(
        command=finished.command,
        seconds=max(found["duration_s"], found["elapsed_s"]),  # overloaded servers answer after the schedule
        requests=sum(ended.get(kind, 0) for kind in ("ok", "error status", "wrong content")),
        good=ended.get("ok", 0),
        bytes=0,
        errors={kind: count for kind, count in ended.items() if kind != "ok"},
        latency=latency,
        cpu_seconds=finished.cpu_seconds,
        connections=lane["connections"],
        service=quantiles(lane["service"]),
        latency_problem="" if latency else "nothing was answered",
        problems=found["problems"],
    )


def quantiles(times: dict[str, float]) -> Quantiles | None:
    """In microseconds, from milliseconds; None of nothing."""
    if not times["count"]:
        return None
    names = ("mean_ms", "p50_ms", "p90_ms", "p99_ms", "p99_9_ms", "max_ms")
    return Quantiles(int(times["count"]), *(times[name] * 1000 for name in names))


def newcomer_command(executable: str, address: Address, cpus: Sequence[int], schedule: Schedule) -> list[str]:
    """Until it is ended."""
    often = f"{milliseconds(schedule.interval)}:{schedule.path}"
    patience = ["--timeout", milliseconds(schedule.patience), "--grace", "0ms"]
    return command(executable, address, cpus, "--rate", "0", "-d", "24h", "--newcomer", often, *patience)


class Company:
    """Newcomers beside somebody else's load, when it has ended."""

    newcomers: Newcomers
    cpu_seconds: float  # that their client took


@contextmanager
def beside(executable: str, address: Address, cpus: Sequence[int], schedule: Schedule) -> Iterator[Company]:
    """They come until the block ends; then it is known what became of them. Raises MeasurementError."""
    found = Company()
    with Dialogue(newcomer_command(executable, address, cpus, schedule)) as talk:
        yield found
        finished = talk.end(signal.SIGINT, PATIENCE)
    lane = next(one for one in summary(finished)["lanes"] if one["name"] == "newcomer")
    ended = {kind: count for kind, count in outcomes(lane).items() if kind != NEVER}
    found.newcomers, found.cpu_seconds = Newcomers(ended, quantiles(lane["latency"])), finished.cpu_seconds


@dataclass(frozen=True)
class Record:
    """One request, in seconds from the start of the schedule; what it did not come to is None."""

    due: float
    sent: float | None
    done: float | None  # None: never answered
    connection: int  # number of it, in the order in which they were opened; 0: none
    outcome: str  # of OUTCOMES


HEAD = struct.Struct("<8sIIQq")
RECORD = struct.Struct("<qq8xq16xI2xBx")  # what a Record is made of; between it is what nobody here asks for
MAGIC = b"QPACE\r\n\x1a"


def read_records(path: Path) -> tuple[float, list[Record]]:
    """When the schedule started, in seconds since 1970, and every request (loadtest/pace/README.md). Raises
    MeasurementError."""
    data = path.read_bytes()
    magic, version, size, count, start = HEAD.unpack_from(data) if len(data) >= HEAD.size else (b"", 0, 0, 0, 0)
    if (magic, version, size) != (MAGIC, 1, RECORD.size) or len(data) != HEAD.size + count * size:
        raise MeasurementError(f"{path} holds no records of quartet-pace")
    records = [
        Record(due / 1e9, _seconds(sent), _seconds(done), connection, OUTCOMES[outcome])
        for due, sent, done, connection, outcome in RECORD.iter_unpack(data[HEAD.size :])
    ]
    return start / 1e9, records


def _seconds(nanoseconds: int) -> float | None:
    return None if nanoseconds < 0 else nanoseconds / 1e9
