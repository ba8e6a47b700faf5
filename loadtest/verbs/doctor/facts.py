"""What this machine is and allows, as raw facts. `doctor` judges them; nothing here does."""

import os
import re
import resource
import shutil
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from loadtest.engine import environment
from loadtest.places import containers
from loadtest.system import cpus, procfs, sockets, syscalls
from loadtest.system.processes import ProcessError, run
from loadtest.verbs.crash import surroundings
from loadtest.verbs.walk import strace

SYSTEM_PATH = ":/usr/sbin:/sbin"  # servers are there, and not on everybody's PATH
KERNEL, CPUS = Path("/proc/sys"), Path("/sys/devices/system/cpu")
UNLIMITED = 2**60  # bytes; version 1 of control groups writes a number a little below 2**63

# with the option that prints the version
TOOLS = {
    **{"wrk": "-v", "taskset": "--version", "setpriv": "--version", "strace": "-V", "perf": "--version"},
    **{"docker": "--version", "nginx": "-v", "h2o": "-v", "apache2": "-v"},
}


@dataclass(frozen=True)
class Group:
    """The tightest limits of our control group and of those around it. None: unlimited."""

    version: int | None  # None: there are no control groups to be seen
    cpus: float | None  # a quota of CPU time, in CPUs
    memory: int | None  # bytes
    processes: int | None


@dataclass(frozen=True)
class Facts:
    """None: unlimited, or not told."""

    model: str
    virtual: bool
    online: int  # CPUs
    available: list[int]  # CPUs, to this process
    siblings: dict[int, list[int]]  # that share a core, by available CPU; itself included
    governor: str  # "" where the frequency is nobody's here
    clock: str
    others: dict[int, float | None]  # share of each available CPU that others took; None: /proc/stat does not list it
    steal: float | None  # of the worst CPU
    memory: dict[str, int]  # bytes, by the names of /proc/meminfo; empty where that is hidden
    group: Group
    descriptors: tuple[int, int]  # soft and hard limit
    processes: int | None
    accept_queue: int | None  # somaxconn
    ports: tuple[int, int]  # the first and the last
    reuse: int | None  # tcp_tw_reuse
    system: str
    core_pattern: str
    rollup: str  # why smaps_rollup cannot be read, and the fix; "" when it can
    tools: dict[str, str]  # the version of each; "" when it is not there
    missing_executables: list[str]
    tracing: str  # why strace cannot look into a server, and the fix; "" when it can
    counting: str  # why perf cannot count system calls, and the fix
    docker: str  # why containers cannot be measured, and the fix
    irq_time: str  # whether the kernel leaves interrupts out of processes' CPU time, as cpus.irq_time() says it
    little_memory: str  # why a server cannot be given a control group of its own; "" when it can
    private_mounts: str  # why it cannot be given a file system of its own


def read(binaries: Path, executables: Sequence[str]) -> Facts:
    """Takes about two seconds. `executables`: of the servers and clients that are built, in `binaries`."""
    available = sorted(os.sched_getaffinity(0))
    before = cpus.read()
    time.sleep(0.5)  # others' use of the CPUs is watched; first, because what follows is a load itself
    after = cpus.read()
    model, virtual = environment.cpu()
    processes, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    return Facts(
        model=model,
        virtual=virtual,
        online=len(cpu_list(CPUS / "online")) or len(available),
        available=available,
        siblings={cpu: cpu_list(CPUS / f"cpu{cpu}/topology/thread_siblings_list") or [cpu] for cpu in available},
        governor=procfs.text(CPUS / f"cpu{available[-1]}/cpufreq/scaling_governor"),
        clock=procfs.text(Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")),
        others={cpu: cpus.foreign(before, after, [cpu], 0) for cpu in available},
        steal=cpus.stolen(before, after, available),
        memory=procfs.numbers(procfs.text(Path("/proc/meminfo"))),
        group=group(),
        descriptors=resource.getrlimit(resource.RLIMIT_NOFILE),
        processes=None if processes == resource.RLIM_INFINITY else processes,
        accept_queue=procfs.number(KERNEL / "net/core/somaxconn"),
        ports=sockets.port_range(),
        reuse=procfs.number(KERNEL / "net/ipv4/tcp_tw_reuse"),
        system=f"Linux {os.uname().release}, {environment.system()}",
        core_pattern=procfs.text(KERNEL / "kernel/core_pattern"),
        rollup=environment.missing(),
        tools={name: version(name, option) for name, option in TOOLS.items()},
        missing_executables=[name for name in executables if not os.access(binaries / name, os.X_OK)],
        tracing=strace.missing(),
        counting=syscalls.available(),
        docker=containers.missing(),
        irq_time=cpus.irq_time(),
        little_memory=surroundings.no_little_memory(),
        private_mounts=surroundings.no_private_mounts(),
    )


def cpu_list(path: Path) -> list[int]:
    text = procfs.text(path)
    return list(cpus.parse_list(text)) if text else []


def version(name: str, option: str) -> str:
    """ "" when it is not there."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + SYSTEM_PATH)
    if not path:
        return ""
    with suppress(ProcessError):
        said = run([path, option], timeout=5, good=range(256))  # wrk and others exit with 1 then
        if found := re.search(r"\d+\.\d+[\w.+-]*", said.stdout + said.stderr):  # nginx writes it to stderr
            return found[0]
    return "unknown version"


def group(root: Path = Path("/")) -> Group:
    """Of this process; in a container its own group is at the top of what is mounted. Both versions are read alike:
    neither has the files of the other."""
    members = procfs.memberships(procfs.text(root / "proc/self/cgroup"))
    first = bool({"cpu", "memory"} & members.keys())
    if not first and "" not in members:
        return Group(None, None, None, None)

    def around(controller: str) -> list[Path]:
        """Our group and those around it; the last one is that of all controllers, where no limits are."""
        mount = root / "sys/fs/cgroup"
        own = mount / members.get(controller if first else "", "")
        return [one for one in (own, *own.parents) if one.is_relative_to(mount)]

    return Group(
        version=1 if first else 2,
        cpus=min(filter(None, map(_quota, around("cpu"))), default=None),
        memory=_tightest(around("memory"), "memory.max", "memory.limit_in_bytes"),
        processes=_tightest(around("pids"), "pids.max"),
    )


def _tightest(directories: Iterable[Path], *files: str) -> int | None:
    found = [procfs.number(directory / file) for directory in directories for file in files]
    return min((limit for limit in found if limit is not None and 0 <= limit < UNLIMITED), default=None)


def _quota(directory: Path) -> float | None:
    parts = (procfs.text(directory / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    quota, _, period = (procfs.text(directory / "cpu.max") or " ".join(parts)).partition(" ")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() else None  # "max", or -1
