from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import samples
from conftest import ROOT, eventually, is_alive

from loadtest.document import terminal
from loadtest.document.document import Mark
from loadtest.engine import folder, report
from loadtest.engine.run import Part, Run
from loadtest.engine.runner import execute
from loadtest.places.launch import Local
from loadtest.system import MeasurementError, processes, procfs
from loadtest.system.cpus import CpuSets
from loadtest.verbs.walk import plots
from loadtest.verbs.walk import sequence as walk_sequence
from loadtest.verbs.walk import strace, verb
from loadtest.verbs.walk.sequence import Actors, Call, Connection, Sample, Walk
from loadtest.verbs.walk.verb import WalkResult, WalkSettings, WalkStep

FIXTURES = Path(__file__).with_name("strace")
RECORDED = json.loads((FIXTURES / "samples.json").read_text())
BINARIES = ROOT / "build/release/bin"


def shown(walks: list[Walk], width: int) -> str:
    return terminal.render(report.document(run(walks)), width)


def run(walks: list[Walk]) -> Run:
    by_name: dict[str, list[Walk]] = {}
    for one in walks:
        by_name.setdefault(one.contestant, []).append(one)
    results = [
        WalkResult(step=WalkStep(name), server_command="quartet-x", walks=alike) for name, alike in by_name.items()
    ]
    return samples.run(Part("walk", WalkSettings(samples.MODELS, CpuSets((1,), (0,))), results), verb="walk")


def recorded(name: str, kind: Connection) -> Walk:
    """From a real trace of that model."""
    seen = RECORDED[name]
    events = strace.parse((FIXTURES / f"{name}.txt").read_text())
    actors = Actors(seen["session"], {int(thread): pid for thread, pid in seen["processes"].items()}, events)
    return walk_sequence.walk(name, kind, events, [Sample(**times) for times in seen[kind.value]], actors)


def lines(walk: Walk, process: str | None = None) -> list[str]:
    return [f"{call.name} {call.result}" for call in walk.calls if process in (None, call.process)]


@pytest.mark.parametrize("name", ["fork-per-connection", "prefork", "threads"])
def test_a_blocking_model_receives_once_and_sends_once(name):
    found = recorded(name, Connection.kept)
    assert lines(found) == ["recvfrom 42", "sendto 147"]
    assert (found.samples, found.agreeing) == (5, 5)


def test_epoll_waits_receives_and_sends():
    assert lines(recorded("epoll", Connection.kept)) == ["epoll_wait 1", "recvfrom 42", "sendto 147"]


def test_coroutines_try_to_receive_before_they_wait():
    expected = ["epoll_wait 1", "recvmsg 42", "sendto 147", "recvmsg EAGAIN"]
    assert lines(recorded("coroutines", Connection.kept)) == expected


def test_a_process_for_each_request_is_the_child_of_the_connections_worker():
    found = recorded("fork-per-request", Connection.kept)
    assert lines(found, "worker") == ["recvfrom 42", "getpid worker", "clone child", "wait4 child", "rt_sigreturn "]
    child = lines(found, "child")
    assert "sendto 147" in child and child[-1] == "exit_group ?"
    assert not any(line.startswith("recvfrom") for line in child)


def test_a_fresh_connection_is_forked_for_twice_when_each_request_is():
    found = recorded("fork-per-request", Connection.fresh)
    assert {call.process for call in found.calls} == {"parent", "child 1", "child 2"}
    assert "recvfrom 61" in lines(found, "child 1") and "sendto 166" in lines(found, "child 2")
    assert "wait4 child 1" in lines(found, "parent")


def test_a_fresh_connection_takes_a_pools_thread_through_its_queue():
    found = recorded("threads", Connection.fresh)
    assert {call.process for call in found.calls} == {"server", "thread"}
    assert lines(found, "thread")[-3:] == ["recvfrom 61", "sendto 166", "close 0"]


def test_a_fresh_connection_costs_prefork_an_accept_and_a_close():
    assert lines(recorded("prefork", Connection.fresh)) == ["accept4 5", "recvfrom 61", "sendto 166", "close 0"]


EAGAIN = "-1 EAGAIN (Resource temporarily unavailable)"


class Trace:
    """Of one thread, with times in milliseconds from a request's departure."""

    def __init__(self) -> None:
        self.text = ""

    def call(self, start: float, milliseconds: float, what: str) -> Trace:
        self.text += f"7 {1000 + start / 1e3:.6f} {what} <{milliseconds / 1e3:.6f}>\n"
        return self

    def of_request(self, done: float = 1, next: float = 50) -> list[str]:
        events = strace.parse(self.text)
        found = walk_sequence.request_events(events, Sample(1000, 1000 + done / 1e3, 1000 + next / 1e3))
        return [f"{event.name} {event.value}" for event in found]


def test_the_wait_in_which_a_request_came_is_its_own_and_the_wait_for_the_next_is_not():
    trace = Trace().call(-30, 30.2, "recvfrom(5) = 42").call(0.3, 0.1, "sendto(5) = 147")
    trace.call(0.5, 60, "recvfrom(5) = 42")
    assert trace.of_request() == ["recvfrom 42", "sendto 147"]


@pytest.mark.parametrize(
    "tick",
    [
        f"recvfrom(5) = {EAGAIN}",
        f"accept4(3) = {EAGAIN}",
        "epoll_wait(5) = 0",
        "poll(NULL, 0, 100) = 0 (Timeout)",
    ],
)
def test_a_wait_that_expired_and_what_follows_it_is_no_requests(tick):
    name = tick.partition("(")[0]
    trace = Trace().call(-99, 99.5, tick).call(0.6, 0.01, "wait4(-1) = 0").call(0.7, 0.2, f"{name}(5) = 1")
    assert trace.of_request() == [f"{name} 1"]


def test_a_try_that_does_not_wait_is_a_requests():
    trace = Trace().call(0.1, 0.01, f"recvmsg(5) = {EAGAIN}")
    assert trace.of_request() == ["recvmsg EAGAIN"]


def test_a_try_that_a_busy_machine_kept_waiting_hides_nothing():
    trace = Trace().call(-40, 4, f"accept(5) = {EAGAIN}").call(0.1, 0.1, "sendto(5) = 1")
    assert trace.of_request() == ["sendto 1"]


def test_what_follows_a_tick_much_later_is_no_part_of_it():
    trace = Trace().call(-150, 100, f"accept(5) = {EAGAIN}").call(0.1, 0.1, "sendto(5) = 1")
    assert trace.of_request() == ["sendto 1"]


def test_requests_without_any_call_are_an_error():
    with pytest.raises(MeasurementError, match="no call in 1 of 1 requests"):
        walk_sequence.walk("one", Connection.kept, [], [Sample(1, 2, 3)], Actors(7, {7: 7}, []))


def test_what_comes_long_after_the_answer_is_no_requests():
    trace = Trace().call(0.1, 0.1, "sendto(5) = 1").call(9, 0.1, "close(5) = 0").call(25, 0.1, "timerfd_settime(8) = 0")
    assert trace.of_request() == ["sendto 1", "close 0"]


def test_what_comes_before_the_answer_is_the_requests_however_late():
    trace = Trace().call(0.1, 0.1, "clone(5) = 9").call(35, 0.1, "sendto(5) = 1")
    assert trace.of_request(done=36) == ["clone 9", "sendto 1"]


def test_the_majority_is_shown_and_counted():
    trace, samples = Trace(), []
    for number in range(5):
        at = 100 * number
        trace.call(at + 0.1, 0.1, "recvfrom(5) = 42").call(at + 0.3, 0.1, "sendto(5) = 147")
        if number in (1, 2):
            trace.call(at + 0.5, 0.1, "timerfd_settime(8) = 0")
        samples.append(Sample(1000 + at / 1e3, 1000.001 + at / 1e3, 1000.05 + at / 1e3))
    events = strace.parse(trace.text)
    found = walk_sequence.walk("one", Connection.kept, events, samples, Actors(7, {7: 7}, events))
    assert found.calls == [Call("server", "recvfrom", "5", "42"), Call("server", "sendto", "5", "147")]
    assert (found.samples, found.agreeing) == (5, 3)


def requests(*texts: str) -> Walk:
    """Of processes 7 and 8, from what each request made them call; 100 ms apart."""
    lines, samples = [], []
    for number, text in enumerate(texts):
        start = 1000 + number / 10
        for index, call in enumerate(text.split("; ")):
            process, _, what = call.partition(" ")
            lines.append(f"{process} {start + index / 1e4:.6f} {what} <0.000001>\n")
        samples.append(Sample(start, start + 0.001, start + 0.05))
    events = strace.parse("".join(lines))
    return walk_sequence.walk("one", Connection.kept, events, samples, Actors(7, {7: 7, 8: 8}, events))


def test_a_call_that_failed_is_not_like_one_that_did_not():
    found = requests("7 accept4(3) = 5", f"7 accept4(3) = {EAGAIN}", "7 accept4(3) = 6")
    assert (found.agreeing, found.calls[0].result) == (2, "5")


def test_how_processes_take_turns_does_not_matter_and_few_turns_are_shown():
    found = requests(
        "7 close(1) = 0; 8 close(2) = 0; 7 getpid() = 7; 8 getpid() = 8",
        "7 close(1) = 0; 7 getpid() = 7; 8 close(2) = 0; 8 getpid() = 8",
    )
    assert found.agreeing == 2
    assert [call.process for call in found.calls] == ["parent", "parent", "worker", "worker"]


def test_what_each_process_calls_does_matter():
    assert requests("7 close(1) = 0; 8 getpid() = 8", "8 close(1) = 0; 7 getpid() = 8").agreeing == 1


def test_who_is_alone_has_no_number_and_who_is_not_has_one():
    actors = Actors(1, {1: 1, 2: 2, 3: 3, 4: 3}, [])
    assert actors.names([2, 1, 2, 3], 0) == {2: "worker 1", 1: "parent", 3: "worker 2"}
    assert actors.names([4, 3], 0) == {4: "thread", 3: "worker"}


def test_walks_can_be_stored_and_read_back(tmp_path):
    found = run([recorded("fork-per-request", kind) for kind in Connection])
    folder.save(found, tmp_path)
    assert folder.load(tmp_path) == found


@pytest.mark.parametrize("width", [80, 120])
def test_the_report_shows_every_call_and_keeps_its_width(width):
    walks = [recorded(name, kind) for name in RECORDED for kind in Connection]
    text = shown(walks, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for found in walks:
        for call in found.calls:
            assert call.name in text
    assert text.count("strace makes every call dearer") == 1
    assert text.count("epoll_wait = 1") == 2 + 4  # kept and fresh, coroutines and epoll


def test_the_report_counts_the_calls():
    text = shown([recorded("prefork", Connection.kept), recorded("epoll", Connection.kept)], 80)
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line and line[0].isalpha()}
    assert rows["calls"] == ["2", "3"]


def test_the_report_says_how_many_requests_were_alike():
    found = dataclasses.replace(recorded("epoll", Connection.kept), samples=20, agreeing=9)
    text = " ".join(shown([found], 80).split())
    assert "alike 9 of 20" in text and "Where they are no majority, do not trust it." in text


def marks(*walks: Walk) -> list[Mark]:
    [section, *_] = verb.sections(run([*walks]))
    return list(section.plots[0].marks)


def made(name: str, *calls: str, agreeing: int = 20) -> Walk:
    return Walk(name, Connection.kept, [Call("server", call, "", "0") for call in calls], 20, agreeing)


def test_the_bars_have_all_calls_of_the_table():
    walks = [recorded(name, Connection.kept) for name in RECORDED]
    for walk in walks:
        shown = [mark for mark in marks(*walks) if mark.row == walk.contestant]
        counts = Counter(call.name for call in walk.calls)
        assert sum(mark.y or 0 for mark in shown) == len(walk.calls)
        assert ", ".join(mark.note for mark in shown).count(", ") + 1 == len(counts)
        assert all(f"{count} {name}" in ", ".join(mark.note for mark in shown) for name, count in counts.items())


def test_the_parts_are_what_calls_are_for_always_in_the_same_order():
    found = marks(made("a", "mmap", "futex", "accept4", "sendto", "futex", "recvfrom", "close", "clone", "epoll_wait"))
    assert [(mark.part, mark.y, mark.note) for mark in found] == [
        ("receive and send", 2, "1 sendto, 1 recvfrom"),
        ("wait for many", 1, "1 epoll_wait"),
        ("connections", 2, "1 accept4, 1 close"),
        ("processes", 1, "1 clone"),
        ("locks", 2, "2 futex"),
        ("others", 1, "1 mmap"),
    ]


def test_no_call_of_the_recorded_walks_is_of_no_kind():
    everything = [recorded(name, kind) for name in RECORDED for kind in Connection]
    assert {call.name for walk in everything for call in walk.calls} <= set(plots.KIND_OF)


def test_calls_that_no_majority_made_are_no_bar_but_a_reason():
    [mark] = marks(made("a", "r", agreeing=10))
    assert mark.y is None and mark.note == "no majority: 10 of 20 requests were alike"
    assert marks(made("a", "r", agreeing=11))[0].y == 1


def test_an_invalid_walk_is_in_no_plot_and_in_no_sentence():
    found = run([made("a", "r")])
    found.results[0].problems = ["strace came late"]
    assert not verb.sections(found) and not verb.words(found)


def test_sentences_refer_to_the_section_of_their_kind_of_connection():
    found = report.document(run([recorded("prefork", kind) for kind in Connection]))
    assert [one.id for one in found.sections] == ["walk-kept", "walk-fresh", ""]
    assert [one.id for one in found.plots] == ["walk-kept-calls", "walk-fresh-calls"]
    assert [sentence.clauses[0].section for sentence in found.words] == ["walk-kept", "walk-fresh"]
    assert found.plots[0].commands == ("quartet-x", f"strace {' '.join(strace.OPTIONS)} -p PID")


def test_a_missing_strace_is_a_sentence_with_the_fix(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert strace.missing() == "strace is not installed; apt-get install strace"


@pytest.mark.parametrize(
    ("scope", "fix"),
    [(0, "--cap-add SYS_PTRACE"), (1, "sysctl kernel.yama.ptrace_scope=0"), (3, "until the next boot")],
)
def test_a_forbidden_ptrace_is_a_sentence_with_the_fix(scope, fix):
    assert fix in strace.explain("strace: attach: ptrace(PTRACE_SEIZE, 7): Operation not permitted", scope)


def test_an_strace_that_is_not_let_is_an_error_and_leaves_no_process(monkeypatch, tmp_path):
    broken = tmp_path / "strace"
    broken.write_text("#!/bin/sh\necho 'attach: ptrace(PTRACE_SEIZE, 7): Operation not permitted' >&2; exit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert "docker run --cap-add SYS_PTRACE" in strace.missing() or (procfs.number(strace.SCOPE) or 0) > 0
    assert not processes._live


def test_strace_is_given_each_process_once_and_not_its_threads(monkeypatch, tmp_path):
    """Of a process it takes all threads, and would say of each further one that it is not permitted."""
    (tmp_path / "strace").write_text('#!/bin/sh\necho "$@" >&2; exit 1\n')
    (tmp_path / "strace").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(MeasurementError, match="cannot attach to 5,8: -f -p 5,8$"):
        with strace.attached({5: 5, 6: 5, 7: 5, 8: 8}, ["-f"]):
            pass


@pytest.fixture
def ptrace() -> None:
    if sentence := strace.missing():
        pytest.skip(sentence)


@pytest.mark.usefixtures("ptrace")
def test_a_traced_process_goes_on_when_strace_leaves():
    ticker = "import time\nwhile True: print(end='.', flush=True); time.sleep(0.01)"
    process = processes.Process([sys.executable, "-c", ticker], subprocess.DEVNULL, subprocess.DEVNULL)
    try:
        with strace.trace(process.pid) as traced:
            assert eventually(lambda: traced.output.read_text().count("write(1") >= 3)
        assert is_alive(process.pid)
        assert strace._tracer(process.pid) == 0
        assert strace.parse(traced.text)
    finally:
        process.reap()


@pytest.mark.usefixtures("ptrace")
def test_an_error_in_the_block_ends_strace(server):
    with pytest.raises(RuntimeError), strace.trace(server.pid):
        raise RuntimeError
    assert strace._tracer(server.pid) == 0
    assert server.stop().status == 0


@pytest.mark.usefixtures("ptrace")
def test_a_server_that_does_not_answer_is_an_error(log):
    silent = (
        "import socket\ns = socket.create_server(('127.0.0.1', 0))\n"
        "print('listening on 127.0.0.1:%d' % s.getsockname()[1], flush=True)\ns.accept()"
    )
    with processes.Server([sys.executable, "-c", silent], log) as server:
        with pytest.raises(MeasurementError, match="left a request for /plaintext unanswered"):
            verb.take("silent", server.pid, server.address)


@pytest.mark.usefixtures("ptrace")
def test_another_status_than_200_is_an_error(server):
    with pytest.raises(MeasurementError, match="left a request for /missing unanswered: status 404"):
        verb.take("epoll", server.pid, server.address, "/missing")


@pytest.mark.usefixtures("ptrace")
@pytest.mark.skipif(not os.access(BINARIES / "quartet-epoll", os.X_OK), reason="quartet-epoll is not built")
def test_a_walk_is_a_step_like_any_other(tmp_path):
    settings = WalkSettings((samples.BY_NAME["epoll"],), CpuSets((0,), (0,)))
    found = samples.run(Part("walk", settings), verb="walk", state="running")
    execute(found, Local(BINARIES, tmp_path / "servers.log"), tmp_path, lambda: None)
    assert found.failures == []
    [result] = found.results
    assert [one.kind for one in result.walks] == list(Connection)
    assert "quartet-epoll" in result.server_command


PROMISES = {
    "fork-per-connection": Counter(recv=1, send=1),
    "prefork": Counter(recv=1, send=1),
    "threads": Counter(recv=1, send=1),
    "epoll": Counter(epoll_wait=1, recv=1, send=1),
    "coroutines": Counter(epoll_wait=1, recv=2, send=1),  # Asio tries first
}
SHORT = {"recvfrom": "recv", "recvmsg": "recv", "sendto": "send"}
COMMANDS = {
    "fork-per-connection": ["quartet-fork", "--mode", "per-connection"],
    "prefork": ["quartet-fork", "--mode", "prefork", "--workers", "2"],
    "threads": ["quartet-threads", "--workers", "2"],
    "epoll": ["quartet-epoll"],
    "coroutines": ["quartet-coroutines"],
}


@pytest.mark.usefixtures("ptrace")
@pytest.mark.parametrize("name", PROMISES)
def test_a_kept_connection_costs_no_more_calls_than_promised(name, log):
    executable, *options = COMMANDS[name]
    if not os.access(BINARIES / executable, os.X_OK):
        pytest.skip(f"{BINARIES / executable} is not built")
    with processes.Server([str(BINARIES / executable), *options, "--listen", "127.0.0.1:0"], log) as server:
        kept = verb.take(name, server.pid, server.address)[0]
        assert server.stop().status == 0
    called = Counter(SHORT.get(call.name, call.name) for call in kept.calls)
    assert called <= PROMISES[name], kept
    assert called["send"] == 1
