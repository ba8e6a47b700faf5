"""The verdict in words: which sentences follow from which figures."""

from __future__ import annotations

import re
from dataclasses import replace

import samples
from test_report_trials import constant_rate

from loadtest.clients.client_side import Newcomers
from loadtest.document import terminal
from loadtest.document.figures import listed, plural
from loadtest.engine import report
from loadtest.engine.measurement import VERBS
from loadtest.engine.run import Part, Run
from loadtest.statistics.differences import AT_DIFFERENT_TIMES
from loadtest.system.cpus import CpuSets, Disturbance
from loadtest.verbs.compare import comparison
from loadtest.verbs.load import plan
from loadtest.verbs.load.results import Series
from loadtest.verbs.load.verb import against_itself
from loadtest.verbs.load.words import short_names, who
from loadtest.verbs.walk.sequence import Call, Connection, Walk
from loadtest.verbs.walk.verb import WalkResult, WalkSettings, WalkStep


def words(found: Run) -> list[str]:
    return list(map(str, report.document(found).words))


def told(found: Run, beginning: str) -> str:
    """The one sentence that begins like that."""
    [sentence] = [one for one in words(found) if one.startswith(beginning)]
    return sentence


def in_part(found: Run, number: int, *names: str) -> list:
    return [one for one in found.parts[number].results if one.step.contestant in names]


def test_the_answer_ends_what_a_terminal_shows():
    shown = terminal.render(report.document(samples.tour()))
    assert 0 < shown.rindex("?\n") < shown.rindex("Measured in") < shown.index("The answer")


def test_nobody_has_anything_to_say_of_nothing():
    found = samples.tour(state="interrupted")
    for part in found.parts:
        part.results.clear()
    assert words(found) == ["Not all of it was measured."]


def test_a_list_is_read_aloud():
    assert [listed([]), listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]


# --- throughput


def test_the_first_and_the_last_are_named_with_their_ratio():
    sentence = told(samples.trial_run(samples.settings(rounds=10)), "Most requests a second")
    assert sentence == (
        "Most requests a second: bare-epoll (105,626). Last: h2o (42,250), 0.400 [0.400-0.400] times as much as "
        "bare-epoll."
    )


def test_who_shares_the_first_letter_is_told_together():
    found = samples.trial_run(samples.settings(rounds=10))
    for trial in found.results:
        if trial.cell.contestant == "epoll":
            twin = next(
                t for t in found.results if (t.cell.contestant, t.step.round) == ("bare-epoll", trial.step.round)
            )
            factor = 1.01 if trial.step.round % 2 else 0.99
            trial.client = replace(trial.client, requests=int(twin.client.requests * factor))
    assert "bare-epoll (105,626); epoll (105,621) could not be told from it. Last" in told(found, "Most requests")


def test_a_lower_bound_says_so_and_why():
    found = samples.trial_run(samples.settings(rounds=10))
    for trial in found.results:
        if trial.cell.contestant in ("bare-epoll", "epoll"):
            trial.client = replace(trial.client, cpu_seconds=0.95)
    assert "bare-epoll (>= 105,626); epoll (>= 84,500) could not be told from it. Last" in told(found, "Most requests")
    assert "epoll and bare-epoll could have answered more (>=): wrk was at its own limit." in words(found)


def test_too_few_rounds_tell_nobody_from_anybody():
    sentence = told(samples.trial_run(samples.settings(rounds=6)), "Most requests a second")
    assert sentence.startswith(
        "Most requests a second: nobody can be told from anybody; a table of 10 comparisons takes"
    )


def test_rounds_that_make_no_groups_still_tell_who_differs_from_the_reference():
    sentence = told(samples.trial_run(samples.settings(rounds=8)), "Most requests a second")
    assert sentence == (
        "Most requests a second: compared with threads alone, epoll, bare-epoll, nginx and h2o differ, most of all "
        "bare-epoll, 2.00 [2.00-2.00] times as much as threads."
    )


def test_a_lower_bound_differs_from_the_reference_only_where_it_is_above_it():
    found = samples.trial_run(samples.settings(rounds=8))
    for trial in found.results:
        if trial.cell.contestant in ("bare-epoll", "h2o"):
            trial.client = replace(trial.client, cpu_seconds=0.95)
    assert told(found, "Most requests a second").endswith(
        "epoll, bare-epoll and nginx differ, most of all bare-epoll, >= 2.00 [2.00-2.00] times as much as threads."
    )
    for trial in found.results:
        trial.client = replace(trial.client, cpu_seconds=0.95)
    assert "nobody can be told from anybody" in told(found, "Most requests a second")


def test_who_lost_requests_does_not_differ_from_the_reference_either():
    found = samples.trial_run(samples.settings(rounds=7))
    for trial in found.results:
        trial.clients_served = 3 if trial.cell.contestant == "threads" else 16
    assert "compared with epoll alone, bare-epoll, nginx and h2o differ" in told(found, "Most requests a second")


def test_at_a_constant_rate_too_the_planned_comparisons_tell():
    assert told(constant_rate(), "Least CPU time for a request") == (
        "Least CPU time for a request: compared with threads alone, epoll, nginx and h2o differ, most of all epoll, "
        "0.200 [0.200-0.200] times as much as threads."
    )


def test_one_alone_is_told_by_its_figure_and_interval():
    one = samples.select(("epoll",), samples.EVERYBODY)
    assert words(samples.trial_run(samples.settings(one))) == [
        "epoll: 83,664 [80,800-86,628] requests a second; there is nobody to compare it with."
    ]
    bound = samples.trial_run(samples.settings(one, rounds=3))
    for trial in bound.results:
        trial.client = replace(trial.client, cpu_seconds=0.95)
    assert words(bound) == [
        "epoll: >= 81,608 (indicative) requests a second; there is nobody to compare it with.",
        "epoll could have answered more (>=): wrk was at its own limit.",
    ]


def test_one_alone_at_a_constant_rate_is_told_by_its_cpu_time_and_latencies():
    found = samples.trial_run(
        samples.settings(samples.select(("epoll",), samples.EVERYBODY), rates=(1000.0,), closed=False), verb="latency"
    )
    for trial in found.results:
        trial.client = replace(trial.client, requests=990, asked=990, in_time=990)
        trial.client.latencies = {500_000: 980, 2_000_000: 20}
    assert words(found) == [
        "epoll: 990 [990-990] us of CPU time for a request at 1,000 requests a second; there is nobody to "
        "compare it with.",
        "epoll answered half of the requests within 0.500 ms, and 99 % within 2.00 ms.",
    ]


def test_the_only_one_of_several_with_a_figure_is_not_told_as_if_it_stood_alone():
    found = constant_rate()
    for trial in found.results:
        if trial.cell.contestant != "h2o":
            trial.client.lateness = {int(trial.client.latency.p50 * 1000): 1000}
    assert not [one for one in words(found) if "99 %" in one]


def test_models_stand_beside_the_best_of_their_peers():
    found = samples.trial_run(samples.settings(rounds=10))
    for trial in found.parts[0].results:
        trial.client.cpu_seconds = 0.5  # nobody is a lower bound
    sentence = told(found, "Requests a second, beside the best peer of its kind: ")
    assert re.search(r"peer of its kind: epoll 1\.2\d \[[\d.]+-[\d.]+\] x nginx\.$", sentence)
    assert not any("peer" in one for one in words(samples.tour())), "where there is none"


def test_disturbed_rounds_are_told_below_the_tables_and_not_in_the_answer():
    found = samples.trial_run(samples.settings(rounds=10))
    for trial in found.results:
        trial.disturbance = Disturbance(0, 0.25, 0)
    assert not [one for one in words(found) if "disturbed" in one]
    assert [one for one in report.document(found).closing if one.startswith("With care: other load disturbed 50 of 50")]


def test_newcomers_who_were_left_waiting_and_clients_without_a_worker_are_told():
    found = samples.trial_run(samples.settings(rounds=10))
    for trial in found.results:
        if trial.cell.contestant == "nginx":
            trial.clients_served, trial.newcomers = 3, Newcomers({"ok": 1, "timed out": 4}, None)
    assert "Not every newcomer was served within his patience: nginx (10 of 50)." in words(found)
    assert "nginx: only 3 of 16 clients were being served." in words(found)


def test_several_loads_are_told_each_by_its_name():
    found = samples.trial_run(samples.settings(rounds=10, connections=(16, 64)))
    sentences = words(found)
    assert [one.partition(":")[0] for one in sentences] == ["16 connections", "64 connections"], "each once"
    assert all(": Most requests a second: " in one and "beside the best peer" in one for one in sentences)


def test_of_many_loads_only_the_first_sentence_of_each_is_told():
    found = words(samples.trial_run(samples.settings(rounds=10, connections=(1, 2, 4, 8, 16))))
    assert [one.partition(":")[0] for one in found[:-1]] == [plural(n, "connection") for n in (1, 2, 4, 8)]
    assert not [one for one in found if "beside the best peer" in one]
    assert found[-1] == "Of 1 more load see the tables."


def test_a_load_is_called_by_what_it_does_not_share_with_the_others():
    assert short_names(["json, 1 connection", "json, 2 connections"]) == ["1 connection", "2 connections"]
    assert short_names(["json", "json, 4 requests at once"]) == ["json", "4 requests at once"]


def test_many_names_are_counted_or_told_by_who_is_missing():
    everybody = [replace(one, cell=replace(one.cell, contestant=f"s{n}")) for n, one in enumerate(twelve())]
    assert who(everybody, everybody) == "all of them"
    assert who(everybody[:2], everybody) == "s0 and s1"
    assert who(everybody[2:], everybody) == "all but s0 and s1"
    assert who(everybody[6:], everybody) == "6 of 12"


def twelve() -> list[Series]:
    return (Series.of(samples.part_of_trials(samples.settings())) * 3)[:12]


def test_each_sentence_leads_to_the_table_of_its_figures():
    found = samples.trial_run(samples.settings(rounds=10))
    for trial in found.results:
        if trial.cell.contestant == "nginx":
            trial.clients_served, trial.newcomers = 3, Newcomers({"ok": 1, "timed out": 4}, None)
    led = {str(one)[:12]: one.clauses[0].section for one in report.document(found).words}
    assert led["Most request"] == led["nginx: only "] == "throughput"
    assert (led["Not every ne"], led["Requests a s"]) == ("costs", "yardstick")


# --- a constant rate


def test_at_a_constant_rate_cpu_time_and_the_slowest_percent_are_told():
    assert told(constant_rate(), "99 % of the requests") == (
        "99 % of the requests were answered within 0.475 ms by bare-epoll, and within 1.19 ms by h2o."
    )
    ten = samples.trial_run(samples.settings(rounds=10, rates=(1000.0,), closed=False), verb="latency")
    for trial in ten.results:
        trial.server_cpu_seconds = (0.02 if trial.cell.contestant == "epoll" else 0.04) * (1 + trial.step.round / 1000)
        trial.client = replace(trial.client, requests=1000)
    assert told(ten, "Least CPU time for a request: epoll").endswith("] times as much as epoll.")


def test_latencies_that_hardly_differ_name_nobody():
    found = constant_rate()
    for trial in found.results:
        trial.client.latencies = {500_000: 1000}
    assert told(found, "99 %") == "99 % of the requests were answered within 0.500 to 0.500 ms by everybody."


def test_who_was_overloaded_is_not_named_the_cheapest():
    found = samples.trial_run(samples.settings(rounds=10, rates=(1000.0,), closed=False), verb="latency")
    for trial in found.results:
        cheap = trial.cell.contestant == "epoll"
        trial.server_cpu_seconds = (0.02 if cheap else 0.04) * (1 + trial.step.round / 1000)
        lost = {"in_time": 600, "censored": 400, "errors": {"never answered": 400}} if cheap else {}
        trial.client = replace(trial.client, requests=1000, asked=1000, **{"in_time": 1000, **lost})
    assert told(found, "Least CPU time") == (
        "Least CPU time for a request: threads (39.8 us); bare-epoll (39.8 us), nginx (39.8 us) and h2o (39.8 us) "
        "could not be told from it."
    )
    assert "Overloaded: epoll (600 of 1,000/s answered)." in words(found)
    assert ", epoll" not in VERBS["latency"].first(found) and ": epoll" not in VERBS["latency"].first(found)


def test_only_those_who_have_a_figure_are_everybody():
    found = constant_rate()
    for trial in found.results:
        trial.client.latencies = {500_000: 1000}
        trial.problems = ["the schedule was not kept"] if trial.cell.contestant in ("h2o", "nginx") else []
    assert told(found, "99 %").endswith(
        " ms by threads, epoll and bare-epoll; no figure of nginx and h2o: no round was valid."
    )


def test_who_has_no_latency_because_the_client_was_late_is_told_beside_the_best():
    found = constant_rate()
    for trial in found.results:
        if trial.cell.contestant in ("bare-epoll", "epoll"):
            trial.client.lateness = {int(trial.client.latency.p50 * 1000): 1000}
    assert told(found, "99 %").endswith(" ms by h2o; no figure of epoll and bare-epoll: the client itself was late.")


def test_who_never_answered_is_not_called_quick():
    found = constant_rate()
    for trial in found.results:
        if trial.cell.contestant == "epoll":
            trial.client = replace(trial.client, in_time=970, latencies={400_000: 970}, censored=30, patience=2.0)
    assert told(found, "99 %").endswith("by bare-epoll, and within 1.19 ms by h2o.")
    assert "More than 1 % of the requests were not answered within 2,000 ms by epoll." in words(found)


def test_all_who_were_overloaded_stand_in_one_sentence():
    found = constant_rate()
    for trial in found.results:
        count = 500 if trial.cell.contestant == "epoll" else 600
        trial.client = replace(
            trial.client, in_time=count, latencies={400_000: count}, censored=1000 - count, patience=2
        )
    assert [one for one in words(found) if "answered" in one] == [
        "Overloaded: all of them (500 to 600 of 1,000/s answered)."
    ]


# --- faults


def broken(**changes) -> Run:
    return samples.run(samples.part_of_crashes(samples.crash_settings(supervised=("segv",), **changes)), verb="crash")


def test_faults_are_told_by_whom_they_take_down():
    assert told(broken(), "One request with the fault segv") == (
        "One request with the fault segv or stack-overflow ends the whole server in threads, coroutines and epoll; "
        "harms nobody else in fork-per-request and prefork; under a parent threads, coroutines and epoll are back "
        "after 0.05 s."
    )


def test_invalid_faults_tell_nothing():
    found = broken()
    for one in found.results:
        one.problems = ["the faulty request was never sent"]
    assert not [one for one in words(found) if "fault" in one]


# --- the other verbs


def test_the_instrument_against_itself_is_told_by_its_verdict():
    once = samples.settings(samples.select(("epoll",), samples.EVERYBODY), rounds=6)
    chosen = against_itself(once, 20)
    found = [samples.trial(step.cell, step.round, 1000 + step.round) for step in plan.steps(chosen)]
    told_by_all = words(samples.run(Part("load", chosen, found), verb="aa"))
    assert told_by_all[0].startswith("By throughput: 0 of 20 tries of the same against itself showed a difference")
    assert told_by_all[1].startswith("By cpu: 0 of 20")


def test_a_comparison_is_told_by_who_got_worse_and_that_the_machine_may_have_drifted():
    before = samples.trial_run(samples.settings(rounds=10))
    after = samples.trial_run(samples.settings(rounds=10))
    for trial in after.results:
        if trial.cell.contestant == "epoll":
            requests = trial.client.requests // 10
            trial.client = replace(trial.client, requests=requests, good=requests)
    shown = comparison.document(comparison.compare(before, after, [], 0.0), "A", "B")
    assert str(shown.words[0]) == "1 of 5 comparisons got worse: epoll plaintext -c16."
    assert str(shown.words[-1]) == AT_DIFFERENT_TIMES
    same = comparison.document(comparison.compare(before, before, [], 0.0), "A", "A")
    assert str(same.words[0]) == "0 of 5 comparisons got worse."


def test_a_walk_is_told_by_its_number_of_calls():
    calls = {"prefork": 2, "threads": 2, "epoll": 3}
    walks = [
        Walk(name, Connection.kept, [Call("worker", "recv", "", "1")] * count, 5, 5) for name, count in calls.items()
    ]
    results = [WalkResult(step=WalkStep(one.contestant), server_command="", walks=[one]) for one in walks]
    settings = WalkSettings(samples.MODELS, CpuSets((1,), (0,)))
    assert words(samples.run(Part("walk", settings, results), verb="walk")) == [
        "On a connection that is kept one request makes 2 system calls in prefork and threads, 3 system calls in epoll."
    ]


def test_after_the_first_round_there_is_a_figure():
    found = samples.trial_run()
    found.parts[0].results = [one for one in found.results if one.step.round == 1]
    assert VERBS["throughput"].first(found) == (
        "plaintext, 16 connections, 1 server CPU: bare-epoll 101,000, epoll 80,800, nginx 64,640, threads 50,500, h2o "
        "40,400 requests/s; one round has no interval yet"
    )
    once = samples.settings(samples.select(("epoll",), samples.EVERYBODY), rounds=6)
    twins = against_itself(once, 20)
    trials = [samples.trial(step.cell, 1, 1000) for step in plan.steps(twins) if step.round == 1]
    assert (
        VERBS["aa"]
        .first(samples.run(Part("load", twins, trials), verb="aa"))
        .endswith(": epoll A 1,000, epoll B 1,000 requests/s; one round has no interval yet")
    )
    assert VERBS["tour"].first(samples.tour()).startswith("plaintext, 16 connections, 1,000 requests/s (Poisson)")
    found.parts[0].results.clear()
    assert VERBS["throughput"].first(found) == ""
