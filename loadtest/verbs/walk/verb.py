"""The verb walk: the system calls of one request, in every model, side by side. strace looks at the server; a client
sends a request, reads the whole answer and pauses. A busy one would always have the next request waiting, and hide the
waits."""

import random
import shlex
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from itertools import zip_longest
from typing import ClassVar

from loadtest.document.document import Section, Sentence, Table, said
from loadtest.document.figures import listed, plural
from loadtest.engine.measurement import Bench, Measurement, Verb, stop_well
from loadtest.engine.run import BaseSettings, Result, Run
from loadtest.places.launch import ServerPlan
from loadtest.system import MeasurementError
from loadtest.system.cpus import CpuSets
from loadtest.system.processes import Address
from loadtest.verbs.walk import plots, strace
from loadtest.verbs.walk.sequence import Actors, Connection, Sample, Walk, walk

WORKERS = 4  # of the pools: some that wait belong to the picture, and strace has to follow each
SAMPLES = 20  # requests of each kind
WARM_UP = 5  # requests before them: what is done once is done
PAUSE = (0.03, 0.07)  # seconds from an answer to the next request; they vary, or ticks could march in step with them
PATIENCE = 5.0  # seconds for an answer, under strace


@dataclass(frozen=True)
class WalkSettings(BaseSettings):
    cpus: CpuSets
    path: str = "/plaintext"
    runner: str = "local"
    duration: ClassVar[float] = 3.0


@dataclass(frozen=True)
class WalkStep:
    what: ClassVar[str] = "the walk of a request"
    contestant: str
    round: int = 1


@dataclass(kw_only=True)
class WalkResult(Result):
    step: WalkStep
    walks: list[Walk]  # of each kind of connection


def steps(settings: WalkSettings) -> Iterator[WalkStep]:
    yield from (WalkStep(one.name) for one in settings.contestants)


def seconds(settings: WalkSettings, step: WalkStep) -> float:
    return settings.duration + 1.5  # start, strace, requests, drain


def server(settings: WalkSettings, step: WalkStep) -> ServerPlan:
    return ServerPlan(settings.contestant(step.contestant), settings.cpus, WORKERS, WORKERS)


def load(address: Address, settings: WalkSettings, step: WalkStep) -> list[list[str]]:
    """strace's command; the requests are made by the harness."""
    return [["strace", *strace.OPTIONS, "-o", "calls", "-p", "PID"]]


def measure(bench: Bench, step: WalkStep) -> WalkResult:
    with bench.start(server(bench.settings, step)) as running:
        walks = take(step.contestant, running.pid, running.address, bench.settings.path)
        stop_well(running)
    return WalkResult(step=step, server_command=running.command, walks=walks)


def take(contestant: str, session: int, address: Address, target: str = "/plaintext") -> list[Walk]:
    """Of a server that runs as the leader of that session and listens there. Takes about 3 s; a pool needs two
    workers. Raises MeasurementError."""
    with strace.trace(session) as traced:
        sampled = {kind: _sample(address, target, kind) for kind in Connection}
    events = strace.parse(traced.text)
    actors = Actors(session, traced.processes, events)
    return [walk(contestant, kind, events, samples, actors) for kind, samples in sampled.items()]


def _sample(address: Address, target: str, kind: Connection) -> list[Sample]:
    close = "Connection: close\r\n" if kind == Connection.fresh else ""
    request = f"GET {target} HTTP/1.1\r\nHost: quartet\r\n{close}\r\n".encode()
    sent, done = [], []
    try:
        with ExitStack() as connections:
            for number in range(WARM_UP + SAMPLES):
                sent.append(time.time())  # the clock of strace -ttt
                if number == 0 or kind == Connection.fresh:
                    connection = socket.create_connection((address.host, address.port), PATIENCE)
                    connections.enter_context(connection)
                connection.sendall(request)
                with HTTPResponse(connection) as response:  # which leaves the connection open
                    response.begin()
                    response.read()
                if response.status != 200:
                    raise HTTPException(f"status {response.status}")
                if kind == Connection.fresh:
                    connection.recv(1)  # the server's close
                    connection.close()
                done.append(time.time())
                time.sleep(random.uniform(*PAUSE))  # the client's behaviour, not a wait for something
            sent.append(time.time())  # as if there were one more
    except (OSError, HTTPException) as error:
        raise MeasurementError(f"the server under strace left a request for {target} unanswered: {error}") from error
    time.sleep(PAUSE[0])  # what the close costs belongs to no request
    return [Sample(*times) for times in zip(sent, done, sent[1:])][WARM_UP:]


TITLES = {
    Connection.kept: "Which system calls does a request make, on a connection that is kept?",
    Connection.fresh: "Which does it make on a connection of its own (Connection: close)?",
}
IDS = {Connection.kept: "walk-kept", Connection.fresh: "walk-fresh"}  # of sections
WHEN = {Connection.kept: "on a connection that is kept", Connection.fresh: "on a connection of its own"}
NOTES = (
    "A request's calls: from the wait in which it came, until the server was quiet after the answer. The wait for the "
    "next one is not counted, nor are waits that expired (each blocking worker looks up every 100 ms).",
    "Alike: requests that made the same calls with the same errors in the same processes; one of them is shown. Where "
    "they are no majority, do not trust it. How processes took turns is chance, and so are the futex calls of a queue.",
    "strace makes every call dearer: this tells what is called, not how long it takes.",
)


def sections(run: Run) -> list[Section]:
    """For each kind of connection; below the last what holds for both."""
    found = [_side_by_side(kind, walks, commands(run)) for kind in Connection if (walks := _walks(run, kind))]
    return [*found, Section("What is a call of a request?", None, NOTES)] if found else []


def _walks(run: Run, kind: Connection) -> list[Walk]:
    valid = [result for result in run.results if not result.problems]
    return [walk for result in valid for walk in result.walks if walk.kind == kind]


def commands(run: Run) -> tuple[str, ...]:
    """An example of a server's, and of strace's."""
    return (
        *(result.server_command for result in run.results[:1]),
        shlex.join(["strace", *strace.OPTIONS, "-p", "PID"]),
    )


def _side_by_side(kind: Connection, walks: Sequence[Walk], commands: Sequence[str]) -> Section:
    filled = Table(("", *(walk.contestant for walk in walks)), numbers=False, wide=True)
    for number, cells in enumerate(zip_longest(*map(_column, walks), fillvalue=""), start=1):
        filled.add_row(str(number), *cells)
    filled.add_rule()
    filled.add_row("calls", *(str(len(walk.calls)) for walk in walks))
    filled.add_row("alike", *(f"{walk.agreeing} of {walk.samples}" for walk in walks))
    plot = plots.calls(f"{IDS[kind]}-calls", WHEN[kind], walks, commands)
    return Section(TITLES[kind], filled, [], id=IDS[kind], plots=[plot])


def _column(walk: Walk) -> list[str]:
    """Its calls, with their results unless these are addresses or nothing; below the process that made them where there
    are several."""
    lines, last = [], ""
    several = len({call.process for call in walk.calls}) > 1
    for call in walk.calls:
        if several and call.process != last:
            lines.append(f"{call.process}:")
        result = "" if call.result in ("", "?") or call.result.startswith("0x") else f" = {call.result}"
        lines.append(f"{'  ' if several else ''}{call.name}{result}")
        last = call.process
    return lines


def words(run: Run) -> list[Sentence]:
    """How many calls, by kind of connection; the fewest first."""
    return [said(text, IDS[kind]) for kind in Connection if (text := _counted(_walks(run, kind), WHEN[kind]))]


def _counted(walks: Sequence[Walk], when: str) -> str:
    by_calls: dict[int, list[str]] = {}
    for found in [one for one in walks if one.is_majority]:
        by_calls.setdefault(len(found.calls), []).append(found.contestant)
    told = [f"{plural(calls, 'system call')} in {listed(by_calls[calls])}" for calls in sorted(by_calls)]
    return f"{when[0].upper()}{when[1:]} one request makes {', '.join(told)}." if told else ""


WALKS = Measurement("walk", WalkSettings, WalkResult, steps, seconds, measure, server, load, instruments=lambda _: True)
WALK = Verb(
    "walk", (WALKS,), sections, missing=strace.missing, words=words, title="Which system calls does a request make?"
)
