from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import FAKES, ROOT, SERVER, eventually, is_alive

from loadtest.contestants.peers import free_port
from loadtest.system import processes, procfs
from loadtest.system.processes import Address, ProcessError, Server, run


def test_run_returns_what_was_printed():
    finished = run(["sh", "-c", "echo out; echo err >&2"], timeout=10)
    assert (finished.status, finished.stdout, finished.stderr) == (0, "out\n", "err\n")


def test_run_names_the_command_its_status_and_the_last_of_stderr():
    with pytest.raises(ProcessError, match="sh -c .* exited with status 3: two / three / four$"):
        run(["sh", "-c", "printf 'one\\ntwo\\nthree\\nfour\\n' >&2; exit 3"], timeout=10)


def test_run_names_the_signal():
    with pytest.raises(ProcessError, match="was killed by SIGSEGV"):
        run(["sh", "-c", "kill -SEGV $$"], timeout=10)


def test_run_accepts_the_statuses_that_are_called_good():
    assert run(["sh", "-c", "exit 1"], timeout=10, good=(0, 1)).status == 1


def test_run_ends_a_command_that_takes_too_long_with_all_its_children(tmp_path):
    pid_file = tmp_path / "pid"
    with pytest.raises(ProcessError, match="took longer than 1 s"):
        run(["sh", "-c", f"sleep 600 & echo $! > {pid_file}; wait"], timeout=1)
    child = int(pid_file.read_text())
    assert eventually(lambda: not is_alive(child))


def test_run_counts_the_cpu_time_of_dead_children():
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    finished = run(["sh", "-c", f"{sys.executable} -c '{burn}'; true"], timeout=30)
    assert finished.cpu_seconds >= 0.3


@pytest.fixture
def subreaper() -> Iterator[None]:
    """For one test alone: those of others become nobody's here."""
    processes.prepare()
    yield
    ctypes.CDLL(None).prctl(processes.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


@pytest.mark.usefixtures("subreaper")
def test_run_counts_the_cpu_time_of_those_who_outlive_their_parent():
    """The subshell ends at once; cat, when the last writer has ended."""
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    finished = run(["sh", "-c", f"({sys.executable} -c '{burn}' &) | cat"], timeout=30)
    assert finished.cpu_seconds >= 0.3


def test_a_missing_command_is_an_error():
    with pytest.raises(ProcessError, match="no-such-command"):
        run(["no-such-command"], timeout=10)


def test_variables_for_the_servers_options_are_not_passed_on(monkeypatch):
    monkeypatch.setenv("QUARTET_WORKERS", "99")
    assert "QUARTET_WORKERS" not in run(["env"], timeout=10).stdout


def test_a_server_tells_its_port_and_drains_with_sigterm(server, log):
    socket.create_connection((server.address.host, server.address.port), timeout=10).close()
    assert server.stop().status == 0
    assert "drained" in log.read_text()


def test_a_server_is_the_leader_of_its_session(server):
    assert os.getsid(server.pid) == server.pid
    assert [stat.pid for stat in procfs.members(server.pid)] == [server.pid]


def test_a_server_that_cannot_start_is_an_error_with_its_reason(log, monkeypatch):
    monkeypatch.setenv("FAKE_SERVER", "broken")
    with pytest.raises(ProcessError, match="exited with status 1 before it listened: bind .* Permission denied"):
        Server(SERVER, log)


def test_a_server_without_its_line_is_an_error_in_time(log, monkeypatch):
    monkeypatch.setenv("FAKE_SERVER", "mute")
    with pytest.raises(ProcessError, match="printed no line"):
        Server(SERVER, log, timeout=1)


def test_a_server_that_does_not_drain_is_an_error_and_ends_all_the_same(log, monkeypatch):
    monkeypatch.setenv("FAKE_SERVER", "stubborn")
    with Server(SERVER, log) as server:
        with pytest.raises(ProcessError, match="did not end within 0.5 s of SIGTERM"):
            server.stop(timeout=0.5)
        assert not is_alive(server.pid)


def serving_at(address: Address, answer: str) -> list[str]:
    """A server that prints no line, and needs a moment until it listens."""
    head = f"HTTP/1.0 {answer.partition(' ')[0]} X\\r\\n\\r\\n"
    script = (
        "import socketserver, time; time.sleep(0.1)\n"
        "class Handler(socketserver.StreamRequestHandler):\n"
        f"  def handle(self): self.rfile.readline(); self.wfile.write(b'{head}{answer.partition(' ')[2]}')\n"
        "socketserver.TCPServer.allow_reuse_address = True\n"
        f"socketserver.TCPServer(('{address.host}', {address.port}), Handler).serve_forever()"
    )
    return [sys.executable, "-c", script]


@pytest.fixture
def address() -> Address:
    return Address("127.0.0.1", free_port())


def test_a_server_at_a_known_address_is_ready_when_it_answers(log, address):
    with Server(serving_at(address, "200 Hello, World!"), log, address=address) as server:
        assert server.address == address
        socket.create_connection((address.host, address.port), timeout=10).close()


@pytest.mark.parametrize("answer, quoted", [("404 no", "404 b'no'"), ("200 Hello!", "200 b'Hello!'")])
def test_a_server_at_a_known_address_that_answers_otherwise_is_an_error(log, address, answer, quoted):
    with pytest.raises(ProcessError, match=f"answered GET /plaintext with {quoted}"):
        Server(serving_at(address, answer), log, address=address)


def test_a_server_at_a_known_address_that_cannot_start_is_an_error_with_its_reason(log, address, monkeypatch):
    monkeypatch.setenv("FAKE_SERVER", "broken")
    with pytest.raises(ProcessError, match="exited with status 1 before it listened: bind .* Permission denied"):
        Server(SERVER, log, address=address)


def test_a_server_at_a_known_address_that_never_answers_is_an_error_in_time(log, address):
    with pytest.raises(ProcessError, match="did not answer GET /plaintext in time"):
        Server(["sleep", "600"], log, 0.3, address)


def test_a_server_is_stopped_with_its_own_signal(log, monkeypatch):
    monkeypatch.setenv("FAKE_SERVER", "stubborn")  # it ignores SIGTERM
    with Server(SERVER, log, stop_signal=signal.SIGQUIT) as server:
        assert server.stop().status == -signal.SIGQUIT


def test_an_error_in_the_block_ends_the_server(log):
    with pytest.raises(RuntimeError), Server(SERVER, log) as server:
        raise RuntimeError
    assert not is_alive(server.pid)


def test_the_error_of_one_server_does_not_quote_another_from_the_same_log(log, monkeypatch):
    log.write_text("somebody else's misfortune\n")
    monkeypatch.setenv("FAKE_SERVER", "broken")
    with pytest.raises(ProcessError) as error:
        Server(SERVER, log)
    assert "misfortune" not in str(error.value)


def test_ctrl_c_does_not_reach_a_child_by_itself():
    process = processes.Process(["sleep", "600"], subprocess.DEVNULL, subprocess.DEVNULL)
    assert os.getpgid(process.pid) != os.getpgid(0)
    processes.end_all()
    assert not is_alive(process.pid)


def test_a_child_dies_with_the_harness(tmp_path):
    """Also when it is killed without a chance to tidy up."""
    script = (
        "import sys, time; from pathlib import Path; from loadtest.system.processes import Server\n"
        f"server = Server({SERVER!r}, Path({str(tmp_path / 'log')!r}))\n"
        "print(server.pid, flush=True); time.sleep(600)"
    )
    harness = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert harness.stdout is not None
    server = int(harness.stdout.readline())
    harness.send_signal(signal.SIGKILL)
    harness.wait()
    harness.stdout.close()
    assert eventually(lambda: not is_alive(server))


def test_only_one_module_starts_processes():
    starters = ("subprocess", "os.fork", "os.spawn", "os.system", "popen")
    sources = {path.name: path.read_text() for path in (ROOT / "loadtest").rglob("*.py")}
    assert [name for name, text in sources.items() if any(word in text for word in starters)] == ["processes.py"]


def test_the_stand_ins_are_executable():
    assert all(os.access(path, os.X_OK) for path in Path(FAKES).glob("*.py"))


def test_a_dialogue_that_is_ended_by_a_signal_gives_what_was_still_said():
    script = "trap 'echo one; echo two; exit 7' INT; echo ready; while :; do sleep 0.01; done"
    with processes.Dialogue(["sh", "-c", script]) as talk:
        assert talk.hear(10) == "ready\n"
        finished = talk.end(signal.SIGINT, 10)
    assert (finished.status, finished.stdout) == (7, "one\ntwo\n")
    assert finished.cpu_seconds > 0


def test_a_dialogue_that_goes_on_after_the_signal_is_an_error_in_time():
    with processes.Dialogue(["sh", "-c", "trap '' INT; echo ready; sleep 600"]) as talk:
        talk.hear(10)
        with pytest.raises(processes.ProcessError, match="did not end within 0.1 s of SIGINT"):
            talk.end(signal.SIGINT, 0.1)
