"""The one module that starts and ends processes.

Every child leads its own session: Ctrl-C reaches it only through us, and its whole process tree can be found and
ended. It dies with us (PR_SET_PDEATHSIG), and it is ended by pid, never by name. What outlives its parent becomes ours
(PR_SET_CHILD_SUBREAPER), so that its CPU time is known, too.
"""

import ctypes
import os
import resource
import select
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import IO, Any, Self, TypeVar

from loadtest.system import MeasurementError, memory, procfs, usage
from loadtest.system.memory import Memory
from loadtest.system.procfs import Switches
from loadtest.system.scoreboard import Scoreboard
from loadtest.system.usage import Usage

READY_PREFIX = "listening on "
DYING = 0.2  # seconds that processes may take to die after their parent
NOWHERE = subprocess.DEVNULL
PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
Stream = int | IO[bytes]
PLAINTEXT = b"Hello, World!"  # what GET /plaintext is answered with


class ProcessError(MeasurementError):
    """One sentence: the command, what became of it, and the last of its stderr."""


@dataclass(frozen=True)
class Ended:
    """How a process ended, and what it and all its descendants have used (wait4)."""

    status: int  # exit status, or minus the signal's number
    cpu_seconds: float | None  # None: it was in a container, which takes the number with it
    switches: Switches | None = field(default=None, kw_only=True)
    left: int = field(default=0, kw_only=True)  # processes of a server that were still there when it had ended


@dataclass(frozen=True)
class Finished(Ended):
    cpu_seconds: float
    command: str
    stdout: str = ""
    stderr: str = ""


@dataclass(frozen=True)
class Address:
    host: str
    port: int

    def __str__(self) -> str:
        """As in a URL: IPv6 in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def pinned(cpus: Sequence[int], argv: Sequence[str]) -> list[str]:
    return ["taskset", "--cpu-list", ",".join(map(str, cpus)), *argv]


def prepare() -> None:
    """For all children: no core dumps, which take longer than the crash itself; as many descriptors as we may; and
    whoever outlives his parent becomes ours."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # cannot fail: it is in Linux since 3.4
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 65536)), hard))


def describe_status(status: int) -> str:
    return f"exited with status {status}" if status >= 0 else f"was killed by {signal.Signals(-status).name}"


class Process:
    """A child, until it is reaped; a context manager that ends it whatever happens."""

    command = ""  # that errors name: the child's own, unless a subclass knows better

    def __init__(self, argv: Sequence[str], stdout: Stream, stderr: Stream, stdin: int = NOWHERE) -> None:
        self.command = self.command or shlex.join(argv)
        # variables that would change the servers' options behind our back are not passed on
        environment = {name: value for name, value in os.environ.items() if not name.startswith("QUARTET_")}
        argv = ["setpriv", "--pdeathsig", "TERM", "--", *argv]
        try:
            self._popen = subprocess.Popen(
                argv, stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True, env=environment
            )
        except OSError as error:
            raise ProcessError(f"cannot start {self.command}: {error.strerror}") from error
        self.pid = self._popen.pid  # of its session too: setpriv and taskset exec in place
        self._buffer = b""
        _live.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self in _live:
            self.reap()

    def ends_within(self, timeout: float) -> bool:
        """Waits so many seconds for its end, without reaping it."""
        descriptor = os.pidfd_open(self.pid)
        try:
            return bool(select.select([descriptor], [], [], max(timeout, 0))[0])
        finally:
            os.close(descriptor)

    def line(self, deadline: float) -> str:
        """The next one of its stdout, a pipe, with its newline; less when the end or the deadline comes first."""
        assert self._popen.stdout is not None
        pipe = self._popen.stdout.fileno()
        while b"\n" not in self._buffer and select.select([pipe], [], [], max(deadline - time.monotonic(), 0))[0]:
            if not (chunk := os.read(pipe, 65536)):
                break
            self._buffer += chunk
        line, newline, self._buffer = self._buffer.partition(b"\n")
        return (line + newline).decode(errors="replace")

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)  # not reaped yet, so the pid is still its own

    def reap(self) -> Finished:
        """Kills what is left of its process group, then collects it all. It must have ended, or be worth killing."""
        os.killpg(self.pid, signal.SIGKILL)  # its zombie still holds the number
        _, status, used = os.wait4(self.pid, 0)
        everybody = [used, *_orphans(self.pid)]
        self._popen.returncode = os.waitstatus_to_exitcode(status)
        for pipe in filter(None, (self._popen.stdin, self._popen.stdout)):
            pipe.close()
        _live.discard(self)
        switches = Switches(sum(one.ru_nvcsw for one in everybody), sum(one.ru_nivcsw for one in everybody))
        seconds = sum(one.ru_utime + one.ru_stime for one in everybody)
        return Finished(self._popen.returncode, seconds, self.command, switches=switches)


def _orphans(group: int) -> Iterator[resource.struct_rusage]:
    """What those have used that have become ours, when each has ended."""
    with suppress(ChildProcessError):  # there is no more
        while True:
            yield os.wait4(-group, 0)[2]


_live: set[Process] = set()


def end_all() -> None:
    """Ends every child that is still there."""
    for process in list(_live):
        process.reap()


def run(
    argv: Sequence[str], timeout: float, good: Sequence[int] = (0,), show: Callable[[str], None] | None = None
) -> Finished:
    """Runs a command to its end. Raises ProcessError on any status but the good ones, or after `timeout` seconds.

    @param show: is given each line that the command prints, on stdout or stderr, while it runs"""
    deadline, said = time.monotonic() + timeout, ""
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        with Process(argv, subprocess.PIPE if show else stdout, subprocess.STDOUT if show else stderr) as process:
            while show and (line := process.line(deadline)):
                said += line
                show(line.rstrip())
            in_time, ended = process.ends_within(deadline - time.monotonic()), process.reap()
        ended = replace(ended, stdout=_content(stdout), stderr=said or _content(stderr))
    if in_time and ended.status in good:
        return ended
    what = describe_status(ended.status) if in_time else f"took longer than {timeout:g} s"
    raise ProcessError(f"{ended.command} {what}{last_lines(ended.stderr)}")


def attend(argv: Sequence[str]) -> int:
    """The exit status of a program that has our terminal, with its Ctrl-C, and ends in its own time: half of what it
    does is nobody's wish. Raises KeyboardInterrupt when it has ended, where one came."""
    interrupted = False
    with subprocess.Popen(argv) as child:
        while True:
            try:
                status = child.wait()
                break
            except KeyboardInterrupt:
                interrupted = True
    if interrupted:
        raise KeyboardInterrupt
    return status


class Dialogue(Process):
    """A child that we talk with, line by line."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._stderr = tempfile.TemporaryFile()
        super().__init__(argv, subprocess.PIPE, self._stderr, subprocess.PIPE)

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self._stderr.close()

    @property
    def stderr(self) -> str:
        return _content(self._stderr)

    def say(self, line: str) -> None:
        assert self._popen.stdin is not None
        with suppress(BrokenPipeError):  # it has ended; hear() tells how
            os.write(self._popen.stdin.fileno(), line.encode() + b"\n")  # less than a pipe holds

    def hear(self, timeout: float) -> str:
        """The next line. Raises ProcessError when there is none in time, or no more."""
        line = self.line(time.monotonic() + timeout)
        if line.endswith("\n"):
            return line
        what = describe_status(self.reap().status) if self.ends_within(1) else f"said nothing for {timeout:g} s"
        raise ProcessError(f"{self.command} {what}{last_lines(self.stderr)}")

    def end(self, number: int, timeout: float) -> Finished:
        """Ends it with that signal, and gives what it still says. Raises ProcessError when it goes on."""
        self.signal(number)
        return self.finish(timeout, f" of {signal.Signals(number).name}")

    def finish(self, timeout: float, since: str = "") -> Finished:
        """Waits for its end, and gives what it still says. Raises ProcessError when it goes on. `since` is for that."""
        deadline = time.monotonic() + timeout
        said = "".join(iter(lambda: self.line(deadline), ""))
        in_time, ended = self.ends_within(deadline - time.monotonic()), self.reap()
        if not in_time:
            raise ProcessError(f"{self.command} did not end within {timeout:g} s{since}")
        return replace(ended, stdout=said, stderr=self.stderr)


def _content(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def last_lines(text: str, count: int = 3) -> str:
    """As the end of a sentence."""
    lines = text.strip().splitlines()[-count:]
    return ": " + " / ".join(lines) if lines else ""


# Tells whoever sees the server's processes that a moment has come; returns when they have been looked at.
Tell = Callable[[str], object]

# The clients' side of a step, from the measurement's settings and the step.
Observation = TypeVar("Observation")
Job = Callable[[Address, Any, Any, Tell], Observation]


class Server(Process):
    """A running server, whose processes can be looked at: the child, and all that it has started."""

    def __init__(
        self,
        argv: Sequence[str],
        log: Path,
        timeout: float = 10,
        address: Address | None = None,
        stop_signal: int = signal.SIGTERM,
    ) -> None:
        """Starts it and waits for its `listening on` line, or, when its address is known beforehand, for its answer
        to GET /plaintext. stderr is appended to `log`. Raises ProcessError."""
        self._log, self._stop_signal = log, signal.Signals(stop_signal)
        with log.open("ab") as stderr:
            self._log_start = stderr.tell()
            super().__init__(argv, stderr if address else subprocess.PIPE, stderr)
        try:
            deadline = time.monotonic() + timeout
            self.address = self._wait_for_answer(address, deadline) if address else self._wait_for_line(deadline)
        except BaseException:
            super().__exit__()  # ours alone: what else a subclass ends is not there yet
            raise

    def stop(self, timeout: float = 12) -> Ended:
        """Drains it with its stop signal, for which our servers take up to 10 s, and collects it as wait() does."""
        self.signal(self._stop_signal)
        return self.wait(timeout)

    def wait(self, timeout: float) -> Ended:
        """Waits for its end and collects it. Raises ProcessError when it does not end in time."""
        in_time = self.ends_within(timeout)
        left = self._left() if in_time else 0
        ended = self.reap()
        if not in_time:
            raise self._failure(f"did not end within {timeout:g} s of {self._stop_signal.name}")
        return replace(ended, left=left)

    def _left(self) -> int:
        """Processes that outlive the child; those that are just dying take a moment."""
        deadline = time.monotonic() + DYING
        while (left := len(self.processes())) and time.monotonic() < deadline:
            time.sleep(0.01)
        return left

    def has_ended(self) -> bool:
        return self.ends_within(0)

    def last_lines(self) -> str:
        """The last of its stderr, as the end of a sentence."""
        with self._log.open("rb") as log:
            log.seek(self._log_start)
            return last_lines(log.read().decode(errors="replace"))

    def ask(self, job: Job[Observation], settings: Any, step: Any, tell: Tell) -> Observation:
        """Does the clients' side of a step where the server can be reached. Raises MeasurementError."""
        return job(self.address, settings, step, tell)

    def usage(self) -> Usage:
        """What all its processes have used until now, dead ones included. Raises MeasurementError when it has ended."""
        return usage.read(self.pid)

    def scoreboard(self) -> Scoreboard:
        """Open, where it keeps one. Only servers of ours do. Its mounts may be its own."""
        return Scoreboard(self.address.port, Path(f"/proc/{self.pid}/root"))

    def memory(self) -> Memory:
        return memory.read(self.processes())

    def processes(self) -> set[tuple[int, int]]:
        """What identifies each of its live processes."""
        return {stat.identity for stat in procfs.members(self.pid)}

    @property
    def session(self) -> int:
        """Of all its processes."""
        return self.pid

    def incidents(self) -> list[str]:
        """What befell it that its exit status may not tell, a sentence each."""
        return []

    def _wait_for_line(self, deadline: float) -> Address:
        line = self.line(deadline)
        if not line.startswith(READY_PREFIX):
            ended = self.ends_within(deadline - time.monotonic())
            raise self._early_end() if ended else self._failure(f"printed no line {READY_PREFIX!r} in time")
        host, _, port = line.removeprefix(READY_PREFIX).strip().rpartition(":")
        return Address(host.strip("[]"), int(port))

    def _wait_for_answer(self, address: Address, deadline: float) -> Address:
        while not (answer := get(address, "/plaintext", max(deadline - time.monotonic(), 0.01))):
            if self.ends_within(0.01):
                raise self._early_end()
            if time.monotonic() > deadline:
                raise self._failure("did not answer GET /plaintext in time")
        if answer != (200, PLAINTEXT):
            raise self._failure(f"answered GET /plaintext with {answer[0]} {answer[1][:40]!r}")
        return address

    def _early_end(self) -> ProcessError:
        return self._failure(f"{describe_status(self.reap().status)} before it listened")

    def _failure(self, what: str) -> ProcessError:
        return ProcessError(f"{self.command} {what}{self.last_lines()}")


def get(address: Address, path: str, patience: float) -> tuple[int, bytes] | None:
    """The answer's status and body; None when there is none within so many seconds."""
    with closing(HTTPConnection(address.host, address.port, timeout=patience)) as connection:
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, HTTPException):
            return None
