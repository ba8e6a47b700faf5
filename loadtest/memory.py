"""Memory of a process tree from smaps_rollup. That takes the mm lock and 150 us a process: read it on plateaus."""

from __future__ import annotations

import os
import re

from loadtest import tree
from loadtest.results import Memory

PAGE_TABLES = re.compile(r"^VmPTE:\s+(\d+) kB$", re.MULTILINE)
ROLLUP = re.compile(r"^(\w+):\s+(\d+) kB$", re.MULTILINE)


def read(session: int) -> Memory:
    """PSS charges a shared page in equal parts to those who share it, so that a sum over the tree counts it once."""
    return total([one for stat in tree.members(session) if (one := _read_process(stat.pid))])


def total(processes: list[Memory]) -> Memory:
    return Memory(
        processes=len(processes),
        pss=sum(one.pss for one in processes),
        private=sum(one.private for one in processes),
        rss=sum(one.rss for one in processes),
        page_tables=sum(one.page_tables for one in processes),
    )


def parse(rollup: str, status: str) -> Memory:
    """Of one process, from the contents of smaps_rollup and status."""
    bytes_of = {name: int(kibibytes) * 1024 for name, kibibytes in ROLLUP.findall(rollup)}
    page_tables = PAGE_TABLES.search(status)
    return Memory(
        processes=1,
        pss=bytes_of["Pss"],
        private=bytes_of["Private_Clean"] + bytes_of["Private_Dirty"],
        rss=bytes_of["Rss"],
        page_tables=int(page_tables[1]) * 1024 if page_tables else 0,
    )


def _read_process(pid: int) -> Memory | None:
    try:
        return parse(_content(f"/proc/{pid}/smaps_rollup"), _content(f"/proc/{pid}/status"))
    except (FileNotFoundError, ProcessLookupError, KeyError):
        return None  # gone in the meantime; an exiting process has no memory left to list


def _content(path: str) -> str:
    # in one read: what several reads see need not fit together
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, 65536).decode()
    finally:
        os.close(descriptor)
