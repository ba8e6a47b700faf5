"""What a script did, as data. Times are in seconds from the start of the load's schedule, unless it says otherwise."""

from dataclasses import dataclass
from typing import ClassVar

from loadtest.verbs.crash.results import Harmed, Others, Processes, Recovery, Verdict


@dataclass(frozen=True)
class PlayStep:
    contestant: str
    keeper: str = ""  # PARENT where it is given one; "": nobody
    round: int = 1
    sanitizer: ClassVar[str] = ""

    @property
    def what(self) -> str:
        return f"the script{' under a parent' if self.keeper else ''}"


@dataclass
class Effect:
    """What one fault of it did, until the next one came, or to the end."""

    fault: str  # its name
    at: float
    faulty: list[str]  # what became of each faulty request, as in Crash
    verdict: Verdict
    expected: list[str]  # any of these verdicts; none: nobody says, as of all but the first fault
    others: Others
    recovery: Recovery
    processes: Processes  # their server_status is None: it is known only at the end
    already_down: bool  # service was not back from the fault before it

    @property
    def surprising(self) -> bool:
        return bool(self.expected) and str(self.verdict) not in self.expected


@dataclass(kw_only=True)
class Played(Harmed):
    step: PlayStep
    effects: list[Effect]  # in the order of the script
    asked: int  # requests of the others, from the start to the end
    harmed: int  # of these
    blamed: list[str]  # at the end, as in Known
    server_status: int | None  # None: the server lives

    @property
    def surprising(self) -> bool:
        return not self.problems and any(one.surprising for one in self.effects)
