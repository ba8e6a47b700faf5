"""Starts any contestant: ours and bare servers by their command line, peers with a configuration."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from loadtest.contestants import peers
from loadtest.contestants.contestants import Contestant, Kind, command_line
from loadtest.places.local import Local
from loadtest.places.place import Place, Server
from loadtest.system.cpu_sets import CpuSets
from loadtest.system.processes import Address, pinned
from loadtest.system.repository import ROOT

DRY_RUN = ROOT / "build" / "dry-run"
EXAMPLE = Address("127.0.0.1", 8080)  # of a dry run: a real run lets the kernel choose the port


def start(
    place: Place,
    contestant: Contestant,
    directory: Path,
    cpus: CpuSets,
    *,
    workers: int,
    connections: int,
    more: Sequence[str] = (),
) -> Server:
    """A peer keeps its files below `directory`; `more` is for ours and for bare servers. Raises MeasurementError."""
    if contestant.kind != Kind.peer:
        return place.start(command_line(contestant, workers, len(cpus.server), more), cpus)
    assert isinstance(place, Local)  # the command line sees to it
    own = directory / "peers" / contestant.name
    own.mkdir(parents=True, exist_ok=True)
    own_workers = _peer_workers(contestant, workers, cpus)
    return place.start_peer(peers.select(contestant.name), own, own_workers, connections, cpus)


def _peer_workers(contestant: Contestant, workers: int, cpus: CpuSets) -> int:
    """Of a loop, one on each CPU."""
    return workers if contestant.known.pool else len(cpus.server)


def dry_run(name: str) -> Path:
    """A directory for what a dry run's commands need; they are pasted later. In a checkout that nobody may write to it
    is one of the system's temporary ones."""
    directory = _writable(DRY_RUN) / name
    directory.mkdir(parents=True, exist_ok=True)
    return directory


@cache
def _writable(directory: Path) -> Path:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.mkdtemp(prefix="quartet-dry-run-"))
    return directory if os.access(directory, os.W_OK) else Path(tempfile.mkdtemp(prefix="quartet-dry-run-"))


def example(
    contestant: Contestant,
    binaries: Path,
    cpus: CpuSets,
    *,
    workers: int,
    connections: int,
    more: Sequence[str] = (),
) -> tuple[Address, list[str]]:
    """Where it would listen, and a command line to paste; a peer's configuration is written for it."""
    if contestant.kind == Kind.peer:
        directory = dry_run(contestant.name)
        peer = peers.select(contestant.name)
        own_workers = _peer_workers(contestant, workers, cpus)
        launch = peers.prepare(peer, directory, binaries, own_workers, len(cpus.server), connections)
        return launch.address, pinned(cpus.server, launch.argv)
    executable, *arguments = command_line(contestant, workers, len(cpus.server), more)
    arguments[arguments.index("--listen") + 1] = f"{EXAMPLE.host}:{EXAMPLE.port}"
    return EXAMPLE, pinned(cpus.server, [str(binaries / executable), *arguments])
