"""Small files of the kernel (procfs, sysfs, cgroupfs), which a container or a sandbox may hide; and what they tell of a
server's processes and of the CPU time that these have used."""

import os
import re
import struct
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

LOCKS = "/memfd:quartet-locks (deleted)"
HOLDER = struct.Struct("<i")  # of the plain one, at its beginning; a robust one is passed on to whoever asks
TICK = 1 / os.sysconf("SC_CLK_TCK")


def text(path: Path) -> str:
    """ "" where it is hidden: by its absence, by a lack of permission, or by an empty file."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def number(path: Path) -> int | None:
    """None where it is hidden, or where a word stands for no limit."""
    found = text(path)
    return int(found) if found.lstrip("-").isdigit() else None


def numbers(content: str) -> dict[str, int]:
    """Lines of a name and a number, as in meminfo, status and memory.stat; kibibytes as bytes. Pure."""
    found = re.findall(r"^(\w+):?[ \t]+(\d+)( kB)?$", content, re.MULTILINE)
    return {name: int(value) * (1024 if kibibytes else 1) for name, value, kibibytes in found}


def pairs(content: str, first: str) -> dict[str, int]:
    """Names and numbers by turns, on the line that begins with that word, as in sockstat; empty without it. Pure."""
    words: list[str] = next((line.split()[1:] for line in content.splitlines() if line.startswith(f"{first}: ")), [])
    return dict(zip(words[::2], map(int, words[1::2])))


def memberships(content: str) -> dict[str, str]:
    """From /proc/PID/cgroup, lines of "hierarchy:controllers:path" (cgroups(7)): of each controller the path below
    /sys/fs/cgroup; "" stands for version 2. A hierarchy is mounted under the names of all that share it. Pure."""
    found: dict[str, str] = {}
    for line in content.splitlines():
        _, controllers, path = line.split(":", 2)
        found |= dict.fromkeys(controllers.split(","), f"{controllers}/{path.strip('/')}".strip("/"))
    return found


@dataclass(frozen=True)
class ProcessStat:
    """The part of proc(5)'s stat that we need."""

    pid: int
    state: str
    session: int
    start: int  # distinguishes processes that had the same pid
    parent: int
    dead_children: float  # CPU seconds of the descendants that were waited for, rounded down to ticks
    dead_faults: int  # minor page faults of the same

    @property
    def identity(self) -> tuple[int, int]:
        return self.pid, self.start

    @property
    def lives(self) -> bool:
        """It has not ended: a zombie has."""
        return self.state not in "ZX"


def parse_stat(text: str) -> ProcessStat:
    """The name, in parentheses, may contain anything, parentheses too."""
    pid, _, rest = text.partition(" (")
    fields = rest.rpartition(") ")[2].split()
    children = (int(fields[13]) + int(fields[14])) * TICK
    return ProcessStat(
        pid=int(pid),
        state=fields[0],
        session=int(fields[3]),
        start=int(fields[19]),
        parent=int(fields[1]),
        dead_children=children,
        dead_faults=int(fields[8]),
    )


def _read_stat(pid: int) -> ProcessStat | None:
    stat = _content(f"/proc/{pid}/stat")
    return parse_stat(stat) if stat else None


def identity(pid: int) -> tuple[int, int] | None:
    """None when there is no such process."""
    stat = _read_stat(pid)
    return stat.identity if stat else None


def is_leader(pid: int) -> bool:
    """Of a session."""
    stat = _read_stat(pid)
    return stat is not None and stat.session == pid


def members(session: int) -> list[ProcessStat]:
    """The live processes of a session: a server's whole tree, orphans too."""
    found = map(_read_stat, _entries("/proc"))
    return [stat for stat in found if stat and stat.session == session and stat.lives]


def zombies(session: int) -> int:
    """Processes of a session that have ended and for which their parent, one of it too, has not waited. Orphans are
    others' to wait for: the harness's, or init's."""
    found = [stat for stat in map(_read_stat, _entries("/proc")) if stat and stat.session == session]
    parents = {stat.pid for stat in found}
    return sum(not stat.lives and stat.parent in parents for stat in found)


def descriptors(pid: int) -> int:
    """That the process has open; none when it is gone, or not ours to look at."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def abandoned_locks(pid: int) -> int:
    """Of those in memory that it shares with others (common/faults/locks.cpp): whose holder has ended, for ever."""
    for descriptor in _entries(f"/proc/{pid}/fd"):
        path = f"/proc/{pid}/fd/{descriptor}"
        with suppress(OSError):  # it has been closed, or is not ours to look at
            if os.readlink(path) == LOCKS:
                (holder,) = HOLDER.unpack(Path(path).read_bytes()[: HOLDER.size])
                stat = _read_stat(holder)
                return int(holder != 0 and not (stat and stat.lives))
    return 0


def processes(session: int) -> dict[int, int]:
    """The process of each thread of the session."""
    return {thread: stat.pid for stat in members(session) for thread in _entries(f"/proc/{stat.pid}/task")}


def _entries(directory: str) -> list[int]:
    """Processes or threads that it lists; none when it is gone in the meantime."""
    try:
        return [int(name) for name in os.listdir(directory) if name.isdigit()]
    except (FileNotFoundError, ProcessLookupError):
        return []


class Proc:
    """What /proc tells of processes that may go at any time."""

    def children(self, pid: int) -> set[int]:
        """Those that it has not waited for, zombies too. Without CONFIG_PROC_CHILDREN all processes are looked at."""
        threads = self.threads(pid)
        lists = [_content(f"/proc/{pid}/task/{thread}/children") for thread in threads]
        if threads and not any(one is not None for one in lists):
            return {stat.pid for stat in map(_read_stat, _entries("/proc")) if stat and stat.parent == pid}
        return {int(child) for one in lists if one for child in one.split()}

    def stat(self, pid: int) -> ProcessStat | None:
        return _read_stat(pid)

    def clock(self, pid: int) -> float | None:
        """To the nanosecond (clock_getcpuclockid(3)); ticks would round off 10 ms."""
        try:
            return time.clock_gettime((~pid << 3) | 2)
        except OSError:
            return None

    def threads(self, pid: int) -> list[int]:
        return _entries(f"/proc/{pid}/task")

    def status(self, thread: int) -> str:
        return _content(f"/proc/{thread}/status") or ""


PROC = Proc()


def _content(path: str) -> str | None:
    """None when it is not there. By bare system calls, because it is called amid a load. A list comes page by page."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        return b"".join(iter(lambda: os.read(descriptor, 1 << 16), b"")).decode("ascii", errors="replace")
    except OSError:
        return None  # gone in the meantime
    finally:
        os.close(descriptor)


@dataclass(frozen=True)
class Switches:
    """Context switches (getrusage(2)): the process waited, or its time was over."""

    voluntary: int
    involuntary: int

    def __sub__(self, earlier: Self) -> Self:
        return type(self)(self.voluntary - earlier.voluntary, self.involuntary - earlier.involuntary)


def parse_switches(statuses: Iterable[str]) -> Switches | None:
    """From proc(5)'s status of each thread, empty when it has ended; a sandbox's kernel may lack their last lines."""
    found = [SWITCHES.search(status) for status in statuses if status]
    if not all(found):
        return None
    return Switches(*(sum(int(one[kind]) for one in found if one) for kind in (1, 2)))


SWITCHES = re.compile(r"voluntary_ctxt_switches:\s+(\d+)\s+nonvoluntary_ctxt_switches:\s+(\d+)")
