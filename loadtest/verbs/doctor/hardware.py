"""What doctor thinks of CPUs, memory, the control group, and of who else uses them. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from loadtest.document.figures import mebibytes, number
from loadtest.statistics import validity
from loadtest.system import cpu_sets
from loadtest.verbs.doctor.card import Finding, count, join, note_if
from loadtest.verbs.doctor.facts import Facts

SPARE_MEMORY = 1 << 30  # bytes: 512 MiB of ballast, and as much again
SPARE_PROCESSES = 2_000
BUSY = validity.DISTURBED  # share of a CPU
SLOW_CLOCKS = ("hpet", "acpi_pm", "jiffies", "xen")  # each reading is a system call


def cpus(facts: Facts) -> Iterator[Finding]:
    found = facts.cpus
    some = "" if len(found.available) == found.online else f" of {found.online}"
    yield Finding("model", found.model or "unknown")
    yield Finding("available", f"{len(found.available)}{some}: {join(found.available)}")
    yield _split(facts)
    yield note_if(
        found.governor not in ("", "performance"),
        "frequency governor",
        found.governor or "none here",
        "CPU time per request cannot be compared between loads, because the clock follows the load",
        "sudo cpupower frequency-set --governor performance",
    )
    yield Finding("virtual machine", "yes" if found.virtual else "no")
    yield note_if(
        found.hardware_counters is False,
        "hardware counters",
        {True: "yes", False: "no", None: "unknown"}[found.hardware_counters],
        "Instructions and cache misses cannot be counted, because "
        + ("this virtual machine's CPU does not count them" if found.virtual else "the CPU does not let us"),
    )
    yield note_if(
        found.clock in SLOW_CLOCKS,
        "clock",
        found.clock or "unknown",
        "Times below some microseconds cannot be measured, because reading this clock takes as long",
        "echo tsc | sudo tee /sys/devices/system/clocksource/clocksource0/current_clocksource",
    )


def _split(facts: Facts) -> Finding:
    sets = cpu_sets.split(set(facts.cpus.available))
    server, load = sets.server, sets.load
    if set(server) & set(load):
        lost = "Servers cannot be ranked, because server and load share the only CPU that we may use"
        return note_if(True, "server and load", f"share CPU {join(server)}", lost)
    siblings = {sibling for cpu in server for sibling in facts.cpus.siblings.get(cpu, [])}
    return note_if(
        bool(siblings & set(load)),
        "server and load",
        f"server on CPU {join(server)}, load on CPU {join(load)}",
        "Server and load cannot be measured apart, because their CPUs are threads of one core (SMT)",
    )


def group(facts: Facts) -> Iterator[Finding]:
    found = facts.group
    yield Finding("version", str(found.version or "none to be seen"))
    yield note_if(
        found.cpus is not None,
        "CPU quota",
        f"{number(found.cpus)} CPUs" if found.cpus else "none",
        "Latencies cannot be measured as the servers' own, because the control group stops them whenever its quota is "
        "used up; a cpuset (docker run --cpuset-cpus) would not",
    )
    yield note_if(
        found.memory is not None and found.memory < SPARE_MEMORY,
        "memory limit",
        "none" if found.memory is None else f"{mebibytes(found.memory)} MiB",
        "Fork with 512 MiB of ballast cannot be measured, because the control group would run out of memory",
        "docker update --memory -1 --memory-swap -1 CONTAINER",
    )
    yield Finding("cpuset", found.cpuset or "not told")
    yield processes("process limit", found.processes, "docker update --pids-limit -1 CONTAINER")


def processes(name: str, limit: int | None, fix: str) -> Finding:
    return note_if(
        limit is not None and limit < SPARE_PROCESSES,
        name,
        count(limit, "none"),
        f"A process for each connection cannot be measured with many connections, because {count(limit)} are the most",
        fix,
    )


def load(facts: Facts) -> Iterator[Finding]:
    found = facts.load
    busy = [cpu for cpu, share in found.others.items() if share > BUSY]
    yield Finding("load average", number(found.average))
    yield note_if(
        bool(found.hidden),
        "/proc/stat",
        f"hides CPU {join(found.hidden)}" if found.hidden else "lists our CPUs",
        f"Rounds that other load disturbed cannot be recognized, because /proc/stat does not list CPU "
        f"{join(found.hidden)}, on which we may run (in a container lxcfs counts CPUs from 0)",
    )
    yield note_if(
        bool(busy),
        "taken by others",
        ", ".join(f"{share:.0%} of CPU {cpu}" for cpu, share in found.others.items()) or "not told",
        f"Undisturbed rounds cannot be had now, because others use CPU {join(busy)} (see: top -b -n 1 | head -20)",
    )
    yield note_if(
        found.steal is not None and found.steal > BUSY,
        "stolen",
        "not told" if found.steal is None else f"{found.steal:.0%}",
        "Undisturbed rounds cannot be had now, because the host gives our CPUs to other virtual machines",
    )
    yield note_if(
        found.pressure is None,
        "pressure",
        ", ".join(f"{name} {share:g} %" for name, share in (found.pressure or {}).items()) or "not told",
        "Rounds that waited for CPU, memory or I/O cannot be recognized by pressure, because the kernel does not tell "
        "it (it would when booted with psi=1)",
    )


def memory(facts: Facts) -> Iterator[Finding]:
    found = facts.memory
    yield note_if(
        0 < found.available < SPARE_MEMORY,  # 0: /proc/meminfo is hidden
        "available",
        f"{mebibytes(found.available)} of {mebibytes(found.total)} MiB" if found.available else "not told",
        "Fork with 512 MiB of ballast cannot be measured, because memory would run out",
    )
    yield Finding("page cache", f"{mebibytes(found.cached)} MiB")
    yield note_if(
        found.swap_used > 0,
        "swap in use",
        f"{mebibytes(found.swap_used)} MiB",
        "Memory cannot be measured well, because pages that are swapped out are not in PSS",
        "sudo swapoff --all",
    )
