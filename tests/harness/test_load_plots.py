"""Plots of throughput, latency and aa: every mark is recomputed from the trials, by other means than the harness's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import exp

import numpy as np
import pytest
import samples
from test_aa import measured as aa_run
from test_report_trials import constant_rate, spoil

from loadtest.document.document import Document, Mark, Plot, Scale, Section
from loadtest.engine import report
from loadtest.engine.run import Run
from loadtest.system.cpus import CpuSets, Disturbance
from loadtest.verbs.load.results import Trial
from loadtest.verbs.load.rounds import distinct
from loadtest.verbs.load.verb import tries

SEVERAL = {"connections": (16, 64), "rates": (1000.0, 2000.0)}  # and a closed loop


def section(found: Run, name: str) -> Section:
    [one] = [one for one in report.document(found).sections if one.id == name]
    return one


def plot(found: Run, name: str) -> Plot:
    [one] = [one for one in report.document(found).plots if one.id == name]
    return one


def plots(found: Run) -> list[str]:
    return [one.id for one in report.document(found).plots]


def marks(found: Run, name: str, row: str = "epoll", part: str = "") -> list[Mark]:
    return [one for one in plot(found, name).marks if one.row == row and one.part == part]


def of(found: Run, contestant: str = "epoll") -> Iterator[Trial]:
    """Its trials."""
    return (trial for trial in found.results if trial.cell.contestant == contestant)


def rates_of(found: Run, contestant: str = "epoll") -> list[float]:
    return [trial.client.requests / trial.client.seconds for trial in of(found, contestant) if not trial.problems]


# --- requests a second


@pytest.mark.parametrize("rounds, left_out", [(6, 0), (8, 0), (9, 1), (12, 2)])
def test_a_dot_is_the_median_of_the_rounds_within_its_order_statistics(rounds, left_out):
    """Of the tables of the binomial distribution: so many are left out at each end."""
    found = samples.trial_run(samples.settings(rounds=rounds))
    [mark] = marks(found, "throughput-requests")
    ordered = sorted(rates_of(found))
    assert (mark.y, mark.low, mark.high) == (np.median(ordered), ordered[left_out], ordered[-1 - left_out])
    assert mark.note == ""


def test_fewer_than_six_rounds_have_no_interval_and_say_so():
    [mark] = marks(samples.trial_run(samples.settings(rounds=5)), "throughput-requests")
    assert (mark.low, mark.high) == (None, None)
    assert mark.note == "indicative: 5 of the 6 rounds that an interval takes"


def test_an_invalid_round_is_in_no_plot():
    found = samples.trial_run()
    third = next(trial for trial in of(found) if trial.step.round == 3)
    third.problems = ["the schedule was not kept"]
    [mark] = marks(found, "throughput-requests")
    assert mark.y == np.median(rates_of(found)) and len(rates_of(found)) == 7
    assert mark.note == "7 of 8 rounds are valid"
    shown = marks(found, "throughput-rounds")
    assert [one.x for one in shown if one.y is not None] == [1, 2, 4, 5, 6, 7, 8]
    assert [(one.x, one.note) for one in shown if one.y is None] == [(3, "invalid")]


def test_who_has_no_valid_round_is_in_no_plot():
    for found in (samples.trial_run(samples.settings(**SEVERAL)), constant_rate()):
        spoil(found, "epoll")
        assert plots(found) and not [
            name for name in plots(found) if any(m.row == "epoll" for m in plot(found, name).marks)
        ]


def test_a_run_without_any_valid_round_has_no_plots():
    found = samples.trial_run(samples.settings(**SEVERAL))
    for name in samples.TRIED_RATES:
        spoil(found, name)
    assert report.document(found).sections and not plots(found)


def test_a_lower_bound_says_so_and_why():
    found = samples.trial_run()
    for trial in of(found):
        trial.client.cpu_seconds = 0.95
    [mark] = marks(found, "throughput-requests")
    assert mark.note == "a lower bound (wrk used 95.0% of a CPU, more than 90%)"
    assert "to the right of its dot" in plot(found, "throughput-requests").caption
    assert {one.note for one in marks(found, "throughput-rounds")} == {""}, "its caption says it once"
    assert plot(found, "throughput-rounds").caption.endswith("may lie anywhere above their points: epoll.")
    assert "ower bound" not in plot(samples.trial_run(), "throughput-rounds").caption
    assert {one.note for one in marks(found, "costs-cpu", part="user")} == {""}, "it bounds no other figure"


def test_what_was_lost_is_told_beside_the_figure():
    found = samples.trial_run()
    for trial in of(found):
        trial.clients_served = 3
    assert marks(found, "throughput-requests")[0].note == "only 3 of 16 clients were being served"


# --- rounds in their order


def test_rounds_stand_in_their_order_with_what_disturbed_them():
    found = samples.trial_run()
    found.parts[0].results.sort(key=lambda trial: trial.step.round)
    next(trial for trial in of(found) if trial.step.round == 2).disturbance = Disturbance(0, 0.25, 0)
    shown = marks(found, "throughput-rounds")
    assert [(one.x, one.y) for one in shown] == list(enumerate(rates_of(found), start=1))
    assert [one.note for one in shown] == ["", "disturbed: others took 25% of a CPU", *[""] * 6]
    assert marks(found, "throughput-requests")[0].note.endswith("more than 5% of a CPU in 1 of 8 rounds")


def test_where_one_is_ten_times_another_the_axis_of_the_rounds_is_logarithmic():
    for factor, scale in ((9, Scale.linear), (11, Scale.log)):
        found = samples.trial_run()
        for trial in found.results:
            requests = 1000 * (factor if trial.step.contestant == "epoll" else 1)
            trial.client = replace(trial.client, requests=requests)
        assert plot(found, "throughput-rounds").y.scale == scale


def test_at_a_constant_rate_rounds_show_cpu_time():
    """1,000 requests and ten newcomers; every second round takes 1 % more."""
    shown = [one.y for one in marks(constant_rate(), "latency-rounds")]
    assert shown == pytest.approx([0.02 * 1.01 ** (number % 2) * 1e6 / 1010 for number in range(1, 9)])


def test_a_single_round_has_no_order():
    assert "throughput-rounds" not in plots(samples.trial_run(samples.settings(rounds=1)))


# --- what a request takes


def test_cpu_time_is_stacked_of_user_and_system():
    """The window is the second, in which ten newcomers are answered, too; three quarters are the kernel's."""
    found = samples.trial_run()
    cpu = np.median([0.99e6 / (rate + 10) for rate in rates_of(found)])
    shown = [one for one in plot(found, "costs-cpu").marks if one.row == "epoll"]
    assert [(one.part, one.y) for one in shown] == [
        ("user", pytest.approx(0.25 * cpu)),
        ("system", pytest.approx(0.75 * cpu)),
    ]
    assert {(one.low, one.high) for one in shown} == {(None, None)}


def test_cpu_time_that_cannot_be_divided_is_one_part():
    found = samples.trial_run()
    for trial in of(found):
        trial.system_share = None
    [mark] = marks(found, "costs-cpu", part="user and system")
    assert mark.y == pytest.approx(np.median([0.99e6 / (rate + 10) for rate in rates_of(found)]))
    assert not marks(found, "costs-cpu", part="user")
    order = list(dict.fromkeys(one.row for one in plot(found, "costs-cpu").marks))
    assert order == list(samples.TRIED_RATES), "in the order of everybody"


def test_switches_are_divided_by_all_answers():
    found = samples.trial_run()
    for part, per_request in (("voluntary", 2), ("involuntary", 0.1)):
        [mark] = marks(found, "costs-switches", part=part)
        assert mark.y == pytest.approx(
            np.median([int(rate * per_request + 1e-6) / (rate + 10) for rate in rates_of(found)])
        )


def test_system_calls_that_nobody_counted_are_absent():
    found = samples.trial_run()
    for trial in found.results:
        trial.system_calls = {"epoll": 2.5}.get(trial.cell.contestant) if trial.step.round == 1 else None
    assert [(one.row, one.y) for one in plot(found, "costs-system-calls").marks] == [("epoll", 2.5)]
    for trial in found.results:
        trial.system_calls = None
    assert "costs-system-calls" not in plots(found)


# --- beside the others


def hodges_lehmann(ours: list[float], theirs: list[float]) -> float:
    """By the means of all pairs, a round with itself included."""
    logs = np.log(np.array(ours) / np.array(theirs))
    return exp(np.median([(logs[i] + logs[j]) / 2 for i in range(len(logs)) for j in range(i, len(logs))]))


def test_a_distance_is_a_ratio_made_round_by_round():
    found = samples.trial_run()
    for part, other in (("peer", "nginx"), ("bare", "bare-epoll")):
        [mark] = marks(found, "yardstick-requests", part=part)
        assert mark.y == pytest.approx(hodges_lehmann(rates_of(found), rates_of(found, other)))
        assert mark.low < mark.y < mark.high and mark.note == f"beside {other}"
    assert plot(found, "yardstick-requests").reference == 1
    assert {one.row for one in plot(found, "yardstick-cpu").marks} == {"epoll"}


def test_a_distance_of_a_bound_says_which_way_it_is_open_and_of_two_there_is_none():
    found = samples.trial_run()
    for name, note in (
        ("nginx", "beside nginx; an upper bound: nginx could have answered more"),
        ("epoll", "beside bare-epoll; a lower bound: ours could have answered more"),
    ):
        for trial in of(found, name):
            trial.client.cpu_seconds = 0.95
        assert [one.note for one in plot(found, "yardstick-requests").marks].count(note) == 1
    assert not marks(found, "yardstick-requests", part="peer")
    assert marks(found, "yardstick-cpu", part="peer"), "CPU time has no bounds"


def test_a_tie_with_a_peer_is_told():
    found = samples.trial_run(samples.settings(rounds=10))
    for ours, theirs in zip(of(found), of(found, "nginx"), strict=True):
        theirs.client = replace(ours.client, requests=ours.client.requests + (10 if ours.step.round % 2 else -10))
    assert marks(found, "yardstick-requests", part="peer")[0].note == "beside nginx; a tie"


def test_a_distance_of_few_or_disturbed_rounds_says_so():
    found = samples.trial_run(samples.settings(rounds=3))
    next(of(found, "nginx")).disturbance = Disturbance(0, 0.25, 0)
    [mark] = marks(found, "yardstick-requests", part="peer")
    few = "indicative: 3 of the 6 rounds that an interval takes"
    disturbed = "nginx disturbed: others took more than 5% of a CPU in 1 of 3 rounds"
    assert (mark.low, mark.high, mark.note) == (None, None, f"beside nginx; {few}; {disturbed}")
    assert plot(found, "yardstick-requests").caption.endswith("fewer than 6 rounds have none.")
    told = " ".join(str(one) for one in report.document(found).words)
    assert "x nginx (indicative)" in told


def test_models_without_peers_and_bare_servers_have_no_distance():
    assert not [name for name in plots(samples.trial_run(samples.settings(samples.TRIED[:1]))) if "yardstick" in name]


# --- latency


def pooled(found: Run, contestant: str = "epoll") -> list[float]:
    """Milliseconds, of every request."""
    return [
        nanoseconds / 1e6
        for trial in of(found, contestant)
        for nanoseconds, count in trial.client.latencies.items()
        for _ in range(count)
    ]


def with_requests(latencies: dict[int, int], **changes) -> Run:
    """Everybody's, in each of eight rounds."""
    found = constant_rate()
    for trial in found.results:
        trial.client = replace(trial.client, latencies=dict(latencies), **changes)
    return found


def test_the_tail_has_the_quantiles_of_all_requests_together():
    found = with_requests({100_000 + 1000 * i: 1 + i % 3 for i in range(10_000)})
    for number, trial in enumerate(of(found)):
        trial.client.latencies[20_000_000 + number] = 3  # a stall
    everything = pooled(found)
    *shown, longest = marks(found, "latency-tail")
    for mark in shown:
        assert mark.y == pytest.approx(np.percentile(everything, 100 * mark.x, method="inverted_cdf"))
    assert (shown[0].x, shown[-1].x) == (0.5, 0.9999)
    assert (longest.x, longest.y) == (1 - 1 / len(everything), pytest.approx(max(everything)))
    assert longest.note == f"the slowest of {len(everything):,} requests".replace(",", "")
    assert plot(found, "latency-tail").x.scale == Scale.tail


def test_a_share_takes_ten_requests_that_are_slower():
    assert marks(with_requests({1000: 1250}), "latency-tail")[-2].x == 0.999  # 10,000 requests
    assert marks(with_requests({1000: 1249}), "latency-tail")[-2].x == 0.9985
    assert marks(with_requests({1000: 125}), "latency-tail")[-2].x == 0.99


def test_where_the_client_itself_was_late_there_is_no_point():
    """By 0.2 ms in its own last hundredth: too much of 1 ms, and little enough of 10."""
    latencies = {1_000_000: 9_950, 10_000_000: 50}
    late = with_requests(latencies, lateness={1_000: 9_901, 200_000: 99})
    shown = {one.x: one for one in marks(late, "latency-tail")}
    assert "a line has a gap" in plot(late, "latency-tail").caption
    assert [shown[share].y is None for share in (0.99, 0.993, 0.995, 0.997)] == [False, True, True, False]
    assert shown[0.995].note == "no figure: the client itself was late"
    assert all(one.y is not None for one in marks(with_requests(latencies), "latency-tail"))


def test_a_tail_neither_begins_nor_ends_with_a_gap():
    """The client is late in all but its first half, and there until the slowest hundredth."""
    late = with_requests({1_000_000: 9_950, 10_000_000: 50}, lateness={1_000: 5_000, 200_000: 4_900, 2_000_000: 100})
    shown = marks(late, "latency-tail")
    assert shown and None not in (shown[0].y, shown[-1].y)
    nothing = with_requests({1_000_000: 1000}, lateness={1_000_000: 1000})
    assert "latency-tail" not in {one.id for one in report.document(nothing).plots}


def test_what_was_never_answered_makes_lower_bounds():
    found = with_requests({1_000_000: 900}, censored=100, patience=2.0)
    shown = {one.x: (one.y, one.note) for one in marks(found, "latency-tail")}
    assert shown[0.9] == (1.0, "")
    assert shown[0.93] == (2000.0, "a lower bound: not everything was answered")
    assert shown[1 - 1 / 8000][1] == "the slowest of 8000 requests; a lower bound: not everything was answered"


def test_who_was_overloaded_is_named_below_the_tail():
    found = with_requests({1_000_000: 1000}, in_time=600)
    assert "epoll was overloaded: 600 of 1,000/s answered." in plot(found, "latency-tail").caption
    assert "overloaded" not in plot(constant_rate(), "latency-tail").caption


# --- over connections, CPUs and rates


def test_requests_a_second_are_drawn_over_connections():
    found = samples.trial_run(samples.settings(connections=(64, 1, 16)))
    for trial in of(found):
        trial.client.requests += trial.cell.connections
    shown = marks(found, "connections-requests")
    at = {size: [t.client.requests for t in of(found) if t.cell.connections == size] for size in (1, 16, 64)}
    assert [(one.x, one.y) for one in shown] == [(size, np.median(rates)) for size, rates in at.items()]
    assert [(one.low, one.high) for one in shown] == [(min(rates), max(rates)) for rates in at.values()]
    assert plot(found, "connections-requests").x.scale == Scale.log


def test_one_number_of_connections_makes_no_curve():
    assert not [name for name in plots(samples.trial_run()) if name.startswith(("connections", "scaling", "rates"))]


def test_requests_a_second_are_drawn_over_server_cpus():
    budgets = {1: CpuSets((1,), (0,)), 2: CpuSets((1, 2), (0,))}
    found = samples.trial_run(replace(samples.settings(), budgets=budgets))
    for trial in of(found):
        trial.client.requests *= trial.cell.cpus
        trial.server_cpu_seconds *= trial.cell.cpus
    one, two = marks(found, "scaling-requests")
    assert (one.x, two.x, two.y / one.y, one.note, two.note) == (1, 2, 2, "", "")
    two = marks(found, "scaling-requests", "nginx")[1]
    assert two.note == "a lower bound (used 49.5% of its CPU, less than 97%)"
    assert section(found, "scaling").table.heads == ("", "requests/s\n1 server CPU", "\n2 server CPUs")


def test_latency_is_drawn_over_rates_with_its_rounds_and_what_was_overloaded():
    found = samples.trial_run(samples.settings(rates=(1000.0, 2000.0), closed=False), verb="latency")
    for trial in of(found):
        late = trial.cell.rate == 2000
        trial.client = replace(trial.client, asked=1000, in_time=600 if late else 1000)
        trial.client.latencies = {trial.step.round * 1_000_000: 990, 50_000_000: 10}
        trial.client.latency = samples.Quantiles(1000, *[1000.0 * trial.step.round] * 6)
    calm, late = marks(found, "rates-p50")
    times = [number for number in range(1, 9) for _ in range(990)] + [50] * 80
    assert (calm.x, calm.y) == (1000, np.percentile(times, 50, method="inverted_cdf"))
    assert (calm.low, calm.high) == (1, 8)
    assert (calm.note, late.note) == ("", "overloaded: 1,200 of 2,000/s answered")
    assert "2,000/s: epoll: overloaded, 1,200 of 2,000/s answered." in section(found, "rates").notes


def test_the_band_over_rates_holds_its_point_however_that_is_rounded():
    found = samples.trial_run(samples.settings(rates=(1000.0, 2000.0), closed=False), verb="latency")
    for trial in of(found):
        trial.client = replace(trial.client, latencies={5_000_000: 1000})
        trial.client.latency = samples.Quantiles(1000, *[4990.0] * 6)
    assert [(one.low, one.y, one.high) for one in marks(found, "rates-p50")] == [(4.99, 5.0, 5.0)] * 2


def test_a_curve_has_no_point_where_the_client_was_late_and_its_table_a_dash():
    found = samples.trial_run(samples.settings(rates=(1000.0, 2000.0), closed=False), verb="latency")
    for trial in of(found):
        trial.client = replace(trial.client, lateness={10_000_000: 1000} if trial.cell.rate == 2000 else {})
    assert {(one.x, one.y is None) for one in marks(found, "rates-p99")} == {(1000, False), (2000, True)}
    assert "no point, and a line has a gap" in plot(found, "rates-p99").caption
    assert [row[2] for row in section(found, "rates").table.rows if row[0] == "epoll"] == ["-"]


def test_a_load_that_somebody_was_not_measured_under_has_a_dash_in_the_table():
    found = samples.trial_run(samples.settings(connections=(16, 64)))
    found.parts[0].results = [t for t in found.results if (t.cell.contestant, t.cell.connections) != ("epoll", 64)]
    assert [row for row in section(found, "connections").table.rows if row[0] == "epoll"] == [("epoll", "83,664", "-")]


# --- ids


def test_the_sections_of_one_load_have_plain_ids():
    assert [one.id for one in report.document(samples.trial_run()).sections] == ["throughput", "yardstick", "costs"]
    paced = ["latency", "latency-yardstick", "latency-costs"]
    assert [one.id for one in report.document(constant_rate()).sections] == paced


def all_ids(found: Document) -> list[str]:
    return [*(one.id for one in found.sections), *(one.id for one in found.plots)]


def test_ids_are_unique_whatever_stands_on_a_page():
    twice = samples.trial_run(samples.settings(**SEVERAL))
    twice.parts.append(samples.part_of_trials(samples.settings(**SEVERAL)))
    everything = [all_ids(report.document(one)) for one in (twice, samples.trial_run(), constant_rate())]
    for found in (everything[0], [*everything[1], *everything[2]]):
        assert len(set(found)) == len(found) and all(
            set(one) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for one in found
        )


def test_an_id_is_made_of_the_loads_text():
    assert distinct(["plaintext, 1 connections"]) == [""]
    assert distinct(["A, 1,000 requests/s (x)", "B", "B"]) == ["-a-1000-requests-s-x", "-b", "-b-2"]


@pytest.mark.parametrize("found", [samples.trial_run(samples.settings(**SEVERAL)), constant_rate(), aa_run()])
def test_every_sentence_leads_to_a_section_that_there_is(found):
    document = report.document(found)
    targets = [clause.section for one in document.words for clause in one.clauses]
    known = {one.id for one in document.sections}
    assert targets and set(targets) - {""} <= known
    assert len([one for one in targets if not one]) <= 1, "only what is not told leads nowhere"


def test_chapters_are_not_torn_apart():
    found = [one.chapter for one in report.document(samples.trial_run(samples.settings(**SEVERAL))).sections]
    assert found == sorted(found, reverse=True) and set(found) == {"Throughput", "Latency"}


def test_every_plot_tells_an_example_of_its_commands():
    found = samples.trial_run(samples.settings(**SEVERAL))
    assert {tuple(one.commands) for one in report.document(found).plots} == {("quartet-sample", "wrk")}


# --- the instrument against itself


def test_each_try_is_a_ratio_across_the_line_or_a_false_alarm():
    found = aa_run(advantage=1.5)
    for metric in ("throughput", "cpu"):
        shown, expected = plot(found, f"aa-{metric}"), list(tries(found.parts[0], metric))
        assert [one.y for one in shown.marks] == pytest.approx([one.ratio for one in expected], rel=1e-6)
        assert [one.low for one in shown.marks] == pytest.approx([one.interval.low for one in expected], rel=1e-6)
        assert shown.reference == 1 and shown.marks[0].row == "try 1"
    assert {one.note for one in plot(found, "aa-throughput").marks} == {"a difference that is not there"}
    a, b = (rates_of(found, twin)[:6] for twin in ("epoll A", "epoll B"))
    assert plot(found, "aa-throughput").marks[0].y == pytest.approx(hodges_lehmann(a, b), rel=1e-6)


def test_a_try_that_lacks_a_round_is_absent():
    found = aa_run()
    found.results[5].problems = ["bad"]
    assert len(plot(found, "aa-throughput").marks) == 19


def test_twins_stand_in_the_order_of_their_rounds():
    assert [one.x for one in marks(aa_run(), "aa-rounds", "epoll B")] == list(range(1, 121))
