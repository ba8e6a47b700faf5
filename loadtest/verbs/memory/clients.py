"""What is asked of memory, as data: the price of an idle connection, what forked workers share with their parent, and
what the main job's models take. And the clients' side, by quartet-pace: it runs where the server can be reached, and
knows nothing of it but the address. Sizes of results are in bytes."""

import math
import re
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import ClassVar

from loadtest.clients import pace, stats
from loadtest.contestants.contestants import Contestant
from loadtest.engine.run import BaseSettings, Result
from loadtest.system import MeasurementError
from loadtest.system.cpus import CpuSets
from loadtest.system.memory import MachineMemory, Memory
from loadtest.system.processes import Address, Dialogue, Finished, Tell

LEVELS = (0, 100, 1_000, 5_000, 10_000)
WHO_SHARES = ("prefork", "epoll")  # forked workers, and a single process as the reference
ANNOUNCEMENT = re.compile(r"holding (\d+)\n")
PATIENCE = 5.0  # seconds for an answer to somebody who asks alone
AT_A_TIME = 64  # requests of its held connections that one quartet-pace has on their way


@dataclass(frozen=True)
class MemorySettings(BaseSettings):
    """What all three have."""

    cpus: CpuSets
    duration: int = 60  # seconds within which connections are opened, answered and looked at
    pace: str = "quartet-pace"  # as the clients' side finds it
    runner: str = "local"


@dataclass(frozen=True)
class IdleSettings(MemorySettings):
    levels: tuple[int, ...] = LEVELS  # connections
    rounds: int = 3
    seed: int = 1  # of the order of each round
    ballast: int = 0  # MiB, of every server that can hold some
    most_workers: int = 1_000  # connections of the largest pool that is tried
    sources: int = 4  # loopback addresses to connect from: each has its own ports


@dataclass(frozen=True)
class IdleStep:
    round: int  # from 1
    contestant: str
    connections: int

    @property
    def what(self) -> str:
        return f"{self.connections:,} idle connections"


@dataclass
class IdleObservation:
    command: str
    served: int  # connections that were open at once, after one answer each
    counted: int | None  # idle connections by the server's own count; None: it has no /stats
    cpu_seconds: float = 0.0


@dataclass(kw_only=True)
class IdleResult(Result):
    step: IdleStep
    client: IdleObservation
    memory: Memory
    machine: MachineMemory | None  # more than without server and connections, both ends of these
    machine_left: int | None  # of it what was still there afterwards, or less than before: its uncertainty
    machine_problem: str = ""  # why it is None

    @property
    def kernel(self) -> int | None:
        """What the kernel has taken for the server: its container's share, or else the machine's change."""
        group = self.memory.group
        if group is None:
            return self.machine.total if self.machine else None
        return None if group.kernel is None else group.kernel + (group.sockets or 0)


def absence(settings: IdleSettings, contestant: Contestant, connections: int) -> str:
    """Why that many connections are not tried; mostly ""."""
    facts = contestant.known
    if not facts.one_client_per_worker or connections <= settings.most_workers:
        return ""
    plural = "threads" if facts.worker == "thread" else "processes"
    return f"needs a {facts.worker} for each connection: {connections + 2 * facts.pool:,} {plural}"


def idle_steps(settings: IdleSettings) -> Iterator[IdleStep]:
    """Round by round, each in an order of its own."""
    for number in range(1, settings.rounds + 1):
        tried = [
            IdleStep(number, contestant.name, connections)
            for contestant in settings.contestants
            for connections in settings.levels
            if not absence(settings, contestant, connections)
        ]
        Random(f"{settings.seed}, round {number}").shuffle(tried)
        yield from tried


def hold(address: Address, settings: IdleSettings, step: IdleStep, tell: Tell) -> IdleObservation:
    """Tells ("idle") while so many connections are open that were answered once and are idle since."""
    if step.connections == 0:
        # one answer first: what that takes is not charged to the connections of the other levels
        if stats.get(address, "/plaintext", PATIENCE) is None:
            raise MeasurementError("a first request for /plaintext got no answer")
        tell("idle")
        return IdleObservation(command="", served=0, counted=None)
    [command] = hold_commands(address, settings, step)
    with Dialogue(command) as talk:
        served = _all_served([talk], settings, step.connections)
        tell("idle")
        counted = None
        if settings.contestant(step.contestant).ours:
            # a second witness, asked after the look: the answer takes memory, too
            missing = f"not all of {served:,} connections are idle"
            counted = stats.await_counts(address, PATIENCE, lambda counts: counts.idle >= served, missing).idle
        finished = _release(talk)
    return IdleObservation(finished.command, served, counted, finished.cpu_seconds)


def hold_commands(address: Address, settings: IdleSettings, step: IdleStep) -> list[list[str]]:
    if step.connections == 0:
        return []
    return [_holding(address, settings, str(step.connections), "--sources", str(settings.sources))]


@dataclass(frozen=True)
class SharingSettings(MemorySettings):
    """Requests under which memory that workers share with their parent since the fork may become their own."""

    requests: tuple[int, ...] = (0, 100, 1_000, 10_000)  # that each worker has answered when it is looked at
    workers: int = 4
    ballast: int = 64  # MiB that the parent has written before the fork: something to share
    path: str = "/bytes?n=16384"  # made on the heap, for each request
    rate: int = 5_000  # requests a second, over all workers


@dataclass(frozen=True)
class SharingStep:
    what: ClassVar[str] = "copy-on-write"
    contestant: str
    round: int = 1


@dataclass
class SharingPoint:
    requests: int  # of each worker, since its start
    memory: Memory
    private: list[int]  # of each process


@dataclass(kw_only=True)
class SharingResult(Result):
    step: SharingStep
    client_commands: list[str]
    points: list[SharingPoint]


def sharing_steps(settings: SharingSettings) -> list[SharingStep]:
    """Known here and no earlier: a variant's model is a fact that its server tells."""
    ours = [one for one in settings.contestants if one.ours]
    return [SharingStep(one.name) for one in ours if (one.model or one.name) in WHO_SHARES]


def wear(address: Address, settings: SharingSettings, step: SharingStep, tell: Tell) -> list[str]:
    """Tells each time that all workers have answered so many requests; the moment is their number. Returns the
    commands."""
    commands = []
    for done, goal in pairwise((0, *settings.requests)):
        if requests := (goal - done) * settings.workers:
            finished = pace.measure(_asking(address, settings, requests), requests / settings.rate + settings.duration)
            answered = pace.outcomes(pace.summary(finished)["lanes"][0]).get("ok", 0)
            if answered != requests:
                raise MeasurementError(f"{answered:,} of {requests:,} requests for {settings.path} were answered")
            commands.append(finished.command)
        tell(str(goal))
    return commands


def wear_commands(address: Address, settings: SharingSettings, step: SharingStep) -> list[list[str]]:
    """The last, as if nobody had asked before."""
    return [_asking(address, settings, max(settings.requests) * settings.workers)]


def _asking(address: Address, settings: SharingSettings, requests: int) -> list[str]:
    """In turn over one connection for each worker."""
    duration = math.ceil(requests * 1000 / settings.rate)  # milliseconds
    rate = math.floor(requests / duration * 1e6) / 1e3  # with a higher one, one request more would be due
    load = ["-c", str(settings.workers), "--rate", f"{rate:.3f}", "-d", f"{duration}ms"]
    patience = ["--grace", f"{settings.duration}s"]
    return pace.command(settings.pace, address, settings.cpus.load, settings.path, *load, *patience)


@dataclass(frozen=True)
class PlateauSettings(MemorySettings):
    connections: int = 16
    sleep: int = 1_000  # milliseconds that every connection has a request in hand, in which the memory is read


@dataclass(frozen=True)
class PlateauStep:
    what: ClassVar[str] = "memory"
    contestant: str
    round: int = 1


@dataclass(kw_only=True)
class PlateauResult(Result):
    step: PlateauStep
    client_commands: list[str]
    at_start: Memory
    busy: Memory  # every connection has a request in hand
    idle: Memory  # the same connections, answered


def plateaus(address: Address, settings: PlateauSettings, step: PlateauStep, tell: Tell) -> list[str]:
    """Tells when every connection has a request in hand ("busy"), and when all are answered and kept ("idle"). Returns
    the commands."""
    asked = settings.connections
    with ExitStack() as stack:
        talks = [stack.enter_context(Dialogue(one)) for one in plateau_commands(address, settings, step)]
        missing = f"not all of {asked:,} connections have a request in hand"
        stats.await_counts(address, PATIENCE, lambda counts: counts.sleeping >= asked, missing)
        tell("busy")
        _all_served(talks, settings, asked)
        tell("idle")
        commands = [_release(talk).command for talk in talks]
    return commands


def plateau_commands(address: Address, settings: PlateauSettings, step: PlateauStep) -> list[list[str]]:
    """As many as it takes for all requests to be in hand at once."""
    firsts = range(0, settings.connections, AT_A_TIME)
    counts = [min(AT_A_TIME, settings.connections - first) for first in firsts]
    return [_holding(address, settings, f"{count}:/sleep?ms={settings.sleep}") for count in counts]


def _holding(address: Address, settings: MemorySettings, held: str, *more: str) -> list[str]:
    """`held`: how many connections, and what each asks for."""
    arguments = ["--rate", "0", "--hold", held, *more, "-d", f"{settings.duration}s", "--announce"]
    return pace.command(settings.pace, address, settings.cpus.load, *arguments)


def _all_served(talks: Sequence[Dialogue], settings: MemorySettings, asked: int) -> int:
    """All connections, when each is open and was answered. Raises MeasurementError when they are fewer."""
    served = 0
    for line in (talk.hear(settings.duration) for talk in talks):
        if not (found := ANNOUNCEMENT.fullmatch(line)):
            raise MeasurementError(f"quartet-pace announced no held connections, but {line!r}")
        served += int(found[1])
    if served < asked:
        raise MeasurementError(f"only {served:,} of {asked:,} connections were answered")
    return served


def _release(talk: Dialogue) -> Finished:
    """Ends who holds connections. Raises MeasurementError when not all were held until now."""
    finished = talk.end(signal.SIGINT, PATIENCE)
    found = pace.summary(finished)
    if problems := found["problems"]:
        raise MeasurementError(f"quartet-pace: {'; '.join(problems)}")
    held = found["held"]
    if lost := held["closed_by_server"]:
        raise MeasurementError(f"the server closed {lost:,} of {held['asked']:,} idle connections")
    return finished
