"""The clients' side of a step, done by an agent: the same answers as without one."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import samples
from conftest import ROOT, SERVER

from loadtest.clients.outcomes import Outcome
from loadtest.places import agent
from loadtest.system.cpu_sets import CpuSets
from loadtest.system.errors import MeasurementError
from loadtest.system.processes import Address, Dialogue, ProcessError, Server
from loadtest.verbs.load import clients as load_clients
from loadtest.verbs.load import plan as trials
from loadtest.verbs.memory import clients as memory_clients
from loadtest.verbs.tour import clients, plan

SHORT = replace(
    samples.PLAN,
    connections=4,
    memory=plan.MemoryPlateau(sleep=200),
    crowd=plan.Crowd(clients=8, seconds=0.3),
    crash=plan.Crash(clients=2, rate=20, fault_at=0.3, end=0.6),
    cpus=CpuSets((0,), (0,)),
)
EPOLL = plan.CONTESTANTS[-1]
AGENT = ["env", f"PYTHONPATH={ROOT}", sys.executable, "-m", "loadtest.places.agent"]


@pytest.fixture
def talk() -> Iterator[Dialogue]:
    with Dialogue(AGENT) as dialogue:
        yield dialogue


def do(talk: Dialogue, job: clients.Job, address: Address, step: Any, chosen: Any = SHORT) -> tuple[Any, list[str]]:
    """What the agent has seen, and when it had the server's processes looked at."""
    talk.say(agent.request(job, address, chosen, step))
    moments = []
    while "look" in (message := json.loads(talk.hear(20))):
        moments.append(message["look"])
        talk.say("{}")
    if "error" in message:
        raise MeasurementError(message["error"])
    return agent.result(job, message["seen"]), moments


def test_a_crash_is_seen_request_by_request_and_looked_at_three_times(talk, server):
    seen, moments = do(talk, clients.crash, server.address, plan.CrashStep(EPOLL))
    assert seen.faulty == Outcome.eof
    assert len(seen.attempts) == 12
    assert {attempt.outcome for attempt in seen.attempts} >= {Outcome.ok, Outcome.refused}
    assert moments == ["processes"] * 3


def test_plateaus_wait_until_they_have_been_looked_at(talk, server):
    seen, moments = do(talk, clients.plateaus, server.address, plan.MemoryStep(EPOLL))
    assert (seen, moments) == (None, ["busy", "idle"])


def test_a_crowd_is_counted(talk, server):
    seen, moments = do(talk, clients.crowd, server.address, plan.CrowdStep(EPOLL, None))
    assert (seen.clients, moments) == (8, [])


def test_a_load_is_measured_with_the_clocks_of_the_agents_machine(talk, server, binaries, monkeypatch):
    monkeypatch.setenv("PATH", f"{binaries}:/usr/bin:/bin")
    with Dialogue(AGENT) as talk:
        step = plan.LoadStep(EPOLL, 1, plan.Cell("plaintext", "/plaintext"))
        seen, _ = do(talk, clients.load, server.address, step)
    assert json.loads(seen.wrk_output.splitlines()[-1])["requests"] == 20
    assert "wrk -t1 -c4 -d1s" in seen.wrk_command
    assert set(seen.after.cpus) == set(seen.before.cpus) and seen.after.time > seen.before.time


def test_a_trial_is_measured_where_the_agent_is(server, binaries, monkeypatch):
    monkeypatch.setenv("PATH", f"{binaries}:/usr/bin:/bin")
    chosen = replace(samples.settings(), budgets={1: CpuSets((0,), (0,))})
    step = next(trials.steps(chosen))
    with Dialogue(AGENT) as talk:
        seen, _ = do(talk, load_clients.trial, server.address, step, chosen)
    assert json.loads(seen.finished.stdout.splitlines()[-1])["requests"] == 20
    assert seen.sockets_after.ports > 0 and seen.after.time > seen.before.time


JOBS = (
    *(clients.load, clients.plateaus, clients.crowd, clients.crash),
    load_clients.trial,
    *(memory_clients.hold, memory_clients.wear),
)


def test_every_job_calls_its_plan_and_step_what_the_agent_calls_them():
    for job in JOBS:
        assert list(inspect.signature(job).parameters) == ["address", "plan", "step", "look"]


def test_what_gives_no_result_is_an_error_in_one_sentence(talk, log):
    with Server([*SERVER, "--workers", "2"], log) as server:
        with pytest.raises(MeasurementError, match="did not take up 4 connections in time"):
            do(talk, clients.plateaus, server.address, plan.MemoryStep(EPOLL))


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
    script = f"import sys; import loadtest.places.agent; print({foreign} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", script], cwd=ROOT, text=True) == "set()\n"
