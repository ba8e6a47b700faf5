"""Servers and clients as they are, on this machine."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtest import memory, processes, tree
from loadtest.clients import Look
from loadtest.cpu_sets import CpuSets
from loadtest.place import AnyPlan, AnyStep, Job, Seen
from loadtest.results import Memory


class LocalServer(processes.Server):
    def __enter__(self) -> LocalServer:
        return self

    def ask(self, job: Job[AnyPlan, AnyStep, Seen], plan: AnyPlan, step: AnyStep, look: Look) -> Seen:
        return job(self.address, plan, step, look)

    def cpu_seconds(self) -> float:
        return tree.cpu_seconds(self.pid)

    def switches(self) -> tree.Switches:
        return tree.switches(self.pid)

    def memory(self) -> Memory:
        return memory.read(self.processes())

    def processes(self) -> set[tuple[int, int]]:
        return {stat.identity for stat in tree.members(self.pid)}

    def incidents(self) -> list[str]:
        return []


@dataclass
class Local:
    binaries: Path
    log: Path  # the servers' stderr
    name: str = "local"
    description: str = ""

    def missing(self, executables: Sequence[str]) -> str:
        for tool, package in (("wrk", "wrk"), ("taskset", "util-linux"), ("setpriv", "util-linux")):
            if not shutil.which(tool):
                return f"{tool} is not installed; apt-get install {package}"
        for name in executables:
            if not os.access(self.binaries / name, os.X_OK):
                return f"{self.binaries / name} is missing; cmake --preset release && cmake --build --preset release"
        return ""

    def prepare(self) -> None:
        """Nothing: loadtest/run has built the servers."""

    def versions(self, executables: Sequence[str]) -> dict[str, str]:
        return {"wrk": wrk_version(), **{name: _version(self.binaries / name) for name in executables}}

    def start(self, argv: Sequence[str], cpus: CpuSets) -> LocalServer:
        executable, *arguments = argv
        command = processes.pinned(cpus.server, [str(self.binaries / executable), *arguments])
        return LocalServer(command, self.log)

    def close(self) -> None:
        processes.end_all()


def _version(executable: Path) -> str:
    return one_line(processes.run([str(executable), "--version"], timeout=5).stdout)


def one_line(version: str) -> str:
    return ", ".join(version.split("\n")).strip(", ")


def wrk_version() -> str:
    return parse_wrk_version(processes.run(["wrk", "-v"], timeout=5, good=(0, 1)).stdout)


def parse_wrk_version(text: str) -> str:
    found = re.match(r"wrk (\S+)", text)
    return found[1] if found else "unknown"
