"""Which numbers are shown, and which are not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import samples

from loadtest.clients.outcomes import Outcome
from loadtest.clients.wrk_result import Latency, WrkErrors, WrkResult
from loadtest.document import figures, terminal
from loadtest.engine.run import Failure
from loadtest.statistics.stats import Estimate, Interval
from loadtest.system.cpu_sets import CpuSets
from loadtest.system.cpus import Disturbance
from loadtest.system.memory import GroupMemory, Memory
from loadtest.verbs.tour import report, summary
from loadtest.verbs.tour import validity as tour_validity
from loadtest.verbs.tour.plan import CELLS, CONTESTANTS
from loadtest.verbs.tour.results import MemoryRun, TourResults
from loadtest.verbs.tour.summary import has_invalid_cell, summarize

PLAINTEXT = CELLS[0]


def render(found: TourResults, width: int = 100) -> str:
    return terminal.render(report.document(found), width)


def wrk_result(requests: int = 100, **errors: int) -> WrkResult:
    return WrkResult(requests, 1_000_000, WrkErrors(**errors), Latency(1, 2, 2, 2, 3))


def ranks(loads) -> dict[str, str]:
    summaries = summarize(samples.results(loads=loads), PLAINTEXT)
    return summary.ranks(summaries, "prefork")


def section(shown: str, title: str) -> str:
    """From its title to the next."""
    return shown.partition(title)[2].partition("\n\n")[0]


def row(shown: str, title: str, name: str) -> list[str]:
    lines = [line.split() for line in section(shown, title).splitlines()]
    return next(line for line in lines if line[:1] == [name])


THROUGHPUT = "How many requests a second does one server CPU answer?"
CRASH = "What does a segmentation fault in one request take down?"
NEWCOMERS = "Is everybody served while the server is busy?"

# --- validity


def test_a_run_without_errors_is_valid():
    assert tour_validity.load_problems(wrk_result(), 16, 16, 0) == []


@pytest.mark.parametrize("kind", ["connect", "read", "write", "status", "timeout"])
def test_any_error_that_wrk_counted_makes_a_run_invalid(kind):
    assert tour_validity.load_problems(wrk_result(**{kind: 2}), 16, 16, 0) == [f"wrk counted errors: 2 {kind}"]


def test_a_run_without_answers_is_invalid():
    assert tour_validity.load_problems(wrk_result(0), 16, 16, 0) == ["wrk got no answer"]


def test_a_run_that_left_clients_without_a_worker_is_invalid():
    assert tour_validity.load_problems(wrk_result(), 16, 12, 0) == ["only 12 of 16 clients got a worker"]


def test_a_count_that_could_not_be_had_proves_nothing():
    assert tour_validity.load_problems(wrk_result(), 16, None, 0) == []


@pytest.mark.parametrize(("status", "text"), [(3, "exited with status 3"), (-11, "was killed by SIGSEGV")])
def test_a_server_that_ended_badly_makes_a_run_invalid(status, text):
    assert tour_validity.load_problems(wrk_result(), 16, 16, status) == [f"the server {text}"]


def reason(**changes) -> str:
    return tour_validity.unranked_reason([samples.load_run(**changes)], samples.PLAN)


def test_a_server_is_ranked_where_it_was_the_bottleneck():
    assert reason(server_cpu_seconds=0.97, wrk_cpu_seconds=0.90) == ""


def test_a_server_with_idle_cpu_is_not_ranked():
    assert reason(server_cpu_seconds=0.96) == "used less than 97% of its CPU"


def test_a_server_before_a_saturated_wrk_is_not_ranked():
    assert reason(wrk_cpu_seconds=0.91) == "wrk used more than 90% of a CPU"


def test_a_server_that_others_disturbed_is_not_ranked():
    assert reason(disturbance=Disturbance(0.06, 0, 0)) == "shared its CPU with others"


def test_on_one_cpu_nobody_is_ranked():
    plan = replace(samples.PLAN, cpus=CpuSets((0,), (0,)))
    assert tour_validity.unranked_reason([samples.load_run()], plan) == "shares its CPU with the load"


# --- summaries


def test_six_rounds_rank_and_overlapping_intervals_tie():
    """epoll and coroutines differ by less than the rounds do."""
    wobbly = [
        replace(run, wrk=replace(run.wrk, requests=run.wrk.requests + run.round * 300))
        if run.contestant in ("coroutines", "epoll")
        else run
        for run in samples.loads()
    ]
    found = ranks(wobbly)
    assert [found[name] for name in samples.RATES] == ["5", "4", "3", "1=", "1="]


def test_fewer_than_six_rounds_give_no_rank():
    assert ranks(samples.loads(rounds=5)) == {}


def test_an_invalid_round_leaves_too_few_for_a_rank():
    loads = samples.loads()
    threads = next(run for run in loads if run.contestant == "threads" and run.cell == "plaintext")
    threads.problems = ["wrk counted errors: 2 read"]
    found = ranks(loads)
    assert "threads" not in found
    assert "epoll" in found


def test_a_server_that_was_not_the_bottleneck_takes_no_part_in_the_ranking():
    idle = [replace(run, server_cpu_seconds=0.5) if run.contestant == "epoll" else run for run in samples.loads()]
    assert ranks(idle).keys() == {*samples.RATES, *(f"fork-per-request +{n} MiB" for n in (64, 512))} - {"epoll"}


def test_ratios_are_taken_round_by_round():
    """Both halve in the second round: the ratio does not move."""
    loads = [samples.load_run("prefork", n, rate=1000 // n) for n in (1, 2)]
    loads += [samples.load_run("epoll", n, rate=3000 // n) for n in (1, 2)]
    summaries = summarize(samples.results(loads=loads), PLAINTEXT)
    assert summaries["epoll"].ratio(summaries["prefork"], summary.rate).median == 3


def test_invalid_runs_do_not_enter_a_median():
    loads = [samples.load_run("epoll", 1, rate=100), samples.load_run("epoll", 2, rate=9000, problems=["bad"])]
    assert summarize(samples.results(loads=loads), PLAINTEXT)["epoll"].median(summary.rate) == 100


def test_the_reference_is_prefork_or_else_the_first():
    assert summary.reference_of(samples.PLAN) == "prefork"
    assert summary.reference_of(replace(samples.PLAN, contestants=CONTESTANTS[3:])) == "coroutines"


def test_a_cell_without_a_valid_round_is_invalid():
    assert not has_invalid_cell(samples.results())
    bad = [replace(run, problems=["bad"]) if run.contestant == "epoll" else run for run in samples.loads()]
    assert has_invalid_cell(samples.results(loads=bad))


# --- the text


def test_every_question_has_its_table():
    shown = render(samples.results())
    assert shown.count("?\n") >= 8
    assert all(contestant.name in shown for contestant in CONTESTANTS)


def test_nothing_is_cut_off_at_the_usual_width():
    shown = render(samples.results(), width=100)
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= 100
    assert "\x1b" not in shown


def test_throughput_is_a_median_with_a_ratio_an_interval_and_a_rank():
    assert row(render(samples.results()), THROUGHPUT, "threads")[1:5] == ["60,304", "1.20", "[1.20-1.20]", "3"]


def test_short_runs_are_called_indicative_and_have_no_rank():
    short = samples.results(loads=samples.loads(rounds=3), settings=replace(samples.PLAN, rounds=3))
    shown = render(short)
    assert "INDICATIVE: 3 of the 6 rounds" in shown
    assert row(shown, THROUGHPUT, "epoll")[-1] == "-"
    assert "INDICATIVE" not in render(samples.results())


def test_an_invalid_cell_is_a_dash_with_a_reason_and_never_a_number():
    bad = [
        replace(run, problems=["wrk counted errors: 7 read"]) if run.contestant == "epoll" else run
        for run in samples.loads()
    ]
    shown = render(samples.results(loads=bad))
    assert row(shown, THROUGHPUT, "epoll") == ["epoll"] + ["-"] * 6
    assert "epoll /plaintext: invalid, wrk counted errors: 7 read." in shown
    assert "INVALID epoll, round 1, plaintext: wrk counted errors: 7 read" in shown


def test_who_lost_rounds_has_no_interval_and_it_is_said():
    loads = samples.loads()
    next(run for run in loads if run.contestant == "threads" and run.cell == "plaintext").problems = ["bad"]
    shown = render(samples.results(loads=loads))
    assert row(shown, THROUGHPUT, "threads")[2:4] == ["1.20", "-"]
    assert "threads /plaintext: 5 of 6 valid rounds that an interval takes." in shown


def test_the_reference_is_one():
    assert row(render(samples.results()), THROUGHPUT, "prefork")[2] == "1"


def test_a_missing_rank_has_its_reason():
    idle = [replace(run, server_cpu_seconds=0.5) if run.contestant == "epoll" else run for run in samples.loads()]
    shown = " ".join(render(samples.results(loads=idle)).split())
    assert "/plaintext, no rank where the server was not the bottleneck" in shown
    assert "epoll (used less than 97% of its CPU)." in shown


def test_what_was_not_measured_is_not_shown():
    shown = render(samples.results(loads=[], memory=[], crowds=[], state="interrupted"))
    assert THROUGHPUT not in shown
    assert CRASH in shown
    assert "INTERRUPTED" in shown


def test_nothing_measured_is_still_a_report():
    assert "INTERRUPTED" in render(samples.results(loads=[], memory=[], crowds=[], crashes=[], state="interrupted"))


def test_a_failed_step_is_named_with_its_reason():
    failed = samples.results(failures=[Failure("epoll", "a crash: epoll", "it did not start")])
    assert "FAILED epoll (a crash: epoll; left out after it): it did not start" in render(failed)


def test_other_load_is_reported():
    loads = [samples.load_run(disturbance=Disturbance(0, 0.25, 0), repeats=1), samples.load_run(number=2)]
    shown = render(samples.results(loads=loads))
    assert "1 run thrown away and repeated" in shown
    assert "DISTURBED: in 1 of 2 load runs" in shown
    assert "DISTURBED" not in render(samples.results())


def test_newcomers_of_all_rounds_are_shown_with_those_who_got_nothing():
    loads = [samples.load_run("epoll", number) for number in (1, 2)]
    loads[0].newcomers.outcomes[Outcome.timed_out] = 3
    assert row(render(samples.results(loads=loads)), NEWCOMERS, "epoll")[1:3] == ["16/16", "20/23"]


def test_the_worst_round_tells_how_many_clients_were_served():
    loads = [samples.load_run("epoll", 1), samples.load_run("epoll", 2, clients_served=9)]
    assert row(render(samples.results(loads=loads)), NEWCOMERS, "epoll")[1] == "9/16"


def test_unknown_service_is_a_dash():
    loads = [samples.load_run("epoll", 1, clients_served=None)]
    assert row(render(samples.results(loads=loads)), NEWCOMERS, "epoll")[1] == "-"


def test_a_dead_server_is_out_of_service_for_longer_than_was_watched():
    shown = render(samples.results())
    assert row(shown, CRASH, "epoll") == "epoll EOF 1/20 10 0/8 > 1.00 - 0/1 0 SIGSEGV".split()
    assert row(shown, CRASH, "prefork") == "prefork EOF 0/20 0 8/8 0.00 50.0 18/19 1 lives".split()


def test_a_fault_that_crashed_nothing_is_a_dash_with_a_reason():
    found = samples.results(crashes=[replace(samples.crash("epoll", dies=False), faulty=Outcome.error_status)])
    shown = render(found)
    assert row(shown, CRASH, "epoll") == ["epoll"] + ["-"] * 9
    assert "epoll: invalid, the fault crashed nothing (error status)." in shown
    assert has_invalid_cell(found)


def test_losses_before_the_fault_make_a_crash_invalid():
    run = samples.crash("epoll", dies=True)
    assert tour_validity.crash_problem(run) == ""
    run.attempts[3].outcome = Outcome.reset
    assert tour_validity.crash_problem(run) == "1 requests failed before the fault"


def test_answers_with_an_error_make_a_crash_invalid():
    run = samples.crash("prefork", dies=False)
    run.attempts[-1].outcome = Outcome.error_status
    assert tour_validity.crash_problem(run) == "1 requests were answered wrongly"


def test_summed_rss_is_shown_for_what_it_is():
    assert "would charge fork-per-request 16.5 times its PSS" in " ".join(render(samples.results()).split())


def in_docker(**changes):
    environment = replace(samples.ENVIRONMENT, runner="docker", place="server and load each in a container")
    return samples.results(environment=environment, **changes)


def test_every_table_from_containers_says_so_and_no_native_one_does():
    titles = [line for line in render(in_docker()).splitlines() if line.partition(" [")[0].endswith("?")]
    assert len(titles) > 6 and all(title.endswith("? [docker]") for title in titles)
    assert "[docker]" not in render(samples.results())


def test_the_head_says_where_the_figures_come_from_and_what_not_to_do_with_them():
    words = " ".join(render(in_docker()).split())
    assert "IN DOCKER: server and load each in a container. Compare these figures with each other, never" in words
    assert "IN DOCKER" not in render(samples.results())


def memory_table(*runs: MemoryRun) -> str:
    return render(in_docker(memory=list(runs)))


def test_memory_of_a_container_shows_what_the_kernel_charges_for_it():
    busy = replace(samples.memory(19, 4), group=GroupMemory(9 << 20, 2 << 20, 1 << 20, 3 << 20, None))
    output = memory_table(MemoryRun("prefork", "", 16, samples.memory(19, 4), busy, busy))
    row = next(line for line in output.splitlines() if line.startswith("prefork") and line.endswith("-"))
    assert row.split()[-3:] == ["2.0", "3.0", "-"]
    assert "cgroup v1 knows only the sum" in " ".join(output.split())


def test_the_table_of_containers_memory_fits_into_a_hundred_columns():
    busy = replace(samples.memory(34, 200), group=GroupMemory(1 << 30, 1 << 28, 1 << 28, 1 << 28, 1 << 27))
    output = memory_table(*(MemoryRun(name, "", 16, busy, busy, busy) for name in samples.RATES))
    assert "…" not in output


def test_memory_that_we_may_not_look_into_is_a_dash_with_its_reason():
    hidden = Memory(19, None, None, None, 1 << 20, unknown="it is somebody else's")
    output = memory_table(MemoryRun("prefork", "", 16, hidden, hidden, hidden))
    row = next(line for line in output.splitlines() if line.startswith("prefork") and "-  " in line)
    assert row.split()[1:] == ["19", "19", "-", "-", "-", "-", "1.0", "-"]  # page tables are everybody's to read
    assert "No PSS, private memory and RSS: it is somebody else's." in output


@pytest.mark.parametrize(
    ("value", "expected"), [(0, "0.000"), (0.0912, "0.091"), (4.214, "4.21"), (81.31, "81.3"), (4210.4, "4,210")]
)
def test_numbers_have_three_digits_that_count(value, expected):
    assert figures.number(value) == expected


def test_an_interval_is_shown_with_its_median():
    assert figures.ratio(Estimate(0.93, Interval(0.91, 0.95), 6)) == "0.930 [0.910-0.950]"
    assert figures.ratio(Estimate(0.93, None, 3)) == "0.930"
    assert figures.ratio(None) == "-"
