"""The clients' side of what is measured of memory, by quartet-pace. It runs where the server can be reached, and knows
nothing of it but the address."""

from __future__ import annotations

import math
import re
import signal
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from loadtest.clients import pace, stats
from loadtest.places.place import Tell
from loadtest.system.errors import MeasurementError
from loadtest.system.processes import Address, Dialogue, Finished
from loadtest.verbs.memory.plan import (
    IdleSettings,
    IdleStep,
    MemorySettings,
    PlateauSettings,
    PlateauStep,
    SharingSettings,
    SharingStep,
)

ANNOUNCEMENT = re.compile(r"holding (\d+)\n")
PATIENCE = 5.0  # seconds for an answer to somebody who asks alone
AT_A_TIME = 64  # requests of its held connections that one quartet-pace has on their way


@dataclass
class IdleObservation:
    command: str
    served: int  # connections that were open at once, after one answer each
    counted: int | None  # idle connections by the server's own count; None: it has no /stats
    cpu_seconds: float = 0.0


@dataclass
class Commands:
    """The command lines of what has asked, in order."""

    commands: list[str]


# --- held connections


def hold(address: Address, settings: IdleSettings, step: IdleStep, tell: Tell) -> IdleObservation:
    """Tells ("idle") while so many connections are open that were answered once and are idle since."""
    if step.connections == 0:
        return _hold_none(address, tell)
    [command] = hold_commands(address, settings, step)
    with Dialogue(command) as talk:
        served = _all_served([talk], settings, step.connections)
        tell("idle")
        # only now: the answer itself takes memory
        counted = _count_idle(address, step.connections) if settings.contestant(step.contestant).ours else None
        finished = _release(talk)
    return IdleObservation(finished.command, served, counted, finished.cpu_seconds)


def hold_commands(address: Address, settings: IdleSettings, step: IdleStep) -> list[list[str]]:
    if step.connections == 0:
        return []
    return [_holding(address, settings, str(step.connections), "--sources", str(settings.sources))]


def plateaus(address: Address, settings: PlateauSettings, step: PlateauStep, tell: Tell) -> Commands:
    """Tells when every connection has a request in hand ("busy"), and when all are answered and kept ("idle")."""
    asked = settings.connections
    with ExitStack() as stack:
        talks = [stack.enter_context(Dialogue(one)) for one in plateau_commands(address, settings, step)]
        missing = f"not all of {asked:,} connections have a request in hand"
        stats.await_counts(address, PATIENCE, lambda counts: counts.sleeping >= asked, missing)
        tell("busy")
        _all_served(talks, settings, asked)
        tell("idle")
        commands = [_release(talk).command for talk in talks]
    return Commands(commands)


def plateau_commands(address: Address, settings: PlateauSettings, step: PlateauStep) -> list[list[str]]:
    """As many as it takes for all requests to be in hand at once."""
    full, rest = divmod(settings.connections, AT_A_TIME)
    counts = [AT_A_TIME] * full + [rest] * (rest > 0)
    return [_holding(address, settings, f"{count}:/sleep?ms={settings.sleep}") for count in counts]


def _holding(address: Address, settings: MemorySettings, held: str, *more: str) -> list[str]:
    """`held`: how many connections, and what each asks for."""
    arguments = ["--rate", "0", "--hold", held, *more, "-d", f"{settings.duration}s", "--announce"]
    return pace.command(settings.pace, address, settings.cpus.load, *arguments)


def _all_served(talks: Sequence[Dialogue], settings: MemorySettings, asked: int) -> int:
    """All connections, when each is open and was answered. Raises MeasurementError when they are fewer."""
    served = sum(announced(talk.hear(settings.duration)) for talk in talks)
    if served < asked:
        raise MeasurementError(f"only {served:,} of {asked:,} connections were answered")
    return served


def announced(line: str) -> int:
    """How many connections are open and were answered. Raises MeasurementError."""
    found = ANNOUNCEMENT.fullmatch(line)
    if not found:
        raise MeasurementError(f"quartet-pace announced no held connections, but {line!r}")
    return int(found[1])


def _release(talk: Dialogue) -> Finished:
    """Ends who holds connections. Raises MeasurementError when not all were held until now."""
    finished = talk.end(signal.SIGINT, PATIENCE)
    found = pace.summary(finished)
    if problems := found["problems"]:
        raise MeasurementError(f"quartet-pace: {'; '.join(problems)}")
    if finished.status not in (0, pace.INTERRUPTED):
        raise MeasurementError(f"{finished.command} exited with status {finished.status}: {finished.stderr.strip()}")
    held = found["held"]
    if lost := held["closed_by_server"]:
        raise MeasurementError(f"the server closed {lost:,} of {held['asked']:,} idle connections")
    return finished


def _hold_none(address: Address, tell: Tell) -> IdleObservation:
    """After one answer, so that what the first one takes is not charged to the connections of the other levels."""
    if stats.get(address, "/plaintext", PATIENCE) is None:
        raise MeasurementError("a first request for /plaintext got no answer")
    tell("idle")
    return IdleObservation(command="", served=0, counted=None)


def _count_idle(address: Address, at_least: int) -> int:
    """By the server's own count: the second witness that all of them are there. One that was answered may still be on
    its way to being idle."""
    missing = f"not all of {at_least:,} connections are idle"
    return stats.await_counts(address, PATIENCE, lambda counts: counts.idle >= at_least, missing).idle


# --- requests


def wear(address: Address, settings: SharingSettings, step: SharingStep, tell: Tell) -> Commands:
    """Tells each time that all workers have answered so many requests; the moment is their number."""
    commands, done = [], 0
    for requests in settings.requests:
        if requests > done:
            commands.append(_ask(address, settings, (requests - done) * settings.workers))
        done = requests
        tell(str(requests))
    return Commands(commands)


def wear_commands(address: Address, settings: SharingSettings, step: SharingStep) -> list[list[str]]:
    """The last, as if nobody had asked before."""
    return [_asking(address, settings, max(settings.requests) * settings.workers)[0]]


def _ask(address: Address, settings: SharingSettings, requests: int) -> str:
    command, duration = _asking(address, settings, requests)
    finished = pace.measure(command, duration / 1000 + settings.duration)
    answered = pace.outcomes(pace.summary(finished)["lanes"][0]).get("ok", 0)
    if answered != requests:
        raise MeasurementError(f"{answered:,} of {requests:,} requests for {settings.path} were answered")
    return finished.command


def _asking(address: Address, settings: SharingSettings, requests: int) -> tuple[list[str], int]:
    """In turn over one connection for each worker; and how many milliseconds it takes."""
    duration = math.ceil(requests * 1000 / settings.rate)  # milliseconds
    rate = math.floor(requests / duration * 1e6) / 1e3  # with a higher one, one request more would be due
    load = ["-c", str(settings.workers), "--rate", f"{rate:.3f}", "-d", f"{duration}ms"]
    patience = ["--grace", f"{settings.duration}s"]
    return pace.command(settings.pace, address, settings.cpus.load, settings.path, *load, *patience), duration
