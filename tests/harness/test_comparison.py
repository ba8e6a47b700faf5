from __future__ import annotations

import json
from dataclasses import replace
from random import Random

import pytest
import samples

from loadtest.document import terminal
from loadtest.engine.run import Run
from loadtest.verbs.compare.comparison import Comparison, compare, document, to_json

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


def test_few_rounds_are_indicative_and_no_regression():
    found = compare(measured(rounds=3), measured(0.5, seed=2, rounds=3), THROUGHPUT, 0)
    assert not any(change.regressed for change in found.changes)
    assert any(one.startswith("Some changes cannot show:") for one in found.warnings)
    assert "indicative: 3 of 6 rounds" in shown(found, "a", "b", 160)


def test_invalid_trials_are_not_compared():
    after = measured(seed=2)
    for trial in after.results:
        if trial.cell.contestant == "epoll":
            trial.problems = ["bad"]
    found = compare(measured(), after, THROUGHPUT, 0)
    assert "epoll plaintext -c16" not in [change.cell for change in found.changes]
    assert found.missing == ["epoll plaintext -c16"]
    assert "Only one of them has epoll plaintext -c16." in shown(found, "a", "b", 120)


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


def test_json_has_every_change_and_warning():
    found = compare(measured(), measured(0.9, seed=2), THROUGHPUT, 0)
    document = json.loads(to_json(found))
    assert [one["regressed"] for one in document["changes"]] == [one.regressed for one in found.changes]
    assert document["warnings"] == found.warnings


@pytest.mark.parametrize("width", [100, 120])
def test_the_table_of_changes_is_never_cut(width):
    found = compare(measured(), measured(0.9, seed=2), ["throughput", "cpu", "voluntary switches"], 0)
    text = shown(found, "results/a", "results/b", width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
