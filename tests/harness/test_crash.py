"""What a crash costs: from played attempts, and from a stand-in that really dies."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from loadtest.clients.outcomes import Outcome
from loadtest.system.processes import Address
from loadtest.verbs.tour import crash, plan
from loadtest.verbs.tour.crash import LightLoad, Outage, time_without_service
from loadtest.verbs.tour.results import Attempt
from loadtest.verbs.tour.runner import survivors

OK, EOF, REFUSED = Outcome.ok, Outcome.eof, Outcome.refused


def attempts(*outcomes: Outcome) -> list[Attempt]:
    """One a second, each done half a second later."""
    return [Attempt(0, float(k), k + 0.5, outcome) for k, outcome in enumerate(outcomes)]


def test_a_survivor_has_no_outage():
    assert time_without_service(attempts(OK, OK, OK, OK), fault_at=2, end=4) == Outage(0, False)


def test_a_request_in_hand_at_the_fault_is_a_loss_but_no_outage():
    assert time_without_service(attempts(OK, EOF, OK, OK), fault_at=2, end=4) == Outage(0, False)


def test_a_dead_server_is_out_of_service_until_the_end():
    assert time_without_service(attempts(OK, EOF, REFUSED, REFUSED), fault_at=2, end=4) == Outage(2, True)


def test_a_restart_ends_the_outage():
    outcomes = (OK, OK, REFUSED, EOF, REFUSED, OK, OK)
    assert time_without_service(attempts(*outcomes), fault_at=2, end=7) == Outage(3, False)


def test_several_outages_add_up():
    outcomes = (OK, REFUSED, OK, REFUSED, REFUSED, OK)
    assert time_without_service(attempts(*outcomes), fault_at=1, end=6) == Outage(3, False)


def test_the_order_of_the_record_does_not_matter():
    shuffled = attempts(OK, REFUSED, REFUSED, OK)[::-1]
    assert time_without_service(shuffled, fault_at=1, end=4) == Outage(2, False)


def test_losses_are_counted_by_their_kind():
    seen = attempts(OK, EOF, Outcome.reset, Outcome.truncated, REFUSED, Outcome.timed_out, Outcome.error_status)
    counts = crash.lost_in_hand(seen), crash.turned_away(seen), crash.answered_wrongly(seen)
    assert counts == (3, 2, 1)
    assert sum(counts) == sum(one.outcome != OK for one in seen)


def test_every_outcome_but_ok_is_a_loss_of_some_kind():
    seen = attempts(*(outcome for outcome in Outcome if outcome != OK))
    assert crash.lost_in_hand(seen) + crash.turned_away(seen) + crash.answered_wrongly(seen) == len(seen)


def test_the_slowest_answer_is_of_requests_after_the_fault():
    seen = [Attempt(0, 0, 9, OK), Attempt(0, 1, 1.25, OK), Attempt(0, 2, 2.5, OK), Attempt(0, 3, 99, EOF)]
    assert crash.slowest_answer(seen, fault_at=1) == 0.5
    assert crash.slowest_answer(seen, fault_at=3) is None


def test_processes_that_live_for_one_request_do_not_count():
    root, worker, victim, child, heir = ((pid, 0) for pid in range(5))
    looks = [{root, worker, victim, child}, {root, worker, victim}, {root, worker, heir}]
    found = survivors(looks, crash.Observation([], EOF, 8, 7), None)
    assert (found.processes_before, found.processes_kept, found.processes_new) == (3, 2, 1)


def test_a_pid_that_is_used_again_is_another_process():
    looks = [{(7, 100)}, {(7, 100)}, {(7, 200)}]
    found = survivors(looks, crash.Observation([], EOF, 0, 0), None)
    assert (found.processes_kept, found.processes_new) == (0, 1)


SETTINGS = plan.Crash(clients=4, rate=50, path="/sleep?ms=50", fault_at=0.5, end=1.0)


async def observe(address: Address, settings: plan.Crash) -> tuple[crash.Observation, int]:
    looks = []
    seen = await LightLoad(address, settings).observe(lambda: looks.append(None))
    return seen, len(looks)


@pytest.fixture
def crashed(server) -> crash.Observation:
    seen, looks = asyncio.run(observe(server.address, SETTINGS))
    assert looks == 3
    assert server.wait(5).status == -11
    return seen


def test_every_request_of_the_schedule_has_one_outcome(crashed):
    assert [one.due for one in crashed.attempts] == [k / 50 for k in range(50)]


def test_the_crash_takes_down_requests_in_hand_and_all_that_follow(crashed):
    assert crashed.faulty in crash.CUT
    assert crash.lost_in_hand(crashed.attempts) >= 1
    assert crash.turned_away(crashed.attempts) > 0
    assert crashed.attempts[-1].outcome == REFUSED


def test_no_connection_outlives_its_process(crashed):
    assert (crashed.connections_before, crashed.connections_kept) == (4, 0)


def test_a_fault_that_is_a_404_harms_nobody(server):
    harmless = replace(SETTINGS, fault="/missing", path="/plaintext")
    seen, _ = asyncio.run(observe(server.address, harmless))
    assert seen.faulty == Outcome.error_status
    assert all(one.outcome == OK for one in seen.attempts)
    assert seen.connections_kept == seen.connections_before == 4
    server.stop()
