"""strace on a running server: attached to it rather than its parent, so that the server stays our child and ends as
without it. Everything that it traces is slower by a factor; nothing here belongs into a timed run."""

from __future__ import annotations

import shlex
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from loadtest.system import procfs, tree
from loadtest.system.errors import MeasurementError
from loadtest.system.processes import NOWHERE, Process, ProcessError

PATIENCE = 5.0  # seconds, to attach and to detach
OPTIONS = ("-f", "-q", "-ttt", "-T", "-s", "32")  # followed, absolute times, durations, strings cut
SCOPE = Path("/proc/sys/kernel/yama/ptrace_scope")


class Tracer:
    """A context manager: what all processes and threads of a server's session call, and those that they start."""

    def __init__(self, session: int) -> None:
        self._session = session
        self._undo = ExitStack()

    def __enter__(self) -> Tracer:
        """Returns when all are traced. Raises ProcessError when strace may not."""
        self.processes = tree.processes(self._session)  # of each thread at the start
        with ExitStack() as undo:
            directory = undo.enter_context(tempfile.TemporaryDirectory(prefix="quartet-strace-"))
            self._output, self._said = Path(directory) / "calls", Path(directory) / "said"
            self._process = self._attach()
            undo.callback(self._detach)
            self._until_attached()
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Those that were traced go on undisturbed."""
        self._undo.close()

    def _attach(self) -> Process:
        pids = ",".join(map(str, sorted(set(self.processes.values()))))
        with self._said.open("wb") as said:
            return Process(["strace", *OPTIONS, "-o", str(self._output), "-p", pids], said, said)

    def _detach(self) -> None:
        if not self._process.wait(0):
            self._process.signal(signal.SIGTERM)
            self._process.wait(PATIENCE)
        self._process.reap()
        self._text = self._output.read_text(errors="replace") if self._output.exists() else ""

    @property
    def text(self) -> str:
        """What strace wrote; complete when the block has ended."""
        return self._text

    def _until_attached(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while not self._process.wait(0.005) and time.monotonic() < deadline:
            if all(_tracer(thread) in (self._process.pid, None) for thread in self.processes):
                return
        last_words = " / ".join(self._said.read_text().strip().splitlines()[-2:])
        raise ProcessError(f"strace cannot attach to process {self._session}: {last_words}")


def example() -> str:
    """The command, for whoever traces by hand."""
    return shlex.join(["strace", *OPTIONS, "-o", "calls", "-p", "PID"])


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
        with _patient() as process, Tracer(process.pid):
            return ""
    except MeasurementError as error:
        return explain(str(error), ptrace_scope())


@contextmanager
def _patient() -> Iterator[Process]:
    process = Process(["sleep", "60"], NOWHERE, NOWHERE)
    try:
        yield process
    finally:
        process.reap()


def ptrace_scope() -> int:
    """0: whoever may send a process signals may trace it (Documentation/admin-guide/LSM/Yama.rst)."""
    return procfs.number(SCOPE) or 0  # None: a kernel without Yama


def explain(error: str, scope: int) -> str:
    """What to do about a strace that may not attach."""
    if "not permitted" not in error:
        return f"strace does not work here: {error}"
    if scope == 3:
        return "kernel.yama.ptrace_scope is 3, so nobody may trace until the next boot; boot with another value"
    if scope:
        return "the kernel lets strace trace only its own children; sudo sysctl kernel.yama.ptrace_scope=0"
    return "strace may not trace here; in a container, start that with docker run --cap-add SYS_PTRACE"
