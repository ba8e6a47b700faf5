"""What a load generator saw, as data. Times are in seconds, latencies in microseconds."""

from dataclasses import dataclass, field


@dataclass
class Quantiles:
    count: int
    mean: float
    p50: float
    p90: float
    p99: float
    p999: float
    max: float


@dataclass
class ClientSide:
    """What the load generator saw."""

    command: str
    seconds: float
    requests: int  # answered, well or badly
    good: int  # answered with what was asked for
    bytes: int
    errors: dict[str, int]
    latency: Quantiles | None  # closed loop: from the send; constant rate: from when the request was due
    cpu_seconds: float
    connections: int  # that it really had
    service: Quantiles | None = None  # constant rate: from the send
    latency_problem: str = ""  # why there is none
    problems: list[str] = field(default_factory=list)  # its own: the run says nothing about the server


@dataclass
class Newcomers:
    """Fresh connections beside a load. Those whom the end of the load left waiting are not counted as asked."""

    outcomes: dict[str, int]
    waits: Quantiles | None  # of those who were answered, from the moment each was due; None: nobody was

    @property
    def asked(self) -> int:
        return sum(self.outcomes.values())

    @property
    def served(self) -> int:
        return self.outcomes.get("ok", 0)
