from dataclasses import replace

import samples

from loadtest.verbs.tour import plan
from loadtest.verbs.tour.plan import CrashStep, CrowdStep, LoadStep, Plan, server_arguments, steps


def full(**changes) -> Plan:
    return replace(samples.PLAN, **changes)


def loads(chosen: Plan, cell: str) -> list[LoadStep]:
    return [step for step in steps(chosen) if isinstance(step, LoadStep) and step.cell.name == cell]


def test_contestants_are_interleaved():
    names = [step.contestant.name for step in loads(full(rounds=3), "cpu")]
    assert names == [contestant.name for contestant in plan.CONTESTANTS] * 3


def test_only_fork_per_request_carries_ballast():
    ballasted = {(step.contestant.executable, step.contestant.ballast) for step in loads(full(), "plaintext")}
    assert {ballast for name, ballast in ballasted if name == "quartet-fork"} == {0, 64, 512}
    assert {ballast for name, ballast in ballasted if name != "quartet-fork"} == {0}


def test_a_cell_may_be_measured_in_every_second_round_only():
    assert [step.round for step in loads(full(rounds=5), "sleep")][:: len(plan.CONTESTANTS)] == [1, 3, 5]


def test_what_is_measured_once_follows_the_first_round():
    kinds = [type(step) for step in steps(full(rounds=2))]
    assert kinds.index(CrashStep) < max(i for i, kind in enumerate(kinds) if kind is LoadStep)
    assert kinds[0] is LoadStep


def test_every_contestant_crashes_once():
    crashed = [step.contestant for step in steps(full()) if isinstance(step, CrashStep)]
    assert tuple(crashed[: len(plan.CONTESTANTS)]) == samples.PLAN.contestants


def test_servers_without_a_parent_crash_under_a_supervisor_too():
    commands = [server_arguments(full(), step) for step in steps(full()) if isinstance(step, CrashStep)]
    supervised = [command[0] for command in commands if "--supervise" in command]
    assert supervised == ["quartet-threads", "quartet-coroutines", "quartet-epoll"]


def test_pools_have_a_worker_for_each_connection_and_for_newcomers_and_statistics():
    by_name = {step.contestant.name: server_arguments(full(connections=40), step) for step in loads(full(), "cpu")}
    assert "--workers 42" in " ".join(by_name["threads"])
    assert "--workers 42" in " ".join(by_name["prefork"])
    assert not any("--workers" in by_name[name] for name in ("fork-per-request", "coroutines", "epoll"))


def test_faults_are_enabled_for_the_crash_only():
    for step in steps(full()):
        assert ("--enable-faults" in server_arguments(full(), step)) == isinstance(step, CrashStep)


def test_pools_meet_the_crowd_without_and_with_rotation_the_others_once():
    crowds = [(step.contestant.name, step.rotation) for step in steps(full()) if isinstance(step, CrowdStep)]
    assert [rotation for name, rotation in crowds if name == "threads"] == [None, 5]
    assert [rotation for name, rotation in crowds if name == "epoll"] == [None]


def test_the_crowd_is_larger_than_a_pool():
    assert full().crowd.clients > full().workers


def test_the_main_job_takes_about_two_minutes_and_the_smoke_run_well_under_one():
    def total(chosen: Plan) -> float:
        return sum(plan.seconds(chosen, step) for step in steps(chosen))

    assert total(full()) < 140
    assert total(plan.smoke(full())) < 40


def test_the_smoke_run_has_every_kind_of_step():
    assert {type(step) for step in steps(plan.smoke(full()))} == {type(step) for step in steps(full())}
