"""What the main job measures, and in which order."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import samples

from loadtest.engine.measurement import MEASUREMENTS, Step
from loadtest.engine.run import Part
from loadtest.engine.runner import REPEATS, remaining
from loadtest.places.launch import ServerPlan
from loadtest.statistics.differences import rounds_needed
from loadtest.verbs.tour import plan


def full(**changes: Any) -> list[Part]:
    return plan.parts(replace(samples.TOUR, **changes))


def steps(part: Part) -> list[Step]:
    return list(MEASUREMENTS[part.measurement].steps(part.settings))


def servers(part: Part) -> list[ServerPlan]:
    return [MEASUREMENTS[part.measurement].server(part.settings, step) for step in steps(part)]


def test_everybody_is_measured_in_every_round():
    names = {number: [step.contestant for step in steps(full()[0]) if step.round == number] for number in (1, 2, 3)}
    assert all(sorted(row) == sorted(one.name for one in plan.CONTESTANTS) for row in names.values())


def test_only_fork_per_request_carries_ballast_and_for_plaintext_only():
    loads = full()[:4]
    assert [{server.contestant.ballast for server in servers(part)} for part in loads] == [{0}, {0}, {0}, {0, 64, 512}]
    assert {step.cell.workload for step in steps(loads[3])} == {"plaintext"}
    without = plan.parts(replace(samples.TOUR, contestants=samples.TOUR.contestants[2:]))
    assert [part.measurement for part in without].count("load") == 3


def test_what_has_a_ballast_is_measured_beside_the_same_server_without():
    names = [{step.cell.contestant for step in steps(part)} for part in full()[:4]]
    assert names[3] == {f"fork-per-request +{mib} MiB" for mib in (0, 64, 512)}
    assert names[1].isdisjoint(names[3]), "their rounds would count as those of the main load"


@pytest.mark.parametrize(("asked", "seldom"), [(9, 3), (18, 6), (5, 2), (1, 1)])
def test_five_models_are_told_apart_in_every_round_and_what_differs_little_or_by_multiples_in_one_of_three(
    asked, seldom
):
    rounds = [{step.round for step in steps(part)} for part in full(rounds=asked)[:4]]
    assert [len(numbers) for numbers in rounds] == [asked, asked, seldom, seldom]
    workloads = [{step.cell.workload for step in steps(part)} for part in full(rounds=asked)[:4]]
    assert workloads == [{"plaintext"}, {"plaintext"}, {"cpu"}, {"plaintext"}]


def test_rounds_tell_all_models_apart():
    for models, rounds in ((plan.CONTESTANTS, plan.ROUNDS), (plan.EVERY_MODEL, plan.ROUNDS_OF_ALL)):
        assert rounds == rounds_needed(math.comb(len(models), 2))


def test_everybody_is_asked_for_the_same_rate_first():
    first, *others = full()
    assert {step.cell.rate for step in steps(first)} == {plan.EQUAL_RATE}
    assert {step.cell.rate for part in others[:3] for step in steps(part)} == {None}


def test_what_is_measured_once_follows_the_first_round():
    order = [part.measurement for part, step in remaining(samples.run(*full(rounds=3)))]
    assert order[0] == order[-1] == "load"
    assert order.index("crash") < len(order) - 2 * 12
    assert list(dict.fromkeys(order)) == ["load", "plateaus", "crowd", "crash"]


def test_every_contestant_suffers_each_fault_and_where_it_has_no_parent_a_crash_under_one_too():
    crashed = [(server.contestant.name, "--supervise" in server.contestant.arguments) for server in servers(full()[-1])]
    alone = sorted(name for name, supervised in crashed if not supervised)
    assert alone == sorted(3 * [one.name for one in plan.CONTESTANTS])
    supervised = ["threads +parent", "coroutines +parent", "epoll +parent"]
    assert [name for name, is_supervised in crashed if is_supervised] == supervised


def test_pools_have_a_worker_for_each_connection_and_for_newcomers_and_statistics():
    assert {server.workers for part in full(connections=(40,)) for server in servers(part)} == {42}


def test_faults_are_enabled_for_the_crash_only():
    for part in full():
        assert {"--enable-faults" in server.more for server in servers(part)} == {part.measurement == "crash"}


def test_the_crowd_is_larger_than_a_pool():
    crowd = full()[5].settings
    assert crowd.clients > crowd.workers == 18


def total(parts: list[Part]) -> float:
    return sum(MEASUREMENTS[part.measurement].seconds(part.settings, step) for part in parts for step in steps(part))


def test_the_main_job_takes_less_than_four_minutes_with_its_repeats_and_the_smoke_run_well_under_one():
    assert total(full()) * (1 + REPEATS) < 230
    assert total(plan.smoke(full(rounds=1))) < 50


def test_the_smoke_run_has_every_kind_of_step():
    short, long = plan.smoke(full(rounds=1)), full(rounds=1)
    assert [steps(part) for part in short[:-1]] == [steps(part) for part in long[:-1]]
    assert steps(short[-1]) == [step for step in steps(long[-1]) if step.fault == plan.FAULTS[0]]
    crowd, crash = (part.settings for part in short[-2:])
    assert crowd.rate == long[-2].settings.rate
    assert crash.fault_at < crash.end <= 1 and crash.sessions > 0
