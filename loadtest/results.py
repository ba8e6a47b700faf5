"""What was measured, as data, and its way to JSON and back. Times are in seconds unless the name says otherwise."""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from loadtest.errors import MeasurementError as MeasurementError
from loadtest.job.plan import Plan
from loadtest.wrk_result import WrkResult


class Outcome(str, enum.Enum):
    """What became of one request, as its client saw it."""

    ok = "ok"
    error_status = "error status"
    wrong_content = "wrong content"
    eof = "EOF before response"
    truncated = "truncated"
    reset = "reset"
    refused = "refused"
    timed_out = "timed out"


@dataclass
class Newcomers:
    """Fresh connections beside a load. A newcomer whom the end of the load left waiting is not counted as asked."""

    outcomes: dict[Outcome, int]
    waits: list[float]  # of those who were answered, from the moment each was due

    @property
    def asked(self) -> int:
        return sum(self.outcomes.values())

    @property
    def served(self) -> int:
        return self.outcomes.get(Outcome.ok, 0)


@dataclass
class Disturbance:
    """CPU time that others took, as a share of the measured window. None: /proc/stat does not tell of those CPUs."""

    server_cpu: float | None
    load_cpu: float | None
    steal: float | None

    @property
    def unknown(self) -> bool:
        return None in (self.server_cpu, self.load_cpu, self.steal)

    @property
    def worst(self) -> float:
        """As far as it is known."""
        return max(self.server_cpu or 0, self.load_cpu or 0, self.steal or 0)


@dataclass
class LoadRun:
    contestant: str
    round: int
    cell: str
    server_command: str
    wrk_command: str
    wrk: WrkResult
    server_cpu_seconds: float  # of the whole process tree, dead children included
    wrk_cpu_seconds: float
    clients_asked: int
    clients_served: int | None  # None: /stats was not answered during the load
    newcomers: Newcomers
    disturbance: Disturbance
    repeats: int = 0  # earlier attempts, thrown away because other load disturbed them
    problems: list[str] = field(default_factory=list)  # an invalid run has some

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.wrk.requests / self.wrk.duration

    @property
    def cpu_per_request(self) -> float:
        return self.server_cpu_seconds / self.wrk.requests

    @property
    def wrk_share(self) -> float:
        return self.wrk_cpu_seconds / self.wrk.duration

    def server_share(self, cpus: int) -> float:
        """Of its CPU budget."""
        return self.server_cpu_seconds / self.wrk.duration / cpus


@dataclass
class GroupMemory:
    """What the kernel charges to a container's control group, in bytes; None where it does not tell."""

    current: int  # all of it, page cache included
    anonymous: int
    file: int  # page cache, tmpfs and shared memory
    kernel: int | None  # stacks, page tables, slabs
    sockets: int | None  # buffers


@dataclass
class Memory:
    """Of a whole process tree, in bytes; None where we may not look."""

    processes: int
    pss: int | None
    private: int | None
    rss: int | None  # summed; only to show how misleading that is
    page_tables: int
    group: GroupMemory | None = None  # of the server's container
    unknown: str = ""  # why something is None
    anonymous: int | None = None  # of the PSS: heaps, stacks and whatever else is no file's


@dataclass
class MemoryRun:
    contestant: str
    server_command: str
    connections: int
    at_start: Memory
    in_hand: Memory  # every connection has a request in hand
    idle: Memory  # the same connections, answered


@dataclass
class CrowdRun:
    contestant: str
    server_command: str
    workers: int | None  # of a pool
    rotation: int | None
    clients_asked: int
    clients_served: int
    newcomers: Newcomers


@dataclass
class Attempt:
    """One request of the light load, in seconds from the start of the schedule."""

    client: int
    due: float
    done: float
    outcome: Outcome


@dataclass
class Survivors:
    processes_before: int
    processes_kept: int  # of those before
    processes_new: int
    connections_before: int
    connections_kept: int
    server_status: int | None  # None: the server lives


@dataclass
class CrashRun:
    contestant: str
    server_command: str
    fault_at: float
    end: float
    rate: int
    faulty: Outcome
    attempts: list[Attempt]
    survivors: Survivors


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


@dataclass
class Results:
    environment: Environment
    plan: Plan
    loads: list[LoadRun] = field(default_factory=list)
    memory: list[MemoryRun] = field(default_factory=list)
    crowds: list[CrowdRun] = field(default_factory=list)
    crashes: list[CrashRun] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    state: str = "running"  # then: complete, interrupted, failed
    seconds: float = 0
    verb: str = "run"


def from_json(kind: Any, value: Any) -> Any:
    """The value of that type, from what dataclasses.asdict made of it and JSON then. Raises ValueError, KeyError or
    TypeError when it is none."""
    return None if kind is types.NoneType else _build(kind, value)


def _build(kind: Any, value: Any) -> Any:
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{name: _build(hints[name], part) for name, part in value.items()})
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        return None if value is None else _build(arguments[0], value)
    if origin in (list, tuple):
        return origin(_build(arguments[0], part) for part in value)
    if origin is dict:
        return {arguments[0](key): _build(arguments[1], part) for key, part in _mapping(value).items()}
    return kind(value)


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, got {value!r}")
    return value
