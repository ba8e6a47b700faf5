from __future__ import annotations

from dataclasses import replace

import pytest
import samples

from loadtest.engine.run import Exit, Failure, Run
from loadtest.verbs.load import presets, verb
from loadtest.verbs.load.plan import Gate
from loadtest.verbs.load.report import missed_gates
from loadtest.verbs.load.results import Series


@pytest.mark.parametrize(
    ("text", "gate"),
    [
        ("p99=5ms", Gate("p99", 5.0)),
        ("p99.9=0.1s", Gate("p999", 100.0)),
        ("max=1s", Gate("max", 1000.0)),
        ("mean=250us", Gate("mean", 0.25)),
    ],
)
def test_a_gate_is_a_quantile_and_a_time(text, gate):
    assert presets.gate(text) == gate


@pytest.mark.parametrize("text", ["", "p99", "p99=5", "p95=5ms", "p99=-5ms", "p99=5ms ", "p99=fastms"])
def test_what_is_no_gate_is_refused_with_a_sentence(text):
    with pytest.raises(ValueError, match="^--slo .*expected a quantile and a time, such as p99=5ms"):
        presets.gate(text)


def measured(milliseconds: float) -> Run:
    """epoll's p99 is 0.6 ms in the first round, and a little less in the others."""
    chosen = samples.settings(rates=(1000.0,), closed=False, gates=(Gate("p99", milliseconds),))
    return samples.trial_run(chosen, verb="latency")


def missed(found: Run) -> list[str]:
    return missed_gates(Series.of(found.parts[0]))


def test_a_gate_is_met_below_its_time_and_missed_at_it():
    first = Series.of(measured(0).parts[0])[0]
    p99 = first.shown_latency("p99")
    assert missed(measured(1000)) == []
    assert missed(measured(p99))[0].startswith(f"GATE {first.name}: ")
    assert not any(one.startswith(f"GATE {first.name}: ") for one in missed(measured(p99 + 1e-6)))


def test_a_missed_gate_says_what_and_by_how_much():
    cell = "h2o: plaintext, 16 connections, 1,000 requests/s (Poisson), 1 server CPU"
    assert missed(measured(1.0)) == [f"GATE {cell}: p99 < 1 ms is not met, it is 1.19 ms."]


def test_a_stall_in_two_of_eight_rounds_misses_the_gate():
    found = measured(2.0)
    assert missed(found) == []
    for trial in [trial for trial in found.results if trial.cell.contestant == "epoll"][:2]:
        trial.client.latencies = {500_000: 9_000, 600_000_000: 1_000}
    assert [sentence.partition(":")[0] for sentence in missed(found)] == ["GATE epoll"]


def test_a_client_that_was_late_is_no_reason_to_miss_what_was_met_all_the_same():
    found = measured(1000.0)
    for trial in found.results:
        trial.client.lateness = {int(trial.client.latency.p99 * 500): 1000}
    assert Series.of(found.parts[0])[0].shown_latency("p99") is None
    assert missed(found) == []
    found = measured(0.001)
    for trial in found.results:
        trial.client.lateness = {int(trial.client.latency.p99 * 500): 1000}
    assert "it has no valid figure: quartet-pace itself was " in missed(found)[0]


def test_a_quantile_among_those_who_were_never_answered_misses_the_gate():
    found = measured(3000.0)
    for trial in [trial for trial in found.results if trial.cell.contestant == "epoll"]:
        trial.client.latencies, trial.client.censored, trial.client.patience = {500_000: 900}, 100, 3.0
    assert missed(found)[0].endswith("p99 < 3000 ms is not met, it is > 3e+03 ms.")


@pytest.mark.parametrize(
    ("quantile", "bearable", "said"),
    [
        ("p50", 5000, "50 %"),
        ("p90", 1000, "10 %"),
        ("p99", 100, "1 %"),
        ("p999", 10, "0.1 %"),
        ("max", 0, ""),
        ("mean", 0, ""),
    ],
)
def test_a_gate_is_missed_when_more_got_no_good_answer_than_its_quantile_leaves_out(quantile, bearable, said):
    """Eight rounds of 1,250 requests: what was answered well was quick."""
    for lost, more in ((bearable, 0), (bearable + 1, 1)):
        found = measured(1000.0)
        found.parts[0].settings = replace(found.parts[0].settings, gates=(Gate(quantile, 1000.0),))
        for trial in (trial for trial in found.results if trial.cell.contestant == "epoll"):
            trial.client.latencies, trial.client.asked = {500_000: 1250}, 1250
            trial.client.errors = {"error status": bearable // 8}
            if trial.step.round == 1:
                trial.client.errors = {"error status": lost - 7 * (bearable // 8)}
        found_missed = [sentence for sentence in missed(found) if sentence.startswith("GATE epoll")]
        assert len(found_missed) == more
    [sentence] = found_missed
    beyond = f", more than {said}" if said else ""
    assert sentence.endswith(f"is not met, {bearable + 1:,} of 10,000 requests got no good answer{beyond}.")


def test_where_nothing_was_answered_well_the_gate_says_so():
    found = measured(5.0)
    for trial in (trial for trial in found.results if trial.cell.contestant == "epoll"):
        trial.client.latencies, trial.client.asked, trial.client.errors = {}, 250, {"error status": 250}
    assert missed(found)[0].endswith(
        "p99 < 5 ms is not met, 2,000 of 2,000 requests got no good answer, more than 1 %."
    )


def test_no_valid_figure_is_no_pass():
    found = measured(1000)
    for trial in found.results:
        trial.problems = ["bad"] if trial.cell.contestant == "epoll" else []
    assert len(missed(found)) == 1
    assert missed(found)[0].startswith("GATE epoll: ") and "it has no valid figure" in missed(found)[0]


def test_a_failure_says_more_than_a_missed_gate_and_that_more_than_an_invalid_cell():
    good, missed = measured(1000), measured(0.001)
    assert verb.status(good) == Exit.ok
    assert verb.status(missed) == Exit.gate == 3
    missed.failures = [Failure("threads", "round 1", "it did not start")]
    assert verb.status(missed) == Exit.failed
    ungated = samples.trial_run()
    for trial in ungated.results:
        trial.problems = ["bad"] if trial.cell.contestant == "epoll" else []
    assert verb.status(ungated) == Exit.invalid
