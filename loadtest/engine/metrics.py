"""Every number that has a name: in tables, cells.csv, comparisons and gates, and in the schema. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    name: str
    unit: str
    divided_by: str = ""  # what the sum is divided by
    more_is_better: bool = False

    @property
    def better(self) -> str:
        return "more" if self.more_is_better else "less"


LATENCIES = ("p50", "p90", "p99", "p999", "max", "mean")

SECONDS = "seconds of the load"
ANSWERS = "answers, newcomers' included"

METRICS = (
    Metric("throughput", "requests/s", SECONDS, more_is_better=True),
    Metric("goodput", "requests/s", SECONDS, more_is_better=True),
    Metric("cpu", "us/request", ANSWERS),
    Metric("cpu user", "us/request", ANSWERS),
    Metric("cpu system", "us/request", ANSWERS),
    Metric("voluntary switches", "1/request", ANSWERS),
    Metric("involuntary switches", "1/request", ANSWERS),
    Metric("system calls", "1/request", ANSWERS),
    *(Metric(f"latency {name}", "ms") for name in LATENCIES),
    *(Metric(f"service {name}", "ms") for name in LATENCIES),
    Metric("pss", "MiB"),
    Metric("private", "MiB"),
)
BY_NAME = {metric.name: metric for metric in METRICS}


@dataclass(frozen=True)
class Labels:
    """What tells the numbers of a step from those of another one, in cells.csv and in comparisons."""

    workload: str
    connections: int
    cpus: int = 1  # of the server
    keep_alive: bool = True
    pipeline: int = 1
    rate: float | None = None  # requests a second; None: a closed loop
