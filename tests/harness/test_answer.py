"""The answer of a run: which sentences follow from which facts, and which of their clauses a terminal shows."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest
import samples

from loadtest.document import terminal
from loadtest.document.document import Clause, Document, Sentence
from loadtest.engine import report
from loadtest.engine.run import Failure, Part, Run
from loadtest.system.cpus import Disturbance
from loadtest.verbs.answer import sentences
from loadtest.verbs.answer.dangers import CRASH, CROWD, HANG
from loadtest.verbs.answer.facts import (
    ENDS,
    IN_VAIN,
    PARTLY,
    UNTRIED,
    Counts,
    Facts,
    Growth,
    Memory,
    Outcome,
    Peer,
    Peers,
    Ranking,
    Recovery,
    known,
)
from loadtest.verbs.answer.rules import DETAIL, MODELS
from loadtest.verbs.load import plan as load_plan

NAMES = ("fork-per-request", "prefork", "threads", "coroutines", "epoll")
JOB, HANGS, TRUSTED, CROWDED = (
    "If a request may crash or hang",
    "If a request may hang, but not crash",
    "If code is trusted",
    "If more clients stay",
)


def ranking(values: dict[str, float], *ties: list[str], **changes) -> Ranking:
    """Of nine rounds."""
    return replace(Ranking("equal-rate", values, ties, rounds=9), **changes)


COST = ranking(
    {"fork-per-request": 300.0, "prefork": 49.0, "threads": 47.0, "coroutines": 42.0, "epoll": 41.0},
    ["epoll", "coroutines"], ["threads", "prefork"], ["fork-per-request"],
)  # fmt: skip
CRASHES = Outcome("crash", NAMES[:2], dict.fromkeys(NAMES[2:], ENDS), ["a crash"])
HANGING = Outcome("crash", NAMES[:3], dict.fromkeys(NAMES[3:], "leaves others without an answer"), ["an endless loop"])
WAITING = {name: "left 46 of 64 clients waiting" for name in ("prefork", "threads")}
CROWDS = Outcome("crowd", ("fork-per-request", "coroutines", "epoll"), WAITING, ["64 clients"])
DANGERS = {CRASH: CRASHES, HANG: HANGING, CROWD: CROWDS}
FACTS = Facts(NAMES, COST, dangers=DANGERS)


def texts(facts: Facts) -> list[str]:
    return ["".join(f" {one.text}" for one in clauses)[1:] for clauses in sentences.jobs(facts)]


def told(facts: Facts, beginning: str) -> str:
    [found] = [one for one in texts(facts) if one.startswith(beginning)]
    return found


def of(run: Run, beginning: str) -> str:
    """The one sentence of the answer that begins like that, without what explains a name."""
    plain = ["".join(one.text for one in found.clauses if one.text[:2] != " (") for found in sentences.answer(run)]
    [found] = [one for one in plain if one.startswith(beginning)]
    return found


def whole(run: Run) -> str:
    return "\n".join(map(str, sentences.answer(run)))


# --- which model for which job


def test_the_cheapest_of_those_who_are_safe_are_named_and_ties_with_them():
    assert told(FACTS, JOB).startswith(f"{JOB} (other people's code): prefork.")
    assert told(FACTS, HANGS).startswith(f"{HANGS}: threads or prefork.")
    assert told(FACTS, TRUSTED).startswith(f"{TRUSTED} and never blocks: epoll or coroutines.")
    assert told(FACTS, CROWDED).startswith(f"{CROWDED} than there are workers: epoll or coroutines.")


def test_whoever_contains_a_crash_is_named_whatever_his_name():
    others = replace(CRASHES, safe=("threads",), harmed=dict.fromkeys(("prefork", "epoll", "coroutines"), ENDS))
    facts = replace(FACTS, dangers={CRASH: others, HANG: HANGING})
    assert told(facts, JOB).startswith(f"{JOB} (other people's code): threads.")
    assert not [one for one in texts(facts) if one.startswith(HANGS) and "prefork" not in one]


def test_what_was_tried_and_what_it_costs_beside_the_cheapest_is_told():
    found = told(replace(FACTS, memory=Memory("memory", "Heap", {"prefork": 1.9, "epoll": 0.3}, "MiB", 1)), JOB)
    assert "A crash and an endless loop in one request harmed nobody else there." in found
    assert "It takes 49.0 us of CPU time for a request; epoll, one of the cheapest, 41.0." in found
    assert "Heap: 1.9 MiB in prefork, 0.3 MiB in epoll, the least that is known." in found
    everybody = dict.fromkeys(NAMES, 1.9) | {"epoll": 0.3}
    found = told(replace(FACTS, memory=Memory("memory", "Heap", everybody, "MiB", 1)), JOB)
    assert "Heap: 1.9 MiB in prefork, 0.3 MiB in epoll, the least." in found


def test_what_still_harms_those_who_are_named_is_told_and_of_nobody_else():
    assert "In threads a crash ends the whole server." in told(FACTS, HANGS)
    assert "In coroutines and epoll a crash ends the whole server." in told(FACTS, TRUSTED)
    assert "In coroutines and epoll a hung request leaves others without an answer." in told(FACTS, TRUSTED)
    assert "ends" not in told(FACTS, JOB)


def test_who_leaves_clients_waiting_is_told_and_what_would_help():
    found = told(replace(FACTS, rotation=["threads", "epoll"]), CROWDED)
    assert "prefork and threads left 46 of 64 clients waiting." in found
    assert "Where connections rotate (--max-requests-per-connection), threads served all." in found


def test_who_is_named_for_more_dangers_is_not_named_again_for_less():
    nobody = replace(CRASHES, safe=NAMES, harmed={})
    facts = replace(FACTS, dangers={CRASH: nobody, HANG: nobody})
    assert [one.split(":")[0] for one in texts(facts)] == [f"{JOB} (other people's code)"]
    assert told(facts, JOB).split(".")[0].endswith(": epoll or coroutines")


def test_where_all_are_tied_nobody_is_called_cheaper():
    facts = replace(FACTS, cost=ranking(dict(COST.values), list(NAMES[::-1])))
    assert told(facts, TRUSTED).startswith(
        f"{TRUSTED} and never blocks: epoll, coroutines, threads, prefork or fork-per"
    )
    assert not [one for one in texts(facts) if "the cheapest" in one]
    assert sentences.dearest(facts) == []


def test_one_who_is_not_told_from_the_cheapest_has_no_ratio():
    facts = replace(FACTS, cost=ranking(dict(COST.values), ["epoll", "prefork"], ["prefork", "fork-per-request"]))
    facts = replace(facts, dangers={CRASH: replace(CRASHES, safe=["prefork"]), HANG: HANGING})
    assert "Its CPU time for a request, 49.0 us, is not told from the least, that of epoll." in told(facts, JOB)


def without(*names: str) -> Ranking:
    """A CPU time of those."""
    return replace(COST, values={name: value for name, value in COST.values.items() if name not in names})


def test_who_is_safe_and_has_no_cpu_time_is_named_beside_the_cheapest_of_the_others():
    facts = replace(FACTS, cost=without("prefork"))
    assert told(facts, JOB).startswith(
        f"{JOB} (other people's code): fork-per-request, or prefork, whose CPU time is not known."
    )
    alone = replace(facts, dangers={CRASH: replace(CRASHES, safe=["prefork"]), HANG: HANGING})
    assert told(alone, JOB).startswith(f"{JOB} (other people's code): prefork, whose CPU time is not known.")
    behind = replace(facts, behind={"prefork": "700 of 1,000/s answered"})
    assert "whose CPU time" not in told(behind, JOB), "who did not keep up is told by himself"


def test_the_least_is_said_only_where_every_model_has_a_value():
    single = ranking(dict(COST.values), *[[name] for name in COST.ordered])
    assert "CPU time for a request: 41.0 us, the least." in told(replace(FACTS, cost=single), TRUSTED)
    missing = ranking(dict(without("threads").values), *[[name] for name in without("threads").ordered])
    assert "CPU time for a request: 41.0 us, the least that is known." in told(replace(FACTS, cost=missing), TRUSTED)
    found = spoken(sentences.dearest(replace(FACTS, cost=missing)))
    assert found.startswith("Most CPU time for a request that is known: fork-per-request, 300 us; the least: epoll")


def test_the_least_is_not_said_of_one_who_is_tied_with_somebody_who_is_not_safe():
    facts = replace(FACTS, dangers={CRASH: replace(CRASHES, safe=["epoll"]), HANG: replace(HANGING, safe=["epoll"])})
    assert "CPU time for a request: 41.0 us." in told(facts, JOB)


def test_of_several_who_are_named_only_those_who_are_told_from_the_cheapest_are_called_dearer():
    cost = ranking(dict(COST.values), ["epoll", "coroutines", "threads"], ["threads", "prefork"], ["fork-per-request"])
    assert (
        "prefork takes 49.0 us of CPU time for a request; epoll, one of the cheapest, 41.0. threads, 47.0 us, not told"
        in (told(replace(FACTS, cost=cost), HANGS))
    )


def test_those_who_are_named_are_not_called_tied_where_two_of_them_are_told_apart():
    cost = ranking(dict(COST.values), ["coroutines", "epoll"], ["epoll", "threads"], ["prefork"], ["fork-per-request"])
    assert "Not told from epoll by CPU time for a request: 41.0 to 47.0 us." in told(replace(FACTS, cost=cost), TRUSTED)


def test_of_one_model_alone_no_others_are_spoken_of():
    dead = Outcome("crash", (), {"epoll": ENDS}, ["a crash"])
    facts = Facts(["epoll"], replace(COST, values={"epoll": 41.0}), dangers={CRASH: dead, HANG: dead})
    assert told(facts, JOB) == f"{JOB} (other people's code): not epoll; in it others were harmed."


def test_where_nobody_contains_it_that_is_said():
    dead = replace(CRASHES, safe=(), harmed=dict.fromkeys(NAMES, ENDS))
    found = told(replace(FACTS, dangers={CRASH: dead, HANG: HANGING}), JOB)
    assert found.startswith(f"{JOB} (other people's code): none of fork-per-request, prefork, threads, coroutines and")


def test_of_whom_nothing_is_known_is_neither_named_nor_blamed():
    why = {"prefork": IN_VAIN, "threads": UNTRIED, "coroutines": PARTLY, "fork-per-request": UNTRIED}
    unknown = replace(CRASHES, safe=(), harmed={"epoll": ENDS}, unknown=why)
    facts = replace(FACTS, dangers={CRASH: unknown, HANG: HANGING})
    assert not [one for one in texts(facts) if one.startswith(JOB)]
    assert [one.text for one in sentences.care(facts) if "not known" in one.text] == [
        "What a crash does in prefork is not known: no try of it was valid.",
        "What a crash does in threads and fork-per-request is not known: it was not tried.",
        "What a crash does in coroutines is not known: not all that was planned of it has a valid try.",
    ]


def test_a_job_whose_danger_was_not_tried_has_no_sentence():
    assert [one.split(":")[0] for one in texts(replace(FACTS, dangers={}))] == [f"{TRUSTED} and never blocks"]
    without_hangs = texts(replace(FACTS, dangers={CRASH: CRASHES}))
    assert not [one for one in without_hangs if one.startswith((JOB, HANGS))]


def test_without_cpu_times_all_who_are_safe_are_named_and_no_price():
    facts = replace(FACTS, cost=None)
    assert told(facts, JOB).startswith(f"{JOB} (other people's code): fork-per-request or prefork. A crash")
    assert not [one for one in texts(facts) if "CPU" in one or one.startswith(TRUSTED)]


def test_a_parent_brings_those_who_are_named_back_or_not():
    back = Recovery("crash", {"epoll": 0.0, "coroutines": 0.25, "threads": math.inf})
    assert "coroutines" in told(replace(FACTS, recovery=back), TRUSTED)
    assert "epoll and coroutines served again after 0.25 s at most." in told(replace(FACTS, recovery=back), TRUSTED)
    never = Recovery("crash", {"epoll": math.inf})
    assert "A parent (--supervise) did not bring epoll back." in told(replace(FACTS, recovery=never), TRUSTED)
    soon = Recovery("crash", {"epoll": 0.0})
    assert "epoll served again so soon that no outage was seen." in told(replace(FACTS, recovery=soon), TRUSTED)


def test_peers_stand_beside_those_who_are_named():
    beside = {"epoll": Peer("nginx", 1.25), "coroutines": Peer("h2o", None), "prefork": Peer("a", 2)}
    assert told(replace(FACTS, peers=Peers("yardstick", beside, 2000)), TRUSTED).endswith(
        "CPU time for a request at 2,000/s, beside the best production server of its kind: epoll 1.25 times nginx and "
        "coroutines not told from h2o."
    )
    few = Peers("yardstick", dict.fromkeys(beside, Peer("nginx", None)), 2000, few=True)
    assert told(replace(FACTS, peers=few), TRUSTED).endswith("of its kind: too few rounds to tell them apart.")


# --- what it costs


def spoken(clauses: list[Clause]) -> str:
    return " ".join(one.text for one in clauses)


def test_the_dearest_is_told_with_its_ratio_its_calls_and_how_it_grows():
    growth = Growth("ballast", "fork-per-request", 512, 9469.0, 231.0, True)
    calls = Counts("walk-kept", {"fork-per-request": 10, "epoll": 3})
    assert spoken(sentences.dearest(replace(FACTS, growth=growth, calls=calls))) == (
        "Most CPU time for a request: fork-per-request, 300 us; among the least: epoll, 41.0. A request makes 10 "
        "system calls in fork-per-request, and 3 in epoll. For that, a crash harmed nobody else. At full load, with "
        "512 MiB in its memory fork-per-request takes 9,469 us of CPU time for a request, and 231 with none "
        "(indicative)."
    )


def test_memory_is_told_from_the_least_to_the_most():
    found = Memory(
        "memory", "Heap and stacks with 16 requests in hand", {"epoll": 0.3, "prefork": 2.0, "threads": 0.7}, "MiB", 1
    )
    assert spoken(sentences.memory(replace(FACTS, memory=found))) == (
        "Heap and stacks with 16 requests in hand: from 0.3 MiB (epoll) to 2.0 MiB (prefork); one look each."
    )
    idle = Memory("memory-price", "Heap for one", {"epoll": 1.5, "threads": 140.0}, "KiB", 3)
    assert "from 1.50 KiB (epoll) to 140 KiB (threads)." in spoken(sentences.memory(replace(FACTS, memory=idle)))


def test_a_lower_bound_at_full_load_says_so_and_may_be_the_first():
    values = {"epoll": 90_000.0, "threads": 60_000.0, "prefork": 50_000.0}
    full = ranking(values, ["epoll"], ["threads"], ["prefork"], less_is_better=False, limited=["threads"])
    found = spoken(sentences.full_load(replace(FACTS, full=replace(full, bounds=["threads"]))))
    assert found == (
        "At full load, most requests a second: epoll or threads. At full load they answered, a second: epoll 90,000; "
        "threads >= 60,000; prefork 50,000. The server was not, or not alone, the limit for threads: lower bounds (>=)."
    )


def test_where_all_who_may_be_the_first_may_answer_more_nobody_is_known_to_be():
    values = {"epoll": 90_000.0, "threads": 60_000.0, "prefork": 50_000.0}
    full = ranking(values, ["epoll"], ["threads"], ["prefork"], less_is_better=False, limited=["epoll", "threads"])
    found = spoken(sentences.full_load(replace(FACTS, full=replace(full, bounds=["threads"]))))
    assert found.startswith("At full load, nobody is known to be the first of epoll and threads. At full load they")
    assert found.endswith("the limit for them: lower bounds (>=).")


# --- of whole runs


def test_a_whole_run_is_told_in_five_to_eight_sentences_that_each_link_to_their_figures():
    found = sentences.answer(samples.tour())
    assert 5 <= len(found) <= 8
    assert [str(one) for one in found if not one.clauses[0].section] == []


def test_the_answer_of_a_whole_run_follows_from_its_figures():
    found = samples.tour()
    assert of(found, JOB).startswith(f"{JOB} (other people's code): prefork. A crash, a stack overflow and an endless")
    assert "It takes 49.5 us of CPU time for a request at 1,000/s; coroutines, one of the cheapest, 42.5." in of(
        found, JOB
    )
    assert of(found, HANGS).startswith(f"{HANGS}: threads.")
    assert of(found, TRUSTED).startswith(f"{TRUSTED} and never blocks: coroutines or epoll.")
    assert of(found, "Most CPU time").startswith(
        "Most CPU time for a request at 1,000/s: fork-per-request, 300 us; among the least: coroutines, 42.5."
    )
    assert "requests a second: epoll." in of(found, "At full load")


def test_nobody_served_the_whole_crowd_and_that_is_no_model_for_it():
    assert CROWDED not in whole(samples.tour()), "threads alone was in the crowd, and served 18"


def test_invalid_results_enter_no_sentence():
    found = samples.tour()
    for one in found.results:
        one.problems = ["spoiled"]
    assert [*map(str, sentences.answer(found))] == []


def test_an_invalid_try_of_one_fault_leaves_its_model_out_of_the_job():
    found = samples.tour()
    for one in found.parts[-1].of("prefork"):
        one.problems = ["the faulty request was never sent"] if one.step.fault == "spin" else []
    assert of(found, JOB).startswith(f"{JOB} (other people's code): fork-per-request.")
    assert "What a hung request does in prefork is not known" in whole(found)


def test_too_few_rounds_claim_no_difference():
    found = samples.tour(replace(samples.TOUR, rounds=3))
    assert "3 of the 6 rounds that an interval takes: all figures are indicative." in whole(found)
    assert "the cheapest" not in whole(found) and "Most CPU time" not in whole(found)
    assert "Too few rounds to tell them apart by CPU time for a request at 1,000/s: 42.2 to 300 us." in of(
        found, TRUSTED
    )


def test_six_rounds_that_make_no_groups_say_how_many_it_takes():
    found = whole(samples.tour(replace(samples.TOUR, rounds=6)))
    assert "No model can be told from another: a table of 10 comparisons takes 9 rounds" in found
    assert "times the CPU time of" not in found


def test_one_model_alone_is_compared_with_nobody():
    one = replace(samples.TOUR, contestants=samples.select(("prefork",), samples.MODELS))
    found = whole(samples.tour(one))
    assert "prefork: 49.5 us of CPU time for a request at 1,000/s; there is nobody to" in found
    assert f"{JOB} (other people's code): prefork" in found and TRUSTED not in found


def test_of_a_run_without_faults_and_without_loads_the_rest_is_told():
    found = samples.tour()
    found.parts[-1].results.clear()
    assert of(found, TRUSTED).endswith("Not told apart by CPU time for a request at 1,000/s: 42.5 us.")
    only = replace(found, parts=found.parts[4:5])
    only.parts[0].results[0].busy.anonymous = 9 << 20
    assert whole(only).startswith(
        "Heap and stacks with 16 requests in hand: from 1.0 MiB (prefork) to 9.0 MiB (fork-per-request)"
    )


def test_the_ballast_has_an_interval_where_it_has_six_rounds():
    assert re.search(r"us of CPU time for a request, and [\d.]+ with none \(indicative\)\.", whole(samples.tour()))
    assert re.search(r"and [\d.]+ with none\.", whole(samples.tour(replace(samples.TOUR, rounds=18))))


def test_a_ballast_that_changes_nothing_is_not_told():
    found = samples.tour(replace(samples.TOUR, rounds=18))
    for trial in found.parts[3].results:
        same = samples.trial(trial.cell, trial.step.round, 1000)
        trial.client, trial.server_cpu_seconds = same.client, same.server_cpu_seconds
    assert "in its memory" not in whole(found)


def test_a_noisy_machine_and_a_run_that_is_not_whole_are_told():
    found = samples.tour(failures=[Failure("epoll", "round 1, a crash: epoll", "it did not start")])
    for trial in found.parts[0].results[:20]:
        trial.disturbance = Disturbance(0, 0.25, 0)
    assert "Other load disturbed 20 of 114 loads: repeat it on a quiet machine." in whole(found)
    assert "Not all of it was measured." in whole(found)
    assert "Other load" not in whole(samples.tour()) and "Not all" not in whole(samples.tour())


def test_who_did_not_keep_up_is_compared_with_nobody_and_told():
    found = samples.tour()
    for trial in found.parts[0].of("fork-per-request"):
        trial.client = replace(trial.client, in_time=700, censored=300, errors={"never answered": 300})
    assert "at 1,000/s: prefork, 49.5 us; among the least: coroutines, 42.5." in of(found, "Most CPU time")
    assert "is compared with nobody's: fork-per-request (700 of 1,000/s answered)." in whole(found)


def at_rates(*rates: float) -> Run:
    return samples.run(
        part_of(samples.settings(samples.MODELS[3:6], rounds=9, rates=rates, closed=False)), verb="latency"
    )


def test_who_did_not_keep_up_at_another_rate_is_not_told_so():
    found = at_rates(1000.0, 20_000.0)
    for trial in found.parts[0].of("threads"):
        late = trial.cell.rate > 1000
        trial.client = replace(trial.client, asked=1000, in_time=300 if late else 1000, censored=700 if late else 0)
    facts = known(found)
    assert facts.cost and facts.cost.rate == 1000 and not facts.behind


def test_why_nothing_is_known_of_a_model_is_told_apart():
    found = samples.tour()
    crashes = found.parts[-1]
    for one in [one for one in crashes.of("prefork") if one.step.fault == "segv"]:
        one.problems = ["spoiled"]
    for one in [one for one in crashes.of("fork-per-request") if one.step.fault == "spin"]:
        one.problems = ["spoiled"]
    crashes.results = [one for one in crashes.results if (one.step.contestant, one.step.fault) != ("threads", "spin")]
    facts = known(found)
    assert facts.dangers[CRASH].unknown == {"prefork": PARTLY}
    assert facts.dangers[HANG].unknown == {"fork-per-request": IN_VAIN, "threads": UNTRIED}


def test_each_fault_was_tried_once_in_each_model_only_where_nothing_is_missing():
    found, sentence = samples.tour(), "Each fault was tried once in each model."
    assert sentence in whole(found)
    found.parts[-1].results.pop()
    assert sentence not in whole(found)


def test_of_several_loads_the_one_of_the_figures_at_full_load_is_named():
    found = samples.trial_run(samples.settings(rounds=10, connections=(16, 64)))
    assert "At full load (plaintext, 16 connections, 1 server CPU), most requests a second" in whole(found)
    assert "At full load, most requests a second" in whole(samples.trial_run(samples.settings(rounds=10)))


def test_other_verbs_have_the_facts_of_their_own_parts_in_sections_of_their_own():
    found = known(samples.trial_run(samples.settings(rounds=10)))
    assert found.cost is None and found.full and found.full.section == "throughput"
    assert set(found.full.values) == {"threads", "epoll"}, "peers and bare servers are no models"
    paced = known(samples.trial_run(samples.settings(rounds=10, rates=(1000.0,), closed=False), verb="latency"))
    assert paced.cost and paced.cost.section == "latency" and paced.full is None


# --- links


def dangling(run: Run) -> set[str]:
    """Ids that are linked to, and are no section's."""
    document = report.document(run)
    linked = {one.section for sentence in document.words for one in sentence.clauses if one.section}
    return linked - {section.id for section in document.sections}


def chapters() -> Run:
    """Of several verbs: loads at two numbers of connections, at a rate, and all faults of the samples."""
    ours = {"contestants": samples.MODELS[3:6], "rounds": 6}
    kinds = {"throughput": {"connections": (16, 64)}, "latency": {"rates": (1000.0, 2000.0), "closed": False}}
    found = [replace(part_of(samples.settings(**ours, **more)), verb=verb) for verb, more in kinds.items()]
    faults = samples.crash_settings((*samples.FAULTS, replace(samples.SEGV, name="abort", id="abort")))
    return samples.run(*found, replace(samples.part_of_crashes(faults), verb="crash"), verb="run")


def part_of(chosen) -> Part:
    steps = load_plan.steps(chosen)
    return Part("load", chosen, [samples.trial(step.cell, step.round, 1000 + step.round) for step in steps])


@pytest.mark.parametrize("run", [samples.tour, chapters], ids=["tour", "run"])
def test_every_clause_leads_to_a_section_that_is_there(run):
    assert dangling(run()) == set()


def test_a_clause_leads_to_the_section_of_its_own_chapter_where_two_have_the_same_name():
    low, high = (samples.part_of_trials(samples.settings(rounds=9)) for _ in range(2))
    for trial in high.results:
        trial.client = replace(trial.client, requests=2 * trial.client.requests)
    between = replace(samples.part_of_crashes(samples.crash_settings()), verb="crash")
    for first, second, section in ((low, high, "throughput-2"), (high, low, "throughput")):
        parts = replace(first, verb="throughput"), between, replace(second, verb="throughput")
        words = report.document(samples.run(*parts, verb="run")).words
        [sentence] = [one for one in words if str(one).startswith("At full load")]
        assert {one.section for one in sentence.clauses if one.section} == {section}


# --- how it is shown


def test_a_name_is_explained_where_it_is_met_first_and_never_again():
    shown = whole(samples.tour())
    assert shown.index(f"prefork ({MODELS['prefork']})") < shown.index("It takes")
    assert all(shown.count(f"{name} ({text})") == 1 for name, text in MODELS.items() if name in NAMES)
    assert f"per-connection ({MODELS['fork-per-connection']})" not in shown


@pytest.mark.parametrize("width", [100, 120])
@pytest.mark.parametrize("rounds", [1, 6, 9])
def test_the_main_job_ends_a_terminal_in_ten_lines_with_its_heading(width, rounds):
    found = samples.tour(replace(samples.TOUR, rounds=rounds))
    lines = terminal.render(report.document(found), width).split("The answer\n")[1].splitlines()
    assert len(lines) <= 9 and max(map(len, lines)) <= width


def shown(*words: Sentence) -> list[str]:
    return [line.strip() for line in terminal.render(Document([], [], words=words), 100).splitlines()[1:]]


def test_where_there_is_no_room_what_is_most_sparable_goes_first():
    sentences = [
        Sentence((Clause(f"{n}."), Clause(" Why." + " x" * 45, "", 1), Clause(" More.", "", 2))) for n in range(8)
    ]
    assert shown(*sentences)[0].startswith("* 0. Why.")
    assert len(shown(*sentences)) == 9
    assert shown(*sentences)[-1] == "* 7. More."


def test_what_stays_is_shown_however_long_it_is():
    assert len(shown(*(Sentence((Clause("x " * 60),)) for _ in range(8)))) == 16


def test_nothing_of_a_sentence_is_shown_without_its_point():
    short = [Sentence((Clause(f"{n}."),)) for n in range(8)]
    point = Sentence((Clause("The point." + " x" * 60, "", DETAIL), Clause(" Why.", "", 1)))
    assert shown(*short, point)[-1] == "* 7."


def test_a_terminal_with_room_shows_all():
    assert shown(Sentence((Clause("Who."), Clause(" Why.", "", DETAIL)))) == ["* Who. Why."]
