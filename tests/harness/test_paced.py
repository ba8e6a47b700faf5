from __future__ import annotations

import json
from dataclasses import replace

import pytest
import samples

from loadtest.clients import pace as paced
from loadtest.system import MeasurementError
from loadtest.system.processes import Address, Finished
from loadtest.verbs.load import clients
from loadtest.verbs.load.plan import Cell

CELL = Cell("epoll", "plaintext", 64, rate=2500.0)
ADDRESS = Address("127.0.0.1", 8080)
TIMES = {"mean_ms": 0.5, "p50_ms": 0.4, "p90_ms": 0.8, "p99_ms": 1.5, "p99_9_ms": 2.5, "max_ms": 3.0}


def summary(**changes) -> dict:
    lane = {
        "connections": 64,
        "outcomes": {"ok": 4990, "error_status": 6, "never_answered": 4},
        "latency": {"count": 4990, **TIMES},
        "service": {"count": 4990, **TIMES, "p99_ms": 0.9},
    }
    return {"duration_s": 2.0, "elapsed_s": 2.0, "problems": [], "lanes": [lane], **changes}


def finished(stdout: str, stderr: str = "") -> Finished:
    return Finished(0, 0.7, command="quartet-pace", stdout=stdout, stderr=stderr)


def parsed(**changes):
    return paced.client_side(finished(json.dumps(summary(**changes))))


def test_its_command_line_says_the_rate_the_pool_and_one_cpu():
    chosen = samples.settings(pace="/bin/quartet-pace")
    chosen.budgets[1] = replace(chosen.budgets[1], load=(2, 3))
    argv = clients.argv(ADDRESS, chosen, CELL)
    assert argv[:6] == ["taskset", "--cpu-list", "2", "/bin/quartet-pace", "127.0.0.1:8080", "/plaintext"]
    assert " ".join(argv[6:12]) == "--rate 2500 -c 64 -d 1s"
    assert "--fresh" not in argv
    assert "--fresh" in clients.argv(ADDRESS, chosen, replace(CELL, keep_alive=False))


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


def test_when_nothing_was_answered_there_is_no_latency():
    nothing = {"outcomes": {"ok": 0, "refused": 9}, "latency": {"count": 0}, "service": {"count": 0}}
    found = parsed(lanes=[{**summary()["lanes"][0], **nothing}])
    assert (found.requests, found.latency, found.service) == (0, None, None)
    assert found.latency_problem == "nothing was answered"


@pytest.mark.parametrize("stdout", ["", "not JSON"])
def test_without_a_summary_its_words_are_the_error(stdout):
    with pytest.raises(MeasurementError, match="quartet-pace gave no summary, but 'connect: refused'"):
        paced.client_side(finished(stdout, stderr="connect: refused\n"))
