"""What stands around the answers: caveats, the machine, the method, the commands."""

from __future__ import annotations

from dataclasses import replace

import pytest
import samples
from conftest import ROOT

from loadtest.document import terminal
from loadtest.document.document import Caveat
from loadtest.engine import report
from loadtest.engine.caveats import without_number
from loadtest.engine.measurement import MEASUREMENTS
from loadtest.engine.run import Failure, Part, Run
from loadtest.system.cpus import CpuSets, Disturbance
from loadtest.verbs.crash.results import Verdict
from loadtest.verbs.load import plan
from loadtest.verbs.load.verb import against_itself
from loadtest.verbs.walk.verb import WalkResult, WalkSettings, WalkStep

BUSY = Disturbance(0, 0.25, 0)


def calm(**changes) -> Run:
    """Of which nothing is to be said: of two, the faster one is told from the other, and used its whole CPU."""
    return samples.trial_run(samples.settings(samples.select(("threads", "epoll"), samples.EVERYBODY)), **changes)


def told(found: Run, kind: str = "") -> list[Caveat]:
    return [one for one in report.document(found).caveats if kind in ("", one.kind)]


def the(found: Run, kind: str) -> Caveat:
    [one] = told(found, kind)
    return one


def test_of_a_quiet_run_with_enough_rounds_there_is_nothing_to_say():
    assert told(calm()) == []


def test_a_step_that_failed_is_named_with_its_reason():
    failed = calm(failures=[Failure("epoll", "round 1, plaintext: epoll", "it did not start.")])
    assert the(failed, "FAILED").text == (
        "epoll gave no result in this step, and was left out after it: round 1, plaintext: epoll. The reason: it did "
        "not start."
    )


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ("interrupted", "The run was stopped before its end: 11 of 16 steps have a result."),
        ("failed", "The run ended with an error: 11 of 16 steps have a result."),
        ("running", "The run has not ended, or was killed: 11 of 16 steps have a result."),
    ],
)
def test_a_run_that_is_not_whole_says_how_much_of_it_there_is(state, text):
    found = calm(state=state)
    del found.parts[0].results[11:]
    assert the(found, "INTERRUPTED").text == text


def test_cells_without_a_number_are_told_by_reason():
    found = calm()
    for one in found.results[:3]:
        one.problems = ["the schedule was not kept"]
    names = sorted({one.cell.contestant for one in found.results[:3]})
    one = the(found, "INVALID")
    assert names == ["epoll", "threads"] and all(name in one.text for name in names)
    assert one.text.endswith(": the schedule was not kept.") and "enter no figure" in one.therefore


def test_more_than_a_tenth_of_disturbed_loads_forbids_small_differences():
    found = calm()
    found.results[0].disturbance = BUSY
    assert the(found, "DISTURBED").text == (
        "In 1 of 16 loads other programs, or the host of a virtual machine, took more than 5% of a CPU, at worst 25%."
    )
    assert "single round" in the(found, "DISTURBED").therefore
    found.results[1].disturbance = BUSY
    assert "Repeat it on a quiet machine" in the(found, "DISTURBED").therefore


def test_repeated_steps_are_counted():
    found = calm()
    found.results[0].repeats, found.results[5].repeats = 1, 2
    assert the(found, "REPEATED").text.startswith("3 steps were thrown away and measured again")


def test_where_nobody_sees_other_load_that_is_told():
    found = calm()
    for one in found.results:
        one.disturbance = Disturbance(None, None, None)
    assert the(found, "UNSEEN").text.startswith(
        "Whether other load disturbed 16 of 16 loads cannot be told, because /proc"
    )


def test_what_was_planned_with_too_few_rounds_is_indicative():
    found = samples.trial_run(samples.settings(rounds=3))
    assert the(found, "INDICATIVE").text == (
        "Measured in 3 rounds: plaintext, 16 connections, 1 server CPU. An interval takes 6 rounds."
    )
    assert told(samples.trial_run(samples.settings(rounds=6)), "INDICATIVE") == []
    once = told(samples.tour(replace(samples.TOUR, rounds=18)), "INDICATIVE")[0].text
    assert once == "Measured once: memory under load; the crowd of clients. An interval takes 6 rounds."


def test_what_was_not_measured_is_not_called_indicative():
    found = samples.tour(replace(samples.TOUR, rounds=18), state="interrupted")
    next(part for part in found.parts if part.measurement == "crowd").results.clear()
    assert told(found, "INDICATIVE")[0].text == "Measured once: memory under load. An interval takes 6 rounds."


@pytest.mark.parametrize(
    ("state", "kind"), [("interrupted", "INTERRUPTED"), ("failed", "INTERRUPTED"), ("complete", "FAILED")]
)
def test_where_nothing_was_measured_one_caveat_says_so(state, kind):
    found = samples.tour(state=state)
    for part in found.parts:
        part.results.clear()
    [one] = told(found)
    assert one.kind == kind and "nothing was measured: none of" in one.text


def test_faults_that_were_tried_once_are_no_law():
    once = samples.run(samples.part_of_crashes(samples.crash_settings()), verb="crash")
    assert the(once, "INDICATIVE").text == "Each fault was tried once in each model."
    twice = samples.run(samples.part_of_crashes(samples.crash_settings(repeats=2)), verb="crash")
    assert told(twice, "INDICATIVE") == []


def test_of_many_invalid_cells_the_first_are_named():
    found = samples.tour()
    for one in found.results:
        one.problems = ["others took 30 % of a CPU"]
    [one] = without_number(found)
    assert one.text.endswith(" more: others took 30 % of a CPU.") and one.text.count("; ") == 4


def test_a_cell_that_lost_its_rounds_is_indicative_alone():
    found = calm()
    for one in found.parts[0].of("epoll")[:3]:
        one.problems = ["bad"]
    assert the(found, "INDICATIVE").text == (
        "Fewer than 6 valid rounds are left of epoll (plaintext, 16 connections, 1 server CPU)."
    )


def test_a_walk_is_counted_and_needs_no_second_round():
    settings = WalkSettings(samples.MODELS, CpuSets((1,), (0,)))
    walks = [WalkResult(step=WalkStep(one.name), server_command="", walks=[]) for one in samples.MODELS]
    assert told(samples.run(Part("walk", settings, walks), verb="walk")) == []


def test_one_short_round_shows_that_it_works_and_no_more():
    assert "a single round" in the(samples.trial_run(samples.settings(rounds=1)), "SHORT").text
    assert told(calm(), "SHORT") == []


def test_a_shared_cpu_ranks_nobody():
    found = samples.trial_run(replace(samples.settings(), budgets={1: CpuSets((0,), (0,))}))
    assert "Do not rank" in the(found, "SHARED CPU").therefore
    assert "server and load share a CPU" in the(found, "TIED").text


@pytest.mark.parametrize(
    ("changes", "kind", "text"),
    [
        ({"runner": "docker", "place": "Docker 24"}, "DOCKER", "The servers ran in containers: Docker 24."),
        ({"irq_time": "yes"}, "INTERRUPT TIME", "receiving packets"),
        ({"commit": "abcdef+"}, "CHANGED SOURCE", "differed from commit abcdef by"),
    ],
)
def test_what_the_environment_forbids_to_conclude(changes, kind, text):
    found = calm(environment=replace(samples.ENVIRONMENT, **changes))
    assert text in the(found, kind).text
    assert told(calm(), kind) == []


def test_a_lower_bound_names_who_was_at_the_limit():
    found = calm()
    for one in found.parts[0].of("epoll"):
        one.client.cpu_seconds = 0.97
    assert the(found, "LOWER BOUND").text == (
        "Requests a second marked >= are lower bounds: epoll (wrk used 97.0% of a CPU, more than 90%)."
    )


def test_at_a_constant_rate_requests_a_second_are_no_lower_bound():
    found = samples.trial_run(samples.settings(rates=(1000.0,), closed=False), verb="latency")
    for one in found.results:
        one.client.cpu_seconds = 0.97
    assert told(found, "LOWER BOUND") == []


def test_ties_are_told_with_their_load():
    found = calm()
    for one in found.results:
        ahead = one.step.round % 2 == (one.cell.contestant == "epoll")
        one.client.requests = 50_500 if ahead else 50_000
    assert the(found, "TIED").text in (
        f"By requests a second these could not be told apart: {names} (plaintext, 16 connections, 1 server CPU)."
        for names in ("threads and epoll", "epoll and threads")
    )


def test_too_few_rounds_tell_nobody_from_anybody():
    found = the(samples.trial_run(samples.settings(rounds=6)), "TIED")
    assert found.text.startswith("By requests a second nobody could be told from anybody: a table of 10 comparisons")


def test_parts_without_groups_are_one_caveat_that_names_their_loads():
    one, other = (samples.part_of_trials(samples.settings(rounds=6, connections=(count,))) for count in (16, 64))
    found = the(samples.run(one, other), "TIED")
    assert "(plaintext, 16 connections, 1 server CPU); a table of 10" in found.text
    assert found.text.endswith("(plaintext, 64 connections, 1 server CPU).")


def test_servers_with_ballast_are_told_from_the_same_load_without():
    [found] = [one for one in told(samples.tour(), "TIED") if "requests a second" in one.text]
    assert "(plaintext, 16 connections, 1 server CPU, with ballast)" in found.text


def test_lower_bounds_of_two_parts_are_one_caveat():
    parts = [samples.part_of_trials() for _ in range(2)]
    for part, name in zip(parts, ("epoll", "threads")):
        for one in part.of(name):
            one.client.cpu_seconds = 0.97
    assert the(samples.run(*parts), "LOWER BOUND").text == (
        "Requests a second marked >= are lower bounds: epoll (wrk used 97.0% of a CPU, more than 90%); "
        "threads (wrk used 97.0% of a CPU, more than 90%)."
    )


def test_the_instrument_against_itself_is_meant_to_tie():
    settings = against_itself(samples.settings((samples.BY_NAME["epoll"],), rounds=6), 20)
    found = Part("load", settings, [samples.trial(step.cell, step.round) for step in plan.steps(settings)])
    assert MEASUREMENTS["load"].caveats(found) == []


def test_a_verdict_that_nobody_expected_is_told():
    found = samples.run(samples.part_of_crashes(samples.crash_settings()), verb="crash")
    before = told(found)
    next(one for one in found.results if one.step.contestant == "epoll").verdict = Verdict("nobody", "none")
    [one] = [one for one in told(found) if one not in before]
    assert "segv with epoll" in one.text and one.therefore


def test_every_caveat_says_what_must_not_be_concluded():
    found = samples.tour(state="interrupted", failures=[Failure("epoll", "a step", "it died")])
    for one in found.results[:40]:
        one.disturbance, one.repeats = BUSY, 1
    found.results[0].problems = ["bad"]
    kinds = {one.kind for one in told(found)}
    assert kinds >= {"FAILED", "INTERRUPTED", "INVALID", "DISTURBED", "REPEATED", "INDICATIVE"}
    assert all(one.therefore.endswith(".") and one.text.endswith(".") for one in told(found))


# --- in a terminal


def test_the_terminal_warns_of_a_noisy_machine_below_the_tables():
    found = samples.tour()
    for trial in found.parts[0].results[:20]:
        trial.disturbance = BUSY
    lines = report.document(found).closing
    assert lines[-1] == "With care: other load disturbed 20 of 114 loads. Repeat it on a quiet machine."
    assert not [one for one in report.document(samples.tour()).closing if one.startswith("With care")]


def test_the_terminal_says_that_a_run_is_not_whole():
    failed = samples.tour(failures=[Failure("epoll", "round 1, a crash: epoll", "it did not start")])
    found = report.document(failed)
    assert found.closing[-1] == "With care: not all of it was measured; above stands why."
    assert "FAILED epoll (round 1, a crash: epoll; left out after it): it did not start" in terminal.render(found)


# --- the machine


def test_the_card_has_what_the_figures_depend_on():
    card = dict(report.document(calm()).machine)
    assert card["CPU"] == "Sample CPU, 2 CPUs"
    assert card["CPUs in use"] == "server on CPU 1, load on CPU 0"
    assert (card["Memory"], card["Kernel"], card["Commit"]) == ("8.0 GiB", "Linux 6.1", "abcdef")
    assert card["wrk"] == "4.1.0" and card["Took"] == "60 s"
    assert "Interrupt time" not in card, "this run does not know"


def test_programs_of_one_version_share_a_line():
    tools = {"quartet-epoll": "quartet-epoll 0.1, g++ 12", "quartet-fork": "quartet-fork 0.1, g++ 12", "wrk": "4.1.0"}
    card = dict(report.document(calm(environment=replace(samples.ENVIRONMENT, versions=tools))).machine)
    assert card["quartet-epoll, quartet-fork"] == "0.1, g++ 12"
    assert card["wrk"] == "4.1.0"


def test_a_machine_that_is_virtual_says_so_in_card_and_threats():
    found = calm(environment=replace(samples.ENVIRONMENT, virtual=True))
    assert "(virtual)" in dict(report.document(found).machine)["CPU"]
    assert any(one.startswith("This is a virtual machine") for one in report.document(found).method)
    assert not any("virtual machine" in one for one in report.document(calm()).method)


def test_the_subtitle_says_when_and_where():
    assert report.document(calm()).subtitle == "2024-01-01 12:00; Sample CPU, 2 CPUs; commit abcdef"


# --- the method


@pytest.mark.parametrize(
    ("beginning", "in_tour", "in_throughput", "in_crash"),
    [
        ("Every step has a server of its own", True, True, True),
        ("Rounds are interleaved", True, True, False),
        ("Full load is a closed loop", True, True, False),
        ("At a constant rate quartet-pace", True, False, False),
        ("Memory is read while nothing changes", True, False, False),
        ("A fault comes amid a steady load", True, False, True),
        ("The crowd has more clients", True, False, False),
        ("strace lists", False, False, False),
        ("A fork copies page tables", True, False, True),
        ("A peer differs", False, True, False),
        ("One machine, loopback, no TLS", True, True, True),
    ],
)
def test_a_paragraph_is_told_only_of_what_was_measured(beginning, in_tour, in_throughput, in_crash):
    crash = samples.run(samples.part_of_crashes(samples.crash_settings()), verb="crash")
    for found, expected in ((samples.tour(), in_tour), (samples.trial_run(), in_throughput), (crash, in_crash)):
        assert any(one.startswith(beginning) for one in report.document(found).method) == expected


# --- the commands


def test_the_command_is_given_without_its_folder_and_can_be_pasted():
    command = "loadtest/run --out '/tmp/a b' --rounds 3 --out=/tmp/c"
    commands = dict(report.document(calm(environment=replace(samples.ENVIRONMENT, command=command))).commands)
    assert commands["Measure this again"] == "loadtest/run --rounds 3"
    assert commands["Print every command of it, ready to paste"] == "loadtest/run --rounds 3 --dry-run"


def test_a_run_in_the_container_of_all_is_repeated_by_docker_compose():
    command = "loadtest/quartet run --bin /usr/local/bin --preset full"
    environment = replace(samples.ENVIRONMENT, command=command, runner="container")
    commands = dict(report.document(calm(environment=environment, state="interrupted")).commands)
    compose = "docker-compose --file docker/compose.yaml run --rm report"
    assert commands["Measure this again"] == f"{compose} run --bin /usr/local/bin --preset full"
    assert commands["Go on with it (DIR: its folder)"] == f"{compose} throughput --resume DIR"
    assert compose in (ROOT / "docker/README.md").read_text()


def test_only_what_is_not_whole_can_go_on():
    name = "Go on with it (DIR: its folder)"
    assert name not in dict(report.document(calm()).commands)
    assert dict(report.document(calm(state="interrupted")).commands)[name] == "loadtest/quartet throughput --resume DIR"


def test_every_measurement_shows_a_server_and_its_clients_on_the_same_port():
    found = calm()
    found.results[0].server_command = "quartet-epoll --listen 127.0.0.1:0"
    commands = report.document(found).commands
    name = f"Example: The server (plaintext, 16 connections, 1 server CPU: {found.results[0].cell.contestant})"
    assert dict(commands)[name].endswith("127.0.0.1:8080")
    clients = [command for what, command in commands if what.startswith("Example: A client")]
    assert len(clients) == 2 and all("127.0.0.1:8080" in command for command in clients)


def test_what_gave_no_valid_result_has_no_example():
    found = calm()
    for one in found.results:
        one.problems = ["bad"]
    assert not [what for what, _ in report.document(found).commands if what.startswith("The server")]
