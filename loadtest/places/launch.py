"""Starts any contestant, on this machine or in a container: by its command line, a peer with a configuration too."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from loadtest.clients import wrk
from loadtest.contestants import peers
from loadtest.contestants.contestants import Contestant, Kind, command_line, is_sanitized
from loadtest.places.containers import Containers
from loadtest.system import ROOT, MeasurementError, processes
from loadtest.system.cpus import CpuSets
from loadtest.system.processes import Address, Server, pinned, run

DESCRIBING = 10.0  # seconds, for --describe
DRY_RUN = ROOT / "build" / "dry-run"
CONTAINER = "LOADTEST_CONTAINER"  # in the environment, by the image that has the harness
EXAMPLE = Address("127.0.0.1", 8080)  # of a dry run: a real run lets the kernel choose the port


@dataclass
class Local:
    """This machine, as it is."""

    binaries: Path
    log: Path  # the servers' stderr
    name: str = "local"
    description: str = ""  # half a sentence for the report's head

    def missing(self, executables: Sequence[str]) -> str:
        """One sentence with the fix when something is not there that we need; else nothing."""
        return next(filter(None, map(self._missing, executables)), "")

    def _missing(self, executable: str) -> str:
        if executable != wrk.EXECUTABLE:
            return peers.missing(executable, self.binaries)
        return "" if shutil.which(executable) else "wrk is not installed; apt-get install wrk"

    def prepare(self) -> None:
        """Makes what is needed and takes a while: nothing, for the servers were built before anything was started."""

    def describe(self, executable: str) -> str:
        """What a server of ours prints for --describe. Raises MeasurementError."""
        if sentence := peers.missing(executable, self.binaries):
            raise MeasurementError(sentence)
        return run([str(self.binaries / executable), "--describe"], DESCRIBING).stdout

    def versions(self, executables: Sequence[str]) -> dict[str, str]:
        return {Path(name).name + (" +asan" if is_sanitized(name) else ""): self._version(name) for name in executables}

    def _version(self, executable: str) -> str:
        if executable != wrk.EXECUTABLE:
            return peers.version(executable, self.binaries)
        return wrk.version(run([executable, "-v"], timeout=5, good=(0, 1)).stdout)

    def start(self, argv: Sequence[str], cpus: CpuSets, under: Sequence[str] = ()) -> Server:
        """The server of that command line, when it listens. Raises MeasurementError."""
        executable, *arguments = argv
        return Server(pinned(cpus.server, [*under, str(self.binaries / executable), *arguments]), self.log)

    def close(self) -> None:
        """Ends all that is left of it."""
        processes.end_all()


Place = Local | Containers


def contained() -> str:
    """Half a sentence on the container that all of it is in, harness too, as its image says; else nothing."""
    return os.environ.get(CONTAINER, "")


def here(binaries: Path, log: Path) -> Local:
    """This machine as it is, or as it looks from inside a container: its figures stand beside no native ones."""
    return Local(binaries, log, "container", contained()) if contained() else Local(binaries, log)


@dataclass(frozen=True)
class ServerPlan:
    """Which server a step needs."""

    contestant: Contestant
    cpus: CpuSets
    workers: int  # of a pool
    connections: int  # that it has to bear
    more: tuple[str, ...] = ()  # options, of all but peers
    under: tuple[str, ...] = ()  # a command that starts the server's in its own place, such as prlimit(1)
    restarts: bool = False  # Docker starts it again when it has failed; of containers alone

    @property
    def command_line(self) -> list[str]:
        """Of all but peers."""
        return command_line(self.contestant, self.workers, len(self.cpus.server), self.more)

    def configured(self, directory: Path, binaries: Path) -> peers.Launch:
        """Of a peer, which keeps its files there. As a loop it has a worker on each CPU, but one where its threads are
        what uses them."""
        directory.mkdir(parents=True, exist_ok=True)
        peer, cpus = peers.select(self.contestant.name), len(self.cpus.server)
        facts = self.contestant.known
        workers = self.workers if facts.pool else 1 if facts.hands_over else cpus
        return peers.prepare(peer, directory, binaries, workers, cpus, self.connections)


def start(place: Place, plan: ServerPlan, directory: Path) -> Server:
    """A peer keeps its files below `directory`. Raises MeasurementError."""
    if plan.restarts:
        assert isinstance(place, Containers)  # the command line sees to it
        return place.start_kept(plan.command_line, plan.cpus, plan.under)
    if plan.contestant.kind != Kind.peer:
        return place.start(plan.command_line, plan.cpus, plan.under)
    assert isinstance(place, Local)  # the command line sees to it
    launch = plan.configured(directory / "peers" / plan.contestant.name, place.binaries)
    command = pinned(plan.cpus.server, launch.argv)
    return Server(command, place.log, address=launch.address, stop_signal=launch.stop_signal)


def example(plan: ServerPlan, binaries: Path) -> tuple[Address, list[str]]:
    """Where it would listen, and a command line to paste; a peer's configuration is written for it."""
    if plan.contestant.kind == Kind.peer:
        launch = plan.configured(dry_run(plan.contestant.name), binaries)
        return launch.address, pinned(plan.cpus.server, launch.argv)
    executable, *arguments = plan.command_line
    arguments[arguments.index("--listen") + 1] = f"{EXAMPLE.host}:{EXAMPLE.port}"
    return EXAMPLE, pinned(plan.cpus.server, [*plan.under, str(binaries / executable), *arguments])


def dry_run(name: str) -> Path:
    """A directory for what a dry run's commands need; they are pasted later. In a checkout that nobody may write to it
    is one of the system's temporary ones."""
    with suppress(OSError):
        DRY_RUN.mkdir(parents=True, exist_ok=True)
    return (DRY_RUN if os.access(DRY_RUN, os.W_OK) else _temporary()) / name


@cache
def _temporary() -> Path:
    return Path(tempfile.mkdtemp(prefix="quartet-dry-run-"))
