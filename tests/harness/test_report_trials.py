"""What a reader of throughput's and latency's tables sees: nothing is started."""

from __future__ import annotations

import re
from dataclasses import replace
from random import Random

import pytest
import samples

from loadtest.clients.client_side import quantiles
from loadtest.contestants.contestants import select, variant
from loadtest.document import terminal
from loadtest.document.document import Document, Section, Table
from loadtest.engine import report
from loadtest.engine.run import Failure, Run
from loadtest.system.cpus import CpuSets, Disturbance
from loadtest.verbs.load.results import values


def render(found: Run, width: int = 120) -> str:
    return terminal.render(report.document(found), width)


def row(text: str, question: str, name: str) -> list[str]:
    """The cells of that row in the first table of that question."""
    section = text[text.index(question) :]
    line = next(line for line in section.splitlines() if re.match(rf"{re.escape(name)} {{2}}", line))
    return re.split(r" {2,}", line.strip())[1:]


def spoil(found: Run, contestant: str, problem: str = "the schedule was not kept") -> None:
    for trial in found.results:
        if trial.cell.contestant == contestant:
            trial.problems = [problem]


def constant_rate(**changes) -> Run:
    found = samples.trial_run(samples.settings(rates=(1000.0,), closed=False), verb="latency", **changes)
    for trial in found.results:
        share = {"epoll": 0.02, "nginx": 0.04, "h2o": 0.05}.get(trial.cell.contestant, 0.1)
        trial.client = replace(
            trial.client, requests=1000, asked=1000, in_time=1000, service=trial.client.latency, cpu_seconds=0.1
        )
        trial.server_cpu_seconds = share * 1.01 ** (trial.step.round % 2)
    return found


ANSWERS, YARDSTICKS = "How many requests are answered", "How far from the best of its kind"
LATENCIES, COSTS = "How long does a request take", "What does a request take?"


def test_throughput_shows_medians_of_the_rounds():
    assert row(render(samples.trial_run()), ANSWERS, "epoll")[:6] == [
        "83,664",
        "1.60 [1.60-1.60]",
        "-",
        "99%",
        "50%",
        "11.8",
    ]


def test_with_enough_rounds_letters_tell_who_differs():
    found = samples.trial_run(samples.settings(rounds=10))
    letters = {name: row(render(found), ANSWERS, name)[2] for name in samples.TRIED_RATES}
    assert letters == {"bare-epoll": "a", "epoll": "b", "nginx": "c", "threads": "d", "h2o": "e"}


def test_ties_share_a_letter():
    found = samples.trial_run(samples.settings(rounds=10))
    for trial in found.results:
        if trial.cell.contestant == "nginx":
            epoll = next(t for t in found.results if t.cell.contestant == "epoll" and t.step.round == trial.step.round)
            factor = 1.01 if trial.step.round % 2 else 0.99
            trial.client = replace(trial.client, requests=int(epoll.client.requests * factor))
    text = render(found)
    assert row(text, ANSWERS, "nginx")[2] == row(text, ANSWERS, "epoll")[2] == "b"
    assert row(text, ANSWERS, "threads")[2] == "c"


def test_too_few_rounds_for_letters_are_said_to_be():
    assert "No groups: a table of 10 comparisons takes 9 rounds" in " ".join(render(samples.trial_run()).split())


def test_fewer_than_six_rounds_are_called_indicative_and_have_no_interval():
    text = render(samples.trial_run(samples.settings(rounds=3)))
    assert "INDICATIVE: 3 of the 6 rounds" in text
    assert row(text, YARDSTICKS, "epoll")[0] == "1.25 nginx"


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
    assert "epoll: invalid, the schedule was not kept." in text
    assert row(text, COSTS, "epoll") == ["-"] * 7 + ["80/80", "-", "0/8"]
    assert row(text, YARDSTICKS, "epoll") == ["-"] * 4
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


def test_where_wrk_was_the_bottleneck_throughput_is_a_lower_bound():
    found = samples.trial_run(samples.settings(rounds=10))
    for trial in found.results:
        if trial.cell.contestant == "nginx":
            trial.client = replace(trial.client, cpu_seconds=0.95)
    text = render(found)
    assert row(text, ANSWERS, "nginx")[:3] == [">= 67,600", ">= 1.28 [1.28-1.28]", "ab"]
    assert [row(text, ANSWERS, name)[2] for name in ("bare-epoll", "epoll", "threads")] == ["a", "b", "c"]
    assert "Not the bottleneck, and perhaps faster than the number" in text
    assert "nginx (wrk used 95.0% of a CPU, more than 90%)" in " ".join(text.split())
    rates, cpu = row(text, YARDSTICKS, "epoll")[:2]
    assert rates == "<= 1.25 [1.25-1.25] nginx"
    assert cpu.startswith("0.80 [")


def test_of_two_lower_bounds_no_ratio_is_known():
    found = samples.trial_run(samples.settings(rounds=10))
    for trial in found.results:
        if trial.cell.contestant in ("nginx", "epoll"):
            trial.client = replace(trial.client, cpu_seconds=0.95)
    assert row(render(found), YARDSTICKS, "epoll")[0] == "-"
    assert row(render(found), YARDSTICKS, "epoll")[2] == ">= 0.80 [0.80-0.80]"  # bare-epoll was the bottleneck


def test_a_model_stands_beside_the_peer_that_is_best_by_that_metric_and_its_bare_server():
    found = samples.trial_run(samples.settings(rounds=10))
    for trial in found.results:
        if trial.cell.contestant == "h2o":
            trial.server_cpu_seconds = 0.1
    rates, cpu, *to_bare = row(render(found), YARDSTICKS, "epoll")
    assert rates == "1.25 [1.25-1.25] nginx"
    assert cpu.endswith(" h2o") and cpu.startswith("4.9")
    assert to_bare == ["0.80 [0.80-0.80]", "1.25 [1.25-1.25]"]
    assert row(render(found), YARDSTICKS, "threads") == ["-"] * 4


def test_without_peers_and_bare_servers_nobody_is_compared_with_them():
    text = render(samples.trial_run(samples.settings(select(["threads", "epoll"], samples.EVERYBODY))))
    assert YARDSTICKS not in text


def test_a_ratio_that_may_be_one_is_marked_as_a_tie():
    found = constant_rate()
    for trial in found.results:
        if trial.cell.contestant == "epoll":
            trial.server_cpu_seconds = 0.04 * (1.05 if trial.step.round % 2 else 0.95)
    assert row(render(found), YARDSTICKS, "epoll")[0].endswith("] = nginx")


def test_at_a_constant_rate_cpu_time_is_compared_and_throughput_is_not():
    text = render(constant_rate())
    assert row(text, YARDSTICKS, "epoll")[0] == "0.50 [0.50-0.50] nginx"
    assert "goodput" not in text[text.index(YARDSTICKS) : text.index(COSTS)]
    assert len(row(text, YARDSTICKS, "epoll")) == 2
    assert ANSWERS not in text


def test_latencies_count_from_when_requests_were_due_and_from_the_send():
    found = constant_rate()
    for trial in found.results:
        trial.client.latencies = {7_000_000: 1000}
        trial.client.service = replace(trial.client.latency, p99=500.0)
    cells = row(render(found), LATENCIES, "epoll")
    assert (cells[1], cells[6]) == ("7.00", "0.500")


def stalled() -> Run:
    """600 ms in two of six rounds: a request that is due in a stall waits for its end, as 4 % of all do there."""
    found = samples.trial_run(samples.settings(rounds=6, rates=(1000.0,), closed=False), verb="latency")
    for trial in found.results:
        quick, stall = {500_000: 15_000}, {1_000_000 * n: 1 for n in range(1, 601)}
        trial.client.latencies = {**quick, **(stall if trial.step.round in (2, 5) else {})}
        trial.client.latency = quantiles(trial.client.latencies)
        trial.client.service = None
    return found


def test_a_stall_in_two_of_six_rounds_is_in_the_quantiles_and_the_longest_is_the_longest():
    cells = row(render(stalled()), LATENCIES, "epoll")
    assert cells[1] == "0.500"
    assert cells[3] == "144 [0.500-444]"  # the 90,288th of 91,200
    assert cells[5] == "600"
    assert row(render(stalled()), COSTS, "epoll")[8] == "600"


def test_the_ten_thousandth_request_makes_the_quantile_of_one_in_a_thousand():
    assert row(render(constant_rate()), LATENCIES, "epoll")[4] == "-"  # 8,000
    assert row(render(stalled()), LATENCIES, "epoll")[4] != "-"


def test_where_the_client_itself_was_late_by_a_tenth_there_is_a_dash():
    found = constant_rate()
    for trial in found.results:
        late = {1_000: 970, round(1000 * trial.client.latency.p99 * 0.2): 30}
        trial.client.lateness = late if trial.cell.contestant == "epoll" else {}
    cells = row(render(found), LATENCIES, "epoll")
    assert cells[1] != "-" and cells[3] == "-"
    assert values(found.results[0])["latency p50"] is not None
    paced = next(trial for trial in found.results if trial.cell.contestant == "epoll")
    assert values(paced)["latency p99"] is None, "nor does a comparison see it"
    assert "A dash where quartet-pace itself was late by more than a tenth" in " ".join(render(found).split())


def overloaded() -> Run:
    """epoll answers 677 of 1000, and the others never."""
    found = constant_rate()
    for trial in found.results:
        if trial.cell.contestant == "epoll":
            lost = {"requests": 677, "good": 677, "in_time": 677, "errors": {"never answered": 323}}
            trial.client = replace(trial.client, **lost, latencies={500_000: 677}, censored=323, patience=2.0)
    return found


def test_the_rate_that_was_asked_for_never_stands_alone_where_anything_was_lost():
    found = constant_rate()
    for trial in found.results:
        if trial.cell.contestant == "epoll" and trial.step.round < 4:
            trial.client.errors = {"timed out": 1}
    assert row(render(found), LATENCIES, "epoll")[0] == "1,000 (3 lost)"
    assert row(render(found), LATENCIES, "nginx")[0] == "1,000"


def test_who_lost_requests_at_a_constant_rate_is_compared_with_nobody():
    found = overloaded()
    text = render(found)
    assert row(text, YARDSTICKS, "epoll") == ["-"] * 2
    said = " ".join(text.split())
    assert "Compared with nobody, because not all that was asked for was answered: epoll." in said
    assert "Compared with nobody" not in render(constant_rate())


def test_everybody_stands_beside_the_reference():
    text = render(samples.trial_run())
    assert [row(text, ANSWERS, name)[1] for name in ("threads", "epoll")] == ["1", "1.60 [1.60-1.60]"]
    assert "x threads" in text and "x prefork" not in text
    models = samples.select(("threads", "prefork"), samples.EVERYBODY)
    assert "x prefork" in render(with_models(models))
    paced = render(constant_rate())
    assert "0.20 [0.20-0.20]" in paced[paced.index(LATENCIES) : paced.index(YARDSTICKS)]


def with_models(models) -> Run:
    chosen = samples.settings(models)
    found = [samples.trial(step.cell, step.round, 1000 + step.round) for step in samples.trials.steps(chosen)]
    return samples.run(samples.Part("load", chosen, found))


def test_who_stands_alone_has_no_such_column():
    assert "x epoll" not in render(with_models(samples.select(("epoll",), samples.EVERYBODY)))


def test_rounds_that_a_failure_or_an_interruption_has_cost_are_missing_in_the_cell():
    found = samples.trial_run(samples.settings(rounds=6), failures=[Failure("h2o", "round 3", "it did not drain")])
    found.parts[0].results = [t for t in found.results if t.cell.contestant != "h2o" or t.step.round < 3]
    text = render(found)
    assert row(text, ANSWERS, "h2o")[0].endswith(" (2/6)")
    assert row(text, COSTS, "h2o")[-1] == "2/6"
    assert "h2o: 2 of 6 valid rounds that an interval takes." in " ".join(text.split())


def test_who_failed_at_once_has_a_row_of_dashes():
    found = samples.trial_run(failures=[Failure("nginx", "round 1", "it did not start")])
    found.parts[0].results = [trial for trial in found.results if trial.cell.contestant != "nginx"]
    assert set(row(render(found), ANSWERS, "nginx")) == {"-"}
    assert list(re.findall(r"(?m)^(nginx|h2o) ", render(found)))[:2] == ["nginx", "h2o"]


def test_disturbed_rounds_that_were_kept_are_marked_in_the_cell():
    found = samples.trial_run()
    for trial in found.results:
        if trial.cell.contestant == "epoll" and trial.step.round in (2, 5, 6):
            trial.disturbance = Disturbance(0, 0.25, 0)
            trial.problems = ["bad"] if trial.step.round == 6 else []
    text = render(found)
    assert row(text, ANSWERS, "epoll")[0].endswith(" (7/8, 2 disturbed)")
    assert "(2 disturbed): others took more than 5% of a CPU in so many of the valid rounds." in " ".join(text.split())


def test_the_head_above_ties_says_what_they_are_and_by_what():
    """Six rounds are too few for so many comparisons, though no interval contains 1; ten are enough."""
    assert "x threads\n= tie (Holm)" in answers_of(6).heads and any(
        " =" in cell for row in answers_of(6).rows for cell in row
    )
    assert "x threads" in answers_of(10).heads


def answers_of(rounds: int) -> Table:
    table = report.document(samples.trial_run(samples.settings(rounds=rounds))).sections[0].table
    assert table
    return table


def test_losses_are_a_result_and_no_dash():
    text = render(overloaded())
    cells = row(text, LATENCIES, "epoll")
    assert cells[0] == "677 of 1,000"
    assert cells[1] == "0.500" and cells[2].startswith("> 2,000") and cells[5] == "> 2,000"
    said = " ".join(text.split())
    assert "epoll: overloaded, 677 of 1,000/s answered; the clients met errors: 323 never answered." in said
    assert "Overloaded: epoll (677 of 1,000/s answered)." in said
    assert "INVALID" not in text


def test_who_lost_requests_in_a_closed_loop_keeps_the_number_and_is_in_no_group():
    found = samples.trial_run(samples.settings(rounds=10))
    for trial in found.results:
        if trial.cell.contestant == "nginx":
            trial.clients_served = 3
    text = render(found)
    assert row(text, ANSWERS, "nginx")[:3] == ["67,600", "1.28 [1.28-1.28]", "-"]
    assert "nginx: only 3 of 16 clients were being served." in text


def test_a_cell_says_how_many_of_its_rounds_are_valid():
    found = samples.trial_run()
    for trial in found.results:
        if trial.cell.contestant == "epoll" and trial.step.round in (2, 5):
            trial.problems = ["the schedule was not kept"]
    assert row(render(found), ANSWERS, "epoll")[0].endswith(" (6/8)")


def test_an_invalid_latency_is_a_dash_and_the_reason():
    found = constant_rate()
    spoil(found, "epoll", "the schedule was not kept")
    text = render(found)
    assert row(text, LATENCIES, "epoll") == ["-"] * 10
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
    assert "DISTURBED: in 1 of 40 loads others, or the host, took more than 5% of a CPU, at worst 30%" in text
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


def test_columns_for_which_there_is_no_room_stand_below_and_no_name_wraps():
    narrow = Table(("", *["1234"] * 17), wide=True)
    narrow.add_row("bare-epoll", *["5678"] * 17)
    shown = terminal.render(Document([], [Section("How?", narrow, [])], []), 100)
    assert sum(line.split()[0] == "bare-epoll" for line in shown.splitlines() if line) == 2
    assert shown.count("5678") == 17


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
