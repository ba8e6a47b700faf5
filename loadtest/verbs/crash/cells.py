"""What was tried: all tries of one fault with one contestant. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from loadtest.engine.run import Part
from loadtest.verbs.crash.catalogue import Fault
from loadtest.verbs.crash.plan import CrashSettings, steps
from loadtest.verbs.crash.results import NONE, Crash, CrashStep

FEW = 3  # faults, up to which each is shown over time


@dataclass(frozen=True)
class Cell:
    """All tries of one fault with one contestant."""

    name: str  # of the contestant, with its given parent
    fault: Fault
    step: CrashStep
    tries: Sequence[Crash]  # that were measured, invalid ones, too

    @property
    def valid(self) -> list[Crash]:
        return [one for one in self.tries if not one.problems]

    @property
    def verdicts(self) -> list[str]:
        return [str(one.verdict) for one in self.valid]

    @property
    def surprising(self) -> list[Crash]:
        return [one for one in self.tries if one.surprising]

    @property
    def contained(self) -> bool:
        """Nobody else was ever harmed."""
        return all(one.verdict.harm == NONE for one in self.valid)

    @property
    def outage(self) -> float:
        """Seconds, the median; infinite when service did not come back."""
        return median(one.recovery.outage for one in self.valid)


def cells(part: Part) -> list[Cell]:
    """One for each fault and contestant that were planned, whether or not they were measured, in the plan's order."""
    settings: CrashSettings = part.settings
    found: dict[CrashStep, list[Crash]] = {replace(step, round=1): [] for step in steps(settings)}
    for one in part.results:
        found[replace(one.step, round=1)].append(one)
    return [
        Cell(settings.contestant_of(step).name, settings.fault(step.fault), step, tries)
        for step, tries in found.items()
    ]


def columns(planned: Iterable[Cell], part: Part) -> dict[str, str]:
    """Contestants by the name that is shown, each before itself under a keeper, and with a sanitizer."""
    order = [one.name for one in part.settings.contestants]

    def place(cell: Cell) -> tuple[int, str, str]:
        return order.index(cell.step.contestant), cell.step.sanitizer, cell.step.keeper

    return {cell.name: cell.step.contestant for cell in sorted(planned, key=place)}


def tried_faults(part: Part, sanitizer: str | None = None) -> list[Fault]:
    """With that one alone; None: with any, or none."""
    measured = {one.step.fault for one in part.results if sanitizer in (None, one.step.sanitizer)}
    return [fault for fault in part.settings.faults if fault.name in measured]
