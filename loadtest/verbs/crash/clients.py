"""A segmentation fault under a light load on a fixed schedule: what is asked for, and the clients' side, by
quartet-pace, which accounts for every request (wrk would show a dead server as a pause without errors). It runs where
the server can be reached and knows nothing of it but the address. Times are in seconds from the schedule's start."""

import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtest.clients import pace
from loadtest.clients.pace import EXECUTABLE, Record, milliseconds
from loadtest.contestants.contestants import Contestant
from loadtest.engine.run import BaseSettings
from loadtest.system import MeasurementError
from loadtest.system.cpus import CpuSets
from loadtest.system.processes import Address, Dialogue, Tell

TO_SPARE = 10.0  # seconds that the load could go on longer than it is watched


@dataclass(frozen=True)
class CrashStep:
    contestant: str
    supervised: bool = False  # by a parent that it has not by itself
    round: int = 1

    @property
    def what(self) -> str:
        return f"a crash{' under a parent' if self.supervised else ''}"


@dataclass(frozen=True)
class CrashSettings(BaseSettings):
    cpus: CpuSets
    clients: int = 8
    workers: int = 18  # of a pool
    rate: int = 100  # requests a second, over all clients
    path: str = "/sleep?ms=50"  # so that some requests are in hand whenever the fault comes
    fault: str = "/fault/segv"
    fault_at: float = 0.7
    end: float = 2.0
    patience: float = 0.5  # of each client, from its request's send
    tolerance: float = 0.05  # that the client itself may be late with 1 % of its requests
    runner: str = "local"
    pace: str = EXECUTABLE  # where it is

    @property
    def requests(self) -> int:
        """That are watched: request k is due at k / rate, before the end."""
        return -(-self.rate * round(self.end * 1000) // 1000)

    @property
    def moments(self) -> tuple[float, float, float, float]:
        """When the server's processes are looked at: twice before the fault and twice after it. The load still goes on:
        where each connection has a process, that leaves with it."""
        return self.fault_at / 2, self.fault_at, (self.fault_at + self.end) / 2, self.end

    @property
    def duration(self) -> float:
        return self.end + self.patience

    def contestant_of(self, step: CrashStep) -> Contestant:
        """The one that crashes: its name says whether it has been given a parent."""
        found = self.contestant(step.contestant)
        return found.supervised() if step.supervised else found


def steps(settings: CrashSettings) -> Iterator[CrashStep]:
    yield from (CrashStep(one.name) for one in settings.contestants)
    alone = [one for one in settings.contestants if not one.known.has_parent]
    yield from (CrashStep(one.name, supervised=True) for one in alone)


# --- the clients' side


@dataclass
class Attempt:
    """One request of the light load."""

    connection: int  # number of it, in the order in which they were opened; 0: none
    due: float
    done: float | None  # None: never answered
    outcome: str  # of pace.OUTCOMES
    sent: float | None = None  # None: it never was


@dataclass
class Observation:
    attempts: list[Attempt]
    fault_at: float
    faulty: str  # outcome of the request with the fault
    connections_before: int
    connections_kept: int
    problems: list[str]  # of quartet-pace itself


def crash(address: Address, settings: CrashSettings, step: CrashStep, tell: Tell) -> Observation:
    """Tells of the processes at the settings' moments. Raises MeasurementError."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "records"
        with Dialogue([*load_command(address, settings), "--records", str(path), "--announce"]) as load:
            load.hear(pace.PATIENCE)
            start = time.monotonic()
            _tell_at(settings.moments[:2], start, tell)
            fault = pace.summary(pace.measure(fault_command(address, settings), settings.patience))
            _tell_at(settings.moments[2:], start, tell)
            time.sleep(max(start + settings.duration - time.monotonic(), 0))  # until nobody waits any more
            found = pace.summary(load.end(signal.SIGINT, pace.PATIENCE))
        started, records = pace.read_records(path)
    watched = [one for one in records if one.due < settings.end - 1e-6]
    refuse_gaps(records, watched, found["lanes"][0], settings.requests)
    fault_at = fault["start_unix_s"] - started
    if not 0 < fault_at < settings.end:
        raise MeasurementError(f"the fault came at {fault_at:.2f} s, not amid the load")
    (faulty,) = pace.outcomes(fault["lanes"][0])
    attempts = [Attempt(one.connection, one.due, one.done, one.outcome, one.sent) for one in watched]
    return Observation(attempts, fault_at, faulty, *connections(watched, fault_at), found["problems"])


def _tell_at(moments: Sequence[float], start: float, tell: Tell) -> None:
    for moment in moments:
        time.sleep(max(start + moment - time.monotonic(), 0))
        tell("processes")


def load_command(address: Address, settings: CrashSettings) -> list[str]:
    """It goes on until it is ended, so that connections, and processes that belong to them, outlive the observation."""
    size = ["-c", str(settings.clients), "--rate", str(settings.rate), "-d", milliseconds(settings.end + TO_SPARE)]
    patience = ["--timeout", milliseconds(settings.patience), "--grace", "0ms"]
    late = ["--tolerance", milliseconds(settings.tolerance)]
    return pace.command(settings.pace, address, settings.cpus.load, settings.path, *size, *patience, *late)


def fault_command(address: Address, settings: CrashSettings) -> list[str]:
    """A single request, on a connection of its own: all that is due in a tenth of a second."""
    once = ["--method", "POST", "--rate", "10", "-d", "100ms", "-c", "1"]
    patience = ["--timeout", milliseconds(settings.patience)]
    return pace.command(settings.pace, address, settings.cpus.load, settings.fault, *once, *patience)


def refuse_gaps(records: Sequence[Record], watched: Sequence[Record], lane: dict[str, Any], requests: int) -> None:
    """Raises MeasurementError unless every request has one outcome, in the records as in the summary, and all that the
    schedule had due while it was watched are among them."""
    recorded, counted = Counter(one.outcome for one in records), pace.outcomes(lane)
    if recorded != counted:
        raise MeasurementError(f"quartet-pace's records hold {dict(recorded)}, and its summary {counted}")
    if len(watched) != requests:
        raise MeasurementError(f"quartet-pace accounts for {len(watched)} of {requests} requests that were due")


def connections(records: Sequence[Record], fault_at: float) -> tuple[int, int]:
    """How many were in use before the fault, and on how many of these a request that was sent after it was answered."""
    sent = [(one, one.sent) for one in records if one.sent is not None]
    before = {one.connection for one, moment in sent if moment < fault_at}
    alive = {one.connection for one, moment in sent if moment >= fault_at and one.outcome == "ok"}
    return len(before), len(before & alive)
