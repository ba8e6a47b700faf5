"""The verb run: what it measures, in which order, and what it makes of the verbs' own reports."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from dataclasses import replace
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import pytest
import samples
from conftest import BINARIES, FAKES
from test_quartet import Quartet, say  # noqa: F401  a fixture

from loadtest.contestants.contestants import Kind, select
from loadtest.document.document import Clause, Section, Sentence
from loadtest.engine import folder, measurement, metrics, provision, report
from loadtest.engine.measurement import MEASUREMENTS, VERBS
from loadtest.engine.run import Exit, Failure, Part, Run
from loadtest.engine.runner import execute, remaining
from loadtest.places import launch
from loadtest.statistics.differences import rounds_needed
from loadtest.system import MeasurementError
from loadtest.verbs.crash import triggers
from loadtest.verbs.load.presets import YARDSTICK
from loadtest.verbs.load.verb import LOAD
from loadtest.verbs.run import plan
from loadtest.verbs.run import report as run_report
from loadtest.verbs.run.plan import FULL, QUICK, Preset, Wanted
from loadtest.verbs.schedulers import plan as scheduler_plan


def wanted(preset: Preset = QUICK, cpus: int = 2, **changes: Any) -> Wanted:
    models = select([one.name for one in preset.contestants], samples.EVERYBODY)
    usual: dict[str, Any] = {"runner": "local", "pace": "quartet-pace", "tries_machine": False}
    names = {one.name for one in models}
    yardsticks = tuple(one for one in samples.EVERYBODY if one.name in names or one.model in names)
    return Wanted(preset, models, yardsticks, frozenset(range(cpus)), **{**usual, **changes})


def parts(preset: Preset = QUICK, cpus: int = 2, **changes: Any) -> list[Part]:
    return plan.parts(wanted(preset, cpus, **changes))[0]


def left_out(preset: Preset = QUICK, cpus: int = 2, **changes: Any) -> str:
    return "\n".join(plan.parts(wanted(preset, cpus, **changes))[1])


def steps(part: Part) -> list[Any]:
    return list(MEASUREMENTS[part.measurement].steps(part.settings))


def seconds(whole: list[Part]) -> float:
    return sum(MEASUREMENTS[part.measurement].seconds(part.settings, step) for part in whole for step in steps(part))


def a_run(*chapters: Part, **changes: Any) -> Run:
    return samples.run(*chapters, verb="run", **changes)


def loads(verb: str = "throughput", **changes: Any) -> Part:
    return replace(samples.part_of_trials(samples.settings(**changes)), verb=verb)


def crashes() -> Part:
    return replace(samples.part_of_crashes(samples.crash_settings()), verb="crash")


# --- what is measured


def test_a_quick_run_asks_every_question_once():
    assert [(part.verb, part.measurement) for part in parts()] == [
        *(("throughput", "load"), ("latency", "load"), ("memory", "idle"), ("memory", "sharing")),
        *(("walk", "walk"), ("crash", "crash")),
    ]
    assert left_out() == ""


def test_a_full_run_has_the_yardstick_every_fault_asan_and_the_highest_rate():
    whole = parts(FULL)
    assert [part.verb for part in whole][-3:] == ["crash", "throughput", "latency"]
    *_, crash, yardstick, sweep = whole
    assert (len(crash.settings.faults), crash.settings.asan, sweep.measurement) == (40, True, "sweep")
    assert {one.kind for one in yardstick.settings.contestants} == {Kind.model, Kind.bare, Kind.peer}
    assert yardstick.settings.preset == YARDSTICK


@pytest.mark.parametrize(("preset", "most"), [(QUICK, 560), (FULL, 3200)])
def test_with_a_tenth_of_repeats_a_run_takes_ten_minutes_or_less_than_an_hour_on_two_cpus(preset, most):
    assert most / 2 < seconds(parts(preset)) < most


def test_where_intervals_are_wanted_there_are_the_rounds_for_them():
    for part in [*parts(), *parts(FULL)]:
        if part.measurement in ("load", "sweep"):
            assert part.settings.rounds >= 6
    assert [part.settings.rounds for part in parts(FULL, rounds=3) if part.measurement in ("load", "sweep")] == [3] * 4


def test_more_server_cpus_are_tried_where_the_load_has_as_many_of_its_own():
    _, scaling, *_ = parts(FULL, cpus=8)
    assert list(scaling.settings.budgets) == [2, 4]
    assert not any(sets.shared for sets in scaling.settings.budgets.values())
    assert "scaling is left out: two CPUs for the server and two for its load take four, and there are 2 here" == (
        left_out(FULL)
    )
    assert "scaling" not in left_out(FULL, cpus=4)


@pytest.mark.parametrize("preset", [QUICK, FULL])
def test_no_cell_is_measured_by_two_parts(preset):
    counted: Counter[Any] = Counter()
    for part in parts(preset, cpus=8):
        labels = MEASUREMENTS[part.measurement].labels
        counted.update({(part.measurement, one.contestant, labels(part.settings, one)) for one in steps(part)})
    assert set(counted.values()) == {1}


def test_in_docker_is_left_out_what_containers_cannot_show():
    for preset in (QUICK, FULL):
        whole, told = plan.parts(wanted(preset, runner="docker", in_image=True))
        assert "walk is left out: strace does not look into containers" in told
        assert {part.settings.runner for part in whole} == {"docker"}
        assert all(one.ours for part in whole for one in part.settings.contestants)
        assert {"throughput", "latency", "memory", "crash"} == {part.verb for part in whole}
    assert "AddressSanitizer is left out: the images hold no servers with it" in told
    assert "yardstick is left out: peers and bare servers are not in the images" in told


def test_servers_that_were_built_elsewhere_have_no_asan():
    assert "and --bin has them" in left_out(FULL, builds=False)
    assert not any(part.settings.asan for part in parts(FULL, builds=False) if part.measurement == "crash")


def test_a_fault_that_is_left_out_is_named_once():
    _, told = plan.parts(wanted(FULL, runner="docker", in_image=True))
    reason = "it is done to the server's processes and files on this machine: use --runner local"
    assert f"kill-worker is left out: {reason}" in told


def test_where_nobody_may_trace_the_walk_is_left_out(monkeypatch):
    monkeypatch.setattr(triggers, "cannot_trace", lambda: "strace may not trace here")
    monkeypatch.setattr(triggers, "refusal", lambda fault, runner: "it bites" if fault.id == "segv" else "")
    assert left_out(tries_machine=True) == "walk is left out: strace may not trace here\nsegv is left out: it bites"
    monkeypatch.setenv(provision.ASKED, "1")
    monkeypatch.setenv("PATH", "")
    assert "walk" not in left_out(tries_machine=True), "strace will be installed"


def test_faults_of_a_quick_run_are_in_the_catalogue_and_make_a_matrix():
    [crash] = [part for part in parts() if part.measurement == "crash"]
    assert [one.name for one in crash.settings.faults] == list(QUICK.faults)
    names = [one.name for part in parts(FULL) if part.measurement == "crash" for one in part.settings.contestants]
    assert "coroutines-2" in names and len(names) == 7


def test_a_smoke_test_has_the_same_parts_and_each_is_short():
    for preset, most in ((QUICK, 100), (FULL, 330)):
        whole = parts(preset)
        short = plan.smoke(whole)
        assert [(part.verb, part.measurement) for part in short] == [(part.verb, part.measurement) for part in whole]
        assert {step.round for part in short for step in steps(part)} == {1}
        assert seconds(short) < most


# --- in which order


def test_a_chapter_is_measured_to_its_end_before_the_next_and_round_by_round():
    run = a_run(*parts(FULL, cpus=4))
    order = [(id(part), step.round) for part, step in remaining(run)]
    chapter = {id(part): number for number, one in enumerate(run.chapters) for part in one.parts}
    assert all(a <= b for a, b in pairwise([(chapter[part], number) for part, number in order]))
    assert [one.verb for one in run.chapters] == [
        *("throughput", "latency", "memory", "walk", "crash"),
        *("throughput", "latency"),
    ]


def test_parts_of_one_chapter_take_turns_round_by_round():
    run = a_run(*parts(FULL, cpus=4)[:2])
    measured = [name for name, _ in groupby(step.cell.cpus > 1 for _, step in remaining(run))]
    assert measured == 10 * [False, True]


def test_a_run_that_is_gone_on_with_begins_where_it_ended(tmp_path):
    first, second = loads(), loads("latency", rates=(1000.0,), closed=False)
    second.results = second.results[:3]
    folder.save(a_run(first, second, state="interrupted"), tmp_path)
    found = folder.load(tmp_path)
    assert [part.verb for part in found.parts] == ["throughput", "latency"]
    todo = remaining(found)
    assert {part.verb for part, _ in todo} == {"latency"}
    assert [step for _, step in todo] == steps(second)[3:]


def test_who_fails_in_one_chapter_is_measured_in_the_next(monkeypatch):
    def measure(bench: Any, step: Any) -> Any:
        if step.cell.rate is None and step.contestant == "epoll":
            raise MeasurementError("it did not drain")
        return replace(samples.trial(step.cell, step.round), step=step)

    monkeypatch.setitem(MEASUREMENTS, "load", replace(LOAD, measure=measure))
    run = a_run(loads(), loads("latency", rates=(1000.0,), closed=False))
    for part in run.parts:
        part.results = []
    execute(run, None, Path("nowhere"), lambda: None)  # type: ignore[arg-type]
    assert [len(part.of("epoll")) for part in run.parts] == [0, 8]
    assert [(one.contestant, one.reason) for one in run.failures] == [("epoll", "it did not drain")]


# --- what is shown


def test_every_section_stands_in_the_chapter_of_its_verb_and_no_id_is_there_twice():
    yardstick = loads(preset=YARDSTICK)
    run = a_run(loads(), loads("latency", rates=(1000.0,), closed=False), crashes(), yardstick)
    sections = VERBS["run"].sections(run)
    titles = list(dict.fromkeys(one.chapter for one in sections))
    assert len(titles) == 4 and titles[3] == run_report.TITLES[YARDSTICK]
    alone = [VERBS[one.verb].sections(one) for one in run.chapters]
    assert [one.title for one in sections] == [one.title for each in alone for one in each]
    for ids in ([one.id for one in sections if one.id], [plot.id for one in sections for plot in one.plots]):
        assert len(set(ids)) == len(ids)


def test_the_second_of_an_id_gets_a_number(monkeypatch):
    twice = replace(
        VERBS["throughput"], sections=lambda run: [Section("?", None, [], id=name) for name in ("load", "")]
    )
    monkeypatch.setitem(VERBS, "throughput", twice)
    run = a_run(loads(), crashes(), loads(preset=YARDSTICK))
    ids = [one.id for one in run_report.sections(run) if one.title == "?"]
    assert ids == ["load", "", "load-2", ""]


def test_of_an_interrupted_run_the_chapters_that_were_measured_are_shown():
    empty = [loads(), *parts()[1:]]
    found = report.document(a_run(*empty, state="interrupted"))
    assert {one.chapter for one in found.sections} == {run_report.title(a_run(loads()).chapters[0])}
    assert len([line for line in found.head if "interleaved" in line]) == 1


def test_a_run_without_any_result_has_a_document():
    assert report.document(a_run(*parts(), state="interrupted")).sections == []


def test_one_answer_is_made_of_all_chapters():
    run = a_run(loads(), crashes())
    told = "\n".join(map(str, VERBS["run"].words(run)))
    assert "If a request may crash or hang" in told and "At full load" in told


def test_where_there_is_no_answer_the_verbs_speak_for_themselves():
    run = a_run(loads(contestants=samples.select(("nginx", "h2o"), samples.EVERYBODY)))
    assert VERBS["run"].words(run) == VERBS["throughput"].words(run.chapters[0]) != []


def test_the_first_sentence_is_that_of_the_first_verb():
    run = a_run(loads(), crashes())
    assert VERBS["run"].first(run) == VERBS["throughput"].first(run.chapters[0]) != ""


def test_a_clause_leads_to_a_section_that_is_there():
    clauses = tuple(Clause("x", name) for name in ("crash-matrix", "latency", "cost", "", "memory"))
    found = run_report.linked(
        Sentence(clauses), ["cost", "latency-1000", "latency-5000", "crash-matrix", "memory-price"]
    )
    assert [one.section for one in found.clauses] == ["crash-matrix", "latency-1000", "cost", "", "memory-price"]
    assert run_report.linked(Sentence(clauses[:1]), ["crash"]).clauses[0].section == ""


@pytest.mark.parametrize(
    ("failed", "surprised", "invalid", "status"),
    [
        (True, True, True, Exit.failed),
        (False, True, True, Exit.gate),
        (False, False, True, Exit.invalid),
        (False, False, False, Exit.ok),
    ],
)
def test_the_gravest_status_of_a_chapter_is_that_of_the_run(failed, surprised, invalid, status):
    load, crash = loads(), crashes()
    if invalid:
        load.results = [replace(one, problems=["."]) if one.step.contestant == "epoll" else one for one in load.results]
    if surprised:
        crash.results[0].verdict = replace(crash.results[0].verdict, harm="starved")
    failures = [Failure("epoll", "round 1", "it did not start")] if failed else []
    assert VERBS["run"].status(a_run(load, crash, failures=failures)) == status


def test_cells_name_the_verb_that_they_belong_to():
    run = a_run(loads(), loads("latency", rates=(1000.0,), closed=False))
    rows = list(csv.DictReader(io.StringIO(metrics.csv_text(run))))
    assert {(row["verb"], row["rate"]) for row in rows} == {("throughput", ""), ("latency", "1000")}


def test_every_verb_that_a_part_belongs_to_is_registered_and_measures_it():
    for part in parts(FULL, cpus=8):
        assert part.measurement in [one.name for one in VERBS[part.verb].measurements]
        assert part.measurement in [one.name for one in VERBS["run"].measurements]
    assert measurement.VERBS["run"].title


# --- the command line


def test_a_dry_run_says_how_long_it_takes_and_what_is_left_out(say):  # noqa: F811
    status, output, errors = say("run", "--dry-run", "--runner", "docker")
    assert status == 0 and output.startswith("# in Docker: ")
    assert output.splitlines()[-1].startswith("# 302 steps in 9 rounds, about ")
    assert errors.startswith("loadtest/quartet: walk is left out: strace does not look into containers\n")


def test_all_adds_models_to_each_part_and_rounds_to_tell_them_apart():
    usual, every = parts(FULL), parts(plan.with_every_model(FULL))
    assert [one.measurement for one in every[len(usual) :]] == ["schedulers"]
    for before, after in zip(usual, every):
        names = [{one.name for one in part.settings.contestants} for part in (before, after)]
        assert names[1] - names[0] >= {"multiprocess", "helpers", "fibers"}, before.measurement
    crash = next(part.settings for part in every if part.measurement == "crash")
    assert crash.contestant("multiprocess").arguments == ("--workers", "2")


def test_all_has_the_policies_of_its_models_where_there_are_two_cpus(monkeypatch, tmp_path):
    every = plan.with_every_model(QUICK)
    found = parts(every)[-1]
    assert found.verb == found.measurement == "schedulers"
    assert [one.name for one in found.settings.contestants] == [one.name for one in scheduler_plan.CONTESTANTS]
    assert "schedulers is left out: server and clients take a CPU each" in left_out(every, cpus=1)
    assert parts(every, cpus=1)[-1].measurement != "schedulers"
    monkeypatch.setenv("PATH", str(tmp_path))  # without chrt
    assert "threads-rr is left out: SCHED_RR is refused here" in left_out(every, tries_machine=True)
    short = plan.smoke([found])[0].settings
    assert (short.rounds, short.duration) == (1, 2)


@pytest.mark.parametrize("preset", [QUICK, FULL], ids=lambda preset: preset.name)
@pytest.mark.parametrize("every", [False, True], ids=["pure", "all"])
def test_rounds_of_latency_tell_all_models_of_a_preset_apart(preset, every):
    asked = parts(plan.with_every_model(preset) if every else preset)
    found = next(part.settings for part in asked if part.measurement == "load" and part.settings.rates)
    assert found.rounds == rounds_needed(math.comb(len(found.contestants), 2))


def test_models_and_rounds_can_be_chosen(say):  # noqa: F811
    output = say("run", "--dry-run", "--only", "epoll", "--rounds", "2")[1]
    assert "quartet-threads" not in output
    assert output.splitlines()[-1].startswith("# 30 steps in 2 rounds, ")
    status, _, errors = say("run", "--only", "nginx")
    assert status == 2 and errors.startswith("loadtest/quartet: there is no contestant 'nginx'; there are fork-per-req")
    assert say("run", "--preset", "slow")[0] == 2


@pytest.fixture
def quartet(tmp_path) -> Quartet:
    """With real servers, and a stand-in for wrk."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for name in ("quartet-epoll", "quartet-pace"):
        (directory / name).symlink_to(BINARIES / name)
    (directory / "wrk").symlink_to(FAKES / "wrk.py")
    return Quartet(directory, tmp_path)


def test_everything_is_measured_once_and_stands_in_one_folder_and_on_one_page(quartet):
    status, output, errors = quartet.run("run", "--smoke", "--only", "epoll")
    found = quartet.results()
    assert (found.state, found.failures) == ("complete", []), errors
    assert {"throughput", "latency", "memory", "crash"} <= {part.verb for part in found.parts}
    assert all(part.results for part in found.parts)
    assert status in (Exit.ok, Exit.invalid)  # a busy machine
    page = (quartet.out / "report.html").read_text()
    for section in report.document(found).sections:
        assert section.title.partition("'")[0] in output.replace("\n", " ") and section.title.partition("'")[0] in page


# --- in the container of docker/compose.yaml's report


def test_inside_a_container_figures_say_where_they_are_from(monkeypatch, tmp_path):
    assert launch.here(tmp_path, tmp_path).name == "local"
    monkeypatch.setenv(launch.CONTAINER, "all in one container")
    place = launch.here(tmp_path, tmp_path)
    assert (place.name, place.description) == ("container", "all in one container")
    where = replace(samples.ENVIRONMENT, runner=place.name, place=place.description)
    found = report.document(a_run(loads(), environment=where))
    assert all(one.title.endswith(" [container]") for one in found.sections)
    assert [line for line in found.head if "all in one container" in line and "never with native ones" in line]


def test_inside_a_container_there_is_no_yardstick_and_no_asan_but_a_walk(say, monkeypatch):  # noqa: F811
    monkeypatch.setenv(launch.CONTAINER, "all in one container")
    status, _, errors = say("run", "--preset", "full", "--dry-run", "--bin", "/usr/local/bin")
    assert status == 0
    assert "yardstick is left out" in errors and "AddressSanitizer is left out" in errors
    assert "walk" not in errors
