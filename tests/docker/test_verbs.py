"""loadtest/quartet VERB --runner docker: wrk and quartet-pace in the load container, memory from the control group."""

from __future__ import annotations

import subprocess

from conftest import ROOT, ours

from loadtest.engine import folder

MEASURED = (0, 4)  # 4: some cell is invalid, as on a busy machine pace's schedule is


def quartet(verb: str, out: str, *arguments: str) -> str:
    argv = [
        str(ROOT / "loadtest/quartet"),
        verb,
        "--runner",
        "docker",
        "--out",
        out,
        "--only",
        "epoll",
        "--rounds",
        "1",
    ]
    finished = subprocess.run([*argv, *arguments], capture_output=True, text=True, timeout=400)
    assert finished.returncode in MEASURED, finished.stderr
    assert ours() == []
    return finished.stdout


def test_throughput_loads_a_container_by_wrk_and_by_pace(images, tmp_path):
    output = quartet("throughput", str(tmp_path), "-d", "1s", "--rate", "200")
    found = folder.load(tmp_path)
    assert (found.state, found.failures, len(found.results)) == ("complete", [], 2)
    assert {trial.client.command.split()[3].rpartition("/")[2] for trial in found.results} == {"wrk", "quartet-pace"}
    assert all(trial.client.good > 0 and trial.memory.group for trial in found.results)
    assert all(trial.switches is None for trial in found.results)  # a control group counts none
    assert "[docker]" in output


def test_idle_connections_are_held_in_the_load_container(images, tmp_path):
    quartet("memory", str(tmp_path), "-c", "0,200")
    found = folder.load(tmp_path)
    assert (found.state, found.failures) == ("complete", [])
    assert {one.step.connections: one.client.counted for one in found.parts[0].results} == {0: None, 200: 200}
    assert all(one.memory.group and one.memory.group.kernel is not None for one in found.parts[0].results)
