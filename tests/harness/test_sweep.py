"""`latency --sweep`: what a probe says of server and client, the whole of it with stand-ins, and its report."""

from __future__ import annotations

import csv
import json
import re
import sys
from dataclasses import asdict, replace

import pytest
import samples
from conftest import FAKES, ROOT
from test_quartet import quartet, say  # noqa: F401  fixtures

from loadtest.clients.client_side import ClientSide, Quantiles
from loadtest.document import terminal
from loadtest.document.document import Plot
from loadtest.engine import metrics, report
from loadtest.engine.run import Exit, Part, Run
from loadtest.page.tables import head_rows
from loadtest.places import agent
from loadtest.system import MeasurementError, cpus, procfs
from loadtest.system.cpus import CpuSets, Disturbance
from loadtest.system.processes import Dialogue
from loadtest.system.records import from_json
from loadtest.system.usage import Usage, Window
from loadtest.verbs.load.plan import Gate
from loadtest.verbs.load.verb import LATENCY
from loadtest.verbs.sweep import clients
from loadtest.verbs.sweep import measure as sweep_measure
from loadtest.verbs.sweep import plan
from loadtest.verbs.sweep.clients import Probe, Sought
from loadtest.verbs.sweep.measure import Highest
from loadtest.verbs.sweep.plan import Search, SweepSettings, SweepStep
from loadtest.verbs.sweep.search import Found, Verdict

QUIET = Disturbance(0, 0, 0)
NOISY = Disturbance(0.3, 0, 0)


def settings(objective: Gate = Gate("p99", 5.0), rounds: int = 3, duration: int = 1, **changes) -> SweepSettings:
    chosen = replace(samples.settings(samples.MODELS[-2:], rounds), duration=duration, gates=(objective,), **changes)
    return SweepSettings(**vars(chosen))


SETTINGS = settings()


def client(p99: float, p50: float = 0.1, **changes) -> ClientSide:
    """In milliseconds."""
    times = Quantiles(1000, 200, p50 * 1000, 300, p99 * 1000, 9e4, 1e5)
    found = ClientSide("quartet-pace", 1.0, 1000, 1000, 0, {}, times, cpu_seconds=0.1, connections=16)
    return replace(found, **changes)


def verdict(seen: ClientSide, disturbance: Disturbance = QUIET) -> Verdict:
    return clients.judged(SETTINGS, 1000, seen, disturbance).verdict


# --- one probe


def test_a_rate_is_met_when_the_quantile_is_below_the_limit_and_all_are_answered_well():
    assert verdict(client(4.9)) == Verdict.met
    assert verdict(client(5.0)) == Verdict.missed
    assert verdict(client(1.0, errors={"timed out": 1})) == Verdict.missed
    assert verdict(client(1.0, censored=1)) == Verdict.missed


def test_a_queue_as_long_as_a_tenth_of_the_probe_is_an_overload():
    assert verdict(client(900, p50=99)) == Verdict.missed
    assert verdict(client(900, p50=101)) == Verdict.overloaded
    assert verdict(client(1, errors={"never answered": 1001})) == Verdict.overloaded
    assert verdict(client(1, latency=None, good=0, errors={"refused": 9})) == Verdict.overloaded


def test_a_schedule_that_was_not_kept_is_the_clients_fault_whatever_the_server_did():
    for p99 in (1.0, 900.0):
        assert verdict(client(p99, problems=["the schedule was not kept"])) == Verdict.client


def test_a_client_that_is_late_by_a_fifth_of_the_limit_says_nothing_of_the_server():
    assert verdict(client(1.0, lateness={1_000: 900, 1_001_000: 100})) == Verdict.client  # nanoseconds
    assert verdict(client(1.0, lateness={1_000: 900, 999_000: 100})) == Verdict.met


def test_other_load_excuses_a_miss_and_takes_nothing_from_what_was_met():
    assert verdict(client(900), NOISY) == Verdict.disturbed
    assert verdict(client(1, problems=["the schedule was not kept"]), NOISY) == Verdict.disturbed
    assert verdict(client(1), NOISY) == Verdict.met


def test_a_probe_says_what_it_saw():
    found = clients.judged(SETTINGS, 1000, client(7.25, errors={"timed out": 2}), QUIET)
    assert (found.reason, found.milliseconds, found.answered) == ("p99 7.25 ms, 2 timed out", 7.25, 1000)


def test_its_command_line_has_poisson_arrivals_and_a_seed_of_its_own():
    step = next(iter(plan.steps(SETTINGS)))
    address = clients.Address("127.0.0.1", 8080)
    argv = [" ".join(clients.command(address, SETTINGS, step, 2500, number)) for number in (1, 2)]
    assert "/plaintext --rate 2500 -c 16 -d 1s --poisson --seed 1001001 " in argv[0]
    assert "--seed 1001002 " in argv[1] and "--fresh" not in argv[0]
    assert argv[0].endswith("--timeout 2s --grace 200ms --tolerance 50ms --json -")


def test_a_probe_is_long_enough_for_its_quantile():
    """Twenty-five requests are slower than it, or at least ten; what is too rare for that is not offered."""
    assert [SETTINGS.seconds(rate) for rate in (200, 500, 1000, 2499, 2500, 50_000)] == [5, 5, 3, 2, 1, 1]
    assert SETTINGS.offered[0] == 200
    rare = settings(Gate("p999", 5.0))
    assert (rare.offered[0], rare.seconds(2000), rare.seconds(25_000)) == (2000, 5, 1)
    assert SETTINGS.offered[-1] >= 1e6


# --- a search


@pytest.fixture
def machine(monkeypatch):
    """A quiet one; the stand-in for quartet-pace asks servers and clients of known limits."""
    monkeypatch.setattr(cpus, "disturbance", lambda *_: QUIET)

    def limits(server: float, of_the_client: float) -> SweepSettings:
        monkeypatch.setenv("FAKE_LIMITS", f"{server},{of_the_client}")
        return replace(SETTINGS, pace=str(FAKES / "pace.py"), budgets={1: CpuSets((0,), (0,))})

    return limits


def sought(server, chosen: SweepSettings) -> tuple[Sought, list[str]]:
    moments: list[str] = []
    return clients.seek(server.address, chosen, Search(next(iter(plan.steps(chosen)))), moments.append), moments


def test_a_search_finds_the_servers_limit(server, machine):
    found, moments = sought(server, machine(5_000, 90_000))
    assert 5_000 / 1.1 < found.found.rate <= 5_000 and not found.found.at_least
    assert moments == ["before", "after"] * len(found.probes)
    assert found.command.endswith("--json -")


def test_where_the_client_cannot_ask_faster_the_answer_is_a_bound(server, machine):
    found, _ = sought(server, machine(200_000, 40_000))
    assert 40_000 / 1.1 < found.found.rate <= 40_000 and found.found.at_least


def test_a_server_that_meets_no_rate_is_asked_down_to_the_lowest(server, machine):
    found, _ = sought(server, machine(10, 90_000))
    assert (found.found.rate, found.found.at_least) == (0, False)
    assert min(probe.rate for probe in found.probes) < 1.11 * SETTINGS.offered[0]
    assert found.probes[-1].reason == "p99 450 ms"


def test_without_the_servers_cpu_time_nobody_knows_who_else_was_on_its_cpu(server, machine):
    found, _ = sought(server, machine(5_000, 90_000))
    assert {probe.disturbance.server_cpu for probe in found.probes} == {None}


def test_what_is_not_answered_without_load_is_no_objective(server, machine):
    chosen = machine(5_000, 90_000)
    workload = replace(chosen.workloads[0], path="/missing")
    with pytest.raises(MeasurementError, match="GET /missing was answered with 404 before there was any load"):
        sought(server, replace(chosen, workloads=(workload,)))


def test_an_agent_searches_as_well(server, machine):
    chosen = machine(5_000, 90_000)
    argv = ["env", f"PYTHONPATH={ROOT}", sys.executable, "-c", "from loadtest.places import agent; agent.main()"]
    with Dialogue(argv) as talk:
        search = Search(next(iter(plan.steps(chosen))), near=5_000.0)
        found = agent.ask(talk, clients.seek, server.address, chosen, search, lambda _: None)
    assert found.probes[0].verdict in Verdict
    assert found == from_json(Sought, json.loads(json.dumps(asdict(found))))


# --- the server's CPU time


@pytest.mark.parametrize(("used", "told"), [(0.7, 0.7), (1.0, 1.0), (1.1, None)])
def test_cpu_time_that_the_servers_cpu_cannot_have_given_is_not_told(used, told):
    window = Window(Usage(10.0, 10.001, 5.0), Usage(11.0, 11.001, 5.0 + used))
    assert sweep_measure.believable(window, 1) == (told and pytest.approx(told))
    assert sweep_measure.believable(window, 2) == pytest.approx(used)


def test_the_ticks_of_the_dead_may_be_off():
    begin, end = Usage(10.0, 10.001, 5.0, parents=0), Usage(11.0, 11.001, 6.0, parents=2)
    assert sweep_measure.believable(Window(begin, end), 1) == pytest.approx(1.0 + 2 * procfs.TICK)


# --- the whole


def test_a_sweep_is_measured_shown_and_in_the_folder(quartet):  # noqa: F811
    quartet.environment["FAKE_LIMITS"] = "5000,90000"
    arguments = ("--sweep", "--slo", "p99=5ms", "--only", "prefork,epoll", "--rounds", "2")
    status, output, _ = quartet.run("latency", *arguments)
    found = quartet.results()
    assert (status, found.state, found.parts[0].measurement, len(found.results)) == (0, "complete", "sweep", 4)
    rates = [result.found.rate for result in found.results if result.found.rate is not None]
    assert rates and all(0 < rate < 6_500 for rate in rates)  # lower where the machine is busy, or none at all
    assert all(probe.server_cpu_seconds >= 0 for result in found.results for probe in result.probes)
    assert "--max-requests-per-connection 0" in found.results[0].server_command
    assert "What is the highest rate at which p99 stays below 5 ms? (plaintext, 16 connections" in output
    rows = list(csv.DictReader((quartet.out / "cells.csv").open()))
    assert {row["metric"] for row in rows} <= {"highest rate"}
    assert quartet.servers_are_gone()


def test_a_client_that_keeps_no_schedule_makes_an_invalid_cell(quartet):  # noqa: F811
    quartet.environment["FAKE_LIMITS"] = "5000,10"
    status, output, _ = quartet.run("latency", "--sweep", "--slo", "p99=5ms", "--only", "epoll", "--rounds", "1")
    assert status == 4
    assert "epoll: invalid, no probe tells: the schedule was not kept." in output


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("--sweep", "--sweep takes exactly one objective, such as --slo p99=5ms"),
        ("--sweep --slo p99=5ms --slo p50=1ms", "--sweep takes exactly one objective, such as --slo p99=5ms"),
        ("--sweep --slo max=5ms", "--sweep takes a quantile as its objective, such as --slo p99=5ms, and no max"),
        ("--sweep --slo mean=5ms", "--sweep takes a quantile as its objective, such as --slo p99=5ms, and no mean"),
        ("--sweep --slo p98=5ms", "--slo p98=5ms: expected a quantile and a time, such as p99=5ms or max=1s"),
        ("--sweep --slo p99=5ms --rate 1000", "--sweep finds the rate itself; it takes no --rate"),
        ("--sweep --slo p99=90ms", "--sweep: 90 ms take probes of 2 s, in which the queue of an overloaded server"),
    ],
)
def test_what_does_not_go_with_a_sweep_is_one_sentence_and_exit_2(say, line, sentence):  # noqa: F811
    status, output, errors = say("latency", *line.split())
    assert (status, output) == (2, "")
    assert errors.startswith(f"loadtest/quartet: {sentence}")
    assert errors.count("\n") == 1


def test_it_has_eight_rounds_with_probes_of_a_second_unless_told(say):  # noqa: F811
    sweep = ("latency", "--sweep", "--slo", "p99=5ms", "--only", "epoll", "--dry-run")
    usual, told = say(*sweep)[1], say(*sweep, "--rounds", "6", "-d", "2s")[1]
    assert "# 8 steps in 8 rounds, " in usual and " -c 16 -d 1s --poisson " in usual
    assert "# 6 steps in 6 rounds, " in told and " -c 16 -d 2s --poisson " in told
    assert "quartet-epoll --listen 127.0.0.1:8080" in usual


def test_all_models_take_less_than_five_minutes(say):  # noqa: F811
    output = say("latency", "--sweep", "--slo", "p99=5ms", "--dry-run")[1]
    assert float(output.rsplit("about ", 1)[1].removesuffix(" s\n")) < 300


# --- the report


def probe(rate: float, milliseconds: float, said: Verdict = Verdict.met, **changes) -> Probe:
    reason = f"p99 {milliseconds:g} ms"
    return replace(Probe(rate, said, reason, milliseconds, round(rate), QUIET, server_cpu_seconds=0.5), **changes)


def highest(step: SweepStep, rate: float | None, at_least: bool = False, **changes) -> Highest:
    """It was met with 2 ms, and missed by a tenth more."""
    probes = [probe(rate, 2.0)] if rate else []
    probes.append(probe(1.1 * (rate or 200), 9.0, Verdict.client if at_least else Verdict.missed))
    found = Found(rate, at_least)
    result = Highest(step=step, server_command="s", client_command="c", found=found, probes=probes)
    return replace(result, **changes)


def run(*results: Highest) -> Run:
    return samples.run(Part("sweep", SETTINGS, list(results)), verb="latency")


def of(name: str) -> list[SweepStep]:
    return sorted((step for step in plan.steps(SETTINGS) if step.contestant == name), key=lambda step: step.round)


def shown(*results: Highest) -> str:
    return terminal.render(report.document(run(*results)), 120)


def row(text: str, name: str = "epoll") -> list[str]:
    return next(line for line in text.splitlines() if line.startswith(name)).split()


NAME = SETTINGS.contestants[0].name


def rounds(*rates: float | None, at_least: tuple[int, ...] = ()) -> list[Highest]:
    """Those of `at_least`, from 0, are bounds."""
    steps = of(NAME)
    return [highest(step, rate, number in at_least) for number, (step, rate) in enumerate(zip(steps, rates))]


def test_a_row_has_the_middle_of_the_rounds_and_what_a_request_costs_there():
    """Without an interval, for want of rounds; the only probe near was that of the third round."""
    text = shown(*rounds(10_000, 12_000, 11_000))
    assert row(text, NAME)[1:] == ["10,977", "1", "2.00", "45.5", "6"]
    assert "Fewer than 6 rounds have no interval, and are called indicative." in text


def test_from_six_rounds_on_there_is_an_interval_and_a_ratio():
    """The machine drifts by a quarter, and both with it."""
    drift = [1.0, 1.1, 0.95, 1.2, 1.05, 1.15, 1.0, 1.25]
    chosen = settings(rounds=8, contestants=(samples.BY_NAME["prefork"], samples.BY_NAME["epoll"]))
    steps = sorted(plan.steps(chosen), key=lambda step: step.round)
    times = {"prefork": 10_000, "epoll": 15_000}
    results = [highest(step, times[step.contestant] * drift[step.round - 1]) for step in steps]
    found = samples.run(Part("sweep", chosen, results), verb="latency")
    text = terminal.render(report.document(found), 120)
    answers = {}
    for name in times:
        answer, low, high = (
            float(cell.replace(",", "")) for cell in re.findall(r"[\d,]+", " ".join(row(text, name)[1:3]))
        )
        assert 0.95 * times[name] <= low < answer < high <= 1.25 * times[name]
        answers[name] = answer
    assert row(text, "prefork")[3] == "1" and row(text, "epoll")[3:5] == ["1.50", "[1.50-1.50]"]
    assert answers["epoll"] == pytest.approx(1.5 * answers["prefork"], rel=0.001)
    assert "indicative" not in text and "for want of rounds" not in text


def test_an_answer_is_a_bound_when_it_would_be_higher_had_the_client_gone_on():
    for number in range(3):
        assert row(shown(*rounds(10_000, 12_000, 11_000, at_least=(number,))), NAME)[1:3] == [">=", "10,977"]
    chosen = settings(rounds=8)
    steps = [step for step in plan.steps(chosen) if step.contestant == NAME]
    results = [highest(step, 10_000 + step.round) for step in steps]
    results[-1] = highest(steps[-1], 90_000, at_least=True)  # far above all others, wherever it would have ended
    text = terminal.render(report.document(samples.run(Part("sweep", chosen, results), verb="latency")), 120)
    assert row(text, NAME)[1] == "10,004" and ">=:" not in text


def test_a_bound_says_whose_limit_it_is_and_is_no_value():
    found = run(*rounds(10_000, 10_000, 10_000, at_least=(0, 1, 2)))
    assert f">=: quartet-pace's limit, not the server's: it could not ask faster and keep its schedule ({NAME})." in (
        " ".join(terminal.render(report.document(found), 120).split())
    )
    assert list(metrics.values(found)) == []


def test_highest_rates_are_values_of_a_metric():
    found = list(metrics.values(run(*rounds(10_000, 12_000, 11_000))))
    assert [one.value for one in found] == [10_000, 12_000, 11_000]
    assert {(one.metric.name, one.metric.better, one.labels.workload) for one in found} == {
        ("highest rate", "more", "plaintext")
    }


def test_no_rate_met_is_less_than_all_that_were_asked_for_and_a_missed_gate():
    found = run(*rounds(0.0, 0.0, 11_000))
    assert row(terminal.render(report.document(found), 120), NAME)[1:4] == ["<", "200", "-"]
    assert row(shown(*rounds(200, 200, 200)), NAME)[1] == "200", "the lowest rate, met"
    assert LATENCY.status(found) == Exit.gate
    assert f"{NAME}: met at no rate; at 220/s: p99 9 ms." in terminal.render(report.document(run(*rounds(0.0))), 120)
    assert LATENCY.status(run(*rounds(0.0, 12_000, 11_000))) == Exit.ok


def test_an_invalid_cell_has_dashes_and_a_reason():
    found = run(*(replace(one, problems=["the port was taken"]) for one in rounds(1e4, 1e4, 1e4)))
    text = terminal.render(report.document(found), 120)
    assert row(text, NAME)[1:] == ["-", "(0/3)", "-", "-", "-", "6"]
    assert f"{NAME}: invalid, the port was taken." in text and "now and then" not in text
    assert LATENCY.status(found) == Exit.invalid


def test_a_rate_far_above_the_answer_that_was_met_is_told():
    first, *others = rounds(10_000, 10_000, 10_000)
    first.probes.append(probe(30_000, 3.0))
    assert f"{NAME}: now and then met at a much higher rate, too, at most 30,000/s" in shown(first, *others)


def test_an_interval_of_more_than_a_tenth_to_each_side_is_told():
    sentence = f"An interval of more than a tenth to each side, which more rounds make narrower: {NAME}."
    wide, narrow = ([10_000 * (1 + share * number) for number in range(8)] for share in (0.1, 0.02))
    chosen = settings(rounds=8)
    steps = [step for step in plan.steps(chosen) if step.contestant == NAME]

    def text(rates: list[float]) -> str:
        results = [highest(step, rate) for step, rate in zip(steps, rates)]
        document = report.document(samples.run(Part("sweep", chosen, results), verb="latency"))
        return " ".join(terminal.render(document, 120).split())

    assert sentence in text(wide)
    assert sentence not in text(narrow)


def test_the_next_round_begins_where_the_last_ones_ended():
    steps = [step for step in plan.steps(settings(rounds=8)) if step.contestant == NAME]
    results = [highest(step, rate) for step, rate in zip(steps, (90_000, 10_000, 11_000, 12_000))]
    results[0].problems = ["it was killed"]
    other = [
        replace(highest(step, 500.0), step=replace(step, cell=replace(step.cell, contestant="x"))) for step in steps
    ]
    near = [sweep_measure.near(SETTINGS, step, [*results, *other]) for step in steps[4:]]
    assert all(11_000 / 1.05 <= one <= 11_000 * 1.05 for one in near) and len(set(near)) == len(near)
    assert sweep_measure.near(SETTINGS, steps[0], other) is None


def test_disturbed_probes_are_counted():
    first, *others = rounds(10_000, 10_000, 10_000)
    first.probes.append(probe(10_500, 9.0, Verdict.disturbed, disturbance=NOISY))
    assert "Other load took CPU time in 1 of 7 probes. They were not met, and count for less." in shown(first, *others)


def test_a_load_is_still_shown_as_a_load():
    chosen = samples.settings(rates=(1000.0,), closed=False)
    assert "at a constant rate?" in terminal.render(report.document(samples.trial_run(chosen, verb="latency")), 120)


# --- its plots


def plot(name: str, *results: Highest) -> Plot:
    [found] = [one for one in report.document(run(*results)).plots if one.id == name]
    return found


def test_its_sentence_leads_to_its_section():
    found = report.document(run(*rounds(10_000, 12_000, 11_000)))
    assert [one.id for one in found.sections] == ["sweep"] == [found.words[0].clauses[0].section]


def test_where_no_round_was_valid_that_is_the_answer():
    found = rounds(10_000, 12_000, 11_000)
    for one in found:
        one.problems = ["the port was taken"]
    assert [str(one) for one in report.document(run(*found)).words] == ["No answer: no round was valid."]


def test_the_heads_of_what_was_measured_near_the_answer_stand_together():
    heads = head_rows(report.document(run(*rounds(10_000, 12_000, 11_000))).sections[0].table.heads)
    assert [(one.text, one.columns) for one in heads[0][3:]] == [("at that rate", 2), ("probes", 1)]
    assert [one.text for one in heads[1]] == ["[95 %]", "p99 ms", "CPU us each"]


def test_the_highest_rate_is_drawn_with_its_interval():
    """The Hodges-Lehmann estimate of eight rounds, whose interval leaves three of 36 averages out at each end."""
    chosen, rates = settings(rounds=8), [10_000 + 100 * number for number in range(8)]
    steps = [step for step in plan.steps(chosen) if step.contestant == NAME]
    part = Part("sweep", chosen, [highest(step, rate) for step, rate in zip(steps, rates)])
    averages = sorted((a * b) ** 0.5 for i, a in enumerate(rates) for b in rates[i:])
    first = report.document(samples.run(part, verb="latency")).plots[0]
    assert [(one.row, one.y, one.low, one.high, one.note) for one in first.marks] == [
        (NAME, *map(pytest.approx, ((averages[17] * averages[18]) ** 0.5, averages[3], averages[-4])), "")
    ]


def test_a_highest_rate_of_few_rounds_has_no_interval_and_a_bound_says_so():
    [mark] = plot("sweep-rate", *rounds(10_000, 12_000, 11_000, at_least=(0,))).marks
    assert (mark.low, mark.high) == (None, None)
    assert mark.note == (
        "a lower bound: the client could not ask faster; indicative: 3 of the 6 rounds that an interval takes"
    )


def test_where_no_rate_is_met_there_is_no_number_but_the_reason():
    other = SETTINGS.contestants[1].name
    never = [highest(step, 0.0) for step in of(NAME)]
    there, absent = plot("sweep-rate", *never, *(highest(step, 9_000) for step in of(other))).marks[::-1]
    assert there.y == pytest.approx(9_000) and (absent.row, absent.y) == (NAME, None)
    assert absent.note == "met at no rate, not even at 200/s, the lowest that is asked for"
    assert [one.id for one in report.document(run(*never)).plots] == ["sweep-probes"]


def test_probes_are_drawn_by_rate_and_those_that_say_nothing_of_the_server_are_not():
    first, *others = rounds(10_000, 10_000, 10_000)
    first.probes += [
        probe(10_000, 4.0),
        probe(10_000, 9.0, Verdict.missed),
        replace(probe(8_000, 1.0), milliseconds=None),
    ]
    first.probes += [probe(9_000, 7.0, Verdict.disturbed, disturbance=NOISY), probe(9_500, 1.0, Verdict.client)]
    found = plot("sweep-probes", first, *others)
    assert [(one.x, one.y, one.low, one.high, one.note) for one in found.marks] == [
        (10_000, 2.0, 2.0, 9.0, "met by 4 of 5"),
        (pytest.approx(11_000), 9.0, 9.0, 9.0, "met by 0 of 3"),
    ]
    assert found.reference == 5.0 and found.commands == ("s", "c")


def test_an_invalid_search_enters_no_plot():
    bad, *good = rounds(50_000, 10_000, 10_000)
    bad.problems = ["the port was taken"]
    assert [one.y for one in plot("sweep-rate", bad, *good).marks] == [pytest.approx(10_000)]
    assert max(one.x for one in plot("sweep-probes", bad, *good).marks) == pytest.approx(11_000)
