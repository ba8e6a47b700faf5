"""The clients' side of a step, done by an agent: the same answers as without one."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import samples
from conftest import BINARIES, ROOT, SERVER

from loadtest.places import agent
from loadtest.system import MeasurementError
from loadtest.system.cpus import CpuSets
from loadtest.system.processes import Address, Dialogue, ProcessError, Server
from loadtest.verbs.crash import catalogue
from loadtest.verbs.crash import clients as crash_clients
from loadtest.verbs.crash.clients import CrashSettings, CrashStep
from loadtest.verbs.crash.ledger import Ledger
from loadtest.verbs.crowd import clients as crowd_clients
from loadtest.verbs.crowd.clients import CrowdSettings, CrowdStep
from loadtest.verbs.load import clients as load_clients
from loadtest.verbs.load import plan as trials
from loadtest.verbs.memory import clients as memory_clients
from loadtest.verbs.memory.clients import PlateauSettings, PlateauStep
from loadtest.verbs.schedulers import clients as scheduler_clients
from loadtest.verbs.schedulers.plan import SchedulerStep
from loadtest.verbs.sweep import clients as sweep_clients

PACE = str(BINARIES / "quartet-pace")
COMMON: dict[str, Any] = {"contestants": samples.TOUR.contestants, "cpus": CpuSets((0,), (0,)), "pace": PACE}
PLATEAUS = PlateauSettings(**COMMON, connections=4, sleep=200)
CROWD = CrowdSettings(**COMMON, clients=8, seconds=0.3)
SEGV = CrashStep("epoll", "segv")
CRASH = CrashSettings(**COMMON, faults=(catalogue.select("segv"),), clients=2, rate=20, fault_at=0.3, end=0.6)
AGENT = ["env", f"PYTHONPATH={ROOT}", sys.executable, "-c", "from loadtest.places import agent; agent.main()"]


@pytest.fixture
def talk() -> Iterator[Dialogue]:
    with Dialogue(AGENT) as dialogue:
        yield dialogue


def do(talk: Dialogue, job: Any, address: Address, step: Any, settings: Any) -> tuple[Any, list[str]]:
    """What the agent has observed, and when it had the server's processes looked at."""
    moments: list[str] = []
    return agent.ask(talk, job, address, settings, step, moments.append), moments


def test_a_crash_is_seen_request_by_request_and_the_server_is_looked_at_meanwhile(talk, log):
    argv = [str(BINARIES / "quartet-epoll"), "--listen", "127.0.0.1:0", "--enable-faults"]
    with Server(argv, log) as server:
        found, moments = do(talk, crash_clients.crash, server.address, SEGV, CRASH)
    [fault] = Ledger(found.lanes, found.records, CRASH.fault_at, CRASH.end).faults
    assert fault.outcome == "EOF before response"
    loaded = [one for one in found.records if found.lanes[one.lane] in ("waiting", "asking")]
    assert len(loaded) == 12
    assert {one.outcome for one in loaded} >= {"ok", "refused"}
    # at the moment just before the fault only when the machine is in time
    assert [moment for moment in moments if moment != crash_clients.JUST] == [
        moment for moment in crash_clients.MOMENTS if moment != crash_clients.JUST
    ]


def test_plateaus_wait_until_they_have_been_looked_at(talk, server):
    _, moments = do(talk, memory_clients.plateaus, server.address, PlateauStep("epoll"), PLATEAUS)
    assert moments == ["busy", "idle"]


def test_a_crowd_is_counted(talk, server):
    found, moments = do(talk, crowd_clients.crowd, server.address, CrowdStep("epoll", None), CROWD)
    assert (found.clients, moments) == (8, [])


def test_a_trial_is_measured_where_the_agent_is(server, binaries, monkeypatch):
    monkeypatch.setenv("PATH", f"{binaries}:/usr/bin:/bin")
    chosen = replace(samples.settings(), budgets={1: CpuSets((0,), (0,))}, pace=PACE)
    step = next(trials.steps(chosen))
    with Dialogue(AGENT) as talk:
        found, moments = do(talk, load_clients.trial, server.address, step, chosen)
    assert json.loads(found.printed.splitlines()[-1])["requests"] == found.client.requests == 20
    assert found.client.problems == [] and found.began < time.monotonic()
    assert moments == ["load begins", "window begins", "window ends", "amid", "load ends"]
    assert found.newcomers.asked == found.newcomers.served


def test_policies_are_calibrated_and_loaded_where_the_agent_is(server, monkeypatch):
    """The stand-in's answers take no time, so that what is asked for is made up."""
    chosen = replace(samples.SCHEDULERS, cpus=CpuSets((0,), (0,)), pace=PACE, duration=1, connections=4)
    step = SchedulerStep(1, "fibers-fifo", calibrates=True)
    with Dialogue(AGENT) as talk:
        found, moments = do(talk, scheduler_clients.calibrate, server.address, step, chosen)
    assert len(found.requests) == 2 and min(found.requests) > 0
    assert moments == ["load begins", "load ends"] * 2
    load = scheduler_clients.Load(SchedulerStep(1, "epoll"), chosen.mix(samples.CALIBRATED))
    with Dialogue(AGENT) as talk:
        observed, moments = do(talk, scheduler_clients.trial, server.address, load, chosen)
    lanes = json.loads(observed.printed)["lanes"]
    assert [one["name"] for one in lanes] == ["short", "long"] and moments == ["load begins", "load ends"]
    asked = [sum(one["outcomes"].values()) for one in lanes]
    assert [observed.short.asked, observed.long.asked] == asked and asked[0] > 5 * asked[1] > 0


JOBS = (
    load_clients.trial,
    crash_clients.crash,
    crowd_clients.crowd,
    *(memory_clients.hold, memory_clients.plateaus, memory_clients.wear),
    sweep_clients.seek,
    *(scheduler_clients.calibrate, scheduler_clients.trial),
)


def test_every_job_calls_its_settings_and_step_what_the_agent_calls_them():
    for job in JOBS:
        assert list(inspect.signature(job).parameters) == ["address", "settings", "step", "tell"]


def test_what_gives_no_result_is_an_error_in_one_sentence(talk, log):
    with Server([*SERVER, "--workers", "2"], log) as server:
        with pytest.raises(MeasurementError, match="/stats was not answered"):
            do(talk, memory_clients.plateaus, server.address, PlateauStep("epoll"), PLATEAUS)


def test_an_agent_that_fails_is_quoted(talk):
    talk.say('{"job": "loadtest.verbs.nonsense:job"}')
    with pytest.raises(ProcessError, match="exited with status 1.*No module named 'loadtest.verbs.nonsense'"):
        talk.hear(20)


def test_an_agent_that_never_answers_is_an_error_in_time():
    with Dialogue(["sleep", "600"]) as talk, pytest.raises(ProcessError, match="said nothing for 0.1 s"):
        talk.hear(0.1)


def test_a_dialogue_with_somebody_who_has_left_is_an_error_not_a_signal():
    with Dialogue(["true"]) as talk:
        with pytest.raises(ProcessError, match="exited with status 0"):
            talk.hear(20)


def test_the_agent_takes_nothing_but_pythons_own_modules():
    """The load image would have to have them; and they take time to import beside a running server."""
    foreign = "{'typer', 'rich', 'jinja2', 'jsonschema', 'numpy'}"
    modules = ", ".join({"loadtest.places.agent", *(job.__module__ for job in JOBS)})
    script = f"import sys; import {modules}; print({foreign} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", script], cwd=ROOT, text=True) == "set()\n"
