"""What throughput, latency and the instrument against itself have in common: beginning, going on, dry run."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Callable
from pathlib import Path

from loadtest import folder, generators, peers
from loadtest.contestants import Kind
from loadtest.measured import TrialResults
from loadtest.place import Place
from loadtest.processes import Address, pinned
from loadtest.results import Environment
from loadtest.session import Progress
from loadtest.trial_runner import TrialRunner, remaining, server_arguments
from loadtest.trials import Cell, Settings, TrialStep, cells, describe, seconds, steps

EXAMPLE = Address("127.0.0.1", 8080)  # of a dry run: a real run lets the kernel choose the port


def begin(verb: str, settings: Settings, earlier: TrialResults | None, stamp: Environment) -> TrialResults:
    """Raises ValueError when the earlier results are of other software: rounds of both would be compared."""
    if earlier is None:
        return TrialResults(verb, stamp, settings)
    if earlier.environment.versions != stamp.versions or earlier.environment.commit != stamp.commit:
        raise ValueError(
            f"cannot resume: that was measured with commit {earlier.environment.commit}, this is {stamp.commit}, "
            "or versions of programs differ; one run cannot hold both"
        )
    earlier.failures = []  # they are tried again
    return earlier


def execute(found: TrialResults, place: Place, directory: Path, save: Callable[[], None]) -> None:
    if any(workload.path.startswith("/file/") for workload in found.settings.workloads):
        make_document_root(directory / "root")
    todo = remaining(found)
    progress = Progress([seconds(found.settings, step) for step in todo])

    def show(step: TrialStep) -> None:
        progress.show(todo.index(step), describe(step))

    TrialRunner(found, place, directory, save, folder.raw(directory), show).run()


def make_document_root(root: Path) -> None:
    root.mkdir(exist_ok=True)
    (root / "16k").write_bytes(bytes(range(256)) * 64)


def executables(settings: Settings) -> list[str]:
    """Servers by name; quartet-pace where it is asked for."""
    servers = {contestant.executable for contestant in settings.contestants}
    return sorted(servers | ({"quartet-pace"} if settings.rates else set()))


def lines(settings: Settings, binaries: Path) -> list[str]:
    """Every external command, ready to paste; then how many trials, and how long."""
    shown = [line for cell in cells(settings) for line in _commands(settings, cell, binaries)]
    todo = list(steps(settings))
    total = sum(seconds(settings, step) for step in todo)
    rounds = f"{settings.rounds} round{'' if settings.rounds == 1 else 's'}"
    return [*shown[1:], "", f"# {len(todo)} trials in {rounds}, about {total:.0f} s"]


def _commands(settings: Settings, cell: Cell, binaries: Path) -> list[str]:
    address, server = _server(settings, cell, binaries)
    argv = generators.argv(address, settings, cell)
    return ["", f"# {cell}", shlex.join(pinned(settings.budgets[cell.cpus].server, server)), shlex.join(argv)]


def _server(settings: Settings, cell: Cell, binaries: Path) -> tuple[Address, list[str]]:
    """A peer's configuration is written, so that its command can be pasted."""
    contestant = settings.contestant(cell.contestant)
    if contestant.kind == Kind.peer:
        directory = Path(tempfile.mkdtemp(prefix=f"quartet-{contestant.name}-"))
        peer, workers = peers.select(contestant.name), settings.workers_for(cell)
        launch = peers.prepare(peer, directory, binaries, workers, cell.cpus, cell.connections)
        return launch.address, launch.argv
    executable, *arguments = server_arguments(settings, cell, Path("root"))
    arguments[arguments.index("--listen") + 1] = f"{EXAMPLE.host}:{EXAMPLE.port}"
    return EXAMPLE, [str(binaries / executable), *arguments]
