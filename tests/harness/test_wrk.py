import json
import os
import random
import shutil
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import samples
from conftest import ROOT

from loadtest.clients import stats, wrk
from loadtest.clients.client_side import ClientSide, Histogram, Quantiles, quantiles
from loadtest.clients.wrk import WrkLoad, without_synthetic
from loadtest.document import terminal
from loadtest.engine import report as documents
from loadtest.system import MeasurementError, processes
from loadtest.system.processes import Address, Finished

LOAD = WrkLoad("/plaintext", connections=16, seconds=1)
CPUS = (0,)


# --- the command


def arguments(load: WrkLoad) -> list[str]:
    argv = wrk.command(load, CPUS, Address("127.0.0.1", 80))
    return argv[argv.index("wrk") :]


def test_the_command_has_the_load_in_wrks_words():
    options = "-t2 -c64 -d5s --timeout 4s -s".split()
    argv = ["wrk", *options, str(wrk.SCRIPT), "http://127.0.0.1:80/cpu?units=3"]
    assert arguments(WrkLoad("/cpu?units=3", 64, 5, threads=2, timeout=4)) == argv


def test_the_script_gets_arguments_only_for_what_wrk_cannot_do_alone():
    assert arguments(replace(LOAD, keep_alive=False))[-2:] == ["--", "close"]
    assert arguments(replace(LOAD, pipeline=8))[-2:] == ["--", "pipeline=8"]


def test_an_ipv6_address_is_bracketed():
    assert "http://[::1]:80/plaintext" in wrk.command(LOAD, CPUS, Address("::1", 80))


def test_threads_round_the_connections_down():
    assert parsed(report("[]"), replace(LOAD, connections=65, threads=2)).connections == 64
    assert parsed(report("[]"), replace(LOAD, connections=10, threads=3)).connections == 9


# --- its synthetic samples


def stats_correct(recorded: dict[int, int], expected: int) -> dict[int, int]:
    """What wrk does at its end, after stats.c. From Lua one sees nothing below the shortest latency."""
    data = dict(recorded)
    for n in range(expected * 2, max(recorded) + 1):
        count, m = data.get(n, 0), n - expected
        while count and m > expected:
            data[m] = data.get(m, 0) + count
            m -= expected
    return {m: count for m, count in data.items() if m >= min(recorded)}


def random_latencies(chance: random.Random) -> dict[int, int]:
    shortest = chance.choice((1, 50, 1000))
    return {chance.randint(shortest, 3000): chance.randint(1, 9) for _ in range(chance.randint(1, 200))}


@pytest.mark.parametrize("seed", range(100))
def test_synthetic_latencies_are_removed_exactly(seed):
    chance = random.Random(seed)
    observed = random_latencies(chance)
    # pipelining and cut batches: more answers than latencies
    requests = sum(observed.values()) * chance.choice((1, 16)) + chance.randint(0, 3)
    connections, duration = chance.choice((1, 4, 7, 64)), chance.randint(20_000, 200_000)
    per_connection = requests // connections
    recorded = stats_correct(observed, duration // per_connection) if per_connection else observed
    assert without_synthetic(recorded, duration, requests, connections) == observed


def test_the_seeds_do_add_synthetic_latencies():
    observed = random_latencies(random.Random(1))
    assert sum(stats_correct(observed, 100).values()) > 2 * sum(observed.values())


def test_fewer_answers_than_connections_were_not_corrected_by_wrk():
    assert without_synthetic({900: 1, 450: 1}, 1000, 2, 16) == {900: 1, 450: 1}


# --- its output


def report(latency: str, requests: int = 4, timeout: int = 0, status: int = 2) -> str:
    errors = f'{{"connect":0,"read":1,"write":0,"status":{status},"timeout":{timeout}}}'
    numbers = f'"requests":{requests},"bytes":580,"duration_us":2000000'
    return f'Running\n{{{numbers},"errors":{errors},"latency_us":{latency}}}\n'


def parsed(stdout: str, load: WrkLoad = LOAD) -> ClientSide:
    return wrk.client_side(Finished(0, 0.7, command="wrk", stdout=stdout), load)


def histograms(stdout: str, load: WrkLoad) -> tuple[Histogram, Histogram]:
    """What wrk's own percentiles are made of, and the same without its synthetic samples."""
    report = json.loads(stdout.splitlines()[-1])
    recorded = dict(report["latency_us"])
    return recorded, without_synthetic(recorded, report["duration_us"], report["requests"], load.connections)


def test_the_last_line_of_the_output_counts():
    result = parsed(report("[[10,3],[90,1]]"))
    assert (result.requests, result.bytes, result.seconds, result.errors["status"]) == (4, 580, 2.0, 2)
    assert (result.latency.count, result.latency.p50, result.latency.max, result.latency_problem) == (4, 10, 90, "")
    assert (result.command, result.cpu_seconds) == ("wrk", 0.7)


def test_goodput_leaves_out_error_answers_and_late_ones():
    assert parsed(report("[[10,3]]", timeout=1, status=2)).good == 1
    assert parsed(report("[]", requests=1, timeout=1, status=1)).good == 0
    assert parsed(report("[]", requests=40, timeout=2, status=1), replace(LOAD, pipeline=8)).good == 23


def test_latencies_that_do_not_add_up_to_the_answers_are_not_shown():
    result = parsed(report("[[10,3]]"))
    assert (result.latency, result.latencies) == (None, {})
    assert result.latency_problem == "wrk recorded 3 latencies for 4 answers"


def test_an_answer_after_the_timeout_took_that_long_at_least():
    """A tenth of them, in 3 s."""
    result = parsed(report("[[10,90]]", requests=100, timeout=10))
    assert (result.latency_problem, result.censored, result.patience) == ("", 10, 2.0)
    latency = result.latency
    assert (latency.count, latency.p50, latency.p90, latency.p99, latency.max) == (100, 10, 10, 2e6, 2e6)
    assert [name for name in ("p50", "p90", "p99", "max", "mean") if latency.is_bound(name)] == ["p99", "max", "mean"]


def test_late_answers_of_pipelines_stay_without_a_latency_too():
    result = parsed(report("[[10,3]]", requests=32, timeout=1), replace(LOAD, pipeline=8))
    assert (result.latency, result.censored) == (None, 0)


def test_a_table_prints_more_than_the_timeout():
    seen = parsed(report("[[10,90]]", requests=100, timeout=10, status=0))
    trials = samples.trial_run(samples.settings())
    for trial in trials.results:
        trial.client = replace(seen, problems=[])
    assert "> 2,000" in terminal.render(documents.document(trials), 160)


def test_no_latency_at_all_is_a_problem_of_the_latency_only():
    assert parsed(report("[]", requests=0)).latency_problem


@pytest.mark.parametrize("output", ["", "Running 1s test\nRequests/sec: 12\n"])
def test_output_without_our_line_is_an_error(output):
    with pytest.raises(MeasurementError, match="did not end with our line"):
        parsed(output)


def test_every_latency_is_kept_in_nanoseconds():
    result = parsed(report("[[10,3],[90,1]]"))
    assert result.latencies == {10_000: 3, 90_000: 1}
    assert result.latency == quantiles(result.latencies)


def test_wrk_cannot_tell_who_was_never_answered():
    """Only who was answered late."""
    result = parsed(report("[[10,4]]"))
    assert (result.censored, result.latency.censored, result.asked, result.lateness) == (0, 0, None, {})


# --- what wrk 4.1.0 really wrote

FIXTURES = Path(__file__).with_name("fixtures") / "wrk"
RECORDED = {
    "plaintext": WrkLoad("/plaintext", 1, 1),
    "close": WrkLoad("/plaintext", 4, 1, keep_alive=False),
    "status": WrkLoad("/nothing", 2, 1),
    "frozen": WrkLoad("/sleep?ms=2", 4, 1),  # the server, for 0.3 s
    "threads": WrkLoad("/sleep?ms=2", 5, 1, threads=2),  # the same
    "starved": WrkLoad("/block?ms=100", 64, 1),  # by four workers
    "late": WrkLoad("/sleep?ms=10", 4, 3, timeout=1),  # frozen for 1.2 s
    "too-late": WrkLoad("/sleep?ms=1200", 4, 3, timeout=1),
    "silent": WrkLoad("/sleep?ms=1900", 3, 1),
    "ports": WrkLoad("/plaintext", 8, 2, keep_alive=False),  # with 200 ephemeral ports, and no reuse
    "pipelined": WrkLoad("/sleep?ms=1", 4, 1, pipeline=4),
    "rotated": WrkLoad("/sleep?ms=1", 4, 1, pipeline=4),  # every 90 requests, in the middle of a batch
}


def output(name: str) -> str:
    return (FIXTURES / f"{name}.wrk.txt").read_text()


def recorded(name: str) -> ClientSide:
    return parsed(output(name), RECORDED[name])


def test_every_fixture_is_looked_at():
    assert {path.name.partition(".")[0] for path in FIXTURES.iterdir()} == set(RECORDED)


@pytest.mark.parametrize("name", [name for name, load in RECORDED.items() if load.pipeline == 1])
def test_the_observed_latencies_are_as_many_as_the_answers_in_time(name):
    result, (_, observed) = recorded(name), histograms(output(name), RECORDED[name])
    assert sum(observed.values()) == result.requests - result.errors.get("timeout", 0)
    assert all(count > 0 for count in observed.values())


@pytest.mark.parametrize("name", ["plaintext", "close", "status", "frozen", "threads", "late"])
def test_wrk_had_added_synthetic_latencies(name):
    kept, observed = histograms(output(name), RECORDED[name])
    assert sum(kept.values()) > sum(observed.values())
    assert recorded(name).latency_problem == "" and max(observed) == max(kept)


def test_a_stall_looks_worse_with_synthetic_samples():
    kept, observed = histograms(output("frozen"), RECORDED["frozen"])
    assert recorded("frozen").latency == of_microseconds(observed)
    assert of_microseconds(observed).p99 < 10_000 < 100_000 < of_microseconds(kept).p99


def of_microseconds(histogram: Histogram) -> Quantiles:
    found = quantiles({microseconds * 1000: count for microseconds, count in histogram.items()})
    assert found
    return found


def test_wrk_corrects_by_the_connections_asked_for():
    result, load = recorded("threads"), RECORDED["threads"]
    assert (load.connections, result.connections) == (5, 4)
    _, wrong = histograms(output("threads"), replace(load, connections=result.connections))
    assert sum(wrong.values()) != result.requests


def test_answers_that_are_late_are_no_goodput():
    assert (recorded("late").errors, recorded("late").good) == ({"timeout": 4}, recorded("late").requests - 4)
    assert recorded("too-late").good == 0


def test_all_answers_are_in_the_quantiles_also_the_late_ones():
    for name in ("late", "too-late"):
        result = recorded(name)
        assert (result.latency_problem, result.latency.count) == ("", result.requests)
        assert (result.latency.max, result.latency.is_bound("max")) == (1e6, True)
    assert recorded("too-late").latency.is_bound("p50")


def test_error_answers_are_no_goodput():
    result = recorded("status")
    assert (result.requests, result.good) == (result.errors["status"], 0)


def test_a_server_that_never_answers_is_not_an_error_for_wrk():
    assert (recorded("silent").requests, recorded("silent").errors) == (0, {})


def test_without_ports_wrk_gives_up_every_connection():
    assert recorded("ports").errors == {"connect": 8}


def test_a_pipelined_batch_is_one_latency():
    result, (_, observed) = recorded("pipelined"), histograms(output("pipelined"), RECORDED["pipelined"])
    assert 4 * sum(observed.values()) == result.requests
    assert result.latency_problem == "wrk times 4 pipelined requests as one"


def test_a_rotation_in_a_batch_leaves_answers_without_a_latency():
    result, (_, observed) = recorded("rotated"), histograms(output("rotated"), RECORDED["rotated"])
    assert 4 * sum(observed.values()) < result.requests
    assert result.errors == {}


# --- wrk itself


def printed(load: WrkLoad, address: Address) -> str:
    return wrk.measure(wrk.command(load, sorted(os.sched_getaffinity(0)), address), load).stdout


def measured(load: WrkLoad, address: Address) -> ClientSide:
    return parsed(printed(load, address), load)


needs_wrk = pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed")
EPOLL = ROOT / "build/release/bin/quartet-epoll"
needs_epoll = pytest.mark.skipif(not os.access(EPOLL, os.X_OK), reason=f"{EPOLL} is not built")


@pytest.fixture
def epoll(log, tmp_path):
    options = ["--scoreboard", str(tmp_path / "scoreboard"), "--max-requests-per-connection", "0"]
    with processes.Server([str(EPOLL), "--listen", "127.0.0.1:0", *options], log) as running:
        yield running


@needs_wrk
def test_wrk_itself_reports_every_latency(server):
    """The interval that wrk corrects by, and its numbers in Lua, are as we think: the latencies add up."""
    result = measured(replace(LOAD, connections=7), server.address)
    assert result.requests > 0
    assert result.latency_problem == ""


@needs_wrk
@needs_epoll
@pytest.mark.parametrize(
    "load",
    [
        WrkLoad("/plaintext", 64, 1),
        WrkLoad("/plaintext", 5, 1, threads=2),
        WrkLoad("/plaintext", 4, 1, keep_alive=False),
        WrkLoad("/sleep?ms=300", 1, 1),
    ],
    ids=str,
)
def test_wrk_and_a_server_of_ours_agree_on_every_answer(epoll, load):
    result = measured(load, epoll.address)
    assert result.latency_problem == ""
    assert result.latency.count == result.requests == result.good > 0


@needs_wrk
@needs_epoll
def test_the_latencies_add_up_when_the_server_stood_still(epoll):
    signals = ((0.3, signal.SIGSTOP), (0.6, signal.SIGCONT))
    timers = [threading.Timer(after, os.kill, (epoll.pid, number)) for after, number in signals]
    for timer in timers:
        timer.start()
    try:
        result = measured(WrkLoad("/sleep?ms=1", 4, 1), epoll.address)
    finally:
        for timer in timers:
            timer.join()
    assert result.latency_problem == ""


@needs_wrk
@needs_epoll
def test_connection_close_takes_a_connection_for_every_request(epoll):
    result = measured(replace(LOAD, keep_alive=False), epoll.address)
    counted = json.loads(stats.get(epoll.address, "/stats", patience=5))["totals"]["connections"]
    assert counted >= result.requests > 0


@needs_wrk
@needs_epoll
def test_pipelined_requests_are_answered_and_timed_in_batches(epoll):
    load = WrkLoad("/plaintext", 4, 1, pipeline=8)
    stdout = printed(load, epoll.address)
    result, (_, observed) = parsed(stdout, load), histograms(stdout, load)
    batches = sum(observed.values())
    assert 8 * batches <= result.requests <= 8 * batches + 4 * 7  # what was under way at the end
    assert batches > 0 and result.errors == {}


@needs_wrk
def test_an_argument_that_the_script_does_not_know_ends_wrk_with_a_sentence(server):
    argv = [*wrk.command(LOAD, CPUS, server.address), "--", "nonsense"]
    with pytest.raises(MeasurementError, match="unknown argument nonsense"):
        wrk.measure(argv, LOAD)
