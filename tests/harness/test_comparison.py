from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from random import Random

import pytest
import samples
import test_sweep as sweeps

from loadtest.cli import commands
from loadtest.clients.client_side import quantiles
from loadtest.document import terminal
from loadtest.engine import folder, metrics
from loadtest.engine.run import Exit, Failure, Part, Run
from loadtest.system.cpus import CpuSets
from loadtest.verbs.compare.comparison import Comparison, compare, document, status, to_json, words
from loadtest.verbs.load.plan import Gate
from loadtest.verbs.load.results import Trial
from loadtest.verbs.memory.clients import IdleObservation, IdleResult, IdleSettings, idle_steps
from loadtest.verbs.sweep import plan as sweep_plan
from loadtest.verbs.sweep.plan import APART
from loadtest.verbs.walk.verb import WalkSettings

THROUGHPUT = ["throughput"]


def shown(found: Comparison, before: str, after: str, width: int) -> str:
    return terminal.render(document(found, before, after), width)


def measured(factor: float = 1.0, seed: int = 1, rounds: int = 8, **changes) -> Run:
    """Rounds that scatter by some 2 %; `factor` on what epoll answers."""
    found, random = samples.trial_run(samples.settings(rounds=rounds), **changes), Random(seed)
    for trial in found.results:
        faster = factor if trial.cell.contestant == "epoll" else 1
        requests = samples.TRIED_RATES[trial.cell.contestant] * faster * random.uniform(0.99, 1.01)
        trial.client = replace(trial.client, requests=int(requests), good=int(requests))
    return found


def of_epoll(found: Comparison):
    return next(change for change in found.changes if change.cell.startswith("epoll "))


def test_a_change_has_its_interval_and_only_the_worse_is_a_regression():
    slower = compare(measured(), measured(0.9, seed=2), THROUGHPUT, 0)
    change = of_epoll(slower)
    assert change.regressed and change.ratio.interval.low < 0.9 < change.ratio.interval.high
    assert [one.cell for one in slower.changes if one.regressed] == ["epoll plaintext -c16"]
    assert not any(one.regressed for one in compare(measured(), measured(1.1, seed=2), THROUGHPUT, 0).changes)


def test_policies_are_compared_by_the_tail_of_short_requests():
    before, after = samples.policies(), samples.policies()
    for one in after.results:
        if one.short and one.step.contestant == "fibers-mlfq":
            one.short.latency.p99 *= 1.5
    found = compare(before, after, [], 0)
    assert {one.metric for one in found.changes} == {"short p99"} and len(found.changes) == 8
    [worse] = [one for one in found.changes if one.regressed]
    assert worse.cell.startswith("fibers-mlfq short beside long at 70%") and worse.ratio.ratio == pytest.approx(1.5)


def test_where_less_is_better_more_is_the_regression():
    found = compare(measured(), measured(0.9, seed=2), ["cpu"], 0)
    assert of_epoll(found).ratio.ratio == pytest.approx(1 / 0.9, rel=0.02)
    assert of_epoll(found).regressed


def test_a_margin_forgives_small_regressions():
    assert not of_epoll(compare(measured(), measured(0.9, seed=2), THROUGHPUT, 0.2)).regressed
    assert of_epoll(compare(measured(), measured(0.9, seed=2), THROUGHPUT, 0.05)).regressed


def test_no_difference_tells_what_could_have_been_seen():
    text = shown(compare(measured(), measured(seed=2), THROUGHPUT, 0), "before", "after", 120)
    assert text.count("no difference seen (detectable >= ") == 5
    assert "REGRESSION" not in text


def test_a_regression_is_marked_in_its_row():
    text = shown(compare(measured(), measured(0.9, seed=2), THROUGHPUT, 0), "before", "after", 120)
    row = next(line for line in text.splitlines() if line.startswith("epoll "))
    assert "REGRESSION -" in row and "%" in row
    assert text.startswith("A, before: before\nB, after: after\n")


def test_two_runs_at_different_times_are_said_to_be():
    assert any("not interleaved" in one for one in compare(measured(), measured(seed=2), THROUGHPUT, 0).warnings)


# --- what is compared: one metric for each load, unless more are asked for


def test_a_closed_loop_is_compared_by_its_good_answers_and_a_constant_rate_by_its_p99():
    mixed = samples.trial_run(samples.settings(rates=(1000.0,)))
    found = {change.cell: change.metric for change in compare(mixed, mixed, [], 0).changes}
    assert found["epoll plaintext -c16"] == "goodput"
    assert found["epoll plaintext -c16 1000/s"] == "latency p99"
    assert len(found) == 10


def test_what_was_asked_for_is_compared_in_every_load():
    found = compare(measured(), measured(seed=2), ["cpu", "latency max"], 0)
    assert [change.metric for change in found.changes if change.cell.startswith("epoll ")] == ["cpu", "latency max"]


def test_what_is_detectable_is_said_after_the_correction():
    """A change of the single interval's half is not seen in a table of five."""
    found = compare(measured(), measured(seed=2), THROUGHPUT, 0)
    alone = compare(only("epoll", measured()), only("epoll", measured(seed=2)), THROUGHPUT, 0)
    assert of_epoll(found).detectable > of_epoll(alone).detectable
    assert f"(detectable >= {100 * of_epoll(found).detectable:.1f} %)" in shown(found, "a", "b", 120)


def only(name: str, run: Run) -> Run:
    return only_those([name], run)


def only_those(names: list[str], run: Run) -> Run:
    [part] = run.parts
    chosen = tuple(one for one in part.settings.contestants if one.name in names)
    kept = [trial for trial in part.results if trial.cell.contestant in names]
    return replace(run, parts=[replace(part, settings=replace(part.settings, contestants=chosen), results=kept)])


def test_a_change_beyond_what_is_detectable_is_seen_and_one_far_below_it_is_not():
    least = of_epoll(compare(measured(), measured(seed=2), THROUGHPUT, 0)).detectable
    assert of_epoll(compare(measured(), measured(1 / (1 + 2 * least), seed=2), THROUGHPUT, 0)).regressed
    assert not of_epoll(compare(measured(), measured(1 / (1 + least / 4), seed=2), THROUGHPUT, 0)).regressed


# --- too few rounds are no "no difference"


def test_too_few_rounds_are_said_to_be_and_how_many_it_takes():
    found = compare(measured(rounds=3), measured(seed=2, rounds=3), THROUGHPUT, 0)
    text = shown(found, "a", "b", 120)
    assert text.count("cannot tell with 3 rounds: 6 are needed") == 5
    assert "no difference seen" not in text
    assert status(found) == Exit.invalid


def test_more_rounds_are_needed_where_more_is_compared():
    asked = ["throughput", "goodput", "cpu", "latency p50", "latency p99"]
    found = compare(measured(rounds=6), measured(0.1, seed=2, rounds=6), asked, 0)
    assert len(found.changes) == 25  # 2 / 924 of them are more than 5 %
    assert {(change.needed, change.adjusted_p) for change in found.changes} == {(7, None)}
    assert not any(change.regressed for change in found.changes)
    assert status(found) == Exit.invalid


def test_a_huge_change_of_too_few_rounds_is_said_in_the_cell_and_is_not_ok():
    found = compare(measured(rounds=3), measured(0.1, seed=2, rounds=3), THROUGHPUT, 0)
    assert not any(change.regressed for change in found.changes)
    row = shown(found, "a", "b", 120).partition("\nepoll ")[2]
    assert "x 0.10, all rounds of B below all of A;" in row.splitlines()[0]
    assert "cannot tell with 3 rounds: 6 are needed" in row.splitlines()[1]
    up = of_epoll(compare(measured(rounds=3), measured(3.0, seed=2, rounds=3), THROUGHPUT, 0))
    assert (up.apart, up.regressed) == ("above", False)


def tour(rounds: int, factor: float = 1.0) -> Run:
    """The main job's folder; `factor` on the speed of all servers."""
    found = samples.tour(replace(samples.TOUR, rounds=rounds))
    for part in [one for one in found.parts if one.measurement == "load"]:
        slower(part.results, factor)
    return found


def slower(trials: list[Trial], factor: float) -> None:
    for trial in trials:
        requests, latency = max(1, int(trial.client.requests * factor)), trial.client.latency
        if trial.cell.rate is None:
            trial.client = replace(trial.client, requests=requests, good=requests)
        else:
            trial.client = replace(trial.client, latency=replace(latency, p99=latency.p99 / factor))


@pytest.mark.parametrize("rounds", [6, 9])
def test_a_collapse_of_the_main_job_is_a_regression(rounds):
    found = compare(tour(rounds), tour(rounds, 0.1), [], 0)
    judged = [change for change in found.changes if not change.needed]
    # five models under two loads; of the third and of the heaps, in a third of the rounds, nothing can be told
    assert (len(judged), len(found.changes)) == (10, 18) and all(change.regressed for change in judged)
    assert {(change.metric, change.apart) for change in found.changes} == {
        ("goodput", "below"),
        ("latency p99", "above"),
    }
    assert status(found) == Exit.gate


def test_a_collapse_of_three_rounds_cannot_be_told_and_is_not_ok():
    found = compare(tour(3), tour(3, 0.1), [], 0)
    assert not any(change.regressed for change in found.changes)
    assert status(found) == Exit.invalid


def ballast(found: Run) -> list[Trial]:
    return next(part.results for part in found.parts if any("MiB" in one.name for one in part.settings.contestants))


def test_the_main_job_against_itself_is_ok_though_some_of_it_has_few_rounds():
    found = compare(tour(9), tour(9), [], 0)
    assert {change.needed for change in found.changes if "MiB" in change.cell} == {6}
    assert status(found) == Exit.ok
    assert any(one.startswith("CANNOT TELL: 8 of 18 comparisons have too few rounds") for one in found.warnings)


def test_a_huge_change_of_what_has_few_rounds_is_not_ok_beside_others_that_are():
    after = tour(9)
    slower(ballast(after), 0.1)
    found = compare(tour(9), after, [], 0)
    assert not any(change.regressed for change in found.changes)
    assert status(found) == Exit.invalid


def test_two_hundred_rounds_are_compared_at_once():
    found = compare(measured(rounds=240), measured(0.99, seed=2, rounds=240), THROUGHPUT, 0)
    assert [change.cell for change in found.changes if change.regressed] == ["epoll plaintext -c16"]
    assert of_epoll(found).detectable < 0.005


# --- what is gone


def spoilt(problems: dict[int, str], **changes) -> Run:
    """epoll's rounds that are invalid, and why."""
    found = measured(seed=2, **changes)
    for trial in found.results:
        if trial.cell.contestant == "epoll" and trial.step.round in problems:
            trial.problems = [problems[trial.step.round]]
    return found


def test_a_contestant_whose_every_run_is_invalid_is_a_regression():
    found = compare(measured(), spoilt(dict.fromkeys(range(1, 9), "bad")), THROUGHPUT, 0)
    change = of_epoll(found)
    assert (change.regressed, change.after, change.ratio, change.rounds) == (True, None, None, (8, 0))
    assert change.lost == "gone: 8 of 8 runs of B are invalid (bad)"
    text = shown(found, "a", "b", 120)
    row = next(line for line in text.splitlines() if line.startswith("epoll "))
    assert row.split()[-3:] == ["-", "REGRESSION", "gone"]
    assert "epoll plaintext -c16, throughput: gone: 8 of 8 runs of B are invalid (bad)." in text
    assert status(found) == Exit.gate


def test_a_run_without_any_valid_result_is_a_regression_of_everybody():
    after = measured(seed=2)
    for trial in after.results:
        trial.problems = ["bad"]
    found = compare(measured(), after, [], 0)
    assert len(found.changes) == 5 and all(change.regressed for change in found.changes)
    assert status(found) == Exit.gate


def test_half_of_invalid_rounds_or_more_are_a_regression_whatever_the_others_show():
    found = compare(measured(), spoilt({1: "bad", 2: "bad", 3: "worse", 5: "bad", 8: "bad"}), THROUGHPUT, 0)
    change = of_epoll(found)
    assert (change.regressed, change.rounds) == (True, (8, 3))
    text = " ".join(shown(found, "a", "b", 120).split())
    assert "REGRESSION half gone cannot tell with 3 rounds: 6 are needed" in text
    assert "half gone: 5 of 8 runs of B are invalid (bad)." in text
    assert status(found) == Exit.gate


def test_half_of_the_rounds_are_not_enough_and_more_than_half_are():
    found = compare(measured(), spoilt(dict.fromkeys(range(1, 5), "bad")), THROUGHPUT, 0)
    assert of_epoll(found).lost == "half gone: 4 of 8 runs of B are invalid (bad)"
    assert status(found) == Exit.gate
    found = compare(measured(), spoilt(dict.fromkeys(range(1, 4), "bad")), THROUGHPUT, 0)
    assert not of_epoll(found).regressed and of_epoll(found).needed == 6


def test_fewer_rounds_that_were_asked_for_are_no_loss():
    found = compare(measured(rounds=20), measured(seed=2, rounds=6), THROUGHPUT, 0)
    assert not any(change.regressed or change.needed for change in found.changes)
    assert compare(measured(rounds=20), measured(seed=2, rounds=3), THROUGHPUT, 0).changes[0].lost == ""


def test_who_was_invalid_before_is_not_lost_after():
    bad = spoilt(dict.fromkeys(range(1, 6), "bad"))
    assert not of_epoll(compare(bad, bad, THROUGHPUT, 0)).regressed


def test_a_contestant_that_is_absent_from_b_is_a_regression_and_one_that_a_lacks_is_a_note():
    everybody, fewer = measured(), only_those(["threads", "nginx"], measured(seed=2))
    gone = compare(everybody, fewer, THROUGHPUT, 0)
    assert of_epoll(gone).lost == "gone: B has no run of it"
    assert status(gone) == Exit.gate
    new = compare(fewer, everybody, THROUGHPUT, 0)
    assert new.only_in_b == ["bare-epoll plaintext -c16", "epoll plaintext -c16", "h2o plaintext -c16"]
    assert status(new) == Exit.ok
    sentence = "Only B has bare-epoll plaintext -c16, epoll plaintext -c16 and h2o plaintext -c16."
    assert sentence in " ".join(shown(new, "a", "b", 120).split())
    many = replace(new, only_in_b=[f"quartet-epoll --workers {count} plaintext -c16" for count in range(1, 9)])
    text = " ".join(shown(many, "a", "b", 120).split())
    assert (
        text.count("Only B has") == 1 and "--workers 6 plaintext -c16 and 2 others." in text and "workers 7" not in text
    )
    assert "Only B has" not in shown(replace(new, only_in_b=[]), "a", "b", 120)


def did_not_drain(number: int) -> Failure:
    return Failure("epoll", f"round {number}, plaintext, 16 connections, 1 server CPU: epoll", "it did not drain")


def test_a_server_that_failed_is_lost_with_the_reason():
    after = measured(seed=2)
    after.parts[0].results = [one for one in after.results if one.cell.contestant != "epoll" or one.step.round == 1]
    after.failures = [did_not_drain(2)]
    change = of_epoll(compare(measured(), after, THROUGHPUT, 0))
    assert change.lost == "half gone: 7 of 8 runs of B have no value (it did not drain)"


def test_an_interrupted_run_is_not_blamed_for_the_rounds_that_it_lacks():
    after = measured(seed=2, state="interrupted")
    after.parts[0].results = [one for one in after.results if one.step.round == 1]
    found = compare(measured(), after, THROUGHPUT, 0)
    assert not any(change.regressed for change in found.changes) and status(found) == Exit.invalid


@pytest.mark.parametrize("number", [1, 2])
def test_an_interrupted_run_does_not_hide_a_server_that_failed(number):
    after = measured(seed=2, state="interrupted")
    until = {"epoll": number, "nginx": 4}
    kept = [one for one in after.results if one.step.round < until.get(one.cell.contestant, 5)]
    after.parts[0].results, after.failures = kept, [did_not_drain(number)]
    found = compare(measured(), after, [], 0)
    gone, missing = ("gone", 8) if number == 1 else ("half gone", 7)
    assert of_epoll(found).lost == f"{gone}: {missing} of 8 runs of B have no value (it did not drain)"
    assert [one.cell for one in found.changes if one.regressed] == ["epoll plaintext -c16"]
    assert status(found) == Exit.gate


def test_a_failure_at_one_number_of_connections_says_nothing_of_the_others_in_an_interrupted_run():
    before, after = idle(3), idle(3)
    after.state, after.parts[0].results = "interrupted", after.parts[0].results[:1]
    after.failures = [Failure("epoll", "round 1, 100 idle connections: epoll", "it did not drain")]
    lost = {one.cell: one.lost for one in compare(before, after, [], 0).changes}
    assert lost == {
        "epoll idle -c0": "",
        "epoll idle -c100": "gone: 3 of 3 runs of B have no value (it did not drain)",
    }


def test_a_server_that_answers_errors_alone_is_lost():
    after = measured(seed=2)
    for trial in after.results:
        trial.client.good = 0 if trial.cell.contestant == "epoll" else trial.client.good
    found = compare(measured(), after, [], 0)
    assert of_epoll(found).lost == "gone: 8 of 8 runs of B have no value (goodput is 0)"
    assert status(found) == Exit.gate


def test_a_server_that_answers_nothing_any_more_is_lost():
    found = compare(measured(), measured(0.0), THROUGHPUT, 0)
    assert of_epoll(found).lost == "gone: 8 of 8 runs of B have no value (throughput is 0)"


def test_a_metric_that_was_measured_once_is_no_loss_where_both_have_it_once():
    once, counted = measured(), measured(seed=2)
    for run in (once, counted):
        for trial in run.results:
            trial.system_calls = 3.0 if trial.step.round == 1 else None
    assert not any(change.regressed for change in compare(once, counted, ["system calls"], 0).changes)


# --- a constant rate at which not everybody is answered


def paced(good: float = 1.0, errors: float = 0.0, slow: float = 1.0, rounds: int = 8) -> Run:
    """Of epoll's requests that share is answered well, and that share with an error; the others never."""
    chosen = samples.settings(samples.select(("epoll",), samples.EVERYBODY), rounds, rates=(1000.0,), closed=False)
    found = samples.trial_run(chosen, "latency")
    for trial in found.results:
        answers = {"good": int(1000 * good), "requests": int(1000 * (good + errors))}
        lost = 1000 - answers["requests"]
        times = quantiles({round(500_000 * slow): answers["good"]}, lost, 2.0)
        in_time = answers["requests"] - trial.step.round % 3
        figures = {**answers, "asked": 1000, "in_time": in_time, "censored": lost, "latency": times}
        trial.client = replace(trial.client, **figures, patience=2.0)
    return found


def test_where_many_are_never_answered_the_number_of_good_answers_is_compared():
    found = compare(paced(good=0.68), paced(good=0.07), [], 0)
    assert (of_epoll(found).metric, status(found)) == ("goodput", Exit.gate)
    text = " ".join(shown(found, "a", "b", 120).split())
    assert (
        "By goodput, since p99 is unknown where more than one request in a hundred is not answered well: epoll" in text
    )
    assert status(compare(paced(good=0.07), paced(good=0.68), [], 0)) == Exit.ok


@pytest.mark.parametrize("after", [{"good": 0.07}, {"good": 0.0, "errors": 1.0}, {"good": 0.1, "errors": 0.9}])
def test_a_server_that_answers_only_some_at_a_constant_rate_got_worse(after):
    """Those never answered, errors, and errors beside quick good answers."""
    found = compare(paced(), paced(**after), [], 0)
    assert (of_epoll(found).metric, status(found)) == ("goodput", Exit.gate)


def test_where_all_but_a_few_are_answered_well_p99_is_compared():
    found = compare(paced(), paced(slow=10), [], 0)
    assert (of_epoll(found).metric, status(found)) == ("latency p99", Exit.gate)
    assert not any("goodput" in one for one in found.warnings)


def test_a_quantile_that_was_asked_for_is_worse_when_it_is_at_least_as_bad():
    metric = ["latency p99"]
    worse = compare(paced(), paced(good=0.9), metric, 0)
    assert status(worse) == Exit.gate
    assert ">= 2,000" in shown(worse, "a", "b", 120)
    assert status(compare(paced(good=0.9), paced(), metric, 0)) == Exit.ok
    both = compare(paced(good=0.9), paced(good=0.9), metric, 0)
    assert words(of_epoll(both)) == ["cannot tell: latency p99 is only a lower bound in A"]
    assert status(both) == Exit.invalid
    none = of_epoll(compare(paced(), paced(good=0.0, errors=1.0), metric, 0))
    assert none.lost == "gone: 8 of 8 runs of B have no value (too few requests were answered well)"


# --- rate sweeps


def swept(*rates: float, bounds: int = 0, objective: Gate = Gate("p99", 5.0)) -> Run:
    """epoll's answers, round by round; the last so many are bounds."""
    chosen = sweeps.settings(objective, len(rates), contestants=samples.select(("epoll",), samples.EVERYBODY))
    steps = sorted(sweep_plan.steps(chosen), key=lambda step: step.round)
    found = [sweeps.highest(step, rate, step.round > len(rates) - bounds) for step, rate in zip(steps, rates)]
    return samples.run(Part("sweep", chosen, found), verb="latency")


HIGH = [100_000.0 + 100 * number for number in range(8)]
LOW = [10_000.0 + 10 * number for number in range(8)]


def test_an_objective_that_is_met_at_no_rate_any_more_is_a_regression():
    found = compare(swept(*HIGH), swept(*[0.0] * 8), [], 0)
    assert status(found) == Exit.gate
    assert of_epoll(found).after == pytest.approx(220 / APART)
    assert status(compare(swept(*[0.0] * 8), swept(*HIGH), [], 0)) == Exit.ok


@pytest.mark.parametrize(("before", "after", "expected"), [(HIGH, LOW, Exit.gate), (LOW, HIGH, Exit.ok)])
def test_highest_rates_are_compared(before, after, expected):
    assert status(compare(swept(*before), swept(*after), [], 0)) == expected


def test_less_than_a_bound_is_worse():
    found = compare(swept(*HIGH, bounds=8), swept(*LOW), [], 0)
    assert status(found) == Exit.gate
    assert of_epoll(found).at_least == (True, False)


@pytest.mark.parametrize("bounds", [0, 8])
def test_a_bound_is_not_worse_than_what_is_higher(bounds):
    found = compare(swept(*HIGH, bounds=bounds), swept(*LOW, bounds=8), [], 0)
    assert words(of_epoll(found)) == ["cannot tell: highest rate is only a lower bound in B"]
    assert status(found) == Exit.invalid


def test_a_bound_above_a_value_is_not_worse():
    found = compare(swept(*LOW), swept(*HIGH, bounds=8), [], 0)
    assert status(found) == Exit.ok
    assert ">= 100,350" in shown(found, "a", "b", 120)


def test_a_few_bounds_hide_no_collapse():
    assert status(compare(swept(*HIGH), swept(*LOW, bounds=1), [], 0)) == Exit.gate


def test_rates_of_other_objectives_are_other_cells():
    with pytest.raises(ValueError, match="no cell and metric in common"):
        compare(swept(*HIGH), swept(*HIGH, objective=Gate("p99", 50.0)), [], 0)
    assert of_epoll(compare(swept(*HIGH), swept(*HIGH), [], 0)).cell == "epoll plaintext -c16 p99 < 5 ms"
    assert {row["objective"] for row in rows(swept(*HIGH))} == {"p99 < 5 ms"}


# --- figures that are none


def rows(run: Run) -> list[dict[str, str]]:
    """Of cells.csv."""
    return list(csv.DictReader(io.StringIO(metrics.csv_text(run))))


def test_cells_csv_has_no_bound_and_no_quantile_of_too_few_requests():
    assert {row["metric"] for row in rows(measured())} >= {"latency p99", "latency p999"}
    lossy = {row["metric"] for row in rows(paced(good=0.95))}
    assert "latency p90" in lossy and not lossy & {"latency p99", "latency p999", "latency max", "latency mean"}
    assert "latency p999" not in {row["metric"] for row in rows(tour(1)) if row["rate"]}


def idle(rounds: int) -> Run:
    chosen = IdleSettings(
        samples.select(("epoll",), samples.MODELS), CpuSets((1,), (0,)), levels=(0, 100), rounds=rounds
    )
    found = [
        IdleResult(
            step=step,
            server_command="s",
            client=IdleObservation("", step.connections, None),
            memory=samples.memory(1, 4),
            machine=None,
            machine_left=None,
        )
        for step in idle_steps(chosen)
    ]
    found.sort(key=lambda one: (one.step.round, one.step.connections))
    return samples.run(Part("idle", chosen, found), verb="memory")


def test_three_rounds_of_memory_are_too_few_and_it_says_how_many_are_needed():
    found = compare(idle(3), idle(3), [], 0)
    text = " ".join(shown(found, "a", "b", 120).split())
    assert "2 comparisons could not be judged: 6 rounds of each are needed." in text
    assert status(found) == Exit.invalid
    assert status(compare(idle(6), idle(6), [], 0)) == Exit.ok


def test_a_walk_has_nothing_to_compare_and_it_says_so():
    chosen = WalkSettings(samples.select(("epoll",), samples.MODELS), CpuSets((1,), (0,)))
    walked = samples.run(Part("walk", chosen, []), verb="walk")
    with pytest.raises(ValueError, match="walk has no figures that could be compared"):
        compare(walked, walked, [], 0)


# --- the program


@pytest.fixture
def compared(tmp_path, capsys):
    """A function that saves two runs and compares them from the command line: exit status and output."""

    def run(a: Run, b: Run, *options: str) -> tuple[int, str]:
        for name, found in (("a", a), ("b", b)):
            (tmp_path / name).mkdir()
            folder.save(found, tmp_path / name)
        command = ["compare", str(tmp_path / "a"), str(tmp_path / "b"), *options]
        ended = commands.typer.main.get_group(commands.app).main(command, standalone_mode=False)
        return ended, capsys.readouterr().out

    return run


def test_the_program_exits_with_3_on_a_collapse_of_the_main_job(compared):
    ended, text = compared(tour(6), tour(6, 0.1))
    assert (ended, text.count("REGRESSION -90"), text.count("REGRESSION +9")) == (3, 5, 5)


def test_the_program_exits_with_4_when_it_cannot_tell_and_json_says_the_same(compared):
    ended, text = compared(tour(3), tour(3, 0.1), "--json")
    found = json.loads(text)
    assert ended == found["status"] == 4
    change = next(one for one in found["changes"] if one["cell"] == "epoll plaintext -c16")
    assert change["words"] == "x 0.10, all rounds of B below all of A; cannot tell with 3 rounds: 6 are needed"
    assert (change["needed"], change["apart"]) == (6, "below")


def test_another_machine_is_said_to_be_another():
    other = measured(seed=2)
    other.environment = replace(other.environment, kernel="6.9")
    assert (
        "ANOTHER MACHINE: kernel 6.1 and 6.9; no change can be told from that."
        in compare(measured(), other, THROUGHPUT, 0).warnings
    )


def test_an_unfinished_run_is_said_to_be():
    found = compare(measured(), measured(seed=2, state="interrupted"), THROUGHPUT, 0)
    assert "One of them is interrupted." in found.warnings


def test_a_container_is_never_compared_with_a_native_run():
    docker = measured()
    docker.environment = replace(docker.environment, runner="docker")
    with pytest.raises(ValueError, match="container is never compared with a native one"):
        compare(measured(), docker, THROUGHPUT, 0)


def test_a_verb_compares_with_another_one_where_both_have_the_same_loads():
    found = compare(measured(), measured(0.8, seed=2, verb="latency"), THROUGHPUT, 0)
    assert next(one for one in found.changes if one.cell == "epoll plaintext -c16").regressed


def test_an_unknown_metric_is_an_error_that_names_the_known():
    with pytest.raises(ValueError, match="there is no metric 'speed'; there are throughput, goodput, cpu"):
        compare(measured(), measured(), ["speed"], 0)


def test_nothing_in_common_is_an_error():
    with pytest.raises(ValueError, match="no cell and metric in common"):
        compare(measured(), measured(), ["service p99"], 0)


def test_a_quantile_that_takes_more_requests_is_said_to_be_unknown():
    with pytest.raises(ValueError, match="in common: latency p999 could not be told in A"):
        compare(paced(), paced(), ["latency p999"], 0)


def test_cells_of_other_loads_are_other_cells():
    paced = samples.trial_run(samples.settings(rates=(1000.0,), keep_alive=False))
    found = compare(paced, paced, THROUGHPUT, 0)
    names = {change.cell for change in found.changes if change.cell.startswith("epoll ")}
    assert names == {"epoll plaintext -c16 fresh", "epoll plaintext -c16 fresh 1000/s"}


def test_who_asked_and_when_are_part_of_a_cell():
    by_pace = samples.trial_run(samples.settings(rates=(1000.0,), client=samples.trials.PACE, arrivals="even"))
    names = {change.cell for change in compare(by_pace, by_pace, [], 0).changes if change.cell.startswith("epoll ")}
    assert names == {"epoll plaintext -c16 by quartet-pace", "epoll plaintext -c16 1000/s even"}


def test_json_has_every_change_and_warning():
    found = compare(measured(), measured(0.9, seed=2), THROUGHPUT, 0)
    document = json.loads(to_json(found))
    assert [one["regressed"] for one in document["changes"]] == [one.regressed for one in found.changes]
    assert document["warnings"] == found.warnings


@pytest.mark.parametrize("width", [100, 120])
@pytest.mark.parametrize("rounds", [3, 8])
def test_the_table_of_changes_is_never_cut(width, rounds):
    after = spoilt({1: "bad", 2: "bad", 3: "bad", 4: "bad", 5: "bad"}, factor=0.2, rounds=rounds)
    found = compare(measured(rounds=rounds), after, ["throughput", "cpu", "voluntary switches"], 0)
    text = shown(found, "results/a", "results/b", width)
    assert "…" not in text and "epoll plaintext" in text
    assert max(map(len, text.splitlines())) <= width


def test_the_names_of_the_rows_are_seen_beside_the_longest_sentences():
    text = shown(compare(tour(3), tour(3, 0.1), [], 0), "a", "b", 100)
    assert all(name in text for name in ("prefork cpu", "goodput, requests/s", "latency p99, ms", "6 are needed"))


def test_what_the_instrument_could_not_tell_is_nobodys_loss():
    """A client that was late by more than a tenth of every latency."""
    before, after = (samples.trial_run(samples.settings(rounds=10, rates=(1000.0,), closed=False)) for _ in range(2))
    for trial in after.results:
        trial.client.lateness = {round(trial.client.latency.max * 1000): 1000}
    found = compare(before, after, [], 0.0)
    assert not any(one.regressed for one in found.changes)
    assert status(found) == Exit.invalid
    assert words(found.changes[0]) == ["cannot tell: latency p99 could not be told in B"]


def test_what_the_instrument_could_not_tell_before_is_said_to_be_unknown():
    before, after = paced(), paced(slow=10)
    for trial in before.results:
        trial.client.lateness = {round(trial.client.latency.max * 1000): 1000}
    found = compare(before, after, [], 0)
    assert (words(of_epoll(found)), found.only_in_b) == (["cannot tell: latency p99 could not be told in A"], [])
    assert status(found) == Exit.invalid
    assert "could not be told in A" in " ".join(shown(found, "a", "b", 100).split())


def late(found: Run) -> Run:
    """Its clients, by more than a tenth of every latency."""
    for trial in found.results:
        trial.client.lateness = {round(trial.client.latency.max * 1000): 1000}
    return found


def test_where_neither_run_could_tell_the_quantile_the_number_of_good_answers_is_compared():
    found = compare(late(paced()), late(paced()), [], 0)
    assert (of_epoll(found).metric, found.only_in_b, status(found)) == ("goodput", [], Exit.ok)
    text = " ".join(shown(found, "a", "b", 120).split())
    assert "By goodput, since p99 could not be told in either run: epoll plaintext -c16 1000/s." in text
    assert "Only B has" not in text and "not answered well" not in text


def test_what_has_no_valid_figure_in_a_is_not_said_to_be_in_b_only():
    before = measured()
    for trial in before.results:
        if trial.cell.contestant == "epoll":
            trial.problems = ["bad"]
    found = compare(before, measured(seed=2), THROUGHPUT, 0)
    assert found.only_in_b == []
    assert "Not compared, since A has no valid figure of it: epoll plaintext -c16." in found.warnings


def test_what_an_interrupted_run_has_not_reached_is_not_gone():
    before = samples.trial_run(samples.settings(rounds=10))
    after = samples.trial_run(samples.settings(rounds=10), state="interrupted")
    after.parts[0].results = [one for one in after.results if one.step.contestant != "epoll"]
    assert status(compare(before, after, [], 0.0)) == Exit.ok
    after.state = "complete"
    assert status(compare(before, after, [], 0.0)) == Exit.gate
