"""The verb schedulers: what is asked for, what a load says, and what is made of all of them."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import samples
from conftest import BINARIES
from samples import CALIBRATED, POLICIES, SCHEDULERS, scheduled
from test_quartet import Quartet, quartet  # noqa: F401  a fixture

from loadtest.cli import commands
from loadtest.cli.options import Invocation, RunnerName
from loadtest.document import terminal
from loadtest.document.document import Plot, Section
from loadtest.engine import folder, metrics, report, runner
from loadtest.engine.measurement import Bench
from loadtest.engine.run import Exit, Part, Run, Stop
from loadtest.places.launch import Local
from loadtest.statistics import queueing
from loadtest.system import MeasurementError
from loadtest.system.cpus import CpuSets, Disturbance
from loadtest.system.processes import Address
from loadtest.verbs.schedulers import clients, kernel, measure, plan, results, verb
from loadtest.verbs.schedulers.calibration import Calibration, Probe, calibration
from loadtest.verbs.schedulers.clients import Load
from loadtest.verbs.schedulers.measure import SCHEDULERS as MEASUREMENT
from loadtest.verbs.schedulers.plan import SchedulerStep
from loadtest.verbs.schedulers.results import Scheduled

ADDRESS = Address("127.0.0.1", 8080)
NAMES = [one.name for one in plan.CONTESTANTS]


# --- what is asked for


def test_a_round_begins_with_a_calibration_and_has_everybody_once_in_an_order_of_its_own():
    steps = list(plan.steps(replace(SCHEDULERS, rounds=3)))
    rounds = [[one for one in steps if one.round == number] for number in (1, 2, 3)]
    assert [(one[0].contestant, one[0].calibrates) for one in rounds] == [("fibers-fifo", True)] * 3
    orders = [[one.contestant for one in those[1:]] for those in rounds]
    assert all(sorted(one) == sorted(NAMES) for one in orders) and len({*map(tuple, orders)}) == 3
    assert not any(one.calibrates for those in rounds for one in those[1:])


def test_rounds_stay_behind_their_calibrations_also_when_a_run_goes_on():
    run = samples.policies()
    run.parts[0].results = [one for one in run.results if one.step.round == 1][:3]
    left = [step for _, step in runner.remaining(run)]
    assert len(left) == 10 * 9 - 3
    assert [step.round for step in left] == sorted(step.round for step in left)
    assert [step.calibrates for step in left if step.round == 2] == [True] + [False] * 8


def test_a_line_through_two_sizes_says_what_a_unit_takes():
    """By hand: 0.2 ms of 10 units and 9.08 ms of 600."""
    assert 1e6 * CALIBRATED.unit == pytest.approx(8.88 / 590 * 1000)
    assert 1e6 * CALIBRATED.request == pytest.approx(200 - 10 * 8880 / 590)
    assert CALIBRATED.seconds(10) == pytest.approx(0.0002) and CALIBRATED.seconds(600) == pytest.approx(0.00908)


def test_what_is_asked_for_takes_the_share_of_the_cpu_that_was_wanted():
    """19 short ones of 0.2 ms and a long one of 10 ms are 13.8 ms of 20 requests."""
    mix = SCHEDULERS.mix(CALIBRATED)
    assert (mix.short.units, mix.long.units) == (10, 661)
    assert [1000 * one.seconds for one in (mix.short, mix.long)] == pytest.approx([0.2, 10.0], rel=0.001)
    assert mix.load == pytest.approx(0.7) and mix.rate == pytest.approx(0.7 / 0.00069, rel=0.001)
    assert mix.short.rate == pytest.approx(19 * mix.long.rate)
    assert replace(SCHEDULERS, load=0.35).mix(CALIBRATED).rate == pytest.approx(mix.rate / 2)


def test_a_request_that_takes_less_than_its_way_through_the_server_has_one_unit():
    slow = Calibration(Probe(10, 1, 0.00055), Probe(600, 1, 0.00645))  # 10 us a unit, 450 us a request
    mix = SCHEDULERS.mix(slow)
    assert mix.short.units == 1 and mix.short.seconds == pytest.approx(0.00046)
    assert mix.load == pytest.approx(0.7), "of what they really take"


@pytest.mark.parametrize(
    ("small", "large", "why"),
    [
        (Probe(10, 0, 0.0), Probe(600, 9, 0.1), "not one request for /cpu was answered well"),
        (Probe(10, 100, 0.02), Probe(600, 100, 0.02), "does not tell what a unit takes"),
        (Probe(10, 100, 0.0), Probe(600, 100, 0.9), "does not tell what a unit takes"),
    ],
)
def test_a_calibration_that_says_nothing_is_refused(small, large, why):
    with pytest.raises(MeasurementError, match=why):
        calibration(small, large)


def test_its_requests_are_random_the_same_for_everybody_and_others_in_each_round():
    mix = SCHEDULERS.mix(CALIBRATED)

    def argv(contestant: str, number: int) -> list[str]:
        return clients.command(ADDRESS, SCHEDULERS, Load(SchedulerStep(number, contestant), mix))

    first = argv("fibers-fifo", 1)
    assert first == argv("threads-rr", 1) != argv("fibers-fifo", 2)
    words = " ".join(first)
    assert f"short={mix.short.rate:.3f}:/cpu?units=10&deadline_ms=5 --mix long={mix.long.rate:.3f}" in words
    assert "/cpu?units=661&deadline_ms=100" in words and "--poisson" in words and "-c 128 -d 4000ms" in words
    seeds = [int(one[one.index("--seed") + 1]) for one in (first, argv("epoll", 2))]
    assert abs(seeds[0] - seeds[1]) > 1, "the class of long requests takes the seed behind it"


def test_who_schedules_is_on_the_command_line():
    shown = runner.commands([Part("schedulers", SCHEDULERS)], Path("bin"))
    below = [(name, line) for name, line in zip(shown, shown[1:]) if name.endswith(": short requests beside long ones")]
    loads = {name[2:].partition(":")[0]: line for name, line in below}
    assert sorted(loads) == sorted(NAMES)
    for policy in ("fifo", "lifo", "mlfq", "edf"):
        assert f"quartet-fibers --workers 1 --scheduler {policy} " in loads[f"fibers-{policy}"]
    assert "taskset --cpu-list 1 chrt --fifo 1 bin/quartet-threads " in loads["threads-fifo"]
    assert "taskset --cpu-list 1 chrt --rr 1 bin/quartet-threads " in loads["threads-rr"]
    assert "chrt" not in loads["threads-other"] and "--workers 258" in loads["threads-other"]
    assert all("--max-requests-per-connection 0" in line for line in loads.values())
    assert sum(line.startswith("# fibers-fifo: what a request takes") for line in shown) == 1


def test_a_load_is_what_the_calibration_of_its_round_says():
    other = Calibration(Probe(10, 1, 0.0003), Probe(600, 1, 0.018))
    one, two = (scheduled(SchedulerStep(number, "fibers-fifo", True)) for number in (1, 2))
    two.calibration = other
    assert measure.calibrated([one, two], SchedulerStep(1, "epoll")) == CALIBRATED
    assert measure.calibrated([one, two], SchedulerStep(2, "epoll")) == other
    assert measure.calibrated([one, two], SchedulerStep(3, "epoll")) == other, "its own failed"
    with pytest.raises(MeasurementError, match="the calibration failed"):
        measure.calibrated([two, scheduled(SchedulerStep(1, "epoll"))], SchedulerStep(1, "epoll"))


def test_who_calibrates_and_fails_is_loaded_all_the_same():
    keys = [MEASUREMENT.key(SchedulerStep(1, "fibers-fifo", calibrates)) for calibrates in (True, False)]
    assert keys[0] != keys[1]


# --- what a load says


def load(name: str = "fibers-fifo", number: int = 1, **changes) -> Scheduled:
    return scheduled(SchedulerStep(number, name), **changes)


def test_the_cpu_time_is_that_of_all_that_came():
    one = load()
    assert results.used(one, 4) == pytest.approx(0.7)
    assert results.came(one, 4) == pytest.approx(0.7, rel=0.005)
    one.long.seconds = 5.0  # the last answer came later
    assert results.used(one, 4) == pytest.approx(0.56)


@pytest.mark.parametrize(
    ("seconds", "why"),
    [
        (2.8, ""),
        (3.15, ""),
        (2.45, ""),
        (3.4, "the server worked 85% of the time, for what takes 70% by the calibration"),
        (2.2, "the server worked 55% of the time, for what takes 70% by the calibration"),
    ],
)
def test_cpu_time_that_does_not_belong_to_what_came_makes_a_load_invalid(seconds, why):
    assert results.misfit(load(server_cpu_seconds=seconds), SCHEDULERS).startswith(why)
    assert bool(results.misfit(load(server_cpu_seconds=seconds), SCHEDULERS)) == bool(why)


def test_a_load_far_from_what_was_wanted_is_invalid():
    one = load(server_cpu_seconds=3.6)
    one.long.asked = round(1.4 * one.long.asked)
    assert (
        results.misfit(one, SCHEDULERS) == "what came takes 90% of a CPU, and not about 70%: the load was another one"
    )


def test_a_server_that_got_too_little_cpu_time_is_told_from_one_with_other_requests():
    """It did all that was asked for, but late."""
    one = load()
    one.short.seconds = one.long.seconds = 6.2
    assert results.misfit(one, SCHEDULERS) == (
        "the last answer came after 6.2 s of a load of 4 s: the server had too little CPU time for what came"
    )


def test_who_lost_requests_has_worked_less_and_keeps_his_figure():
    one = load(server_cpu_seconds=1.6)
    one.short.errors = {"timed out": 900}
    assert results.misfit(one, SCHEDULERS) == "" and one.lost == 900
    one.short.seconds = one.long.seconds = 9.0  # the client waited for them in vain
    assert results.misfit(one, SCHEDULERS) == ""


def test_a_late_client_and_a_disturbed_cpu_are_worth_another_try():
    one = load()
    assert not one.spoiled
    one.long.problems = ["the schedule was not kept"]
    assert one.spoiled
    assert load(disturbance=Disturbance(0.2, 0, 0)).spoiled
    assert not scheduled(SchedulerStep(1, "fibers-fifo", True)).spoiled


def test_its_numbers_are_those_of_both_sizes_and_a_calibration_has_none():
    values = results.values(load())
    assert values["short p50"] == pytest.approx(2.0, rel=0.01) and values["short p99"] == pytest.approx(60, rel=0.01)
    assert values["long p99"] == pytest.approx(80, rel=0.01)
    assert values["short mean"] == pytest.approx(0.7 * 2 + 0.28 * 22 + 0.02 * 60, rel=0.01)
    assert values["unanswered"] == 0
    assert results.values(scheduled(SchedulerStep(1, "fibers-fifo", True))) == {}
    assert values.keys() <= metrics.BY_NAME.keys()


def test_what_was_not_answered_well_makes_bounds():
    one = load()
    assert results.bounds(one) == []
    one.short.good -= one.short.asked // 50
    assert results.bounds(one) == ["short p99", "short mean"]


def test_theory_takes_what_came_and_the_cpu_time_that_it_took():
    """Twice the CPU time: requests twice as long."""
    one = load()
    (short, long), (twice, longer) = (
        results.streams([each], 4) for each in (one, replace(one, server_cpu_seconds=2 * one.server_cpu_seconds))
    )
    assert (short.rate, long.rate) == (one.short.asked / 4, one.long.asked / 4)
    assert (twice.mean, longer.mean) == pytest.approx((2 * short.mean, 2 * long.mean))
    assert queueing.load([short, long]) == pytest.approx(0.7)
    assert 1000 * queueing.in_order([short, long], short.mean) == pytest.approx(8.72, rel=0.005)


def test_rounds_with_other_units_are_one_stream_of_several_sizes():
    one, two = load(), load(number=2, mix=SCHEDULERS.mix(Calibration(Probe(10, 1, 0.0004), Probe(600, 1, 0.01816))))
    short, _ = results.streams([one, two], 4)
    assert short.second_moment >= short.mean**2 and short.rate == one.short.asked / 4


# --- what is made of all of them


def document(run: Run):
    return report.document(run)


def section(run: Run, name: str = "schedulers") -> Section:
    [found] = [one for one in document(run).sections if one.id == name]
    return found


def row(run: Run, name: str, of: str = "schedulers") -> list[str]:
    [found] = [cells for cells in section(run, of).table.rows if cells[0] == name]
    return [*found[1:]]


def notes(run: Run, of: str = "schedulers") -> str:
    return "\n".join(section(run, of).notes)


def words(run: Run) -> list[str]:
    return [*map(str, document(run).words)]


def test_a_row_has_both_sizes_beside_the_reference_with_losses_and_cpu_time():
    run = samples.policies()
    assert row(run, "fibers-fifo") == [*("2.02", "60.3 [60.1-60.6]", "1", "12.1", "80.4", "19.9", "1", "0", "70%")]
    assert row(run, "fibers-lifo") == [
        *("0.302", "2.01 [2.00-2.02]", "0.03 [0.03-0.03]", "12.1", "201", "29.3", "1.47 [1.47-1.47]"),
        *("0", "70%"),
    ]
    assert row(run, "epoll")[2] == "1.00 [1.00-1.00] ="


def test_the_answer_says_whom_to_take_and_what_long_requests_pay():
    assert words(samples.policies()) == [
        "Beside long requests 99 % of the short ones are answered within 2.01 ms by fibers-lifo, the least, and "
        "within 60.3 ms by fibers-fifo, which runs each request to its end.",
        "Take fibers-edf, which short requests cannot tell from fibers-lifo and long ones prefer: it needs a deadline "
        "with each request, which the long ones have later. Where there are none, take fibers-lifo: it needs to know "
        "nothing of a request, but whoever waits is overtaken by all who come later.",
        "Long requests take 19.9 ms on average with fibers-fifo, 21.5 ms with fibers-edf, 24.9 ms with fibers-mlfq and "
        "29.3 ms with fibers-lifo.",
        "Where requests run to their ends (fibers-fifo), queueing theory expects 8.71 ms for the mean of short ones; "
        "measured were 8.81 ms.",
    ]


def test_where_policies_make_no_difference_nobody_is_recommended(monkeypatch):
    monkeypatch.setattr(samples, "POLICIES", dict.fromkeys(POLICIES, samples.TO_THE_END))
    assert words(samples.policies())[1] == "No policy of fibers can be told from fibers-fifo by short requests."


def test_a_policy_that_is_worse_for_short_requests_is_not_recommended(monkeypatch):
    slow = ((4.0, 44.0, 120.0), (12.0, 35.0, 80.0))
    monkeypatch.setattr(samples, "POLICIES", {**dict.fromkeys(POLICIES, samples.TO_THE_END), "fibers-lifo": slow})
    assert words(samples.policies())[1].startswith("No policy of fibers")


def test_a_policy_that_is_better_by_chance_is_not_recommended(monkeypatch):
    """In six rounds of ten by a tenth; in the others it is worse."""
    monkeypatch.setattr(samples, "POLICIES", dict.fromkeys(POLICIES, samples.TO_THE_END))
    run = samples.policies()
    for one in run.results:
        if one.step.contestant == "fibers-lifo" and one.short:
            one.short.latency.p99 *= 0.9 if one.step.round > 4 else 1.1
    assert float(row(run, "fibers-lifo")[2].split()[0]) < 1
    assert words(run)[1].startswith("No policy of fibers")


def test_few_rounds_are_indicative_and_the_first_one_has_its_sentence():
    run = samples.policies(replace(SCHEDULERS, rounds=2))
    assert "(indicative: 2 of the 6 rounds that an interval takes)" in words(run)[0]
    assert row(run, "fibers-lifo")[2] == "0.033"
    assert words(run)[1].startswith("As far as 2 rounds can tell, take fibers-")
    assert any(one.startswith("INDICATIVE: 2 of the 6 rounds") for one in document(run).head)
    run.parts[0].results = [one for one in run.results if one.step.round == 1]
    assert verb.SCHEDULER.first(run).startswith("Beside long requests 99 % of the short ones are answered within 2.00")


def test_a_quantile_that_few_requests_are_slower_than_is_a_dash():
    """Of 203 long ones two are slower than p99."""
    assert row(samples.policies(replace(SCHEDULERS, rounds=1)), "fibers-fifo")[3:6] == ["12.0", "-", "19.8"]


def test_a_figure_of_which_a_tenth_may_be_the_clients_is_a_dash():
    run = samples.policies()
    for one in run.results:
        if one.short:
            one.short.lateness = {100_000: one.short.asked}
    assert row(run, "fibers-lifo")[0] == "-" and row(run, "fibers-fifo")[0] == "2.02"
    assert words(run)[0].startswith("Beside long requests 99 %"), "of p99 it is less"
    for one in run.results:
        if one.short:
            one.short.lateness = {1_000_000: one.short.asked}
    assert words(run)[0].startswith("As far as it could be told, beside long requests 99 %")


def test_what_was_lost_is_counted_and_compared_with_nobody():
    run = samples.policies()
    [one] = [each for each in run.results if each.step == SchedulerStep(3, "fibers-mlfq")]
    one.long.errors, one.long.censored, one.long.patience = {"never answered": 5}, 5, 5.0
    cells = row(run, "fibers-mlfq")
    assert cells[2] == cells[6] == "-" and cells[5].startswith("> ") and cells[7] == "5 of 40,590"
    assert any("got no good answer: fibers-mlfq 5 of 40,590" in told for told in words(run))
    assert "fibers-mlfq: 5 of 40,590 requests got no good answer." in notes(run)


def test_an_invalid_round_enters_no_figure_and_is_counted():
    run = samples.policies()
    for one in run.results:
        if one.step.contestant == "epoll" and not one.step.calibrates:
            one.problems = ["the server worked 85% of the time, for what takes 70% by the calibration"]
        if one.step == SchedulerStep(2, "fibers-edf"):
            one.problems = ["the schedule was not kept"]
    assert row(run, "epoll") == ["-"] * 9 and row(run, "fibers-edf")[8] == "70% (9/10)"
    assert "epoll: invalid, the server worked 85% of the time" in notes(run)
    assert verb.SCHEDULER.status(run) == Exit.invalid
    assert row(run, "epoll", "schedulers-theory")[:3] == ["-"] * 3


def test_who_cannot_be_had_here_has_his_reason():
    few = tuple(one for one in SCHEDULERS.contestants if one.name != "threads-rr")
    chosen = replace(SCHEDULERS, contestants=few, absent={"threads-rr": "SCHED_RR is refused here: chrt: no"})
    assert "threads-rr is not there: SCHED_RR is refused here: chrt: no." in notes(samples.policies(chosen))


@pytest.mark.parametrize(
    ("turn", "said", "expected"),
    [
        (
            100,
            "a turn is 100 ms here (sched_rr_timeslice_ms), longer than a request of 10 ms: nobody",
            "in order (P-K)",
        ),
        (2, "a turn is 2 ms here (sched_rr_timeslice_ms).", "S / (1 - load), a guide"),
        (None, "", "-"),
    ],
)
def test_turns_that_are_longer_than_any_request_interrupt_nobody(turn, said, expected):
    run = samples.policies(replace(SCHEDULERS, turn=turn))
    assert said in notes(run, "schedulers-who")
    assert row(run, "threads-rr", "schedulers-theory")[4] == expected


def test_the_page_says_who_runs_to_the_end_and_that_others_are_unsliced():
    run = samples.policies()
    assert "each to its end" in row(run, "fibers-fifo", "schedulers-who")[1]
    assert "with fibers-fifo it goes on itself, to the end. All other servers run the same handler without a break" in (
        notes(run, "schedulers-who")
    )
    assert "goes before all usual programs on its CPU" in notes(run, "schedulers-who")
    alone = tuple(one for one in SCHEDULERS.contestants if one.name.startswith("fibers"))
    assert "usual programs" not in notes(samples.policies(replace(SCHEDULERS, contestants=alone)), "schedulers-who")


def test_theory_stands_beside_the_measured_mean():
    run = samples.policies()
    assert row(run, "fibers-fifo", "schedulers-theory") == ["8.81", "8.71", "1.01", "70%", "in order (P-K)"]
    assert row(run, "fibers-lifo", "schedulers-theory") == ["0.533", "0.666", "0.800", "70%", "S / (1 - load), a guide"]
    assert row(run, "fibers-mlfq", "schedulers-theory")[1:3] == ["-", "-"]


def test_who_shared_the_cpu_with_others_is_no_check_of_theory():
    run = samples.policies()
    assert "disturbed" not in words(run)[3]
    for one in [each for each in run.results if each.step.round <= 4]:
        one.disturbance = Disturbance(0.2, 0, 0)
    assert words(run)[3].endswith("measured were 8.81 ms, while others disturbed 4 of 10 rounds.")


def test_theory_says_nothing_of_a_queue_that_grows_for_ever():
    run = samples.policies()
    for one in run.results:
        if one.step.contestant == "epoll":
            one.server_cpu_seconds = 4.4
    assert row(run, "epoll", "schedulers-theory")[1:] == [
        *("-", "-", "110%", "more than its CPU can do: the queue grows for ever")
    ]
    json.dumps(json.loads(folder.to_json(run, document(run))), allow_nan=False)


def test_the_calibration_is_printed():
    run = samples.policies()
    assert any(
        "a unit of /cpu takes 15.1 us of its CPU time, and a request 49.5 us more" in one for one in document(run).head
    )
    assert row(run, "short", "schedulers-load") == ["10", "0.200", "964", "19%", "5"]
    run.results[0].calibration = Calibration(Probe(10, 1, 0.0003), Probe(600, 1, 0.018))
    run.results[0].mix = SCHEDULERS.mix(run.results[0].calibration)
    assert row(run, "long", "schedulers-load")[0] == "333 to 661"


def test_who_waits_for_a_connection_is_told():
    run = samples.policies()
    assert "waited for a free connection" not in notes(run)
    for one in run.results:
        if one.step.contestant == "fibers-lifo" and one.short:
            one.short.service = replace(one.short.service, mean=0.8 * one.short.service.mean)
    assert "for such a part of their mean time: fibers-lifo (20%)." in notes(run)


def test_an_interrupted_run_shows_what_was_measured():
    run = samples.policies(state="interrupted")
    run.parts[0].results = run.results[:3]
    shown = terminal.render(document(run), 120)
    assert "INTERRUPTED" in shown and "What is asked for?" in shown
    run.parts[0].results = run.results[:1]
    assert [one.id for one in document(run).sections] == ["schedulers-load"] and words(run) == []
    run.parts[0].results = []
    assert document(run).sections == [] and words(run) == []


def test_where_no_round_is_valid_that_is_the_answer():
    run = samples.policies()
    for one in run.results:
        one.problems = [] if one.step.calibrates else ["the schedule was not kept"]
    assert words(run) == ["No answer: no round was valid."]


# --- its plots


def plots(run: Run) -> dict[str, Plot]:
    return {one.id: one for one in document(run).plots}


def test_short_and_long_requests_are_drawn_by_policy_with_the_span_of_the_rounds():
    found = plots(samples.policies())
    assert [*found] == ["schedulers-short", "schedulers-long", "schedulers-tail", "schedulers-theory-mean"]
    first, second = found["schedulers-short"].marks[:2]
    assert [(one.row, one.part) for one in (first, second)] == [("fibers-fifo", "p50"), ("fibers-fifo", "p99")]
    assert [first.y, first.low, first.high] == pytest.approx([2.01, 2.0, 2.02], abs=0.011)
    assert [second.y, second.low, second.high] == pytest.approx([60.3, 60.06, 60.6], abs=0.05)
    assert {one.row for one in found["schedulers-long"].marks} == {*NAMES}
    tail = [one for one in found["schedulers-tail"].marks if one.row == "fibers-fifo"]
    assert [one.y for one in tail] == sorted(one.y for one in tail) and tail[0].x == 0.5
    theory = [one for one in found["schedulers-theory-mean"].marks if one.row == "epoll"]
    assert [(one.part, round(one.y, 2)) for one in theory] == [("measured", 8.81), ("expected", 8.71)]


# --- in the folder


def test_its_numbers_are_exported():
    lines = metrics.csv_text(samples.policies()).splitlines()
    assert (
        "schedulers,fibers-fifo,model,fibers,short beside long at 70%,256,1,1,1,,quartet-pace,poisson,,1,1,short p99,"
        in "".join(line for line in lines if ",short p99," in line)
    )
    assert len(lines) == 1 + 10 * 8 * 7, "calibrations have none"


def test_a_folder_holds_it_and_gives_it_back(tmp_path):
    run = samples.policies()
    folder.save(run, tmp_path, document(run))
    again = folder.load(tmp_path)
    assert again.results == run.results and again.parts[0].settings == run.parts[0].settings


# --- measured


@pytest.fixture
def bench(log, tmp_path) -> Bench:
    available = sorted(os.sched_getaffinity(0))
    chosen = replace(
        samples.SCHEDULERS,
        contestants=tuple(one for one in SCHEDULERS.contestants if one.name == "fibers-lifo"),
        cpus=CpuSets((available[-1],), (available[0],)),
        duration=1,
        connections=16,
        pace=str(BINARIES / "quartet-pace"),
    )
    return Bench(chosen, Local(BINARIES, log), tmp_path)


def test_a_server_is_calibrated_and_loaded(bench):
    """Other load here makes it late, but takes no CPU time from what is counted."""
    found = measure.measure(bench, SchedulerStep(1, "fibers-lifo", calibrates=True))
    assert 1e-6 < found.calibration.unit < 1e-3 and found.sides == []
    assert found.mix.load == pytest.approx(bench.settings.load)
    bench.earlier = [found]
    one = measure.measure(bench, SchedulerStep(1, "fibers-lifo"))
    asked = {size: one.planned(size).rate for size in results.SIZES}
    assert one.lost == 0 and one.long.good == one.long.asked
    assert one.short.asked == pytest.approx(asked["short"], rel=0.3) and one.mix == found.mix
    assert results.used(one, 1) > 0 and one.server_cpu_seconds == pytest.approx(results.came(one, 1), rel=0.4)
    assert json.loads(bench.printed["01-fibers-lifo.json"])["lanes"][1]["name"] == "long"


def test_a_server_that_refuses_what_is_asked_for_cannot_be_calibrated(bench, monkeypatch):
    monkeypatch.setattr(clients, "PROBES", {-1: 0.1, 600: 0.1})
    with pytest.raises(MeasurementError, match="of requests for /cpu, one after another, became: .* error status"):
        measure.measure(bench, SchedulerStep(1, "fibers-lifo", calibrates=True))


# --- on the command line


@pytest.fixture
def chrt(binaries, monkeypatch):
    """One that refuses round robin."""
    (binaries / "chrt").write_text('#!/bin/sh\n[ "$1" != --rr ] || { echo "chrt: not permitted" >&2; exit 1; }\n')
    (binaries / "chrt").chmod(0o755)
    monkeypatch.setenv("PATH", f"{binaries}:/usr/bin:/bin")


def invocation(**changes) -> Invocation:
    usual = {"runner": RunnerName.local, "out": None, "json": False, "dry_run": False, "resume": None, "bin": None}
    return Invocation(**{**usual, **changes})


def test_a_policy_that_the_kernel_refuses_is_left_out_with_a_sentence(chrt, capsys):
    contestants, absent = commands._policies("", invocation())
    assert [one.name for one in contestants] == NAMES[:-1]
    assert [*absent] == ["threads-rr"] and "chrt: not permitted" in absent["threads-rr"]
    told = capsys.readouterr().err
    assert "threads-rr is left out: SCHED_RR is refused here: chrt --rr 1 true exited with status 1" in told


def test_one_that_was_asked_for_by_name_and_is_refused_ends_it(chrt):
    with pytest.raises(Stop, match="^threads-rr: SCHED_RR is refused here") as error:
        commands._policies("threads-rr,epoll", invocation())
    assert error.value.status == Exit.environment
    assert [one.name for one in commands._policies("threads-fifo,epoll", invocation())[0]] == ["epoll", "threads-fifo"]


def test_without_chrt_its_policies_are_left_out(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert kernel.refusals(NAMES, "local").keys() == {"threads-fifo", "threads-rr"}


def test_a_container_may_not_ask_the_kernel_and_a_dry_run_does_not_try(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    contestants, absent = commands._policies("", invocation(runner=RunnerName.docker))
    assert [*absent] == ["threads-fifo", "threads-rr"] and "CAP_SYS_NICE" in absent["threads-rr"]
    capsys.readouterr()
    assert commands._policies("", invocation(dry_run=True)) == (plan.CONTESTANTS, {})
    assert capsys.readouterr().err == ""


WRONG = {
    "there is no contestant 'fifo'; there are fibers-fifo": ["--only", "fifo"],
    "--duration 1s: in less than 2 s chance decides": ["-d", "1s"],
    "--pin: server and clients need a CPU each": ["--pin", "0:0"],
    "Invalid value for '--load': 95 is not in the range 10<=x<=90": ["--load", "95"],
}


@pytest.mark.parametrize("sentence", WRONG)
def test_a_wrong_word_is_one_sentence(quartet, sentence):  # noqa: F811
    status, output, errors = quartet.run("schedulers", "--dry-run", *WRONG[sentence])
    assert (status, output) == (2, "") and sentence in errors


def test_one_cpu_is_too_few(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    with pytest.raises(Stop, match="schedulers takes two CPUs") as error:
        commands._two_cpus("")
    assert error.value.status == Exit.environment


def test_a_server_that_is_not_built_is_named(quartet):  # noqa: F811
    (quartet._binaries / "quartet-fibers").unlink()
    status, _, errors = quartet.run("schedulers", "--only", "fibers-fifo", "--rounds", "1", "-d", "2s")
    assert status == 5 and "quartet-fibers" in errors and len(errors.splitlines()) == 1
