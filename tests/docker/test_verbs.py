"""loadtest/quartet VERB --runner docker: wrk and quartet-pace in the load container, memory from the control group."""

from __future__ import annotations

import signal
import subprocess

from conftest import ROOT, ours

from loadtest.engine import folder
from loadtest.verbs.crash.results import Processes

ONE = ("--only", "epoll", "--rounds", "1")
MEASURED = (0, 4)  # 4: some cell is invalid, as on a busy machine pace's schedule is


def quartet(verb: str, out: str, *arguments: str) -> str:
    argv = [str(ROOT / "loadtest/quartet"), verb, "--runner", "docker", "--out", out]
    finished = subprocess.run([*argv, *arguments], capture_output=True, text=True, timeout=400)
    assert finished.returncode in MEASURED, finished.stderr
    assert ours() == []
    return finished.stdout


def test_throughput_loads_a_container_by_wrk_and_by_pace(images, tmp_path):
    output = quartet("throughput", str(tmp_path), *ONE, "-d", "1s", "--rate", "200")
    found = folder.load(tmp_path)
    assert (found.state, found.failures, len(found.results)) == ("complete", [], 2)
    assert {trial.client.command.split()[3].rpartition("/")[2] for trial in found.results} == {"wrk", "quartet-pace"}
    assert all(trial.client.good > 0 and trial.memory.group for trial in found.results)
    assert all(trial.switches is None for trial in found.results)  # a control group counts none
    assert "[docker]" in output


def test_idle_connections_are_held_in_the_load_container(images, tmp_path):
    quartet("memory", str(tmp_path), *ONE, "-c", "0,200")
    found = folder.load(tmp_path)
    assert (found.state, found.failures) == ("complete", [])
    assert {one.step.connections: one.client.counted for one in found.parts[0].results} == {0: None, 200: 200}
    assert all(one.memory.group and one.memory.group.kernel is not None for one in found.parts[0].results)


def test_a_crash_in_a_container_ends_as_it_does_natively(images, tmp_path):
    quartet("crash", str(tmp_path), "--fault", "segv", "--only", "prefork,epoll")
    found = folder.load(tmp_path)
    assert (found.state, found.failures) == ("complete", [])
    prefork, epoll = found.results
    assert prefork.processes == Processes(19, 18, 1, None)
    assert (str(epoll.verdict), epoll.recovery.by) == ("server lost", "nobody")
    assert epoll.processes == Processes(1, 0, 0, -signal.SIGSEGV)
    assert all(one.faulty == ["EOF before response"] for one in found.results)
    assert all(one.known.blamed == ["POST /fault/segv"] for one in found.results)


def test_docker_brings_back_who_has_failed_and_not_who_hangs(images, tmp_path):
    arguments = ("--fault", "segv", "--fault", "spin", "--only", "epoll", "--restart", "on-failure")
    output = quartet("crash", str(tmp_path), *arguments)
    segv, spin = folder.load(tmp_path).results
    assert (str(segv.verdict), segv.recovery.by, segv.processes.kept) == ("server lost", "Docker", 0)
    assert segv.strip[-1] == "." and segv.recovery.back > 0.1  # Docker waits that long
    assert segv.known.blamed == ["POST /fault/segv"]  # the scoreboard has outlived the server
    assert (str(spin.verdict), spin.recovery.by, spin.processes.kept) == ("server starved", "nobody", 1)
    assert "epoll +restart" in output
