"""The main job's answers: which numbers are shown, and which are not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import samples

from loadtest.clients.client_side import Newcomers
from loadtest.document import figures, terminal
from loadtest.engine import report
from loadtest.engine.run import Failure, Run
from loadtest.statistics.stats import Estimate, Interval
from loadtest.system.cpus import Disturbance
from loadtest.system.memory import GroupMemory, Memory
from loadtest.verbs.load.results import Trial
from loadtest.verbs.memory.clients import PlateauResult
from loadtest.verbs.tour.plan import CONTESTANTS


def render(found: Run, width: int = 100) -> str:
    return terminal.render(report.document(found), width)


def section(shown: str, title: str) -> str:
    """From its title to the next."""
    return shown.partition(title)[2].partition("\n\n")[0]


def row(shown: str, title: str, name: str) -> list[str]:
    lines = [line.split() for line in section(shown, title).splitlines()]
    return next(line for line in lines if line[:1] == [name])


THROUGHPUT = "How many requests a second does one server CPU answer?"
CRASH = "Whom does one faulty request harm, and for how long?"
NEWCOMERS = "Is everybody served while the server is busy?"


def of_epoll(found: Run) -> list[Trial]:
    """Its rounds of plaintext."""
    return [one for one in found.parts[1].of("epoll") if one.cell.workload == "plaintext"]


def test_a_load_without_the_reference_has_no_ratios():
    found = samples.tour()
    loads = found.parts[2]
    loads.results = [one for one in loads.results if one.step.contestant != "prefork"]
    cells = row(render(found), THROUGHPUT, "epoll")
    assert cells[2] == "1.61" and cells[6] == "-"


def test_nine_rounds_show_ratios_with_intervals_and_group():
    shown = render(samples.tour())
    assert row(shown, THROUGHPUT, "threads")[1:5] == ["60,601", "1.20", "[1.20-1.20]", "c"]
    assert [row(shown, THROUGHPUT, name)[4] for name in ("coroutines", "epoll")] == ["b", "a"]


def test_six_rounds_can_tell_nobody_from_anybody_and_say_so():
    shown = render(samples.tour(replace(samples.TOUR, rounds=6)))
    assert row(shown, THROUGHPUT, "threads")[2:5] == ["1.20", "[1.20-1.20]", "="]
    assert "/plaintext: No groups: a table of 10 comparisons takes 9 rounds" in " ".join(shown.split())


def test_the_reference_is_prefork_or_else_the_first():
    assert row(render(samples.tour()), THROUGHPUT, "prefork")[2] == "1"
    assert "x prefork" in render(samples.tour())
    few = replace(samples.TOUR, contestants=samples.TOUR.contestants[3:])
    assert "x coroutines" in render(samples.tour(few))


# --- the text


def test_every_question_has_its_table():
    shown = render(samples.tour())
    assert shown.count("?\n") >= 8
    assert all(contestant.name in shown for contestant in CONTESTANTS)


def test_nothing_is_cut_off_at_the_usual_width():
    shown = render(samples.tour(), width=100)
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= 100
    assert "\x1b" not in shown


def test_short_runs_are_called_indicative_and_have_no_group():
    shown = render(samples.tour(replace(samples.TOUR, rounds=3)))
    assert "At an equal rate; /plaintext: INDICATIVE: 3 of the 6 rounds" in shown
    assert row(shown, THROUGHPUT, "epoll")[-1] == "-"
    usual = " ".join(render(samples.tour()).split())
    assert "/cpu?units=100; With a ballast: INDICATIVE: 3 of the 6 rounds" in usual
    assert "INDICATIVE" not in render(samples.tour(replace(samples.TOUR, rounds=18)))


def test_an_invalid_cell_is_a_dash_with_a_reason_and_never_a_number():
    found = samples.tour()
    for part in found.parts[1:3]:
        for trial in part.of("epoll"):
            trial.problems = ["the schedule was not kept"]
    shown = render(found)
    assert row(shown, THROUGHPUT, "epoll") == ["epoll"] + ["-"] * 6
    assert "/plaintext: epoll: invalid, the schedule was not kept." in shown
    told = "epoll: plaintext, 16 connections, 1 server CPU, round 1, 2, 3, 4, 5, 6, 7, 8, 9; epoll: cpu, 16 connections"
    assert told in " ".join(shown.split())


def test_who_lost_rounds_has_no_interval_and_it_is_said():
    found = samples.tour()
    for trial in [one for one in found.parts[1].of("threads") if one.cell.workload == "plaintext"][:4]:
        trial.problems = ["bad"]
    shown = render(found)
    assert row(shown, THROUGHPUT, "threads")[1:4] == ["60,605", "(5/9)", "1.20"]
    assert "/plaintext: threads: 5 of 6 valid rounds that an interval takes." in shown


def test_who_was_not_the_bottleneck_is_a_lower_bound_and_it_is_said():
    found = samples.tour()
    for trial in of_epoll(found):
        trial.server_cpu_seconds = 0.5
    shown = render(found)
    assert row(shown, THROUGHPUT, "epoll")[1:7] == [">=", "81,306", ">=", "1.61", "[1.61-1.61]", "a"]
    said = "/plaintext: Not the bottleneck, and perhaps faster than the number (>=): epoll (used 50.0% of its CPU, less"
    assert said in " ".join(shown.split())


def test_nobody_below_a_lower_bound_is_the_only_first():
    found = samples.tour()
    for trial in [one for one in found.parts[1].of("threads") if one.cell.workload == "plaintext"]:
        trial.server_cpu_seconds = 0.5  # and with that 60,601 requests/s at least
    shown = render(found)
    assert row(shown, THROUGHPUT, "threads")[6] == "ab"
    assert row(shown, THROUGHPUT, "epoll")[4] == "a"
    answer = " ".join(map(str, report.document(found).words))
    assert "At full load, most requests a second: epoll or threads." in answer


def test_who_failed_at_once_has_a_row_of_dashes():
    found = samples.tour(failures=[Failure("epoll", "round 1", "it did not start")])
    for part in found.parts[:3]:
        part.results = [one for one in part.results if one.step.contestant != "epoll"]
    shown = render(found)
    assert (
        set(row(shown, THROUGHPUT, "epoll")[1:])
        == set(row(shown, "What does a request cost, when", "epoll")[1:])
        == {"-"}
    )


def test_who_was_overloaded_at_the_equal_rate_is_compared_with_nobody_there():
    found = samples.tour()
    for trial in found.parts[0].of("fork-per-request"):
        trial.client = replace(trial.client, in_time=700, censored=300, errors={"never answered": 300})
    shown = render(found, 120)
    assert row(shown, "What does a request cost, when", "fork-per-request")[2:4] == ["-", "-"]
    assert "not all that was asked for was answered: fork-per-request." in " ".join(shown.split())


def test_what_was_not_measured_is_not_shown():
    found = samples.tour(state="interrupted")
    for part in found.parts[:-1]:
        part.results.clear()
    shown = render(found)
    assert THROUGHPUT not in shown
    assert CRASH in shown
    assert "INTERRUPTED" in shown


def test_nothing_measured_is_still_a_report():
    found = samples.tour(state="interrupted")
    for part in found.parts:
        part.results.clear()
    assert "INTERRUPTED" in render(found)


def test_a_failed_step_is_named_with_its_reason():
    failed = samples.tour(failures=[Failure("epoll", "round 1, a crash: epoll", "it did not start")])
    assert "FAILED epoll (round 1, a crash: epoll; left out after it): it did not start" in render(failed)


def test_other_load_is_reported():
    found = samples.tour()
    found.results[0].disturbance, found.results[0].repeats = Disturbance(0, 0.25, 0), 1
    shown = " ".join(render(found).split())
    assert "1 step thrown away and repeated" in shown
    assert "DISTURBED: in 1 of 114 loads" in shown
    assert "DISTURBED" not in render(samples.tour())


def test_newcomers_of_all_rounds_are_shown_with_those_who_got_nothing():
    found = samples.tour(replace(samples.TOUR, rounds=2))
    of_epoll(found)[0].newcomers = Newcomers({"ok": 10, "timed out": 3}, samples.TEN_NEWCOMERS.waits)
    assert row(render(found), NEWCOMERS, "epoll")[1:5] == ["16/16", "20/23", "1.00", "1.00"]


def test_the_worst_round_tells_how_many_clients_were_served():
    found = samples.tour()
    of_epoll(found)[1].clients_served = 9
    assert row(render(found), NEWCOMERS, "epoll")[1] == "9/16"


def test_unknown_service_is_a_dash():
    found = samples.tour()
    for trial in of_epoll(found):
        trial.clients_served = None
    assert row(render(found), NEWCOMERS, "epoll")[1] == "-"


def test_a_fault_is_told_by_whom_it_harmed_and_what_others_lost():
    shown = render(samples.tour())
    assert row(shown, CRASH, "epoll") == "epoll server lost 2/2 0/8 server server lost".split()
    assert row(shown, CRASH, "prefork") == "prefork connection 0/2 8/8 connection connection".split()
    assert "epoll +parent server lost 2/2 0/8 0.05 s" in " ".join(section(shown, CRASH).split())


def test_a_fault_that_tells_nothing_is_a_dash_with_a_reason():
    found = samples.tour()
    for one in found.parts[-1].of("epoll"):
        one.problems = ["the faulty request was never sent"]
    shown = render(found)
    assert row(shown, CRASH, "epoll") == ["epoll"] + ["-"] * 5
    told = " ".join(shown.split()).partition("INVALID ")[2].partition(" Measured")[0]
    cells = [f"epoll: {fault}, round 1" for fault in ("segv", "segv under a parent", "spin", "stack-overflow")]
    assert told == f"{'; '.join(cells)}: the faulty request was never sent"


def test_one_reason_is_one_line_with_all_its_cells_and_the_span_of_its_amounts():
    found = samples.tour()
    reasons = {"prefork": "others took 31% of a CPU", "threads": "others took 9% of a CPU", "epoll": "status 404"}
    for name, reason in reasons.items():
        for one in found.parts[-1].of(name):
            one.problems = [reason] if one.step.fault == "segv" and not one.step.keeper else []
    spins = next(one for one in found.parts[-1].of("epoll") if one.step.fault == "spin")
    spins.problems = ["others took 99% of a CPU"]
    closing = [line for line in report.document(found).closing if line.startswith("INVALID")]
    assert closing == [
        "INVALID prefork and threads: segv, round 1; epoll: spin, round 1: others took 9 to 99% of a CPU",
        "INVALID epoll: segv, round 1: status 404",
    ]
    spins.problems = ["status 500"]
    closing = [line for line in report.document(found).closing if line.startswith("INVALID epoll")]
    assert closing == ["INVALID epoll: segv, round 1: status 404", "INVALID epoll: spin, round 1: status 500"]


def test_how_many_requests_makes_no_other_reason():
    found = samples.tour()
    for name, early in {"threads": 3, "epoll": 1_012}.items():
        for one in found.parts[-1].of(name):
            one.problems = [f"{early:,} requests were harmed before the fault"] if one.step.fault == "spin" else []
    [closing] = [line for line in report.document(found).closing if line.startswith("INVALID")]
    assert closing.endswith("threads and epoll: spin, round 1: 3 to 1,012 requests were harmed before the fault")


def test_summed_rss_is_shown_for_what_it_is():
    assert "PSS counts a shared page once, summed RSS once for each process" in " ".join(render(samples.tour()).split())


def in_docker() -> Run:
    return samples.tour(
        environment=replace(samples.ENVIRONMENT, runner="docker", place="server and load in containers")
    )


def test_every_table_from_containers_says_so_and_no_native_one_does():
    titles = [line for line in render(in_docker()).splitlines() if line.partition(" [")[0].endswith("?")]
    assert len(titles) > 6 and all(title.endswith("? [docker]") for title in titles)
    assert "[docker]" not in render(samples.tour())


def test_the_head_says_where_the_figures_come_from_and_what_not_to_do_with_them():
    words = " ".join(render(in_docker()).split())
    assert "IN DOCKER: server and load in containers. Compare these figures with each other, never" in words
    assert "IN DOCKER" not in render(samples.tour())


def test_the_head_says_when_interrupts_are_in_no_processes_cpu_time():
    def shown(word: str) -> str:
        return " ".join(render(samples.tour(environment=replace(samples.ENVIRONMENT, irq_time=word))).split())

    assert "INTERRUPT TIME: this kernel keeps it out of processes' CPU time" in shown("yes")
    assert not any("INTERRUPT TIME" in shown(word) for word in ("no", "cannot be told", ""))


def memory_table(*results: PlateauResult) -> str:
    found = in_docker()
    next(part for part in found.parts if part.measurement == "plateaus").results = list(results)
    return section(render(found), "How much memory does the server take?")


def test_memory_of_a_container_shows_what_the_kernel_charges_for_it():
    busy = replace(samples.memory(19, 4), group=GroupMemory(9 << 20, 2 << 20, 1 << 20, 3 << 20, None))
    output = memory_table(samples.plateau("prefork", samples.memory(19, 4), busy, busy))
    row = next(line for line in output.splitlines() if line.startswith("prefork") and line.endswith("-"))
    assert row.split()[-3:] == ["2.0", "3.0", "-"]
    assert "cgroup v1 knows only the sum" in " ".join(output.split())


def test_the_table_of_containers_memory_fits_into_a_hundred_columns():
    busy = replace(samples.memory(34, 200), group=GroupMemory(1 << 30, 1 << 28, 1 << 28, 1 << 28, 1 << 27))
    output = memory_table(*(samples.plateau(name, busy, busy, busy) for name in samples.RATES))
    assert "…" not in output


def test_memory_that_we_may_not_look_into_is_a_dash_with_its_reason():
    hidden = Memory(19, None, None, None, 1 << 20, unknown="it is somebody else's")
    output = memory_table(samples.plateau("prefork", hidden, hidden, hidden))
    row = next(line for line in output.splitlines() if line.startswith("prefork") and "-  " in line)
    assert row.split()[1:] == ["19", "19", "-", "-", "-", "-", "1.0", "-"]  # page tables are everybody's to read
    assert "No PSS, heap, stack and RSS: it is somebody else's." in output


@pytest.mark.parametrize(
    ("value", "expected"), [(0, "0.000"), (0.0912, "0.091"), (4.214, "4.21"), (81.31, "81.3"), (4210.4, "4,210")]
)
def test_numbers_have_three_digits_that_count(value, expected):
    assert figures.number(value) == expected


def test_an_interval_is_shown_with_its_median():
    assert figures.ratio(Estimate(0.93, Interval(0.91, 0.95))) == "0.930 [0.910-0.950]"
    assert figures.ratio(Estimate(0.93, None)) == "0.930"
