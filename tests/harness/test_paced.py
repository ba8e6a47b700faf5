from __future__ import annotations

import json
from dataclasses import replace

import pytest
import samples

from loadtest.clients import pace as paced
from loadtest.system import MeasurementError
from loadtest.system.processes import Address, Finished
from loadtest.verbs.load import clients
from loadtest.verbs.load.plan import Cell, TrialStep

CELL = Cell("epoll", "plaintext", 64, rate=2500.0, client="quartet-pace", arrivals="poisson")
ADDRESS = Address("127.0.0.1", 8080)
TIMES = {"mean_ms": 0.5, "p50_ms": 0.4, "p90_ms": 0.8, "p99_ms": 1.5, "p99_9_ms": 2.5, "max_ms": 3.0, "censored": 0}


def summary(**changes) -> dict:
    lane = {
        "connections": 64,
        "outcomes": {"ok": 4990, "error_status": 6, "never_answered": 4},
        "closed_loop": None,
        "answered_in_time": 4990,
        "ok_in_time": 4985,
        "patience_ms": 1500.0,
        "latency": {"count": 4994, **TIMES, "max_ms": 1500.0, "censored": 4},
        "service": {"count": 4990, **TIMES, "p99_ms": 0.9},
        "latency_histogram": [[400_000, 4980], [3_000_000, 10]],
    }
    schedule = {"schedule": {"lateness_histogram": [[1_000, 4000], [200_000, 1000]]}}
    return {"duration_s": 2.0, "elapsed_s": 2.0, "problems": [], "lanes": [lane], **schedule, **changes}


def finished(stdout: str, stderr: str = "") -> Finished:
    return Finished(0, 0.7, command="quartet-pace", stdout=stdout, stderr=stderr)


def parsed(**changes):
    return paced.client_side(finished(json.dumps(summary(**changes))))


def argv(cell: Cell, number: int = 3, **changes) -> list[str]:
    chosen = samples.settings(pace="/bin/quartet-pace", **changes)
    chosen.budgets[1] = replace(chosen.budgets[1], load=(2, 3))
    return clients.argv(ADDRESS, chosen, TrialStep(number, cell))


def test_its_command_line_says_the_rate_the_pool_and_one_cpu():
    found = argv(CELL)
    assert found[:6] == ["taskset", "--cpu-list", "2", "/bin/quartet-pace", "127.0.0.1:8080", "/plaintext"]
    words = " ".join(found)
    assert "-c 64 -d 1000ms" in words and "--rate 2500" in words
    assert "--fresh" not in found and "--closed" not in found
    assert "--fresh" in argv(replace(CELL, keep_alive=False))


def test_arrivals_are_random_alike_for_everybody_and_other_ones_in_each_round():
    first, second = argv(CELL), argv(CELL, number=4)
    assert "--poisson" in first and first != second
    assert argv(replace(CELL, contestant="threads")) == first
    assert argv(CELL, seed=2) != first
    assert "--poisson" not in argv(replace(CELL, arrivals="even"))


def test_quartet_pace_can_be_the_client_of_a_closed_loop():
    found = argv(replace(CELL, rate=None, arrivals="", pipeline=4))
    assert "--closed" in found and "--rate" not in found and "--poisson" not in found
    assert " ".join(found[found.index("--pipeline") :][:2]) == "--pipeline 4"


def test_bad_answers_are_answers_and_the_unanswered_are_none():
    found = parsed()
    assert (found.requests, found.good) == (4996, 4990)
    assert found.errors == {"error status": 6, "never answered": 4}


def test_latency_and_service_are_in_microseconds_each_with_its_own():
    found = parsed()
    assert (found.latency.p99, found.latency.p999, found.service.p99) == (1500, 2500, 900)
    assert found.cpu_seconds == 0.7


def test_answers_after_the_schedule_count_over_the_time_they_took():
    assert parsed().seconds == 2.0
    assert parsed(elapsed_s=3.5).seconds == 3.5


def test_a_schedule_that_was_not_kept_is_the_clients_own_problem():
    assert parsed(problems=["the schedule was not kept"]).problems == ["the schedule was not kept"]


def test_when_nothing_was_answered_well_there_is_no_latency():
    none = {"count": 0, "censored": 0}
    nothing = {"outcomes": {"ok": 0, "error_status": 9}, "latency": none, "service": none, "latency_histogram": []}
    found = parsed(lanes=[{**summary()["lanes"][0], **nothing}])
    assert (found.good, found.latency, found.service, found.latencies) == (0, None, None, {})
    assert found.latency_problem == "nothing was answered as it should be"


def test_who_was_never_answered_stands_in_the_latency_with_the_patience_as_a_bound():
    found = parsed()
    assert (found.asked, found.in_time, found.censored, found.patience) == (5000, 4990, 4, 1.5)
    assert (found.latency.count, found.latency.censored, found.latency.max) == (4994, 4, 1_500_000)
    assert found.latency.is_bound("max") and not found.latency.is_bound("p999")  # of 0.08 %


def test_the_latencies_are_those_that_ended_ok_in_nanoseconds():
    assert parsed().latencies == {400_000: 4980, 3_000_000: 10}


def test_the_clients_own_lateness_is_told():
    assert parsed().lateness == {1_000: 4000, 200_000: 1000}


CLOSED = {
    "closed_loop": {"window_s": 2.0, "pipeline": 1, "answered_per_s": 2000.0},
    "answered_in_time": 4000,
    "ok_in_time": 3990,
}


def test_a_closed_loop_counts_what_was_answered_in_its_window():
    nothing_due = {"schedule": {"lateness_histogram": []}}
    found = parsed(lanes=[{**summary()["lanes"][0], **CLOSED}], elapsed_s=2.5, **nothing_due)
    assert (found.requests, found.good, found.seconds) == (4000, 3990, 2.0)
    assert (found.asked, found.in_time, found.lateness) == (None, None, {})
    assert found.errors == {"error status": 6, "never answered": 4}


def test_the_arguments_of_a_constant_rate_say_how_its_requests_arrive():
    even = "--rate 2500 -c 64 -d 1500ms --timeout 2000ms --grace 2000ms"
    assert " ".join(paced.constant_rate(2500.0, 64, 1.5)) == f"{even} --tolerance 50ms"
    assert " ".join(paced.constant_rate(2500.0, 64, 1.5, seed=7)) == f"{even} --poisson --seed 7 --tolerance 50ms"
    assert "--fresh" in paced.constant_rate(2500.0, 64, 1, keep_alive=False)


def test_the_arguments_of_a_closed_loop_have_no_rate():
    assert " ".join(paced.closed(64, 1)) == "--closed -c 64 -d 1000ms --timeout 2000ms --grace 2000ms"
    assert paced.closed(64, 1, pipeline=16)[-2:] == ["--pipeline", "16"]
    assert "--fresh" in paced.closed(64, 1, keep_alive=False)


@pytest.mark.parametrize("stdout", ["", "not JSON"])
def test_without_a_summary_its_words_are_the_error(stdout):
    with pytest.raises(MeasurementError, match="quartet-pace gave no summary, but 'connect: refused'"):
        paced.client_side(finished(stdout, stderr="connect: refused\n"))
