"""What this machine is and allows, as raw facts. doctor judges them; nothing here does."""

from __future__ import annotations

import os
import re
import resource
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from loadtest.engine import environment
from loadtest.places import docker
from loadtest.system import cpu_sets, cpus, procfs, sockets, syscalls
from loadtest.system.processes import ProcessError, run
from loadtest.verbs.doctor import machine
from loadtest.verbs.doctor.machine import Group
from loadtest.verbs.walk import strace

WINDOW = 0.5  # seconds during which others' use of the CPUs is watched
SYSTEM_PATH = ":/usr/sbin:/sbin"  # servers are there, and not on everybody's PATH
PROC, CPUS = Path("/proc"), Path("/sys/devices/system/cpu")
CLOCK = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")

# with the option that prints the version, and what installs it
TOOLS = (
    ("wrk", "-v", "apt-get install wrk"),
    ("taskset", "--version", "apt-get install util-linux"),
    ("setpriv", "--version", "apt-get install util-linux"),
    ("strace", "-V", "apt-get install strace"),
    ("perf", "--version", "apt-get install linux-perf"),
    ("docker", "--version", "apt-get install docker.io"),
    ("httperf", "--version", "apt-get install httperf"),
    ("nginx", "-v", "loadtest/setup.sh peers"),
    ("h2o", "-v", "loadtest/setup.sh peers"),
    ("apache2", "-v", "loadtest/setup.sh peers"),
)


@dataclass(frozen=True)
class Cpus:
    model: str
    online: int
    available: list[int]  # to this process
    siblings: dict[int, list[int]]  # that share a core, by available CPU; itself included
    governor: str  # "" where the frequency is nobody's here
    virtual: bool
    hardware_counters: bool | None  # None: perf cannot tell
    clock: str


@dataclass(frozen=True)
class Limits:
    """None: unlimited, or unknown."""

    files_soft: int
    files_hard: int
    files_most: int | None  # what root can raise the hard limit to
    processes: int | None
    pids: int | None
    threads: int | None
    accept_queue: int | None  # somaxconn
    syn_queue: int | None


@dataclass(frozen=True)
class Ports:
    first: int
    last: int
    time_wait: int | None
    reuse: int | None  # tcp_tw_reuse


@dataclass(frozen=True)
class Load:
    average: float
    others: dict[int, float]  # share of each available CPU that others took, in a window of half a second
    steal: float | None
    pressure: dict[str, float] | None  # some avg10, in percent; None: the kernel does not tell
    hidden: list[int] = field(default_factory=list)  # available CPUs that /proc/stat does not list


@dataclass(frozen=True)
class Memory:
    """In bytes."""

    total: int
    available: int
    cached: int
    swap_used: int


@dataclass(frozen=True)
class Kernel:
    release: str
    system: str
    aslr: int | None  # randomize_va_space
    core_pattern: str
    rollup: str  # why smaps_rollup cannot be read; "" when it can


@dataclass(frozen=True)
class Tool:
    name: str
    version: str  # "" when it is not there
    fix: str


@dataclass(frozen=True)
class Facts:
    cpus: Cpus
    group: Group
    limits: Limits
    ports: Ports
    load: Load
    memory: Memory
    kernel: Kernel
    tools: list[Tool]
    missing_executables: list[str]
    tracing: str  # why strace cannot look into a server, and the fix; "" when it can
    counting: str  # why perf cannot count system calls, and the fix
    docker: str  # why containers cannot be measured, and the fix


def read(binaries: Path, executables: Sequence[str]) -> Facts:
    """Takes about two seconds. `executables`: of the servers and clients that are built, in `binaries`."""
    available = sorted(os.sched_getaffinity(0))
    load = _load(available)  # first: what follows is a load itself
    counting = syscalls.available()
    return Facts(
        cpus=_cpus(available),
        group=machine.group(),
        limits=_limits(),
        ports=_ports(),
        load=load,
        memory=_memory(),
        kernel=_kernel(),
        tools=[_tool(*tool) for tool in TOOLS],
        missing_executables=[name for name in executables if not os.access(binaries / name, os.X_OK)],
        tracing=strace.missing(),
        counting=counting,
        docker=docker.missing(),
    )


def _cpus(available: list[int]) -> Cpus:
    info = procfs.text(PROC / "cpuinfo")
    return Cpus(
        model=_matched(r"^model name\s*: (.+)", info),
        online=len(_cpu_list(CPUS / "online")) or len(available),
        available=available,
        siblings={cpu: _cpu_list(CPUS / f"cpu{cpu}/topology/thread_siblings_list") or [cpu] for cpu in available},
        governor=procfs.text(CPUS / f"cpu{available[-1]}/cpufreq/scaling_governor"),
        virtual=" hypervisor" in info,
        hardware_counters=_has_hardware_counters() if shutil.which("perf") else None,
        clock=procfs.text(CLOCK),
    )


def _cpu_list(path: Path) -> list[int]:
    text = procfs.text(path)
    return list(cpu_sets.parse_list(text)) if text else []


def _matched(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    return found[1] if found else ""


def _has_hardware_counters() -> bool | None:
    printed = _printed(["perf", "stat", "--event", "cycles:u", "--field-separator", ",", "--", "true"])
    return None if printed is None else printed.strip().partition(",")[0].isdigit()


def _printed(command: Sequence[str]) -> str | None:
    """On either output: nginx writes its version to stderr. Whatever the status: wrk and others exit with 1 then."""
    try:
        said = run(command, timeout=5, good=range(256))
    except ProcessError:
        return None
    return said.stdout + said.stderr


def _setting(path: str) -> int | None:
    return procfs.number(PROC / "sys" / path)


def _limits() -> Limits:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    processes, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    return Limits(
        files_soft=soft,
        files_hard=hard,
        files_most=_setting("fs/nr_open"),
        processes=None if processes == resource.RLIM_INFINITY else processes,
        pids=_setting("kernel/pid_max"),
        threads=_setting("kernel/threads-max"),
        accept_queue=_setting("net/core/somaxconn"),
        syn_queue=_setting("net/ipv4/tcp_max_syn_backlog"),
    )


def _ports() -> Ports:
    tcp = procfs.pairs(procfs.text(PROC / "net/sockstat"), "TCP")
    return Ports(*sockets.port_range(), time_wait=tcp.get("tw"), reuse=_setting("net/ipv4/tcp_tw_reuse"))


def _load(available: Sequence[int]) -> Load:
    before = cpus.read()
    time.sleep(WINDOW)
    after = cpus.read()
    shares = {cpu: cpus.foreign(before, after, [cpu], 0) for cpu in available}
    return Load(
        average=os.getloadavg()[0],
        others={cpu: share for cpu, share in shares.items() if share is not None},
        steal=cpus.stolen(before, after, available),
        pressure=machine.pressure(),
        hidden=[cpu for cpu, share in shares.items() if share is None],
    )


def _memory() -> Memory:
    found = procfs.numbers(procfs.text(PROC / "meminfo"))
    total, available, cached, swap, free = (
        found.get(name, 0) for name in ("MemTotal", "MemAvailable", "Cached", "SwapTotal", "SwapFree")
    )
    return Memory(total, available, cached, swap - free)


def _kernel() -> Kernel:
    return Kernel(
        release=os.uname().release,
        system=_matched(r'^PRETTY_NAME="?([^"\n]+)', procfs.text(Path("/etc/os-release"))) or "unknown",
        aslr=_setting("kernel/randomize_va_space"),
        core_pattern=procfs.text(PROC / "sys/kernel/core_pattern"),
        rollup=environment.missing(),
    )


def _tool(name: str, option: str, fix: str) -> Tool:
    path = shutil.which(name, path=os.environ.get("PATH", "") + SYSTEM_PATH)
    if not path:
        return Tool(name, "", fix)
    return Tool(name, _matched(r"(\d+\.\d+[\w.+-]*)", _printed([path, option]) or "") or "unknown version", fix)
