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
from loadtest.system import cpus, sockets, syscalls
from loadtest.system.processes import ProcessError, run
from loadtest.verbs.doctor.machine import Group, Machine
from loadtest.verbs.walk import strace

WINDOW = 0.5  # seconds during which others' use of the CPUs is watched
SYSTEM_PATH = ":/usr/sbin:/sbin"  # servers are there, and not on everybody's PATH
VERSION = re.compile(r"\d+\.\d+[\w.+-]*")

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
    machine = Machine()
    available = sorted(os.sched_getaffinity(0))
    load = _load(machine, available)  # first: what follows is a load itself
    counting = syscalls.available()
    return Facts(
        cpus=_cpus(machine, available, bool(shutil.which("perf"))),
        group=machine.group(),
        limits=_limits(machine),
        ports=_ports(machine),
        load=load,
        memory=_memory(machine),
        kernel=_kernel(machine),
        tools=[_tool(*tool) for tool in TOOLS],
        missing_executables=[name for name in executables if not os.access(binaries / name, os.X_OK)],
        tracing=strace.missing(),
        counting=counting,
        docker=docker.missing(),
    )


def _cpus(machine: Machine, available: Sequence[int], perf: bool) -> Cpus:
    info = machine.text("proc/cpuinfo")
    directory = "sys/devices/system/cpu"
    siblings = {cpu: machine.cpu_list(f"{directory}/cpu{cpu}/topology/thread_siblings_list") for cpu in available}
    return Cpus(
        model=machine.field("proc/cpuinfo", "model name"),
        online=len(machine.cpu_list(f"{directory}/online")) or len(available),
        available=list(available),
        siblings={cpu: found or [cpu] for cpu, found in siblings.items()},
        governor=machine.text(f"{directory}/cpu{available[-1]}/cpufreq/scaling_governor"),
        virtual=" hypervisor" in info,
        hardware_counters=_has_hardware_counters() if perf else None,
        clock=machine.text("sys/devices/system/clocksource/clocksource0/current_clocksource"),
    )


def _has_hardware_counters() -> bool | None:
    try:
        command = ["perf", "stat", "--event", "cycles:u", "--field-separator", ",", "--", "true"]
        return run(command, timeout=5, good=range(256)).stderr.strip().partition(",")[0].isdigit()
    except ProcessError:
        return None


def _limits(machine: Machine) -> Limits:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    processes, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    return Limits(
        files_soft=soft,
        files_hard=hard,
        files_most=machine.number("proc/sys/fs/nr_open"),
        processes=None if processes == resource.RLIM_INFINITY else processes,
        pids=machine.number("proc/sys/kernel/pid_max"),
        threads=machine.number("proc/sys/kernel/threads-max"),
        accept_queue=machine.number("proc/sys/net/core/somaxconn"),
        syn_queue=machine.number("proc/sys/net/ipv4/tcp_max_syn_backlog"),
    )


def _ports(machine: Machine) -> Ports:
    first, last = map(int, (machine.text("proc/sys/net/ipv4/ip_local_port_range") or sockets.DEFAULT_PORTS).split())
    waiting = re.search(r"^TCP: .* tw (\d+)", machine.text("proc/net/sockstat"), re.MULTILINE)
    reuse = machine.number("proc/sys/net/ipv4/tcp_tw_reuse")
    return Ports(first, last, int(waiting[1]) if waiting else None, reuse)


def _load(machine: Machine, available: Sequence[int]) -> Load:
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


def _memory(machine: Machine) -> Memory:
    names = ("MemTotal", "MemAvailable", "Cached", "SwapTotal", "SwapFree")
    total, available, cached, swap, free = (machine.kibibytes("proc/meminfo", name) for name in names)
    return Memory(total, available, cached, swap - free)


def _kernel(machine: Machine) -> Kernel:
    return Kernel(
        release=os.uname().release,
        system=_system(machine),
        aslr=machine.number("proc/sys/kernel/randomize_va_space"),
        core_pattern=machine.text("proc/sys/kernel/core_pattern"),
        rollup=environment.missing(),
    )


def _system(machine: Machine) -> str:
    found = re.search(r'^PRETTY_NAME="?([^"\n]+)', machine.text("etc/os-release"), re.MULTILINE)
    return found[1] if found else "unknown"


def _tool(name: str, option: str, fix: str) -> Tool:
    path = shutil.which(name, path=os.environ.get("PATH", "") + SYSTEM_PATH)
    return Tool(name, _version(path, option) if path else "", fix)


def _version(path: str, option: str) -> str:
    """wrk and others exit with 1 after it; nginx writes it to stderr."""
    try:
        said = run([path, option], timeout=5, good=range(256))
    except ProcessError:
        return "unknown version"
    found = VERSION.search(said.stdout + said.stderr)
    return found[0] if found else "unknown version"
