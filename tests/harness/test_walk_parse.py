from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.system import MeasurementError
from loadtest.verbs.walk import strace
from loadtest.verbs.walk.strace import Event

FIXTURES = sorted(Path(__file__).with_name("strace").glob("*.txt"))


def only(text: str) -> Event:
    (event,) = strace.parse(text)
    return event


def test_a_call_has_its_beginning_its_end_and_its_result():
    event = only('77 100.500000 recvfrom(5, "GET / HTTP"..., 65536, 0, NULL, NULL) = 36 <0.000250>\n')
    assert (event.thread, event.name, event.value) == (77, "recvfrom", "36")
    assert (event.start, event.end) == (100.5, pytest.approx(100.50025))
    assert event.arguments.startswith("5, ")


def test_a_failed_call_has_the_name_of_its_error():
    assert only("7 1.0 close(9) = -1 EBADF (Bad file descriptor) <0.000001>\n").value == "EBADF"
    assert only("7 1.0 accept4(3, NULL, NULL, 0) = ? ERESTARTSYS (To be restarted) <0.1>\n").value == "ERESTARTSYS"


def test_a_wait_that_expired_has_its_number():
    assert only("7 1.0 poll(NULL, 0, 100) = 0 (Timeout) <0.100200>\n").value == "0"


def test_a_result_with_an_explanation_is_its_number():
    assert only("7 1.0 poll([{fd=3, events=POLLIN}], 1, 5) = 1 ([{fd=3, revents=POLLIN}]) <0.000010>\n").value == "1"


def test_a_call_that_others_interrupted_in_the_log_is_one():
    event, other = sorted(
        strace.parse(
            "7 1.000000 recvfrom(5,  <unfinished ...>\n"
            "8 1.200000 getpid()        = 8 <0.000004>\n"
            '7 1.500000 <... recvfrom resumed>"GET", 65536, 0, NULL, NULL) = 3 <0.500000>\n'
        ),
        key=lambda event: event.thread,
    )
    assert (event.start, event.end, event.value) == (1.0, 1.5, "3")
    assert event.arguments == '5, "GET", 65536, 0, NULL, NULL'
    assert other.name == "getpid"


def test_unfinished_calls_of_several_threads_are_told_apart():
    events = strace.parse(
        "7 1.0 recvfrom(5,  <unfinished ...>\n"
        "8 1.1 accept4(3,  <unfinished ...>\n"
        "7 1.2 <... recvfrom resumed>0x7f, 1, 0, NULL, NULL) = 1 <0.2>\n"
        "8 1.3 <... accept4 resumed>NULL, NULL, 0) = 4 <0.2>\n"
    )
    assert [(event.thread, event.name, event.value) for event in events] == [(7, "recvfrom", "1"), (8, "accept4", "4")]


def test_a_call_that_began_before_strace_came_is_known_by_its_duration():
    event = only("7 2.0 <... restart_syscall resumed>) = 0 <0.5>\n")
    assert (event.name, event.start, event.end) == ("restart_syscall", 1.5, 2.0)


def test_a_call_that_never_returned_is_none():
    assert strace.parse("7 1.0 recvfrom(5,  <unfinished ...>\n7 1.1 +++ killed by SIGKILL +++\n") == []
    assert strace.parse("7 1.0 epoll_wait(7,  <detached ...>\n") == []


def test_bytes_from_the_network_do_not_end_a_call():
    event = only('7 1.0 recvfrom(5, "a) = 1 <0.5> ) = 2"..., 65536, 0, NULL, NULL) = 36 <0.000250>\n')
    assert (event.name, event.value) == ("recvfrom", "36")


def test_signals_and_ends_are_no_calls():
    text = (
        "8 1.0 exit_group(64)  = ?\n"
        "8 1.1 +++ exited with 64 +++\n"
        "7 1.2 --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=8, si_status=64} ---\n"
    )
    assert only(text).name == "exit_group"


def test_a_line_that_strace_could_not_finish_is_left_out():
    assert len(strace.parse("7 1.0 getpid() = 7 <0.1>\n7 1.1 getp")) == 1


@pytest.mark.parametrize("text", ["nonsense\n", "7 1.0 nonsense\n", "7 1.0 <... recvfrom resumed>nonsense\n"])
def test_what_strace_does_not_write_is_an_error(text):
    with pytest.raises(MeasurementError, match="nonsense"):
        strace.parse(text)


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_every_line_of_a_real_trace_is_understood(path):
    text = path.read_text()
    events = strace.parse(text)
    begun, lost = text.count("unfinished ...>"), text.count("detached ...>")
    no_calls = text.count(" --- ") + text.count(" +++ ")
    assert len(events) == len(text.splitlines()) - begun - lost - no_calls
    assert [event.end for event in events] == sorted(event.end for event in events)
    assert all(0 <= event.end - event.start < 1 for event in events)


def test_all_models_have_a_trace():
    assert len(FIXTURES) == 6
