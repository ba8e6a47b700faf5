"""Memory of a process tree from smaps_rollup. That takes the mm lock and 150 us a process: read it on plateaus."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass
class GroupMemory:
    """What the kernel charges to a container's control group, in bytes; None where it does not tell."""

    current: int  # all of it, page cache included
    anonymous: int
    file: int  # page cache, tmpfs and shared memory
    kernel: int | None  # stacks, page tables, slabs
    sockets: int | None  # buffers


@dataclass
class Memory:
    """Of a whole process tree, in bytes; None where we may not look."""

    processes: int
    pss: int | None
    private: int | None
    rss: int | None  # summed; only to show how misleading that is
    page_tables: int
    group: GroupMemory | None = None  # of the server's container
    unknown: str = ""  # why something is None
    anonymous: int | None = None  # of the PSS: heaps, stacks and whatever else is no file's


PAGE_TABLES = re.compile(r"^VmPTE:\s+(\d+) kB$", re.MULTILINE)
ROLLUP = re.compile(r"^(\w+):\s+(\d+) kB$", re.MULTILINE)


def read(processes: Iterable[tuple[int, int]]) -> Memory:
    """Of those processes, identified by pid and start. PSS charges a shared page in equal parts to those who share it,
    so that a sum over a process tree counts it once."""
    return total([one for pid, _ in processes if (one := _read_process(pid))])


def total(processes: list[Memory]) -> Memory:
    return Memory(
        processes=len(processes),
        pss=_sum([one.pss for one in processes]),
        private=_sum([one.private for one in processes]),
        rss=_sum([one.rss for one in processes]),
        page_tables=sum(one.page_tables for one in processes),
        unknown=next((one.unknown for one in processes if one.unknown), ""),
        anonymous=_sum([one.anonymous for one in processes]),
    )


def _sum(sizes: list[int | None]) -> int | None:
    """None when one of them is."""
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


def parse(rollup: str, status: str) -> Memory:
    """Of one process, from the contents of smaps_rollup and status."""
    bytes_of = {name: int(kibibytes) * 1024 for name, kibibytes in ROLLUP.findall(rollup)}
    return Memory(
        processes=1,
        pss=bytes_of["Pss"],
        private=bytes_of["Private_Clean"] + bytes_of["Private_Dirty"],
        rss=bytes_of["Rss"],
        page_tables=_page_tables(status),
        anonymous=bytes_of.get("Pss_Anon"),  # from Linux 5.3 on
    )


def _page_tables(status: str) -> int:
    found = PAGE_TABLES.search(status)
    return int(found[1]) * 1024 if found else 0


def _hidden(status: str) -> Memory:
    """Of a process whose memory we may not look into (ptrace(2), access mode checking)."""
    reason = "smaps_rollup of a process of another user is root's to read"
    return Memory(1, None, None, None, _page_tables(status), unknown=reason)


def _read_process(pid: int) -> Memory | None:
    try:
        status = _content(f"/proc/{pid}/status")
        return parse(_content(f"/proc/{pid}/smaps_rollup"), status)
    except PermissionError:
        return _hidden(status)
    except (FileNotFoundError, ProcessLookupError, KeyError):
        return None  # gone in the meantime; an exiting process has no memory left to list


def _content(path: str) -> str:
    # in one read: what several reads see need not fit together
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, 65536).decode()
    finally:
        os.close(descriptor)
