"""Servers in containers, as the harness runs them: their end, their memory, and what is left of them."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace

import pytest
from conftest import TOUR, eventually, ours

from loadtest.places import containers as engine
from loadtest.system import MeasurementError
from loadtest.system.usage import Window
from loadtest.verbs.crash import catalogue
from loadtest.verbs.crash import clients as crash_clients
from loadtest.verbs.crash import plan as crash_plan
from loadtest.verbs.crash.clients import CrashSettings, CrashStep
from loadtest.verbs.crash.ledger import Ledger
from loadtest.verbs.load import clients as load_clients
from loadtest.verbs.load import plan as load_plan
from loadtest.verbs.tour import plan

EPOLL = ["quartet-epoll", "--listen", "127.0.0.1:0"]
PREFORK = ["quartet-fork", "--mode", "prefork", "--workers", "4", "--listen", "127.0.0.1:0"]
CRASH = CrashSettings(TOUR.contestants, TOUR.cpus, (catalogue.select("segv"), catalogue.select("spin")))
KEPT = replace(CRASH, **crash_plan.RESTARTED)
CRASH_OF_EPOLL, HANG_OF_EPOLL = CrashStep("epoll", "segv"), CrashStep("epoll", "spin")


def nobody(moment: str) -> None:
    pass


def test_a_server_drains_with_sigterm_and_exits_with_0(place):
    with place.start(EPOLL, TOUR.cpus) as server:
        ended = server.stop()
        assert not engine.inspect(server._name).running
    assert ended.status == 0
    assert "drained" in place.log.read_text()
    assert server.incidents() == []


def test_a_container_is_removed_with_its_server(place):
    with place.start(EPOLL, TOUR.cpus):
        assert len(ours(place.run)) == 1
    assert ours(place.run) == []


def test_a_server_that_crashes_reads_as_its_signal(place):
    with place.start([*EPOLL, "--enable-faults"], TOUR.cpus) as server:
        found = server.ask(crash_clients.crash, CRASH, CRASH_OF_EPOLL, nobody)
        assert server.has_ended()
        assert server.wait(0).status == -signal.SIGSEGV
    assert [one.outcome for one in Ledger(found.lanes, found.records, CRASH.fault_at, CRASH.end).faults] == [
        "EOF before response"
    ]


def test_the_clients_outlive_the_server_and_count_who_is_turned_away(place):
    """Their container shares the server's network, not its processes."""
    with place.start([*EPOLL, "--enable-faults"], TOUR.cpus) as server:
        found = server.ask(crash_clients.crash, CRASH, CRASH_OF_EPOLL, nobody)
    assert sum(one.outcome == "refused" for one in found.records) > 50


@pytest.mark.parametrize("start", [engine.Containers.start, engine.Containers.start_kept])
def test_a_server_that_does_not_start_is_an_error_with_its_reason(place, start):
    with pytest.raises(MeasurementError, match="exited with status 2 before it listened: .*--workers"):
        start(place, [*EPOLL, "--workers", "7"], TOUR.cpus)
    assert ours(place.run) == []


def test_an_oom_kill_at_the_start_is_reported(small):
    with pytest.raises(MeasurementError, match=r"\(out of memory: its container's limit is 32 MiB\)"):
        small.start([*EPOLL, "--ballast", "64"], TOUR.cpus)
    assert ours(small.run) == []


def test_an_oom_kill_of_a_worker_that_its_server_outlives_is_reported(small):
    with small.start([*PREFORK, "--max-body", "100000000"], TOUR.cpus) as server:
        before = server.processes()
        post_zeros(small, server, 64 << 20)
        assert eventually(lambda: not before <= server.processes())
        assert not server.has_ended()
        server.stop()
    assert server.incidents() == ["out of memory: its container's limit is 32 MiB"]


def post_zeros(place, server, count: int) -> None:
    """/echo holds a body in its worker's memory; the worker does not live to answer."""
    script = (
        "import http.client, contextlib\n"
        f"with contextlib.suppress(OSError, http.client.HTTPException):\n"
        f"    connection = http.client.HTTPConnection('127.0.0.1', {server.address.port}, timeout=20)\n"
        f"    connection.request('POST', '/echo', bytes({count}))\n"
        f"    connection.getresponse()"
    )
    beside = ["--network", f"container:{server._name}"]
    engine.docker("run", "--rm", *beside, place.images["load"], "/usr/bin/python3", "-c", script)


def test_memory_of_a_container_is_read_from_outside(place):
    with place.start([*EPOLL, "--ballast", "20"], TOUR.cpus) as server:
        found = server.memory()
    assert found.processes == 1  # without tini
    assert found.group.anonymous > 19 << 20
    assert found.group.current >= found.group.anonymous
    assert found.pss > 20 << 20  # root may look, and a server has our own id otherwise


def test_processes_are_the_servers_own(place):
    with place.start(PREFORK, TOUR.cpus) as server:
        assert eventually(lambda: len(server.processes()) == 5)


def test_cpu_time_grows_with_the_work_and_includes_all_processes(place):
    settings = plan.parts(TOUR)[0].settings
    step = next(one for one in load_plan.steps(settings) if one.contestant == "fork-per-request")
    with place.start(["quartet-fork", "--mode", "per-request", "--listen", "127.0.0.1:0"], TOUR.cpus) as server:
        before = server.usage()
        found = server.ask(load_clients.trial, settings, step, nobody)
        used = Window(before, server.usage()).cpu_seconds
    # its parent does next to nothing itself
    assert found.client.requests > 0 and used > 0.1 * found.client.cpu_seconds
    assert used < 60


def test_a_server_may_do_nothing_but_serve(place):
    with place.start(EPOLL, TOUR.cpus) as server:
        settings = json.loads(engine.docker("inspect", server._name).stdout)[0]
    host, config = settings["HostConfig"], settings["Config"]
    assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and host["NetworkMode"] == "none"
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["CpusetCpus"] == ",".join(map(str, TOUR.cpus.server))
    assert host["Memory"] == place.memory_limit << 20
    assert config["User"] not in ("", "0", "root")
    assert config["Healthcheck"]["Test"] == ["NONE"]  # nothing else may use the server's CPU


def test_the_load_container_can_read_the_scoreboard_of_a_server_that_was_killed(place):
    """Both have the same tmpfs at /dev/shm, which lives as long as one of them."""
    with place.start(EPOLL, TOUR.cpus) as server:
        load = server._create_load()
        engine.docker("start", load)
        engine.docker("kill", "--signal", "KILL", server._name)
        assert eventually(server.has_ended)
        scoreboard = f"/dev/shm/quartet-{server.address.port}"
        assert engine.docker("exec", load, "grep", "--only-matching", "--text", "quartet-epoll", scoreboard).stdout


def test_a_server_that_fails_is_started_again_where_it_was(place):
    with place.start_kept([*EPOLL, "--enable-faults"], TOUR.cpus) as server:
        before = server.processes()
        found = server.ask(crash_clients.crash, KEPT, CRASH_OF_EPOLL, nobody)
        after = server.processes()
        assert not server.has_ended()
        assert server.stop().status == 0
        assert not engine.inspect(server._name).running, "who is asked to end is not started again"
    assert len(before) == len(after) == 1 and before != after
    outcomes = [one.outcome for one in sorted(found.records, key=lambda one: one.due)]
    assert "refused" in outcomes and outcomes[-1] == "ok"
    assert ours(place.run) == []


def test_a_server_that_hangs_is_not_started_again(place):
    """It has not failed. Nor is it when its drain is cut off."""
    with place.start_kept([*EPOLL, "--enable-faults", "--drain-timeout", "300ms"], TOUR.cpus) as server:
        before = server.processes()
        found = server.ask(crash_clients.crash, KEPT, HANG_OF_EPOLL, nobody)
        assert server.processes() == before
        assert server.stop().status != 0
        assert not engine.inspect(server._name).running
    assert max(found.records, key=lambda one: one.due).outcome == "never answered"


def test_a_server_that_is_asked_to_end_between_two_starts_is_not_started_again(place):
    with place.start_kept(EPOLL, TOUR.cpus) as server:
        for _ in range(3):  # each delay is twice as long as the one before
            assert eventually(lambda: bool(server.processes()))
            [(pid, _)] = server.processes()
            os.kill(pid, signal.SIGKILL)
            assert eventually(lambda: (pid, _) not in server.processes())
        assert eventually(lambda: engine.inspect(server._name).pid == 0 or bool(server.processes()))
        server.stop()
        assert not engine.inspect(server._name).running


def test_containers_that_a_killed_run_left_are_removed_by_the_next(place):
    argv = ["--label", f"{engine.LABEL}=1-1", "--network", "none"]
    engine.create("quartet-test-abandoned", argv, place.images["server"], EPOLL)
    place.remove_abandoned()
    assert "1-1" not in engine.labelled().values()
