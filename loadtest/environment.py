"""Where and with what it was measured: stamped on every result."""

from __future__ import annotations

import datetime
import os
import platform
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from loadtest.processes import ProcessError, run
from loadtest.results import Environment

ROOT = Path(__file__).resolve().parent.parent


def stamp(binaries: Path, executables: Sequence[str]) -> Environment:
    cpu_info = Path("/proc/cpuinfo").read_text()
    return Environment(
        started=datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        cpu_model=_field(cpu_info, "model name") or platform.machine(),
        cpus=len(os.sched_getaffinity(0)),
        virtual=" hypervisor" in cpu_info,
        memory_bytes=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        kernel=platform.release(),
        system=_system(),
        load_average=os.getloadavg()[0],
        commit=_commit(),
        versions={
            "python": platform.python_version(),
            "wrk": _wrk_version(),
            **{name: _version(binaries / name) for name in executables},
        },
        command=shlex.join(["loadtest/run", *sys.argv[1:]]),
    )


def missing(binaries: Path, executables: Sequence[str]) -> str:
    """One sentence with the fix when something that we start is not there, else nothing."""
    for tool, package in (("wrk", "wrk"), ("taskset", "util-linux"), ("setpriv", "util-linux")):
        if not shutil.which(tool):
            return f"{tool} is not installed; apt-get install {package}"
    for name in executables:
        if not os.access(binaries / name, os.X_OK):
            return f"{binaries / name} is missing; cmake --preset release && cmake --build --preset release"
    if not Path("/proc/self/smaps_rollup").exists():
        return "/proc/self/smaps_rollup is missing; use a Linux kernel from 4.14 on with CONFIG_PROC_PAGE_MONITOR"
    return ""


def _field(text: str, name: str) -> str:
    found = re.search(rf"^{name}\s*: (.+)$", text, re.MULTILINE)
    return found[1] if found else ""


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.system()


def _version(executable: Path) -> str:
    return ", ".join(run([str(executable), "--version"], timeout=5).stdout.split("\n")).strip(", ")


def _wrk_version() -> str:
    found = re.match(r"wrk (\S+)", run(["wrk", "-v"], timeout=5, good=(0, 1)).stdout)
    return found[1] if found else "unknown"


def _commit() -> str:
    """With a "+" when the work tree differs from it; a source archive has none."""
    git = ["git", "-C", str(ROOT), "--no-optional-locks"]
    try:
        head = run([*git, "rev-parse", "--short=12", "HEAD"], timeout=5).stdout.strip()
        return head + ("+" if run([*git, "status", "--porcelain"], timeout=5).stdout else "")
    except ProcessError:
        return "unknown"
