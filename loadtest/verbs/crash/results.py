"""What one fault did, as data. Times are in seconds from the start of the load's schedule, unless it says otherwise."""

import math
from dataclasses import dataclass, field

from loadtest.document import document
from loadtest.engine.run import Result

# The smallest scope that holds everyone who was harmed, the faulty client included.
NOBODY, REQUEST, CONNECTION, WORKER, SERVER = RADII = ("nobody", "request", "connection", "worker", "server")
# The worst that befell somebody else: nothing; answered late; not answered, and told so; other bytes; waiting for ever.
NONE, DELAYED, LOST, WRONG, STARVED = HARMS = document.HARMS
# Who is to bring a server back, beside a parent that its model has: one that it is given, or Docker's restart policy.
PARENT, DOCKER = KEEPERS = ("--supervise", "Docker")


@dataclass(frozen=True)
class CrashStep:
    contestant: str
    fault: str  # its name in the settings
    keeper: str = ""  # of KEEPERS; "": nobody, but for the parent that some models have by themselves
    round: int = 1
    sanitizer: str = ""  # that the server is built with: catalogue.ADDRESS; "": none

    @property
    def what(self) -> str:
        built = " with AddressSanitizer" if self.sanitizer else ""
        return self.fault + built + {"": "", PARENT: " under a parent", DOCKER: " restarted by Docker"}[self.keeper]


@dataclass(frozen=True)
class Verdict:
    radius: str  # of RADII
    harm: str  # of HARMS

    def __str__(self) -> str:
        return f"{self.radius} {self.harm}"


@dataclass
class Others:
    """Everybody but the faulty clients: those under load, and newcomers."""

    asked: int  # their requests that a fault could harm: in hand at it, or due later
    in_hand: int  # of these, sent before the fault and not ended by then
    in_hand_lost: int
    harmed: dict[str, int]  # requests by symptom: "delayed", "not sent", or an outcome of pace.OUTCOMES
    newcomers: int  # that came after the fault
    newcomers_harmed: int
    connections: int  # kept ones that were used before the fault
    connections_kept: int  # of these, answered on something that was sent after it


@dataclass
class Stored:
    """What clients of their own had stored before the fault: how many of them found what at the end, by pace.FATES."""

    sessions: dict[str, int]  # each has one
    counters: dict[str, int]  # the process's counter, to which each has added


@dataclass
class Recovery:
    """Seconds after the fault; None: not until the end of the observation."""

    first_ok: float | None  # the first good answer to a request that was due after the fault
    back: float | None  # from then on 95 % of the offered rate was answered in time
    by: str = ""  # who brought it back; "": nothing was gone

    @property
    def outage(self) -> float:
        """Infinite where service did not come back."""
        return math.inf if self.back is None else self.back


@dataclass
class Known:
    """What the server's scoreboard told just before the fault, and at the end of the load."""

    phases: dict[str, int]  # connections by phase, just before; none: it was not looked at in time
    blamed: list[str]  # requests whose handler ran where a worker died, or has not returned


@dataclass
class Processes:
    """Those that live for one request do not count."""

    before: int
    kept: int  # of those before
    new: int
    server_status: int | None  # None: the server lives


@dataclass
class Told:
    """By wrk, which met the same fault in a run of its own, amid two seconds."""

    throughput: float  # answers a second
    p99: float | None  # milliseconds; None: it recorded nothing
    errors: dict[str, int]


@dataclass(kw_only=True)
class Harmed(Result):
    """What every server that something was done to has in common."""

    strip: str  # a letter for each 50 ms, by when requests were due: see ledger.strip()
    leftovers: list[str] = field(default_factory=list)  # of the server, half a sentence each
    unlucky: bool = False  # by no fault of the server's it tells nothing; its problems say why

    @property
    def spoiled(self) -> bool:
        return self.unlucky


@dataclass(kw_only=True)
class Crash(Harmed):
    step: CrashStep
    fault_at: float  # when it really came
    faulty: list[str]  # what became of each faulty request: "ok", "status 500", "EOF before response"
    verdict: Verdict
    expected: list[str]  # any of these verdicts; none: nothing is expected
    others: Others
    recovery: Recovery
    known: Known | None  # None: it keeps no scoreboard that we can read
    processes: Processes
    told_by_wrk: Told | None = None  # None: it was not asked
    stored: Stored | None = None  # None: nobody stored anything

    @property
    def surprising(self) -> bool:
        """It was seen, and is not what the catalogue expects."""
        return not self.problems and bool(self.expected) and str(self.verdict) not in self.expected
