"""Verdicts from made-up records, whose truth is known."""

from dataclasses import replace

import pytest

from loadtest.clients.pace import NEVER, OUTCOMES, Record
from loadtest.verbs.crash.ledger import Ledger
from loadtest.verbs.crash.results import Verdict

LANES = ["waiting", "asking", "newcomer", "faulty"]
WAITING, ASKING, NEWCOMER, FAULTY = range(4)
OK, EOF, REFUSED, WRONG, STATUS = "ok", "EOF before response", "refused", "wrong content", "error status"
AT, END = 0.4, 1.2

MINE, THEIRS = 100, 200  # processes of two workers
# Connections: the faulty client's, one of the same worker, one of another.
FAULTY_CONNECTION, BESIDE, ELSEWHERE = 1, 2, 3
WORKERS = {FAULTY_CONNECTION: MINE, BESIDE: MINE, ELSEWHERE: THEIRS}


def record(due: float, connection: int, outcome: str = OK, lane: int = ASKING, takes: float | None = 0.01) -> Record:
    """Answered by the connection's worker; `takes` None: it was never sent."""
    sent = None if takes is None else due
    done = None if outcome == NEVER or takes is None else due + takes
    worker = WORKERS.get(connection, 0) if outcome in (OK, WRONG, STATUS) else 0
    return Record(due, sent, done, connection, outcome, worker=worker, slot=worker // 100, lane=lane)


def before() -> list[Record]:
    """Everybody is answered: 20 times each."""
    return [
        record(k / 50, one, lane=FAULTY if one == FAULTY_CONNECTION else ASKING) for k in range(19) for one in WORKERS
    ]


def fault(outcome: str = EOF, **changes) -> Record:
    return replace(record(AT, FAULTY_CONNECTION, outcome, FAULTY), **changes)


def later(connection: int, outcome: str = OK, takes: float | None = 0.01, lane: int = ASKING) -> list[Record]:
    return [record(AT + k / 50, connection, outcome, lane, takes) for k in range(1, 40)]


def newcomers(outcome: str = OK, takes: float | None = 0.01) -> list[Record]:
    """Each on a connection of its own, answered by the other worker."""
    came = [record(AT + k / 20, 1000 + k, outcome, NEWCOMER, takes) for k in range(1, 16)]
    return [replace(one, worker=THEIRS, slot=2) if outcome == OK else one for one in came]


def ledger(*records: list[Record], faulty: Record | None = None, **changes) -> Ledger:
    found = [*before(), *([fault()] if faulty is None else [faulty]), *(one for group in records for one in group)]
    return Ledger(LANES, found, AT, END, **changes)


def verdict(*records: list[Record], faulty: Record | None = None) -> str:
    return str(ledger(*records, faulty=faulty).verdict)


WELL = [later(BESIDE), later(ELSEWHERE), newcomers()]

# --- the radius


def test_nobody_is_harmed_by_a_fault_that_was_answered_well():
    assert verdict(*WELL, faulty=fault(OK)) == "nobody none"


def test_an_error_status_harms_that_request_alone():
    assert verdict(*WELL, faulty=fault(STATUS)) == "request none"


@pytest.mark.parametrize("outcome", [EOF, "reset", "truncated", NEVER, "timed out"])
def test_a_faulty_request_without_an_answer_harms_its_connection(outcome):
    assert verdict(*WELL, faulty=fault(outcome)) == "connection none"


def test_who_had_the_same_worker_is_harmed_with_it():
    assert verdict(later(BESIDE, EOF), later(ELSEWHERE), newcomers()) == "worker lost"


def test_who_had_another_worker_makes_it_the_servers():
    assert verdict(later(BESIDE), later(ELSEWHERE, EOF), newcomers()) == "server lost"
    assert verdict(later(BESIDE, EOF), later(ELSEWHERE, EOF), newcomers()) == "server lost"


def test_a_newcomer_has_no_worker_yet():
    assert verdict(later(BESIDE), later(ELSEWHERE), newcomers(REFUSED)) == "server lost"


def test_another_slot_of_the_same_process_is_another_worker():
    """Threads."""
    moved = [
        replace(one, worker=MINE, slot=2) if one.connection == ELSEWHERE and one.worker else one for one in before()
    ]
    found = Ledger(LANES, [*moved, fault(), *later(BESIDE, NEVER), *newcomers()], AT, END)
    assert str(found.verdict) == "worker starved"
    found = Ledger(LANES, [*moved, fault(), *later(ELSEWHERE, NEVER), *newcomers()], AT, END)
    assert str(found.verdict) == "server starved"


def test_of_a_server_with_one_worker_that_is_the_server():
    alone = [replace(one, worker=MINE, slot=1) for one in before()]
    assert str(Ledger(LANES, [*alone, fault(), *later(BESIDE, EOF)], AT, END).verdict) == "server lost"


def test_clients_that_one_loop_lends_to_threads_have_the_whole_server_as_their_worker():
    """Those who wait are answered by the loop, which the faulty client has, too; the others by any helper."""
    loop = [replace(one, worker=MINE, slot=0) for one in before()]
    lent = [replace(record(k / 50, 4), worker=MINE, slot=1 + k % 2) for k in range(19)]
    found = Ledger(LANES, [*loop, *lent, fault(), *later(BESIDE, EOF), *later(4)], AT, END)
    assert str(found.verdict) == "server lost"
    assert found.workers_before == {(MINE, 0)}


def test_a_fault_from_outside_harms_the_worker_that_it_struck():
    records = [*before(), *later(BESIDE), *later(ELSEWHERE, NEVER), *newcomers()]
    assert str(Ledger(LANES, records, AT, END, frozenset({THEIRS})).verdict) == "worker starved"
    assert str(Ledger(LANES, records, AT, END, frozenset({MINE})).verdict) == "server starved"
    assert str(Ledger(LANES, [*before(), *later(BESIDE)], AT, END, frozenset({MINE})).verdict) == "nobody none"


def test_of_two_faulty_requests_the_worse_counts():
    other = replace(fault(EOF), connection=4, lane=4)
    found = Ledger([*LANES, "faulty-2"], [*before(), fault(OK), other, *later(BESIDE)], AT, END)
    assert len(found.faults) == 2
    assert str(found.verdict) == "connection none"


def test_what_else_the_faulty_client_asks_for_is_nobody_elses_harm():
    retried = later(FAULTY_CONNECTION, EOF, lane=FAULTY)
    assert verdict(*WELL, retried) == "connection none"


# --- the harm


@pytest.mark.parametrize("outcome", [one for one in OUTCOMES if one not in (OK, WRONG, NEVER)])
def test_no_answer_and_an_error_are_losses(outcome):
    assert ledger(*WELL).harm(record(AT, BESIDE, outcome)) == "lost"


def test_other_bytes_are_wrong():
    assert verdict(later(BESIDE, WRONG), later(ELSEWHERE), newcomers()) == "worker wrong"


def test_an_answer_is_late_from_250_ms_or_ten_times_the_usual_on():
    assert ledger(*WELL).late_from == 0.25
    assert verdict(later(BESIDE, takes=0.249), newcomers()) == "connection none"
    assert verdict(later(BESIDE, takes=0.251), newcomers()) == "worker delayed"
    slow = [replace(one, done=one.due + 0.05) for one in before()]
    assert Ledger(LANES, [*slow, fault()], AT, END).late_from == pytest.approx(0.5)


def test_the_client_itself_may_be_late():
    late = [replace(one, lateness=0.3) for one in later(BESIDE, takes=0.5)]
    assert verdict(late, newcomers()) == "connection none"


def test_who_was_sent_and_never_answered_is_starved():
    assert verdict(later(BESIDE, NEVER), newcomers()) == "worker starved"


def test_who_waits_for_a_connection_that_nobody_takes_is_lost():
    """A dead server: quartet-pace finds nobody to connect to."""
    assert verdict(later(0, NEVER, takes=None), newcomers(REFUSED)) == "server lost"


def test_who_waits_behind_requests_that_hang_is_starved_by_their_workers():
    behind = later(0, NEVER, takes=None)
    found = ledger([record(AT, BESIDE, NEVER)], behind, newcomers())
    assert str(found.verdict) == "worker starved"
    assert found.account.harmed == {NEVER: 1, "not sent": 39}
    assert verdict([record(AT, BESIDE, NEVER), record(AT, ELSEWHERE, NEVER)], behind) == "server starved"


def test_who_is_sent_late_because_others_hang_is_delayed_by_their_workers():
    """One connection of a class is left for the requests of all; the worker that answers on it is not to blame."""
    hangs = record(AT, BESIDE, NEVER)
    late = [replace(one, due=one.due - 0.3) for one in later(ELSEWHERE) if one.due > AT + 0.3]
    assert verdict([hangs], late, newcomers()) == "worker starved"
    last = replace(record(END - 0.01, ELSEWHERE, NEVER), due=END - 0.3)
    assert verdict([hangs, last], late, newcomers()) == "worker starved"
    slow = [replace(one, done=one.due + 0.31) for one in later(ELSEWHERE)]
    assert verdict([hangs], slow, newcomers()) == "server starved"


def test_who_waits_does_not_wait_for_what_hangs_later():
    """In a script a later fault may hang another worker."""
    found = ledger([record(AT, BESIDE, NEVER)], later(0, NEVER, takes=None), newcomers())
    whole = replace(found, records=[*found.records, record(1.3, ELSEWHERE, NEVER)], end=1.6)
    assert str(replace(found, whole=whole).verdict) == "worker starved"


def test_the_worst_harm_counts():
    assert verdict(later(BESIDE, takes=0.5), later(BESIDE, EOF)) == "worker lost"
    assert verdict(later(BESIDE, EOF), later(BESIDE, WRONG)) == "worker wrong"
    assert verdict(later(BESIDE, WRONG), later(BESIDE, NEVER)) == "worker starved"


def test_what_ended_before_the_fault_is_not_its_harm():
    early = [replace(record(0.1, BESIDE, EOF), done=0.11)]
    found = ledger(*WELL, early)
    assert str(found.verdict) == "connection none"
    assert found.problems == ["1 requests were harmed before the fault"]


def test_a_request_in_hand_at_the_fault_is_exposed():
    in_hand = [replace(record(0.39, BESIDE, EOF), done=0.401)]
    found = ledger(*WELL, in_hand)
    assert str(found.verdict) == "worker lost"
    assert (found.account.in_hand, found.account.in_hand_lost) == (1, 1)


# --- how many


def test_everybody_is_counted_once():
    found = ledger(later(BESIDE, EOF), later(ELSEWHERE), newcomers(REFUSED)).account
    assert (found.asked, found.harmed) == (39 + 39 + 15, {EOF: 39, REFUSED: 15})
    assert (found.newcomers, found.newcomers_harmed) == (15, 15)
    assert (found.connections, found.connections_kept) == (2, 1)


# --- how long


def test_service_that_never_stopped_was_back_at_once():
    found = ledger(*WELL).recovery
    assert found.back == 0
    assert found.first_ok == pytest.approx(0.03)  # due 20 ms after the fault, answered in 10


def test_service_that_does_not_come_back_has_no_end():
    found = ledger(later(BESIDE, EOF), later(ELSEWHERE, EOF), newcomers(REFUSED)).recovery
    assert (found.first_ok, found.back) == (None, None)


def test_service_is_back_when_19_of_20_are_answered_from_then_on():
    lost = [one for one in later(BESIDE, EOF) if one.due < AT + 0.3]
    answered = [one for one in later(BESIDE) if one.due >= AT + 0.3]
    found = ledger(lost, answered).recovery
    assert found.first_ok == pytest.approx(0.3 + 0.01, abs=0.021)
    assert found.back == pytest.approx(0.3, abs=0.021)


def test_a_second_outage_counts_up_to_its_end():
    outcomes = [EOF if 0.1 < one.due - AT < 0.2 or 0.4 < one.due - AT < 0.5 else OK for one in later(BESIDE)]
    found = ledger([replace(one, outcome=outcome) for one, outcome in zip(later(BESIDE), outcomes)]).recovery
    assert found.back == pytest.approx(0.5, abs=0.021)


def test_newcomers_that_wait_for_ever_are_offered_too():
    many = [record(AT + k / 100, BESIDE) for k in range(80)]
    assert ledger(many).recovery.back == 0
    assert ledger(many, newcomers(NEVER)).recovery.back is None


# --- over time


def test_a_strip_has_a_letter_for_each_50_ms():
    assert ledger(*WELL).strip == "." * 24
    assert ledger(later(BESIDE, EOF), newcomers(REFUSED)).strip == "." * 8 + "L" * 16
    assert ledger(later(BESIDE), newcomers(NEVER)).strip == "." * 9 + "s" * 15


def test_a_letter_is_large_from_half_of_the_requests_on():
    assert ledger(later(BESIDE, EOF), later(ELSEWHERE)).strip[10] == "L"
    assert ledger(later(BESIDE, EOF), later(ELSEWHERE), later(ELSEWHERE)).strip[10] == "l"


def test_nothing_due_is_a_blank():
    assert ledger().strip == "." * 8 + " " * 16


# --- when it tells nothing


def test_a_fault_that_was_refused_or_never_sent_is_none():
    refused = ledger(*WELL, faulty=fault(STATUS, status=404))
    assert (refused.problems, refused.refusals) == ([], ["the server refused the fault (status 404)"])
    assert ledger(*WELL, faulty=fault(NEVER, sent=None)).problems == ["the faulty request was never sent"]
    failed = ledger(*WELL, faulty=fault(STATUS, status=500))
    assert failed.problems == failed.refusals == []


def test_a_verdict_reads_as_the_catalogue_writes_it():
    assert str(Verdict("worker", "lost")) == "worker lost"
