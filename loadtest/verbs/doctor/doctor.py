"""The machine card: what this machine is, what cannot be measured on it, and the one command that mends each. `facts`
looks; this module judges what it found, and shows it."""

import dataclasses
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from loadtest.document.document import Document, Section, words
from loadtest.document.figures import mebibytes, number
from loadtest.statistics.validity import DISTURBED
from loadtest.system.cpus import split
from loadtest.verbs.doctor.facts import Facts, read
from loadtest.verbs.tour import plan


class Status(str, Enum):
    ok = "ok"
    note = "note"  # something cannot be measured here, or not well
    problem = "problem"  # nothing can


@dataclass(frozen=True)
class Finding:
    name: str
    value: str
    status: Status = Status.ok
    hinders: str = ""  # a sentence without its full stop: what cannot be measured here, and why
    fix: str = ""  # the command that mends it; "" where none does


NAME_WIDTH = 21  # of the longest name
SPARE_MEMORY = 1 << 30  # bytes: 512 MiB of ballast, and as much again
SPARE_PROCESSES = 2_000
SLOW_CLOCKS = ("hpet", "acpi_pm", "jiffies", "xen")  # each reading is a system call
SERVER_QUEUE = 4096  # the servers' backlog (common/net/listener.cpp), of which the kernel takes somaxconn at most
IDLE_CONNECTIONS = 10_000  # that `memory` holds, with some descriptors more

# What cannot be measured, by the name of the finding; the judgement fills in what is in braces.
LOST = {
    "frequency governor": "CPU time per request cannot be compared between loads, because the clock follows the load",
    "clock": "Times below some microseconds cannot be measured, because reading this clock takes as long",
    "server and load": "{reason}",
    "/proc/stat": "Disturbed rounds cannot be recognized: /proc/stat does not list CPU {cpus}, on which we may run",
    "taken by others": "Undisturbed rounds cannot be had now: others use CPU {cpus} (see: top -b -n 1 | head -20)",
    "stolen": "Undisturbed rounds cannot be had now: the host gives our CPUs to other virtual machines",
    "available": "Fork with 512 MiB of ballast cannot be measured: memory would run out",
    "swap in use": "Memory cannot be measured well, because pages that are swapped out are not in PSS",
    "CPU quota": "Latencies are not the servers' own: a CPU quota stops these; docker run --cpuset-cpus would not",
    "memory limit": "Fork with 512 MiB of ballast cannot be measured: the control group would run out of memory",
    "descriptors": f"{IDLE_CONNECTIONS:,} idle connections cannot be held: {{limit:,}} descriptors are the most",
    "accept queue": f"Thousands of clients at once cannot be measured: the servers' queue of {SERVER_QUEUE:,} is cut",
    "ports": f"{IDLE_CONNECTIONS:,} connections beside a load cannot be held, because a client has {{room:,}} ports",
    "TIME_WAIT reuse": "More than {rate:,} fresh connections a second cannot last: each keeps its port for a minute",
    "interrupt time": "CPU time per request leaves out what interrupts do for it, such as receiving packets: this "
    "kernel keeps their time out of processes' CPU time",
    "core dumps": "After a crash, time without service is not the server's: a program reads the dead server's memory",
    "smaps_rollup": "Memory cannot be measured: {reason}",
    "memory group": "Memory that runs out cannot be tried (crash --fault oom-kill): {reason}",
    "private mount": "A scoreboard without room cannot be tried (crash --fault scoreboard-full): {reason}",
    "strace": "The system calls of one request cannot be shown (walk), nor can workers die one after the other "
    "(crash --fault crash-loop): {reason}",
    "perf": "System calls under load cannot be counted: {reason}",
    "docker": "Containers cannot be measured (--runner docker): {reason}",
    **dict.fromkeys(("process limit", "processes"), f"{SPARE_PROCESSES:,} processes cannot run: only {{limit:,}} can"),
    **dict.fromkeys(("servers", "wrk", "taskset", "setpriv"), "Nothing can be measured, because {reason}"),
    **{peer: f"Nothing can be compared with {peer}: it is not installed" for peer in ("nginx", "h2o", "apache2")},
}
ESSENTIAL = ("smaps_rollup", "servers", "wrk", "taskset", "setpriv")  # without them nothing can be measured

# What mends it, where a command does that the reason does not name.
MENDED = {
    "frequency governor": "sudo cpupower frequency-set --governor performance",
    "clock": "echo tsc | sudo tee /sys/devices/system/clocksource/clocksource0/current_clocksource",
    "memory limit": "docker update --memory -1 --memory-swap -1 CONTAINER",
    "process limit": "docker update --pids-limit -1 CONTAINER",
    "swap in use": "sudo swapoff --all",
    "descriptors": "sudo prlimit --pid $$ --nofile=65536:65536",
    "processes": "sudo prlimit --pid $$ --nproc=unlimited",
    "accept queue": f"sudo sysctl net.core.somaxconn={SERVER_QUEUE}",
    "ports": 'sudo sysctl net.ipv4.ip_local_port_range="10000 65000"',
    "TIME_WAIT reuse": "sudo sysctl net.ipv4.tcp_tw_reuse=2",
    "core dumps": "sudo sysctl kernel.core_pattern=core",
    "servers": "loadtest/setup.sh build && cmake --preset release && cmake --build --preset release",
    "wrk": "apt-get install wrk",
    **dict.fromkeys(("taskset", "setpriv"), "apt-get install util-linux"),
    **dict.fromkeys(("nginx", "h2o", "apache2"), "loadtest/setup.sh peers"),
}


def cpus(facts: Facts) -> Iterator[Finding]:
    sets = split(set(facts.available))
    siblings = {sibling for cpu in sets.server for sibling in facts.siblings.get(cpu, [])}
    shown = f"server on CPU {_join(sets.server)}, load on CPU {_join(sets.load)}"
    reason = "Server and load cannot be measured apart, because their CPUs are threads of one core (SMT)"
    if sets.shared:
        shown = f"share CPU {_join(sets.server)}"
        reason = "Servers cannot be ranked, because server and load share the only CPU that we may use"
    some = "" if len(facts.available) == facts.online else f" of {facts.online}"
    yield Finding("model", facts.model + (" (virtual)" if facts.virtual else ""))
    yield Finding("available", f"{len(facts.available)}{some}: {_join(facts.available)}")
    yield _judged("server and load", shown, sets.shared or not siblings.isdisjoint(sets.load), reason)
    yield _judged("frequency governor", facts.governor or "none here", facts.governor not in ("", "performance"))
    yield _judged("clock", facts.clock or "unknown", facts.clock in SLOW_CLOCKS)


def load(facts: Facts) -> Iterator[Finding]:
    told = {cpu: share for cpu, share in facts.others.items() if share is not None}
    hidden = _join([cpu for cpu in facts.others if cpu not in told])
    busy = _join([cpu for cpu, share in told.items() if share > DISTURBED])
    taken = ", ".join(f"{share:.0%} of CPU {cpu}" for cpu, share in told.items())
    stolen = "not told" if facts.steal is None else f"{facts.steal:.0%}"
    yield _judged(
        "/proc/stat",
        f"hides CPU {hidden} (lxcfs counts from 0)" if hidden else "lists our CPUs",
        bool(hidden),
        cpus=hidden,
    )
    yield _judged("taken by others", taken or "not told", bool(busy), cpus=busy)
    yield _judged("stolen", stolen, (facts.steal or 0) > DISTURBED)


def memory(facts: Facts) -> Iterator[Finding]:
    names = ("MemTotal", "MemAvailable", "SwapTotal", "SwapFree")
    total, available, swap, free = (facts.memory.get(name, 0) for name in names)
    shown = f"{mebibytes(available)} of {mebibytes(total)} MiB" if available else "not told"
    yield _judged("available", shown, 0 < available < SPARE_MEMORY)
    yield _judged("swap in use", f"{mebibytes(swap - free)} MiB", swap > free)


def limits(facts: Facts) -> Iterator[Finding]:
    group, (soft, hard), (first, last), queue = facts.group, facts.descriptors, facts.ports, facts.accept_queue
    room, limit = last - first + 1, "none" if group.memory is None else f"{mebibytes(group.memory)} MiB"
    reuse = {"0": "no", "1": "yes", "2": "on the loopback"}.get(str(facts.reuse), "unknown")
    yield Finding("control groups", f"version {group.version}" if group.version else "none to be seen")
    yield _judged("CPU quota", f"{number(group.cpus)} CPUs" if group.cpus else "none", group.cpus is not None)
    yield _judged("memory limit", limit, group.memory is not None and group.memory < SPARE_MEMORY)
    for name, most in (("process limit", group.processes), ("processes", facts.processes)):
        cannot = most is not None and most < SPARE_PROCESSES
        yield _judged(name, "no limit" if most is None else f"{most:,}", cannot, limit=most)
    yield _judged("descriptors", f"{soft:,}, at most {hard:,}", hard < IDLE_CONNECTIONS + 500, limit=hard)
    short = queue is not None and queue < SERVER_QUEUE
    yield _judged("accept queue", "unknown" if queue is None else f"{queue:,}", short)
    yield _judged("ports", f"{first}-{last} ({room:,})", room < 2 * IDLE_CONNECTIONS, room=room)
    yield _judged("TIME_WAIT reuse", reuse, facts.reuse == 0, rate=room // 60)


def kernel(facts: Facts) -> Iterator[Finding]:
    yield Finding("release", facts.system)
    told = {"yes": "left out of processes' CPU time", "no": "in processes' CPU time"}
    yield _judged("interrupt time", told.get(facts.irq_time, facts.irq_time), facts.irq_time == "yes")
    yield _judged("core dumps", facts.core_pattern or "unknown", facts.core_pattern.startswith("|"))
    for name, why in {"memory group": facts.little_memory, "private mount": facts.private_mounts}.items():
        yield _judged(name, "cannot be made" if why else "can be made", bool(why), why)
    yield _judged("smaps_rollup", "missing" if facts.rollup else "can be read", bool(facts.rollup), facts.rollup)


def programs(facts: Facts) -> Iterator[Finding]:
    absent = facts.missing_executables
    unbuilt = f"{', '.join(absent)} {'is' if len(absent) == 1 else 'are'} not built"
    yield _judged("servers", "not built" if absent else "built", bool(absent), unbuilt)
    tried = {"strace": facts.tracing, "perf": facts.counting, "docker": facts.docker}
    for name, version in facts.tools.items():
        why = tried.get(name, "" if version else f"{name} is not installed")
        yield _judged(name, "does not work" if version and why else version or "not found", bool(why), why)


def _judged(name: str, value: str, hindered: bool, why: str = "", **words: object) -> Finding:
    """`why`: a reason, and mostly a semicolon and the command that mends it, in place of MENDED's. `words`: what else
    its sentence in LOST has in braces."""
    if not hindered:
        return Finding(name, value)
    reason, _, fix = why.partition("; ")
    status = Status.problem if name in ESSENTIAL else Status.note
    return Finding(name, value, status, LOST[name].format(reason=reason, **words), fix or MENDED.get(name, ""))


def _join(cpus: Sequence[int]) -> str:
    return ", ".join(map(str, cpus))


TOPICS = {
    "CPUs": cpus,
    "Other load": load,
    "Memory": memory,
    "Limits": limits,
    "Kernel": kernel,
    "Programs": programs,
}
HINDRANCES = {
    Status.problem: "Nothing can be measured here before this is mended",
    Status.note: "What cannot be measured here, or not well",
}
MARKS = {Status.ok: " ", Status.note: "!", Status.problem: "X"}


@dataclass(frozen=True)
class Card:
    topics: dict[str, list[Finding]]

    @property
    def findings(self) -> list[Finding]:
        return [finding for findings in self.topics.values() for finding in findings]

    @property
    def hindrances(self) -> list[Finding]:
        """The worst first."""
        return [one for status in HINDRANCES for one in self.findings if one.status == status]

    @property
    def usable(self) -> bool:
        """Whether anything can be measured here; else exit status 5."""
        return all(one.status != Status.problem for one in self.findings)


def examine(binaries: Path) -> Card:
    return judge(read(binaries, sorted({*(one.executable for one in plan.CONTESTANTS), "quartet-pace"})))


def judge(facts: Facts) -> Card:
    return Card({title: list(findings(facts)) for title, findings in TOPICS.items()})


def document(card: Card) -> Document:
    """What there is by topic, marked where it hinders something; then whole sentences on that."""
    sections = []
    for title, findings in card.topics.items():
        filled = words("", "", "")
        for one in findings:
            filled.add_row(MARKS[one.status], one.name.ljust(NAME_WIDTH), one.value)
        sections.append(Section(title, filled, []))
    for status, alike in itertools.groupby(card.hindrances, key=lambda one: one.status):
        sections.append(Section(HINDRANCES[status], None, [sentence(one) for one in alike]))
    if not card.hindrances:
        sections.append(Section("Everything can be measured here.", None, []))
    return Document([], sections)


def to_json(card: Card) -> str:
    return json.dumps(dataclasses.asdict(card), indent=1) + "\n"


def sentence(finding: Finding) -> str:
    """It ends in the command that mends it, where one does."""
    return f"{finding.hinders}. Mend it with: {finding.fix}" if finding.fix else f"{finding.hinders}."
