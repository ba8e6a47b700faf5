import random

import pytest

from loadtest import cpu_sets, plan, wrk
from loadtest.results import MeasurementError


def stats_correct(recorded: dict[int, int], expected: int) -> dict[int, int]:
    """What wrk does at its end, after stats.c."""
    data = dict(recorded)
    for n in range(expected * 2, max(recorded) + 1):
        count, m = data.get(n, 0), n - expected
        while count and m > expected:
            data[m] = data.get(m, 0) + count
            m -= expected
    return data


@pytest.mark.parametrize("seed", range(20))
def test_synthetic_latencies_are_removed_exactly(seed):
    chance = random.Random(seed)
    observed = {chance.randint(1, 3000): chance.randint(1, 9) for _ in range(chance.randint(1, 200))}
    requests, connections, duration = sum(observed.values()), 4, 100_000
    per_connection = requests // connections
    recorded = stats_correct(observed, duration // per_connection) if per_connection else observed
    assert wrk.without_synthetic(recorded, duration, requests, connections) == observed


def test_fewer_answers_than_connections_were_not_corrected_by_wrk():
    assert wrk.without_synthetic({900: 1, 450: 1}, 1000, 2, 16) == {900: 1, 450: 1}


def report(latency: str, requests: int = 4, timeout: int = 0) -> str:
    errors = f'{{"connect":0,"read":1,"write":0,"status":2,"timeout":{timeout}}}'
    return f'Running\n{{"requests":{requests},"duration_us":2000000,"errors":{errors},"latency_us":{latency}}}\n'


def test_the_last_line_of_the_output_counts():
    result = wrk.parse(report("[[10,3],[90,1]]"), connections=16)
    assert (result.requests, result.duration, result.errors.status) == (4, 2.0, 2)
    assert (result.latency.median, result.latency.p99, result.latency.max) == (10, 90, 90)


def test_latencies_that_do_not_add_up_to_the_answers_are_not_shown():
    result = wrk.parse(report("[[10,3]]"), connections=16)
    assert result.latency is None
    assert result.latency_problem == "wrk recorded 3 latencies for 4 answers"


def test_answers_after_the_timeout_have_no_latency():
    assert wrk.parse(report("[[10,3]]", timeout=1), connections=16).latency is not None


def test_no_latency_at_all_is_a_problem_of_the_latency_only():
    assert wrk.parse(report("[]", requests=0), connections=16).latency_problem


@pytest.mark.parametrize("output", ["", "Running 1s test\nRequests/sec: 12\n"])
def test_output_without_our_line_is_an_error(output):
    with pytest.raises(MeasurementError, match="did not end with our line"):
        wrk.parse(output, 16)


def test_wrk_itself_reports_every_latency(server):
    """The interval that wrk corrects by, and its numbers in Lua, are as we think: the latencies add up."""
    chosen = plan.Plan((), cpu_sets.split({0}), connections=7)
    finished = wrk.measure(wrk.command(chosen, plan.Cell("plaintext", "/plaintext"), server.address), 1)
    result = wrk.parse(finished.stdout, chosen.connections)
    assert result.requests > 100
    assert result.latency_problem == ""
    assert 0 < result.latency.median <= result.latency.p99 <= result.latency.max < 1_000_000
    assert 0.9 < result.duration < 2
