"""Memory of a process tree from smaps_rollup. That takes the mm lock and 150 us a process: read it on plateaus."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from loadtest.system import procfs


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


def read(processes: Iterable[tuple[int, int]]) -> Memory:
    """Of those processes, identified by pid and start. PSS charges a shared page in equal parts to those who share it,
    so that a sum over a process tree counts it once."""
    return total([one for pid, _ in processes if (one := _read_process(Path(f"/proc/{pid}")))])


def total(processes: list[Memory]) -> Memory:
    """A size is None when one of them is."""
    sizes: dict[str, int | None] = {}
    for name in ("pss", "private", "rss", "anonymous"):
        known = [size for one in processes if (size := getattr(one, name)) is not None]
        sizes[name] = sum(known) if len(known) == len(processes) else None
    unknown = next((one.unknown for one in processes if one.unknown), "")
    page_tables = sum(one.page_tables for one in processes)
    return Memory(processes=len(processes), page_tables=page_tables, group=None, unknown=unknown, **sizes)


def parse(rollup: str, status: str) -> Memory:
    """Of one process, from the contents of smaps_rollup and status."""
    sizes = procfs.numbers(rollup)
    return Memory(
        processes=1,
        pss=sizes["Pss"],
        private=sizes["Private_Clean"] + sizes["Private_Dirty"],
        rss=sizes["Rss"],
        page_tables=procfs.numbers(status).get("VmPTE", 0),
        anonymous=sizes.get("Pss_Anon"),  # from Linux 5.3 on
    )


def _read_process(directory: Path) -> Memory | None:
    """None of one that has gone in the meantime; an exiting process has no memory left to list."""
    status = procfs.text(directory / "status")
    try:
        # both files are shorter than what Python reads at a time: what several reads see need not fit together
        return parse((directory / "smaps_rollup").read_text(), status)
    except PermissionError:
        # ptrace(2), access mode checking
        reason = "smaps_rollup of a process of another user is root's to read"
        return Memory(1, None, None, None, procfs.numbers(status).get("VmPTE", 0), unknown=reason)
    except (FileNotFoundError, ProcessLookupError, KeyError):
        return None
