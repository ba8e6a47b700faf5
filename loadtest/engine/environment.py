"""Where and with what it was measured: stamped on every result."""

import datetime
import os
import platform
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from loadtest.engine.run import Environment
from loadtest.places.launch import Place
from loadtest.system import ROOT, cpus, procfs
from loadtest.system.processes import ProcessError, run


def stamp(place: Place, executables: Sequence[str]) -> Environment:
    model, virtual = cpu()
    return Environment(
        started=datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        cpu_model=model,
        cpus=len(os.sched_getaffinity(0)),
        virtual=virtual,
        memory_bytes=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        kernel=platform.release(),
        system=system(),
        load_average=os.getloadavg()[0],
        commit=_commit(),
        versions={"python": platform.python_version(), **place.versions(executables)},
        command=shlex.join([program(), *sys.argv[1:]]),
        runner=place.name,
        place=place.description,
        irq_time=cpus.irq_time(),
    )


def cpu() -> tuple[str, bool]:
    """The model, and whether it is a virtual machine's."""
    info = procfs.text(Path("/proc/cpuinfo"))
    model = re.search(r"^model name\s*: (.+)$", info, re.MULTILINE)
    return model[1] if model else platform.machine(), " hypervisor" in info


def system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.system()


def program() -> str:
    return "loadtest/quartet" if Path(sys.argv[0]).parent.name == "cli" else "loadtest/run"


def missing() -> str:
    """One sentence with the fix when the kernel lacks something, else nothing."""
    if Path("/proc/self/smaps_rollup").exists():
        return ""
    return "/proc/self/smaps_rollup is missing; use a Linux kernel from 4.14 on with CONFIG_PROC_PAGE_MONITOR"


def _commit() -> str:
    """With a "+" when the work tree differs from it; a source archive has none."""
    git = ["git", "-C", str(ROOT), "--no-optional-locks"]
    try:
        head = run([*git, "rev-parse", "--short=12", "HEAD"], timeout=5).stdout.strip()
        return head + ("+" if run([*git, "status", "--porcelain"], timeout=5).stdout else "")
    except ProcessError:
        return "unknown"
