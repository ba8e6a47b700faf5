"""A run, as data: one folder with the parts of one verb, and how its program ends. Every result carries the step that
it is of."""

from dataclasses import dataclass, field, replace
from enum import IntEnum
from itertools import groupby
from pathlib import Path
from typing import Any

from loadtest.contestants.contestants import Contestant
from loadtest.statistics.validity import DISTURBED
from loadtest.system.cpus import CpuSets, Disturbance


class Exit(IntEnum):
    ok = 0
    failed = 1
    usage = 2
    gate = 3
    invalid = 4
    environment = 5
    interrupted = 130


class Stop(Exception):
    """The end, with a sentence for stderr."""

    def __init__(self, status: Exit, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def sentence(error: OSError, otherwise: Path | None = None) -> str:
    """`otherwise` is what it may have been about, where the system does not tell, as in writing to a full disk."""
    what, reason = error.filename or otherwise, error.strerror or str(error)
    return f"{what}: {reason}" if what else reason


@dataclass
class Failure:
    """A step that gave no result."""

    contestant: str
    step: str
    reason: str


@dataclass
class Environment:
    started: str
    cpu_model: str
    cpus: int
    virtual: bool
    memory_bytes: int
    kernel: str
    system: str
    load_average: float
    commit: str
    versions: dict[str, str]
    command: str
    runner: str = "local"
    place: str = ""  # half a sentence on where it ran, other than as it is on this machine
    irq_time: str = ""  # whether the kernel leaves interrupts out of processes' CPU time, as cpus.irq_time() says it


@dataclass(kw_only=True)
class Result:
    """What one step gave. Each measurement has a kind of its own, with a `step` of its own type."""

    step: Any
    server_command: str
    problems: list[str] = field(default_factory=list)  # an invalid result has some, and shows no number
    disturbance: Disturbance | None = None  # by other load; None: this kind of step does not mind it
    repeats: int = 0  # earlier attempts, thrown away because other load disturbed them

    @property
    def disturbed(self) -> bool:
        return self.disturbance is not None and self.disturbance.worst > DISTURBED

    @property
    def spoiled(self) -> bool:
        """By no fault of the server's, so that it is worth another try."""
        return self.disturbed


@dataclass(frozen=True)
class BaseSettings:
    """What the settings of every measurement begin with: all that was asked for. A folder holds them, and --resume goes
    on with them."""

    contestants: tuple[Contestant, ...]

    def contestant(self, name: str) -> Contestant:
        return next(one for one in self.contestants if one.name == name)


@dataclass
class Part:
    """All results of one measurement, with what was asked for."""

    measurement: str
    settings: Any
    results: list[Any] = field(default_factory=list)
    verb: str = ""  # whose answers it belongs to, where a run has several verbs; "": the run's own

    def of(self, contestant: str) -> list[Any]:
        return [result for result in self.results if result.step.contestant == contestant]


@dataclass
class Run:
    verb: str
    environment: Environment
    parts: list[Part]
    failures: list[Failure] = field(default_factory=list)
    state: str = "running"  # then complete, interrupted or failed
    seconds: float = 0.0

    @property
    def results(self) -> list[Any]:
        return [result for part in self.parts for result in part.results]

    @property
    def cpu_sets(self) -> list[CpuSets]:
        """Of each part, one for each CPU budget."""
        each = [getattr(part.settings, "budgets", {1: part.settings.cpus}) for part in self.parts]
        return [sets for budgets in each for sets in budgets.values()]

    @property
    def chapters(self) -> list["Run"]:
        """Of each verb its own run: the parts of one verb that are next to each other. Mostly there is one."""
        groups = groupby(self.parts, key=lambda part: part.verb or self.verb)
        return [replace(self, verb=verb, parts=list(parts)) for verb, parts in groups]


@dataclass(frozen=True)
class Labels:
    """What tells the numbers of a step from those of another one, in cells.csv and in comparisons."""

    workload: str
    connections: int
    cpus: int = 1  # of the server
    keep_alive: bool = True
    pipeline: int = 1
    rate: float | None = None  # requests a second; None: a closed loop
    client: str = ""  # the program that asked
    arrivals: str = ""  # at a rate: even or poisson
    objective: str = ""  # of a rate sweep: "p99 < 5 ms"
