"""Starts any contestant: ours and bare servers by their command line, peers with a configuration."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
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


@dataclass(frozen=True)
class ServerPlan:
    """Which server a step needs."""

    contestant: Contestant
    cpus: CpuSets
    workers: int  # of a pool
    connections: int  # that it has to bear
    more: tuple[str, ...] = ()  # options, of all but peers


def start(place: Place, plan: ServerPlan, directory: Path) -> Server:
    """A peer keeps its files below `directory`. Raises MeasurementError."""
    contestant, cpus = plan.contestant, plan.cpus
    if contestant.kind != Kind.peer:
        return place.start(command_line(contestant, plan.workers, len(cpus.server), plan.more), cpus)
    assert isinstance(place, Local)  # the command line sees to it
    own = directory / "peers" / contestant.name
    own.mkdir(parents=True, exist_ok=True)
    return place.start_peer(peers.select(contestant.name), own, _peer_workers(plan), plan.connections, cpus)


def _peer_workers(plan: ServerPlan) -> int:
    """Of a loop, one on each CPU."""
    return plan.workers if plan.contestant.known.pool else len(plan.cpus.server)


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


def example(plan: ServerPlan, binaries: Path) -> tuple[Address, list[str]]:
    """Where it would listen, and a command line to paste; a peer's configuration is written for it."""
    contestant, cpus = plan.contestant, plan.cpus
    if contestant.kind == Kind.peer:
        peer, own = peers.select(contestant.name), dry_run(contestant.name)
        launch = peers.prepare(peer, own, binaries, _peer_workers(plan), len(cpus.server), plan.connections)
        return launch.address, pinned(cpus.server, launch.argv)
    executable, *arguments = command_line(contestant, plan.workers, len(cpus.server), plan.more)
    arguments[arguments.index("--listen") + 1] = f"{EXAMPLE.host}:{EXAMPLE.port}"
    return EXAMPLE, pinned(cpus.server, [str(binaries / executable), *arguments])
