from __future__ import annotations

import json
from dataclasses import replace
from random import Random

import pytest
import samples

from loadtest.cli import commands
from loadtest.document import terminal
from loadtest.engine import folder
from loadtest.engine.run import Exit, Failure, Run
from loadtest.verbs.compare.comparison import Comparison, compare, document, status, to_json, words
from loadtest.verbs.load.results import Trial

THROUGHPUT = ["throughput"]


def shown(found: Comparison, before: str, after: str, width: int) -> str:
    return terminal.render(document(found, before, after), width)


def measured(factor: float = 1.0, seed: int = 1, rounds: int = 8, **changes) -> Run:
    """Rounds that scatter by some 2 %; `factor` on what epoll answers."""
    found, random = samples.trial_run(samples.settings(rounds=rounds), **changes), Random(seed)
    for trial in found.results:
        faster = factor if trial.cell.contestant == "epoll" else 1
        requests = samples.TRIED_RATES[trial.cell.contestant] * faster * random.uniform(0.99, 1.01)
        trial.client = replace(trial.client, requests=int(requests))
    return found


def of_epoll(found: Comparison):
    return next(change for change in found.changes if change.cell.startswith("epoll "))


def test_a_change_has_its_interval_and_only_the_worse_is_a_regression():
    slower = compare(measured(), measured(0.9, seed=2), THROUGHPUT, 0)
    change = of_epoll(slower)
    assert change.regressed and change.ratio.interval.low < 0.9 < change.ratio.interval.high
    assert [one.cell for one in slower.changes if one.regressed] == ["epoll plaintext -c16"]
    assert not any(one.regressed for one in compare(measured(), measured(1.1, seed=2), THROUGHPUT, 0).changes)


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


def test_a_closed_loop_is_compared_by_throughput_and_a_constant_rate_by_its_p99():
    mixed = samples.trial_run(samples.settings(rates=(1000.0,)))
    found = {change.cell: change.metric for change in compare(mixed, mixed, [], 0).changes}
    assert found["epoll plaintext -c16"] == "throughput"
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
    metrics = ["throughput", "goodput", "cpu", "latency p50", "latency p99"]
    found = compare(measured(rounds=6), measured(0.1, seed=2, rounds=6), metrics, 0)
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
        requests, latency = trial.client.requests, trial.client.latency
        if trial.cell.rate is None:
            trial.client = replace(trial.client, requests=max(1, int(requests * factor)))
        else:
            trial.client = replace(trial.client, latency=replace(latency, p99=latency.p99 / factor))


@pytest.mark.parametrize("rounds", [6, 9])
def test_a_collapse_of_the_main_job_is_a_regression(rounds):
    found = compare(tour(rounds), tour(rounds, 0.1), [], 0)
    judged = [change for change in found.changes if not change.needed]
    assert len(judged) == 15 and all(change.regressed for change in judged)  # five models, three loads
    assert {(change.metric, change.apart) for change in found.changes} == {
        ("throughput", "below"),
        ("latency p99", "above"),
    }
    assert status(found) == Exit.gate


def test_a_collapse_of_three_rounds_cannot_be_told_and_is_not_ok():
    found = compare(tour(3), tour(3, 0.1), [], 0)
    assert not any(change.regressed for change in found.changes)
    assert status(found) == Exit.invalid


def test_the_main_job_against_itself_is_ok_though_some_of_it_has_few_rounds():
    found = compare(tour(9), tour(9), [], 0)
    assert {change.needed for change in found.changes if "MiB" in change.cell} == {6}
    assert status(found) == Exit.ok
    assert any(one.startswith("CANNOT TELL: 2 of 17 comparisons have too few rounds") for one in found.warnings)


def test_a_huge_change_of_what_has_few_rounds_is_not_ok_beside_others_that_are():
    after = tour(9)
    sparse = [one for one in after.results if "MiB" in one.step.contestant and hasattr(one, "client")]
    slower(sparse, 0.1)
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


def test_more_than_half_of_invalid_rounds_are_a_regression_whatever_the_others_show():
    found = compare(measured(), spoilt({1: "bad", 2: "bad", 3: "worse", 5: "bad", 8: "bad"}), THROUGHPUT, 0)
    change = of_epoll(found)
    assert (change.regressed, change.rounds) == (True, (8, 3))
    text = " ".join(shown(found, "a", "b", 120).split())
    assert "REGRESSION half gone cannot tell with 3 rounds: 6 are needed" in text
    assert "half gone: 5 of 8 runs of B are invalid (bad)." in text
    assert status(found) == Exit.gate


def test_half_of_the_rounds_are_enough():
    found = compare(measured(), spoilt(dict.fromkeys(range(1, 5), "bad")), THROUGHPUT, 0)
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
    assert "Only B has epoll plaintext -c16." in shown(new, "a", "b", 120)


def test_a_server_that_failed_is_lost_with_the_reason():
    after = measured(seed=2)
    after.parts[0].results = [one for one in after.results if one.cell.contestant != "epoll" or one.step.round == 1]
    after.failures = [Failure("epoll", "round 2", "it did not drain")]
    change = of_epoll(compare(measured(), after, THROUGHPUT, 0))
    assert change.lost == "half gone: 7 of 8 runs of B have no value (it did not drain)"


def test_an_interrupted_run_is_not_blamed_for_the_rounds_that_it_lacks():
    after = measured(seed=2, state="interrupted")
    after.parts[0].results = [one for one in after.results if one.step.round == 1]
    found = compare(measured(), after, THROUGHPUT, 0)
    assert not any(change.regressed for change in found.changes) and status(found) == Exit.invalid


def test_a_server_that_answers_nothing_any_more_is_lost():
    found = compare(measured(), measured(0.0), THROUGHPUT, 0)
    assert of_epoll(found).lost == "gone: 8 of 8 runs of B have no value (throughput is 0)"


def test_a_metric_that_was_measured_once_is_no_loss_where_both_have_it_once():
    once, counted = measured(), measured(seed=2)
    for run in (once, counted):
        for trial in run.results:
            trial.system_calls = 3.0 if trial.step.round == 1 else None
    assert not any(change.regressed for change in compare(once, counted, ["system calls"], 0).changes)


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
    assert (ended, text.count("REGRESSION -90"), text.count("REGRESSION +9")) == (3, 10, 5)


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
    assert all(name in text for name in ("prefork cpu", "throughput, requests/s", "latency p99, ms", "6 are needed"))


def test_what_the_instrument_could_not_tell_is_nobodys_loss():
    """A client that was late by more than a tenth of every latency."""
    before, after = (samples.trial_run(samples.settings(rounds=10, rates=(1000.0,), closed=False)) for _ in range(2))
    for trial in after.results:
        trial.client.lateness = {round(trial.client.latency.max * 1000): 1000}
    found = compare(before, after, [], 0.0)
    assert not any(one.regressed for one in found.changes)
    assert status(found) == Exit.invalid
    assert words(found.changes[0]) == ["cannot tell: latency p99 could not be told in B"]


def test_what_an_interrupted_run_has_not_reached_is_not_gone():
    before = samples.trial_run(samples.settings(rounds=10))
    after = samples.trial_run(samples.settings(rounds=10), state="interrupted")
    after.parts[0].results = [one for one in after.results if one.step.contestant != "epoll"]
    assert status(compare(before, after, [], 0.0)) == Exit.ok
    after.state = "complete"
    assert status(compare(before, after, [], 0.0)) == Exit.gate
