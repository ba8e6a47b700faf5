"""Servers and clients as they are, on this machine."""

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtest.contestants import peers
from loadtest.places.place import Server
from loadtest.system import processes
from loadtest.system.cpus import CpuSets
from loadtest.system.errors import MeasurementError

PATIENCE = 10.0  # seconds for a description


@dataclass
class Local:
    binaries: Path
    log: Path  # the servers' stderr
    name: str = "local"
    description: str = ""

    def missing(self, executables: Sequence[str]) -> str:
        if not shutil.which("wrk"):
            return "wrk is not installed; apt-get install wrk"
        return next(filter(None, map(self._missing, executables)), "")

    def _missing(self, name: str) -> str:
        if peer := peers.of_executable(name):
            return peers.missing(peer, self.binaries)
        if os.access(self.binaries / name, os.X_OK):
            return ""
        return f"{self.binaries / name} is missing; cmake --preset release && cmake --build --preset release"

    def prepare(self) -> None:
        """Nothing: loadtest/run has built the servers."""

    def describe(self, executable: str) -> str:
        if sentence := self._missing(executable):
            raise MeasurementError(sentence)
        return processes.run([str(self.binaries / executable), "--describe"], PATIENCE).stdout

    def versions(self, executables: Sequence[str]) -> dict[str, str]:
        wrk = processes.run(["wrk", "-v"], timeout=5, good=(0, 1)).stdout
        return {"wrk": wrk_version(wrk), **{Path(name).name: self._version(name) for name in executables}}

    def _version(self, name: str) -> str:
        if peer := peers.of_executable(name):
            return peers.version(peer, self.binaries)
        return one_line(processes.run([str(self.binaries / name), "--version"], timeout=5).stdout)

    def start(self, argv: Sequence[str], cpus: CpuSets) -> Server:
        executable, *arguments = argv
        command = processes.pinned(cpus.server, [str(self.binaries / executable), *arguments])
        return Server(command, self.log)

    def start_peer(self, launch: peers.Launch, cpus: CpuSets) -> Server:
        command = processes.pinned(cpus.server, launch.argv)
        return Server(command, self.log, address=launch.address, stop_signal=launch.stop_signal)

    def close(self) -> None:
        processes.end_all()


def one_line(version: str) -> str:
    return ", ".join(version.split("\n")).strip(", ")


def wrk_version(printed: str) -> str:
    found = re.match(r"wrk (\S+)", printed)
    return found[1] if found else "unknown"
