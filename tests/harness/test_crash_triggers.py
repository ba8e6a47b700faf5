"""Faults that are no request's handler: from made-up scoreboards and records, and in real servers that are really
stopped, killed, and started in bad surroundings."""

from __future__ import annotations

import errno
import os
import select
import shlex
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from functools import cache, partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import BINARIES, eventually
from typer.testing import CliRunner

from loadtest.cli import commands
from loadtest.clients.pace import Record
from loadtest.contestants.contestants import described
from loadtest.engine.measurement import Bench
from loadtest.engine.run import Exit, Stop
from loadtest.places.launch import Local
from loadtest.system import MeasurementError, cpus, processes, procfs, scoreboard
from loadtest.system.processes import Address, Server, Tell
from loadtest.system.procfs import PROC
from loadtest.system.scoreboard import Counts, Slot
from loadtest.verbs.crash import attend, catalogue, clients, measure, outside, plan, rude, surroundings, triggers
from loadtest.verbs.crash.catalogue import CLIENT, ENVIRONMENT, HANDLER, WORKER, Fault
from loadtest.verbs.crash.clients import Observation
from loadtest.verbs.crash.ledger import Ledger
from loadtest.verbs.crash.measure import CRASH
from loadtest.verbs.crash.outside import Scene, Struck
from loadtest.verbs.crash.plan import CrashSettings
from loadtest.verbs.crash.results import Crash, CrashStep
from loadtest.verbs.crash.surroundings import MemoryGroup
from loadtest.verbs.crash.triggers import Trigger
from loadtest.verbs.walk import strace

FORKS = ("quartet-fork --mode per-request", "quartet-fork --mode per-connection", "quartet-fork --workers 4")
ONE_PROCESS = ("quartet-threads --workers 4", "quartet-coroutines --workers 2", "quartet-epoll")
MODELS = (*FORKS, *ONE_PROCESS)
PATIENCE = 10.0  # seconds, for what takes a moment
A_WHILE = 0.3  # seconds, for what must not happen


# --- who is struck


def slot(process: int, requests: int, phase: str, connections: int = 1) -> Slot:
    phases = dict.fromkeys(scoreboard.PHASES, 0) | {phase: 1}
    return Slot(process, Counts(connections, requests), phases, "", 0.0, 0, "")


IDLE, IN_HAND = slot(7, 3, "idle"), slot(7, 4, "sleeping")


def test_a_slot_tells_its_process():
    gauges, departed, nothing = (0, 0, 0, 3, 0, 0), (0, 0, 0, 2, 0, 0), (0, b"")
    data = scoreboard.SLOT.pack(4321, 1, 2, 3, *gauges, *departed, *nothing, 0, *nothing)
    found = Slot.parse(data)
    assert found and (found.process, found.phases["sleeping"]) == (4321, 1)


def test_a_worker_is_struck_that_has_just_taken_a_request_in_hand():
    assert outside.choose([[IDLE], [IN_HAND], [IN_HAND]], {7}) == 7


def test_a_worker_whose_request_may_be_about_to_end_is_not_struck():
    assert outside.choose([[IN_HAND], [IN_HAND], [IN_HAND]], {7}) is None


def test_a_worker_whose_request_was_over_in_between_is_not_struck():
    assert outside.choose([[IDLE], [IN_HAND], [IDLE]], {7}) is None
    assert outside.choose([[IDLE], [IN_HAND], [slot(7, 5, "sleeping")]], {7}) is None, "it is another request"


def test_one_request_that_follows_another_at_once_is_a_fresh_one():
    assert outside.choose([[slot(7, 3, "sleeping")], [IN_HAND], [IN_HAND]], {7}) == 7


def test_the_process_of_a_request_is_not_struck_but_that_of_its_connection_is():
    """Of process per request: the connection's process counts no requests."""
    idle, waits = slot(7, 0, "idle"), slot(7, 0, "running")
    child = slot(8, 1, "sleeping", connections=0)
    assert outside.choose([[child, idle], [child, waits], [child, waits]], {7}) == 7
    assert outside.choose([[slot(8, 0, "idle", 0)], [child], [child]], {7, 8}) is None, "it has taken up no connection"


def test_a_process_that_does_not_last_is_a_newcomers_and_not_struck():
    assert outside.choose([[IDLE], [IN_HAND], [IN_HAND]], {9}) is None


# --- whose harm it is


def answered(connection: int, worker: int, due: float, took: float = 0.02) -> Record:
    return Record(due, due, due + took, connection, "ok", worker=worker, status=200)


def of_connections(answers: dict[int, list[int]]) -> list[Record]:
    """By the processes that answered on each, one after the other, before the fault."""
    return [answered(number, worker, k / 10) for number, workers in answers.items() for k, worker in enumerate(workers)]


def verdict(records: list[Record], struck: set[int]) -> str:
    return str(Ledger(["waiting"], records, 0.4, 1.2, frozenset(struck)).verdict)


CUT = Record(0.39, 0.39, 0.4, 1, "EOF before response")


def test_where_each_request_has_a_process_of_its_own_a_struck_connection_is_a_worker():
    before = of_connections({1: [11, 12, 13], 2: [21, 22, 23]})
    assert verdict([*before, CUT], {5}) == "worker lost"
    assert verdict([*before, answered(1, 14, 0.45, 0.4)], {5}) == "worker delayed"


def test_two_connections_are_more_than_the_one_that_was_struck():
    before = of_connections({1: [11, 12, 13], 2: [21, 22, 23]})
    assert verdict([*before, CUT, replace(CUT, connection=2)], {5}) == "server lost"


def test_a_client_of_a_worker_that_was_not_struck_is_out_of_its_reach():
    before = of_connections({1: [11, 11, 11], 2: [21, 21, 21]})
    assert verdict([*before, CUT], {21}) == "server lost"
    assert verdict([*before, CUT], {11}) == "worker lost"


def test_without_anything_struck_a_connection_is_no_worker():
    assert verdict([*of_connections({1: [11, 12, 13], 2: [21, 22, 23]}), CUT], set()) == "server lost"


# --- the table


def test_each_fault_that_is_no_handlers_has_its_place_in_the_table():
    assert set(triggers.TRIGGERS) == {one.id for one in catalogue.entries() if one.kind != HANDLER}


def settings(fault: Fault) -> CrashSettings:
    contestants = described(plan.COLUMNS, cache(Local(BINARIES, Path(os.devnull)).describe))
    return CrashSettings(contestants, cpus.CpuSets((0,), (0,)), (fault,), pace=str(BINARIES / "quartet-pace"))


def fault(identifier: str, kind: str, **more: object) -> Fault:
    return Fault(identifier, identifier, kind, identifier, **{"load": "/plaintext", **more})  # type: ignore[arg-type]


def arguments(one: Fault) -> list[str]:
    return clients.fault_arguments(settings(one), CrashStep("epoll", one.name), 0.4)


def test_what_clients_do_is_told_to_quartet_pace():
    assert arguments(fault("slow-headers", CLIENT)) == ["--rude", "400ms:slow-header=18"]
    assert arguments(fault("slow-readers", CLIENT)) == ["--rude", "400ms:slow-reader=18:/bytes?n=4194304"]
    assert arguments(fault("connection-flood", CLIENT)) == ["--rude", "400ms:flood=300"]
    assert arguments(fault("client-abort", CLIENT)) == ["--rude", "400ms:abort=1:/bytes?n=16777216"]
    poison = fault("poison", CLIENT, requests=("/fault/segv",))
    assert arguments(poison) == ["--fault", "400ms:/fault/segv", "--fault-retries", "4"]


def test_what_is_done_from_outside_is_not_the_clients():
    assert arguments(fault("kill-worker", WORKER)) == []


def test_a_dry_run_shows_what_is_done_from_outside():
    shown = {
        "stop-continue": ["kill -STOP PID-of-a-worker", "kill -CONT PID-of-a-worker"],
        "scoreboard-truncated": ["truncate --size 0 /dev/shm/quartet-8080"],
    }
    for identifier, expected in shown.items():
        one = fault(identifier, WORKER)
        pace, *by_hand = CRASH.load(Address("127.0.0.1", 8080), settings(one), CrashStep("epoll", one.name))
        assert "quartet-pace" in shlex.join(pace)
        assert list(map(shlex.join, by_hand)) == expected
    for trigger in triggers.TRIGGERS.values():
        assert len(trigger.by_hand) == bool(trigger.strike) + bool(trigger.relieve)


def test_a_dry_run_removes_the_group_that_it_makes_and_tries_nothing_here(monkeypatch):
    asked: list[str] = []
    for name in ("crash-loop", "oom-kill"):
        trigger = replace(triggers.TRIGGERS[name], missing=lambda: asked.append("") or "it takes root")
        monkeypatch.setitem(triggers.TRIGGERS, name, trigger)
    argv = ["crash", "--fault", "crash-loop", "--fault", "oom-kill", "--only", "prefork", "--dry-run"]
    argv += ["--bin", str(BINARIES)]
    shown = CliRunner().invoke(commands.app, argv).output
    group = surroundings.own_group().directory
    assert f"mkdir {group}; " in shown and f"\nrmdir {group}\n\n" in shown and "\nstrace -f " in shown
    assert shown.count("--sessions 4") == 2
    assert not asked and not group.exists()
    stopped = CliRunner().invoke(commands.app, argv[:-3]).exception
    assert isinstance(stopped, Stop) and (stopped.status, str(stopped)) == (Exit.environment, "it takes root")


def test_what_is_done_on_this_machine_is_refused_in_containers():
    for kind, identifier in ((WORKER, "kill-worker"), (ENVIRONMENT, "log-pipe-full")):
        one = fault(identifier, kind)
        assert triggers.refusal(one, "docker").startswith(f"{identifier} is done to the server's processes and files")
        assert triggers.refusal(one, "local") == ""
    assert triggers.refusal(fault("poison", CLIENT), "docker") == "", "its clients are anywhere"


def test_a_strace_that_can_still_be_installed_is_no_refusal_and_is_missed_when_it_is_measured(tmp_path, monkeypatch):
    one = fault("crash-loop", WORKER)
    bench = Bench(settings(one), Local(BINARIES, tmp_path / "log"), tmp_path)
    monkeypatch.setattr(triggers, "cannot_trace", strace.missing)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert triggers.refusal(one, "local") == "" and CRASH.instruments(bench.settings)
    with pytest.raises(MeasurementError, match="strace is not installed"):
        measure.measure(bench, CrashStep("prefork", one.id))


def test_a_strace_that_may_not_trace_is_a_refusal(tmp_path, monkeypatch):
    monkeypatch.setattr(triggers, "cannot_trace", lambda: "it may not")
    (tmp_path / "strace").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert triggers.refusal(fault("crash-loop", WORKER), "local") == "it may not"


def busy() -> None:
    raise MeasurementError("the group is busy")


def test_what_cannot_be_tidied_up_costs_no_result_and_hides_no_error(tmp_path, monkeypatch):
    monkeypatch.setitem(triggers.TRIGGERS, "poison", Trigger(clients=rude.retries, tidy_up=busy))
    found = measured(POISON, "epoll", tmp_path)
    assert "the group is busy" in found.problems and found.faulty
    with pytest.raises(MeasurementError, match="No such file"):
        bench = Bench(settings(POISON), Local(tmp_path / "nowhere", tmp_path / "log"), tmp_path)
        measure.measure(bench, CrashStep("epoll", "poison"))


def test_a_refused_fault_is_not_measured(tmp_path):
    one = fault("kill-worker", WORKER)
    bench = Bench(replace(settings(one), runner="docker"), Local(BINARIES, tmp_path / "log"), tmp_path)
    with pytest.raises(MeasurementError, match="use --runner local"):
        measure.measure(bench, CrashStep("epoll", one.name))


# --- real servers


@contextmanager
def running(words: str, log: Path, under: tuple[str, ...] = ()) -> Iterator[Server]:
    executable, *options = words.split()
    argv = [*under, str(BINARIES / executable), *options, "--listen", "127.0.0.1:0", "--enable-faults"]
    with Server([*argv, "--drain-timeout", "2s"], log) as server:
        yield server


@contextmanager
def client(server: Server, patience: float = PATIENCE) -> Iterator[HTTPConnection]:
    with closing(HTTPConnection(server.address.host, server.address.port, timeout=patience)) as connection:
        yield connection


def ask(connection: HTTPConnection, target: str = "/plaintext", method: str = "GET") -> int:
    connection.request(method, target)
    return finish(connection)


def finish(connection: HTTPConnection) -> int:
    response = connection.getresponse()
    response.read()
    return response.status


def is_served(server: Server, patience: float = PATIENCE) -> bool:
    """A newcomer."""
    try:
        with client(server, patience) as newcomer:
            return ask(newcomer) == 200
    except (OSError, HTTPException):
        return False


def is_refused(server: Server) -> bool:
    with closing(socket.socket()) as newcomer:
        return newcomer.connect_ex((server.address.host, server.address.port)) == errno.ECONNREFUSED


def state(process: int) -> str:
    return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0]


def strike(server: Server, how: object) -> Struck:
    lasting = frozenset(server.processes())
    with closing(server.scoreboard()) as board:
        return how(Scene(server, board, lasting))  # type: ignore[operator]


class Asking(threading.Thread):
    """A client that asks again and again for something that takes a while, until nobody answers it."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self.server, self.answers, self.leaves = server, 0, False

    def run(self) -> None:
        with suppress(OSError, HTTPException), client(self.server) as connection:
            while not self.leaves and ask(connection, "/sleep?ms=50") == 200:
                self.answers += 1


@contextmanager
def asking(server: Server) -> Iterator[Asking]:
    thread = Asking(server)
    thread.start()
    try:
        assert eventually(lambda: thread.answers > 0)
        yield thread
    finally:
        thread.leaves = True
        thread.join(PATIENCE)


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    monkeypatch.setattr(outside, "PATIENCE", PATIENCE)


def parent(process: int) -> int:
    found = PROC.stat(process)
    assert found
    return found.parent


@pytest.mark.parametrize("words", FORKS)
def test_of_processes_one_is_killed_and_the_others_go_on(words, log):
    with running(words, log) as server, client(server) as other, asking(server) as one:
        ask(other)
        [struck] = strike(server, outside.kill_worker).processes
        assert eventually(lambda: not one.is_alive()), "its client has noticed"
        assert ask(other) == 200, "on the same connection"
        assert is_served(server) and not server.has_ended()
        assert struck != server.pid and eventually(lambda: procfs.identity(struck) is None), "its parent has reaped it"


@pytest.mark.parametrize("words", ONE_PROCESS)
def test_where_there_is_one_process_it_is_killed_and_everybody_with_it(words, log):
    with running(words, log) as server, asking(server):
        assert strike(server, outside.kill_worker).processes == {server.pid}
        assert server.wait(PATIENCE).status == -signal.SIGKILL


@pytest.mark.parametrize("words", ["quartet-epoll --supervise", "quartet-threads --supervise"])
def test_under_a_given_parent_it_is_the_worker_that_is_killed(words, log):
    with running(words, log) as server, asking(server) as one:
        [struck] = strike(server, outside.kill_worker).processes
        assert struck != server.pid and eventually(lambda: not one.is_alive())
        assert is_served(server) and not server.has_ended()


@pytest.mark.parametrize("words", FORKS)
def test_of_processes_one_is_stopped_and_goes_on_and_nobody_is_cut(words, log):
    with running(words, log) as server, client(server) as other, asking(server) as one:
        struck = strike(server, outside.stop)
        [process] = struck.processes
        assert eventually(lambda: state(process) == "T")
        assert parent(process) == server.pid, "a connection's or a pool's process"
        assert ask(other) == 200 and is_served(server)
        outside.go_on(struck)
        answers = one.answers
        assert eventually(lambda: one.answers > answers + 1)


@pytest.mark.parametrize("words", ONE_PROCESS)
def test_where_there_is_one_process_nobody_is_answered_until_it_goes_on(words, log):
    with running(words, log) as server, asking(server) as one:
        struck = strike(server, outside.stop)
        assert struck.processes == {server.pid} and eventually(lambda: state(server.pid) == "T")
        assert not is_served(server, A_WHILE)
        outside.go_on(struck)
        answers = one.answers
        assert is_served(server) and eventually(lambda: one.answers > answers + 1)


@pytest.mark.parametrize("words", FORKS)
def test_without_their_parent_the_workers_leave_the_port_and_end(words, log):
    with running(words, log) as server, asking(server) as one:
        assert strike(server, outside.kill_parent).processes == {server.pid}
        assert eventually(lambda: is_refused(server))
        assert eventually(lambda: not one.is_alive()) and one.answers > 0
        assert eventually(lambda: not server.processes()), "nothing is left"


@pytest.fixture
def allowed_strace():
    if sentence := strace.missing():
        pytest.skip(sentence)


@pytest.mark.usefixtures("allowed_strace")
@pytest.mark.parametrize("words", FORKS[:2])
def test_in_a_crash_loop_who_needs_a_new_process_is_cut_off_and_who_has_one_goes_on(words, log):
    with running(words, log) as server, client(server) as other, asking(server):
        ask(other)
        struck = strike(server, outside.crash_loop)
        assert not is_served(server) and ask(other) == 200
        outside.end_crash_loop(struck)
        assert is_served(server) and ask(other) == 200


@pytest.mark.usefixtures("allowed_strace")
def test_in_a_crash_loop_a_pool_lacks_one_worker_and_nobody_else_is_harmed(log):
    with running("quartet-fork --workers 4", log) as server, client(server) as other, asking(server) as one:
        ask(other)
        struck = strike(server, outside.crash_loop)
        assert eventually(lambda: deaths(server) > 3) and not one.is_alive()
        assert ask(other) == 200 and is_served(server) and len(server.processes()) < 5
        outside.end_crash_loop(struck)
        assert eventually(lambda: len(server.processes()) == 5)


def test_a_crash_loop_goes_on_for_its_time_from_when_a_worker_was_killed(monkeypatch):
    """However long strace takes to attach."""
    ended: list[float] = []

    @contextmanager
    def attached(*_: object) -> Iterator[None]:
        time.sleep(A_WHILE)
        yield
        ended.append(time.time())

    monkeypatch.setattr(strace, "attached", attached)
    monkeypatch.setattr(outside, "kill_worker", lambda _: Struck(frozenset({7}), time.time()))
    before, server = time.time(), SimpleNamespace(pid=6)
    struck = outside.crash_loop(Scene(server, None, frozenset()))  # type: ignore[arg-type]
    assert before <= struck.at < before + A_WHILE <= struck.at + struck.took
    outside.end_crash_loop(struck)
    assert ended[0] >= struck.at + struck.took + outside.LASTING


@pytest.mark.usefixtures("allowed_strace")
def test_a_crash_loop_that_finds_no_worker_to_kill_is_over_at_once(log, monkeypatch):
    monkeypatch.setattr(outside, "PATIENCE", 0.05)
    with running("quartet-fork --workers 4", log) as server:
        with pytest.raises(MeasurementError) as caught:
            strike(server, outside.crash_loop)
        assert procfs.numbers(PROC.status(server.pid))["TracerPid"] == 0
        assert caught.match("no worker that has a request")  # till here, or collected garbage would end it


def test_the_moment_of_a_fault_is_when_it_was_done(log):
    with running("quartet-epoll", log) as server, asking(server):
        before = time.time()
        assert before <= strike(server, outside.stop).at <= time.time()


def test_a_server_that_serves_nobody_has_no_worker_to_strike(log, monkeypatch):
    monkeypatch.setattr(outside, "PATIENCE", 0.05)
    with running("quartet-fork --workers 4", log) as server:
        with pytest.raises(MeasurementError, match="no worker that has a request of the load in hand"):
            strike(server, outside.kill_worker)
        assert len(server.processes()) == 5


def test_an_ended_process_for_which_its_parent_does_not_wait_is_a_zombie_and_an_orphan_is_not():
    """The shell becomes a program that waits for nobody."""
    with processes.Process(["sh", "-c", "sleep 0 & exec sleep 60"], subprocess.DEVNULL, subprocess.DEVNULL) as one:
        assert eventually(lambda: procfs.zombies(one.pid) == 1)
    with processes.Process(["sh", "-c", "sleep 60 & echo; exec sleep 60"], subprocess.PIPE, subprocess.DEVNULL) as one:
        one.line(time.monotonic() + PATIENCE)
        [child] = [stat.pid for stat in procfs.members(one.pid) if stat.pid != one.pid]
        one.signal(signal.SIGKILL)
        assert one.ends_within(PATIENCE)
        os.kill(child, signal.SIGKILL)
        assert procfs.zombies(one.pid) == 0


# --- real servers in bad surroundings


def lose_a_worker(server: Server) -> None:
    """Returns when its parent has had its say and does something else: serves a newcomer, or completes a pool."""
    lasting, before = len(server.processes()), deaths(server)
    with pytest.raises((OSError, HTTPException)), client(server) as poisoned:
        ask(poisoned, "/fault/segv", "POST")
    assert eventually(lambda: deaths(server) > before)
    assert is_served(server) and eventually(lambda: len(server.processes()) == lasting)


def deaths(server: Server) -> int:
    with closing(server.scoreboard()) as board:
        return sum(one.deaths for one in board.slots() or [])


def log_pipe(server: Server, end: int) -> int:
    """That end of the pipe that its log is, opened here, too."""
    return os.open(f"/proc/{server.pid}/fd/2", end | os.O_NONBLOCK)  # through /proc a pipe opens as either end


@pytest.mark.parametrize("words", FORKS)
def test_a_log_that_nobody_reads_stops_nobody_and_says_later_what_it_lost(words, log):
    with running(words, log, surroundings.log_pipe_full()) as server:
        full = log_pipe(server, os.O_WRONLY)
        with pytest.raises(BlockingIOError):
            os.write(full, b"x")
        os.close(full)
        lose_a_worker(server)
        unread = log_pipe(server, os.O_RDONLY)
        os.read(unread, 1 << 20)
        lose_a_worker(server)
        assert eventually(lambda: b" lost: nobody read the log" in (os.read(unread, 1 << 16) if has(unread) else b""))
        os.close(unread)


def has(pipe: int) -> bool:
    return bool(select.select([pipe], [], [], 0)[0])


@pytest.mark.parametrize("words", FORKS)
def test_a_log_that_cannot_be_written_stops_nobody(words, log):
    with running(words, log, surroundings.log_disk_full()) as server:
        assert os.readlink(f"/proc/{server.pid}/fd/2") == "/dev/full"
        lose_a_worker(server)
        assert not server.has_ended()


@pytest.mark.skipif(bool(surroundings.no_private_mounts()), reason=surroundings.no_private_mounts())
@pytest.mark.parametrize("words", MODELS)
def test_a_scoreboard_without_room_costs_nothing_but_itself(words, log):
    with running(words, log, surroundings.scoreboard_full()) as server:
        assert "No space left on device; only /stats will show the counters" in log.read_text()
        assert os.statvfs(f"/proc/{server.pid}/root/dev/shm").f_blocks == 1
        assert os.statvfs("/dev/shm").f_blocks > 1, "what is ours is as it was"
        with client(server) as faulty:
            assert ask(faulty, "/fault/throw", "POST") == 500
            assert ask(faulty) == 200
        assert is_served(server)


@pytest.mark.parametrize("words", MODELS)
def test_a_truncated_scoreboard_costs_nothing_but_itself(words, log):
    with running(words, log) as server, client(server) as other:
        assert ask(other) == 200
        assert strike(server, outside.truncate_scoreboard).processes == frozenset()
        with closing(server.scoreboard()) as board:
            assert board.path.stat().st_size == 0 and board.slots() is None
        assert ask(other) == 200 and is_served(server) and not server.has_ended()
        assert "somebody has truncated it" in log.read_text()


def test_no_scoreboard_cannot_be_truncated(log):
    with running("quartet-epoll", log) as server:
        with closing(server.scoreboard()) as board:
            board.path.unlink()
        with pytest.raises(MeasurementError, match="the scoreboard cannot be truncated"):
            strike(server, outside.truncate_scoreboard)


@contextmanager
def crowd(server: Server, count: int) -> Iterator[None]:
    """Clients that say nothing."""
    with ExitStack() as opened:
        for _ in range(count):
            opened.enter_context(closing(socket.create_connection((server.address.host, server.address.port))))
        yield


LIMITED = attend.limited(catalogue.Limits(descriptors=64))


@pytest.mark.parametrize("words", ["quartet-coroutines", "quartet-coroutines --workers 2", "quartet-epoll"])
def test_where_clients_share_a_process_newcomers_wait_for_a_descriptor(words, log):
    with running(words, log, LIMITED) as server:
        with crowd(server, 100):
            assert not is_served(server, A_WHILE)
        assert is_served(server), "they have gone"


@pytest.mark.parametrize("words", FORKS[:2])
def test_where_each_client_has_a_process_no_descriptors_run_out(words, log):
    with running(words, log, LIMITED) as server, crowd(server, 100):
        assert is_served(server)


CGROUPS = Path(__file__).with_name("cgroup")


def group(membership: str, root: Path = Path("/cg")) -> MemoryGroup:
    return surroundings.memory_group(membership, root, "quartet-7")


def test_a_memory_group_of_version_1_is_below_ours(tmp_path):
    membership = (CGROUPS / "v1/membership").read_text()
    own = tmp_path / procfs.memberships(membership)["memory"]
    own.mkdir(parents=True)
    found = group(membership, tmp_path)
    assert found.directory == own / "quartet-7" and "memory/docker/f5434" in str(own)
    limit = str(surroundings.MEMORY)
    assert (found.limits, found.swap) == ({"memory.limit_in_bytes": limit}, {"memory.memsw.limit_in_bytes": limit})


def test_a_memory_group_of_version_1_is_below_the_mount_where_that_is_our_group():
    """As in a container that is told the path outside."""
    assert group((CGROUPS / "v1/membership").read_text()).directory == Path("/cg/memory/quartet-7")
    assert group("4:cpu,memory:/docker/f5434\n").directory == Path("/cg/cpu,memory/quartet-7")


def test_no_group_is_made_around_a_memory_group(tmp_path):
    with pytest.raises(MeasurementError, match="mkdir"):
        processes.run([*MemoryGroup(tmp_path / "docker/quartet-7", {}, {}).command, "true"], PATIENCE)
    assert not (tmp_path / "docker").exists()


def test_a_memory_group_of_version_2_is_beside_ours_which_has_processes():
    found = group((CGROUPS / "v2/membership").read_text())
    assert found.directory == Path("/cg/system.slice/quartet-7")
    assert found.limits == {"../cgroup.subtree_control": "+memory", "memory.max": str(surroundings.MEMORY)}
    assert list(found.limits) == ["../cgroup.subtree_control", "memory.max"], "before that there is no such file"
    assert found.swap == {"memory.swap.max": "0"}


def test_a_memory_group_of_version_2_is_below_the_root_where_we_are_there():
    assert group("0::/\n").directory == Path("/cg/quartet-7")


@pytest.mark.parametrize("swap", [{}, {"swap": "9"}])
def test_a_command_in_a_memory_group_is_limited_before_it_begins(swap, tmp_path):
    directory = tmp_path / "with\\x2dbackslash"
    directory.mkdir()
    for name in swap:
        (directory / name).touch()
    command = MemoryGroup(directory, {"../first": "+memory", "limit": "5"}, {"swap": "9"}).command
    pid = processes.run([*command, "sh", "-c", "echo $$"], PATIENCE).stdout
    written = {one.name: one.read_text().strip() for one in directory.iterdir()}
    assert written == {"limit": "5", "cgroup.procs": pid.strip(), **swap}
    assert (tmp_path / "first").read_text() == "+memory\n"


def test_a_command_whose_group_cannot_be_limited_does_not_begin(tmp_path):
    command = MemoryGroup(tmp_path, {"missing/limit": "5"}, {}).command
    with pytest.raises(MeasurementError, match="missing/limit"):
        processes.run([*command, "touch", str(tmp_path / "begun")], PATIENCE)
    assert not (tmp_path / "begun").exists()


@pytest.fixture
def allowed_groups():
    if sentence := surroundings.no_little_memory():
        pytest.skip(sentence)


@contextmanager
def with_little_memory(words: str, log: Path) -> Iterator[Server]:
    group = surroundings.own_group().directory
    try:
        with running(words, log, surroundings.little_memory()) as server:
            yield server
        assert group.exists()
    finally:
        surroundings.leave_no_group()
    assert not group.exists()


def take_all_memory(server: Server) -> None:
    with pytest.raises((OSError, HTTPException)), client(server) as faulty:
        ask(faulty, "/fault/leak?mib=256", "POST")


@pytest.mark.usefixtures("allowed_groups")
@pytest.mark.parametrize("words", FORKS)
def test_of_processes_the_one_is_killed_that_takes_all_memory(words, log):
    with with_little_memory(words, log) as server, client(server) as other:
        ask(other)
        take_all_memory(server)
        assert ask(other) == 200 and is_served(server) and not server.has_ended()
        assert eventually(lambda: "was killed by signal 9 (Killed) during POST /fault/leak" in log.read_text())


@pytest.mark.usefixtures("allowed_groups")
@pytest.mark.parametrize("words", ONE_PROCESS)
def test_where_there_is_one_process_it_is_killed_for_the_memory_of_one_request(words, log):
    with with_little_memory(words, log) as server:
        take_all_memory(server)
        assert server.wait(PATIENCE).status == -signal.SIGKILL


@pytest.mark.usefixtures("allowed_groups")
def test_of_a_server_that_does_not_start_no_group_is_left(tmp_path):
    one = fault("oom-kill", ENVIRONMENT, requests=("/fault/leak?mib=256",))
    bench = Bench(settings(one), Local(tmp_path / "nowhere", tmp_path / "log"), tmp_path)
    with pytest.raises(MeasurementError, match="not found"):
        measure.measure(bench, CrashStep("epoll", one.name))
    assert not surroundings.own_group().directory.exists()


def test_a_group_that_cannot_be_removed_is_a_sentence(monkeypatch):
    def stays() -> None:
        raise MeasurementError("the server's control group cannot be removed: Device or resource busy")

    monkeypatch.setattr(surroundings, "_failure", lambda tried: "")
    monkeypatch.setattr(surroundings, "leave_no_group", stays)
    assert "cannot be removed" in surroundings.no_little_memory.__wrapped__()


# --- both sides together


@pytest.mark.parametrize("later", [(), (clients.AFTER,)])
def test_what_a_fault_goes_on_with_is_ended_once_also_where_the_load_fails(later, tmp_path):
    one, ended = fault("kill-worker", WORKER), list[Struck]()
    trigger = Trigger(strike=lambda _: Struck(frozenset(), 0.0), relieve=ended.append)

    def interrupted(_address: Address, _settings: CrashSettings, _step: CrashStep, tell: Tell) -> Observation:
        for moment in (clients.EARLY, clients.BEFORE, clients.FAULT, *later):
            tell(moment)
        raise KeyboardInterrupt

    bench, step = Bench(settings(one), Local(BINARIES, tmp_path / "log"), tmp_path), CrashStep("epoll", one.name)
    with pytest.raises(KeyboardInterrupt):
        started = measure.server(bench.settings, step)
        attend.attend(bench, started, interrupted, step, partial(measure.Watch, trigger=trigger))
    assert len(ended) == 1


@pytest.mark.parametrize("took", [0.1, 0.5])
def test_a_fault_that_took_long_to_come_is_bad_luck(took):
    trigger = Trigger(strike=lambda _: Struck(frozenset(), 0.0, took=took))
    watch = measure.Watch(None, None, trigger)  # type: ignore[arg-type]
    watch.processes = {clients.EARLY: set(), clients.BEFORE: set()}
    watch.look(clients.FAULT)
    assert watch.missed == (["it took 0.50 s until the fault was there"] if took == 0.5 else [])


LATER = 0.1  # seconds


def kill_worker_later(scene: Scene) -> Struck:
    time.sleep(LATER)
    return outside.kill_worker(scene)


def test_a_measured_fault_from_outside_counts_from_the_moment_when_it_was_done(tmp_path, monkeypatch):
    """Of prefork's workers one dies, and with it a request, unless a busy machine has let that end before; no one else.
    Whatever else is slow here is not the fault's doing."""
    monkeypatch.setitem(triggers.TRIGGERS, "kill-worker", Trigger(strike=kill_worker_later))
    found = measured(fault("kill-worker", WORKER), "prefork", tmp_path, grace=10)
    assert found.processes.before - found.processes.kept == 1
    assert found.fault_at >= CrashSettings.fault_at + LATER
    assert sum(count for what, count in found.others.harmed.items() if what != "delayed") <= 1
    assert found.processes.server_status is None


def measured(one: Fault, model: str, directory: Path, grace: float = 0.4) -> Crash:
    """With a long grace a busy machine's answers are late, but come."""
    bench = Bench(replace(settings(one), grace=grace), Local(BINARIES, directory / "log"), directory)
    return measure.measure(bench, CrashStep(model, one.name))


HOLDING = ("slow-headers", "slow-readers", "connection-flood")  # what they hold is all that there is of it in a pool


@pytest.mark.parametrize("model", ["prefork", "threads"])
@pytest.mark.parametrize("identifier", HOLDING)
def test_slow_and_silent_clients_starve_a_pool(identifier, model, tmp_path):
    assert str(measured(fault(identifier, CLIENT), model, tmp_path).verdict) == "server starved"


@pytest.mark.parametrize("model", ["fork-per-connection", "coroutines", "epoll"])
@pytest.mark.parametrize("identifier", HOLDING)
def test_slow_and_silent_clients_cost_nobody_an_answer_where_there_is_no_pool(identifier, model, tmp_path):
    assert measured(fault(identifier, CLIENT), model, tmp_path, grace=10).verdict.harm in ("none", "delayed")


@pytest.mark.parametrize("model", ["fork-per-connection", "threads", "epoll"])
def test_a_client_that_resets_its_connections_costs_nobody_an_answer(model, tmp_path):
    found = measured(fault("client-abort", CLIENT), model, tmp_path, grace=10)
    assert found.verdict.harm in ("none", "delayed") and found.processes.server_status is None


POISON = fault("poison", CLIENT, requests=("/fault/segv",))


def test_a_client_that_tries_again_takes_down_a_worker_each_time(tmp_path):
    found = measured(POISON, "prefork", tmp_path, grace=10)
    assert found.faulty == ["EOF before response"] and found.verdict.harm in ("none", "delayed")
    assert found.known and set(found.known.blamed) == {"POST /fault/segv"}
    assert found.processes.kept < found.processes.before - 1  # the replacements may be hit, too


def test_a_client_that_tries_again_takes_down_one_process_once(tmp_path):
    found = measured(POISON, "epoll", tmp_path)
    assert (str(found.verdict), found.processes.server_status) == ("server lost", -signal.SIGSEGV)
