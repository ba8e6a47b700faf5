"""Idle connections and copy-on-write: what is tried, what is made of it, and what is said about it."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import samples
from conftest import FAKES, ROOT
from samples import BY_NAME, DESCRIBE, MODELS

from loadtest.contestants import contestants
from loadtest.contestants.contestants import Contestant, Kind, command_line, described
from loadtest.document import terminal
from loadtest.engine import folder, metrics, report, schema
from loadtest.engine.measurement import Measurement, describe
from loadtest.engine.run import Failure, Run
from loadtest.engine.runner import execute, remaining
from loadtest.places import agent
from loadtest.places.launch import Local
from loadtest.statistics.stats import Estimate
from loadtest.system import MeasurementError
from loadtest.system.cpus import CpuSets
from loadtest.system.memory import GroupMemory, MachineMemory, Memory
from loadtest.system.processes import Address, Dialogue, Ended, prepare
from loadtest.system.records import from_json
from loadtest.verbs.memory import clients, sizes, verb
from loadtest.verbs.memory.clients import (
    IdleObservation,
    IdleResult,
    IdleSettings,
    IdleStep,
    SharingPoint,
    SharingResult,
    SharingSettings,
    SharingStep,
)
from loadtest.verbs.memory.verb import IDLE, SHARING

PREFORK, THREADS, EPOLL = BY_NAME["prefork"], BY_NAME["threads"], BY_NAME["epoll"]
NOTHING = MachineMemory(0, 0, 0, 0, 0)
NOBODY_LOOKS = lambda moment: None  # noqa: E731
NO_DIRECTORY: Any = None  # peers alone keep files there


def shown(run: Run, width: int) -> str:
    return terminal.render(report.document(run), width)


def settings(*chosen: Contestant, **changes: Any) -> IdleSettings:
    return replace(IdleSettings(chosen or (PREFORK, EPOLL), CpuSets((0,), (0,)), rounds=2), **changes)


def sharing(*chosen: Contestant, **changes: Any) -> SharingSettings:
    return replace(SharingSettings(chosen or (PREFORK, EPOLL), CpuSets((0,), (0,))), **changes)


def memory(kibibytes: int, processes: int = 1, group: GroupMemory | None = None) -> Memory:
    """Half of it private."""
    size = kibibytes * 1024
    return Memory(processes, size, size // 2, 2 * size, 4096 * processes, group, anonymous=size // 4)


def result(name: str = "epoll", connections: int = 100, number: int = 1, **changes: Any) -> IdleResult:
    """1 MiB, and 2 KiB for each connection; 8 KiB of the kernel."""
    found = IdleResult(
        step=IdleStep(number, name, connections),
        server_command="quartet-x",
        client=IdleObservation("quartet-pace", connections, connections),
        memory=memory(1024 + 2 * connections),
        machine=MachineMemory(slab=8192 * connections, stacks=0, page_tables=0, percpu=0, tcp=0),
        machine_left=0,
    )
    return replace(found, **changes)


def shared(name: str = "prefork", *private: int) -> SharingResult:
    """KiB of the median process after 0, 10, 100, ... requests."""
    points = [
        SharingPoint(10**i if i else 0, memory(70_000, 5), [999 << 10, *[size << 10] * 4])
        for i, size in enumerate(private or (40, 110, 116))
    ]
    return SharingResult(
        step=SharingStep(name), server_command="quartet-fork", client_commands=["quartet-pace"], points=points
    )


EVERY = [result(connections=level, number=number) for number in (1, 2) for level in clients.LEVELS]


def found(
    idle: Sequence[IdleResult] = EVERY,
    copies: Sequence[SharingResult] | None = None,
    chosen: IdleSettings | None = None,
    **changes: Any,
) -> Run:
    parts = verb.parts(chosen or settings())
    parts[0].results += idle
    parts[1].results += [shared()] if copies is None else copies
    return samples.run(*parts, verb="memory", **changes)


# --- the steps


def test_each_round_tries_every_level_of_everybody_in_an_order_of_its_own():
    chosen = settings(EPOLL, BY_NAME["coroutines"])
    every = list(clients.idle_steps(chosen))
    first, second = ([(s.contestant, s.connections) for s in every if s.round == number] for number in (1, 2))
    assert sorted(first) == sorted(second) == sorted((n, c) for n in ("epoll", "coroutines") for c in clients.LEVELS)
    assert first != second
    assert every == list(clients.idle_steps(chosen)) != list(clients.idle_steps(replace(chosen, seed=2)))


def test_a_blocking_server_is_not_tried_with_more_connections_than_workers_are_allowed():
    tried = list(clients.idle_steps(settings(*MODELS)))
    highest = {model.name: max(s.connections for s in tried if s.contestant == model.name) for model in MODELS}
    blocking = {"fork-per-request", "fork-per-connection", "prefork", "threads"}
    assert highest == {model.name: 1_000 if model.name in blocking else 10_000 for model in MODELS}


def test_what_is_not_tried_has_a_reason():
    chosen = settings()
    assert clients.absence(chosen, PREFORK, 10_000) == "needs a process for each connection: 10,002 processes"
    assert "10,002 threads" in clients.absence(chosen, THREADS, 10_000)
    assert "10,000 processes" in clients.absence(chosen, BY_NAME["fork-per-request"], 10_000)
    assert clients.absence(chosen, PREFORK, 1_000) == clients.absence(chosen, EPOLL, 10_000) == ""


def test_the_bare_server_of_a_blocking_model_is_bounded_like_the_model():
    assert clients.absence(settings(), BY_NAME["bare-prefork"], 10_000) != ""


def test_copy_on_write_follows_the_first_round_for_prefork_and_a_single_process():
    every = [step for _, step in remaining(samples.run(*verb.parts(settings(*MODELS)), verb="memory"))]
    looked = [step.contestant for step in every if isinstance(step, SharingStep)]
    assert looked == ["prefork", "epoll"]
    before = every[: next(i for i, step in enumerate(every) if isinstance(step, SharingStep))]
    assert {step.round for step in before} == {1}
    assert every[len(before) + 2].round == 2
    assert describe(every[0]).startswith("round 1, ")


def test_copy_on_write_is_looked_at_in_a_variant_of_prefork_and_in_no_bare_server():
    chosen = [contestants.variant("quartet-fork --mode prefork --workers 2"), BY_NAME["bare-prefork"]]
    looked = clients.sharing_steps(sharing(*described(chosen, DESCRIBE)))
    assert [step.contestant for step in looked] == ["quartet-fork --mode prefork --workers 2"]


def server_arguments(measurement: Measurement, chosen: Any, step: Any) -> list[str]:
    """As it is started."""
    server = measurement.server(chosen, step)
    return command_line(server.contestant, server.workers, len(server.cpus.server), server.more)


def test_pools_get_a_worker_for_each_connection_and_two_more():
    arguments = server_arguments(IDLE, settings(), IdleStep(1, "prefork", 1_000))
    assert arguments[arguments.index("--workers") + 1] == "1002"
    assert arguments[-6:] == [
        *("--max-connections", "0", "--keep-alive-timeout", "0", "--max-requests-per-connection", "0")
    ]


def ballast(measurement: Measurement, chosen: Any, step: Any) -> str | None:
    arguments = server_arguments(measurement, chosen, step)
    return arguments[arguments.index("--ballast") + 1] if "--ballast" in arguments else None


def test_a_ballast_is_everybodys_and_that_of_the_copies_is_its_own():
    assert ballast(IDLE, settings(ballast=8), IdleStep(1, "epoll", 100)) == "8"
    assert ballast(SHARING, sharing(ballast=64, workers=3), SharingStep("prefork")) == "64"
    assert ballast(IDLE, settings(), IdleStep(1, "epoll", 100)) is None
    heavy = replace(EPOLL, ballast=5)
    assert ballast(IDLE, settings(heavy), IdleStep(1, heavy.name, 100)) == "5"


def test_what_a_variant_says_itself_is_not_said_again():
    [variant] = described([contestants.variant("quartet-epoll --max-connections=77 --keep-alive-timeout 9s")], DESCRIBE)
    arguments = server_arguments(IDLE, settings(variant), IdleStep(1, variant.name, 100))
    assert "0" == arguments[arguments.index("--max-requests-per-connection") + 1]
    assert arguments.count("--keep-alive-timeout") == 1 and "--max-connections" not in arguments


def test_a_bare_server_is_given_the_options_of_its_server():
    chosen = settings(BY_NAME["bare-epoll"], EPOLL, ballast=8)
    given = server_arguments(IDLE, chosen, IdleStep(1, "bare-epoll", 10))
    assert given == ["bare-epoll", *server_arguments(IDLE, chosen, IdleStep(1, "epoll", 10))[1:]]


def test_a_dry_run_holds_nobody_at_level_0_and_asks_for_all_requests_at_once():
    address = Address("127.0.0.1", 1)
    assert clients.hold_commands(address, settings(), IdleStep(1, "epoll", 0)) == []
    [command] = clients.wear_commands(address, sharing(), SharingStep("prefork"))
    assert command[command.index("-d") + 1] == "8000ms"


# --- results


def test_results_survive_the_way_to_a_folder_and_back(tmp_path):
    group = GroupMemory(5, 4, 3, None, 1)
    charged = result(machine=None, machine_left=None, machine_problem="no", memory=memory(9, group=group))
    kept = found([*EVERY, charged], failures=[Failure("epoll", "a step", "it did not start")], state="interrupted")
    folder.save(kept, tmp_path)
    assert folder.load(tmp_path) == kept


def test_results_are_as_their_schema_says():
    kept = found(failures=[Failure("epoll", "a step", "it did not start")])
    document = json.loads(folder.to_json(kept))
    assert schema.problem(document) == ""
    del document["parts"][0]["results"][0]["step"]["connections"]
    assert "parts/0/" in schema.problem(document)


def test_the_memory_of_every_level_is_in_the_cells():
    rows = metrics.csv_text(found([result(connections=100), result(connections=10, memory=hidden())])).splitlines()
    assert [row.rpartition("pss")[2] for row in rows[1:] if "pss" in row] == [f",{1224 / 1024!r},MiB"]
    assert {tuple(row.split(",")[4:6]) for row in rows[1:]} == {("idle", "100")}


def hidden() -> Memory:
    return Memory(1, None, None, None, 0, unknown="not ours")


def test_steps_and_what_is_observed_survive_the_way_to_an_agent_and_back():
    for job, chosen, step, observed in (
        (clients.hold, settings(), IdleStep(1, "epoll", 7), IdleObservation("quartet-pace", 7, 7, 0.5)),
        (clients.wear, sharing(), SharingStep("prefork"), ["quartet-pace"]),
    ):
        said: list[str] = []
        answer = json.dumps({"observation": observed}, default=dataclasses.asdict)
        talk: Any = SimpleNamespace(say=said.append, hear=lambda patience: answer)
        assert agent.ask(talk, job, Address("127.0.0.1", 1), chosen, step, NOBODY_LOOKS) == observed
        asked = json.loads(said[0])
        assert from_json(type(step), asked["step"]) == step
        assert from_json(type(chosen), asked["settings"]) == chosen


def test_the_kernels_part_is_the_containers_where_there_is_one_and_else_the_machines():
    group = GroupMemory(current=99, anonymous=50, file=1, kernel=30, sockets=5)
    assert result(memory=memory(9, group=group)).kernel == 35
    assert result(memory=memory(9, group=replace(group, kernel=None))).kernel is None
    assert result(connections=10).kernel == 81_920
    assert result(machine=None).kernel is None


def test_shared_is_what_several_map_counted_once_and_unknown_where_we_may_not_look():
    assert sizes.shared(memory(100)) == 50 * 1024
    assert sizes.shared(hidden()) is None


# --- the machine's kernel memory

MEMINFO = """MemTotal:       24684984 kB
Slab:             120000 kB
KernelStack:        2048 kB
PageTables:         4096 kB
SecPageTables:        16 kB
Percpu:             1024 kB
"""
SOCKSTAT = "sockets: used 51\nTCP: inuse 37 orphan 0 tw 3238 alloc 37 mem 2\nUDP: inuse 0 mem 9\n"


def test_the_machines_kernel_memory_is_read_from_meminfo_and_sockstat():
    page = os.sysconf("SC_PAGE_SIZE")
    assert MachineMemory.parse(MEMINFO, SOCKSTAT) == MachineMemory(120_000 << 10, 2 << 20, 4 << 20, 1 << 20, 2 * page)


@pytest.mark.parametrize("texts", [(MEMINFO.replace("Slab", "Slob"), SOCKSTAT), (MEMINFO, "TCP: inuse 37\n")])
def test_a_kernel_that_tells_less_is_refused(texts):
    with pytest.raises(MeasurementError, match="not as this harness knows them"):
        MachineMemory.parse(*texts)


def test_this_machines_kernel_memory_can_be_read():
    assert MachineMemory.read().slab > 0


def test_settling_waits_until_two_readings_agree(monkeypatch):
    readings = [replace(NOTHING, slab=size << 20) for size in (9, 5, 2, 2)]
    monkeypatch.setattr(MachineMemory, "read", lambda: readings.pop(0))
    assert MachineMemory.settled(patience=60, interval=0).slab == 2 << 20
    assert readings == []


def test_a_change_is_believed_when_it_was_given_back(monkeypatch):
    before, during = NOTHING, replace(NOTHING, slab=100 << 20)
    monkeypatch.setattr(MachineMemory, "settled", lambda: replace(NOTHING, slab=2 << 20))
    assert verb.machine_change(memory(1), before, during) == (during, 2 << 20, "")
    monkeypatch.setattr(MachineMemory, "settled", lambda: replace(NOTHING, slab=9 << 20))
    change, left, problem = verb.machine_change(memory(1), before, during)
    assert (change, left) == (None, 9 << 20) and "+9.0 MiB" in problem


def test_the_machine_is_not_asked_where_a_control_group_tells(monkeypatch):
    monkeypatch.setattr(MachineMemory, "settled", lambda: pytest.fail("asked"))
    charged = memory(1, group=GroupMemory(5, 4, 3, 2, 1))
    assert verb.machine_change(charged, NOTHING, NOTHING)[0] is None


# --- prices


def test_a_connection_is_priced_round_by_round():
    results = [result(connections=level, number=number) for number in range(1, 7) for level in clients.LEVELS]
    results = [replace(one, memory=memory(1024 + 2 * one.step.connections * one.step.round)) for one in results]
    assert sizes.price(results, sizes.PSS).cells == ("7.00 [2.00-12.0]", "0%")
    few = [one for one in results if one.step.connections < 1_000]
    assert sizes.price(few, sizes.PSS).cells == ("-", "-")


def stepwise(level: int) -> IdleResult:
    """All that it takes more, it takes for the first 1,000 connections."""
    return result(connections=level, memory=memory(4096 if level >= 1_000 else 1024))


@pytest.mark.parametrize(("off", "cells"), [(0.5, ("3.00", "50%")), (0.51, ("-", "51%")), (1.0, ("-", "100%"))])
def test_levels_that_lie_on_no_line_have_no_price(off, cells):
    assert sizes.Price(Estimate(3.0, None), off).cells == cells


def test_a_line_that_is_flat_to_what_is_shown_is_a_zero_however_far_off_it_is():
    assert sizes.Price(Estimate(0.004, None), 3.0).cells == ("0", "-")


def test_a_price_that_is_none_is_named_below_the_table_with_the_reason():
    text = shown(found([result(connections=level) for level in clients.LEVELS]), 110)
    assert "No price" not in text
    text = squeezed(shown(found([stepwise(level) for level in clients.LEVELS]), 110))
    assert "epoll 10,000 - 69% - 69%" in text
    reason = "No price, since a level lies further off than half of the line's rise: "
    assert reason + "heap, stack of epoll (by 69%), PSS of epoll (by 69%)." in text


# --- the report


def squeezed(text: str) -> str:
    return " ".join(text.split())


def test_the_report_answers_what_a_connection_costs():
    text = shown(found(), 110)
    assert "What does an idle connection cost?" in text
    row = next(line for line in text.splitlines() if line.startswith("epoll"))
    assert row.split() == ["epoll", "10,000", "0.500", "0%", "2.00", "0%", "0", "8.00", "0%"]


def test_the_words_tell_the_price_of_a_connection_and_what_is_shared():
    cheap = [replace(one, step=replace(one.step, contestant="threads")) for one in EVERY]
    for one in cheap:
        one.memory = replace(one.memory, anonymous=7 * one.step.connections * 1024)
    assert [*map(str, report.document(found([*EVERY, *cheap], chosen=settings(EPOLL, THREADS))).words)] == [
        "An idle connection costs 0.500 KiB of heap and stack in epoll, the least, and 7.00 KiB in threads, the most; "
        "kernel memory comes on top (indicative: 2 of the 6 rounds that an interval takes).",
        "After 100 requests of each worker, the 5 processes of prefork share 34.2 of 68.4 MiB.",
    ]
    bent = [stepwise(level) for level in clients.LEVELS]
    assert len(report.document(found(bent)).words) == 1, "levels that lie on no line have no price"


def test_six_rounds_of_a_price_are_not_indicative():
    every = [result(connections=level, number=number) for number in range(1, 7) for level in clients.LEVELS]
    assert str(report.document(found(every, chosen=settings(rounds=6))).words[0]).endswith(
        "kernel memory comes on top."
    )


def test_after_the_first_round_there_is_a_price_which_is_called_indicative():
    run = found([one for one in EVERY if one.step.round == 1])
    assert verb.MEMORY.first(run) == (
        "An idle connection costs 0.500 KiB of heap and stack in epoll; kernel memory comes on top (indicative: 1 of "
        "the 6 rounds that an interval takes)"
    )
    assert verb.MEMORY.first(found([])) == ""


def test_a_level_that_was_not_tried_is_a_dash_with_the_reason_below():
    kept = found([result("prefork", level) for level in (0, 100, 1_000)])
    text = shown(kept, 110)
    rows = [line.split() for line in text.splitlines() if line.strip().startswith("5,000")]
    assert rows == [["5,000", *"-------"]]
    assert "prefork goes no higher: it needs a process for each connection: 10,002 processes." in squeezed(text)


def test_kernel_memory_that_others_disturbed_is_a_dash_and_the_report_says_so():
    lost = [result(connections=level, machine=None, machine_problem="+9 MiB after") for level in clients.LEVELS]
    text = squeezed(shown(found(lost), 110))
    assert "epoll 10,000 0.500 0% 2.00 0% 0 - -" in text
    assert "Kernel memory is missing from 5 of 5 runs" in text and "+9 MiB after" in text


def test_a_change_of_next_to_nothing_has_no_sign():
    slight = replace(NOTHING, slab=-1000)
    text = shown(found([result(connections=level, machine=slight) for level in clients.LEVELS]), 110)
    assert "-0.0" not in text and "kernel" in text


def test_a_containers_kernel_memory_is_the_servers_alone():
    group = GroupMemory(current=1, anonymous=1, file=1, kernel=1 << 20, sockets=None)
    kept = found([result(connections=level, memory=memory(9, group=group)) for level in clients.LEVELS])
    kept.environment = replace(kept.environment, runner="docker")
    text = squeezed(shown(kept, 110))
    assert "What does an idle connection cost? [docker]" in text
    assert "its own ends of the connections only" in text and "both ends of every connection" not in text


def test_the_report_shows_how_much_forked_workers_still_share():
    text = shown(found(), 110)
    assert "What does a forked worker share, and for how long?" in text
    row = next(line for line in text.splitlines() if line.startswith("prefork"))
    assert row.split()[1:] == ["0", "5", "68.4", "34.2", "0.0", "40"]


def test_few_rounds_are_called_indicative_and_an_interruption_is_said():
    text = shown(found(state="interrupted", failures=[Failure("epoll", "a step", "it died")]), 110)
    assert "INDICATIVE: 2 of the 6 rounds" in text
    assert "INTERRUPTED" in text and "FAILED epoll (a step; left out after it): it died" in text
    assert "INDICATIVE" not in shown(found(chosen=settings(rounds=6)), 110)


def test_results_without_anything_give_a_report_all_the_same():
    assert "Measured in 60 s." in shown(found([], []), 110)


# --- the runner


class FakeServer:
    """Has a process and some memory; its clients' side is told by the test."""

    command = "quartet-x"

    def __init__(self, observe: Any, status: int = 0) -> None:
        self.observe, self.status = observe, status

    def __enter__(self) -> FakeServer:
        return self

    def __exit__(self, *_: object) -> None:
        ...

    def ask(self, job: Any, settings: Any, step: Any, tell: Any) -> Any:
        for moment in ["idle"] if isinstance(step, IdleStep) else map(str, settings.requests):
            tell(moment)
        return self.observe(step)

    def memory(self) -> Memory:
        return memory(2048)

    def processes(self) -> set[tuple[int, int]]:
        return set()

    def has_ended(self) -> bool:
        return False

    def stop(self) -> Ended:
        return Ended(self.status, 0.0)

    def last_lines(self) -> str:
        return ": last words"

    def incidents(self) -> list[str]:
        return []


class FakePlace:
    name = description = ""

    def __init__(self, observe: Any, status: int = 0) -> None:
        self.observe, self.status = observe, status
        self.started: list[str] = []

    def start(self, argv: list[str], cpus: CpuSets, *_: object) -> FakeServer:
        self.started.append(argv[0])
        return FakeServer(self.observe, self.status)


def observe(step: Any) -> Any:
    if isinstance(step, SharingStep):
        return ["quartet-pace"]
    return IdleObservation("quartet-pace", step.connections, step.connections)


SMALL = settings(levels=(0, 10, 20))


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch):
    monkeypatch.setattr(verb, "SETTLING", (3.0, 0.001))


def play(kept: Run, observation: Any = observe, status: int = 0) -> tuple[list[int], FakePlace]:
    """How much was kept at each save, and who was started."""
    saves: list[int] = []
    place: Any = FakePlace(observation, status)
    execute(kept, place, NO_DIRECTORY, lambda: saves.append(len(kept.results)))
    return saves, place


@pytest.fixture
def calm(monkeypatch):
    monkeypatch.setattr(MachineMemory, "settled", lambda: NOTHING)
    monkeypatch.setattr(MachineMemory, "read", lambda: replace(NOTHING, slab=4096))


def empty(chosen: IdleSettings = SMALL) -> Run:
    return samples.run(*verb.parts(chosen), verb="memory", state="running")


def cells_of(results: Sequence[IdleResult]) -> list[tuple[str, int, int]]:
    return sorted((one.step.contestant, one.step.round, one.step.connections) for one in results)


def test_every_step_has_a_server_of_its_own_and_is_saved_at_once(calm):
    kept = empty()
    saves, place = play(kept)
    idle, copies = (part.results for part in kept.parts)
    assert (len(idle), len(copies)) == (2 * 2 * 3, 2)
    assert saves == list(range(1, 2 * 2 * 3 + 2 + 1)) and len(place.started) == len(saves)
    assert {one.machine.total for one in idle if one.machine} == {4096}
    assert [point.requests for point in copies[0].points] == [0, 100, 1_000, 10_000]


def test_a_level_that_fails_is_left_out_in_later_rounds_and_all_else_goes_on(calm):
    def observation(step: Any) -> Any:
        if isinstance(step, IdleStep) and (step.contestant, step.connections) == ("epoll", 20):
            raise MeasurementError("only 19 of 20 connections were answered")
        return observe(step)

    kept = empty()
    play(kept, observation)
    assert [(one.contestant, one.reason) for one in kept.failures] == [
        ("epoll", "only 19 of 20 connections were answered")
    ]
    idle, copies = (part.results for part in kept.parts)
    tried = {(one.step.contestant, one.step.connections) for one in idle}
    assert tried == {(name, level) for name in ("prefork", "epoll") for level in (0, 10, 20)} - {("epoll", 20)}
    assert len(copies) == 2


def test_a_server_that_ends_badly_gives_no_result(calm):
    kept = empty()
    play(kept, status=3)
    assert kept.results == [] and "exited with status 3: last words" in kept.failures[0].reason


def test_an_interruption_passes_through_and_what_was_measured_is_kept(calm):
    kept, count = empty(), 0

    def observation(step: Any) -> Any:
        nonlocal count
        count += 1
        if count == 4:
            raise KeyboardInterrupt
        return observe(step)

    with pytest.raises(KeyboardInterrupt):
        play(kept, observation)
    assert len(kept.parts[0].results) == 3


def test_what_was_measured_before_is_not_measured_again(calm):
    kept = empty()
    play(kept)
    idle, copies = (part.results for part in kept.parts)
    complete = cells_of(idle)
    del idle[-2:], copies[1:]
    saves, place = play(kept)
    assert len(saves) == len(place.started) == 3
    assert cells_of(idle) == complete and len(copies) == 2


def test_memory_is_read_when_it_no_longer_changes():
    sizes = [memory(900), memory(700), memory(500), memory(500)]
    server: Any = FakeServer(observe)
    server.memory = lambda: sizes.pop(0)
    assert verb._settled(server, 3, 0.001) == memory(500)
    assert sizes == []


# --- the clients' side, with stand-ins for pace and the server


PACE = str(FAKES / "pace.py")


@pytest.fixture
def fake_pace() -> IdleSettings:
    return settings(pace=PACE, duration=20)


@pytest.fixture
def wearing() -> SharingSettings:
    return sharing(pace=PACE, duration=20, requests=(0, 5, 20), workers=2, rate=1_000)


def test_connections_are_looked_at_while_they_are_held_and_the_server_counts_them(server, fake_pace):
    moments: list[str] = []
    observed = clients.hold(server.address, fake_pace, IdleStep(1, "epoll", 12), moments.append)
    assert (moments, observed.served, observed.counted) == (["idle"], 12, 12)
    assert "--hold 12 --sources 4" in observed.command


def test_without_connections_one_request_is_answered_first(server, fake_pace):
    moments: list[str] = []
    observed = clients.hold(server.address, fake_pace, IdleStep(1, "epoll", 0), moments.append)
    assert (moments, observed) == (["idle"], IdleObservation("", 0, None))


def test_without_connections_a_server_that_does_not_answer_gives_no_result(fake_pace, monkeypatch):
    monkeypatch.setattr(clients, "PATIENCE", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with pytest.raises(MeasurementError, match="a first request for /plaintext got no answer"):
            clients.hold(Address(*silent.getsockname()), fake_pace, IdleStep(1, "epoll", 0), NOBODY_LOOKS)


@pytest.mark.parametrize(
    ("behaviour", "sentence", "looks"),
    [
        ("greedy", "only 11 of 12 connections were answered", 0),
        ("loser", "the server closed 1 of 12 idle connections", 1),
    ],
)
def test_connections_that_are_not_all_held_to_the_end_give_no_result(
    server, fake_pace, monkeypatch, behaviour, sentence, looks
):
    monkeypatch.setenv("FAKE_PACE", behaviour)
    moments: list[str] = []
    with pytest.raises(MeasurementError, match=sentence):
        clients.hold(server.address, fake_pace, IdleStep(1, "epoll", 12), moments.append)
    assert len(moments) == looks


def test_a_server_that_counts_fewer_than_are_held_gives_no_result(server, fake_pace, monkeypatch):
    monkeypatch.setenv("FAKE_PACE", "boaster")  # it says that it holds more than it does
    monkeypatch.setattr(clients, "PATIENCE", 0.2)
    with pytest.raises(MeasurementError, match="counts 12 idle and 0 sleeping: not all of 13 connections are idle"):
        clients.hold(server.address, fake_pace, IdleStep(1, "epoll", 13), NOBODY_LOOKS)


def test_a_bare_server_or_a_peer_is_not_asked_for_what_it_does_not_have(server, fake_pace):
    bare = Contestant("bare-epoll", "bare-epoll", kind=Kind.bare, model="epoll")
    chosen = replace(fake_pace, contestants=(bare,))
    assert clients.hold(server.address, chosen, IdleStep(1, "bare-epoll", 3), NOBODY_LOOKS).counted is None


def test_an_agent_holds_connections_like_anybody_else(server, fake_pace, tmp_path, monkeypatch):
    (tmp_path / "quartet-pace").symlink_to(PACE)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")  # as in the load container
    chosen, step = replace(fake_pace, pace="quartet-pace"), IdleStep(1, "epoll", 5)
    with Dialogue(
        ["env", f"PYTHONPATH={ROOT}", sys.executable, "-c", "from loadtest.places import agent; agent.main()"]
    ) as talk:
        moments: list[str] = []
        observed = agent.ask(talk, clients.hold, server.address, chosen, step, moments.append)
    assert (moments, observed.served, observed.counted) == (["idle"], 5, 5)


def test_the_load_container_needs_no_more_than_pythons_own_modules():
    foreign = "{'typer', 'rich', 'jinja2', 'jsonschema', 'numpy'}"
    script = f"import sys; import loadtest.verbs.memory.clients; print({foreign} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", script], cwd=ROOT, text=True) == "set()\n"


def test_requests_are_asked_between_looks(server, wearing):
    moments: list[str] = []
    asked = clients.wear(server.address, wearing, SharingStep("prefork"), moments.append)
    assert moments == ["0", "5", "20"]
    assert ["-d 10ms" in asked[0], "-d 30ms" in asked[1]] == [True, True]


def test_requests_that_were_not_answered_give_no_result(server, wearing, monkeypatch):
    monkeypatch.setenv("FAKE_PACE", "short")
    with pytest.raises(MeasurementError, match="9 of 10 requests for /bytes"):
        clients.wear(server.address, wearing, SharingStep("prefork"), NOBODY_LOOKS)


@pytest.mark.parametrize("line", ["holding twelve", "quartet-pace: no"])
def test_what_is_no_announcement_is_refused(line):
    with Dialogue(["echo", line]) as talk, pytest.raises(MeasurementError, match="announced no held connections"):
        clients._all_served([talk], settings(), 12)


# --- the real thing

BUILT = ROOT / "build/release/bin"


@pytest.mark.skipif(
    not all((BUILT / name).exists() for name in ("quartet-epoll", "quartet-pace")), reason="not built: quartet-epoll"
)
def test_idle_connections_of_a_real_server_take_memory(tmp_path):
    prepare()
    kept, started = (
        empty(settings(EPOLL, levels=(0, 200), rounds=1, pace=str(BUILT / "quartet-pace"))),
        time.monotonic(),
    )
    kept.parts[1].settings = replace(kept.parts[1].settings, requests=(0, 20), ballast=4)
    execute(kept, Local(BUILT, tmp_path / "servers.log"), tmp_path, lambda: None)
    assert kept.failures == [] and time.monotonic() - started < 60
    idle, copies = (part.results for part in kept.parts)
    none, some = sorted(idle, key=lambda one: one.step.connections)
    assert (some.client.served, some.client.counted) == (200, 200)
    # not of PSS or private memory, in which pages of files are: those go by who else maps them at the time
    assert some.memory.anonymous > none.memory.anonymous > 0
    assert copies[0].points[-1].private[0] > 4 << 20
    assert Path(tmp_path / "servers.log").read_text().count("drained") == 3
