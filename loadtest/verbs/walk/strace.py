"""strace on a running server: attached to it rather than its parent, so that the server stays our child and ends as
without it; and what `strace -f -ttt -T -o FILE` writes, as calls. Everything that it traces is slower by a factor;
nothing here belongs into a timed run."""

import re
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from loadtest.system import MeasurementError, procfs
from loadtest.system.processes import NOWHERE, Process, ProcessError, last_lines

PATIENCE = 5.0  # seconds, to attach and to detach
OPTIONS = ("-f", "-q", "-ttt", "-T", "-s", "32")  # followed, absolute times, durations, strings cut
# 0: whoever may send a process signals may trace it (Documentation/admin-guide/LSM/Yama.rst)
SCOPE = Path("/proc/sys/kernel/yama/ptrace_scope")

LINE = re.compile(r"(\d+) +(\d+\.\d+) (.*)")
BEGUN = re.compile(r"(\w+)\((.*?) ?<(?:unfinished|detached) \.\.\.>")
# a whole call, or the end of one that was begun; the last " = ": strings from the network may contain others
ENDED = re.compile(r"(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)\)\s+= (.+?)(?: <(\d+\.\d+)>)?")
NO_CALL = re.compile(r"--- .* ---|\+\+\+ .* \+\+\+")  # a signal; the end of a thread


@dataclass
class Trace:
    """What all processes and threads of a server's session called, and those that they started."""

    processes: dict[int, int]  # of each thread at the start
    output: Path
    text: str = ""  # what strace wrote, when it has ended


@contextmanager
def trace(session: int) -> Iterator[Trace]:
    """All of the session is traced when the block begins, and goes on undisturbed after it. Raises ProcessError when
    strace may not."""
    with tempfile.TemporaryDirectory(prefix="quartet-strace-") as directory:
        found = Trace(procfs.processes(session), Path(directory) / "calls")
        with attached(found.processes, [*OPTIONS, "-o", str(found.output)]):
            yield found
        found.text = found.output.read_text(errors="replace")


@contextmanager
def attached(threads: Mapping[int, int], options: Sequence[str]) -> Iterator[None]:
    """strace with these options, -f among them, during the block; on the processes of these threads, each of which has
    one: of a process it takes all threads, and complains of one that is named once more. Raises ProcessError when it
    may not."""
    pids = ",".join(map(str, sorted(set(threads.values()))))
    with tempfile.NamedTemporaryFile() as said, Process(["strace", *options, "-p", pids], NOWHERE, said) as process:
        try:
            if not _is_attached(process, threads):
                raise ProcessError(f"strace cannot attach to {pids}{last_lines(Path(said.name).read_text(), 2)}")
            yield
        finally:
            process.signal(signal.SIGTERM)
            process.ends_within(PATIENCE)


def _is_attached(process: Process, threads: Mapping[int, int]) -> bool:
    """Waits until it is, to all threads that are still there."""
    deadline = time.monotonic() + PATIENCE
    while not process.ends_within(0.005) and time.monotonic() < deadline:
        if all(_tracer(thread) in (process.pid, None) for thread in threads):
            return True
    return False


def _tracer(thread: int) -> int | None:
    """0: nobody. None: the thread has gone."""
    status = procfs.text(Path(f"/proc/{thread}/status"))
    return procfs.numbers(status).get("TracerPid", 0) if status else None


def missing() -> str:
    """One sentence with the fix when strace cannot look into a server here, else nothing. It is tried on a process
    that is no child of strace's: where ptrace is restricted to children, `strace true` would work."""
    if not shutil.which("strace"):
        return "strace is not installed; apt-get install strace"
    try:
        with Process(["sleep", "60"], NOWHERE, NOWHERE) as process, trace(process.pid):
            return ""
    except MeasurementError as error:
        return explain(str(error), procfs.number(SCOPE) or 0)  # None: a kernel without Yama


def explain(error: str, scope: int) -> str:
    """What to do about a strace that may not attach."""
    if "not permitted" not in error:
        return f"strace does not work here: {error}"
    if scope == 3:
        return "kernel.yama.ptrace_scope is 3, so nobody may trace until the next boot; boot with another value"
    if scope:
        return "the kernel lets strace trace only its own children; sudo sysctl kernel.yama.ptrace_scope=0"
    return "strace may not trace here; in a container, start that with docker run --cap-add SYS_PTRACE"


# --- what it wrote


@dataclass(frozen=True)
class Event:
    """A call. Times are in seconds since 1970, by strace's clock: it sees things a little after they happen."""

    thread: int
    start: float
    end: float
    name: str
    arguments: str = ""
    result: str = ""  # "49", "-1 EAGAIN (Resource temporarily unavailable)", "0 (Timeout)", "?"

    @property
    def value(self) -> str:
        """ "49", or "EAGAIN" where it failed; "?" where it did not return."""
        words = self.result.split()
        return words[1] if words[0] in ("-1", "?") and len(words) > 1 else words[0]


def parse(text: str) -> list[Event]:
    """In the order in which they ended. A call that had not returned when strace left is none. Raises MeasurementError
    for anything that is not strace's."""
    found, begun = [], dict[int, Event]()  # these by thread
    for line in re.findall(r".*\n", text):  # not a last one without its end: strace was killed amid it
        if not (parts := LINE.fullmatch(line.rstrip("\n"))):
            raise MeasurementError(f"not a line of strace -f -ttt: {line[:80]!r}")
        thread, moment, what = int(parts[1]), float(parts[2]), parts[3]
        if start := BEGUN.fullmatch(what):
            begun[thread] = Event(thread, moment, moment, start[1], start[2])
        elif end := ENDED.fullmatch(what):
            resumed, name, arguments, result, seconds = end.groups()
            duration = float(seconds or 0)
            if name:
                found.append(Event(thread, moment, moment + duration, name, arguments, result))
            else:  # its line is written at the end; its beginning is missing when strace was not yet there
                first = begun.pop(thread, Event(thread, moment - duration, moment, resumed))
                found.append(replace(first, end=moment, arguments=first.arguments + arguments, result=result))
        elif not NO_CALL.fullmatch(what):
            raise MeasurementError(f"not an event of strace's: {what[:80]!r}")
    return sorted(found, key=lambda event: event.end)
