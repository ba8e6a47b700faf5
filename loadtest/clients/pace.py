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

from loadtest.clients import client_side as side
from loadtest.clients.client_side import ClientSide, Newcomers, Quantiles
from loadtest.system import MeasurementError
from loadtest.system.processes import Address, Dialogue, Finished, pinned, run

EXECUTABLE = "quartet-pace"
NOTHING_ANSWERED, NOT_VALID = 1, 4  # exit statuses with which there is a summary all the same
PATIENCE = 15.0  # seconds beside a load's own
LOAD_PATIENCE = 2.0  # seconds that a load waits for an answer
# A load whose schedule was kept so badly is none. What is less late is told by the figures: a latency of which a tenth
# may be the client's is not shown, and CPU time for a request hardly minds.
LENIENT = ("--tolerance", "50ms")
LEAST = 0.001  # seconds: the shortest duration and timeout that quartet-pace takes
NEVER = "never answered"  # the run ended first
ANSWERS = ("ok", "error status", "wrong content")
OUTCOMES = (  # as records number them
    *("ok", "error status", "EOF before response", "truncated", "reset"),
    *("refused", "timed out", NEVER, "wrong content"),
)
KEPT, _, _, NEVER_HAD = FATES = ("kept", "lost", NEVER, "never had")  # of what a client has stored


@dataclass(frozen=True)
class Schedule:
    """Of newcomers: a fresh connection at a time, as somebody new would open it."""

    interval: float = 0.1  # seconds
    patience: float = 0.5  # seconds until a newcomer gives up
    path: str = "/plaintext"


def command(executable: str, address: Address, cpus: Sequence[int], *arguments: str) -> list[str]:
    """With a summary on stdout."""
    return pinned(cpus[:1], [executable, str(address), *arguments, "--json", "-"])  # it has one thread


def constant_rate(
    rate: float, connections: int, seconds: float, keep_alive: bool = True, seed: int | None = None
) -> list[str]:
    """Arguments of a load with so many requests a second. Without a seed they are even; with one they come as those of
    independent clients do (Poisson), the same for every server."""
    arrivals = [] if seed is None else ["--poisson", "--seed", str(seed)]
    return ["--rate", f"{rate:g}", *_load(connections, seconds, keep_alive), *arrivals, *LENIENT]


def closed(connections: int, seconds: float, keep_alive: bool = True, pipeline: int = 1) -> list[str]:
    """Arguments of a load whose clients ask again when they are answered, with so many requests at once."""
    at_once = ["--pipeline", str(pipeline)] if pipeline > 1 else []
    return ["--closed", *_load(connections, seconds, keep_alive), *at_once]


def _load(connections: int, seconds: float, keep_alive: bool) -> list[str]:
    size, fresh = ["-c", str(connections), "-d", milliseconds(seconds)], [] if keep_alive else ["--fresh"]
    return [*size, *fresh, "--timeout", milliseconds(LOAD_PATIENCE), "--grace", milliseconds(LOAD_PATIENCE)]


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
    return _named(lane["outcomes"], OUTCOMES)


def fates(counts: dict[str, int]) -> dict[str, int]:
    """Clients by what became of their sessions, or counters: those that there were, by name."""
    return _named(counts, FATES)


def _named(counts: dict[str, int], names: Sequence[str]) -> dict[str, int]:
    named = {name.replace(" ", "_"): name for name in names}
    return {named[key]: count for key, count in counts.items() if count}


def client_side(finished: Finished, number: int = 0) -> ClientSide:
    """Of its first class of requests, or of another one; its own lateness is that of all. Who was never answered counts
    in its latency, as one that took longer than the patience. Throughput is of the window: what a closed loop was
    answered behind it is no part of that, a schedule's requests all are, however late. Raises MeasurementError."""
    found = summary(finished)
    lane = found["lanes"][number]
    ended, latency, loop = outcomes(lane), quantiles(lane["latency"]), lane["closed_loop"]
    answered = sum(ended.get(kind, 0) for kind in ANSWERS)
    return ClientSide(
        command=finished.command,
        seconds=loop["window_s"] if loop else max(found["duration_s"], found["elapsed_s"]),
        requests=lane["answered_in_time"] if loop else answered,
        good=lane["ok_in_time"] if loop else ended.get("ok", 0),
        bytes=0,
        errors={kind: count for kind, count in ended.items() if kind != "ok"},
        latency=latency,
        cpu_seconds=finished.cpu_seconds,
        connections=lane["connections"],
        service=quantiles(lane["service"]),
        latency_problem="" if latency else "nothing was answered as it should be",
        problems=found["problems"],
        asked=None if loop else sum(ended.values()),
        in_time=None if loop else lane["answered_in_time"],
        latencies=latencies(lane),
        censored=latency.censored if latency else 0,
        patience=lane["patience_ms"] / 1000,
        lateness={} if loop else dict(found["schedule"]["lateness_histogram"]),
    )


def latencies(lane: dict[str, Any]) -> side.Histogram:
    """Of those that ended ok, in nanoseconds of three digits."""
    return dict(lane["latency_histogram"])


def quantiles(times: dict[str, float]) -> Quantiles | None:
    """In microseconds, from milliseconds; None of nothing."""
    if not times["count"]:
        return None
    names = ("mean_ms", "p50_ms", "p90_ms", "p99_ms", "p99_9_ms", "max_ms")
    mean, p50, p90, p99, p999, longest = (times[name] * 1000 for name in names)
    return Quantiles(int(times["count"]), mean, p50, p90, p99, p999, longest, int(times["censored"]))


def newcomer_command(
    executable: str, address: Address, cpus: Sequence[int], schedule: Schedule, seconds: float
) -> list[str]:
    """Beside a load of so many seconds. The last one comes early enough to have its whole patience before the load
    ends: whoever was cut off by the end would not tell whether it would have got in. In a load that is shorter than
    the patience there is one at the start, who has that time."""
    patience = max(min(schedule.patience, seconds - LEAST), LEAST)
    due = ["-d", milliseconds(max(seconds - patience, LEAST))]
    waiting = ["--timeout", milliseconds(patience), "--grace", milliseconds(patience)]
    often = f"{milliseconds(schedule.interval)}:{schedule.path}"
    return command(executable, address, cpus, "--rate", "0", "--newcomer", often, *due, *waiting, "--announce")


class Company:
    """Newcomers beside somebody else's load, when it has ended."""

    newcomers: Newcomers
    cpu_seconds: float  # that their client took


@contextmanager
def beside(
    executable: str, address: Address, cpus: Sequence[int], schedule: Schedule, seconds: float
) -> Iterator[Company]:
    """They come while the block lasts, which is so many seconds. When it has ended it is known what became of them:
    all that were due were asked, also who was never answered because the block ended earlier. Raises
    MeasurementError."""
    found = Company()
    with Dialogue(newcomer_command(executable, address, cpus, schedule, seconds)) as talk:
        talk.hear(PATIENCE)  # from here on they come
        yield found
        finished = talk.end(signal.SIGINT, PATIENCE)
    lane = next(one for one in summary(finished)["lanes"] if one["name"] == "newcomer")
    found.newcomers = Newcomers(outcomes(lane), side.quantiles(latencies(lane)))
    found.cpu_seconds = finished.cpu_seconds


@dataclass(frozen=True)
class Record:
    """One request, in seconds from the start of the schedule; what it did not come to is None."""

    due: float
    sent: float | None
    done: float | None  # None: never answered
    connection: int  # number of it, in the order in which they were opened; 0: none
    outcome: str  # of OUTCOMES
    lateness: float = 0.0  # of quartet-pace itself
    worker: int = 0  # process of who answered; 0: unknown
    slot: int = 0  # and its slot
    status: int = 0  # of the answer; 0: none
    lane: int = 0  # its class, in the order of the summary


HEAD = struct.Struct("<8sIIQq")
RECORD = struct.Struct("<qq8xqI4xiIIHBB")  # what a Record is made of; between it is what nobody here asks for
MAGIC = b"QPACE\r\n\x1a"


def read_records(path: Path) -> tuple[float, list[Record]]:
    """When the schedule started, in seconds since 1970, and every request (loadtest/pace/README.md). Raises
    MeasurementError."""
    data = path.read_bytes()
    magic, version, size, count, start = HEAD.unpack_from(data) if len(data) >= HEAD.size else (b"", 0, 0, 0, 0)
    if (magic, version, size) != (MAGIC, 1, RECORD.size) or len(data) != HEAD.size + count * size:
        raise MeasurementError(f"{path} holds no records of quartet-pace")
    records = [_record(fields) for fields in RECORD.iter_unpack(data[HEAD.size :])]
    return start / 1e9, records


def _record(fields: Sequence[int]) -> Record:
    """As they stand in the file."""
    due, sent, done, late, worker, slot, connection, status, outcome, lane = fields
    times = (due / 1e9, _seconds(sent), _seconds(done))
    return Record(*times, connection, OUTCOMES[outcome], late / 1e9, worker, slot, status, lane)


def _seconds(nanoseconds: int) -> float | None:
    return None if nanoseconds < 0 else nanoseconds / 1e9
