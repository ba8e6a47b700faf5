"""Who was harmed by a fault, and for how long: from the records of quartet-pace alone. No verdict is taken from a
model's name. Pure. Times are in seconds from the start of the load's schedule.

The records are of all requests, each with the worker that answered it (its process and slot). A request without an
answer belongs to the worker that answered last on the same connection; one that was sent late or never, because
connections of its class hang, belongs to their workers.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from loadtest.clients.pace import NEVER, Record
from loadtest.verbs.crash.plan import SLOT
from loadtest.verbs.crash.results import (
    CONNECTION,
    DELAYED,
    HARMS,
    LOST,
    NOBODY,
    NONE,
    REQUEST,
    SERVER,
    STARVED,
    WORKER,
    WRONG,
    Others,
    Recovery,
    Verdict,
)

FAULTY = "faulty"  # how the classes of faulty clients begin
NEWCOMER = "newcomer"
TIMES_P99 = 10  # an answer is late from so many times the 99 % of the time before the fault on,
LEAST_LATE = 0.25  # and from so many seconds on
OFFERED = 0.95  # of the offered rate, answered in time: service is back
BACK = 0.25  # seconds in which that share must be reached

Worker = tuple[int, int]  # process and slot


@dataclass(frozen=True)
class Ledger:
    lanes: Sequence[str]  # the classes' names
    records: Sequence[Record]
    fault_at: float
    end: float  # of the schedule
    struck: frozenset[int] = frozenset()  # processes that a fault from outside was meant for
    whole: Self | None = None  # of which this is a part: it tells how long answers take, and which classes hang

    # --- whose requests

    @cached_property
    def faults(self) -> list[Record]:
        """The faulty requests themselves: of a faulty client, what was due at the moment of the fault."""
        return [one for one in self.records if self._is_faulty(one) and abs(one.due - self.fault_at) < 1e-6]

    @property
    def fates(self) -> list[str]:
        """Of these: "ok", "status 500", "EOF before response"."""
        return [f"status {one.status}" if one.outcome == "error status" else one.outcome for one in self.faults]

    @cached_property
    def others(self) -> list[Record]:
        return [one for one in self.records if not self._is_faulty(one)]

    @cached_property
    def exposed(self) -> list[Record]:
        """Those of the others that the fault could harm: not ended before it."""
        return [one for one in self.others if one.done is None or one.done >= self.fault_at]

    @cached_property
    def later(self) -> list[Record]:
        """Those of the others that were due after it, in that order."""
        return sorted((one for one in self.others if one.due >= self.fault_at), key=lambda one: one.due)

    def _is_faulty(self, one: Record) -> bool:
        return self.lanes[one.lane].startswith(FAULTY)

    def is_newcomer(self, one: Record) -> bool:
        return self.lanes[one.lane] == NEWCOMER

    # --- what befell them

    @cached_property
    def late_from(self) -> float:
        """Seconds that an answer may take. By nearest rank, from the others' answers before the fault."""
        if self.whole:
            return self.whole.late_from
        times = sorted(_latency(one) for one in self.others if one.outcome == "ok" and (one.done or 0) < self.fault_at)
        return max(LEAST_LATE, TIMES_P99 * times[-(-99 * len(times) // 100) - 1]) if times else LEAST_LATE

    def harm(self, one: Record) -> str:
        if one.outcome == "ok":
            return DELAYED if _latency(one) >= self.late_from else NONE
        if one.outcome == "wrong content":
            return WRONG
        if one.outcome == NEVER and (one.sent is not None or self._hangs(one.lane)):
            return STARVED
        return LOST

    def _hangs(self, lane: int) -> bool:
        """Requests of that class wait behind others that were sent and never answered; otherwise, for a connection."""
        return lane in self._hanging

    @cached_property
    def _hanging(self) -> dict[int, list[Record]]:
        """By class: those that were sent and never answered, though there was time."""
        if self.whole:
            return self.whole._hanging
        found: dict[int, list[Record]] = {}
        for one in self.others:
            if one.outcome == NEVER and self._had_time(one):
                found.setdefault(one.lane, []).append(one)
        return found

    def _had_time(self, one: Record) -> bool:
        """To be answered before nobody watched any more."""
        return one.sent is not None and (self.whole or self).end - one.sent >= self.late_from

    def symptom(self, one: Record) -> str:
        """Of one that was harmed."""
        if one.outcome == "ok":
            return DELAYED
        return "not sent" if one.outcome == NEVER and one.sent is None else one.outcome

    @cached_property
    def harmed(self) -> list[Record]:
        return [one for one in self.exposed if self.harm(one) != NONE]

    # --- who answers whom

    @cached_property
    def _answers(self) -> dict[int, list[Record]]:
        """Those of each connection that tell their worker, in the order in which they came."""
        found: dict[int, list[Record]] = {}
        for one in sorted((one for one in self.records if one.worker), key=lambda one: one.done or 0):
            found.setdefault(one.connection, []).append(one)
        return found

    def worker(self, one: Record) -> Worker | None:
        """Of its answer, or else of the last one before it on its connection."""
        if one.worker:
            return self._who(one)
        answers = self._answers.get(one.connection, [])
        before = [answer for answer in answers if one.sent is None or (answer.done or 0) <= one.sent]
        return self._who(before[-1]) if before else None

    def _who(self, answer: Record) -> Worker:
        return answer.worker, 0 if self._is_lent else answer.slot

    @cached_property
    def _is_lent(self) -> bool:
        """Several workers of one process answer the same client: it is lent to them, and the whole process has it."""
        if self.whole:
            return self.whole._is_lent
        answered = [{(one.worker, one.slot) for one in theirs} for theirs in self._answers.values()]
        return any(len(workers) > len({process for process, _ in workers}) for workers in answered)

    def _workers_for(self, one: Record) -> set[Worker | None]:
        """Who waited for a connection, because others of its class hang, waited for the workers of those."""
        if self._waited_for_a_connection(one) and self._hangs(one.lane):
            return {self.worker(before) for before in self._hanging[one.lane] if before.due <= one.due}
        return {self.worker(one)}

    def _waited_for_a_connection(self, one: Record) -> bool:
        """Whoever answered it did so in time, once it was sent; or it was never sent, or too late to be answered."""
        if one.sent is None or one.done is None:
            return one.outcome == NEVER and not self._had_time(one)
        return self.harm(one) == DELAYED and one.done - one.sent < self.late_from

    @cached_property
    def workers_before(self) -> set[Worker]:
        """That answered anybody before the fault."""
        return {self._who(one) for one in self.records if one.worker and (one.done or 0) < self.fault_at}

    @cached_property
    def faulty_workers(self) -> set[Worker]:
        meant = {one for one in self.workers_before if one[0] in self.struck}
        return meant | {worker for one in self.faults if (worker := self.worker(one))}

    # --- the verdict

    @property
    def verdict(self) -> Verdict:
        worst = max((self.harm(one) for one in self.harmed), key=HARMS.index, default=NONE)
        return Verdict(self._scope_of_others() if self.harmed else self._scope_of_faulty(), worst)

    def _scope_of_others(self) -> str:
        """A worker, where the server has several and all who were harmed had that one."""
        theirs = {worker for one in self.harmed for worker in self._workers_for(one)}
        alone = len(self.workers_before) == 1
        one = len(theirs) == 1 and theirs <= self.faulty_workers and not alone
        return WORKER if one or self._is_one_client_struck else SERVER

    @property
    def _is_one_client_struck(self) -> bool:
        """From outside, where each request has a process of its own: what was struck is a connection's, which answers
        nothing itself."""
        [connection, *more] = {one.connection for one in self.harmed}
        processes = [one.worker for one in self._answers.get(connection, []) if (one.done or 0) < self.fault_at]
        return bool(self.struck) and not more and 1 < len(processes) == len(set(processes))

    def _scope_of_faulty(self) -> str:
        if all(one.outcome == "ok" for one in self.faults):
            return NOBODY
        return REQUEST if all(one.outcome in ("ok", "error status") for one in self.faults) else CONNECTION

    # --- how many, and for how long

    @property
    def account(self) -> Others:
        in_hand = [one for one in self.exposed if one.sent is not None and one.sent < self.fault_at]
        new = [one for one in self.later if self.is_newcomer(one)]
        before, kept = self._connections()
        return Others(
            asked=len(self.exposed),
            in_hand=len(in_hand),
            in_hand_lost=sum(self.harm(one) not in (NONE, DELAYED) for one in in_hand),
            harmed=dict(Counter(self.symptom(one) for one in self.harmed)),
            newcomers=len(new),
            newcomers_harmed=sum(self.harm(one) != NONE for one in new),
            connections=before,
            connections_kept=kept,
        )

    def _connections(self) -> tuple[int, int]:
        """Of the load: those in use before the fault, and on how many of them something sent after it was answered."""
        sent = [(one, one.sent) for one in self.others if one.sent is not None and not self.is_newcomer(one)]
        before = {one.connection for one, moment in sent if moment < self.fault_at}
        alive = {one.connection for one, moment in sent if moment >= self.fault_at and one.outcome == "ok"}
        return len(before), len(before & alive)

    @property
    def recovery(self) -> Recovery:
        answered = [one.done for one in self.later if one.outcome == "ok" and one.done is not None]
        return Recovery(min(answered) - self.fault_at if answered else None, self._back())

    def _back(self) -> float | None:
        """Seconds from the fault until service is back for good."""
        due = [one.due for one in self.later]
        good = [self.harm(one) == NONE for one in self.later]
        begins = [self.fault_at, *(moment for moment in due if moment <= self.end - BACK)]
        last_bad = None
        for index, moment in enumerate(begins):
            first, last = bisect_left(due, moment), bisect_left(due, moment + BACK)
            if sum(good[first:last]) < OFFERED * (last - first):
                last_bad = index
        if last_bad is None:
            return 0.0
        return begins[last_bad + 1] - self.fault_at if last_bad + 1 < len(begins) else None

    @property
    def strip(self) -> str:
        """A letter for each slot of time, by when the others' requests were due: "." all answered in time; d, l, w or s
        for the worst that befell one of them, large where it befell half of them or more; a blank where none was due.
        """
        return "".join(self._letter(slot) for slot in self._slots())

    def _slots(self) -> Iterator[list[str]]:
        """What befell the requests of each."""
        slots: list[list[str]] = [[] for _ in range(round(self.end / SLOT))]
        for one in self.others:
            slots[min(int(one.due / SLOT + 1e-6), len(slots) - 1)].append(self.harm(one))
        yield from slots

    @staticmethod
    def _letter(harms: Sequence[str]) -> str:
        worst = max(harms, key=HARMS.index, default="")
        if worst in ("", NONE):
            return "." if worst else " "
        return worst[0].upper() if sum(harm != NONE for harm in harms) * 2 >= len(harms) else worst[0]

    # --- when it tells nothing

    @property
    def problems(self) -> list[str]:
        early = sum(self.harm(one) != NONE and one.done is not None and one.done < self.fault_at for one in self.others)
        found = [f"{early} requests were harmed before the fault"] if early else []
        return found + ["the faulty request was never sent" for one in self.faults if one.sent is None]

    @property
    def refusals(self) -> list[str]:
        return [f"the server refused the fault (status {one.status})" for one in self.faults if one.status in REFUSALS]


REFUSALS = (400, 404, 405)


def _latency(one: Record) -> float:
    """From when it was due, less what quartet-pace itself was late."""
    return (one.done or one.due) - one.due - one.lateness
