"""What doctor thinks of limits, ports, the kernel and the programs that are here. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from loadtest.verbs.doctor.card import Finding, Status, count, note_if, works
from loadtest.verbs.doctor.facts import Facts, Tool
from loadtest.verbs.doctor.hardware import processes

SERVER_QUEUE = 4096  # the servers' backlog (common/net/listener.cpp), of which the kernel takes somaxconn at most
IDLE_CONNECTIONS = 10_000  # that `memory` holds, with some descriptors more
SPARE_DESCRIPTORS = IDLE_CONNECTIONS + 500
SPARE_PORTS = 2 * IDLE_CONNECTIONS
TIME_WAIT = 60  # seconds
ESSENTIAL = {
    "wrk": "Nothing can be measured, because wrk is not installed",
    "taskset": "Nothing can be measured, because taskset is not installed",
    "setpriv": "Nothing can be measured, because setpriv is not installed",
}
HELPFUL = {
    "httperf": "quartet-pace's truth tests cannot ask for a second opinion, because httperf is not installed",
    "nginx": "Nothing can be compared with nginx, because it is not installed",
    "h2o": "Nothing can be compared with h2o, because it is not installed",
    "apache2": "Nothing can be compared with Apache, because it is not installed",
}


def limits(facts: Facts) -> Iterator[Finding]:
    found = facts.limits
    yield note_if(
        found.files_hard < SPARE_DESCRIPTORS,
        "descriptors",
        f"{found.files_soft:,}, at most {found.files_hard:,} (root: {count(found.files_most)})",
        f"{IDLE_CONNECTIONS:,} idle connections cannot be held, because a process may have {found.files_hard:,} "
        "descriptors at most",
        "sudo prlimit --pid $$ --nofile=65536:65536",
    )
    yield processes("processes", found.processes, "sudo prlimit --pid $$ --nproc=unlimited")
    yield Finding("process ids", count(found.pids))
    yield Finding("threads", count(found.threads))
    yield note_if(
        found.accept_queue is not None and found.accept_queue < SERVER_QUEUE,
        "accept queue",
        count(found.accept_queue),
        f"Thousands of clients that come at once cannot be measured, because the servers' queue of {SERVER_QUEUE:,} is "
        "cut",
        f"sudo sysctl net.core.somaxconn={SERVER_QUEUE}",
    )
    yield Finding("SYN queue", count(found.syn_queue))


def ports(facts: Facts) -> Iterator[Finding]:
    found = facts.ports
    room = found.last - found.first + 1
    yield note_if(
        room < SPARE_PORTS,
        "range",
        f"{found.first}-{found.last} ({room:,})",
        f"{IDLE_CONNECTIONS:,} connections beside a load cannot be held, because a client has {room:,} ports",
        'sudo sysctl net.ipv4.ip_local_port_range="10000 65000"',
    )
    yield Finding("in TIME_WAIT", count(found.time_wait))
    yield note_if(
        found.reuse == 0,
        "TIME_WAIT reuse",
        _word(found.reuse, "no", "yes", "on the loopback"),
        f"More than {room // TIME_WAIT:,} fresh connections a second cannot be measured for long, because each keeps "
        "its port for a minute",
        "sudo sysctl net.ipv4.tcp_tw_reuse=2",
    )


def kernel(facts: Facts) -> Iterator[Finding]:
    found = facts.kernel
    yield Finding("release", f"Linux {found.release}, {found.system}")
    yield note_if(
        found.aslr == 0,
        "address randomization",
        _word(found.aslr, "off", "without heaps", "on"),
        "Addresses (/layout) cannot be seen to differ between starts, because they are not randomized",
        "sudo sysctl kernel.randomize_va_space=2",
    )
    yield note_if(
        found.core_pattern.startswith("|"),
        "core dumps",
        found.core_pattern or "unknown",
        "The time without service after a crash cannot be measured as the server's own, because a program takes the "
        "dead server's memory first",
        "sudo sysctl kernel.core_pattern=core",
    )
    reason, _, fix = found.rollup.partition("; ")
    if reason:
        yield Finding("smaps_rollup", "missing", Status.problem, f"Memory cannot be measured: {reason}", fix)
    else:
        yield Finding("smaps_rollup", "can be read")


def programs(facts: Facts) -> Iterator[Finding]:
    lost = {
        "strace": ("The system calls of one request cannot be shown (walk)", facts.tracing),
        "perf": ("System calls under load cannot be counted", facts.counting),
        "docker": ("Containers cannot be measured (--runner docker)", facts.docker),
    }
    yield _built(facts)
    for tool in facts.tools:
        yield works(tool.name, tool.version, *lost[tool.name]) if tool.name in lost else _tool(tool)


def _built(facts: Facts) -> Finding:
    missing = facts.missing_executables
    if not missing:
        return Finding("servers", "built")
    lost = f"Nothing can be measured, because {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not built"
    fix = "cmake --preset release && cmake --build --preset release"
    return Finding("servers", "not built", Status.problem, lost, fix)


def _tool(tool: Tool) -> Finding:
    if tool.version:
        return Finding(tool.name, tool.version)
    status = Status.problem if tool.name in ESSENTIAL else Status.note
    lost = {**ESSENTIAL, **HELPFUL}[tool.name]
    return Finding(tool.name, "not found", status, lost, tool.fix)


def _word(number: int | None, *words: str) -> str:
    """For a setting of the kernel that is a number from 0."""
    return words[number] if number is not None and number < len(words) else "unknown"
