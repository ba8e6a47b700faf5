"""What doctor thinks of the facts: a sentence on each thing that hinders, and what is found, by topic. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from loadtest.document.figures import mebibytes, number
from loadtest.statistics.validity import DISTURBED
from loadtest.system import cpu_sets
from loadtest.verbs.doctor.card import Finding, Status
from loadtest.verbs.doctor.facts import Facts, Tool

SPARE_MEMORY = 1 << 30  # bytes: 512 MiB of ballast, and as much again
SPARE_PROCESSES = 2_000
SLOW_CLOCKS = ("hpet", "acpi_pm", "jiffies", "xen")  # each reading is a system call
SERVER_QUEUE = 4096  # the servers' backlog (common/net/listener.cpp), of which the kernel takes somaxconn at most
IDLE_CONNECTIONS = 10_000  # that `memory` holds, with some descriptors more
SPARE_DESCRIPTORS = IDLE_CONNECTIONS + 500
SPARE_PORTS = 2 * IDLE_CONNECTIONS
TIME_WAIT = 60  # seconds

MANY_PROCESSES = (
    "A process for each connection cannot be measured with many connections, because {limit:,} are the most"
)

# What cannot be measured, by the name of the finding; the judgement fills in what is in braces.
LOST = {
    "frequency governor": "CPU time per request cannot be compared between loads, because the clock follows the load",
    "hardware counters": "Instructions and cache misses cannot be counted, because {reason}",
    "clock": "Times below some microseconds cannot be measured, because reading this clock takes as long",
    "server and load": "{reason}",
    "CPU quota": (
        "Latencies cannot be measured as the servers' own, because the control group stops them whenever its quota is"
        " used up; a cpuset (docker run --cpuset-cpus) would not"
    ),
    "memory limit": (
        "Fork with 512 MiB of ballast cannot be measured, because the control group would run out of memory"
    ),
    "process limit": MANY_PROCESSES,
    "/proc/stat": (
        "Rounds that other load disturbed cannot be recognized, because /proc/stat does not list CPU {cpus}, on which"
        " we may run (in a container lxcfs counts CPUs from 0)"
    ),
    "taken by others": (
        "Undisturbed rounds cannot be had now, because others use CPU {cpus} (see: top -b -n 1 | head -20)"
    ),
    "stolen": "Undisturbed rounds cannot be had now, because the host gives our CPUs to other virtual machines",
    "pressure": (
        "Rounds that waited for CPU, memory or I/O cannot be recognized by pressure, because the kernel does not tell"
        " it (it would when booted with psi=1)"
    ),
    "available": "Fork with 512 MiB of ballast cannot be measured, because memory would run out",
    "swap in use": "Memory cannot be measured well, because pages that are swapped out are not in PSS",
    "descriptors": (
        f"{IDLE_CONNECTIONS:,} idle connections cannot be held, because a process may have {{limit:,}} descriptors at"
        " most"
    ),
    "processes": MANY_PROCESSES,
    "accept queue": (
        f"Thousands of clients that come at once cannot be measured, because the servers' queue of {SERVER_QUEUE:,} is"
        " cut"
    ),
    "range": f"{IDLE_CONNECTIONS:,} connections beside a load cannot be held, because a client has {{room:,}} ports",
    "TIME_WAIT reuse": (
        "More than {rate:,} fresh connections a second cannot be measured for long, because each keeps its port for a"
        " minute"
    ),
    "address randomization": (
        "Addresses (/layout) cannot be seen to differ between starts, because they are not randomized"
    ),
    "core dumps": (
        "The time without service after a crash cannot be measured as the server's own, because a program takes the "
        "dead server's memory first"
    ),
}

# What mends it, where a command does.
MENDED = {
    "frequency governor": "sudo cpupower frequency-set --governor performance",
    "clock": "echo tsc | sudo tee /sys/devices/system/clocksource/clocksource0/current_clocksource",
    "memory limit": "docker update --memory -1 --memory-swap -1 CONTAINER",
    "process limit": "docker update --pids-limit -1 CONTAINER",
    "swap in use": "sudo swapoff --all",
    "descriptors": "sudo prlimit --pid $$ --nofile=65536:65536",
    "processes": "sudo prlimit --pid $$ --nproc=unlimited",
    "accept queue": f"sudo sysctl net.core.somaxconn={SERVER_QUEUE}",
    "range": 'sudo sysctl net.ipv4.ip_local_port_range="10000 65000"',
    "TIME_WAIT reuse": "sudo sysctl net.ipv4.tcp_tw_reuse=2",
    "address randomization": "sudo sysctl kernel.randomize_va_space=2",
    "core dumps": "sudo sysctl kernel.core_pattern=core",
}

HELPFUL = {
    "httperf": "quartet-pace's truth tests cannot ask for a second opinion, because httperf is not installed",
    "nginx": "Nothing can be compared with nginx, because it is not installed",
    "h2o": "Nothing can be compared with h2o, because it is not installed",
    "apache2": "Nothing can be compared with Apache, because it is not installed",
}


def cpus(facts: Facts) -> Iterator[Finding]:
    found = facts.cpus
    some = "" if len(found.available) == found.online else f" of {found.online}"
    counted = {True: "yes", False: "no", None: "unknown"}[found.hardware_counters]
    reason = "this virtual machine's CPU does not count them" if found.virtual else "the CPU does not let us"
    yield Finding("model", found.model or "unknown")
    yield Finding("available", f"{len(found.available)}{some}: {_join(found.available)}")
    yield _split(facts)
    yield _judged("frequency governor", found.governor or "none here", found.governor not in ("", "performance"))
    yield Finding("virtual machine", "yes" if found.virtual else "no")
    yield _judged("hardware counters", counted, found.hardware_counters is False, reason=reason)
    yield _judged("clock", found.clock or "unknown", found.clock in SLOW_CLOCKS)


def _split(facts: Facts) -> Finding:
    sets = cpu_sets.split(set(facts.cpus.available))
    server, load = _join(sets.server), _join(sets.load)
    if sets.shared:
        lost = "Servers cannot be ranked, because server and load share the only CPU that we may use"
        return _judged("server and load", f"share CPU {server}", True, reason=lost)
    siblings = {sibling for cpu in sets.server for sibling in facts.cpus.siblings.get(cpu, [])}
    lost = "Server and load cannot be measured apart, because their CPUs are threads of one core (SMT)"
    shown = f"server on CPU {server}, load on CPU {load}"
    return _judged("server and load", shown, bool(siblings & set(sets.load)), reason=lost)


def load(facts: Facts) -> Iterator[Finding]:
    found = facts.load
    listed = f"hides CPU {_join(found.hidden)}" if found.hidden else "lists our CPUs"
    busy = [cpu for cpu, share in found.others.items() if share > DISTURBED]
    taken = ", ".join(f"{share:.0%} of CPU {cpu}" for cpu, share in found.others.items())
    stolen = "not told" if found.steal is None else f"{found.steal:.0%}"
    waited = ", ".join(f"{name} {share:g} %" for name, share in (found.pressure or {}).items())
    yield Finding("load average", number(found.average))
    yield _judged("/proc/stat", listed, bool(found.hidden), cpus=_join(found.hidden))
    yield _judged("taken by others", taken or "not told", bool(busy), cpus=_join(busy))
    yield _judged("stolen", stolen, (found.steal or 0) > DISTURBED)
    yield _judged("pressure", waited or "not told", found.pressure is None)


def memory(facts: Facts) -> Iterator[Finding]:
    found = facts.memory
    shown = f"{mebibytes(found.available)} of {mebibytes(found.total)} MiB" if found.available else "not told"
    yield _judged("available", shown, 0 < found.available < SPARE_MEMORY)  # 0: /proc/meminfo is hidden
    yield Finding("page cache", f"{mebibytes(found.cached)} MiB")
    yield _judged("swap in use", f"{mebibytes(found.swap_used)} MiB", found.swap_used > 0)


def group(facts: Facts) -> Iterator[Finding]:
    found = facts.group
    limit = "none" if found.memory is None else f"{mebibytes(found.memory)} MiB"
    yield Finding("version", str(found.version or "none to be seen"))
    yield _judged("CPU quota", f"{number(found.cpus)} CPUs" if found.cpus else "none", found.cpus is not None)
    yield _judged("memory limit", limit, found.memory is not None and found.memory < SPARE_MEMORY)
    yield Finding("cpuset", found.cpuset or "not told")
    yield _processes("process limit", found.processes)


def limits(facts: Facts) -> Iterator[Finding]:
    found = facts.limits
    hard, queue = found.files_hard, found.accept_queue
    files = f"{found.files_soft:,}, at most {hard:,} (root: {_count(found.files_most)})"
    yield _judged("descriptors", files, hard < SPARE_DESCRIPTORS, limit=hard)
    yield _processes("processes", found.processes)
    yield Finding("process ids", _count(found.pids))
    yield Finding("threads", _count(found.threads))
    yield _judged("accept queue", _count(queue), queue is not None and queue < SERVER_QUEUE)
    yield Finding("SYN queue", _count(found.syn_queue))


def _processes(name: str, limit: int | None) -> Finding:
    return _judged(name, _count(limit, "none"), limit is not None and limit < SPARE_PROCESSES, limit=limit)


def ports(facts: Facts) -> Iterator[Finding]:
    found = facts.ports
    room = found.last - found.first + 1
    reuse = _word(found.reuse, "no", "yes", "on the loopback")
    yield _judged("range", f"{found.first}-{found.last} ({room:,})", room < SPARE_PORTS, room=room)
    yield Finding("in TIME_WAIT", _count(found.time_wait))
    yield _judged("TIME_WAIT reuse", reuse, found.reuse == 0, rate=room // TIME_WAIT)


def kernel(facts: Facts) -> Iterator[Finding]:
    found = facts.kernel
    yield Finding("release", f"Linux {found.release}, {found.system}")
    yield _judged("address randomization", _word(found.aslr, "off", "without heaps", "on"), found.aslr == 0)
    yield _judged("core dumps", found.core_pattern or "unknown", found.core_pattern.startswith("|"))
    reason, _, fix = found.rollup.partition("; ")
    if reason:
        yield Finding("smaps_rollup", "missing", Status.problem, f"Memory cannot be measured: {reason}", fix)
    else:
        yield Finding("smaps_rollup", "can be read")


def programs(facts: Facts) -> Iterator[Finding]:
    tried = {
        "strace": ("The system calls of one request cannot be shown (walk)", facts.tracing),
        "perf": ("System calls under load cannot be counted", facts.counting),
        "docker": ("Containers cannot be measured (--runner docker)", facts.docker),
    }
    yield _built(facts.missing_executables)
    for tool in facts.tools:
        yield _works(tool, *tried[tool.name]) if tool.name in tried else _installed(tool)


def _built(missing: Sequence[str]) -> Finding:
    if not missing:
        return Finding("servers", "built")
    lost = f"Nothing can be measured, because {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not built"
    fix = "cmake --preset release && cmake --build --preset release"
    return Finding("servers", "not built", Status.problem, lost, fix)


def _works(tool: Tool, lost: str, sentence: str) -> Finding:
    """`sentence`: why it does not, a semicolon and the fix; "" when it does."""
    if not sentence:
        return Finding(tool.name, tool.version)
    reason, _, fix = sentence.partition("; ")
    return Finding(tool.name, "does not work", Status.note, f"{lost}: {reason}", fix)


def _installed(tool: Tool) -> Finding:
    if tool.version:
        return Finding(tool.name, tool.version)
    if tool.name in HELPFUL:
        return Finding(tool.name, "not found", Status.note, HELPFUL[tool.name], tool.fix)
    lost = f"Nothing can be measured, because {tool.name} is not installed"
    return Finding(tool.name, "not found", Status.problem, lost, tool.fix)


def _judged(name: str, value: str, hindered: bool, **words: object) -> Finding:
    """`words`: those that its sentence in LOST has in braces."""
    if not hindered:
        return Finding(name, value)
    return Finding(name, value, Status.note, LOST[name].format(**words), MENDED.get(name, ""))


def _count(value: int | None, unknown: str = "unknown") -> str:
    return unknown if value is None else f"{value:,}"


def _join(cpus: Sequence[int]) -> str:
    return ", ".join(map(str, cpus))


def _word(number: int | None, *words: str) -> str:
    """For a setting of the kernel that is a number from 0."""
    return words[number] if number is not None and number < len(words) else "unknown"


TOPICS = {
    "CPUs": cpus,
    "Other load": load,
    "Memory": memory,
    "Control group": group,
    "Limits": limits,
    "Ports": ports,
    "Kernel": kernel,
    "Programs": programs,
}
