from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
import samples

from loadtest.contestants.contestants import WORKLOADS, select
from loadtest.document import terminal
from loadtest.engine import report
from loadtest.engine.run import Exit, Failure, Part, Run
from loadtest.statistics.differences import CONDEMNED, Ratio, false_alarms, paired, verdict
from loadtest.statistics.stats import Interval
from loadtest.system.cpus import CpuSets
from loadtest.verbs.load import verb
from loadtest.verbs.load.plan import Settings


def settings(names: str = "epoll", tries: int = 20, connections: tuple[int, ...] = (16,)) -> Settings:
    chosen = select(names.split(","), samples.EVERYBODY)
    once = Settings(chosen, WORKLOADS[:1], {1: CpuSets((1,), (0,))}, connections=connections, rounds=6, duration=1)
    return verb.against_itself(once, tries)


def measured(advantage: float = 1.0, **changes) -> Run:
    """Twins that scatter by some percent from round to round; `advantage` of the first over the second."""
    chosen, random = settings(), Random(3)
    found = samples.run(Part("load", chosen), verb="aa", **changes)
    for number in range(1, chosen.rounds + 1):
        for twin, factor in zip(chosen.contestants, (advantage, 1.0)):
            cell = samples.trials.Cell(twin.name, "plaintext", 16)
            requests = int(50_000 * factor * random.uniform(0.95, 1.05))
            found.parts[0].results.append(samples.trial(cell, number, requests))
    return found


def test_one_contestant_stands_twice():
    chosen = settings()
    assert [(one.name, one.executable, one.model) for one in chosen.contestants] == [
        ("epoll A", "quartet-epoll", "epoll"),
        ("epoll B", "quartet-epoll", "epoll"),
    ]
    assert chosen.rounds == 120


@pytest.mark.parametrize("arguments", [{"names": "epoll,threads"}, {"connections": (1, 16)}])
def test_more_than_one_thing_is_refused(arguments):
    with pytest.raises(
        ValueError, match="aa takes one contestant, one workload, one number of connections and one of CPUs"
    ):
        settings(**arguments)


def test_tries_are_the_rounds_in_sixes():
    found = list(verb.tries(measured().parts[0], "throughput"))
    assert len(found) == 20
    assert {ratio.rounds for ratio in found} == {6}


def test_equals_pass_and_the_report_says_so():
    found = measured()
    assert verb.aa_status(found) == Exit.ok
    assert "of 20 tries of the same against itself showed a difference" in " ".join(
        terminal.render(report.document(found), 100).split()
    )


def test_an_instrument_that_sees_differences_fails_with_the_gates_status():
    found = measured(advantage=1.5)
    assert verb.aa_status(found) == Exit.gate
    assert "throughput: 20 of 20 tries" in terminal.render(report.document(found), 100)


def test_a_try_with_an_invalid_round_does_not_count_and_too_few_give_no_verdict():
    found = measured()
    found.results[5].problems = ["bad"]
    assert len(list(verb.tries(found.parts[0], "throughput"))) == 19
    assert verb.aa_status(found) == Exit.invalid
    text = " ".join(terminal.render(report.document(found), 100).split())
    assert "19 valid tries are too few for a verdict." in text
    assert "INVALID epoll B: plaintext, 16 connections, 1 server CPU, round 3: bad" in text


def test_a_failure_is_a_failure():
    found = measured(failures=[Failure("epoll A", "round 1", "it did not start")])
    assert verb.aa_status(found) == Exit.failed
    assert "left out after it): it did not start" in terminal.render(report.document(found), 100)


def test_an_interrupted_run_says_so_and_gives_what_it_has():
    found = replace(measured(), state="interrupted")
    del found.parts[0].results[5 * 12 + 3 :]
    assert len(list(verb.tries(found.parts[0], "cpu"))) == 5
    assert "--resume goes on." in terminal.render(report.document(found), 100)


@pytest.mark.parametrize("width", [100, 120])
def test_the_table_of_tries_is_never_cut(width):
    text = terminal.render(report.document(measured(advantage=1.5)), width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width


# --- how often it condemns: made-up tries, of which a share shows a difference

TRIES = 20


def condemned(share_of_alarms, tries=TRIES, runs=4000, rounds=6):
    """The share of runs that end with the gate's status, by the verdict itself."""
    random, limits = np.random.default_rng(1), {}
    for alarms in range(tries + 1):
        ratios = [replace(DIFFERENT, rounds=rounds)] * alarms + [replace(EQUAL, rounds=rounds)] * (tries - alarms)
        limits[alarms] = verdict(ratios)[0] is False
    return np.mean([limits[alarms] for alarms in random.binomial(tries, share_of_alarms, runs)])


EQUAL = Ratio(1.0, Interval(0.98, 1.02), 0.8, 6, 2 / 64)
DIFFERENT = Ratio(1.1, Interval(1.08, 1.12), 2 / 64, 6, 2 / 64)


@pytest.mark.parametrize("rounds", [6, 7, 8, 10, 15])
@pytest.mark.parametrize("tries", [20, 40])
def test_a_sound_instrument_is_condemned_in_at_most_two_percent_of_runs(tries, rounds):
    share = condemned(false_alarms(rounds), tries, rounds=rounds)
    assert share <= CONDEMNED + 3.1 * (CONDEMNED / 4000) ** 0.5


def test_a_faulty_instrument_is_condemned_nearly_always():
    """Three alarms in ten tries: nine of ten times in 20 tries, and nearly always in 40."""
    assert condemned(0.3) > 0.85
    assert condemned(0.3, tries=40) > 0.98
    assert condemned(0.5) > 0.99


def test_equals_of_a_noisy_machine_are_condemned_in_at_most_two_percent_of_runs():
    """From made-up rounds, through all of the arithmetic."""
    random, runs = np.random.default_rng(2), 200
    ended = []
    for _ in range(runs):
        noise = np.exp(0.05 * random.standard_t(2, (2, TRIES, 6)))
        ended.append(verdict([paired(dict(enumerate(a)), dict(enumerate(b))) for a, b in zip(*noise)])[0])
    assert ended.count(False) <= runs * (CONDEMNED + 3.1 * (CONDEMNED / runs) ** 0.5)
