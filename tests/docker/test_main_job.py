"""loadtest/run --runner docker, whole."""

from __future__ import annotations

import signal

import pytest
from conftest import eventually, ours

from loadtest.engine import folder
from loadtest.verbs.crash.results import PARENT


def test_a_short_main_job_measures_every_step_in_containers_and_leaves_none(main_job):
    process = main_job.start("--smoke")
    run = main_job.run_of(process)
    output = process.communicate(timeout=400)[0]
    found = folder.load(main_job.out)
    assert (process.returncode in (0, 4), found.state, found.failures) == (True, "complete", []), main_job.errors()
    assert found.environment.runner == "docker" and "cgroup v" in found.environment.place
    assert {"wrk", "quartet-epoll", "image quartet-server"} <= found.environment.versions.keys()
    assert all("docker create" in result.server_command for result in found.results)
    parts = {part.measurement: part.results for part in found.parts}
    assert all(one.busy.group and one.busy.processes for one in parts["plateaus"])
    crashes = [one for one in parts["crash"] if one.step.fault == "segv"]
    ends = {(one.step.contestant, one.step.keeper): one.processes.server_status for one in crashes}
    assert {ends.pop((name, "")) for name in ("threads", "coroutines", "epoll")} == {-signal.SIGSEGV}
    assert {("fork-per-request", ""), ("prefork", ""), ("epoll", PARENT)} <= ends.keys() and set(ends.values()) == {
        None
    }
    assert "requests a second does one server CPU answer? [docker]" in output
    assert ours(run) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_main_job_keeps_its_results_and_leaves_no_container(main_job, number):
    process = main_job.start("--smoke", "--only", "prefork,epoll", "--rounds", "50")
    run = main_job.run_of(process)
    found = main_job.out / "results.json"
    assert eventually(lambda: found.exists() and len(folder.load(found).results) >= 1 and bool(ours(run)), 120)
    process.send_signal(number)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 130
    assert "INTERRUPTED" in output
    assert ours(run) == []


def test_a_killed_main_job_leaves_nothing_that_the_next_one_does_not_remove(main_job):
    process = main_job.start("--smoke", "--only", "epoll", "--rounds", "50")
    run = main_job.run_of(process)
    assert eventually(lambda: len(ours(run)) == 2, 120)
    process.kill()
    process.communicate(timeout=60)
    assert ours(run) != []
    second = main_job.start("--smoke", "--only", "epoll")
    second.communicate(timeout=200)
    assert "that an earlier run left behind" in main_job.errors()
    assert ours(run) == []


def test_an_engine_that_is_not_there_is_one_sentence_and_5(main_job):
    process = main_job.start("--smoke", environment={"DOCKER_HOST": "unix:///nowhere/docker.sock"})
    assert process.communicate(timeout=60)[0] == ""
    assert process.returncode == 5
    assert main_job.errors().startswith("loadtest/run: the Docker engine is not running; ")
    assert main_job.errors().count("\n") == 1
