"""The memory of the main job: at start, busy and idle."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import samples
from conftest import BINARIES, FAKES, SERVER
from samples import BY_NAME

from loadtest.contestants.contestants import Contestant
from loadtest.document import terminal
from loadtest.document.document import Document
from loadtest.engine.run import Part
from loadtest.engine.runner import execute
from loadtest.page.tables import head_rows
from loadtest.places.launch import Local
from loadtest.system import MeasurementError
from loadtest.system.cpus import CpuSets
from loadtest.system.processes import Address, Server, prepare
from loadtest.verbs.memory import clients, report
from loadtest.verbs.memory.clients import PlateauResult, PlateauSettings, PlateauStep
from loadtest.verbs.memory.verb import PLATEAUS

PREFORK, EPOLL = BY_NAME["prefork"], BY_NAME["epoll"]
STEP = PlateauStep("epoll")


def settings(*chosen: Contestant, **changes: Any) -> PlateauSettings:
    return replace(PlateauSettings(chosen or (PREFORK, EPOLL), CpuSets((0,), (0,))), **changes)


# --- the steps


def test_everybody_is_measured_once():
    assert list(PLATEAUS.steps(settings())) == [PlateauStep("prefork"), PlateauStep("epoll")]
    assert PLATEAUS.seconds(settings(sleep=500), STEP) == 0.8


def test_a_pool_has_a_worker_for_each_connection_and_two_more():
    server = PLATEAUS.server(settings(connections=30), PlateauStep("prefork"))
    assert (server.contestant, server.workers, server.connections, server.more) == (PREFORK, 32, 30, ())


# --- the table


def shown(*results: PlateauResult) -> str:
    section = report.plateaus(Part("plateaus", settings(), list(results)))
    assert section
    return terminal.render(Document([], [section]), 100)


def test_nothing_measured_is_no_table():
    assert not report.plateaus(Part("plateaus", settings())).table.rows


def test_memory_is_shown_at_start_busy_and_idle():
    output = shown(
        samples.plateau("prefork", samples.memory(19, 2), samples.memory(19, 4), samples.memory(19, 3)),
        samples.plateau("epoll", samples.memory(1, 2), samples.memory(1, 2), samples.memory(1, 2)),
    )
    row = next(line for line in output.splitlines() if line.startswith("prefork"))
    assert row.split()[1:] == ["19", "19", "0.5", "1.0", "0.8", "4.0", "0.6", "38.0"]
    assert "it falls while quartet-pace runs" in " ".join(output.split())
    assert "Busy: 16 connections with a request in hand each" in output
    assert "summed RSS once for each process" in " ".join(output.split())


def test_the_unit_of_memory_stands_above_all_of_its_columns():
    one = samples.plateau("epoll", samples.memory(1, 2), samples.memory(1, 2), samples.memory(1, 2))
    upper, lower = head_rows(report.plateaus(Part("plateaus", settings(), [one])).table.heads)
    assert [(head.text, head.columns) for head in upper[2:4]] == [("heap, stack MiB", 3), ("PSS MiB", 1)]
    assert [head.text for head in lower[-2:]] == ["MiB, busy", "MiB, busy"]


def test_a_kernel_that_does_not_tell_heap_and_stack_gives_dashes_with_the_reason():
    old = replace(samples.memory(1, 2), anonymous=None)
    output = shown(samples.plateau("epoll", old, old, old))
    row = next(line for line in output.splitlines() if line.startswith("epoll"))
    assert row.split()[3:7] == ["-", "-", "-", "2.0"]
    assert "No heap, stack: this kernel does not tell" in output


# --- the clients' side, with stand-ins for pace and the server


@pytest.fixture
def fake_pace() -> PlateauSettings:
    return settings(pace=str(FAKES / "pace.py"), duration=20, connections=4, sleep=300)


def test_plateaus_are_told_when_all_are_busy_and_when_all_are_idle(server, fake_pace):
    moments: list[str] = []
    asked = clients.plateaus(server.address, fake_pace, STEP, moments.append)
    assert moments == ["busy", "idle"]
    assert "--hold 4:/sleep?ms=300" in asked[0].replace("'", "")


def test_more_connections_than_one_pace_has_in_hand_take_several(server, fake_pace, monkeypatch):
    monkeypatch.setattr(clients, "AT_A_TIME", 3)
    moments: list[str] = []
    asked = clients.plateaus(server.address, replace(fake_pace, connections=7), STEP, moments.append)
    assert (moments, len(asked)) == (["busy", "idle"], 3)


@pytest.mark.parametrize(("connections", "counts"), [(1, [1]), (64, [64]), (65, [64, 1]), (200, [64, 64, 64, 8])])
def test_every_pace_has_all_its_requests_in_hand_at_once(connections, counts):
    address = Address("127.0.0.1", 1)
    found = clients.plateau_commands(address, settings(connections=connections), STEP)
    assert [command[command.index("--hold") + 1] for command in found] == [f"{one}:/sleep?ms=1000" for one in counts]


def test_requests_that_are_not_all_taken_up_give_no_result(fake_pace, log, monkeypatch):
    monkeypatch.setattr(clients, "PATIENCE", 0.2)
    with Server([*SERVER, "--workers", "3"], log) as server:  # the fourth waits, and one more for /stats
        with pytest.raises(MeasurementError, match="not all of 4 connections have a request in hand"):
            clients.plateaus(server.address, replace(fake_pace, sleep=5000), STEP, lambda moment: None)


def test_connections_that_the_server_closed_give_no_result(server, fake_pace, monkeypatch):
    monkeypatch.setenv("FAKE_PACE", "loser")
    with pytest.raises(MeasurementError, match="the server closed 1 of 4 idle connections"):
        clients.plateaus(server.address, fake_pace, STEP, lambda moment: None)


# --- the real thing


def holds_with_a_target() -> bool:
    """An older build's quartet-pace does not."""
    try:
        return "--hold N[:" in subprocess.check_output([BINARIES / "quartet-pace", "--help"], text=True)
    except OSError:
        return False


@pytest.mark.skipif(not holds_with_a_target(), reason="not built: quartet-pace")
def test_real_servers_have_as_many_processes_as_they_should(tmp_path: Path):
    prepare()
    pace = str(BINARIES / "quartet-pace")
    part = Part("plateaus", settings(BY_NAME["fork-per-request"], PREFORK, EPOLL, pace=pace, connections=8))
    run = samples.run(part, verb="tour", state="running")
    execute(run, Local(BINARIES, tmp_path / "servers.log"), tmp_path, lambda: None)
    assert run.failures == []
    found = {one.step.contestant: (one.at_start, one.busy, one.idle) for one in part.results}
    processes = {name: [memory.processes for memory in three] for name, three in found.items()}
    # a process for each connection, another for each request; ten workers and their parent
    assert processes == {"fork-per-request": [1, 17, 9], "prefork": [11, 11, 11], "epoll": [1, 1, 1]}
