"""What a fault does: the plan, both sides of one, and real servers that really die, hang and answer wrongly."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import closing
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

import pytest
import samples
from conftest import BINARIES, FAKES, ROOT, eventually
from typer.testing import CliRunner

from loadtest.cli import commands
from loadtest.clients.pace import Record
from loadtest.contestants import contestants, peers
from loadtest.contestants.contestants import Contestant, described
from loadtest.engine import provision
from loadtest.engine.measurement import Bench
from loadtest.engine.run import Exit, Failure, Part, Stop
from loadtest.places.launch import Local
from loadtest.system import MeasurementError, cpus
from loadtest.system.cpus import CpuSets, Disturbance
from loadtest.system.processes import Address, Ended
from loadtest.system.records import from_json
from loadtest.verbs.crash import attend, catalogue, clients, measure, plan, survival, triggers, verb
from loadtest.verbs.crash.catalogue import ADDRESS, Limits
from loadtest.verbs.crash.ledger import Ledger
from loadtest.verbs.crash.measure import CRASH
from loadtest.verbs.crash.plan import COLUMNS, CrashSettings
from loadtest.verbs.crash.results import (
    DOCKER,
    HARMS,
    KEEPERS,
    PARENT,
    RADII,
    Crash,
    CrashStep,
    Processes,
    Recovery,
    Stored,
    Verdict,
)

OK, EOF, REFUSED, NEVER = "ok", "EOF before response", "refused", "never answered"
UNSPREAD = "the connections were not spread over 2 loops"
UNHURT = ("none", "delayed")  # on a machine that others use, too, somebody may be late
ALL = described(COLUMNS, cache(Local(BINARIES, Path(os.devnull)).describe))
SETTINGS = CrashSettings(
    ALL,
    CpuSets((0,), (0,)),
    tuple(catalogue.faults()),
    pace=str(BINARIES / "quartet-pace"),
    sessions=plan.SESSIONS,
    end=1.0,
    tolerance=1.0,
)
ADDRESS_OF_SERVER = Address("127.0.0.1", 8080)
BUILDS = ("", ADDRESS)


def of(*names: str, **changes: object) -> CrashSettings:
    return replace(SETTINGS, faults=tuple(map(catalogue.select, names)), **changes)


# --- the plan


def names(contestants: tuple[Contestant, ...]) -> list[str]:
    return [one.name for one in contestants]


def test_every_fault_meets_every_model_to_which_it_applies():
    settings = of("segv", "spin")
    assert [(step.fault, step.contestant) for step in plan.steps(settings)] == [
        (fault, one.name) for fault in ("segv", "spin") for one in COLUMNS
    ]


def test_a_fault_that_cannot_happen_to_a_model_is_not_tried():
    absent = replace(catalogue.select("segv"), inapplicable=(catalogue.Expectation(("epoll", "threads"), (), "no"),))
    tried = [step.contestant for step in plan.steps(replace(SETTINGS, faults=(absent,)))]
    assert tried == [one.name for one in COLUMNS if one.name not in ("epoll", "threads")]


def test_a_given_parent_is_for_those_who_have_none():
    settings = of("segv", supervised=("segv",))
    supervised = [step.contestant for step in plan.steps(settings) if step.keeper == PARENT]
    assert supervised == ["threads", "coroutines", "coroutines-2", "epoll", "helpers", "fibers", "fibers-2"]
    assert len(list(plan.steps(settings))) == len(COLUMNS) + 7
    alone = list(plan.steps(replace(settings, alone=False)))
    assert [step.contestant for step in alone if not step.keeper] == [*names(COLUMNS[:3]), "multiprocess"]
    for step in alone:
        server = CRASH.server(settings, step)
        assert ("--supervise" in server.contestant.arguments) == (step.keeper == PARENT)
        assert not server.restarts


def test_docker_starts_everybody_again_who_fails_those_with_a_parent_too():
    settings = of("segv", **plan.RESTARTED)
    steps = list(plan.steps(settings))
    assert [(step.contestant, step.keeper) for step in steps] == [(one.name, DOCKER) for one in COLUMNS]
    for step in steps:
        server = CRASH.server(settings, step)
        assert server.restarts and "--supervise" not in server.contestant.arguments
        assert server.contestant.name == f"{step.contestant} +restart"


def test_with_asan_a_fault_is_tried_once_more_where_something_is_expected_of_it():
    tried = [(step.fault, step.contestant, step.sanitizer) for step in plan.steps(of("segv", "spin", asan=True))]
    assert tried[:4] == [("segv", one.name, built) for one in COLUMNS[:2] for built in ("", ADDRESS)]
    assert tried[2 * len(COLUMNS) :] == [("spin", one.name, "") for one in COLUMNS]
    assert len(list(plan.steps(of("segv", asan=True, repeats=2, supervised=("segv",))))) == 2 * 2 * (len(COLUMNS) + 7)


def test_a_server_with_asan_is_of_its_own_build_and_the_client_is_not():
    settings, step = of("segv", asan=True), CrashStep("coroutines-2", "segv", sanitizer=ADDRESS)
    server = CRASH.server(settings, step)
    assert server.contestant.name == "coroutines-2 +asan"
    assert server.under == ("env", "ASAN_OPTIONS=symbolize=0")
    assert server.command_line[:3] == [str(ROOT / "build/asan/bin/quartet-coroutines"), "--workers", "2"]
    assert clients.load_command(ADDRESS_OF_SERVER, settings, step)[3] == str(BINARIES / "quartet-pace")
    for built, rate in ((ADDRESS, "50"), ("", "200")):
        command = clients.load_command(ADDRESS_OF_SERVER, settings, CrashStep("epoll", "segv", sanitizer=built))
        assert command[command.index("--rate") + 1] == rate
    assert server.contestant.executable in CRASH.executables(settings)
    assert server.contestant.executable not in CRASH.executables(of("segv"))


def test_of_a_server_with_asan_is_expected_what_the_catalogue_says_of_that_build():
    assert SETTINGS.expected(CrashStep("threads", "use-after-free")) == ("server wrong",)
    assert SETTINGS.expected(CrashStep("threads", "use-after-free", sanitizer=ADDRESS)) == ("server lost",)
    assert SETTINGS.expected(CrashStep("threads", "use-after-free", PARENT, sanitizer=ADDRESS)) == ()


def test_wrk_is_asked_of_the_usual_build_alone():
    settings = of("segv", asan=True, asks_wrk=True)
    loads = {
        one: measure.load(ADDRESS_OF_SERVER, settings, CrashStep("epoll", "segv", sanitizer=one)) for one in BUILDS
    }
    assert [len(loads[one]) for one in BUILDS] == [3, 1]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--fault spin", "--asan: of spin nothing is expected with AddressSanitizer; there are segv, "),
        ("--fault spin --fault throw", "--asan: of spin and throw nothing is expected"),
        ("--matrix --bin /bin", "--asan and --bin: "),
        ("--fault segv --runner docker", "--asan is for --runner local: "),
        ("--script FILE", "--asan and --script FILE: "),
    ],
)
def test_what_cannot_be_tried_with_asan_is_a_usage_error(arguments, sentence):
    file = str(ROOT / "loadtest/verbs/crash/examples/two-crashes.txt")
    words = arguments.replace("FILE", file).split()
    stopped = CliRunner().invoke(commands.app, ["crash", "--asan", *words]).exception
    assert isinstance(stopped, Stop) and stopped.status == Exit.usage
    assert str(stopped).startswith(sentence.replace("FILE", file)) and "\n" not in str(stopped)


def test_a_dry_run_shows_the_servers_with_asan():
    argv = ["crash", "--asan", "--fault", "segv", "--fault", "spin", "--only", "epoll", "--dry-run"]
    shown = CliRunner().invoke(commands.app, argv).output
    assert "# epoll: segv with AddressSanitizer\n" in shown and "# 3 steps" in shown
    assert len(re.findall(r"build/asan/bin/quartet-epoll --listen", shown)) == 1


def test_servers_with_asan_are_built_by_their_own_preset_and_with_their_own_fix_where_they_are_missing():
    part = Part("crash", of("segv", asan=True))
    wanted = provision.needs(verb.CRASHES, [part], builds=True)
    servers = tuple(sorted({one.executable for one in COLUMNS}))
    assert len(servers) == 7
    assert wanted.sanitized == servers and {*wanted.targets} == {*servers, "quartet-pace"}
    assert provision.needs(verb.CRASHES, [Part("crash", of("segv"))], builds=True).sanitized == ()
    absent = peers.missing(str(contestants.ASAN / "quartet-none"), BINARIES)
    assert "--preset asan --target quartet-programs" in absent


def test_both_builds_of_a_server_are_among_the_versions(tmp_path, monkeypatch):
    """So that a run is not resumed with one of them built anew."""
    asan, release = tmp_path / "asan", tmp_path / "release"
    for directory in (asan, release):
        directory.mkdir()
        (directory / "quartet-epoll").write_text(f"#!/bin/sh\necho built for {directory.name}\n")
        (directory / "quartet-epoll").chmod(0o755)
    monkeypatch.setattr(contestants, "ASAN", asan)
    versions = Local(release, tmp_path / "log").versions([str(asan / "quartet-epoll"), "quartet-epoll"])
    assert versions == {"quartet-epoll": "built for release", "quartet-epoll +asan": "built for asan"}


def test_repeats_are_rounds():
    assert [step.round for step in plan.steps(of("segv", repeats=2))] == [1] * len(COLUMNS) + [2] * len(COLUMNS)


@pytest.mark.parametrize("keeper", KEEPERS)
def test_nothing_is_expected_of_what_is_tried_under_a_keeper(keeper):
    assert SETTINGS.expected(CrashStep("epoll", "segv")) == ("server lost",)
    assert SETTINGS.expected(CrashStep("epoll", "segv", keeper)) == ()


def test_what_fails_of_one_fault_is_not_left_out_of_another():
    steps = [CrashStep("epoll", "segv", keeper, 1, built) for keeper in ("", *KEEPERS) for built in BUILDS]
    steps.append(CrashStep("epoll", "spin"))
    assert len(set(map(CRASH.key, steps))) == 7
    assert len({attend.raw_name(step, step.fault) for step in steps}) == 7


# --- the server and the load


def test_a_server_has_faults_enabled_and_the_limits_of_the_fault():
    server = CRASH.server(SETTINGS, CrashStep("threads", "fd-leak"))
    assert server.more[0] == "--enable-faults"
    assert server.under == ("prlimit", "--nofile=256", "--")
    assert CRASH.server(SETTINGS, CrashStep("threads", "segv")).under == ()
    assert attend.limited(Limits(address_space_mib=1)) == ("prlimit", "--as=1048576", "--")


def test_the_load_has_the_fault_at_its_moment():
    command = clients.load_command(ADDRESS_OF_SERVER, SETTINGS, CrashStep("epoll", "deadlock"))
    faults = [command[index + 1] for index, word in enumerate(command) if word == "--fault"]
    assert faults == ["400ms:/fault/deadlock?order=ab", "400ms:/fault/deadlock?order=ba"]


def test_others_ask_for_what_the_fault_could_spoil():
    command = clients.load_command(ADDRESS_OF_SERVER, SETTINGS, CrashStep("epoll", "lock-holder-dies?mutex=robust"))
    assert "asking=1:/fault/locked?mutex=robust" in command


def test_moments_come_in_their_order_around_the_fault():
    found = clients.moments(SETTINGS)
    assert list(found) == list(clients.MOMENTS)
    assert sorted(found.values()) == list(found.values())
    assert found[clients.BEFORE] < found[clients.FAULT] == SETTINGS.fault_at < found[clients.AFTER]


def lanes(**outcomes: int) -> list[dict[str, object]]:
    return [{"name": "waiting", "outcomes": outcomes}]


def test_a_request_that_is_missing_or_counted_otherwise_is_an_error():
    least = {"waiting": 2}
    records = [Record(0, 0, 1, 1, OK), Record(1, 1, 2, 1, EOF)]
    clients.refuse_gaps(records, lanes(ok=1, EOF_before_response=1), least)
    with pytest.raises(MeasurementError, match="records hold {'ok': 1, .* and its summary {'ok': 2}"):
        clients.refuse_gaps(records, lanes(ok=2), least)
    with pytest.raises(MeasurementError, match="accounts for 1 of 2 requests"):
        clients.refuse_gaps(records[:1], lanes(ok=1), least)


def test_the_load_has_clients_that_store_something():
    command = clients.load_command(ADDRESS, replace(SETTINGS, sessions=3), CrashStep("epoll", "segv"))
    assert command[command.index("--sessions") + 1] == "3"
    assert "--sessions" not in clients.load_command(ADDRESS, replace(SETTINGS, sessions=0), CrashStep("epoll", "segv"))


# --- who is left


def watched(*moments: set[int]) -> measure.Watch:
    watch = measure.Watch(None, None, triggers.REQUEST)  # type: ignore[arg-type]
    for name, pids in zip((clients.EARLY, clients.BEFORE, clients.AFTER, clients.LATE), moments, strict=True):
        watch.processes[name] = {(pid, 0) for pid in pids}
    return watch


def test_processes_that_live_for_one_request_do_not_count():
    root, worker, victim, child, heir, late = range(6)
    watch = watched(
        {root, worker, victim, child}, {root, worker, victim}, {root, worker, heir, late}, {root, worker, heir}
    )
    assert watch.account(None) == Processes(3, 2, 1, None)


def test_a_pid_that_is_used_again_is_another_process():
    watch = watched({7}, {7}, {8}, {8})
    watch.processes[clients.LATE] = watch.processes[clients.AFTER] = {(7, 200)}
    assert watch.account(-11) == Processes(1, 0, 1, -11)


@pytest.mark.parametrize(
    ("harm", "back", "kept", "new", "keeper", "by"),
    [
        ("none", 0.0, 18, 1, "", ""),  # a worker was replaced, and nobody had noticed
        ("lost", None, 0, 0, "", "nobody"),
        ("lost", 0.1, 18, 1, "", "its parent"),
        ("lost", 0.1, 1, 1, PARENT, "--supervise"),
        ("lost", 0.6, 0, 19, DOCKER, "Docker"),
        ("lost", 0.9, 0, 0, DOCKER, "Docker"),  # so late that the new ones were not seen twice
        ("lost", 0.1, 18, 1, DOCKER, "its parent"),
        ("starved", None, 0, 0, DOCKER, "nobody"),
        ("delayed", 0.3, 19, 0, DOCKER, "the fault ended"),
        ("delayed", 0.3, 19, 0, "", "the fault ended"),
        ("wrong", 0.0, 19, 0, "", ""),
    ],
)
def test_who_brought_service_back_is_told_by_what_was_seen(harm, back, kept, new, keeper, by):
    found = survival.brought_back_by(
        Verdict("server", harm), Recovery(0.1, back), Processes(19, kept, new, None), keeper
    )
    assert found == by


def test_what_is_left_after_a_drain_is_told():
    assert attend.leftovers(Ended(0, 0.0), 0, -1, 0, False) == []
    left = attend.leftovers(Ended(0, 0.0, left=2), 3, 1, 1, True)
    assert left == ["3 zombies", "1 open descriptor", "1 abandoned lock", "2 orphans", "its scoreboard"]


@pytest.mark.parametrize(("name", "status"), [("quartet-epoll", -signal.SIGALRM), ("quartet-fork", 3)])
def test_nobody_waits_for_the_alarm_of_a_server_that_hangs(name, status, tmp_path):
    """Its own one would come after more than a minute."""
    bench = Bench(SETTINGS, Local(BINARIES, tmp_path / "servers.log"), tmp_path)
    options = ["--listen", "127.0.0.1:0", "--enable-faults", "--drain-timeout", "60s"]
    with bench.place.start([name, *options], SETTINGS.cpus) as server, closing(server.scoreboard()) as scoreboard:
        with socket.create_connection((server.address.host, server.address.port)) as client:
            client.sendall(b"POST /fault/spin HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            assert eventually(lambda: any(slot.running for slot in scoreboard.slots() or []))
            ended = attend.end(bench, server)
    assert (ended.status, ended.left) == (status, 0)


# --- when it tells nothing


def ledger(workers: dict[int, tuple[int, int]]) -> Ledger:
    """One answer on each connection before the fault; the first is the faulty client's."""
    records = [
        Record(0.1, 0.1, 0.11, connection, OK, worker=pid, slot=slot, lane=min(connection - 1, 1))
        for connection, (pid, slot) in workers.items()
    ]
    return Ledger(["faulty", "asking"], [*records, Record(0.4, 0.4, None, 1, EOF)], 0.4, 1.0)


def living(found: Ledger) -> Ledger:
    """The others are answered after the fault, too."""
    again = [replace(one, due=0.5, sent=0.5, done=0.51) for one in found.records if one.lane == 1]
    return replace(found, records=[*found.records, *again])


def test_connections_that_are_all_on_one_of_two_loops_tell_nothing():
    spread = {1: (7, 0), 2: (7, 0), 3: (7, 1)}
    assert list(measure.misfortunes(living(ledger(spread)), 2, None)) == []
    for unlucky in ({1: (7, 0), 2: (7, 1), 3: (7, 1)}, {1: (7, 0), 2: (7, 0), 3: (7, 0)}):
        found = living(ledger(unlucky))
        assert list(measure.misfortunes(found, 2, None)) == [UNSPREAD]
        assert list(measure.misfortunes(found, 1, None)) == []


def test_newcomers_are_enough_elsewhere_but_not_beside_the_faulty_client():
    """Of two processes that accept from one listener, one may have all kept clients, and the other all newcomers."""
    kept, new = living(ledger({1: (7, 0), 2: (7, 0)})), Record(0.2, 0.2, 0.21, 9, OK, worker=8, slot=1, lane=2)
    apart = replace(kept, lanes=[*kept.lanes, "newcomer"], records=[*kept.records, new])
    assert list(measure.misfortunes(apart, 2, None)) == []
    moved = [replace(one, worker=8, slot=1) if one.lane == 0 and one.worker else one for one in apart.records]
    unlucky = replace(apart, records=moved)
    assert list(measure.misfortunes(unlucky, 2, None)) == [UNSPREAD]


def test_connections_that_end_while_nothing_is_asked_on_them_tell_nothing():
    """The worker has died, and nobody has noticed: with a request in hand somebody would have."""
    kept = ledger({1: (7, 0), 2: (7, 0), 3: (8, 1)})
    idle = replace(kept, records=[*kept.records, Record(0.5, 0.5, 0.51, 3, OK, worker=8, slot=1, lane=1)])
    told = "1 connection of others ended, and by chance none had a request in hand"
    assert list(measure.misfortunes(idle, 2, None)) == [told]
    assert list(measure.misfortunes(idle, 1, None)) == []
    in_hand = Record(0.39, 0.39, 0.41, 2, EOF, lane=1)
    assert list(measure.misfortunes(replace(idle, records=[*idle.records, in_hand]), 2, None)) == []
    assert list(measure.misfortunes(living(kept), 2, None)) == []


def test_loops_are_counted_as_the_server_is_started():
    many = {one.name: contestants.loops(one, 1) for one in ALL if contestants.loops(one, 1) > 1}
    assert many == {"coroutines-2": 2, "multiprocess": 2}
    many = {one.name: contestants.loops(one, 4) for one in ALL if contestants.loops(one, 4) > 1}
    assert many == {
        "coroutines": 4,
        "coroutines-2": 2,
        "multiprocess": 2,
    }, "whose clients are bound to them: not fibers"


def test_other_load_makes_a_try_invalid_when_it_takes_much_of_a_cpu_and_somebody_was_late():
    found = ledger({1: (7, 0), 2: (7, 0)})
    late = replace(found, records=[*found.records, Record(0.5, 0.5, 0.9, 2, OK, lane=1)])
    assert list(measure.misfortunes(late, 1, Disturbance(0.2, 0.2, 0.0))) == []
    assert list(measure.misfortunes(late, 1, Disturbance(0.2, 0.31, 0.0))) == ["others took 31% of a CPU"]
    cut = replace(found, records=[*found.records, Record(0.5, 0.5, 0.51, 2, EOF, lane=1)])
    assert list(measure.misfortunes(cut, 1, Disturbance(0.2, 0.31, 0.0))) == [], "other load cuts nobody off"


def test_where_answers_take_so_long_that_nobody_could_be_late_a_try_that_harms_nobody_is_invalid():
    slow = Record(0.1, 0.1, 0.15, 3, OK, worker=7, slot=0, lane=1)
    blind = replace(ledger({1: (7, 0), 2: (7, 0)}), records=[slow])
    assert list(measure.misfortunes(blind, 1, None)) == [
        "before the fault answers took so long that nobody is late before 0.50 s"
    ]


def watched_in_a_container(used: list[float], others: float) -> attend.Account:
    """By what the server has used at the first look and at the last, a second later; others take from its CPU, 1."""
    account = attend.Account(None)  # type: ignore[arg-type]
    begins, ends = (cpus.Reading(100.0 + now, 0.0, clocks(now, 0.5 + others)) for now in (0, 1))
    account.readings = [(begins, used[0]), (begins, 99.0), (ends, used[1])]
    return account


def clocks(now: int, busy: float) -> dict[int, cpus.CpuTimes]:
    return {cpu: cpus.CpuTimes(0, 0, user=500 + now * busy * cpu) for cpu in (0, 1)}


@pytest.mark.parametrize("used", [[0.1, 0.6], [3.0, 0.5]])
def test_others_of_a_container_are_seen_between_the_looks_and_not_the_server_itself(used):
    """A server that was started again has an account that begins anew."""
    sets = CpuSets((1,), (0,))
    assert watched_in_a_container(used, 0.0).disturbance(sets, 0.0).worst == 0
    assert 0.2 < watched_in_a_container(used, 0.4).disturbance(sets, 0.0).worst < 0.4


def test_a_server_that_has_ended_has_used_nothing():
    class Gone:
        def usage(self) -> None:
            raise MeasurementError("the container's control group cannot be read")

    account = attend.Account(Gone())  # type: ignore[arg-type]
    account.read()
    assert [used for _, used in account.readings] == [0]


# --- the exit status


def run_of(*crashes: Crash, **changes: object):
    return samples.run(Part("crash", of("segv"), list(crashes)), verb="crash", **changes)


def test_a_surprise_is_exit_3_and_a_failure_1():
    usual, step = samples.crash(CrashStep("epoll", "segv"), samples.SEGV), CrashStep("threads", "segv")
    strange = replace(samples.crash(step, samples.SEGV), verdict=Verdict("request", "none"), expected=["server lost"])
    assert verb.status(run_of(usual)) == Exit.ok
    assert verb.status(run_of(usual, strange)) == Exit.gate
    assert verb.status(run_of(usual, replace(strange, problems=["others took 31% of a CPU"]))) == Exit.invalid
    assert verb.status(run_of(usual, strange, failures=[Failure("epoll", "x", "y")])) == Exit.failed


# --- the catalogue


def test_every_fault_says_what_is_expected_of_every_model():
    models = {one.name for one in COLUMNS}
    for fault in catalogue.faults():
        named = [model for group in (*fault.expected, *fault.inapplicable) for model in group.models]
        assert sorted(named) == sorted(models), fault.name


def test_with_asan_either_something_is_expected_of_every_model_or_it_is_said_why_not():
    reported = [fault for fault in catalogue.faults() if fault.expected_asan]
    assert {"segv", "heap-overflow", "use-after-free", "double-free", "stack-overflow"} <= {
        one.name for one in reported
    }
    for fault in reported:
        named = [model for group in (*fault.expected_asan, *fault.inapplicable) for model in group.models]
        assert sorted(named) == sorted(one.name for one in COLUMNS), fault.name
        assert ADDRESS not in fault.sanitizers, fault.name


def test_every_expectation_is_a_verdict_with_a_reason():
    known = {f"{radius} {harm}" for radius in RADII for harm in HARMS}
    for fault in catalogue.faults():
        for one in (*fault.expected, *fault.expected_asan):
            assert one.verdicts and set(one.verdicts) <= known, fault.name
            assert one.because.endswith(".")
        assert all(one.because.endswith(".") for one in fault.inapplicable)


def test_a_fault_is_chosen_by_name_with_or_without_parameters():
    assert catalogue.select("lock-holder-dies").name == "lock-holder-dies?mutex=plain"
    assert catalogue.select("lock-holder-dies?mutex=robust").load == "/fault/locked?mutex=robust"
    free = catalogue.select("spin?ms=300")
    assert (free.requests, free.expected) == (("/fault/spin?ms=300",), ())


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("sgev", r"--fault sgev: there is no such fault; did you mean segv\?"),
        ("nonsense", r"--fault nonsense: there is no such fault \(--list shows all\)"),
        ("", "there is no such fault"),
    ],
)
def test_a_fault_that_is_not_there_is_a_usage_error_with_a_hint(name, sentence):
    with pytest.raises(ValueError, match=sentence):
        catalogue.select(name)


# --- the truth, from servers that really suffer


def harmed(name: str, fault: str, tmp_path: Path, keeper: str = "", **changes: object) -> Crash:
    settings = of(fault, **changes)
    bench = Bench(settings, Local(BINARIES, tmp_path / "servers.log"), tmp_path)
    found: Crash = CRASH.measure(bench, CrashStep(name, settings.faults[0].name, keeper))
    (tmp_path / "records.csv").write_text(next(iter(bench.printed.values())))
    return found


def test_a_crash_in_a_pool_of_processes_costs_its_own_client_alone(tmp_path):
    found = harmed("prefork", "segv", tmp_path, grace=10.0)
    assert found.verdict.harm in UNHURT and found.faulty == [EOF]
    assert (found.others.connections, found.others.connections_kept) == (8, 8)
    assert found.processes.kept == found.processes.before - 1 and found.processes.new == 1
    assert found.known and found.known.blamed == ["POST /fault/segv"]


def test_a_crash_in_a_loop_takes_down_what_is_in_hand_and_all_that_follows(tmp_path):
    found = harmed("epoll", "segv", tmp_path)
    assert str(found.verdict) == "server lost"
    assert found.others.in_hand_lost >= 1
    assert found.others.harmed.get(REFUSED, 0) > 10
    assert found.processes == Processes(1, 0, 0, -11)
    assert (found.recovery.back, found.recovery.by) == (None, "nobody")
    assert found.strip[-1] == "L"
    assert found.known and found.known.blamed == ["POST /fault/segv"]


def test_a_given_parent_brings_back_service_and_not_the_lost_requests(tmp_path):
    found = harmed("epoll", "segv", tmp_path, PARENT)
    assert "--supervise" in found.server_command
    assert (found.verdict.harm, found.recovery.by) == ("lost", "--supervise")
    assert found.others.connections_kept < found.others.connections, "one may be answered while the fault is on its way"
    assert found.strip[-1] == "."
    assert found.processes.server_status is None


def test_what_was_stored_before_the_fault_dies_with_its_process(tmp_path):
    """Of process per request it dies with each request, without a fault."""
    assert harmed("prefork", "segv", tmp_path, grace=10.0).stored == Stored({"kept": 4}, {"kept": 4})
    assert harmed("epoll", "segv", tmp_path).stored == Stored({NEVER: 4}, {NEVER: 4}), "nobody is there to ask"
    assert harmed("epoll", "segv", tmp_path, PARENT, grace=10.0).stored == Stored({"lost": 4}, {"lost": 4})
    assert harmed("fork-per-request", "throw", tmp_path, grace=10.0).stored == Stored(
        {"never had": 4}, {"never had": 4}
    )


def test_a_handler_that_spins_starves_a_loop_and_leaves_threads_alone(tmp_path):
    assert str(harmed("epoll", "spin", tmp_path).verdict) == "server starved"
    found = harmed("threads", "spin", tmp_path, grace=3.0)
    assert found.verdict.harm in UNHURT and found.faulty == [NEVER]
    assert found.known and found.known.blamed == ["POST /fault/spin"]
    assert found.leftovers == ["1 open descriptor", "its scoreboard"]  # of the client that waits; of a drain that cut


def test_a_crash_of_one_of_two_processes_with_loops_costs_its_clients_alone(tmp_path):
    """Whether one of them has a request in hand just then is chance."""
    found = harmed("multiprocess", "segv", tmp_path, grace=10.0)
    assert found.processes == Processes(3, 2, 1, None)
    assert found.others.connections_kept < found.others.connections or UNSPREAD in found.problems
    assert {*found.others.harmed} <= {EOF, "delayed"}, "who comes later finds the other one"
    assert found.verdict.harm == "lost" and found.recovery.by == "its parent" or found.problems
    assert found.known and found.known.blamed == ["POST /fault/segv"]


def test_a_handler_that_blocks_one_of_two_processes_with_loops_starves_its_clients_alone(tmp_path):
    found = harmed("multiprocess", "block", tmp_path)
    assert found.verdict.harm == "starved" or UNSPREAD in found.problems
    assert found.others.newcomers_harmed < found.others.newcomers
    assert found.processes == Processes(3, 3, 0, None)


def test_a_loop_with_helpers_goes_on_when_one_blocks_and_dies_when_one_crashes(tmp_path):
    found = harmed("helpers", "block", tmp_path, grace=3.0)
    assert found.verdict.harm in UNHURT and found.faulty == [NEVER]
    assert (found.others.connections, found.others.connections_kept) == (8, 8)
    assert found.known and found.known.blamed == ["POST /fault/block"]
    assert str(harmed("helpers", "segv", tmp_path).verdict) == "server lost"


def test_fibers_share_what_befalls_their_thread_and_their_process(tmp_path):
    found = harmed("fibers", "block", tmp_path)
    assert str(found.verdict) == "server starved" and found.faulty == [NEVER]
    assert found.known and found.known.blamed == ["POST /fault/block"]
    found = harmed("fibers-2", "block", tmp_path, grace=3.0)
    assert found.verdict.harm in UNHURT and found.faulty == [NEVER], "the other thread goes on with all of them"
    assert (found.others.connections, found.others.connections_kept) == (8, 8)
    found = harmed("fibers", "stack-overflow", tmp_path)
    assert str(found.verdict) == "server lost"
    assert found.processes == Processes(1, 0, 0, -11), "the guard page of a fiber's stack"


@pytest.mark.parametrize("built", BUILDS)
def test_a_server_with_asan_is_started_from_its_own_folder(built, tmp_path, monkeypatch):
    """Here the same servers stand in for it."""
    asan = tmp_path / "asan"
    asan.symlink_to(BINARIES)
    monkeypatch.setattr(contestants, "ASAN", asan)
    settings = of("segv", asan=True)
    bench = Bench(settings, Local(BINARIES, tmp_path / "servers.log"), tmp_path)
    patience: list[float] = []
    monkeypatch.setattr(attend, "end", lambda _, server, hanging: patience.append(hanging) or server.wait(hanging))
    found: Crash = CRASH.measure(bench, CrashStep("epoll", "segv", sanitizer=built))
    assert patience == [attend.HANGING_ASAN if built else attend.HANGING], "its drain is slower, too"
    assert f"{asan if built else BINARIES}/quartet-epoll" in found.server_command
    assert str(found.verdict) == "server lost" and not found.surprising
    assert list(bench.printed) == ["01-segv-epoll+asan.csv" if built else "01-segv-epoll.csv"]


def test_damage_of_shared_memory_is_seen_by_others_and_not_across_processes(tmp_path):
    assert str(harmed("threads", "corrupt-shared-state", tmp_path).verdict) == "server wrong"
    assert harmed("fork-per-connection", "corrupt-shared-state", tmp_path, grace=10.0).verdict.harm in UNHURT


def test_a_lock_in_shared_memory_breaks_the_isolation_of_processes_unless_it_is_robust(tmp_path):
    plain = harmed("prefork", "lock-holder-dies?mutex=plain", tmp_path)
    assert str(plain.verdict) == "server starved" and "1 abandoned lock" in plain.leftovers
    robust = harmed("prefork", "lock-holder-dies?mutex=robust", tmp_path, grace=10.0)
    assert robust.verdict.harm in UNHURT and "1 abandoned lock" not in robust.leftovers


def test_every_request_is_in_the_records_that_are_kept(tmp_path):
    found = harmed("epoll", "segv", tmp_path)
    with (tmp_path / "records.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sum(row["class"] in ("waiting", "asking") for row in rows) == 200
    fault = [row for row in rows if row["class"] == "faulty" and row["due"] == "0.400000"]
    assert [row["outcome"] for row in fault] == found.faulty == [EOF]
    spared = sum(row["class"] != "faulty" and row["outcome"] == OK for row in rows)
    assert spared + sum(found.others.harmed.values()) == sum(row["class"] != "faulty" for row in rows)


def test_what_wrk_would_have_said_is_asked_for_where_it_is_wanted(tmp_path):
    assert harmed("threads", "throw", tmp_path).told_by_wrk is None
    told = harmed("threads", "throw", tmp_path, asks_wrk=True).told_by_wrk
    assert told and told.throughput > 10


def test_a_server_without_that_fault_makes_the_try_invalid(tmp_path):
    absent = replace(catalogue.select("segv"), requests=("/fault/missing",))
    bench = Bench(replace(SETTINGS, faults=(absent,)), Local(BINARIES, tmp_path / "servers.log"), tmp_path)
    found = CRASH.measure(bench, CrashStep("epoll", "segv"))
    assert "the server refused the fault (status 404)" in found.problems
    assert not found.surprising


def test_a_schedule_that_the_client_did_not_keep_is_bad_luck(tmp_path):
    found = harmed("epoll", "throw", tmp_path, rate=20_000, tolerance=0)
    assert any("the schedule was not kept" in one for one in found.problems)
    assert found.spoiled


def test_the_clients_side_needs_the_standard_library_alone():
    """The load container has nothing more."""
    subprocess.run([sys.executable, "-S", "-c", "import loadtest.verbs.crash.clients"], cwd=ROOT, check=True)


def test_a_result_and_its_settings_come_back_from_json():
    for kept in (samples.crash(CrashStep("epoll", "segv"), samples.SEGV), SETTINGS):
        assert from_json(type(kept), json.loads(json.dumps(asdict(kept)))) == kept


def test_a_server_that_does_not_start_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_SERVER", "broken")
    (tmp_path / "quartet-epoll").symlink_to(FAKES / "server.py")
    bench = Bench(SETTINGS, Local(tmp_path, tmp_path / "servers.log"), tmp_path)
    with pytest.raises(MeasurementError, match="Permission denied"):
        CRASH.measure(bench, CrashStep("epoll", "segv"))
