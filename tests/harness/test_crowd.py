"""Who is served in a crowd: its steps, its table, and the truth from real servers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

import pytest
from conftest import BINARIES, ROOT

from loadtest.clients.client_side import Newcomers, Quantiles
from loadtest.clients.pace import Schedule
from loadtest.contestants.contestants import MODELS, described
from loadtest.document.document import Mark
from loadtest.engine.measurement import Bench
from loadtest.engine.run import Part
from loadtest.places.launch import Local
from loadtest.system import MeasurementError
from loadtest.system.cpus import CpuSets
from loadtest.system.processes import Address, Server
from loadtest.system.records import from_json
from loadtest.verbs.crowd import clients
from loadtest.verbs.crowd.clients import CrowdSettings, CrowdStep
from loadtest.verbs.crowd.measure import CROWD, Crowd, section

ALL = described(MODELS, cache(Local(BINARIES, Path(os.devnull)).describe))
SETTINGS = CrowdSettings(ALL, CpuSets((0,), (0,)), pace=str(BINARIES / "quartet-pace"))
SMALL = replace(
    SETTINGS, clients=8, workers=3, seconds=0.5, delay=1, rotation=2, newcomers=Schedule(interval=0.05, patience=0.2)
)


# --- what is tried


def test_pools_meet_the_crowd_without_and_with_rotation_the_others_once():
    rotations = {
        one.name: [step.rotation for step in clients.steps(SETTINGS) if step.contestant == one.name] for one in ALL
    }
    assert rotations["threads"] == rotations["prefork"] == [None, 5]
    assert rotations["epoll"] == rotations["fork-per-request"] == [None]


def test_rotation_is_the_servers_to_do():
    assert CROWD.server(SETTINGS, CrowdStep("threads", 5)).more == ("--max-requests-per-connection", "5")
    assert CROWD.server(SETTINGS, CrowdStep("threads", None)).more == ()


def test_the_crowd_is_larger_than_a_pool():
    assert SETTINGS.clients > CROWD.server(SETTINGS, CrowdStep("threads", None)).workers


def test_each_client_always_has_a_next_request():
    most = SETTINGS.clients * 1000 / SETTINGS.delay
    assert SETTINGS.rate > most


# --- the table


def result(rotation: int | None, **changes: object) -> Crowd:
    waits = Quantiles(4, mean=2000, p50=2000, p90=2000, p99=2000, p999=2000, max=2000)
    newcomers = Newcomers({"ok": 4, "timed out": 1}, waits)
    step = CrowdStep("threads", rotation)
    found = Crowd(step=step, server_command="", workers=18, clients_served=18, newcomers=newcomers)
    return replace(found, **changes)


def rows(*results: Crowd) -> list[tuple[str, ...]]:
    shown = section(Part("crowd", SETTINGS, list(results)))
    assert shown and shown.table
    return shown.table.rows


def test_a_row_says_who_was_served_and_how_long_newcomers_waited():
    assert rows(result(None), result(5)) == [
        ("threads", "18", "18/64", "4/5", "2.00"),
        ("threads +rotation", "18", "18/64", "4/5", "2.00"),
    ]


def test_who_is_no_pool_has_no_number_of_workers_and_who_was_not_answered_no_wait():
    nobody = Newcomers({"timed out": 3}, None)
    assert rows(result(None, workers=None, newcomers=nobody)) == [("threads", "-", "18/64", "0/3", "-")]


def test_an_invalid_crowd_is_a_row_of_dashes():
    assert rows(result(None, problems=["no descriptors were left"])) == [("threads", *"----")]


def test_without_a_crowd_there_is_no_table():
    assert rows() == []


def test_a_bar_says_how_many_were_served_beside_a_line_at_all_of_them():
    [plot] = section(Part("crowd", SETTINGS, [result(None), result(5, clients_served=64, workers=None)])).plots
    assert plot.reference == 64 and section(Part("crowd", SETTINGS)).plots == ()
    assert [(mark.row, mark.y, mark.note) for mark in plot.marks] == [
        ("threads", 18, "18 workers; 4/5 newcomers were answered"),
        ("threads +rotation", 64, "4/5 newcomers were answered"),
    ]


def test_an_invalid_crowd_is_no_bar_but_a_reason():
    [plot] = section(Part("crowd", SETTINGS, [result(None, problems=["no descriptors were left"])])).plots
    assert plot.marks == [Mark("threads", note="invalid: no descriptors were left")]


def test_the_crowds_commands_are_the_servers_and_those_of_the_crowd_and_its_newcomers():
    [plot] = section(Part("crowd", SETTINGS, [result(None, server_command="quartet-threads")])).plots
    assert plot.commands[0] == "quartet-threads" and "-c 64" in plot.commands[1] and len(plot.commands) == 3


# --- the truth, from real servers


def measured(name: str, rotation: int | None, tmp_path: Path) -> Crowd:
    bench = Bench(SMALL, Local(BINARIES, tmp_path / "servers.log"), tmp_path)
    found: Crowd = CROWD.measure(bench, CrowdStep(name, rotation))
    assert found.problems == []
    return found


@pytest.mark.parametrize("name", ["threads", "prefork"])
def test_a_pool_serves_as_many_of_a_crowd_as_it_has_workers(name, tmp_path):
    found = measured(name, None, tmp_path)
    assert (found.workers, found.clients_served) == (3, 3)
    assert found.newcomers.served == 0 < found.newcomers.asked


def test_with_rotation_it_serves_all_of_them(tmp_path):
    found = measured("threads", SMALL.rotation, tmp_path)
    assert found.clients_served == 8
    assert "--max-requests-per-connection 2" in found.server_command


def test_a_loop_serves_all_of_them_and_newcomers_too(tmp_path):
    found = measured("epoll", None, tmp_path)
    assert (found.workers, found.clients_served) == (None, 8)
    assert found.newcomers.served == found.newcomers.asked > 0


def test_the_clients_side_needs_the_standard_library_alone():
    """The load container has nothing more."""
    subprocess.run([sys.executable, "-S", "-c", "import loadtest.verbs.crowd.clients"], cwd=ROOT, check=True)


def test_a_result_and_its_settings_come_back_from_json():
    for kept in (result(None), result(5), SETTINGS):
        assert from_json(type(kept), json.loads(json.dumps(asdict(kept)))) == kept


def test_a_crowd_before_a_dead_server_is_an_error(log):
    with Server([str(BINARIES / "quartet-epoll"), "--listen", "127.0.0.1:0"], log) as server:
        address: Address = server.address
        server.stop()
    with pytest.raises(MeasurementError, match="Connection refused"):
        clients.crowd(address, SMALL, CrowdStep("epoll", None), lambda _: None)
