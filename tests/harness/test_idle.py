"""Idle connections and copy-on-write: what is tried, what is made of it, and what is said about it."""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import samples
from conftest import FAKES, ROOT
from samples import BY_NAME, DESCRIBE, MODELS

from loadtest.contestants import contestants
from loadtest.contestants.contestants import Contestant, Kind, command_line, described
from loadtest.document import terminal
from loadtest.engine import schema
from loadtest.engine.run import Failure
from loadtest.places import agent
from loadtest.places.local import Local
from loadtest.statistics import lines
from loadtest.system import machine_memory
from loadtest.system.cpu_sets import CpuSets
from loadtest.system.errors import MeasurementError
from loadtest.system.machine_memory import MachineMemory
from loadtest.system.memory import GroupMemory, Memory
from loadtest.system.processes import Address, Dialogue, Ended, prepare_limits
from loadtest.system.records import from_json
from loadtest.verbs.memory import clients as idle_clients
from loadtest.verbs.memory import plan as idle
from loadtest.verbs.memory import report as report_idle
from loadtest.verbs.memory import runner as idle_runner
from loadtest.verbs.memory.plan import (
    Decay,
    DecayPoint,
    DecayRun,
    DecayStep,
    Held,
    IdleResults,
    IdleRun,
    IdleSettings,
    IdleStep,
)
from loadtest.verbs.memory.runner import IdleRunner

PREFORK, THREADS, EPOLL = BY_NAME["prefork"], BY_NAME["threads"], BY_NAME["epoll"]
NOTHING = MachineMemory(0, 0, 0, 0, 0)
NO_DIRECTORY: Any = None  # peers alone keep files there


def shown(results: IdleResults, width: int) -> str:
    return terminal.render(report_idle.document(results), width)


def settings(*chosen: Contestant, **changes: Any) -> IdleSettings:
    return replace(IdleSettings(chosen or (PREFORK, EPOLL), CpuSets((0,), (0,)), rounds=2), **changes)


def memory(kibibytes: int, processes: int = 1, group: GroupMemory | None = None) -> Memory:
    """Half of it private."""
    size = kibibytes * 1024
    return Memory(processes, size, size // 2, 2 * size, 4096 * processes, group, anonymous=size // 4)


def run(name: str = "epoll", connections: int = 100, number: int = 1, **changes: Any) -> IdleRun:
    """1 MiB, and 2 KiB for each connection; 8 KiB of the kernel."""
    machine = MachineMemory(slab=8192 * connections, stacks=0, page_tables=0, percpu=0, tcp=0)
    client = Held("quartet-pace", connections, connections)
    found = IdleRun(name, number, connections, "quartet-x", client, memory(1024 + 2 * connections), machine, 0)
    return replace(found, **changes)


def decay_run(name: str = "prefork", *private: int) -> DecayRun:
    """KiB of the median process after 0, 10, 100, ... requests."""
    points = [
        DecayPoint(10**i if i else 0, memory(70_000, 5), [999 << 10, *[size << 10] * 4])
        for i, size in enumerate(private or (40, 110, 116))
    ]
    return DecayRun(name, "quartet-fork", ["quartet-pace"], points)


def found(**changes: Any) -> IdleResults:
    every = [run(connections=level, number=number) for number in (1, 2) for level in idle.LEVELS]
    return replace(IdleResults("memory", samples.ENVIRONMENT, settings(), every, [decay_run()]), **changes)


# --- the steps


def test_each_round_tries_every_level_of_everybody_in_an_order_of_its_own():
    chosen = settings(EPOLL, BY_NAME["coroutines"], decay=Decay())
    every = [step for step in idle.steps(chosen) if isinstance(step, IdleStep)]
    first, second = ([(s.contestant.name, s.connections) for s in every if s.round == number] for number in (1, 2))
    assert sorted(first) == sorted(second) == sorted((n, c) for n in ("epoll", "coroutines") for c in idle.LEVELS)
    assert first != second
    assert list(idle.steps(chosen)) == list(idle.steps(chosen)) != list(idle.steps(replace(chosen, seed=2)))


def test_a_blocking_server_is_not_tried_with_more_connections_than_workers_are_allowed():
    tried = [step for step in idle.steps(settings(*MODELS)) if isinstance(step, IdleStep)]
    highest = {model.name: max(s.connections for s in tried if s.contestant == model) for model in MODELS}
    blocking = {"fork-per-request", "fork-per-connection", "prefork", "threads"}
    assert highest == {model.name: 1_000 if model.name in blocking else 10_000 for model in MODELS}


def test_what_is_not_tried_has_a_reason():
    chosen = settings()
    assert idle.absence(chosen, PREFORK, 10_000) == "a pool needs a worker for each connection: 10,002 processes"
    assert "10,002 threads" in idle.absence(chosen, THREADS, 10_000)
    assert "10,000 processes" in idle.absence(chosen, BY_NAME["fork-per-request"], 10_000)
    assert idle.absence(chosen, PREFORK, 1_000) == idle.absence(chosen, EPOLL, 10_000) == ""


def test_the_bare_server_of_a_blocking_model_is_bounded_like_the_model():
    assert idle.absence(settings(), BY_NAME["bare-prefork"], 10_000) != ""


def test_copy_on_write_follows_the_first_round_for_prefork_and_a_single_process():
    every = list(idle.steps(settings(*MODELS)))
    looked = [step.contestant.name for step in every if isinstance(step, DecayStep)]
    assert looked == ["prefork", "epoll"]
    before = every[: next(i for i, step in enumerate(every) if isinstance(step, DecayStep))]
    assert {step.round for step in before} == {1}
    assert idle.describe(every[0]).startswith("round 1, ")


def server_arguments(chosen: IdleSettings, step: idle.Step) -> list[str]:
    """As the runner has it started."""
    held, number = idle.held_by(chosen, step), idle.workers(chosen, step)
    return command_line(held, number, len(chosen.cpus.server), idle.more_options(step))


def test_pools_get_a_worker_for_each_connection_and_two_more():
    arguments = server_arguments(settings(), IdleStep(1, PREFORK, 1_000))
    assert arguments[arguments.index("--workers") + 1] == "1002"
    assert arguments[-6:] == [
        *("--max-connections", "0", "--keep-alive-timeout", "0", "--max-requests-per-connection", "0")
    ]


def ballast(chosen: IdleSettings, step: idle.Step) -> str | None:
    arguments = server_arguments(chosen, step)
    return arguments[arguments.index("--ballast") + 1] if "--ballast" in arguments else None


def test_a_ballast_is_everybodys_and_that_of_the_copies_is_its_own():
    chosen = settings(ballast=8, decay=Decay(ballast=64, workers=3))
    assert ballast(chosen, IdleStep(1, EPOLL, 100)) == "8"
    assert ballast(chosen, DecayStep(PREFORK)) == "64"
    assert ballast(settings(), IdleStep(1, EPOLL, 100)) is None
    assert ballast(settings(), IdleStep(1, EPOLL.with_ballast(5), 100)) == "5"


def test_what_a_variant_says_itself_is_not_said_again():
    [variant] = described([contestants.variant("quartet-epoll --max-connections=77 --keep-alive-timeout 9s")], DESCRIBE)
    arguments = server_arguments(settings(), IdleStep(1, variant, 100))
    assert "0" == arguments[arguments.index("--max-requests-per-connection") + 1]
    assert arguments.count("--keep-alive-timeout") == 1 and "--max-connections" not in arguments


def test_a_bare_server_is_given_the_options_of_its_server():
    bare = BY_NAME["bare-epoll"]
    given = server_arguments(settings(ballast=8), IdleStep(1, bare, 10))
    assert given == ["bare-epoll", *server_arguments(settings(ballast=8), IdleStep(1, EPOLL, 10))[1:]]


# --- results


def test_results_survive_the_way_to_json_and_back():
    group = GroupMemory(5, 4, 3, None, 1)
    charged = run(machine=None, machine_left=None, machine_problem="no", memory=memory(9, group=group))
    kept = found(failures=[Failure("epoll", "a step", "it did not start")], state="interrupted")
    kept.idle.append(charged)
    assert from_json(IdleResults, json.loads(json.dumps(dataclasses.asdict(kept)))) == kept


def test_results_are_as_their_schema_says():
    kept = found(failures=[Failure("epoll", "a step", "it did not start")])
    document = {"format": "3.0", **json.loads(json.dumps(dataclasses.asdict(kept)))}
    described = schema.of({"memory": IdleResults}, "3")
    assert schema.problem(document, described) == ""
    del document["idle"][0]["connections"]
    assert schema.problem(document, described) != ""


def test_steps_and_what_is_seen_survive_the_way_to_an_agent_and_back():
    for job, step in ((idle_clients.hold, IdleStep(1, EPOLL, 7)), (idle_clients.wear, DecayStep(PREFORK))):
        asked = json.loads(agent.request(job, Address("127.0.0.1", 1), settings(), step))
        assert from_json(type(step), asked["step"]) == step
        assert from_json(IdleSettings, asked["plan"]) == settings()
    seen = Held("quartet-pace", 7, 7, 0.5)
    assert agent.result(idle_clients.hold, dataclasses.asdict(seen)) == seen


def test_the_kernels_part_is_the_containers_where_there_is_one_and_else_the_machines():
    group = GroupMemory(current=99, anonymous=50, file=1, kernel=30, sockets=5)
    assert run(memory=memory(9, group=group)).kernel == 35
    assert run(memory=memory(9, group=replace(group, kernel=None))).kernel is None
    assert run(connections=10).kernel == 81_920
    assert run(machine=None).kernel is None


def test_shared_is_what_several_map_counted_once_and_unknown_where_we_may_not_look():
    assert run(memory=memory(100)).shared == 50 * 1024
    assert run(memory=Memory(1, None, None, None, 0, unknown="not ours")).shared is None


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
    assert machine_memory.parse(MEMINFO, SOCKSTAT) == MachineMemory(120_000 << 10, 2 << 20, 4 << 20, 1 << 20, 2 * page)


@pytest.mark.parametrize("texts", [(MEMINFO.replace("Slab", "Slob"), SOCKSTAT), (MEMINFO, "TCP: inuse 37\n")])
def test_a_kernel_that_tells_less_is_refused(texts):
    with pytest.raises(MeasurementError, match="not as this harness knows them"):
        machine_memory.parse(*texts)


def test_this_machines_kernel_memory_can_be_read():
    assert machine_memory.read().slab > 0


def test_settling_waits_until_two_readings_agree(monkeypatch):
    readings = [replace(NOTHING, slab=size << 20) for size in (9, 5, 2, 2)]
    monkeypatch.setattr(machine_memory, "read", lambda: readings.pop(0))
    assert machine_memory.settled(patience=60, interval=0).slab == 2 << 20
    assert readings == []


def test_a_change_is_believed_when_it_was_given_back(monkeypatch):
    before, during = NOTHING, replace(NOTHING, slab=100 << 20)
    monkeypatch.setattr(machine_memory, "settled", lambda: replace(NOTHING, slab=2 << 20))
    assert idle_runner._machine(memory(1), before, during) == (during, 2 << 20, "")
    monkeypatch.setattr(machine_memory, "settled", lambda: replace(NOTHING, slab=9 << 20))
    change, left, problem = idle_runner._machine(memory(1), before, during)
    assert (change, left) == (None, 9 << 20) and "+9.0 MiB" in problem


def test_the_machine_is_not_asked_where_a_control_group_tells(monkeypatch):
    monkeypatch.setattr(machine_memory, "settled", lambda: pytest.fail("asked"))
    charged = memory(1, group=GroupMemory(5, 4, 3, 2, 1))
    assert idle_runner._machine(charged, NOTHING, NOTHING)[0] is None


# --- lines


def test_a_line_has_slope_and_intercept_and_misses_no_point_on_it():
    line = lines.fit([(0, 10), (100, 210), (1000, 2010)])
    assert line and (round(line.slope, 9), round(line.intercept, 6), round(line.miss, 9)) == (2, 10, 0)


def test_how_far_a_point_lies_beside_the_line_is_a_share_of_its_rise():
    line = lines.fit([(0, 0), (1, 3), (2, 0), (3, 3)])
    assert line and (round(line.slope, 9), round(line.miss, 6)) == (0.6, 1.0)  # 1.8 beside it at x = 1


def test_less_than_three_levels_give_no_line():
    assert lines.fit([(0, 1), (100, 2), (100, 3), (0, 4)]) is None
    assert lines.fit([]) is None


def test_a_connection_is_priced_round_by_round():
    runs = [run(connections=level, number=number) for number in range(1, 7) for level in idle.LEVELS]
    runs = [replace(one, memory=memory(1024 + 2 * one.connections * one.round)) for one in runs]
    cost = report_idle.cost(runs, lambda one: one.memory.pss)
    assert cost and round(cost.kibibytes.median, 6) == 7 and cost.miss < 1e-6
    interval = cost.kibibytes.interval
    assert interval and (round(interval.low), round(interval.high)) == (2, 12)
    assert report_idle.cost([one for one in runs if one.connections < 1_000], lambda one: one.memory.pss) is None


# --- the report


def squeezed(text: str) -> str:
    return " ".join(text.split())


def test_the_report_answers_what_a_connection_costs():
    text = shown(found(), 110)
    assert "What does an idle connection cost?" in text
    row = next(line for line in text.splitlines() if line.startswith("epoll"))
    assert row.split() == ["epoll", "10,000", "2.00", "0%", "0.500", "0%", "0", "8.00", "0%"]


def test_a_level_that_was_not_tried_is_a_dash_with_the_reason_below():
    kept = found(idle=[run("prefork", level) for level in (0, 100, 1_000)])
    text = shown(kept, 110)
    rows = [line.split() for line in text.splitlines() if line.strip().startswith("5,000")]
    assert rows == [["5,000", *"------"]]
    assert "prefork: no higher level, a pool needs a worker for each connection: 10,002 processes." in squeezed(text)


def test_kernel_memory_that_others_disturbed_is_a_dash_and_the_report_says_so():
    lost = [run(connections=level, machine=None, machine_problem="+9 MiB after") for level in idle.LEVELS]
    text = squeezed(shown(found(idle=lost), 110))
    assert "epoll 10,000 2.00 0% 0.500 0% 0 - -" in text
    assert "Kernel memory is missing from 5 of 5 runs" in text and "+9 MiB after" in text


def test_a_change_of_next_to_nothing_has_no_sign():
    slight = replace(NOTHING, slab=-1000)
    text = shown(found(idle=[run(connections=level, machine=slight) for level in idle.LEVELS]), 110)
    assert "-0.0" not in text and "kernel" in text


def test_a_containers_kernel_memory_is_the_servers_alone():
    group = GroupMemory(current=1, anonymous=1, file=1, kernel=1 << 20, sockets=None)
    kept = found(idle=[run(connections=level, memory=memory(9, group=group)) for level in idle.LEVELS])
    kept.environment = replace(kept.environment, runner="docker")
    text = squeezed(shown(kept, 110))
    assert "What does an idle connection cost? [docker]" in text
    assert "its own ends of the connections only" in text and "both ends of every connection" not in text


def test_the_report_says_when_forked_workers_stopped_sharing():
    text = squeezed(shown(found(), 110))
    assert "What does a forked worker share, and for how long?" in text
    assert "went from 40 to 116 KiB over 100 requests, of which 90 % within the first 10." in text
    flat = squeezed(shown(found(decay=[decay_run("epoll", 65_000, 65_001, 65_002)]), 110))
    assert "of which nothing to speak of" in flat


def test_few_rounds_are_called_indicative_and_an_interruption_is_said():
    text = shown(found(state="interrupted", failures=[Failure("epoll", "a step", "it died")]), 110)
    assert "INDICATIVE: 2 of the 6 rounds" in text
    assert "INTERRUPTED" in text and "FAILED epoll (a step): it died" in text
    assert "INDICATIVE" not in shown(found(settings=settings(rounds=6)), 110)


def test_results_without_anything_give_a_report_all_the_same():
    assert "Measured in 0 s." in shown(found(idle=[], decay=[]), 110)


# --- the runner


class FakeServer:
    """Has a process and some memory; its clients' side is told by the test."""

    command = "quartet-x"

    def __init__(self, seen: Any, status: int = 0) -> None:
        self.seen, self.status = seen, status

    def __enter__(self) -> FakeServer:
        return self

    def __exit__(self, *_: object) -> None:
        ...

    def ask(self, job: Any, plan: IdleSettings, step: idle.Step, look: Any) -> Any:
        for moment in ["idle"] if isinstance(step, IdleStep) else map(str, plan.decay.requests):
            look(moment)
        return self.seen(step)

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

    def __init__(self, seen: Any, status: int = 0) -> None:
        self.seen, self.status = seen, status
        self.started: list[str] = []

    def start(self, argv: list[str], cpus: CpuSets) -> FakeServer:
        self.started.append(argv[0])
        return FakeServer(self.seen, self.status)


def see(step: idle.Step) -> Any:
    if isinstance(step, DecayStep):
        return idle_clients.Asked(["quartet-pace"])
    return Held("quartet-pace", step.connections, step.connections)


SMALL = settings(levels=(0, 10, 20))


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch):
    monkeypatch.setattr(idle_runner, "PAUSE", 0.001)


def play(kept: IdleResults, seen: Any = see, status: int = 0) -> tuple[IdleResults, list[int], FakePlace]:
    """What was kept, how much of it at each save, and who was started."""
    saves: list[int] = []
    place: Any = FakePlace(seen, status)

    def save() -> None:
        saves.append(len(kept.idle) + len(kept.decay))

    IdleRunner(place, kept, NO_DIRECTORY, save, lambda index, step: None).run()
    return kept, saves, place


@pytest.fixture
def calm(monkeypatch):
    monkeypatch.setattr(machine_memory, "settled", lambda: NOTHING)
    monkeypatch.setattr(machine_memory, "read", lambda: replace(NOTHING, slab=4096))


def empty(chosen: IdleSettings = SMALL) -> IdleResults:
    return IdleResults("memory", samples.ENVIRONMENT, chosen)


def test_every_step_has_a_server_of_its_own_and_is_saved_at_once(calm):
    kept, saves, place = play(empty())
    count = len(list(idle.steps(SMALL)))
    assert (len(kept.idle), len(kept.decay)) == (2 * 2 * 3, 2)
    assert saves == list(range(1, count + 1)) and len(place.started) == count
    assert {one.machine.total for one in kept.idle if one.machine} == {4096}
    assert [point.requests for point in kept.decay[0].points] == [0, 100, 1_000, 10_000]


def test_a_level_that_fails_is_left_out_in_later_rounds_and_all_else_goes_on(calm):
    def seen(step: idle.Step) -> Any:
        if isinstance(step, IdleStep) and (step.contestant, step.connections) == (EPOLL, 20):
            raise MeasurementError("only 19 of 20 connections were answered")
        return see(step)

    kept, _, _ = play(empty(), seen)
    assert [(one.contestant, one.reason) for one in kept.failures] == [
        ("epoll", "only 19 of 20 connections were answered")
    ]
    tried = {(one.contestant, one.connections) for one in kept.idle}
    assert tried == {(name, level) for name in ("prefork", "epoll") for level in (0, 10, 20)} - {("epoll", 20)}
    assert len(kept.decay) == 2


def test_a_server_that_ends_badly_gives_no_result(calm):
    kept, _, _ = play(empty(), status=3)
    assert kept.idle == [] and "exited with status 3: last words" in kept.failures[0].reason


def test_an_interruption_passes_through_and_what_was_measured_is_kept(calm):
    kept, count = empty(), 0

    def seen(step: idle.Step) -> Any:
        nonlocal count
        count += 1
        if count == 4:
            raise KeyboardInterrupt
        return see(step)

    with pytest.raises(KeyboardInterrupt):
        play(kept, seen)
    assert len(kept.idle) == 3


def test_what_was_measured_before_is_not_measured_again_and_failures_are_tried_again(calm):
    complete, _, _ = play(empty())
    kept = replace(complete, idle=complete.idle[:-2], decay=complete.decay[:1], failures=[Failure("epoll", "s", "r")])
    missing = sorted((one.contestant, one.round, one.connections) for one in complete.idle[-2:])
    before = len(kept.idle)
    resumed, saves, place = play(kept)
    assert len(saves) == len(place.started) == 3
    assert sorted((one.contestant, one.round, one.connections) for one in resumed.idle[before:]) == missing
    assert resumed.failures == []


def test_too_few_descriptors_are_said_before_anything_is_started(calm, monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1024, 4096))
    kept, _, place = play(empty(settings(EPOLL, levels=(0, 10_000), rounds=1)))
    assert [one.reason for one in kept.failures] == [
        "10,000 connections need 10,064 descriptors in one process, and the hard limit is 4,096; "
        "raise it: ulimit -Hn 10064 (as root)"
    ]
    assert len(kept.idle) == 1


def test_memory_is_read_when_it_no_longer_changes():
    sizes = [memory(900), memory(700), memory(500), memory(500)]
    server: Any = FakeServer(see)
    server.memory = lambda: sizes.pop(0)
    assert idle_runner._settled_memory(server) == memory(500)
    assert sizes == []


# --- the clients' side, with stand-ins for pace and the server


@pytest.fixture
def fake_pace() -> IdleSettings:
    return settings(pace=str(FAKES / "pace.py"), duration=20, decay=Decay(requests=(0, 5, 20), workers=2, rate=1_000))


def test_connections_are_looked_at_while_they_are_held_and_the_server_counts_them(server, fake_pace):
    moments: list[str] = []
    seen = idle_clients.hold(server.address, fake_pace, IdleStep(1, EPOLL, 12), moments.append)
    assert (moments, seen.served, seen.counted) == (["idle"], 12, 12)
    assert "--hold 12 --sources 4" in seen.command


def test_without_connections_one_request_is_answered_first(server, fake_pace):
    moments: list[str] = []
    seen = idle_clients.hold(server.address, fake_pace, IdleStep(1, EPOLL, 0), moments.append)
    assert (moments, seen) == (["idle"], Held("", 0, None))


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
        idle_clients.hold(server.address, fake_pace, IdleStep(1, EPOLL, 12), moments.append)
    assert len(moments) == looks


def test_a_server_that_counts_fewer_than_are_held_gives_no_result(server, fake_pace, monkeypatch):
    monkeypatch.setenv("FAKE_PACE", "greedy")
    monkeypatch.setattr(idle_clients, "PATIENCE", 0.2)
    monkeypatch.setattr(idle_clients, "announced", lambda line: 13)  # it says that it holds more than it does
    with pytest.raises(MeasurementError, match="the server counts 12 idle connections, not 13"):
        idle_clients.hold(server.address, fake_pace, IdleStep(1, EPOLL, 13), lambda moment: None)


def test_a_bare_server_or_a_peer_is_not_asked_for_what_it_does_not_have(server, fake_pace):
    bare = Contestant("bare-epoll", "bare-epoll", kind=Kind.bare, model="epoll")
    assert idle_clients.hold(server.address, fake_pace, IdleStep(1, bare, 3), lambda moment: None).counted is None


def test_an_agent_holds_connections_like_anybody_else(server, fake_pace, tmp_path, monkeypatch):
    (tmp_path / idle.PACE).symlink_to(FAKES / "pace.py")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")  # as in the load container
    step = IdleStep(1, EPOLL, 5)
    with Dialogue(["env", f"PYTHONPATH={ROOT}", sys.executable, "-m", "loadtest.places.agent"]) as talk:
        talk.say(agent.request(idle_clients.hold, server.address, replace(fake_pace, pace=idle.PACE), step))
        assert json.loads(talk.hear(20)) == {"look": "idle"}
        talk.say("{}")
        seen = agent.result(idle_clients.hold, json.loads(talk.hear(20))["seen"])
    assert (seen.served, seen.counted) == (5, 5)


def test_requests_are_asked_between_looks(server, fake_pace):
    moments: list[str] = []
    asked = idle_clients.wear(server.address, fake_pace, DecayStep(PREFORK), moments.append)
    assert moments == ["0", "5", "20"]
    assert ["-d 10ms" in asked.commands[0], "-d 30ms" in asked.commands[1]] == [True, True]


def test_requests_that_were_not_answered_give_no_result(server, fake_pace, monkeypatch):
    monkeypatch.setenv("FAKE_PACE", "short")
    with pytest.raises(MeasurementError, match="9 of 10 requests for /bytes"):
        idle_clients.wear(server.address, fake_pace, DecayStep(PREFORK), lambda moment: None)


@pytest.mark.parametrize("line", ["", "holding 12", "quartet-pace: no\n"])
def test_what_is_no_announcement_is_refused(line):
    with pytest.raises(MeasurementError, match="announced no held connections"):
        idle_clients.announced(line)


# --- the real thing

BUILT = ROOT / "build/release/bin"


@pytest.mark.skipif(
    not all((BUILT / name).exists() for name in ("quartet-epoll", "quartet-pace")), reason="not built: quartet-epoll"
)
def test_idle_connections_of_a_real_server_take_memory(tmp_path):
    prepare_limits()
    chosen = settings(
        EPOLL,
        levels=(0, 200),
        rounds=1,
        pace=str(BUILT / "quartet-pace"),
        decay=Decay(requests=(0, 20), ballast=4),
    )
    place = Local(BUILT, tmp_path / "servers.log")
    kept, started = empty(chosen), time.monotonic()
    IdleRunner(place, kept, tmp_path, lambda: None, lambda index, step: None).run()
    assert kept.failures == [] and time.monotonic() - started < 60
    none, some = sorted(kept.idle, key=lambda one: one.connections)
    assert (some.client.served, some.client.counted) == (200, 200)
    # not of PSS or private memory, in which pages of files are: those go by who else maps them at the time
    assert some.memory.anonymous > none.memory.anonymous > 0  # type: ignore[operator]
    assert kept.decay[0].points[-1].private[0] > 4 << 20
    assert Path(tmp_path / "servers.log").read_text().count("drained") == 3
