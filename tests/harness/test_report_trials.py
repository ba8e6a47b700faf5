"""What a reader of throughput's and latency's tables sees: nothing is started."""

from __future__ import annotations

import re
from dataclasses import replace
from random import Random

import pytest
import samples

from loadtest.contestants.contestants import select, variant
from loadtest.document import terminal
from loadtest.engine import report
from loadtest.engine.run import Failure, Run
from loadtest.system.cpus import CpuSets, Disturbance


def render(found: Run, width: int = 120) -> str:
    return terminal.render(report.document(found), width)


def row(text: str, question: str, name: str) -> list[str]:
    """The cells of that row in the first table of that question."""
    section = text[text.index(question) :]
    line = next(line for line in section.splitlines() if re.match(rf"{re.escape(name)} {{2}}", line))
    return re.split(r" {2,}", line.strip())[1:]


def spoil(found: Run, contestant: str, problem: str = "the clients met errors: 3 read") -> None:
    for trial in found.results:
        if trial.cell.contestant == contestant:
            trial.problems = [problem]


def constant_rate(**changes) -> Run:
    found = samples.trial_run(samples.settings(rates=(1000.0,), closed=False), verb="latency", **changes)
    for trial in found.results:
        share = {"epoll": 0.02, "nginx": 0.04, "h2o": 0.05}.get(trial.cell.contestant, 0.1)
        trial.client = replace(trial.client, requests=1000, service=trial.client.latency)
        trial.server_cpu_seconds = share * 1.01 ** (trial.step.round % 2)
    return found


ANSWERS, YARDSTICKS = "How many requests are answered", "How far from the best of its kind"
LATENCIES, COSTS = "How long does a request take", "What does a request take?"


def test_throughput_shows_medians_of_the_rounds():
    assert row(render(samples.trial_run()), ANSWERS, "epoll")[:6] == ["83,664", "-", "99%", "50%", "11.8", "2.96"]


def test_with_enough_rounds_letters_tell_who_differs():
    found = samples.trial_run(samples.settings(rounds=10))
    letters = {name: row(render(found), ANSWERS, name)[1] for name in samples.TRIED_RATES}
    assert letters == {"bare-epoll": "a", "epoll": "b", "nginx": "c", "threads": "d", "h2o": "e"}


def test_ties_share_a_letter():
    found = samples.trial_run(samples.settings(rounds=10))
    for trial in found.results:
        if trial.cell.contestant == "nginx":
            epoll = next(t for t in found.results if t.cell.contestant == "epoll" and t.step.round == trial.step.round)
            factor = 1.01 if trial.step.round % 2 else 0.99
            trial.client = replace(trial.client, requests=int(epoll.client.requests * factor))
    text = render(found)
    assert row(text, ANSWERS, "nginx")[1] == row(text, ANSWERS, "epoll")[1] == "b"
    assert row(text, ANSWERS, "threads")[1] == "c"


def test_too_few_rounds_for_letters_are_said_to_be():
    assert "No groups: a table of 10 comparisons takes 9 rounds" in " ".join(render(samples.trial_run()).split())


def test_fewer_than_six_rounds_are_called_indicative_and_have_no_interval():
    text = render(samples.trial_run(samples.settings(rounds=3)))
    assert "INDICATIVE: 3 of the 6 rounds" in text
    assert row(text, YARDSTICKS, "epoll")[1] == "1.25"


def test_servers_without_a_round_in_common_are_not_grouped():
    found = samples.trial_run(samples.settings(rounds=10))
    for trial in found.results:
        kept = (1, 2, 3) if trial.cell.contestant == "epoll" else (4, 5, 6)
        trial.problems = [] if trial.step.round in kept else ["bad"]
    assert "No groups: some servers have no valid round in common." in render(found)


def test_an_invalid_cell_is_a_dash_and_the_reason_never_a_number():
    found = samples.trial_run()
    spoil(found, "epoll")
    text = render(found)
    assert row(text, ANSWERS, "epoll") == ["-"] * 10
    assert "epoll: invalid, the clients met errors: 3 read." in text
    assert row(text, COSTS, "epoll") == ["-"] * 5 + ["80/80", "-", "0/8"]
    assert row(text, YARDSTICKS, "epoll")[1:] == ["-"] * 4
    assert "83,664" not in text


def test_an_invalid_trial_is_listed_with_its_rounds_and_reason():
    found = samples.trial_run()
    for trial in found.results:
        if trial.cell.contestant == "epoll" and trial.step.round in (2, 5):
            trial.problems = ["the server exited with status 3"]
    text = " ".join(render(found).split())
    rounds = [str(t.step.round) for t in found.results if t.problems]
    expected = f"round {', '.join(rounds)}: the server exited with status 3"
    assert f"INVALID epoll: plaintext, 16 connections, 1 server CPU, {expected}" in text
    assert row(render(found), COSTS, "epoll")[-1] == "6/8"


def test_no_throughput_is_compared_where_wrk_was_the_bottleneck():
    found = samples.trial_run(samples.settings(rounds=10))
    for trial in found.results:
        if trial.cell.contestant == "nginx":
            trial.client = replace(trial.client, cpu_seconds=0.95)
    text = render(found)
    assert row(text, ANSWERS, "nginx")[1] == "-"
    assert "Not the bottleneck, hence in no group" in text
    assert "nginx (wrk used more than 90% of a CPU)" in " ".join(text.split())
    best, rates, cpu = row(text, YARDSTICKS, "epoll")[:3]
    assert (best, rates) == ("nginx", "-")
    assert cpu.startswith("0.80 [")


def test_a_model_stands_beside_its_best_peer_and_its_bare_server():
    found = samples.trial_run(samples.settings(rounds=10))
    to_peer = ["nginx", "1.25 [1.25-1.25]", "0.80 [0.80-0.80]"]
    to_bare = ["0.80 [0.80-0.80]", "1.25 [1.25-1.25]"]
    assert row(render(found), YARDSTICKS, "epoll") == [*to_peer, *to_bare]
    assert row(render(found), YARDSTICKS, "threads") == ["-"] * 5


def test_without_peers_and_bare_servers_nobody_is_compared_with_them():
    text = render(samples.trial_run(samples.settings(select(["threads", "epoll"], samples.EVERYBODY))))
    assert YARDSTICKS not in text


def test_a_ratio_that_may_be_one_is_marked_as_a_tie():
    found = constant_rate()
    for trial in found.results:
        if trial.cell.contestant == "epoll":
            trial.server_cpu_seconds = 0.04 * (1.05 if trial.step.round % 2 else 0.95)
    assert row(render(found), YARDSTICKS, "epoll")[1].endswith("] =")


def test_at_a_constant_rate_cpu_time_is_compared_and_throughput_is_not():
    text = render(constant_rate())
    assert row(text, YARDSTICKS, "epoll")[:2] == ["nginx", "0.50 [0.50-0.50]"]
    assert "requests/s\n" not in text[text.index(YARDSTICKS) : text.index(COSTS)]
    assert ANSWERS not in text


def test_latencies_count_from_when_requests_were_due_and_from_the_send():
    found = constant_rate()
    for trial in found.results:
        trial.client.latency = replace(trial.client.latency, p99=7000.0)
        trial.client.service = replace(trial.client.latency, p99=500.0)
    cells = row(render(found), LATENCIES, "epoll")
    assert (cells[2], cells[5]) == ("7.00", "0.500")


def test_an_invalid_latency_is_a_dash_and_the_reason():
    found = constant_rate()
    spoil(found, "epoll", "the schedule was not kept")
    text = render(found)
    assert row(text, LATENCIES, "epoll") == ["-"] * 11
    assert "epoll: invalid, the schedule was not kept." in text


def test_what_was_not_counted_is_a_dash_with_its_reason():
    found = samples.trial_run()
    for trial in found.results:
        trial.system_calls, trial.system_calls_problem = None, "perf is not installed"
    assert row(render(found), COSTS, "epoll")[3] == "-"
    assert "System calls were not counted: perf is not installed." in render(found)


def test_disturbances_that_nobody_could_see_are_said_to_be_unseen():
    found = samples.trial_run()
    for trial in found.results:
        trial.disturbance = Disturbance(None, 0.0, None)
    text = " ".join(render(found).split())
    assert f"whether other load disturbed {len(found.results)} of {len(found.results)} loads cannot be told" in text
    assert "DISTURBED" not in text


def test_the_end_tells_failures_disturbances_repeats_and_the_interruption():
    found = samples.trial_run(state="interrupted", failures=[Failure("h2o", "round 2", "it did not start")])
    found.results[0].disturbance = Disturbance(0, 0.3, 0)
    found.results[1].repeats = 2
    text = " ".join(render(found).split())
    assert "FAILED h2o (round 2; left out after it): it did not start" in text
    assert "2 steps thrown away and repeated" in text
    assert "DISTURBED: in 1 of 40 loads others took more than 5% of a CPU, at worst 30%" in text
    assert "INTERRUPTED: the tables hold what was measured until then; --resume goes on." in text


def test_the_budgets_are_printed():
    chosen = replace(samples.settings(workers=7), budgets={1: CpuSets((3,), (0,)), 2: CpuSets((2, 3), (0, 1))})
    text = " ".join(render(samples.trial_run(chosen)).split())
    assert "server on CPU 3, load on CPU 0;" in text
    assert "With 2 server CPUs: server on CPU 2, 3, load on CPU 0, 1." in text
    assert "Pools have 7 workers." in text


def test_container_figures_are_marked_as_such():
    chosen = samples.settings(select(["epoll"], samples.EVERYBODY), runner="docker")
    found = samples.trial_run(chosen)
    found.environment = replace(samples.ENVIRONMENT, runner="docker", place="in containers")
    text = render(found)
    assert "1 server CPU) [docker]" in text
    assert "IN DOCKER: in containers." in text


@pytest.mark.parametrize("width", [100, 120])
def test_no_number_is_cut_and_no_line_is_too_long(width, monkeypatch):
    long = variant("quartet-threads --workers 18 --max-requests-per-connection 100 --keep-alive-timeout 5s")
    everybody = (*samples.EVERYBODY, long)
    monkeypatch.setattr(samples, "TRIED_RATES", {one.name: 123_456 for one in everybody})
    found = samples.trial_run(samples.settings(everybody, rounds=12, rates=(20_000.0,)))
    random = Random(1)
    for trial in found.results:
        trial.server_cpu_seconds *= random.uniform(0.97, 9.0)
        trial.client.service = trial.client.latency
    text = render(found, width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
