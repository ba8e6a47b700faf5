"""The verb walk: what is asked for, a step, and its result."""

from collections.abc import Iterator
from dataclasses import dataclass

from loadtest.engine.measurement import Bench, Measurement, Verb, stop_well
from loadtest.engine.run import BaseSettings, Result
from loadtest.places.launch import ServerPlan
from loadtest.system.cpus import CpuSets
from loadtest.system.processes import Address
from loadtest.verbs.walk import clients, report, strace
from loadtest.verbs.walk.sequence import Walk

WORKERS = 4  # of the pools: some that wait belong to the picture, and strace has to follow each


@dataclass(frozen=True)
class WalkSettings(BaseSettings):
    cpus: CpuSets
    path: str = "/plaintext"
    runner: str = "local"

    @property
    def duration(self) -> float:
        return 3.0


@dataclass(frozen=True)
class WalkStep:
    contestant: str
    round: int = 1

    @property
    def what(self) -> str:
        return "the walk of a request"


@dataclass(kw_only=True)
class WalkResult(Result):
    step: WalkStep
    walks: list[Walk]  # of each kind of connection


def steps(settings: WalkSettings) -> Iterator[WalkStep]:
    yield from (WalkStep(one.name) for one in settings.contestants)


def seconds(settings: WalkSettings, step: WalkStep) -> float:
    """How long it takes, about: start, strace, requests, drain."""
    return settings.duration + 1.5


def server(settings: WalkSettings, step: WalkStep) -> ServerPlan:
    contestant = settings.contestant(step.contestant)
    return ServerPlan(contestant, settings.cpus, WORKERS, WORKERS)


def load(address: Address, settings: WalkSettings, step: WalkStep) -> list[list[str]]:
    """strace's command; the requests are made by the harness."""
    return [["strace", *strace.OPTIONS, "-o", "calls", "-p", "PID"]]


def measure(bench: Bench, step: WalkStep) -> WalkResult:
    """In a server of its own."""
    with bench.start(server(bench.settings, step)) as running:
        walks = clients.take(step.contestant, running.pid, running.address, bench.settings.path)
        stop_well(running)
    return WalkResult(step=step, server_command=running.command, walks=walks)


WALKS = Measurement("walk", WalkSettings, WalkResult, steps, seconds, measure, server, load)
WALK = Verb("walk", (WALKS,), report.sections, missing=strace.missing)
