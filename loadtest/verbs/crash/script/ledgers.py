"""Which fault of a script harmed whom: a ledger for each, of the requests that are its own. Pure. Times are in seconds
from the start of the load's schedule."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from loadtest.clients.pace import NEVER, Record
from loadtest.verbs.crash.ledger import FAULTY, Ledger
from loadtest.verbs.crash.results import NONE
from loadtest.verbs.crash.script.schedule import Script


@dataclass(frozen=True)
class Play:
    """All requests of a script."""

    script: Script
    lanes: Sequence[str]  # the classes' names
    records: Sequence[Record]

    @cached_property
    def whole(self) -> Ledger:
        """From the start to the end. It knows how long answers take without a fault: by those before the first."""
        return Ledger(self.lanes, self.records, self.script.blows[0].at, self.script.end)

    @property
    def harmed(self) -> int:
        return sum(self.whole.harm(one) != NONE for one in self.whole.others)

    @property
    def strip(self) -> str:
        return self.whole.strip

    def ledgers(self) -> Iterator[Ledger]:
        """One for each fault, from it to the next one or to the end."""
        before = 0.0  # when the fault before it came
        for index, (at, until) in enumerate(self.script.spans()):
            last = index == len(self.script.blows) - 1
            since = (before + at) / 2 if index else 0.0  # by then who took the place of a dead worker answers
            theirs = self._records(index, since, at, math.inf if last else until)
            # of what is due later nobody knows yet, when the next fault comes, whether it is in time
            end = until if last else until - self.whole.late_from
            yield replace(self.whole, records=theirs, fault_at=at, end=end, whole=self.whole)
            before = at

    def _records(self, index: int, since: float, at: float, until: float) -> list[Record]:
        """What it harmed or could harm, and answers shortly before it, which tell who the workers are. Of the faulty
        clients its own ones are meant."""
        others = {lane for number, lane in self._faulty_lanes() if number != index}
        return [
            self._as_of(one, until)
            for one in self.records
            if one.lane not in others
            and (at <= self._settled(one) < until or since <= _ended(one) < at or self._is_blow(one, at))
        ]

    def _settled(self, one: Record) -> float:
        """When it was ended, or late: each request belongs to the last fault before that. Who waited in vain when a
        fault came was harmed by an earlier one."""
        return min(_ended(one), one.due + self.whole.late_from)

    @staticmethod
    def _as_of(one: Record, until: float) -> Record:
        """Who still waited when the next fault came had no answer: how that wait ended is no harm of this one."""
        return one if one.outcome == "ok" or _ended(one) < until else replace(one, outcome=NEVER, done=None, worker=0)

    def _is_blow(self, one: Record, at: float) -> bool:
        return self.lanes[one.lane].startswith(FAULTY) and abs(one.due - at) < 1e-6

    def _faulty_lanes(self) -> Iterator[tuple[int, int]]:
        """The number of the fault, and a class that is a client of it, in the order of quartet-pace's options."""
        lanes = (lane for lane, name in enumerate(self.lanes) if name.startswith(FAULTY))
        for number, blow in enumerate(self.script.blows):
            for _ in blow.fault.requests:
                yield number, next(lanes)


def _ended(one: Record) -> float:
    return math.inf if one.done is None else one.done
